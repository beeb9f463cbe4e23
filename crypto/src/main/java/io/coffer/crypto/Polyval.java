package io.coffer.crypto;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * POLYVAL (RFC 8452, section 3): a polynomial over GF(2^128) at a secret point. In long arithmetic,
 * with neither tables nor branches that depend on secrets. One thread at a time.
 */
final class Polyval {
  private static final VarHandle LONG_LE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final long keyLow;
  private final long keyHigh;
  private long low;
  private long high;

  Polyval(long keyLow, long keyHigh) {
    this.keyLow = keyLow;
    this.keyHigh = keyHigh;
  }

  void reset(long newLow, long newHigh) {
    low = newLow;
    high = newHigh;
  }

  long low() {
    return low;
  }

  long high() {
    return high;
  }

  /** Takes whole blocks of 16 bytes. */
  void update(byte[] data, int position, int bytes) {
    for (int i = position; i < position + bytes; i += 16) {
      update((long) LONG_LE.get(data, i), (long) LONG_LE.get(data, i + 8));
    }
  }

  /** Takes a block: the sum times the key, divided by x^128 (Montgomery's form). */
  void update(long blockLow, long blockHigh) {
    long a0 = low ^ blockLow;
    long a1 = high ^ blockHigh;
    long b0 = keyLow;
    long b1 = keyHigh;
    long low0 = multiply(a0, b0);
    long low1 = multiplyHigh(a0, b0);
    long high0 = multiply(a1, b1);
    long high1 = multiplyHigh(a1, b1);
    // Karatsuba: the two middle products from one.
    long middle0 = multiply(a0 ^ a1, b0 ^ b1) ^ low0 ^ high0;
    long middle1 = multiplyHigh(a0 ^ a1, b0 ^ b1) ^ low1 ^ high1;
    long w0 = low0;
    long w1 = low1 ^ middle0;
    long w2 = high0 ^ middle1;
    long w3 = high1;
    // The modulus is x^128 + x^127 + x^126 + x^121 + 1: adding it w0 times clears the lowest word.
    w1 ^= w0 << 57 ^ w0 << 62 ^ w0 << 63;
    w2 ^= w0 ^ w0 >>> 1 ^ w0 >>> 2 ^ w0 >>> 7;
    w2 ^= w1 << 57 ^ w1 << 62 ^ w1 << 63;
    w3 ^= w1 ^ w1 >>> 1 ^ w1 >>> 2 ^ w1 >>> 7;
    low = w2;
    high = w3;
  }

  /**
   * The low half of a product of polynomials over GF(2). Integer multiplication of every fourth bit
   * leaves three bits of room for carries, which the masks then take away.
   */
  private static long multiply(long a, long b) {
    long every = 0x1111111111111111L;
    long a0 = a & every;
    long a1 = a & every << 1;
    long a2 = a & every << 2;
    long a3 = a & every << 3;
    long b0 = b & every;
    long b1 = b & every << 1;
    long b2 = b & every << 2;
    long b3 = b & every << 3;
    long c0 = a0 * b0 ^ a1 * b3 ^ a2 * b2 ^ a3 * b1;
    long c1 = a0 * b1 ^ a1 * b0 ^ a2 * b3 ^ a3 * b2;
    long c2 = a0 * b2 ^ a1 * b1 ^ a2 * b0 ^ a3 * b3;
    long c3 = a0 * b3 ^ a1 * b2 ^ a2 * b1 ^ a3 * b0;
    return (c0 & every) | (c1 & every << 1) | (c2 & every << 2) | (c3 & every << 3);
  }

  /** The high half: that of the mirrored factors, mirrored. */
  private static long multiplyHigh(long a, long b) {
    return Long.reverse(multiply(Long.reverse(a), Long.reverse(b))) >>> 1;
  }
}
