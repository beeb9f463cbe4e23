package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * {@link AesXts} by libcrypto, for what lies outside the heap; the rest goes to {@link AesXts}.
 *
 * <p>One is made for each file that is opened, so that it makes nothing before it is needed.
 */
final class NativeAesXts implements UnitCipher {
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);

  /** Of a thread: where libcrypto writes lengths nobody asks for, then the tweak. */
  private static final ThreadLocal<MemorySegment> SCRATCH =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(32, 16));

  private final WipeableKey key;
  private final int unitBytes;
  private final EvpContexts encryption;
  private final EvpContexts decryption;

  /** Guarded by {@link #key}. */
  private @Nullable AesXts onHeap;

  /**
   * @param cipher of {@link LibCrypto#cipher}
   * @param key of that cipher, copied; its halves must differ, which libcrypto insists on
   */
  NativeAesXts(long cipher, byte[] key, int unitBytes) {
    this.key = new WipeableKey("AES", key, 0, key.length);
    this.unitBytes = unitBytes;
    encryption = new EvpContexts(cipher, this.key, 0, LibCrypto.ENCRYPT);
    decryption = new EvpContexts(cipher, this.key, 0, LibCrypto.DECRYPT);
  }

  @Override
  public int unitBytes() {
    return unitBytes;
  }

  @Override
  public void encrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units) {
    if (in.isNative() && out.isNative()) {
      transform(encryption, LibCrypto.ENCRYPT, firstUnit, in, inPosition, out, to, units);
    } else {
      onHeap().encrypt(firstUnit, in, inPosition, out, to, units);
    }
  }

  @Override
  public void decrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units) {
    if (in.isNative() && out.isNative()) {
      transform(decryption, LibCrypto.DECRYPT, firstUnit, in, inPosition, out, to, units);
    } else {
      onHeap().decrypt(firstUnit, in, inPosition, out, to, units);
    }
  }

  private AesXts onHeap() {
    synchronized (key) {
      AesXts present = onHeap;
      if (present == null) {
        byte[] bytes = key.getEncoded();
        try {
          present = new AesXts(bytes, unitBytes);
        } finally {
          Arrays.fill(bytes, (byte) 0);
        }
        onHeap = present;
      }
      return present;
    }
  }

  private void transform(
      EvpContexts contexts,
      int direction,
      long firstUnit,
      MemorySegment in,
      long inPosition,
      MemorySegment out,
      long to,
      int units) {
    int bytes = unitBytes;
    long source = in.asSlice(inPosition, (long) units * bytes).address();
    long target = out.asSlice(to, (long) units * bytes).address();
    MemorySegment scratch = SCRATCH.get();
    long length = scratch.address();
    scratch.set(LONG, 24, 0);
    long context = contexts.take();
    try {
      for (int i = 0; i < units; i++) {
        scratch.set(LONG, 16, firstUnit + i);
        if (!(LibCrypto.init(context, 0, 0, length + 16, direction)
            && LibCrypto.update(context, target, length, source, bytes))) {
          throw new IllegalStateException("libcrypto failed to encipher or decipher");
        }
        source += bytes;
        target += bytes;
      }
    } finally {
      contexts.give(context);
      Reference.reachabilityFence(in);
      Reference.reachabilityFence(out);
      Reference.reachabilityFence(scratch);
    }
  }

  @Override
  public void close() {
    synchronized (key) {
      key.destroy();
      if (onHeap != null) {
        onHeap.close();
      }
    }
    encryption.close();
    decryption.close();
  }
}
