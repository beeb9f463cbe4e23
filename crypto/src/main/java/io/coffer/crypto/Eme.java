package io.coffer.crypto;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * EME (Halevi and Rogaway, "A Parallelizable Enciphering Mode", 2003) over AES: a permutation of
 * strings of 1 to 128 whole blocks under a tweak, in which every output bit depends on every input
 * bit. Deterministic and without authentication. Thread-safe.
 */
public final class Eme implements AutoCloseable {
  private static final int BLOCK = AesBlocks.BLOCK;
  private static final int MAX_BLOCKS = AesBlocks.MOST_BLOCKS;
  private static final VarHandle LONG_LE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final AesBlocks aes;

  /** The masks L, one block after the other: L_i = 2^(i+1) AES(0). */
  private final byte[] masks = new byte[MAX_BLOCKS * BLOCK];

  /** {@code key}: an AES key of 16 or 32 bytes, copied. */
  public Eme(byte[] key) {
    aes = AesBlocks.of(key);
    byte[] l = new byte[BLOCK];
    aes.encrypt(l, BLOCK, l);
    long low = (long) LONG_LE.get(l, 0);
    long high = (long) LONG_LE.get(l, 8);
    for (int i = 0; i < MAX_BLOCKS; i++) {
      long carry = high >>> 63;
      high = high << 1 | low >>> 63;
      low = low << 1 ^ carry * 0x87;
      LONG_LE.set(masks, i * BLOCK, low);
      LONG_LE.set(masks, i * BLOCK + 8, high);
    }
  }

  /**
   * Encrypts.
   *
   * @param tweak 16 bytes
   * @param plain 16 to 2048 bytes, a multiple of 16
   */
  public byte[] encrypt(byte[] tweak, byte[] plain) {
    return transform(true, tweak, plain);
  }

  /** Decrypts what {@link #encrypt} made with the same tweak. */
  public byte[] decrypt(byte[] tweak, byte[] encrypted) {
    return transform(false, tweak, encrypted);
  }

  private byte[] transform(boolean encrypting, byte[] tweak, byte[] input) {
    int length = input.length;
    if (tweak.length != BLOCK) {
      throw new IllegalArgumentException("EME tweak of " + tweak.length + " bytes");
    }
    if (length == 0 || length % BLOCK != 0 || length > MAX_BLOCKS * BLOCK) {
      throw new IllegalArgumentException("EME input of " + length + " bytes");
    }
    byte[] data = new byte[length];
    byte[] output = new byte[length];
    for (int i = 0; i < length; i += 8) {
      LONG_LE.set(data, i, (long) LONG_LE.get(input, i) ^ (long) LONG_LE.get(masks, i));
    }
    apply(encrypting, data, length, output);

    long tweakLow = (long) LONG_LE.get(tweak, 0);
    long tweakHigh = (long) LONG_LE.get(tweak, 8);
    long low = tweakLow;
    long high = tweakHigh;
    for (int i = 0; i < length; i += BLOCK) {
      low ^= (long) LONG_LE.get(output, i);
      high ^= (long) LONG_LE.get(output, i + 8);
    }
    byte[] mix = new byte[BLOCK];
    LONG_LE.set(mix, 0, low);
    LONG_LE.set(mix, 8, high);
    apply(encrypting, mix, BLOCK, mix);
    long firstLow = (long) LONG_LE.get(mix, 0);
    long firstHigh = (long) LONG_LE.get(mix, 8);
    low ^= firstLow;
    high ^= firstHigh;
    firstLow ^= tweakLow;
    firstHigh ^= tweakHigh;
    for (int i = BLOCK; i < length; i += BLOCK) {
      long carry = high >>> 63;
      high = high << 1 | low >>> 63;
      low = low << 1 ^ carry * 0x87;
      long blockLow = (long) LONG_LE.get(output, i) ^ low;
      long blockHigh = (long) LONG_LE.get(output, i + 8) ^ high;
      LONG_LE.set(data, i, blockLow);
      LONG_LE.set(data, i + 8, blockHigh);
      firstLow ^= blockLow;
      firstHigh ^= blockHigh;
    }
    LONG_LE.set(data, 0, firstLow);
    LONG_LE.set(data, 8, firstHigh);

    apply(encrypting, data, length, output);
    for (int i = 0; i < length; i += 8) {
      LONG_LE.set(output, i, (long) LONG_LE.get(output, i) ^ (long) LONG_LE.get(masks, i));
    }
    return output;
  }

  private void apply(boolean encrypting, byte[] in, int length, byte[] out) {
    if (encrypting) {
      aes.encrypt(in, length, out);
    } else {
      aes.decrypt(in, length, out);
    }
  }

  /** Wipes the key; nothing can be encrypted or decrypted afterwards. */
  @Override
  public void close() {
    aes.close();
    Arrays.fill(masks, (byte) 0);
  }
}
