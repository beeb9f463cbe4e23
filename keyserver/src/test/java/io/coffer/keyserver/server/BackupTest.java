package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.server.TestServer.Client;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BackupTest {
  private static final String BOX = "/v1/services/cinder/owners/project:a/keys";
  private static final String CLEAR = "CLEARKEY-0123456789abcdef0123456";

  @TempDir static Path shared;
  private static TestServer server;
  private static String id;
  @TempDir Path directory;

  @BeforeAll
  static void start() throws Exception {
    server = new TestServer(shared.resolve("home"));
    server.makeBox("cinder", "project:a");
    String material = Base64.getEncoder().encodeToString(CLEAR.getBytes(UTF_8));
    id =
        server
            .as("client:alice")
            .ok("POST", BOX, "{\"material\":\"" + material + "\"}")
            .string("id");
  }

  @AfterAll
  static void stop() throws IOException {
    server.close();
  }

  private Path backUp() throws Exception {
    Path backup = directory.resolve("backup");
    ServerBackup.backUp(server.home, backup, server.witness(), Clock.systemUTC());
    return backup;
  }

  private ServerBackup.Restored restore(Path backup, AuditLog.Head earlier) throws Exception {
    try (SecretBytes passphrase = TestServer.passphrase()) {
      return ServerBackup.restore(
          backup,
          directory.resolve("restored"),
          passphrase,
          earlier,
          new ServerHome.Listen("127.0.0.1", 0),
          Clock.systemUTC());
    }
  }

  @Test
  void isTakenFromARunningServerAndRunsElsewhere() throws Exception {
    Client alice = server.as("client:alice");
    Path backup = directory.resolve("backup");
    AuditLog.Head head;
    try (ExecutorService threads = Executors.newSingleThreadExecutor()) {
      Future<Integer> writing =
          threads.submit(() -> {
            int made = 0;
            for (int i = 0; i < 50; i++, made++) {
              alice.ok("POST", BOX, "{}");
            }
            return made;
          });
      head = ServerBackup.backUp(server.home, backup, server.witness(), Clock.systemUTC());
      assertEquals(50, writing.get(), "writers are not disturbed");
    }
    ServerBackup.Restored restored = restore(backup, head);
    assertTrue(restored.records() >= 4, "the service, the owner, the key and its string");
    ServerHome home = ServerHome.open(directory.resolve("restored"));
    try (KeyServer second =
            KeyServer.start(
                home, home.listen(), TestServer.LIMITS, KeyServer.GRACE, Clock.systemUTC());
        SecretBytes passphrase = TestServer.passphrase()) {
      second.unseal(passphrase);
      Client there =
          new Client(alice.http(), "https://127.0.0.1:" + second.port(), alice.identity());
      assertEquals(
          alice.get(BOX + "/" + id + "/wrapped").text(),
          there.get(BOX + "/" + id + "/wrapped").text());
      there.ok("POST", BOX, "{}");
    }
    String log = Files.readString(home.auditLog());
    assertTrue(log.contains("server.restore"));
    assertTrue(
        log.lines()
            .anyMatch(l ->
                l.contains("\"who\":\"operator:op\"")
                    && l.contains("\"action\":\"server.backup\"")
                    && l.contains("to " + backup)),
        "the backup's own log says who took it: " + log);
    AuditLog.verify(home.auditLog(), home.auditPublicKey(), head);
  }

  @Test
  void runsAtAnotherAddressWhenTheOldMachineIsLostAndClientsTrustItOnlyByItsNewCertificate()
      throws Exception {
    Path carried = directory.resolve("carried");
    Client alice;
    String key;
    String before;
    try (TestServer old = new TestServer(directory.resolve("lost"))) {
      old.makeBox("cinder", "project:a");
      alice = old.as("client:alice");
      key = BOX + "/" + alice.ok("POST", BOX, "{\"name\":\"kept\"}").string("id");
      before = alice.get(key + "/wrapped").text();
      Path backup = directory.resolve("backup");
      ServerBackup.backUp(old.home, backup, old.witness(), Clock.systemUTC());
      Files.move(backup, carried);
      old.server().close();
      ServerBackup.removeContents(old.home.directory());
      ServerHome home;
      try (SecretBytes passphrase = TestServer.passphrase()) {
        ServerBackup.restore(
            carried,
            directory.resolve("machine2"),
            passphrase,
            null,
            new ServerHome.Listen("127.0.0.2", 0),
            Clock.systemUTC());
        home = ServerHome.open(directory.resolve("machine2"));
      }
      try (KeyServer there = start(home)) {
        Client client = at(there, alice);
        assertThrows(IOException.class, () -> client.get("/v1/status"), "it names another machine");
      }
      try (SecretBytes passphrase = TestServer.passphrase()) {
        var issued =
            CertificateAuthority.open(home.directory().resolve("ca"), passphrase, Clock.systemUTC())
                .issue(
                    new Identity(Profile.SERVER, "server"),
                    Set.of("127.0.0.2"),
                    Duration.ofDays(1));
        Files.delete(home.certificate("server"));
        Files.delete(home.key("server"));
        Pem.writePrivateKey(home.key("server"), issued.key());
        Files.write(
            home.certificate("server"),
            Pem.encode("CERTIFICATE", issued.certificate().getEncoded()));
      }
      try (KeyServer there = start(home);
          SecretBytes passphrase = TestServer.passphrase()) {
        there.unseal(passphrase);
        Client client = at(there, alice);
        assertEquals(before, client.get(key + "/wrapped").text());
        client.ok("POST", key + "/rotate", null);
      }
    }
  }

  private static KeyServer start(ServerHome home) throws IOException {
    return KeyServer.start(
        home, home.listen(), TestServer.LIMITS, KeyServer.GRACE, Clock.systemUTC());
  }

  private static Client at(KeyServer there, Client client) {
    return new Client(client.http(), "https://127.0.0.2:" + there.port(), client.identity());
  }

  @Test
  void showsNoClearKeyAndIsReadableByItsOwnerOnly() throws Exception {
    Path backup = backUp();
    try (Stream<Path> files = Files.walk(backup)) {
      for (Path file : files.toList()) {
        assertFalse(
            Files.getPosixFilePermissions(file).toString().contains("OTHERS"), file.toString());
        if (Files.isRegularFile(file)) {
          assertFalse(Files.readString(file, ISO_8859_1).contains(CLEAR), file.toString());
        }
      }
    }
  }

  @Test
  void thatWasChangedInAnyFileOrCutOrRolledBackIsRefused() throws Exception {
    Path backup = backUp();
    AuditLog.Head later = AuditLog.verify(server.home.auditLog(), server.home.auditPublicKey());
    for (String name : new String[] {"store.db", "audit.jsonl", "server.key", "ca/ca.pem"}) {
      Path file = backup.resolve(name);
      byte[] good = Files.readAllBytes(file);
      byte[] bad = good.clone();
      bad[bad.length / 2] ^= 1;
      Files.write(file, bad);
      IOException refused = assertThrows(IOException.class, () -> restore(backup, later));
      assertTrue(String.valueOf(refused.getMessage()).contains(name), refused.getMessage());
      Files.delete(file);
      assertThrows(IOException.class, () -> restore(backup, later));
      Files.write(file, good);
    }
    // More happened after the backup: whoever expects that is told that the backup is older.
    server.as("client:alice").ok("POST", BOX, "{}");
    AuditLog.Head newest = AuditLog.verify(server.home.auditLog(), server.home.auditPublicKey());
    IOException old = assertThrows(IOException.class, () -> restore(backup, newest));
    assertTrue(String.valueOf(old.getMessage()).contains("taken away"), old.getMessage());
    String manifest = Files.readString(backup.resolve("backup.json"));
    Files.writeString(
        backup.resolve("backup.json"), manifest.replace("\"store.db\"", "\"../../store.db\""));
    assertThrows(IOException.class, () -> restore(backup, later));
    Files.delete(backup.resolve("backup.json"));
    IOException incomplete = assertThrows(IOException.class, () -> restore(backup, later));
    assertTrue(String.valueOf(incomplete.getMessage()).contains("no complete backup"));
    assertFalse(Files.exists(directory.resolve("restored/server.json")), "nothing was made");
  }

  @Test
  void ofALogThatWasTamperedWithIsNotTaken() throws Exception {
    Path copy = backUp();
    Path log = copy.resolve("audit.jsonl");
    Files.writeString(log, Files.readString(log).replaceFirst("owner.create", "owner.creatE"));
    Path second = directory.resolve("second");
    assertThrows(
        IOException.class,
        () ->
            ServerBackup.backUp(
                ServerHome.open(copy), second, server.witness(), Clock.systemUTC()));
    try (Stream<Path> left = Files.list(second)) {
      assertEquals(0, left.count(), "nothing half is left behind");
    }
  }

  @Test
  void isLoggedByWhomItMayBeOrNotTaken() throws Exception {
    assertEquals(403, server.as("client:alice").post("/v1/backups", "{\"to\":\"x\"}").status());
    Path target = directory.resolve("unlogged");
    assertThrows(
        IllegalStateException.class,
        () ->
            ServerBackup.backUp(
                server.home,
                target,
                to -> {
                  throw new IllegalStateException("the server does not answer");
                },
                Clock.systemUTC()));
    try (Stream<Path> left = Files.list(target)) {
      assertEquals(0, left.count(), "nothing was copied");
    }
  }

  @Test
  void ofAServerThatDoesNotRunIsLoggedAsWell() throws Exception {
    ServerHome stopped;
    try (TestServer other = new TestServer(directory.resolve("other"))) {
      stopped = other.home;
    }
    Path target = directory.resolve("stopped");
    AuditLog.Head head =
        ServerBackup.backUp(
            stopped,
            target,
            to -> {
              throw new IllegalStateException("there is no server to ask");
            },
            Clock.systemUTC());
    String log = Files.readString(target.resolve("audit.jsonl"));
    String last = log.lines().toList().getLast();
    assertTrue(last.contains("server.backup") && last.contains("to " + target), last);
    assertEquals(head, AuditLog.verify(stopped.auditLog(), stopped.auditPublicKey()));
  }
}
