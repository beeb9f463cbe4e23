package io.coffer.keyserver.audit;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AuditLogTest {
  @TempDir Path directory;
  private Path file;
  private KeyPair pair;

  @BeforeEach
  void makeKey() throws Exception {
    file = directory.resolve("audit.jsonl");
    pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
  }

  private AuditLog open() throws IOException {
    return AuditLog.open(file, pair.getPrivate(), pair.getPublic(), Clock.systemUTC());
  }

  private static AuditEvent event(String target) {
    return new AuditEvent("client:a", "127.0.0.1", "key.read", target, "granted", "");
  }

  private void write(int count) throws IOException {
    try (AuditLog log = open()) {
      for (int i = 0; i < count; i++) {
        log.append(event("key " + i));
      }
    }
  }

  private AuditLog.Head verify() throws IOException {
    return AuditLog.verify(file, pair.getPublic());
  }

  @Test
  void aLogContinuesOverRestartsAndVerifies() throws IOException {
    write(3);
    write(2);
    AuditLog.Head head = verify();
    assertEquals(5, head.sequence());
    try (AuditLog log = open()) {
      assertEquals(head, log.head());
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      log.export(3, 10, out);
      List<String> lines = out.toString(UTF_8).lines().toList();
      assertEquals(2, lines.size());
      assertTrue(lines.get(0).startsWith("{\"seq\":4,"), lines.get(0));
    }
  }

  @Test
  void aLogHasOneWriterAtATime() throws IOException {
    try (AuditLog _ = open()) {
      IOException e = assertThrows(IOException.class, this::open);
      assertTrue(String.valueOf(e.getMessage()).contains("in use"), e::toString);
    }
    write(1);
    assertEquals(1, verify().sequence());
  }

  @Test
  void anEmptyLogVerifies() throws IOException {
    write(0);
    assertEquals(0, verify().sequence());
  }

  @Test
  void everyChangedCharacterIsFound() throws IOException {
    write(2);
    byte[] good = Files.readAllBytes(file);
    for (int i = 0; i < good.length; i++) {
      byte[] bad = good.clone();
      bad[i] = (byte) (bad[i] == 'x' ? 'y' : 'x');
      Files.write(file, bad);
      assertThrows(AuditException.class, this::verify, "character " + i);
    }
  }

  @Test
  void aRemovedSwappedOrRepeatedEntryIsFound() throws IOException {
    write(4);
    List<String> lines = Files.readAllLines(file);
    for (List<String> bad :
        List.of(
            List.of(lines.get(1), lines.get(2), lines.get(3)),
            List.of(lines.get(0), lines.get(2), lines.get(3)),
            List.of(lines.get(0), lines.get(2), lines.get(1), lines.get(3)),
            List.of(lines.get(0), lines.get(0), lines.get(1)))) {
      Files.write(file, bad);
      assertThrows(AuditException.class, this::verify);
    }
  }

  @Test
  void aLogOfAnotherServerIsNotTakenForThisOnes() throws Exception {
    write(2);
    KeyPair other = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    assertThrows(AuditException.class, () -> AuditLog.verify(file, other.getPublic()));
  }

  @Test
  void anEntryCutShortByACrashIsTakenAwayAndSaidSo() throws IOException {
    write(2);
    Files.writeString(file, "{\"seq\":3,\"time\":\"20", StandardOpenOption.APPEND);
    assertThrows(AuditException.class, this::verify);
    open().close();
    assertEquals(3, verify().sequence());
    assertTrue(Files.readAllLines(file).get(2).contains("audit.recover"));
  }

  @Test
  void aTamperedLogIsNotContinued() throws IOException {
    write(2);
    Files.writeString(file, Files.readString(file).replace("key 0", "key 9"));
    assertThrows(AuditException.class, () -> open().close());
  }

  @Test
  void aLogThatWasCutOrReplacedIsFoundByAnEndNotedEarlier() throws Exception {
    write(3);
    AuditLog.Head noted = verify();
    write(1);
    assertEquals(4, AuditLog.verify(file, pair.getPublic(), noted).sequence());
    Files.write(file, Files.readAllLines(file).subList(0, 2));
    verify();
    assertThrows(AuditException.class, () -> AuditLog.verify(file, pair.getPublic(), noted));
    Files.delete(file);
    write(4);
    assertThrows(AuditException.class, () -> AuditLog.verify(file, pair.getPublic(), noted));
  }

  @Test
  void manyThreadsWriteOneChain() throws Exception {
    try (AuditLog log = open();
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Callable<Boolean>> tasks = new ArrayList<>();
      for (int i = 0; i < 300; i++) {
        int n = i;
        tasks.add(() -> {
          log.append(event("key " + n));
          return true;
        });
      }
      for (Future<Boolean> done : threads.invokeAll(tasks)) {
        assertTrue(done.get());
      }
    }
    assertEquals(300, verify().sequence());
  }

  @Test
  void whatAskersSendCannotForgeALine() throws IOException {
    try (AuditLog log = open()) {
      log.append(event("x\"}\n{\"seq\":2,\"who\":\"operator:root\"}"));
      log.append(event("y".repeat(100_000)));
    }
    assertEquals(2, verify().sequence());
    assertEquals(2, Files.readAllLines(file).size());
  }

  @Test
  void isSearchedFromItsEndWhateverItsLength() throws IOException {
    try (AuditLog log = open()) {
      // Long ones, so that entries lie across the blocks that are read.
      for (int i = 1; i <= 700; i++) {
        log.append(
            new AuditEvent(
                i % 7 == 0 ? "client:seven" : "client:a",
                "10.0.0." + i % 250,
                "key.read",
                i + "x".repeat(i % 500),
                "granted",
                ""));
      }
      List<Long> seen = new ArrayList<>();
      long before = 0;
      do {
        AuditPage page = log.search(AuditQuery.ALL, before, 33, Long.MAX_VALUE);
        page.entries().forEach(entry -> seen.add(entry.sequence()));
        before = page.next();
      } while (before > 0);
      assertEquals(700, seen.size());
      for (int i = 0; i < 700; i++) {
        assertEquals(700 - i, seen.get(i));
      }
      AuditQuery sevens = new AuditQuery("SEVEN", "read", "", "granted", null, null);
      assertEquals(100, log.search(sevens, 0, 1000, Long.MAX_VALUE).entries().size());
      AuditQuery first = new AuditQuery("", "", "1xx", "", null, null);
      assertTrue(log.search(first, 0, 1000, Long.MAX_VALUE).entries().size() > 10);
    }
  }

  @Test
  void aSearchStopsWhenItHasLookedThroughEnoughAndGoesOnFromThere() throws IOException {
    write(500);
    try (AuditLog log = open()) {
      AuditQuery oldest = new AuditQuery("", "", "key 0", "", null, null);
      AuditPage page = log.search(oldest, 0, 10, 20_000);
      assertTrue(page.entries().isEmpty() && page.next() > 0 && page.oldest() > 1);
      int searches = 1;
      while (page.entries().isEmpty() && page.next() > 0) {
        page = log.search(oldest, page.next(), 10, 20_000);
        searches++;
      }
      assertEquals("key 0", page.entries().getFirst().event().target());
      assertTrue(searches > 5, searches + " searches");
      assertThrows(IllegalArgumentException.class, () -> log.search(oldest, 3, 10, 1000));
      assertThrows(
          IllegalArgumentException.class, () -> log.search(oldest, Long.MAX_VALUE, 10, 1000));
    }
  }

  @Test
  void aSearchLeavesOutWhatIsJustBeingWritten() throws IOException {
    write(2);
    try (AuditLog log = open()) {
      Files.writeString(file, "{\"seq\":3,\"ti", StandardOpenOption.APPEND);
      assertEquals(2, log.search(AuditQuery.ALL, 0, 10, Long.MAX_VALUE).entries().size());
    }
  }
}
