package io.coffer.keyserver.record;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.engine.ConflictException;
import io.coffer.keyserver.engine.Engine.Change;
import io.coffer.keyserver.engine.Engine.Entry;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.engine.EtcdCluster;
import io.coffer.keyserver.engine.EtcdEngine;
import io.coffer.keyserver.engine.EtcdSettings;
import io.coffer.keyserver.record.RecordStore.Write;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two servers' stores over one etcd. */
class SharedRecordStoreTest {
  private static final AtomicInteger PREFIXES = new AtomicInteger();
  @TempDir static Path directory;
  private static EtcdCluster cluster;
  private final SecretBytes root = SecretBytes.random(32);
  private final List<AutoCloseable> open = new ArrayList<>();
  private EtcdSettings settings;
  private EtcdEngine engine;
  private RecordStore first;
  private RecordStore second;

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
  void create() throws Exception {
    settings = cluster.settings("/store" + PREFIXES.incrementAndGet() + "/");
    engine = EtcdEngine.open(settings, null);
    open.addFirst(engine);
    first = RecordStore.create(engine, root);
    open.addFirst(first);
    second = another();
  }

  private RecordStore another() throws Exception {
    EtcdEngine own = EtcdEngine.open(settings, null);
    open.addFirst(own);
    RecordStore store = RecordStore.open(own, root);
    open.addFirst(store);
    return store;
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable each : open) {
      each.close();
    }
    root.close();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  private static long put(RecordStore store, String id, String content, long expected)
      throws EngineException {
    return store.commit(List.of(new Write(id, bytes(content), expected)));
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
  void whatOneHasAcknowledgedTheOtherKnowsAtOnce() throws Exception {
    for (int i = 0; i < 50; i++) {
      RecordStore writer = i % 2 == 0 ? first : second;
      RecordStore reader = i % 2 == 0 ? second : first;
      long version = put(writer, "k", "v" + i, i == 0 ? 0 : reader0(reader).version());
      reader.sync();
      assertEquals(version, reader0(reader).version());
      assertArrayEquals(bytes("v" + i), reader0(reader).content());
    }
  }

  private static RecordStore.Stored reader0(RecordStore store) throws EngineException {
    return store.get("k").orElseThrow();
  }

  @Test
  void aDeletedRecordIsGoneEverywhere() throws Exception {
    long version = put(first, "k", "v", 0);
    second.sync();
    second.commit(List.of(new Write("k", null, version)));
    first.sync();
    assertTrue(first.get("k").isEmpty());
    assertEquals(List.of(), first.ids("", "", 10));
    put(first, "k", "again", 0);
  }

  @Test
  void onlyOneOfTwoWritersOnTheSameVersionWins() throws Exception {
    for (int i = 0; i < 20; i++) {
      String id = "once/" + i;
      AtomicInteger won = new AtomicInteger();
      AtomicInteger lost = new AtomicInteger();
      try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
        List<Callable<Boolean>> both = new ArrayList<>();
        for (RecordStore store : List.of(first, second)) {
          both.add(() -> {
            try {
              put(store, id, "x", 0);
              won.incrementAndGet();
            } catch (ConflictException e) {
              lost.incrementAndGet();
            }
            return true;
          });
        }
        for (Future<Boolean> done : threads.invokeAll(both)) {
          assertTrue(done.get());
        }
      }
      assertEquals(1, won.get());
      assertEquals(1, lost.get());
    }
  }

  @Test
  void manyThreadsOfBothCommitWithoutLosingAWriteAndTheLedgerAgrees() throws Exception {
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Callable<Long>> tasks = new ArrayList<>();
      for (int i = 0; i < 400; i++) {
        int n = i;
        tasks.add(() -> put(n % 2 == 0 ? first : second, "k" + n, "v" + n, 0));
      }
      for (Future<Long> done : threads.invokeAll(tasks)) {
        assertTrue(done.get() > 0);
      }
    }
    for (RecordStore store : List.of(first, second, another())) {
      store.sync();
      assertEquals(400, store.size());
      for (int i = 0; i < 400; i++) {
        assertArrayEquals(bytes("v" + i), store.get("k" + i).orElseThrow().content());
      }
    }
  }

  @Test
  void theOtherIsToldByIdWhatHasChangedWithoutAsking() throws Exception {
    Set<String> told = ConcurrentHashMap.newKeySet();
    second.listen(told::add);
    long version = put(first, "key/hpc/project:a/1", "v", 0);
    assertTrue(eventually(() -> told.contains("key/hpc/project:a/1")));
    told.clear();
    first.commit(List.of(new Write("key/hpc/project:a/1", null, version)));
    assertTrue(eventually(() -> told.contains("key/hpc/project:a/1")));
  }

  @Test
  void aRecordThatSomebodyElseChangesInEtcdIsFoundOut() throws Exception {
    put(first, "a", "of a", 0);
    put(first, "b", "of b", 0);
    second.sync();
    List<Entry> entries = engine.range("r", 2, 0);
    engine.apply(
        List.of(
            Change.put(entries.get(0).key(), entries.get(1).value(), entries.get(0).version()),
            Change.put(entries.get(1).key(), entries.get(0).value(), entries.get(1).version())));
    assertThrows(IntegrityException.class, () -> second.get("a"));
    assertThrows(IntegrityException.class, () -> put(second, "a", "x", 1));
    RecordStore third = another();
    assertThrows(IntegrityException.class, () -> third.get("a"));
  }

  @Test
  void anOldLedgerPutBackIsFoundOut() throws Exception {
    Entry old = java.util.Objects.requireNonNull(engine.get("ledger"));
    put(first, "a", "x", 0);
    Entry now = java.util.Objects.requireNonNull(engine.get("ledger"));
    engine.apply(List.of(Change.put("ledger", old.value(), now.version())));
    assertThrows(IntegrityException.class, () -> second.sync());
    assertThrows(IntegrityException.class, () -> put(first, "b", "x", 0));
  }
}
