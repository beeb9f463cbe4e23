package io.coffer.mount;

import io.coffer.posix.FileStatus;
import io.coffer.posix.Timestamp;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Remembers what a file looked like when the kernel last filled its cache from it, so that an open
 * can tell whether the cached contents are still those of the store: another node may have written
 * meanwhile. Close-to-open coherence, as in NFS. Thread-safe.
 */
final class CacheStamps {
  /** Size and times together change with every change of contents. */
  private record Stamp(long size, Timestamp modified, Timestamp changed) {
    static Stamp of(FileStatus s) {
      return new Stamp(s.size(), s.modified(), s.changed());
    }
  }

  private final Map<Long, Stamp> stamps = new ConcurrentHashMap<>();
  private final Set<Long> writers = ConcurrentHashMap.newKeySet();

  /** A file was opened; tells whether cached contents are still good. */
  boolean opened(long id, FileStatus status) {
    Stamp now = Stamp.of(status);
    return now.equals(stamps.put(id, now));
  }

  /** What is changed through this handle is in the cache too. */
  void writes(long handle) {
    writers.add(handle);
  }

  boolean isWriter(long handle) {
    return writers.contains(handle);
  }

  /** Contents and cache agree now. */
  void agreed(long id, FileStatus status) {
    stamps.put(id, Stamp.of(status));
  }

  void released(long handle) {
    writers.remove(handle);
  }

  void forget(long id) {
    stamps.remove(id);
  }
}
