package io.coffer.store;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.ArrayBlockingQueue;

/**
 * Entries by getdents64(2), 32 KiB at a time. Buffers are kept for the next listing, since making
 * and freeing native memory costs more than listing a small directory.
 */
final class LocalListing implements StoreListing {
  private static final int BUFFER_BYTES = 32768;

  // struct linux_dirent64: u64 inode, s64 offset, u16 record length, u8 type, name and NUL
  private static final int OFFSET = 8;
  private static final int RECORD_BYTES = 16;
  private static final int TYPE = 18;
  private static final int NAME = 19;

  private static final int SPARE_BUFFERS = 64;
  private static final ArrayBlockingQueue<MemorySegment> SPARE =
      new ArrayBlockingQueue<>(SPARE_BUFFERS);

  private final int descriptor;
  private final MemorySegment buffer;
  private int filled;
  private int next;
  private int current;
  private boolean closed;

  /** Takes over a readable directory descriptor. */
  LocalListing(int descriptor) {
    this.descriptor = descriptor;
    MemorySegment spare = SPARE.poll();
    buffer = spare != null ? spare : Arena.ofAuto().allocate(BUFFER_BYTES, 8);
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
    next += Short.toUnsignedInt(buffer.get(ValueLayout.JAVA_SHORT, current + RECORD_BYTES));
    return true;
  }

  /** A directory that was removed meanwhile has no entries, as readdir(3) has it. */
  private int listEntries() throws ErrnoException {
    try {
      return Linux.listEntries(descriptor, buffer.address(), BUFFER_BYTES);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        return 0;
      }
      throw e;
    }
  }

  @Override
  public byte[] name() {
    int length = 0;
    while (buffer.get(ValueLayout.JAVA_BYTE, current + NAME + length) != 0) {
      length++;
    }
    byte[] name = new byte[length];
    MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, current + NAME, name, 0, length);
    return name;
  }

  @Override
  public long inode() {
    return buffer.get(ValueLayout.JAVA_LONG, current);
  }

  @Override
  public int type() {
    // DT_ values are the type bits of a mode, shifted; DT_UNKNOWN is 0.
    return (buffer.get(ValueLayout.JAVA_BYTE, current + TYPE) << 12) & FileStatus.TYPE_MASK;
  }

  @Override
  public long cookie() {
    return buffer.get(ValueLayout.JAVA_LONG, current + OFFSET);
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
