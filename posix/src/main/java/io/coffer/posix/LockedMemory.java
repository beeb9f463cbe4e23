package io.coffer.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A few bytes that the kernel neither swaps out nor writes to a core file nor gives to a forked
 * process: a page of their own, locked by mlock(2). {@link #close} overwrites them. Thread-safe.
 */
public final class LockedMemory implements AutoCloseable {
  private static final long PAGE_BYTES = 4096;
  private static final int MADV_DONTDUMP = 16;
  private static final int MADV_WIPEONFORK = 18;

  private final MemorySegment page;
  private final int length;
  private final boolean locked;
  private boolean closed;

  private LockedMemory(MemorySegment page, int length, boolean locked) {
    this.page = page;
    this.length = length;
    this.locked = locked;
  }

  /**
   * Keeps these bytes; the array is overwritten with zeros. If the limit of locked memory
   * (RLIMIT_MEMLOCK) does not allow it they are kept unlocked, as {@link #isLocked} tells.
   *
   * @throws IllegalArgumentException if there are more than 4096
   */
  public static LockedMemory take(byte[] bytes) throws ErrnoException {
    try {
      if (bytes.length > PAGE_BYTES) {
        throw new IllegalArgumentException(bytes.length + " bytes");
      }
      // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
      long address = SystemCall.call(Numbers.MMAP, 0, PAGE_BYTES, 3, 0x22, -1, 0);
      boolean locked = SystemCall.raw(Numbers.MLOCK, address, PAGE_BYTES, 0, 0, 0, 0) == 0;
      SystemCall.raw(Numbers.MADVISE, address, PAGE_BYTES, MADV_DONTDUMP, 0, 0, 0);
      SystemCall.raw(Numbers.MADVISE, address, PAGE_BYTES, MADV_WIPEONFORK, 0, 0, 0);
      MemorySegment page = SystemCall.MEMORY.asSlice(address, PAGE_BYTES);
      MemorySegment.copy(bytes, 0, page, ValueLayout.JAVA_BYTE, 0, bytes.length);
      return new LockedMemory(page, bytes.length, locked);
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  /** Does the kernel keep them out of swap? */
  public boolean isLocked() {
    return locked;
  }

  /** A copy on the heap, which the caller overwrites. */
  public synchronized byte[] copy() {
    if (closed) {
      throw new IllegalStateException("the memory has been wiped");
    }
    return page.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
  }

  /** Overwrites the bytes. Closing again does nothing. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      page.fill((byte) 0);
      SystemCall.raw(Numbers.MUNMAP, page.address(), PAGE_BYTES, 0, 0, 0, 0);
    }
  }
}
