package io.coffer.store;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.ArrayBlockingQueue;

/**
 * Entries by getdents64(2), 32 KiB at a time, which are copied onto the heap as a whole: there each
 * byte is an array's, where each access to a memory segment is a small program of its own to the
 * compiler of a virtual machine that has just started. Buffers are kept for the next listing, since
 * making and freeing native memory costs more than listing a small directory.
 */
final class LocalListing implements StoreListing {
  private static final int BUFFER_BYTES = 32768;

  // struct linux_dirent64: u64 inode, s64 offset, u16 record length, u8 type, name and NUL
  private static final int OFFSET = 8;
  private static final int RECORD_BYTES = 16;
  private static final int TYPE = 18;
  private static final int NAME = 19;

  private static final int SPARE_BUFFERS = 64;
  private static final ArrayBlockingQueue<Buffer> SPARE = new ArrayBlockingQueue<>(SPARE_BUFFERS);

  /** What the system writes to, and its copy. */
  private record Buffer(MemorySegment segment, byte[] bytes) {
    Buffer() {
      this(Arena.ofAuto().allocate(BUFFER_BYTES, 8), new byte[BUFFER_BYTES]);
    }
  }

  private final int descriptor;
  private final Buffer buffer;
  private final byte[] bytes;
  private int filled;
  private int next;
  private int current;
  private boolean closed;

  /** Takes over a readable directory descriptor. */
  LocalListing(int descriptor) {
    this.descriptor = descriptor;
    Buffer spare = SPARE.poll();
    buffer = spare != null ? spare : new Buffer();
    bytes = buffer.bytes;
  }

  @Override
  public boolean next() throws ErrnoException {
    if (next >= filled) {
      filled = listEntries();
      next = 0;
      if (filled == 0) {
        return false;
      }
    }
    current = next;
    next +=
        (bytes[current + RECORD_BYTES] & 0xff) | ((bytes[current + RECORD_BYTES + 1] & 0xff) << 8);
    return true;
  }

  /** A directory that was removed meanwhile has no entries, as readdir(3) has it. */
  private int listEntries() throws ErrnoException {
    try {
      int length = Linux.listEntries(descriptor, buffer.segment.address(), BUFFER_BYTES);
      MemorySegment.copy(buffer.segment, ValueLayout.JAVA_BYTE, 0, bytes, 0, length);
      return length;
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        return 0;
      }
      throw e;
    }
  }

  @Override
  public byte[] name() {
    int from = current + NAME;
    int to = from;
    while (bytes[to] != 0) {
      to++;
    }
    return Arrays.copyOfRange(bytes, from, to);
  }

  @Override
  public long inode() {
    return u64(current);
  }

  @Override
  public int type() {
    // DT_ values are the type bits of a mode, shifted; DT_UNKNOWN is 0.
    return (bytes[current + TYPE] << 12) & FileStatus.TYPE_MASK;
  }

  @Override
  public long cookie() {
    return u64(current + OFFSET);
  }

  /** As on a little-endian machine, which all are that the system calls are known of. */
  private long u64(int at) {
    long value = 0;
    for (int i = 7; i >= 0; i--) {
      value = (value << 8) | (bytes[at + i] & 0xff);
    }
    return value;
  }

  @Override
  public void seek(long cookie) throws ErrnoException {
    Linux.seek(descriptor, cookie, Flags.SEEK_SET);
    filled = 0;
    next = 0;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Linux.close(descriptor);
      var _ = SPARE.offer(buffer);
    }
  }
}
