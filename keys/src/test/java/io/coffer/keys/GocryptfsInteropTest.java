package io.coffer.keys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.ContentLayout;
import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.StoredName;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.FieldSource;

@DisplayName("Between Coffer and the installed gocryptfs")
class GocryptfsInteropTest {
  private static final GocryptfsOptions DEFAULT = GocryptfsOptions.DEFAULT.withScryptLogN(10);

  /** Our options and theirs, for all ciphers and name modes. */
  static final List<Arguments> KINDS =
      List.of(
          Arguments.of(DEFAULT, "-plaintextnames=false"),
          Arguments.of(DEFAULT.withCipher(GocryptfsCipher.AES_SIV), "-aessiv"),
          Arguments.of(DEFAULT.withCipher(GocryptfsCipher.XCHACHA20_POLY1305), "-xchacha"),
          Arguments.of(DEFAULT.withPlaintextNames(true), "-plaintextnames"),
          Arguments.of(DEFAULT.withDeterministicNames(true), "-deterministic-names"),
          Arguments.of(DEFAULT.withLongNameMax(100), "-longnamemax=100"));

  @TempDir Path temporary;
  private Path directory;

  @BeforeEach
  void prepare() throws Exception {
    boolean there = gocryptfs("", "-version") == 0 && Files.exists(Path.of("/dev/fuse"));
    if (!there) {
      System.err.println("SKIPPED: gocryptfs or /dev/fuse is not there");
    }
    assumeTrue(there, "gocryptfs or /dev/fuse is not there");
    directory = Files.createDirectory(temporary.resolve("volume"));
  }

  @ParameterizedTest
  @FieldSource("KINDS")
  @DisplayName("a volume and a file made by us are clean and readable to them")
  void ourVolumeIsTheirs(GocryptfsOptions options, String theirs) throws Exception {
    byte[] content = new byte[20_000];
    new Random(1).nextBytes(content);
    byte[] plainName = ("long" + "x".repeat(200)).getBytes(StandardCharsets.US_ASCII);
    try (SecretBytes password = secret("password")) {
      GocryptfsVolume volume =
          GocryptfsVolume.create(directory, null, false, options, password, null);
      try (SecretBytes masterKey = volume.unlock(password);
          GocryptfsFormat format = volume.format(masterKey, true)) {
        write(format, plainName, content);
      }
    }
    assertEquals(0, gocryptfs("password", "-info", directory.toString()));
    assertEquals(0, gocryptfs("password", "-fsck", directory.toString()));
    assertEquals(12, gocryptfs("Password", "-fsck", directory.toString()));
    try (Mounted mounted = new Mounted(directory, temporary.resolve("mnt"), "password")) {
      Path file = mounted.path.resolve(new String(plainName, StandardCharsets.US_ASCII));
      assertTrue(Arrays.equals(content, Files.readAllBytes(file)));
    }
  }

  @ParameterizedTest
  @FieldSource("KINDS")
  @DisplayName("a volume made by them has the configuration that we would have written")
  void theirVolumeIsOurs(GocryptfsOptions options, String theirs) throws Exception {
    assertEquals(0, gocryptfs("password", "-init", "-scryptn=10", theirs, directory.toString()));
    GocryptfsVolume volume = GocryptfsVolume.open(directory, false);
    try (SecretBytes password = secret("password");
        SecretBytes masterKey = volume.unlock(password)) {
      GocryptfsConfig same = GocryptfsConfig.create(options, password, masterKey);
      assertEquals(same.flags(), volume.config().flags());
      assertEquals(same.longNameMax(), volume.config().longNameMax());
      String written = Files.readString(volume.configFile());
      assertEquals(written, new String(volume.config().toJson(), StandardCharsets.UTF_8));
    }
  }

  @Test
  @DisplayName("either changes the password of a volume, and the other opens it")
  void passwordsChangeBothWays() throws Exception {
    GocryptfsVolume volume;
    try (SecretBytes first = secret("first");
        SecretBytes second = secret("second")) {
      volume = GocryptfsVolume.create(directory, null, false, DEFAULT, first, null);
      try (SecretBytes masterKey = volume.unlock(first)) {
        volume = volume.changePassword(masterKey, second);
        assertEquals(0, gocryptfs("second", "-fsck", directory.toString()));
        assertEquals(12, gocryptfs("first", "-fsck", directory.toString()));
        // Old and new password, one line each.
        assertEquals(0, gocryptfs("second\nthird", "-passwd", "-scryptn=11", directory.toString()));
        GocryptfsVolume changed = GocryptfsVolume.open(directory, false);
        assertEquals(1 << 11, changed.config().scrypt().n());
        try (SecretBytes third = secret("third");
            SecretBytes again = changed.unlock(third)) {
          assertTrue(again.matches(masterKey));
          VolumeException e = assertThrows(VolumeException.class, () -> changed.unlock(second));
          assertEquals(Problem.WRONG_PASSWORD, e.problem());
        }
      }
    }
  }

  @Test
  @DisplayName("what a crash of ours leaves in a directory neither shows nor counts as damage")
  void leftoversDisturbNobody() throws Exception {
    try (SecretBytes password = secret("password")) {
      GocryptfsVolume volume =
          GocryptfsVolume.create(directory, null, false, DEFAULT, password, null);
      try (SecretBytes masterKey = volume.unlock(password);
          GocryptfsFormat format = volume.format(masterKey, true)) {
        NameCodec names = names(format);
        Files.createDirectory(directory.resolve(text(names.newTemporaryName())));
        Files.createFile(directory.resolve(text(names.newTemporaryName())));
      }
    }
    assertEquals(0, gocryptfs("password", "-fsck", directory.toString()));
    try (Mounted mounted = new Mounted(directory, temporary.resolve("mnt"), "password");
        var entries = Files.list(mounted.path)) {
      assertEquals(List.of(), entries.toList());
    }
  }

  private NameCodec names(GocryptfsFormat format) throws Exception {
    byte[] contextName = format.directoryContextName();
    return format.names(
        contextName == null
            ? new byte[0]
            : Files.readAllBytes(directory.resolve(text(contextName))));
  }

  private void write(GocryptfsFormat format, byte[] plainName, byte[] content) throws Exception {
    StoredName name = names(format).encode(plainName);
    ContentLayout layout = format.layout();
    byte[] header = format.newFileHeader();
    byte[] stored = Arrays.copyOf(header, (int) layout.storedSize(content.length));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment plain = arena.allocateFrom(ValueLayout.JAVA_BYTE, content);
      MemorySegment sealed = arena.allocate(stored.length);
      int bytes = format.contents(header).seal(0, plain, 0, content.length, sealed, 0);
      MemorySegment.copy(sealed, ValueLayout.JAVA_BYTE, 0, stored, header.length, bytes);
    }
    byte[] sidecar = name.sidecarName();
    byte[] sidecarContent = name.sidecarContent();
    if (sidecar != null && sidecarContent != null) {
      Files.write(directory.resolve(text(sidecar)), sidecarContent);
    }
    Files.write(directory.resolve(text(name.name())), stored);
  }

  /** Runs gocryptfs with standard input; returns its exit status. */
  private int gocryptfs(String input, String... arguments) throws Exception {
    return run(temporary, input, arguments);
  }

  private static int run(Path temporary, String input, String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of("gocryptfs", "-q"));
    command.addAll(List.of(arguments));
    Path stdin =
        Files.writeString(Files.createDirectories(temporary).resolve("stdin"), input + "\n");
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectInput(stdin.toFile())
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (!process.waitFor(60, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new IOException(command + " did not end");
      }
      return process.exitValue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    } finally {
      Files.delete(stdin);
    }
  }

  /** The volume mounted by gocryptfs. */
  private static final class Mounted implements AutoCloseable {
    final Path path;

    Mounted(Path directory, Path path, String password) throws IOException {
      this.path = Files.createDirectories(path);
      int status =
          run(directory.resolveSibling("input"), password, directory.toString(), path.toString());
      assertEquals(0, status, "exit status of gocryptfs");
    }

    @Override
    public void close() throws IOException {
      try {
        new ProcessBuilder("fusermount", "-u", "-z", path.toString()).start().waitFor();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException(e);
      }
    }
  }

  private static SecretBytes secret(String text) {
    return SecretBytes.take(text.getBytes(StandardCharsets.UTF_8));
  }

  private static String text(byte[] name) {
    return new String(name, StandardCharsets.US_ASCII);
  }
}
