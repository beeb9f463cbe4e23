package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;

/**
 * {@link AesGcm} by libcrypto for what lies outside the heap, in place and without copies; the rest
 * goes to the JDK.
 */
final class NativeAesGcm implements Aead {
  private static final int TAG_BYTES = 16;
  private static final int ASSOCIATED_AT = 16;
  private static final int MOST_ASSOCIATED_BYTES = 256;
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

  /** Of a thread: where libcrypto writes lengths nobody asks for, then the associated data. */
  private static final ThreadLocal<MemorySegment> SCRATCH =
      ThreadLocal.withInitial(
          () -> Arena.ofAuto().allocate(ASSOCIATED_AT + MOST_ASSOCIATED_BYTES, 16));

  private final AesGcm onHeap;
  private final int nonceBytes;
  private final EvpContexts sealing;
  private final EvpContexts opening;

  /**
   * @param cipher of {@link LibCrypto#cipher}
   * @param key of that cipher, copied
   */
  NativeAesGcm(long cipher, byte[] key, int nonceBytes) {
    onHeap = new AesGcm(key, nonceBytes);
    this.nonceBytes = nonceBytes;
    WipeableKey shared = new WipeableKey("AES", key, 0, key.length);
    sealing = new EvpContexts(cipher, shared, nonceBytes, LibCrypto.ENCRYPT);
    opening = new EvpContexts(cipher, shared, nonceBytes, LibCrypto.DECRYPT);
  }

  @Override
  public int nonceBytes() {
    return nonceBytes;
  }

  @Override
  public int seal(
      byte[] associated,
      byte[] plain,
      int plainPosition,
      int plainBytes,
      byte[] sealed,
      int position) {
    return onHeap.seal(associated, plain, plainPosition, plainBytes, sealed, position);
  }

  @Override
  public boolean open(
      byte[] associated,
      byte[] sealed,
      int position,
      int sealedBytes,
      byte[] plain,
      int plainPosition) {
    return onHeap.open(associated, sealed, position, sealedBytes, plain, plainPosition);
  }

  private static boolean fits(int associatedBytes, MemorySegment one, MemorySegment other) {
    return associatedBytes <= MOST_ASSOCIATED_BYTES && one.isNative() && other.isNative();
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
    if (!fits(associatedBytes, plain, sealed)) {
      onHeap.sealAll(
          count, associated, associatedBytes, plain, plainPosition, plainBytes, sealed, position);
      return;
    }
    int sealedBytes = overheadBytes() + plainBytes;
    long in = slice(plain, plainPosition, (long) count * plainBytes);
    long out = slice(sealed, position, (long) count * sealedBytes);
    MemorySegment scratch = SCRATCH.get();
    long length = scratch.address();
    long context = sealing.take();
    try {
      for (int i = 0; i < count; i++) {
        MemorySegment.copy(
            associated, i * associatedBytes, scratch, BYTE, ASSOCIATED_AT, associatedBytes);
        long body = out + nonceBytes;
        if (!(LibCrypto.init(context, 0, 0, out, LibCrypto.ENCRYPT)
            && LibCrypto.update(context, 0, length, length + ASSOCIATED_AT, associatedBytes)
            && LibCrypto.update(context, body, length, in, plainBytes)
            && LibCrypto.end(context, body + plainBytes, length)
            && LibCrypto.control(context, LibCrypto.GET_TAG, TAG_BYTES, body + plainBytes))) {
          throw new IllegalStateException("libcrypto failed to seal");
        }
        in += plainBytes;
        out += sealedBytes;
      }
    } finally {
      sealing.give(context);
      Reference.reachabilityFence(plain);
      Reference.reachabilityFence(sealed);
      Reference.reachabilityFence(scratch);
    }
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
    if (!fits(associatedBytes, plain, sealed)) {
      return onHeap.openAll(
          count, associated, associatedBytes, sealed, position, sealedBytes, plain, plainPosition);
    }
    int plainBytes = sealedBytes - overheadBytes();
    long in = slice(sealed, position, (long) count * sealedBytes);
    long out = slice(plain, plainPosition, (long) count * plainBytes);
    MemorySegment scratch = SCRATCH.get();
    long length = scratch.address();
    long context = opening.take();
    try {
      for (int i = 0; i < count; i++) {
        MemorySegment.copy(
            associated, i * associatedBytes, scratch, BYTE, ASSOCIATED_AT, associatedBytes);
        long body = in + nonceBytes;
        if (!(LibCrypto.init(context, 0, 0, in, LibCrypto.DECRYPT)
            && LibCrypto.update(context, 0, length, length + ASSOCIATED_AT, associatedBytes)
            && LibCrypto.update(context, out, length, body, plainBytes)
            && LibCrypto.control(context, LibCrypto.SET_TAG, TAG_BYTES, body + plainBytes))) {
          throw new IllegalStateException("libcrypto failed to open");
        }
        // A message whose tag is wrong fails at its end, when it has been deciphered.
        if (!LibCrypto.end(context, out + plainBytes, length)) {
          plain.asSlice(plainPosition + (long) i * plainBytes, plainBytes).fill((byte) 0);
          return i;
        }
        in += sealedBytes;
        out += plainBytes;
      }
      return count;
    } finally {
      opening.give(context);
      Reference.reachabilityFence(plain);
      Reference.reachabilityFence(sealed);
      Reference.reachabilityFence(scratch);
    }
  }

  /** The address of some bytes, which must be there: nobody checks from here on. */
  private static long slice(MemorySegment segment, long position, long bytes) {
    return segment.asSlice(position, bytes).address();
  }

  @Override
  public void close() {
    onHeap.close();
    sealing.close();
    opening.close();
  }
}
