package io.coffer.keyserver.seal;

import io.coffer.crypto.RandomBytes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Shamir's secret sharing, byte by byte over GF(2^8) with the polynomial x^8+x^4+x^3+x+1 (that of
 * AES), the secret at x = 0 and the shares at x = 1, 2, ...: the scheme of draft-mcgrew-tss-03.
 * Multiplication uses no tables and no branches on secrets.
 */
final class Shamir {
  static final int MAX_SHARES = 255;

  /** The value of the polynomials at {@code x}, which is 1 to 255. */
  record Point(int x, byte[] y) {}

  private Shamir() {}

  /** Splits a secret so that any {@code threshold} of {@code shares} points give it back. */
  static List<Point> split(byte[] secret, int threshold, int shares) {
    if (threshold < 1 || threshold > shares || shares > MAX_SHARES) {
      throw new IllegalArgumentException("quorum of " + threshold + " of " + shares);
    }
    // coefficients[d] holds those of x^d for all bytes of the secret.
    byte[][] coefficients = new byte[threshold][];
    coefficients[0] = secret.clone();
    for (int d = 1; d < threshold; d++) {
      coefficients[d] = RandomBytes.of(secret.length);
    }
    try {
      return evaluate(coefficients, shares);
    } finally {
      for (byte[] coefficient : coefficients) {
        Arrays.fill(coefficient, (byte) 0);
      }
    }
  }

  static List<Point> evaluate(byte[][] coefficients, int shares) {
    int length = coefficients[0].length;
    List<Point> points = new ArrayList<>();
    for (int x = 1; x <= shares; x++) {
      byte[] y = new byte[length];
      for (int i = 0; i < length; i++) {
        int value = 0;
        for (int d = coefficients.length - 1; d >= 0; d--) {
          value = multiply(value, x) ^ (coefficients[d][i] & 0xff);
        }
        y[i] = (byte) value;
      }
      points.add(new Point(x, y));
    }
    return points;
  }

  /**
   * Interpolates at x = 0. With fewer points than the threshold, or wrong ones, the result is
   * random: whoever calls this has to check it.
   *
   * @param points of equal length, with different x
   */
  static byte[] combine(List<Point> points) {
    if (points.stream().mapToInt(Point::x).distinct().count() != points.size()) {
      throw new IllegalArgumentException("two shares with the same number");
    }
    byte[] secret = new byte[points.getFirst().y().length];
    for (Point point : points) {
      int numerator = 1;
      int denominator = 1;
      for (Point other : points) {
        if (other.x() != point.x()) {
          numerator = multiply(numerator, other.x());
          denominator = multiply(denominator, other.x() ^ point.x());
        }
      }
      int weight = multiply(numerator, invert(denominator));
      for (int i = 0; i < secret.length; i++) {
        secret[i] ^= (byte) multiply(point.y()[i] & 0xff, weight);
      }
    }
    return secret;
  }

  static int multiply(int a, int b) {
    int product = 0;
    for (int bit = 7; bit >= 0; bit--) {
      product = (product << 1) ^ (0x11b & -(product >>> 7));
      product ^= a & -((b >>> bit) & 1);
    }
    return product;
  }

  /** The inverse is the 254th power; 0 has none and gives 0. */
  static int invert(int a) {
    int power = a;
    for (int i = 0; i < 6; i++) {
      power = multiply(multiply(power, power), a);
    }
    return multiply(power, power);
  }
}
