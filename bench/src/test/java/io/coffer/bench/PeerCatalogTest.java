package io.coffer.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.fuse.FuseMount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PeerCatalogTest {
  @TempDir Path directory = Path.of("");

  @Test
  void whatIsInstalledIsFoundAndWhatIsNotHasAReason() throws IOException {
    program("gocryptfs");
    List<Peer> peers = PeerCatalog.find(directory.toString(), null, true);
    assertNull(named(peers, "plain").unavailable());
    assertNull(named(peers, "gocryptfs").unavailable());
    assertNull(named(peers, "gocryptfs-aessiv").unavailable());
    assertEquals("securefs is not on the PATH", named(peers, "securefs").unavailable());
    assertEquals("mkfs.ext4 is not on the PATH", named(peers, "ext4").unavailable());
    assertNotNull(named(peers, "coffer").unavailable());
  }

  @Test
  void loopDevicesNeedRoot() throws IOException {
    program("mkfs.ext4");
    assertNull(named(PeerCatalog.find(directory.toString(), null, true), "ext4").unavailable());
    assertEquals(
        "loop devices need root",
        named(PeerCatalog.find(directory.toString(), null, false), "ext4").unavailable());
  }

  @Test
  void withoutAChoiceAllThatAreInstalledAreMeasured() throws IOException {
    program("securefs");
    List<Peer> peers = PeerCatalog.find(directory.toString(), directory.resolve("coffer"), false);
    List<String> chosen = new ArrayList<>(names(PeerCatalog.select(peers, List.of())));
    assertEquals(FuseMount.obstacleToIoUring() == null, chosen.remove("coffer-io-uring"));
    assertEquals(
        List.of(
            "plain",
            "coffer",
            "coffer-aes-siv",
            "coffer-xchacha",
            "coffer-fscrypt",
            "coffer-shared",
            "securefs"),
        chosen);
  }

  @Test
  void aChoiceKeepsItsOrderAndMayNameWhatIsMissing() {
    List<Peer> peers = PeerCatalog.find(directory.toString(), null, false);
    assertEquals(
        List.of("encfs", "plain"), names(PeerCatalog.select(peers, List.of("encfs", "plain"))));
  }

  @Test
  void anUnknownNameIsAnsweredWithTheKnownOnes() {
    List<Peer> peers = PeerCatalog.find(directory.toString(), null, false);
    var wrong =
        assertThrows(
            IllegalArgumentException.class, () -> PeerCatalog.select(peers, List.of("encfss")));
    String message = String.valueOf(wrong.getMessage());
    assertTrue(message.contains("encfss"), message);
    assertTrue(message.contains("securefs"), message);
  }

  private void program(String name) throws IOException {
    Files.createFile(
        directory.resolve(name),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
  }

  private static Peer named(List<Peer> peers, String name) {
    return peers.stream().filter(p -> p.name().equals(name)).findFirst().orElseThrow();
  }

  private static List<String> names(List<Peer> peers) {
    return peers.stream().map(Peer::name).toList();
  }
}
