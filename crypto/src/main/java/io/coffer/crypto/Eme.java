package io.coffer.crypto;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import javax.crypto.Cipher;

/**
 * EME (Halevi and Rogaway, "A Parallelizable Enciphering Mode", 2003) over AES: a permutation of
 * strings of 1 to 128 whole blocks under a tweak, in which every output bit depends on every input
 * bit. Deterministic and without authentication. Thread-safe.
 */
public final class Eme implements AutoCloseable {
  private static final int BLOCK = 16;
  private static final int MAX_BLOCKS = 128;
  private static final VarHandle LONG_LE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final WipeableKey key;

  /** The masks L, one block after the other: L_i = 2^(i+1) AES(0). */
  private final byte[] masks = new byte[MAX_BLOCKS * BLOCK];

  @SuppressWarnings("ThreadLocalUsage") // one per key; a volume has one, and few volumes are open
  private final ThreadLocal<Ciphers> ciphers = ThreadLocal.withInitial(this::newCiphers);

  private record Ciphers(Cipher encryption, Cipher decryption) {}

  /** {@code key}: an AES key of 16 or 32 bytes, copied. */
  public Eme(byte[] key) {
    if (key.length != 16 && key.length != 32) {
      throw new IllegalArgumentException("AES key of " + key.length + " bytes");
    }
    this.key = new WipeableKey("AES", key, 0, key.length);
    byte[] l = new byte[BLOCK];
    Jce.apply(newCiphers().encryption, l.clone(), 0, BLOCK, l, 0);
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
    return transform(ciphers().encryption, tweak, plain);
  }

  /** Decrypts what {@link #encrypt} made with the same tweak. */
  public byte[] decrypt(byte[] tweak, byte[] encrypted) {
    return transform(ciphers().decryption, tweak, encrypted);
  }

  private byte[] transform(Cipher cipher, byte[] tweak, byte[] input) {
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
    Jce.apply(cipher, data, 0, length, output, 0);

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
    Jce.apply(cipher, mix.clone(), 0, BLOCK, mix, 0);
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

    Jce.apply(cipher, data, 0, length, output, 0);
    for (int i = 0; i < length; i += 8) {
      LONG_LE.set(output, i, (long) LONG_LE.get(output, i) ^ (long) LONG_LE.get(masks, i));
    }
    return output;
  }

  private Ciphers newCiphers() {
    String ecb = "AES/ECB/NoPadding";
    return new Ciphers(
        Jce.cipher(ecb, Cipher.ENCRYPT_MODE, key, null),
        Jce.cipher(ecb, Cipher.DECRYPT_MODE, key, null));
  }

  private Ciphers ciphers() {
    if (key.isDestroyed()) {
      throw new IllegalStateException("the key has been wiped");
    }
    return ciphers.get();
  }

  /** Wipes the key; nothing can be encrypted or decrypted afterwards. */
  @Override
  public void close() {
    key.destroy();
    java.util.Arrays.fill(masks, (byte) 0);
    ciphers.remove();
  }
}
