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
 * vector code is at its best: up to {@value #RUN_BYTES} bytes at a time, which stay in the
 * first-level caches.
 */
public final class AesXts implements UnitCipher {
  private static final int BLOCK = 16;
  private static final int LARGEST_UNIT = 65536;
  private static final int RUN_BYTES = 32768;
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle LONG_LE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final ThreadLocal<Work> WORK = ThreadLocal.withInitial(Work::new);

  /** Arrays of one thread. */
  private static final class Work {
    /** The masks of the blocks of a run, low word and high word by turns. */
    private final long[] masks = new long[LARGEST_UNIT / Long.BYTES];

    private final byte[] in = new byte[LARGEST_UNIT];
    private final byte[] out = new byte[LARGEST_UNIT];
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
          mask(in, inPosition + offset, work.masks, work.in, bytes);
          Jce.apply(blocks, work.in, 0, bytes, work.out, 0);
          mask(work.out, work.masks, out, to + offset, bytes);
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
      LONG_LE.set(start, i * BLOCK, firstUnit + i);
      LONG_LE.set(start, i * BLOCK + 8, 0L);
    }
    Jce.apply(cipher, start, 0, units * BLOCK, start, 0);
    int words = unitBytes / Long.BYTES;
    for (int i = 0; i < units; i++) {
      long low = (long) LONG_LE.get(start, i * BLOCK);
      long high = (long) LONG_LE.get(start, i * BLOCK + 8);
      chain(work.masks, i * words, (i + 1) * words, low, high);
    }
  }

  private static void chain(long[] masks, int from, int end, long low, long high) {
    for (int i = from; i < end; i += 2) {
      masks[i] = low;
      masks[i + 1] = high;
      long carry = high >> 63 & 0x87;
      high = high << 1 | low >>> 63;
      low = low << 1 ^ carry;
    }
  }

  private static void mask(MemorySegment in, long position, long[] masks, byte[] out, int bytes) {
    for (int i = 0; i < bytes; i += 8) {
      LONG_LE.set(out, i, in.get(LONG, position + i) ^ masks[i >> 3]);
    }
  }

  private static void mask(byte[] in, long[] masks, MemorySegment out, long position, int bytes) {
    for (int i = 0; i < bytes; i += 8) {
      out.set(LONG, position + i, (long) LONG_LE.get(in, i) ^ masks[i >> 3]);
    }
  }

  @Override
  public void close() {
    tweaks.close();
    encryption.close();
    decryption.close();
  }
}
