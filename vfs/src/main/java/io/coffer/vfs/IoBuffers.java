package io.coffer.vfs;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A thread's own native buffers, reused from request to request and grown when a larger request
 * comes. They hold clear text of the last request until the next one overwrites it.
 */
final class IoBuffers {
  private static final ThreadLocal<IoBuffers> OF_THREAD = ThreadLocal.withInitial(IoBuffers::new);
  private static final int SMALLEST = 16 * 1024;

  private MemorySegment stored = MemorySegment.NULL;
  private MemorySegment plain = MemorySegment.NULL;
  private MemorySegment first = MemorySegment.NULL;
  private MemorySegment last = MemorySegment.NULL;
  private MemorySegment saved = MemorySegment.NULL;
  private MemorySegment copy = MemorySegment.NULL;
  private MemorySegment small = MemorySegment.NULL;

  static IoBuffers get() {
    return OF_THREAD.get();
  }

  /** For a run of stored blocks. */
  MemorySegment stored(long bytes) {
    stored = atLeast(stored, bytes);
    return stored;
  }

  /** For a run of plain blocks. */
  MemorySegment plain(long bytes) {
    plain = atLeast(plain, bytes);
    return plain;
  }

  /** For the first block of a write, plain. */
  MemorySegment first(long bytes) {
    first = atLeast(first, bytes);
    return first;
  }

  /** For the last block of a write, plain. */
  MemorySegment last(long bytes) {
    last = atLeast(last, bytes);
    return last;
  }

  /** For stored blocks as they were before a write. */
  MemorySegment saved(long bytes) {
    saved = atLeast(saved, bytes);
    return saved;
  }

  /** For data on its way from one file to another. */
  MemorySegment copy(long bytes) {
    copy = atLeast(copy, bytes);
    return copy;
  }

  /** For the format's small files, which may be read while the other buffers are in use. */
  MemorySegment small(long bytes) {
    small = atLeast(small, bytes);
    return small;
  }

  private static MemorySegment atLeast(MemorySegment buffer, long bytes) {
    if (buffer.byteSize() >= bytes) {
      return buffer;
    }
    long size = Math.max(SMALLEST, Long.highestOneBit(bytes - 1) * 2);
    return Arena.ofAuto().allocate(size, 4096);
  }
}
