package io.coffer.crypto;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import javax.crypto.Cipher;

/**
 * HCTR2 (Crowley, Huckleberry and Biggers, "Length-preserving encryption with HCTR2", 2021) over
 * AES-256 with a tweak of 32 bytes: every bit of the output depends on every bit of the input.
 * Written to be right and of even timing for short strings such as names, not to be fast for long
 * ones.
 */
public final class AesHctr2 implements StringCipher {
  private static final int BLOCK = 16;
  private static final int KEY_BYTES = 32;
  private static final int TWEAK_BYTES = 32;
  private static final VarHandle LONG_LE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final CipherPool encryption;
  private final CipherPool decryption;
  private final byte[] tweak;

  /** POLYVAL's key, AES(0), and the mask L, AES(1). */
  private final long[] derived = new long[4];

  /** {@code key}: 32 bytes, copied; with a tweak of zeros. */
  public AesHctr2(byte[] key) {
    this(key, new byte[TWEAK_BYTES]);
  }

  /** {@code key} and {@code tweak}: 32 bytes, copied. */
  public AesHctr2(byte[] key, byte[] tweak) {
    if (key.length != KEY_BYTES || tweak.length != TWEAK_BYTES) {
      throw new IllegalArgumentException(
          "HCTR2 key of " + key.length + " bytes, tweak of " + tweak.length);
    }
    this.tweak = tweak.clone();
    encryption = CipherPool.ofBlocks(Cipher.ENCRYPT_MODE, key, 0, KEY_BYTES);
    decryption = CipherPool.ofBlocks(Cipher.DECRYPT_MODE, key, 0, KEY_BYTES);
    byte[] blocks = new byte[2 * BLOCK];
    blocks[BLOCK] = 1;
    apply(encryption, blocks, 0, blocks.length);
    for (int i = 0; i < derived.length; i++) {
      derived[i] = (long) LONG_LE.get(blocks, i * Long.BYTES);
    }
    Arrays.fill(blocks, (byte) 0);
  }

  @Override
  public byte[] encrypt(byte[] plain) {
    return transform(encryption, plain);
  }

  @Override
  public byte[] decrypt(byte[] encrypted) {
    return transform(decryption, encrypted);
  }

  /**
   * M || N to U || V, or back: the first block is whitened with the hash of the rest, goes through
   * AES, and what went in, what came out and L make the start of the key stream for the rest, whose
   * hash is added to the first block again.
   */
  private byte[] transform(CipherPool pool, byte[] in) {
    if (in.length < MIN_BYTES) {
      throw new IllegalArgumentException("HCTR2 input of " + in.length + " bytes");
    }
    byte[] out = in.clone();
    Polyval polyval = new Polyval(derived[0], derived[1]);
    hash(polyval, out);
    long beforeLow = (long) LONG_LE.get(out, 0) ^ polyval.low();
    long beforeHigh = (long) LONG_LE.get(out, 8) ^ polyval.high();
    LONG_LE.set(out, 0, beforeLow);
    LONG_LE.set(out, 8, beforeHigh);
    apply(pool, out, 0, BLOCK);
    long afterLow = (long) LONG_LE.get(out, 0);
    long afterHigh = (long) LONG_LE.get(out, 8);
    addKeyStream(out, beforeLow ^ afterLow ^ derived[2], beforeHigh ^ afterHigh ^ derived[3]);
    hash(polyval, out);
    LONG_LE.set(out, 0, afterLow ^ polyval.low());
    LONG_LE.set(out, 8, afterHigh ^ polyval.high());
    return out;
  }

  /** POLYVAL of the tweak's length in bits, the tweak, and all but the first block. */
  private void hash(Polyval polyval, byte[] text) {
    int rest = (text.length - BLOCK) % BLOCK;
    int whole = text.length - BLOCK - rest;
    polyval.reset(0, 0);
    polyval.update(2 * TWEAK_BYTES * 8 + (rest == 0 ? 2 : 3), 0);
    polyval.update(tweak, 0, TWEAK_BYTES);
    polyval.update(text, BLOCK, whole);
    if (rest > 0) {
      byte[] last = Arrays.copyOf(Arrays.copyOfRange(text, BLOCK + whole, text.length), BLOCK);
      last[rest] = 1;
      polyval.update(last, 0, BLOCK);
      Arrays.fill(last, (byte) 0);
    }
  }

  /** XCTR: block i, from 1, of the key stream is AES(start XOR i). */
  private void addKeyStream(byte[] text, long low, long high) {
    int bytes = text.length - BLOCK;
    byte[] stream = new byte[(bytes + BLOCK - 1) / BLOCK * BLOCK];
    for (int i = 0; i < stream.length; i += BLOCK) {
      LONG_LE.set(stream, i, low ^ i / BLOCK + 1);
      LONG_LE.set(stream, i + 8, high);
    }
    apply(encryption, stream, 0, stream.length);
    for (int i = 0; i < bytes; i++) {
      text[BLOCK + i] ^= stream[i];
    }
    Arrays.fill(stream, (byte) 0);
  }

  private static void apply(CipherPool pool, byte[] blocks, int position, int bytes) {
    if (bytes == 0) {
      return;
    }
    Cipher cipher = pool.take();
    try {
      Jce.apply(cipher, blocks, position, bytes, blocks, position);
    } finally {
      pool.give(cipher);
    }
  }

  @Override
  public void close() {
    encryption.close();
    decryption.close();
    Arrays.fill(derived, 0);
  }
}
