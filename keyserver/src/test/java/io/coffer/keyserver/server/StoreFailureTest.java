package io.coffer.keyserver.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditException;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A server whose disk fails it. */
@DisplayName("A disk")
class StoreFailureTest {
  private static final String KEYS = "/v1/services/cinder/owners/project:a/keys";

  @TempDir Path directory;

  private static boolean run(String... command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getInputStream().readAllBytes();
    return process.waitFor() == 0;
  }

  private static void fill(Path ballast) throws IOException {
    try (OutputStream out = Files.newOutputStream(ballast)) {
      for (byte[] block = new byte[4096]; ; ) {
        out.write(block);
      }
    } catch (IOException e) {
      assertTrue(String.valueOf(e.getMessage()).contains("space"), e.toString());
    }
  }

  private static void isAProblemThatSaysWhatToDo(TestServer.Answer answer, String what)
      throws JsonException {
    assertEquals(503, answer.status(), answer.text());
    assertEquals("application/problem+json", answer.type());
    assertTrue(answer.json().string("title").contains(what), answer.text());
    assertTrue(answer.json().string("detail").contains("operator"), answer.text());
  }

  /** Makes keys until one is refused, and notes those that were acknowledged. */
  private static TestServer.Answer makeKeysUntilRefused(
      TestServer.Client alice, List<String> acknowledged) throws Exception {
    for (int i = 0; i < 2000; i++) {
      TestServer.Answer answer = alice.post(KEYS, "{}");
      if (answer.status() != 201) {
        return answer;
      }
      acknowledged.add(answer.json().string("id"));
    }
    throw new AssertionError("the disk is not full after 2000 keys");
  }

  private static void areAllReadable(TestServer server, List<String> ids) throws Exception {
    for (String id : ids) {
      TestServer.Answer answer = server.as("client:alice").get(KEYS + "/" + id + "/wrapped");
      assertEquals(200, answer.status(), answer.text());
    }
  }

  private static Set<String> listed(TestServer server) throws Exception {
    Set<String> ids = new HashSet<>();
    String after = "";
    while (true) {
      List<JsonObject> page =
          server
              .as("client:alice")
              .ok("GET", KEYS + "?limit=1000&after=" + after, null)
              .objects("keys");
      if (page.isEmpty()) {
        return ids;
      }
      for (JsonObject key : page) {
        ids.add(key.string("id"));
      }
      after = page.getLast().string("id");
    }
  }

  @Nested
  @DisplayName("that is full")
  class Full {
    private Path disk;

    @BeforeEach
    void mount() throws Exception {
      disk = Files.createDirectory(directory.resolve("disk"));
      assumeTrue(
          run("mount", "-t", "tmpfs", "-o", "size=4m", "coffer-test", disk.toString()),
          "mounting a small disk needs root");
    }

    @AfterEach
    void unmount() throws Exception {
      run("umount", disk.toString());
    }

    @Test
    void refusesWithAnAdviceLosesNothingLogsEverythingAndGoesOnWhenThereIsRoom() throws Exception {
      Path ballast = disk.resolve("ballast");
      try (TestServer server = new TestServer(disk.resolve("home"))) {
        server.makeBox("cinder", "project:a");
        TestServer.Client alice = server.as("client:alice");
        List<String> acknowledged = new ArrayList<>();
        acknowledged.add(alice.ok("POST", KEYS, "{}").string("id"));
        fill(ballast);
        isAProblemThatSaysWhatToDo(makeKeysUntilRefused(alice, acknowledged), "");
        fill(ballast.resolveSibling("rest"));
        // The log of what was asked for is on the same disk.
        for (int i = 0; alice.get(KEYS + "/" + acknowledged.getFirst()).status() == 200; i++) {
          assertTrue(i < 10_000, "the disk is not full");
        }
        isAProblemThatSaysWhatToDo(alice.post(KEYS, "{}"), "nothing is done unlogged");
        isAProblemThatSaysWhatToDo(alice.get(KEYS), "nothing is done unlogged");
        assertEquals(503, alice.get("/health").status(), "who balances loads asks this");
        assertEquals(200, alice.get("/v1/status").status());

        Files.delete(ballast.resolveSibling("rest"));
        Files.delete(ballast);
        acknowledged.add(alice.ok("POST", KEYS, "{}").string("id"));
        assertEquals(200, alice.get("/health").status());
        areAllReadable(server, acknowledged);

        server.restart();
        server.unseal();
        areAllReadable(server, acknowledged);
        Set<String> all = listed(server);
        assertTrue(all.containsAll(acknowledged));
        AuditLog.verify(server.home.auditLog(), server.home.auditPublicKey());
        String log = Files.readString(server.home.auditLog());
        for (String id : all) {
          assertTrue(
              log.lines().anyMatch(l -> l.contains("\"key.create\"") && l.contains("keys/" + id)),
              "the key " + id + " was made and is not in the log");
        }
      }
    }

    @Test
    void refusesChangesAndServesWhatIsThereIfTheLogIsOnAnother() throws Exception {
      Path ballast = disk.resolve("ballast");
      try (TestServer server = new TestServer(directory.resolve("home"))) {
        server.makeBox("cinder", "project:a");
        server.server().close();
        Path store = directory.resolve("home/store.db");
        Files.move(store, disk.resolve("store.db"));
        Files.createSymbolicLink(store, disk.resolve("store.db"));
        server.restart();
        server.unseal();
        TestServer.Client alice = server.as("client:alice");
        List<String> acknowledged = new ArrayList<>();
        acknowledged.add(alice.ok("POST", KEYS, "{}").string("id"));
        fill(ballast);
        isAProblemThatSaysWhatToDo(
            makeKeysUntilRefused(alice, acknowledged), "store of this key server");
        areAllReadable(server, acknowledged);
        Files.delete(ballast);
        acknowledged.add(alice.ok("POST", KEYS, "{}").string("id"));
        server.restart();
        server.unseal();
        areAllReadable(server, acknowledged);
        assertEquals(Set.copyOf(acknowledged), listed(server), "what was refused was not done");
      }
    }

    @Test
    void keepsRoomForTheLogOfWhatIsUnderWayAlsoIfTheServerIsStoppedThen() throws Exception {
      Path ballast = disk.resolve("ballast");
      try (TestServer server = new TestServer(directory.resolve("home"))) {
        server.makeBox("cinder", "project:a");
        server.server().close();
        Path log = server.home.auditLog();
        Files.move(log, disk.resolve("log"));
        Files.createSymbolicLink(log, disk.resolve("log"));
        server.restart();
        server.unseal();
        TestServer.Client alice = server.as("client:alice");
        List<String> acknowledged = Collections.synchronizedList(new ArrayList<>());
        fill(ballast);
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
          List<Callable<TestServer.Answer>> all =
              Collections.nCopies(8, () -> makeKeysUntilRefused(alice, acknowledged));
          for (Future<TestServer.Answer> each : clients.invokeAll(all)) {
            isAProblemThatSaysWhatToDo(each.get(), "audit log");
            assertTrue(each.get().text().contains("Nothing was done"), each.get().text());
          }
        }
        assertTrue(acknowledged.size() > 100, "there was room for a while");
        long full = Files.size(log);
        for (int i = 0; i < 20; i++) {
          assertEquals(503, alice.get("/v1/nowhere").status());
        }
        assertEquals(full, Files.size(log), "what is refused takes no room from what is under way");

        server.restart();
        server.unseal();
        TestServer.Client again = server.as("client:alice");
        isAProblemThatSaysWhatToDo(again.post(KEYS, "{}"), "audit log");
        AuditLog.verify(log, server.home.auditPublicKey());
        Files.delete(ballast);
        assertEquals(Set.copyOf(acknowledged), listed(server), "what was refused was not done");
        String text = Files.readString(log);
        for (String id : acknowledged) {
          assertTrue(text.contains("keys/" + id), "the key " + id + " is not in the log");
        }
        AuditLog.verify(log, server.home.auditPublicKey());
      }
    }

    @Test
    void thatGivesNoMoreLogsLateWhatWasDone() throws Exception {
      Path ballast = disk.resolve("ballast");
      KeyPair pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
      Path file = disk.resolve("log");
      try (AuditLog log =
          AuditLog.open(file, pair.getPrivate(), pair.getPublic(), Clock.systemUTC())) {
        fill(ballast);
        int written = 0;
        AuditException failure = null;
        while (failure == null && written < 20_000) {
          try {
            log.append(new AuditEvent("client:a", "", "key.read", "key " + written, "granted", ""));
            written++;
          } catch (AuditException e) {
            failure = e;
          }
        }
        assertTrue(failure != null, "the room that was kept has an end");
        assertTrue(written > 2000, written + " entries had room");
        assertThrows(AuditException.class, log::requireWritable);
        Files.delete(ballast);
        log.requireWritable();
        AuditLog.verify(file, pair.getPublic());
        List<String> late =
            Files.readAllLines(file).stream()
                .filter(line -> line.contains("not answered, since the log"))
                .toList();
        assertEquals(1, late.size());
        assertTrue(late.getFirst().contains("\"key " + written + "\""), late.toString());
      }
    }

    @Test
    void thatCanOnlyBeReadIsSaidSoWhenTheServerStarts() throws Exception {
      try (TestServer server = new TestServer(disk.resolve("home"))) {
        server.server().close();
        assumeTrue(run("mount", "-o", "remount,ro", disk.toString()), "cannot remount");
        IOException refused =
            assertThrows(
                IOException.class,
                () ->
                    KeyServer.start(
                            server.home,
                            server.home.listen(),
                            TestServer.LIMITS,
                            KeyServer.GRACE,
                            Clock.systemUTC())
                        .close());
        assertTrue(String.valueOf(refused.getMessage()).contains("Read-only"), refused.toString());
      }
    }
  }

  @Nested
  @DisplayName("with a store")
  class Store {
    @Test
    void thatAnotherProgramLocksIsReadMeanwhileAndWrittenAfterwards() throws Exception {
      try (TestServer server = new TestServer(directory.resolve("home"))) {
        server.makeBox("cinder", "project:a");
        TestServer.Client alice = server.as("client:alice");
        String id = alice.ok("POST", KEYS, "{}").string("id");
        try (Connection other =
                DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("home/store.db"));
            Statement statement = other.createStatement()) {
          statement.execute("BEGIN IMMEDIATE");
          isAProblemThatSaysWhatToDo(alice.post(KEYS, "{}"), "store of this key server");
          areAllReadable(server, List.of(id));
          statement.execute("ROLLBACK");
        }
        String second = alice.ok("POST", KEYS, "{}").string("id");
        assertEquals(Set.of(id, second), listed(server), "what was refused was not done");
      }
    }

    @Test
    void thatWasMovedAwayOrReplacedIsNotWrittenIntoUntilItIsBack() throws Exception {
      try (TestServer server = new TestServer(directory.resolve("home"))) {
        server.makeBox("cinder", "project:a");
        TestServer.Client alice = server.as("client:alice");
        String id = alice.ok("POST", KEYS, "{}").string("id");
        Path store = directory.resolve("home/store.db");
        Path away = directory.resolve("away");
        Files.move(store, away);
        isAProblemThatSaysWhatToDo(alice.post(KEYS, "{}"), "store of this key server");
        areAllReadable(server, List.of(id));
        Files.copy(away, store);
        isAProblemThatSaysWhatToDo(alice.post(KEYS, "{}"), "store of this key server");
        Files.delete(store);
        Files.move(away, store);
        String second = alice.ok("POST", KEYS, "{}").string("id");
        server.restart();
        server.unseal();
        areAllReadable(server, List.of(id, second));
      }
    }
  }
}
