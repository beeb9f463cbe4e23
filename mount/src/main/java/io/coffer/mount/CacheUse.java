package io.coffer.mount;

import static io.coffer.fuse.Filesystem.OPEN_DIRECT_IO;
import static io.coffer.fuse.Filesystem.OPEN_PARALLEL_DIRECT_WRITES;

import io.coffer.posix.Flags;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Which open files of a shared view go around the kernel's page cache although nobody asked for
 * that. Those that can only be written do: the kernel would hand over each write at once anyway,
 * and keep a copy that the next open throws away; around the cache it has no need to let only one
 * at a time write to a file.
 *
 * <p>On one node a read after a write must see it, so no file is read through the cache and written
 * around it at once: while there is such a writer, whoever opens the file to read it goes around
 * the cache too, and while somebody reads through the cache, whoever opens it writes through it.
 * Only files mapped into memory are left; for those it is told which writes they may have missed.
 *
 * <p>Thread-safe.
 */
final class CacheUse {
  /** What the open handles of one file do; changed with the map held. */
  private static final class Counts {
    volatile int cached;
    volatile int writers;
    volatile int others;

    synchronized void add(Kind kind, int change) {
      switch (kind) {
        case CACHED -> cached += change;
        case WRITER -> writers += change;
        case OTHER -> others += change;
      }
    }

    boolean isReadable() {
      return cached + others > 0;
    }

    boolean isUnused() {
      return cached + writers + others == 0;
    }
  }

  private enum Kind {
    CACHED,
    WRITER,
    OTHER
  }

  private record Use(long id, Counts counts, Kind kind, boolean appends) {}

  private final StalePages stalePages;
  private final Map<Long, Counts> files = new HashMap<>();
  private final Map<Long, Use> handles = new ConcurrentHashMap<>();

  /**
   * @param stalePages told what was written around pages that somebody may have
   */
  CacheUse(StalePages stalePages) {
    this.stalePages = stalePages;
  }

  /**
   * A file was opened.
   *
   * @param flags those of open(2)
   * @return flags for the answer
   */
  int opened(long id, long handle, int flags) {
    boolean writesOnly = (flags & Flags.O_ACCMODE) == Flags.O_WRONLY;
    boolean appends = (flags & Flags.O_APPEND) != 0;
    Use use;
    synchronized (files) {
      Counts counts = files.computeIfAbsent(id, _ -> new Counts());
      boolean around = appends || (writesOnly ? counts.cached == 0 : counts.writers > 0);
      Kind kind = !around ? Kind.CACHED : writesOnly ? Kind.WRITER : Kind.OTHER;
      counts.add(kind, 1);
      use = new Use(id, counts, kind, appends);
    }
    handles.put(handle, use);
    return use.kind() == Kind.CACHED ? 0 : OPEN_DIRECT_IO | OPEN_PARALLEL_DIRECT_WRITES;
  }

  void released(long handle) {
    Use use = handles.remove(handle);
    if (use == null) {
      return;
    }
    synchronized (files) {
      use.counts().add(use.kind(), -1);
      if (use.counts().isUnused()) {
        files.remove(use.id(), use.counts());
      }
    }
  }

  /** Something was written through this handle. */
  void written(long handle, long offset, int length) {
    Use use = handles.get(handle);
    if (use == null || use.kind() == Kind.CACHED || !use.counts().isReadable()) {
      return; // the kernel has put it into its pages, or nobody looks at any
    }
    if (use.appends()) {
      stalePages.add(use.id(), 0, Long.MAX_VALUE); // the end was not where the kernel believed
    } else {
      stalePages.add(use.id(), offset, length);
    }
  }
}
