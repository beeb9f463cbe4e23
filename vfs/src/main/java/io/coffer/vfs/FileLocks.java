package io.coffer.vfs;

import io.coffer.format.ContentLayout;
import io.coffer.posix.ErrnoException;
import io.coffer.store.LockType;
import io.coffer.store.StoreFile;

/**
 * The locks of the protocol for shared storage (docs/shared-storage.md) on one stored file.
 *
 * <p>They are open-file-description locks on a range of offsets that no data and no lock of an
 * application can have: {@code FIRST} stands for the header and whatever else describes the whole
 * file, {@code FIRST + 1 + n} for block n, and the last offset of all for the size. So whoever
 * changes the size locks from some block "to the end", and no knowledge of it can be stale beneath
 * that lock.
 *
 * <p>A node holds one range of a file at a time and waits for nothing else meanwhile, so no two can
 * wait for each other. Stateless.
 */
final class FileLocks {
  /** First offset of the protocol. Applications can lock what lies before it. */
  static final long FIRST = 1L << 62;

  /**
   * Consecutive blocks.
   *
   * @param first {@link #HEADER}, or a block
   * @param last the last block, or {@link #END} for all that are or will be, and the size
   */
  record Range(long first, long last) {
    static final long HEADER = -1;
    static final long END = Long.MAX_VALUE;

    /** The header, every block, and the size. */
    static final Range WHOLE = new Range(HEADER, END);

    boolean covers(Range other) {
      return first <= other.first && last >= other.last;
    }

    private long start() {
      return FIRST + 1 + first;
    }

    private long length() {
      return last == END ? 0 : last - first + 1;
    }
  }

  /** A range that is held. */
  static final class Held implements AutoCloseable {
    private final StoreFile file;
    private final Range range;

    private Held(StoreFile file, Range range) {
      this.file = file;
      this.range = range;
    }

    @Override
    public void close() throws ErrnoException {
      file.tryLock(LockType.UNLOCK, range.start(), range.length());
    }
  }

  private FileLocks() {}

  /**
   * Waits for a range. Two threads must not hold ranges through one handle at once: giving one back
   * would take from the other what they have in common.
   *
   * @param file opened for writing if {@code type} is EXCLUSIVE
   */
  static Held hold(StoreFile file, LockType type, Range range) throws ErrnoException {
    file.lock(type, range.start(), range.length());
    return new Held(file, range);
  }

  /** What has to be held to write plain bytes to a file of a certain plain size. */
  static Range forWrite(ContentLayout layout, long offset, int length, long size) {
    if (size == 0) {
      return Range.WHOLE; // it gets a header
    }
    long first = layout.blockAt(offset);
    long end = offset + length;
    if (end <= size) {
      return new Range(first, layout.blockAt(end - 1));
    }
    // Longer than before: the block in which the file ended is changed too.
    return new Range(Math.min(first, layout.blockAt(size)), Range.END);
  }
}
