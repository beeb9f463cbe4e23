package io.coffer.keyserver.engine;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.keyserver.engine.Engine.Change;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SqliteEngineTest {
  @TempDir Path directory;
  private Path file;
  private SqliteEngine engine;

  @BeforeEach
  void open() throws EngineException {
    file = directory.resolve("store.db");
    engine = SqliteEngine.open(file);
  }

  @AfterEach
  void close() {
    engine.close();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  private Engine.Entry entry(String key) throws EngineException {
    return Objects.requireNonNull(engine.get(key));
  }

  @Test
  void whatWasWrittenIsThereAfterReopening() throws EngineException {
    long revision = engine.apply(List.of(Change.put("a", bytes("one"), Engine.ABSENT)));
    engine.close();
    engine = SqliteEngine.open(file);
    assertArrayEquals(bytes("one"), entry("a").value());
    assertEquals(revision, entry("a").version());
    assertTrue(engine.apply(List.of(Change.put("b", bytes("x"), Engine.ABSENT))) > revision);
  }

  @Test
  void aTransactionWithOneConflictChangesNothing() throws EngineException {
    long first = engine.apply(List.of(Change.put("a", bytes("one"), Engine.ABSENT)));
    assertThrows(
        ConflictException.class,
        () ->
            engine.apply(
                List.of(
                    Change.put("b", bytes("new"), Engine.ABSENT),
                    Change.put("a", bytes("two"), first + 7))));
    assertNull(engine.get("b"));
    assertArrayEquals(bytes("one"), entry("a").value());
    assertThrows(
        ConflictException.class,
        () -> engine.apply(List.of(Change.put("a", bytes("two"), Engine.ABSENT))));
    assertThrows(
        ConflictException.class, () -> engine.apply(List.of(Change.delete("a", first + 1))));
    assertThrows(ConflictException.class, () -> engine.apply(List.of(Change.delete("zz", 1))));
    engine.apply(List.of(Change.delete("a", first)));
    assertNull(engine.get("a"));
  }

  @Test
  void aRangeIsOrderedAndContinuesAfterAKey() throws EngineException {
    for (String key : List.of("r3", "r1", "s", "r2", "q'; DROP TABLE entry; --")) {
      engine.apply(List.of(Change.put(key, bytes(key), Engine.ABSENT)));
    }
    assertEquals(
        List.of("r1", "r2"), engine.range("r", 2, 0).stream().map(Engine.Entry::key).toList());
    assertEquals(
        List.of("r3", "s"), engine.range("r2", 9, 0).stream().map(Engine.Entry::key).toList());
  }

  @Test
  void aWatchSeesEveryTransactionInOrderUntilItIsClosed() throws EngineException {
    List<Long> seen = new ArrayList<>();
    long second;
    try (Engine.Watch watch = engine.watch(0, applied -> seen.add(applied.revision()), () -> {})) {
      Objects.requireNonNull(watch);
      long first = engine.apply(List.of(Change.put("a", bytes("1"), Engine.ABSENT)));
      second = engine.apply(List.of(Change.put("a", bytes("2"), first)));
      assertEquals(List.of(first, second), seen);
    }
    engine.apply(List.of(Change.put("a", bytes("3"), second)));
    assertEquals(2, seen.size());
  }

  @Test
  void aSecondServerOnTheSameStoreIsRefused() {
    EngineException refused =
        assertThrows(EngineException.class, () -> SqliteEngine.open(file).close());
    assertTrue(String.valueOf(refused.getMessage()).contains("in use"));
  }

  @Test
  void anotherDatabaseOrAnyOtherFileIsRefusedAndLeftAlone() throws Exception {
    Path other = directory.resolve("other.db");
    byte[] content = "this is not a database, but a text that somebody needs".getBytes(UTF_8);
    Files.write(other, content);
    assertThrows(EngineException.class, () -> SqliteEngine.open(other).close());
    assertArrayEquals(content, Files.readAllBytes(other));
  }

  @Test
  void theFileIsReadableByItsOwnerOnly() throws Exception {
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
  }

  @Test
  void aCopyIsAStoreOfItsOwn() throws EngineException {
    engine.apply(List.of(Change.put("a", bytes("one"), Engine.ABSENT)));
    Path copy = directory.resolve("copy.db");
    engine.backUp(copy);
    assertThrows(EngineException.class, () -> engine.backUp(copy));
    try (SqliteEngine restored = SqliteEngine.open(copy)) {
      assertArrayEquals(bytes("one"), Objects.requireNonNull(restored.get("a")).value());
    }
  }

  @Test
  void nothingWorksAfterClosing() {
    engine.close();
    assertThrows(EngineException.class, () -> engine.get("a"));
    assertThrows(EngineException.class, () -> engine.apply(List.of()));
  }
}
