package io.coffer.mount;

import io.coffer.posix.FileStatus;
import io.coffer.posix.Timestamp;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Remembers what a file looked like when the kernel last filled its cache from it, so that an open
 * can tell whether the cached contents are still those of the store: another node may have written
 * meanwhile. Close-to-open coherence, as in NFS. What the kernel itself has changed is no reason to
 * distrust its cache. Thread-safe.
 */
final class CacheStamps {
  /** Size and times together change with every change of contents. */
  private record Stamp(long size, Timestamp modified, Timestamp changed) {
    static Stamp of(FileStatus s) {
      return new Stamp(s.size(), s.modified(), s.changed());
    }
  }

  private final Map<Long, Stamp> stamps = new ConcurrentHashMap<>();

  /** Files that differ from their stamps because of what the kernel has sent. */
  private final Set<Long> changedHere = ConcurrentHashMap.newKeySet();

  /** The inode of each handle that can write. */
  private final Map<Long, Long> writers = new ConcurrentHashMap<>();

  /** Writing handles by inode. */
  private final Map<Long, Integer> writersOf = new ConcurrentHashMap<>();

  /** A file was opened; tells whether cached contents are still good. */
  boolean opened(long id, FileStatus status) {
    Stamp now = Stamp.of(status);
    boolean same = now.equals(stamps.put(id, now));
    return changedHere.remove(id) || same;
  }

  /** What the kernel has in its cache, or knows about, was sent to the store. */
  void changedHere(long id) {
    changedHere.add(id);
  }

  /** What is changed through this handle is in the cache too. */
  void writes(long id, long handle) {
    if (writers.put(handle, id) == null) {
      writersOf.merge(id, 1, Integer::sum);
    }
  }

  /** Is the file open for writing? */
  boolean isWritten(long id) {
    return writersOf.containsKey(id);
  }

  boolean isWriter(long handle) {
    return writers.containsKey(handle);
  }

  /** Contents and cache agree now. */
  void agreed(long id, FileStatus status) {
    stamps.put(id, Stamp.of(status));
  }

  void released(long handle) {
    Long id = writers.remove(handle);
    if (id != null) {
      writersOf.computeIfPresent(id, (_, count) -> count == 1 ? null : (Integer) (count - 1));
    }
  }

  void forget(long id) {
    stamps.remove(id);
    changedHere.remove(id);
  }
}
