package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Makes a cipher work outside the Java heap on single messages, too, and at odd addresses. */
record OutsideHeap(Aead cipher) implements Aead {
  /** At position 3, with a byte to spare at the end. */
  static MemorySegment copy(Arena arena, byte[] bytes) {
    MemorySegment segment = arena.allocate(bytes.length + 4L);
    MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 3, bytes.length);
    return segment;
  }

  static void copyBack(MemorySegment segment, byte[] bytes) {
    MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, 3, bytes, 0, bytes.length);
  }

  @Override
  public int nonceBytes() {
    return cipher.nonceBytes();
  }

  @Override
  public int seal(
      byte[] associated,
      byte[] plain,
      int plainPosition,
      int plainBytes,
      byte[] sealed,
      int position) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment in = copy(arena, plain);
      MemorySegment out = copy(arena, sealed);
      cipher.sealAll(
          1, associated, associated.length, in, 3L + plainPosition, plainBytes, out, 3L + position);
      copyBack(out, sealed);
      return plainBytes + overheadBytes();
    }
  }

  @Override
  public boolean open(
      byte[] associated,
      byte[] sealed,
      int position,
      int sealedBytes,
      byte[] plain,
      int plainPosition) {
    if (sealedBytes < overheadBytes()) {
      return false; // only whole messages come many at a time
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment in = copy(arena, sealed);
      MemorySegment out = copy(arena, plain);
      int opened =
          cipher.openAll(
              1,
              associated,
              associated.length,
              in,
              3L + position,
              sealedBytes,
              out,
              3L + plainPosition);
      copyBack(out, plain);
      return opened == 1;
    }
  }

  @Override
  public void sealAll(
      int count,
      byte[] associated,
      int associatedBytes,
      MemorySegment plain,
      long plainPosition,
      int plainBytes,
      MemorySegment sealed,
      long position) {
    cipher.sealAll(
        count, associated, associatedBytes, plain, plainPosition, plainBytes, sealed, position);
  }

  @Override
  public int openAll(
      int count,
      byte[] associated,
      int associatedBytes,
      MemorySegment sealed,
      long position,
      int sealedBytes,
      MemorySegment plain,
      long plainPosition) {
    return cipher.openAll(
        count, associated, associatedBytes, sealed, position, sealedBytes, plain, plainPosition);
  }

  @Override
  public void close() {
    cipher.close();
  }
}
