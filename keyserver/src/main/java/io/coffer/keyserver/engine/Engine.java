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

  /** A watch that is under way. */
  interface Watch extends AutoCloseable {
    /**
     * Is called when something should have come and has not: connects anew, elsewhere if it can.
     */
    void nudge();

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
   * @param revision as they were then, 0 for now; an engine that is not shared has no past, and
   *     ignores it
   */
  List<Entry> range(String after, int limit, long revision) throws EngineException;

  /**
   * Applies all changes, or none.
   *
   * @return the revision, which is the version of every entry written
   * @throws ConflictException if an entry does not have the version expected
   * @throws EngineException otherwise; a shared engine may have applied it all the same, or may
   *     still do so as long as the versions are the ones expected
   */
  long apply(List<Change> changes) throws EngineException;

  /** At most so many changes go into one transaction. */
  default int maxChanges() {
    return Integer.MAX_VALUE;
  }

  /** Do several servers use it at once? */
  default boolean isShared() {
    return false;
  }

  /**
   * Is told of every transaction after it has been applied, whoever did it, in order, until closed.
   *
   * @param after of those with a revision above this one
   * @param lost called if some of them cannot be told any more: read everything again, and watch
   *     anew
   */
  Watch watch(long after, Consumer<Applied> listener, Runnable lost);

  /**
   * May this server do what only one of them should be doing? Saves double work, and no more: two
   * may believe so for a moment.
   */
  default boolean hasTurn() throws EngineException {
    return true;
  }

  /** The servers that are alive, by their names; empty if it is not shared. */
  default List<String> servers() throws EngineException {
    return List.of();
  }

  /** Writes a consistent copy of the whole store to a new file. */
  void backUp(java.nio.file.Path file) throws EngineException;

  @Override
  void close() throws EngineException;
}
