package io.coffer.posix;

import java.lang.foreign.MemorySegment;

/**
 * Memory by mmap(2): whole pages, which cost nothing until they are touched. An arena's memory is
 * filled with zeros at once instead, so that each byte of it is resident from the beginning.
 *
 * <p>Its contents may be used by several threads; {@link #close} by one, when nobody uses it.
 */
public final class MappedPages implements AutoCloseable {
  private static final int PROT_READ_WRITE = 3;
  private static final int MAP_SHARED_POPULATE = 0x8001;
  private static final int MAP_PRIVATE_ANONYMOUS = 0x22;

  private final MemorySegment segment;

  private MappedPages(long bytes, int flags, int descriptor, long offset) throws ErrnoException {
    long address =
        SystemCall.call(Numbers.MMAP, 0, bytes, PROT_READ_WRITE, flags, descriptor, offset);
    segment = SystemCall.MEMORY.asSlice(address, bytes);
  }

  /** Memory of its own, all zeros. */
  public static MappedPages anonymous(long bytes) throws ErrnoException {
    return new MappedPages(bytes, MAP_PRIVATE_ANONYMOUS, -1, 0);
  }

  /** What a descriptor shares with the kernel from {@code offset} on. */
  static MappedPages shared(int descriptor, long offset, long bytes) throws ErrnoException {
    return new MappedPages(bytes, MAP_SHARED_POPULATE, descriptor, offset);
  }

  public MemorySegment segment() {
    return segment;
  }

  @Override
  public void close() {
    SystemCall.raw(Numbers.MUNMAP, segment.address(), segment.byteSize(), 0, 0, 0, 0);
  }
}
