package io.coffer.keyserver.client;

import io.coffer.crypto.SecretBytes;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.LockedMemory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Secrets by name, no more than so many, the one that was used longest ago making room; all of them
 * are wiped at one deadline, after which nothing is taken in either. Thread-safe.
 *
 * @param <K> names a secret, with its version
 */
final class KeyCache<K> implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");
  private static final AtomicBoolean WARNED = new AtomicBoolean();

  private final int capacity;
  private final LongSupplier nanos;
  private final LinkedHashMap<K, LockedMemory> entries = new LinkedHashMap<>(16, 0.75f, true);
  private long deadline;

  /**
   * @param nanos a clock that never goes back, as {@link System#nanoTime}
   */
  KeyCache(int capacity, LongSupplier nanos) {
    if (capacity < 1) {
      throw new IllegalArgumentException("a cache has room for at least one key");
    }
    this.capacity = capacity;
    this.nanos = nanos;
    this.deadline = nanos.getAsLong();
  }

  /** Until when secrets may be kept. */
  synchronized void deadline(long newDeadline) {
    deadline = newDeadline;
    expire();
  }

  /** Is the deadline over? */
  synchronized boolean isOver() {
    return nanos.getAsLong() - deadline >= 0;
  }

  /** Wipes everything if the deadline is over. */
  synchronized void expire() {
    if (isOver()) {
      clear();
    }
  }

  /** A copy that the caller closes, or null. */
  synchronized @Nullable SecretBytes get(K name) {
    expire();
    LockedMemory found = entries.get(name);
    return found == null ? null : SecretBytes.take(found.copy());
  }

  /** Keeps a copy. */
  synchronized void put(K name, SecretBytes secret) {
    if (isOver()) {
      return;
    }
    LockedMemory memory = locked(secret);
    if (memory == null) {
      return;
    }
    LockedMemory old = entries.put(name, memory);
    if (old != null) {
      old.close();
    }
    if (entries.size() > capacity) {
      Map.Entry<K, LockedMemory> eldest = entries.firstEntry();
      entries.remove(eldest.getKey());
      eldest.getValue().close();
    }
  }

  /** A copy that is not swapped out; null if there is no memory, and so the key is not kept. */
  private static @Nullable LockedMemory locked(SecretBytes secret) {
    try {
      LockedMemory memory = LockedMemory.take(secret.read(byte[]::clone));
      if (!memory.isLocked() && WARNED.compareAndSet(false, true)) {
        LOG.log(
            System.Logger.Level.WARNING,
            "keys cannot be locked in memory and may be swapped out; raise the limit 'memlock'");
      }
      return memory;
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.WARNING, "a key is not cached: {0}", e.getMessage());
      return null;
    }
  }

  synchronized List<K> names() {
    return new ArrayList<>(entries.keySet());
  }

  /** Wipes those of some names. */
  synchronized void removeIf(Predicate<K> condition) {
    entries
        .entrySet()
        .removeIf(entry -> {
          if (condition.test(entry.getKey())) {
            entry.getValue().close();
            return true;
          }
          return false;
        });
  }

  /** Wipes everything. */
  synchronized void clear() {
    entries.values().forEach(LockedMemory::close);
    entries.clear();
  }

  @Override
  public void close() {
    clear();
  }
}
