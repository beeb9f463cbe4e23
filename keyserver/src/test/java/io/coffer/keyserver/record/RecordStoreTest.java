package io.coffer.keyserver.record;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.engine.ConflictException;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.Engine.Change;
import io.coffer.keyserver.engine.Engine.Entry;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.engine.SqliteEngine;
import io.coffer.keyserver.record.RecordStore.Write;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RecordStoreTest {
  @TempDir Path directory;
  private final SecretBytes root = SecretBytes.random(32);
  private SqliteEngine engine;
  private RecordStore store;

  @BeforeEach
  void create() throws EngineException {
    engine = SqliteEngine.open(directory.resolve("store.db"));
    store = RecordStore.create(engine, root);
  }

  @AfterEach
  void close() {
    store.close();
    engine.close();
    root.close();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  private long put(String id, String content, long expected) throws EngineException {
    return store.commit(List.of(new Write(id, bytes(content), expected)));
  }

  private void reopen() throws EngineException {
    store.close();
    store = RecordStore.open(engine, root);
  }

  /** All record entries as the engine has them, without the ledger. */
  private List<Entry> entries() throws EngineException {
    return engine.range("r", 100, 0);
  }

  @Test
  void recordsOutliveReopening() throws EngineException {
    put("key/cinder/a", "one", 0);
    long b = put("key/cinder/b", "two", 0);
    put("key/glance/a", "three", 0);
    store.commit(
        List.of(new Write("key/cinder/b", bytes("four"), b), new Write("x", bytes("y"), 0)));
    reopen();
    assertArrayEquals(bytes("four"), store.get("key/cinder/b").orElseThrow().content());
    assertEquals(List.of("key/cinder/a", "key/cinder/b"), store.ids("key/cinder/", "", 10));
    assertEquals(List.of("key/cinder/b"), store.ids("key/cinder/", "key/cinder/a", 10));
    assertEquals(List.of("key/cinder/a"), store.ids("key/cinder/", "", 1));
    assertEquals(4, store.size());
    assertTrue(store.get("none").isEmpty());
  }

  @Test
  void knowsHowManyRecordsADirectoryHas() throws EngineException {
    long one = put("key/cinder/one", "1", 0);
    put("key/cinder/two", "2", 0);
    put("key/cinderella/three", "3", 0);
    put("key/cinder/two/below", "4", 0);
    put("key/cinder/one", "again", one);
    assertEquals(2, store.count("key/cinder/"));
    assertEquals(0, store.count("key/"));
    reopen();
    assertEquals(2, store.count("key/cinder/"));
    long again = store.get("key/cinder/one").orElseThrow().version();
    store.commit(List.of(new Write("key/cinder/one", null, again)));
    assertEquals(1, store.count("key/cinder/"));
  }

  @Test
  void aWriteOnAnOldVersionIsRefusedAndChangesNothing() throws EngineException {
    long first = put("a", "one", 0);
    put("a", "two", first);
    assertThrows(ConflictException.class, () -> put("a", "three", first));
    assertThrows(ConflictException.class, () -> put("a", "three", 0));
    assertThrows(
        ConflictException.class,
        () -> store.commit(List.of(new Write("b", bytes("x"), 0), new Write("a", null, first))));
    assertTrue(store.get("b").isEmpty());
    assertArrayEquals(bytes("two"), store.get("a").orElseThrow().content());
  }

  @Test
  void manyThreadsCommitWithoutLosingAWrite() throws Exception {
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Callable<Long>> tasks = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        int n = i;
        tasks.add(() -> put("k" + n, "v" + n, 0));
      }
      for (Future<Long> done : threads.invokeAll(tasks)) {
        assertTrue(done.get() > 0);
      }
    }
    reopen();
    for (int i = 0; i < 200; i++) {
      assertArrayEquals(bytes("v" + i), store.get("k" + i).orElseThrow().content());
    }
  }

  @Test
  void theStoreShowsNeitherIdsNorContents() throws Exception {
    put("owner/project:secret-project", "the content of the record", 0);
    engine.close();
    StringBuilder all = new StringBuilder();
    try (var files = Files.list(directory)) {
      for (Path file : files.toList()) {
        all.append(new String(Files.readAllBytes(file), ISO_8859_1));
      }
    }
    assertFalse(all.toString().contains("secret-project"));
    assertFalse(all.toString().contains("the content"));
  }

  @Test
  void anotherRootKeyOpensNothing() throws EngineException {
    put("a", "one", 0);
    try (SecretBytes other = SecretBytes.random(32)) {
      assertThrows(IntegrityException.class, () -> RecordStore.open(engine, other).close());
    }
  }

  @Nested
  class AnEngineThatLies {
    private Entry only() throws EngineException {
      return entries().getFirst();
    }

    @Test
    void isFoundOutByEveryFlippedBit() throws EngineException {
      put("a", "x", 0);
      byte[] value = only().value();
      for (int bit = 0; bit < value.length * 8; bit++) {
        byte[] damaged = value.clone();
        damaged[bit / 8] ^= (byte) (1 << (bit % 8));
        engine.apply(List.of(Change.put(only().key(), damaged, only().version())));
        assertThrows(IntegrityException.class, () -> store.get("a"), "bit " + bit);
      }
      assertThrows(IntegrityException.class, RecordStoreTest.this::reopen);
    }

    @Test
    void isFoundOutByEveryTruncation() throws EngineException {
      put("a", "x", 0);
      byte[] value = only().value();
      for (int length = 0; length < value.length; length++) {
        byte[] cut = java.util.Arrays.copyOf(value, length);
        engine.apply(List.of(Change.put(only().key(), cut, only().version())));
        assertThrows(IntegrityException.class, () -> store.get("a"), "length " + length);
      }
    }

    @Test
    void cannotMoveARecordToAnotherId() throws EngineException {
      put("a", "of a", 0);
      put("b", "of b", 0);
      Entry first = entries().get(0);
      Entry second = entries().get(1);
      engine.apply(
          List.of(
              Change.put(first.key(), second.value(), first.version()),
              Change.put(second.key(), first.value(), second.version())));
      assertThrows(IntegrityException.class, () -> store.get("a"));
      assertThrows(IntegrityException.class, () -> store.get("b"));
      assertThrows(IntegrityException.class, RecordStoreTest.this::reopen);
    }

    @Test
    void cannotRollBackOneRecord() throws EngineException {
      long version = put("a", "old", 0);
      Entry old = only();
      put("a", "new", version);
      engine.apply(List.of(Change.put(old.key(), old.value(), only().version())));
      assertThrows(IntegrityException.class, () -> store.get("a"));
      assertThrows(IntegrityException.class, RecordStoreTest.this::reopen);
    }

    @Test
    void cannotRollBackTheWholeStoreWhileItIsOpen() throws EngineException {
      long version = put("a", "old", 0);
      Entry old = only();
      Entry oldLedger = Objects.requireNonNull(engine.get("ledger"));
      put("a", "new", version);
      Entry ledger = Objects.requireNonNull(engine.get("ledger"));
      engine.apply(
          List.of(
              Change.put(old.key(), old.value(), only().version()),
              Change.put("ledger", oldLedger.value(), ledger.version())));
      assertThrows(IntegrityException.class, () -> store.get("a"));
      assertThrows(IntegrityException.class, () -> put("b", "x", 0));
    }

    @Test
    void cannotHideRemoveOrBringBackARecord() throws EngineException {
      put("keep", "k", 0);
      long version = put("a", "x", 0);
      List<Entry> before = entries();
      store.commit(List.of(new Write("a", null, version)));
      Entry deleted =
          before.stream()
              .filter(e -> entries0().stream().noneMatch(n -> n.key().equals(e.key())))
              .findFirst()
              .orElseThrow();
      engine.apply(List.of(Change.put(deleted.key(), deleted.value(), Engine.ABSENT)));
      assertTrue(store.get("a").isEmpty(), "the open store knows that it was deleted");
      assertThrows(IntegrityException.class, RecordStoreTest.this::reopen);
      for (Entry entry : entries()) {
        engine.apply(List.of(Change.delete(entry.key(), entry.version())));
      }
      assertThrows(IntegrityException.class, RecordStoreTest.this::reopen);
    }

    private List<Entry> entries0() {
      try {
        return entries();
      } catch (EngineException e) {
        throw new AssertionError(e);
      }
    }

    @Test
    void cannotDropTheLedger() throws EngineException {
      Entry ledger = Objects.requireNonNull(engine.get("ledger"));
      engine.apply(List.of(Change.delete("ledger", ledger.version())));
      assertThrows(IntegrityException.class, RecordStoreTest.this::reopen);
    }
  }
}
