package io.coffer.mount;

import io.coffer.posix.Timestamp;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * What follows from writes that the kernel holds back and sends later (FUSE_WRITEBACK_CACHE).
 *
 * <p>Times: the kernel keeps the time of modification itself and sends it after the data, but not
 * if the clock has not ticked since it last heard of it. Then the store must be given back the time
 * that it had before the data came.
 *
 * <p>Errors: a write that fails later can no longer fail the call that made it, and fsync and close
 * tell of it too late for a program that writes without end. So the next write is made to ask for
 * the status of the file, and is told then.
 *
 * <p>Keys: data of a file whose tree is being locked may still be under way, put into the cache by
 * somebody who was let in before. What comes for such a file is counted.
 *
 * <p>Thread-safe.
 */
final class HeldBackWrites {
  private final Map<Long, Timestamp> before = new ConcurrentHashMap<>();
  private final Map<Long, Integer> errors = new ConcurrentHashMap<>();

  private final Set<Long> ending = ConcurrentHashMap.newKeySet();
  private final AtomicLong lateArrivals = new AtomicLong();

  /** Data has come. */
  void arrived(long id) {
    if (!ending.isEmpty() && ending.contains(id)) {
      lateArrivals.incrementAndGet();
    }
  }

  /** From now on it is counted what comes for these files. */
  void startEnding(List<Long> ids) {
    ending.addAll(ids);
  }

  void stopEnding(List<Long> ids) {
    ids.forEach(ending::remove);
  }

  /** How often data came for files that are ending. */
  long lateArrivals() {
    return lateArrivals.get();
  }

  /** Is the time known that the file had before its data came? */
  boolean knowsTime(long id) {
    return before.containsKey(id);
  }

  void setTime(long id, Timestamp modified) {
    before.putIfAbsent(id, modified);
  }

  /** The kernel has said the time of modification. */
  void timeWasSaid(long id) {
    before.remove(id);
  }

  /** The time to be given back to the store now that all data has come; null if there is none. */
  @Nullable Timestamp takeTime(long id) {
    return before.remove(id);
  }

  void failed(long id, int errno) {
    errors.put(id, errno);
  }

  /** The error that the next caller who writes is to be told; 0 if there is none. */
  int takeError(long id) {
    Integer errno = errors.isEmpty() ? null : errors.remove(id);
    return errno == null ? 0 : errno;
  }

  void forget(long id) {
    before.remove(id);
    errors.remove(id);
  }
}
