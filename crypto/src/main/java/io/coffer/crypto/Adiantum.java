package io.coffer.crypto;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import javax.crypto.Cipher;

/**
 * Adiantum (Crowley and Biggers, "Adiantum: length-preserving encryption for entry-level
 * processors", 2018) with XChaCha12, AES-256, NH and Poly1305, and a tweak of 32 bytes: every bit
 * of the output depends on every bit of the input. Thread-safe; allocates nothing once warm.
 *
 * <p>Meant for processors without AES instructions; on others it is the slower choice.
 */
public final class Adiantum implements AutoCloseable {
  /** Bytes of a key. */
  public static final int KEY_BYTES = 32;

  /** Bytes of a tweak. */
  public static final int TWEAK_BYTES = 32;

  private static final int BLOCK = 16;

  /** NH hashes up to 1024 bytes, in units of 16, to four words. */
  private static final int NH_BYTES = 1024;

  private static final int NH_KEY_WORDS = NH_BYTES / 4 + 12;
  private static final VarHandle INT_LE =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle LONG_LE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final ThreadLocal<Work> WORK = ThreadLocal.withInitial(Work::new);

  /** Arrays of one thread. */
  private static final class Work {
    private final Poly1305 polynomial = new Poly1305();
    private final int[] state = new int[40];
    private final int[] nonce = new int[6];
    private final byte[] keyStream = new byte[64];
    private final byte[] last = new byte[BLOCK];
    private final byte[] block = new byte[BLOCK];
    private final byte[] before = new byte[BLOCK];
    private final long[] hashed = new long[4];
    private long low;
    private long high;
  }

  private final int[] streamKey = new int[8];
  private final int[] nhKey = new int[NH_KEY_WORDS];
  private final Poly1305.Key headerKey;
  private final Poly1305.Key messageKey;
  private final CipherPool encryption;
  private final CipherPool decryption;
  private volatile boolean closed;

  /** {@code key}: 32 bytes, copied. */
  public Adiantum(byte[] key) {
    if (key.length != KEY_BYTES) {
      throw new IllegalArgumentException("Adiantum key of " + key.length + " bytes");
    }
    for (int i = 0; i < streamKey.length; i++) {
      streamKey[i] = (int) INT_LE.get(key, 4 * i);
    }
    // The other keys are the key stream under the nonce 1: AES, Poly1305 twice, NH.
    byte[] keys = new byte[32 + 16 + 16 + 4 * NH_KEY_WORDS];
    Work work = WORK.get();
    Arrays.fill(work.nonce, 0);
    work.nonce[0] = 1;
    XChaCha12.add(streamKey, work.nonce, work.state, work.keyStream, keys, 0, keys.length);
    encryption = CipherPool.ofBlocks(Cipher.ENCRYPT_MODE, keys, 0, 32);
    decryption = CipherPool.ofBlocks(Cipher.DECRYPT_MODE, keys, 0, 32);
    headerKey = new Poly1305.Key((long) LONG_LE.get(keys, 32), (long) LONG_LE.get(keys, 40));
    messageKey = new Poly1305.Key((long) LONG_LE.get(keys, 48), (long) LONG_LE.get(keys, 56));
    for (int i = 0; i < NH_KEY_WORDS; i++) {
      nhKey[i] = (int) INT_LE.get(keys, 64 + 4 * i);
    }
    Arrays.fill(keys, (byte) 0);
  }

  /**
   * Enciphers in place.
   *
   * @param tweak 32 bytes
   * @param bytes at least 16
   */
  public void encrypt(byte[] tweak, byte[] data, int position, int bytes) {
    transform(true, tweak, data, position, bytes);
  }

  /** Undoes {@link #encrypt}. */
  public void decrypt(byte[] tweak, byte[] data, int position, int bytes) {
    transform(false, tweak, data, position, bytes);
  }

  /**
   * The last block plus the hash of the rest goes through AES and is the nonce of the stream cipher
   * over the rest; then the hash of the enciphered rest is taken away from it.
   */
  private void transform(boolean encrypting, byte[] tweak, byte[] data, int position, int bytes) {
    if (tweak.length != TWEAK_BYTES || bytes < BLOCK) {
      throw new IllegalArgumentException(
          "Adiantum input of " + bytes + " bytes, tweak of " + tweak.length);
    }
    if (closed) {
      throw new IllegalStateException("the key has been wiped");
    }
    Work work = WORK.get();
    byte[] block = work.block;
    int rest = bytes - BLOCK;
    hash(work, tweak, data, position, rest);
    long low = (long) LONG_LE.get(data, position + rest);
    long high = (long) LONG_LE.get(data, position + rest + 8);
    setSum(block, low, high, work.low, work.high);
    if (encrypting) {
      apply(encryption, work);
    }
    // What is between the two hashes is enciphered in the nonce, whichever the direction.
    for (int i = 0; i < 4; i++) {
      work.nonce[i] = (int) INT_LE.get(block, 4 * i);
    }
    work.nonce[4] = 1;
    work.nonce[5] = 0;
    XChaCha12.add(streamKey, work.nonce, work.state, work.keyStream, data, position, rest);
    if (!encrypting) {
      apply(decryption, work);
    }
    hash(work, tweak, data, position, rest);
    low = (long) LONG_LE.get(block, 0);
    high = (long) LONG_LE.get(block, 8);
    long less = low - work.low;
    long borrow = Long.compareUnsigned(low, work.low) < 0 ? 1 : 0;
    LONG_LE.set(data, position + rest, less);
    LONG_LE.set(data, position + rest + 8, high - work.high - borrow);
    Arrays.fill(block, (byte) 0);
  }

  private static void setSum(byte[] block, long low, long high, long addLow, long addHigh) {
    long sum = low + addLow;
    long carry = Long.compareUnsigned(sum, low) < 0 ? 1 : 0;
    LONG_LE.set(block, 0, sum);
    LONG_LE.set(block, 8, high + addHigh + carry);
  }

  private static void apply(CipherPool pool, Work work) {
    System.arraycopy(work.block, 0, work.before, 0, BLOCK); // in place, the JDK would allocate
    Cipher cipher = pool.take();
    try {
      Jce.apply(cipher, work.before, 0, BLOCK, work.block, 0);
    } finally {
      pool.give(cipher);
    }
  }

  /** Poly1305 of length in bits and tweak, plus Poly1305 of the NH hashes of the message. */
  private void hash(Work work, byte[] tweak, byte[] data, int position, int bytes) {
    Poly1305 polynomial = work.polynomial;
    polynomial.reset();
    polynomial.update(headerKey, 8L * bytes, 0);
    for (int i = 0; i < TWEAK_BYTES; i += BLOCK) {
      polynomial.update(headerKey, (long) LONG_LE.get(tweak, i), (long) LONG_LE.get(tweak, i + 8));
    }
    polynomial.finish();
    long headerLow = polynomial.low();
    long headerHigh = polynomial.high();

    polynomial.reset();
    long[] hashed = work.hashed;
    for (int done = 0; done < bytes; done += NH_BYTES) {
      int some = Math.min(NH_BYTES, bytes - done);
      int whole = some / BLOCK * BLOCK;
      Arrays.fill(hashed, 0);
      hashUnits(data, position + done, whole, 0, hashed);
      if (whole < some) {
        Arrays.fill(work.last, (byte) 0);
        System.arraycopy(data, position + done + whole, work.last, 0, some - whole);
        hashUnits(work.last, 0, BLOCK, whole / 4, hashed);
      }
      polynomial.update(messageKey, hashed[0], hashed[1]);
      polynomial.update(messageKey, hashed[2], hashed[3]);
    }
    polynomial.finish();
    long low = headerLow + polynomial.low();
    long carry = Long.compareUnsigned(low, headerLow) < 0 ? 1 : 0;
    work.low = low;
    work.high = headerHigh + polynomial.high() + carry;
  }

  /** NH with four passes over units of 16 bytes: each pass takes the key one unit further on. */
  private void hashUnits(byte[] data, int position, int bytes, int keyWord, long[] sums) {
    int[] key = nhKey;
    long sum0 = sums[0];
    long sum1 = sums[1];
    long sum2 = sums[2];
    long sum3 = sums[3];
    int k = keyWord;
    for (int i = position; i < position + bytes; i += BLOCK, k += 4) {
      int m0 = (int) INT_LE.get(data, i);
      int m1 = (int) INT_LE.get(data, i + 4);
      int m2 = (int) INT_LE.get(data, i + 8);
      int m3 = (int) INT_LE.get(data, i + 12);
      sum0 += product(m0 + key[k], m2 + key[k + 2]) + product(m1 + key[k + 1], m3 + key[k + 3]);
      sum1 += product(m0 + key[k + 4], m2 + key[k + 6]) + product(m1 + key[k + 5], m3 + key[k + 7]);
      sum2 +=
          product(m0 + key[k + 8], m2 + key[k + 10]) + product(m1 + key[k + 9], m3 + key[k + 11]);
      sum3 +=
          product(m0 + key[k + 12], m2 + key[k + 14]) + product(m1 + key[k + 13], m3 + key[k + 15]);
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
  }

  private static long product(int a, int b) {
    return (a & 0xffffffffL) * (b & 0xffffffffL);
  }

  /** Wipes the keys; nothing can be enciphered or deciphered afterwards. */
  @Override
  public void close() {
    closed = true;
    Arrays.fill(streamKey, 0);
    Arrays.fill(nhKey, 0);
    headerKey.close();
    messageKey.close();
    encryption.close();
    decryption.close();
  }
}
