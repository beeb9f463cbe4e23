package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.Arrays;

/**
 * {@link AesGcm} by libcrypto: in place and without copies what lies outside the heap, the rest by
 * way of memory there. Java's ciphers are not even loaded.
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

  private final int nonceBytes;
  private final EvpContexts sealing;
  private final EvpContexts opening;

  @SuppressWarnings("ThreadLocalUsage") // one per key; a volume has one, and few volumes are open
  private final ThreadLocal<byte[]> lastNonce = new ThreadLocal<>();

  /**
   * @param cipher of {@link LibCrypto#cipher}
   * @param key of that cipher, copied
   */
  NativeAesGcm(long cipher, byte[] key, int nonceBytes) {
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
    byte[] nonce = Arrays.copyOfRange(sealed, position, position + nonceBytes);
    if (Arrays.equals(nonce, lastNonce.get())) {
      throw new IllegalStateException("a nonce is given a second time");
    }
    lastNonce.set(nonce);
    sealAll(
        1,
        associated,
        associated.length,
        MemorySegment.ofArray(plain),
        plainPosition,
        plainBytes,
        MemorySegment.ofArray(sealed),
        position);
    return overheadBytes() + plainBytes;
  }

  @Override
  public boolean open(
      byte[] associated,
      byte[] sealed,
      int position,
      int sealedBytes,
      byte[] plain,
      int plainPosition) {
    return sealedBytes >= overheadBytes()
        && openAll(
                1,
                associated,
                associated.length,
                MemorySegment.ofArray(sealed),
                position,
                sealedBytes,
                MemorySegment.ofArray(plain),
                plainPosition)
            == 1;
  }

  /** A place for lengths, and for associated data after it. */
  private static MemorySegment scratch(int associatedBytes) {
    return associatedBytes <= MOST_ASSOCIATED_BYTES
        ? SCRATCH.get()
        : Arena.ofAuto().allocate(ASSOCIATED_AT + associatedBytes, 16);
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
    int sealedBytes = overheadBytes() + plainBytes;
    if (!plain.isNative() || !sealed.isNative()) {
      sealOnHeap(
          count, associated, associatedBytes, plain, plainPosition, plainBytes, sealed, position);
      return;
    }
    long in = slice(plain, plainPosition, (long) count * plainBytes);
    long out = slice(sealed, position, (long) count * sealedBytes);
    MemorySegment scratch = scratch(associatedBytes);
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
    int plainBytes = sealedBytes - overheadBytes();
    if (!plain.isNative() || !sealed.isNative()) {
      return openOnHeap(
          count, associated, associatedBytes, sealed, position, sealedBytes, plain, plainPosition);
    }
    long in = slice(sealed, position, (long) count * sealedBytes);
    long out = slice(plain, plainPosition, (long) count * plainBytes);
    MemorySegment scratch = scratch(associatedBytes);
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

  private void sealOnHeap(
      int count,
      byte[] associated,
      int associatedBytes,
      MemorySegment plain,
      long plainPosition,
      int plainBytes,
      MemorySegment sealed,
      long position) {
    long allSealed = (long) count * (overheadBytes() + plainBytes);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = copy(arena, plain, plainPosition, (long) count * plainBytes);
      MemorySegment to = copy(arena, sealed, position, allSealed);
      sealAll(count, associated, associatedBytes, from, 0, plainBytes, to, 0);
      MemorySegment.copy(to, 0, sealed, position, allSealed);
      from.fill((byte) 0);
    }
  }

  private int openOnHeap(
      int count,
      byte[] associated,
      int associatedBytes,
      MemorySegment sealed,
      long position,
      int sealedBytes,
      MemorySegment plain,
      long plainPosition) {
    long allPlain = (long) count * (sealedBytes - overheadBytes());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = copy(arena, sealed, position, (long) count * sealedBytes);
      MemorySegment to = arena.allocate(Math.max(1, allPlain));
      int good = openAll(count, associated, associatedBytes, from, 0, sealedBytes, to, 0);
      MemorySegment.copy(to, 0, plain, plainPosition, allPlain);
      to.fill((byte) 0);
      return good;
    }
  }

  private static MemorySegment copy(Arena arena, MemorySegment from, long position, long bytes) {
    MemorySegment copy = arena.allocate(Math.max(1, bytes), 16);
    MemorySegment.copy(from, position, copy, 0, bytes);
    return copy;
  }

  @Override
  public void close() {
    lastNonce.remove();
    sealing.close();
    opening.close();
  }
}
