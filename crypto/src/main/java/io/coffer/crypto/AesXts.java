package io.coffer.crypto;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import javax.crypto.Cipher;

/**
 * XTS-AES (IEEE 1619, NIST SP 800-38E) over whole blocks. The tweak of a unit is its number, 16
 * bytes little-endian, enciphered under the second half of the key.
 *
 * <p>The JDK has AES as fast as the processor, but no XTS. So the masks of many blocks are computed
 * and applied in long arithmetic, and the blocks go through the JDK's ECB in one call, where its
 * vector code is at its best: some units at a time, which stay in the first-level cache.
 */
public final class AesXts implements UnitCipher {
  private static final int BLOCK = 16;
  private static final int LARGEST_UNIT = 65536;

  /** What is enciphered at a time: with its masks and its outcome it fits the first-level cache. */
  private static final int RUN_BYTES = 8192;

  /** A piece of a unit, of 128 blocks: the next one's first mask is cheaply had from its first. */
  private static final int STRETCH_BYTES = 128 * BLOCK;

  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final VarHandle LONG_LE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final ThreadLocal<Work> WORK = ThreadLocal.withInitial(Work::new);

  /** Arrays of one thread. */
  private static final class Work {
    private final byte[] masks = new byte[LARGEST_UNIT];
    private final byte[] in = new byte[LARGEST_UNIT];
    private final byte[] out = new byte[LARGEST_UNIT];
    private final byte[] units = new byte[RUN_BYTES / 512 * BLOCK];
    private final byte[] tweaks = new byte[RUN_BYTES / 512 * BLOCK];
  }

  private final int unitBytes;
  private final CipherPool tweaks;
  private final CipherPool encryption;
  private final CipherPool decryption;

  /**
   * @param key 32 bytes for AES-128 or 64 for AES-256, copied: one half for the data, one for the
   *     tweaks
   * @param unitBytes a power of two from 512 to 65536
   */
  public AesXts(byte[] key, int unitBytes) {
    if (key.length != 32 && key.length != 64) {
      throw new IllegalArgumentException("XTS key of " + key.length + " bytes");
    }
    if (Integer.bitCount(unitBytes) != 1 || unitBytes < 512 || unitBytes > LARGEST_UNIT) {
      throw new IllegalArgumentException("XTS unit of " + unitBytes + " bytes");
    }
    this.unitBytes = unitBytes;
    int half = key.length / 2;
    tweaks = CipherPool.ofBlocks(Cipher.ENCRYPT_MODE, key, half, half);
    encryption = CipherPool.ofBlocks(Cipher.ENCRYPT_MODE, key, 0, half);
    decryption = CipherPool.ofBlocks(Cipher.DECRYPT_MODE, key, 0, half);
  }

  @Override
  public int unitBytes() {
    return unitBytes;
  }

  @Override
  public void encrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units) {
    transform(encryption, firstUnit, in, inPosition, out, to, units);
  }

  @Override
  public void decrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units) {
    transform(decryption, firstUnit, in, inPosition, out, to, units);
  }

  private void transform(
      CipherPool pool,
      long firstUnit,
      MemorySegment in,
      long inPosition,
      MemorySegment out,
      long to,
      int units) {
    int unitsOfRun = Math.max(1, RUN_BYTES / unitBytes);
    Work work = WORK.get();
    Cipher tweakCipher = tweaks.take();
    try {
      Cipher blocks = pool.take();
      try {
        for (int done = 0; done < units; done += unitsOfRun) {
          int some = Math.min(unitsOfRun, units - done);
          int bytes = some * unitBytes;
          long offset = (long) done * unitBytes;
          makeMasks(work, tweakCipher, firstUnit + done, some);
          MemorySegment.copy(in, BYTE, inPosition + offset, work.in, 0, bytes);
          mask(work.in, work.masks, bytes);
          Jce.apply(blocks, work.in, 0, bytes, work.out, 0);
          mask(work.out, work.masks, bytes);
          MemorySegment.copy(work.out, 0, out, BYTE, to + offset, bytes);
        }
      } finally {
        pool.give(blocks);
      }
    } finally {
      tweaks.give(tweakCipher);
    }
  }

  /** The masks of some units: each block's is the one before it times x in GF(2^128). */
  private void makeMasks(Work work, Cipher cipher, long firstUnit, int units) {
    byte[] start = work.tweaks;
    for (int i = 0; i < units; i++) {
      LONG_LE.set(work.units, i * BLOCK, firstUnit + i); // the high words are always 0
    }
    Jce.apply(cipher, work.units, 0, units * BLOCK, start, 0);
    for (int i = 0; i < units; i++) {
      long low = (long) LONG_LE.get(start, i * BLOCK);
      long high = (long) LONG_LE.get(start, i * BLOCK + 8);
      int position = i * unitBytes;
      int end = position + unitBytes;
      if (unitBytes < 2 * STRETCH_BYTES) {
        chain(work.masks, position, end, low, high);
        continue;
      }
      for (; position < end; position += 2 * STRETCH_BYTES) {
        long nextLow = lowAfterStretch(low, high);
        long nextHigh = highAfterStretch(low, high);
        twoChains(work.masks, position, low, high, nextLow, nextHigh);
        low = lowAfterStretch(nextLow, nextHigh);
        high = highAfterStretch(nextLow, nextHigh);
      }
    }
  }

  /** The low word of a mask 128 blocks on: times x^128, which is x^7 + x^2 + x + 1. */
  private static long lowAfterStretch(long low, long high) {
    long over = high >>> 63 ^ high >>> 62 ^ high >>> 57;
    return timesPolynomial(low) ^ timesPolynomial(over);
  }

  private static long highAfterStretch(long low, long high) {
    return timesPolynomial(high) ^ low >>> 63 ^ low >>> 62 ^ low >>> 57;
  }

  private static long timesPolynomial(long word) {
    return word ^ word << 1 ^ word << 2 ^ word << 7;
  }

  private static void chain(byte[] masks, int from, int end, long low, long high) {
    for (int i = from; i < end; i += BLOCK) {
      LONG_LE.set(masks, i, low);
      LONG_LE.set(masks, i + 8, high);
      long carry = high >> 63 & 0x87;
      high = high << 1 | low >>> 63;
      low = low << 1 ^ carry;
    }
  }

  /** Two neighbouring stretches at once, since each step of one has to wait for the one before. */
  private static void twoChains(
      byte[] masks, int from, long low, long high, long low2, long high2) {
    for (int i = from; i < from + STRETCH_BYTES; i += BLOCK) {
      LONG_LE.set(masks, i, low);
      LONG_LE.set(masks, i + 8, high);
      LONG_LE.set(masks, i + STRETCH_BYTES, low2);
      LONG_LE.set(masks, i + STRETCH_BYTES + 8, high2);
      long carry = high >> 63 & 0x87;
      high = high << 1 | low >>> 63;
      low = low << 1 ^ carry;
      long carry2 = high2 >> 63 & 0x87;
      high2 = high2 << 1 | low2 >>> 63;
      low2 = low2 << 1 ^ carry2;
    }
  }

  /** A loop that the compiler turns into vector instructions. */
  private static void mask(byte[] data, byte[] masks, int bytes) {
    for (int i = 0; i < bytes; i++) {
      data[i] ^= masks[i];
    }
  }

  @Override
  public void close() {
    tweaks.close();
    encryption.close();
    decryption.close();
  }
}
