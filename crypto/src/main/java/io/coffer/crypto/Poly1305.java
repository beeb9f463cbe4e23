package io.coffer.crypto;

/**
 * Poly1305's polynomial (RFC 8439, section 2.5) over whole blocks, without the number that a MAC
 * adds at the end: an almost-universal hash of 16 bytes. In limbs of 26 bits. One thread at a time.
 */
final class Poly1305 {
  private static final long MASK = 0x3ffffff;

  private long h0;
  private long h1;
  private long h2;
  private long h3;
  private long h4;
  private long low;
  private long high;

  /** The point at which a polynomial is evaluated: 16 bytes as two little-endian words. */
  static final class Key implements AutoCloseable {
    private long r0;
    private long r1;
    private long r2;
    private long r3;
    private long r4;

    Key(long low, long high) {
      long clampedLow = low & 0x0ffffffc0fffffffL;
      long clampedHigh = high & 0x0ffffffc0ffffffcL;
      r0 = clampedLow & MASK;
      r1 = clampedLow >>> 26 & MASK;
      r2 = (clampedLow >>> 52 | clampedHigh << 12) & MASK;
      r3 = clampedHigh >>> 14 & MASK;
      r4 = clampedHigh >>> 40;
    }

    @Override
    public void close() {
      r0 = 0;
      r1 = 0;
      r2 = 0;
      r3 = 0;
      r4 = 0;
    }
  }

  void reset() {
    h0 = 0;
    h1 = 0;
    h2 = 0;
    h3 = 0;
    h4 = 0;
  }

  /** Takes a block of 16 bytes. */
  void update(Key key, long blockLow, long blockHigh) {
    long a0 = h0 + (blockLow & MASK);
    long a1 = h1 + (blockLow >>> 26 & MASK);
    long a2 = h2 + ((blockLow >>> 52 | blockHigh << 12) & MASK);
    long a3 = h3 + (blockHigh >>> 14 & MASK);
    long a4 = h4 + (blockHigh >>> 40 | 1L << 24);
    long r0 = key.r0;
    long r1 = key.r1;
    long r2 = key.r2;
    long r3 = key.r3;
    long r4 = key.r4;
    long s1 = r1 * 5;
    long s2 = r2 * 5;
    long s3 = r3 * 5;
    long s4 = r4 * 5;
    long d0 = a0 * r0 + a1 * s4 + a2 * s3 + a3 * s2 + a4 * s1;
    long d1 = a0 * r1 + a1 * r0 + a2 * s4 + a3 * s3 + a4 * s2;
    long d2 = a0 * r2 + a1 * r1 + a2 * r0 + a3 * s4 + a4 * s3;
    long d3 = a0 * r3 + a1 * r2 + a2 * r1 + a3 * r0 + a4 * s4;
    long d4 = a0 * r4 + a1 * r3 + a2 * r2 + a3 * r1 + a4 * r0;
    d1 += d0 >>> 26;
    d2 += d1 >>> 26;
    d3 += d2 >>> 26;
    d4 += d3 >>> 26;
    long carry = (d0 & MASK) + (d4 >>> 26) * 5;
    h0 = carry & MASK;
    h1 = (d1 & MASK) + (carry >>> 26);
    h2 = d2 & MASK;
    h3 = d3 & MASK;
    h4 = d4 & MASK;
  }

  /** Reduces the sum; {@link #low} and {@link #high} then give the hash. */
  void finish() {
    for (int i = 0; i < 2; i++) {
      h1 += h0 >>> 26;
      h0 &= MASK;
      h2 += h1 >>> 26;
      h1 &= MASK;
      h3 += h2 >>> 26;
      h2 &= MASK;
      h4 += h3 >>> 26;
      h3 &= MASK;
      h0 += (h4 >>> 26) * 5;
      h4 &= MASK;
    }
    // The sum less the modulus 2^130 - 5, taken if it is not negative.
    long g0 = h0 + 5;
    long g1 = h1 + (g0 >>> 26);
    long g2 = h2 + (g1 >>> 26);
    long g3 = h3 + (g2 >>> 26);
    long g4 = h4 + (g3 >>> 26) - (1L << 26);
    long keep = g4 >> 63;
    h0 = (h0 & keep) | (g0 & MASK & ~keep);
    h1 = (h1 & keep) | (g1 & MASK & ~keep);
    h2 = (h2 & keep) | (g2 & MASK & ~keep);
    h3 = (h3 & keep) | (g3 & MASK & ~keep);
    h4 = (h4 & keep) | (g4 & MASK & ~keep);
    low = h0 | h1 << 26 | h2 << 52;
    high = h2 >>> 12 | h3 << 14 | h4 << 40;
  }

  long low() {
    return low;
  }

  long high() {
    return high;
  }
}
