package io.coffer.keyserver.engine;

import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A small ordered store of entries with versions, as etcd has it: every transaction raises one
 * revision of the whole store, and the version of an entry is the revision that wrote it last. An
 * engine sees ciphertext only; whoever controls it can destroy, but neither read nor forge.
 *
 * <p>Implementations are thread-safe and durable: when {@link #apply} returns, the transaction
 * survives a crash.
 */
public interface Engine extends AutoCloseable {
  /** What a key must have to be absent. */
  long ABSENT = 0;

  /** An entry; the array is the caller's own. */
  record Entry(String key, byte[] value, long version) {}

  /**
   * One write of a transaction.
   *
   * @param value the new value; null deletes the entry
   * @param expectedVersion the version that the entry has now, {@link #ABSENT} if it must not exist
   */
  record Change(String key, byte @Nullable [] value, long expectedVersion) {
    public static Change put(String key, byte[] value, long expectedVersion) {
      return new Change(key, value, expectedVersion);
    }

    public static Change delete(String key, long expectedVersion) {
      return new Change(key, null, expectedVersion);
    }
  }

  /** A transaction that has been applied. */
  record Applied(long revision, List<Change> changes) {}

  /** Stops a watch. */
  interface Watch extends AutoCloseable {
    @Override
    void close();
  }

  /** The entry of a key, or null. */
  @Nullable Entry get(String key) throws EngineException;

  /**
   * Entries in the order of their keys.
   *
   * @param after only keys above this one; empty for all
   * @param limit at most so many
   */
  List<Entry> range(String after, int limit) throws EngineException;

  /**
   * Applies all changes, or none.
   *
   * @return the revision, which is the version of every entry written
   * @throws ConflictException if an entry does not have the version expected
   */
  long apply(List<Change> changes) throws EngineException;

  /** Is told of every transaction after it has been applied, in order, until closed. */
  Watch watch(Consumer<Applied> listener);

  /** Writes a consistent copy of the whole store to a new file. */
  void backUp(java.nio.file.Path file) throws EngineException;

  @Override
  void close() throws EngineException;
}
