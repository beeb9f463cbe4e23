package io.coffer.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A C structure on the heap, to be copied as a whole from and to native memory. Each access to a
 * memory segment is a small program of its own to the compiler of a virtual machine that has just
 * started; a structure with twenty fields read one by one costs it more than the system call costs
 * the kernel. Fields lie as on a little-endian machine with natural alignment, which all that this
 * package knows are. Not safe for use by several threads at once.
 */
public final class Words {
  private final long[] words;

  /** {@code bytes}: room, a multiple of 8. */
  public Words(int bytes) {
    words = new long[bytes / 8];
  }

  /** Copies {@code bytes}, a multiple of 8, from the beginning of {@code source}. */
  public void copyFrom(MemorySegment source, int bytes) {
    copyFrom(source, 0, 0, bytes);
  }

  /** Copies {@code bytes} from {@code position} of {@code source} to {@code at}, multiples of 8. */
  public void copyFrom(MemorySegment source, long position, int at, int bytes) {
    MemorySegment.copy(source, ValueLayout.JAVA_LONG, position, words, at / 8, bytes / 8);
  }

  /** Copies {@code bytes}, a multiple of 8, to {@code position}, also one, of {@code target}. */
  public void copyTo(MemorySegment target, long position, int bytes) {
    copyTo(0, target, position, bytes);
  }

  /** Copies {@code bytes} from {@code at} on to {@code position} of {@code target}, likewise. */
  public void copyTo(int at, MemorySegment target, long position, int bytes) {
    MemorySegment.copy(words, at / 8, target, ValueLayout.JAVA_LONG, position, bytes / 8);
  }

  /** The field of 2 bytes at {@code position}. */
  public int u16(int position) {
    return (int) (words[position >> 3] >>> ((position & 6) * 8)) & 0xffff;
  }

  /** The field of 4 bytes at {@code position}. */
  public int u32(int position) {
    return (int) (words[position >> 3] >>> ((position & 4) * 8));
  }

  /** The field of 8 bytes at {@code position}. */
  public long u64(int position) {
    return words[position >> 3];
  }

  /** Sets the field of 2 bytes at {@code position}. */
  public void put16(int position, int value) {
    put(position, 0xffffL, (position & 6) * 8, value);
  }

  /** Sets the field of 4 bytes at {@code position}. */
  public void put32(int position, int value) {
    put(position, 0xffffffffL, (position & 4) * 8, value);
  }

  /** Sets the field of 8 bytes at {@code position}. */
  public void put64(int position, long value) {
    words[position >> 3] = value;
  }

  /** Sets the bytes from one position until before another, both multiples of 8, to zero. */
  public void clear(int from, int to) {
    for (int i = from >> 3; i < to >> 3; i++) {
      words[i] = 0;
    }
  }

  private void put(int position, long mask, int shift, int value) {
    int i = position >> 3;
    words[i] = (words[i] & ~(mask << shift)) | ((value & mask) << shift);
  }
}
