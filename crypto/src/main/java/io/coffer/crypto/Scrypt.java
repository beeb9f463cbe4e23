package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Mac;

/**
 * The password hash scrypt (RFC 7914). Its large table lies outside the Java heap, so that it does
 * not depend on the heap's size and goes back to the system as soon as the hash is there.
 *
 * <p>Written anew because opening a volume always meets a cold virtual machine: there this took
 * 0.24 s for N=65536 and R=8 where Bouncy Castle took 0.42 s. The system's libcrypto needs no time
 * to get warm and is taken where there is one.
 */
public final class Scrypt {
  private static final VarHandle INT_LE =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final int HASH_BYTES = 32;

  private Scrypt() {}

  /**
   * Hashes a password.
   *
   * @param n cost: a power of two above 1
   * @param r block size factor; the hash takes 128·n·r bytes of memory
   * @param p rounds
   * @param length bytes wanted
   */
  public static SecretBytes hash(
      SecretBytes password, byte[] salt, long n, int r, int p, int length) {
    check(n, r, p);
    if (ContentCiphers.isNativeWanted() && LibCrypto.isPresent()) {
      SecretBytes hash = SecretBytes.take(new byte[length]);
      if (password.lend(from -> hash.lend(to -> LibCrypto.scrypt(from, salt, n, r, p, to)))) {
        return hash;
      }
      hash.close();
    }
    return password.read(bytes -> SecretBytes.take(hash(bytes, salt, n, r, p, length)));
  }

  static byte[] hash(byte[] password, byte[] salt, long n, int r, int p, int length) {
    check(n, r, p);
    int words = Math.multiplyExact(32, r);
    long tableBytes = Math.multiplyExact(n, 4L * words);
    byte[] blocks = pbkdf2(password, salt, Math.multiplyExact(128 * r, p));
    int[] block = new int[words];
    int[] scratch = new int[words];
    int[] chosen = new int[words];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment table = arena.allocate(tableBytes, 64);
      for (int i = 0; i < p; i++) {
        int position = i * 4 * words;
        for (int w = 0; w < words; w++) {
          block[w] = (int) INT_LE.get(blocks, position + 4 * w);
        }
        mix(block, scratch, chosen, table, n);
        for (int w = 0; w < words; w++) {
          INT_LE.set(blocks, position + 4 * w, block[w]);
        }
      }
      table.fill((byte) 0);
      return pbkdf2(password, blocks, length);
    } finally {
      Arrays.fill(blocks, (byte) 0);
      Arrays.fill(block, 0);
      Arrays.fill(scratch, 0);
      Arrays.fill(chosen, 0);
    }
  }

  private static void check(long n, int r, int p) {
    if (n < 2 || Long.bitCount(n) != 1 || r < 1 || p < 1 || (long) r * p >= 1 << 30) {
      throw new IllegalArgumentException("scrypt parameters N=" + n + " R=" + r + " P=" + p);
    }
  }

  /** scryptROMix (section 5). */
  private static void mix(int[] block, int[] scratch, int[] chosen, MemorySegment table, long n) {
    int words = block.length;
    int r = words / 32;
    long entryBytes = 4L * words;
    // Two steps at once, so that the block goes to the scratch array and back without copying.
    for (long i = 0; i < n; i += 2) {
      MemorySegment.copy(block, 0, table, INT, i * entryBytes, words);
      mixBlock(block, scratch, r);
      MemorySegment.copy(scratch, 0, table, INT, (i + 1) * entryBytes, words);
      mixBlock(scratch, block, r);
    }
    for (long i = 0; i < n; i += 2) {
      MemorySegment.copy(table, INT, index(block, n) * entryBytes, chosen, 0, words);
      xor(block, chosen);
      mixBlock(block, scratch, r);
      MemorySegment.copy(table, INT, index(scratch, n) * entryBytes, chosen, 0, words);
      xor(scratch, chosen);
      mixBlock(scratch, block, r);
    }
  }

  /** Integerify: the block's last 64 bytes as a little-endian number, modulo n. */
  private static long index(int[] block, long n) {
    int last = block.length - 16;
    return ((block[last + 1] & 0xffffffffL) << 32 | (block[last] & 0xffffffffL)) & (n - 1);
  }

  private static void xor(int[] block, int[] other) {
    for (int w = 0; w < block.length; w++) {
      block[w] ^= other[w];
    }
  }

  /** scryptBlockMix (section 4). */
  private static void mixBlock(int[] in, int[] out, int r) {
    int previous = (2 * r - 1) * 16;
    int[] from = in;
    for (int i = 0; i < 2 * r; i++) {
      // Even results go to the first half, odd ones to the second.
      int to = (i / 2 + (i % 2) * r) * 16;
      salsa(from, previous, in, i * 16, out, to);
      previous = to;
      from = out;
    }
  }

  /** Salsa20/8 of the xor of two 16-word blocks. */
  private static void salsa(int[] a, int aPosition, int[] b, int bPosition, int[] out, int to) {
    int s0 = a[aPosition] ^ b[bPosition];
    int s1 = a[aPosition + 1] ^ b[bPosition + 1];
    int s2 = a[aPosition + 2] ^ b[bPosition + 2];
    int s3 = a[aPosition + 3] ^ b[bPosition + 3];
    int s4 = a[aPosition + 4] ^ b[bPosition + 4];
    int s5 = a[aPosition + 5] ^ b[bPosition + 5];
    int s6 = a[aPosition + 6] ^ b[bPosition + 6];
    int s7 = a[aPosition + 7] ^ b[bPosition + 7];
    int s8 = a[aPosition + 8] ^ b[bPosition + 8];
    int s9 = a[aPosition + 9] ^ b[bPosition + 9];
    int s10 = a[aPosition + 10] ^ b[bPosition + 10];
    int s11 = a[aPosition + 11] ^ b[bPosition + 11];
    int s12 = a[aPosition + 12] ^ b[bPosition + 12];
    int s13 = a[aPosition + 13] ^ b[bPosition + 13];
    int s14 = a[aPosition + 14] ^ b[bPosition + 14];
    int s15 = a[aPosition + 15] ^ b[bPosition + 15];
    int x0 = s0;
    int x1 = s1;
    int x2 = s2;
    int x3 = s3;
    int x4 = s4;
    int x5 = s5;
    int x6 = s6;
    int x7 = s7;
    int x8 = s8;
    int x9 = s9;
    int x10 = s10;
    int x11 = s11;
    int x12 = s12;
    int x13 = s13;
    int x14 = s14;
    int x15 = s15;
    for (int i = 0; i < 4; i++) {
      x4 ^= Integer.rotateLeft(x0 + x12, 7);
      x8 ^= Integer.rotateLeft(x4 + x0, 9);
      x12 ^= Integer.rotateLeft(x8 + x4, 13);
      x0 ^= Integer.rotateLeft(x12 + x8, 18);
      x9 ^= Integer.rotateLeft(x5 + x1, 7);
      x13 ^= Integer.rotateLeft(x9 + x5, 9);
      x1 ^= Integer.rotateLeft(x13 + x9, 13);
      x5 ^= Integer.rotateLeft(x1 + x13, 18);
      x14 ^= Integer.rotateLeft(x10 + x6, 7);
      x2 ^= Integer.rotateLeft(x14 + x10, 9);
      x6 ^= Integer.rotateLeft(x2 + x14, 13);
      x10 ^= Integer.rotateLeft(x6 + x2, 18);
      x3 ^= Integer.rotateLeft(x15 + x11, 7);
      x7 ^= Integer.rotateLeft(x3 + x15, 9);
      x11 ^= Integer.rotateLeft(x7 + x3, 13);
      x15 ^= Integer.rotateLeft(x11 + x7, 18);
      x1 ^= Integer.rotateLeft(x0 + x3, 7);
      x2 ^= Integer.rotateLeft(x1 + x0, 9);
      x3 ^= Integer.rotateLeft(x2 + x1, 13);
      x0 ^= Integer.rotateLeft(x3 + x2, 18);
      x6 ^= Integer.rotateLeft(x5 + x4, 7);
      x7 ^= Integer.rotateLeft(x6 + x5, 9);
      x4 ^= Integer.rotateLeft(x7 + x6, 13);
      x5 ^= Integer.rotateLeft(x4 + x7, 18);
      x11 ^= Integer.rotateLeft(x10 + x9, 7);
      x8 ^= Integer.rotateLeft(x11 + x10, 9);
      x9 ^= Integer.rotateLeft(x8 + x11, 13);
      x10 ^= Integer.rotateLeft(x9 + x8, 18);
      x12 ^= Integer.rotateLeft(x15 + x14, 7);
      x13 ^= Integer.rotateLeft(x12 + x15, 9);
      x14 ^= Integer.rotateLeft(x13 + x12, 13);
      x15 ^= Integer.rotateLeft(x14 + x13, 18);
    }
    out[to] = s0 + x0;
    out[to + 1] = s1 + x1;
    out[to + 2] = s2 + x2;
    out[to + 3] = s3 + x3;
    out[to + 4] = s4 + x4;
    out[to + 5] = s5 + x5;
    out[to + 6] = s6 + x6;
    out[to + 7] = s7 + x7;
    out[to + 8] = s8 + x8;
    out[to + 9] = s9 + x9;
    out[to + 10] = s10 + x10;
    out[to + 11] = s11 + x11;
    out[to + 12] = s12 + x12;
    out[to + 13] = s13 + x13;
    out[to + 14] = s14 + x14;
    out[to + 15] = s15 + x15;
  }

  /** PBKDF2-HMAC-SHA-256 with one iteration (RFC 8018). */
  private static byte[] pbkdf2(byte[] password, byte[] salt, int length) {
    // HMAC pads a key with zeros, so that one zero byte is the same key as none; the JDK refuses
    // an empty key.
    byte[] key = password.length == 0 ? new byte[1] : password;
    WipeableKey macKey = new WipeableKey("HmacSHA256", key, 0, key.length);
    byte[] output = new byte[length];
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(macKey);
      byte[] index = new byte[4];
      for (int done = 0, i = 1; done < length; done += HASH_BYTES, i++) {
        index[0] = (byte) (i >>> 24);
        index[1] = (byte) (i >>> 16);
        index[2] = (byte) (i >>> 8);
        index[3] = (byte) i;
        mac.update(salt);
        byte[] hash = mac.doFinal(index);
        System.arraycopy(hash, 0, output, done, Math.min(HASH_BYTES, length - done));
        Arrays.fill(hash, (byte) 0);
      }
      return output;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks HmacSHA256", e);
    } finally {
      macKey.destroy();
    }
  }
}
