package io.coffer.keyserver.engine;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.keyserver.engine.Engine.Applied;
import io.coffer.keyserver.engine.Engine.Change;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EtcdEngineTest {
  private static final AtomicInteger PREFIXES = new AtomicInteger();
  @TempDir static Path directory;
  private static EtcdCluster cluster;
  private EtcdSettings settings;
  private EtcdEngine engine;

  @BeforeAll
  static void startEtcd() throws Exception {
    cluster = new EtcdCluster(directory.resolve("etcd"), 1);
  }

  @AfterAll
  static void stopEtcd() throws Exception {
    if (cluster != null) {
      cluster.close();
    }
  }

  @BeforeEach
  void open() throws Exception {
    settings = cluster.settings("/test" + PREFIXES.incrementAndGet() + "/");
    engine = EtcdEngine.open(settings, null);
  }

  @AfterEach
  void close() {
    if (engine != null) {
      engine.close();
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  private static boolean eventually(Callable<Boolean> condition) throws Exception {
    long end = System.nanoTime() + Duration.ofSeconds(40).toNanos();
    while (!condition.call()) {
      if (System.nanoTime() > end) {
        return false;
      }
      Thread.sleep(20);
    }
    return true;
  }

  @Test
  void whatWasWrittenIsThereForEverybody() throws Exception {
    long revision = engine.apply(List.of(Change.put("a", bytes("one"), Engine.ABSENT)));
    try (EtcdEngine other = EtcdEngine.open(settings, null)) {
      Engine.Entry entry = Objects.requireNonNull(other.get("a"));
      assertArrayEquals(bytes("one"), entry.value());
      assertEquals(revision, entry.version());
      assertNull(other.get("b"));
    }
  }

  @Test
  void aTransactionWithOneConflictChangesNothing() throws Exception {
    long first = engine.apply(List.of(Change.put("a", bytes("one"), Engine.ABSENT)));
    assertThrows(
        ConflictException.class,
        () ->
            engine.apply(
                List.of(
                    Change.put("b", bytes("new"), Engine.ABSENT),
                    Change.put("a", bytes("two"), first + 7))));
    assertNull(engine.get("b"));
    assertThrows(
        ConflictException.class,
        () -> engine.apply(List.of(Change.put("a", bytes("two"), Engine.ABSENT))));
    assertThrows(
        ConflictException.class, () -> engine.apply(List.of(Change.delete("a", first + 1))));
    engine.apply(List.of(Change.delete("a", first)));
    assertNull(engine.get("a"));
  }

  @Test
  void aRangeIsOrderedAndCanBeAskedForAsItWasBefore() throws Exception {
    List<Change> many = new ArrayList<>();
    for (int i = 0; i < 120; i++) {
      many.add(Change.put(String.format("r%03d", i), bytes("x" + i), Engine.ABSENT));
    }
    long before = engine.apply(many);
    engine.apply(List.of(Change.delete("r000", before), Change.put("s", bytes("s"), 0)));
    assertEquals(120, engine.range("", 1000, before).size());
    List<String> keys = engine.range("r", 1000, 0).stream().map(Engine.Entry::key).toList();
    assertEquals(120, keys.size());
    assertEquals("r001", keys.getFirst());
    assertEquals("s", keys.getLast());
    assertEquals(
        List.of("r118", "r119"),
        engine.range("r117", 2, 0).stream().map(Engine.Entry::key).toList());
  }

  @Test
  void aWatchTellsWhatWasAndWhatWillBeInWholeTransactions() throws Exception {
    long first = engine.apply(List.of(Change.put("a", bytes("1"), Engine.ABSENT)));
    long second =
        engine.apply(List.of(Change.put("a", bytes("2"), first), Change.put("b", bytes("b"), 0)));
    List<Applied> seen = new CopyOnWriteArrayList<>();
    try (Engine.Watch watch = engine.watch(first, seen::add, () -> {})) {
      long third;
      try (EtcdEngine other = EtcdEngine.open(settings, null)) {
        third = other.apply(List.of(Change.delete("a", second)));
      }
      assertTrue(eventually(() -> seen.size() == 2));
      assertEquals(List.of(second, third), List.of(seen.get(0).revision(), seen.get(1).revision()));
      assertEquals(
          List.of("a", "b"), seen.get(0).changes().stream().map(Change::key).sorted().toList());
      assertNull(seen.get(1).changes().getFirst().value());
      watch.nudge();
      long fourth = engine.apply(List.of(Change.put("c", bytes("c"), 0)));
      assertTrue(eventually(() -> seen.size() == 3));
      assertEquals(fourth, seen.get(2).revision());
    }
  }

  @Test
  void aServerIsListedWhileItLivesAndOnlyOneHasTheTurn() throws Exception {
    try (EtcdEngine second = EtcdEngine.open(settings, "k2")) {
      EtcdEngine first = EtcdEngine.open(settings, "k1");
      try {
        assertEquals(List.of("k1", "k2"), engine.servers());
        assertTrue(first.hasTurn());
        assertTrue(first.hasTurn(), "it keeps it");
        assertFalse(second.hasTurn());
        assertFalse(engine.hasTurn(), "one that only looks on never has it");
      } finally {
        first.close();
      }
      assertTrue(eventually(second::hasTurn), "the next one takes over");
      assertEquals(List.of("k2"), engine.servers());
    }
  }

  @Test
  void aMemberThatIsNotThereIsPassedOver() throws Exception {
    List<URI> endpoints = List.of(URI.create("http://127.0.0.1:1"), cluster.endpoint(0));
    EtcdSettings half = new EtcdSettings(endpoints, settings.prefix(), null, null);
    try (EtcdEngine other = EtcdEngine.open(half, null)) {
      for (int i = 0; i < 4; i++) {
        other.apply(List.of(Change.put("k" + i, bytes("x"), Engine.ABSENT)));
        assertNotNull(other.get("k" + i));
      }
    }
  }

  @Test
  void aCopyOpensAsAnEmbeddedStoreAndFillsAnotherPrefix() throws Exception {
    for (int i = 0; i < 200; i++) {
      engine.apply(List.of(Change.put("r" + i, bytes("v" + i), Engine.ABSENT)));
    }
    engine.apply(List.of(Change.put("ledger", bytes("l"), Engine.ABSENT)));
    Path copy = directory.resolve("copy" + PREFIXES.get() + ".db");
    engine.backUp(copy);
    EtcdSettings elsewhere = cluster.settings("/test" + PREFIXES.incrementAndGet() + "/");
    try (SqliteEngine embedded = SqliteEngine.open(copy);
        EtcdEngine filled = EtcdEngine.open(elsewhere, null)) {
      filled.fill(embedded);
      assertArrayEquals(bytes("v7"), Objects.requireNonNull(filled.get("r7")).value());
      assertEquals(201, filled.range("", 1000, 0).size());
      assertThrows(ConflictException.class, () -> filled.fill(embedded));
    }
  }

  @Test
  void settingsThatCannotBeMeantAreRefused() {
    for (String endpoint : List.of("127.0.0.1:2379", "ftp://a:1", "http://a", "http://a:1/x")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new EtcdSettings(List.of(URI.create(endpoint)), "/c/", null, null),
          endpoint);
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> new EtcdSettings(List.of(URI.create("http://a:1")), "c", null, null));
  }
}
