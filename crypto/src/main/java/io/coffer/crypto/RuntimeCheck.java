package io.coffer.crypto;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Whether the Java runtime can be trusted with data. JDK 25.0.0 to 25.0.2 compute wrong AES-GCM on
 * some processors once the cipher has been compiled (JDK-8371864): what they seal, nobody can open.
 */
public final class RuntimeCheck {
  /** The oldest runtime that may be used. */
  public static final Runtime.Version MINIMUM_VERSION = Runtime.Version.parse("25.0.3");

  /** In order; around those at which the compiled cipher changes its ways, and a whole block. */
  private static final int[] LENGTHS = {
    1, 15, 16, 17, 31, 33, 127, 128, 129, 255, 256, 257, 511, 513, 767, 769, 1023, 1024, 1025, 2047,
    2049, 3000, 4080, 4095, 4096, 4097, 6144, 8191, 8192, 8193, 16385
  };

  /**
   * SHA-256 of what {@link #answers} gives, as Bouncy Castle computes it, which has its own
   * AES-GCM.
   */
  static final String EXPECTED = "5a2e19ed14aedd31917c24d0cdc334e6c9cee51d96abae5c5c324b9c6d18b6a5";

  /** The longest plain text that is tried before a mount for which Java computes. */
  static final int SHORT = 257;

  /** {@link #EXPECTED} for plain texts of at most {@link #SHORT} bytes. */
  static final String EXPECTED_SHORT =
      "6a0a80407e0b9d1c3ea7e5e42de3881493d725c3ac52f8bf634e275c697771cf";

  private static final int ANY = Integer.MAX_VALUE;

  private RuntimeCheck() {}

  /** Is a runtime new enough? */
  public static boolean isNewEnough(Runtime.Version version) {
    return version.compareToIgnoreOptional(MINIMUM_VERSION) >= 0;
  }

  /**
   * Computes known answers for short texts, once. Nothing is compiled by then, and a mount waits
   * for it: longer ones would take a twentieth of a second and try the same code.
   *
   * @return false if an answer is wrong
   */
  public static boolean computesAesGcm() {
    return computesAesGcm(1, SHORT, EXPECTED_SHORT);
  }

  /**
   * Computes known answers again and again, so that the compiled cipher is among those tried.
   *
   * @param rounds some thousand until the compiler has done its work
   * @return false if an answer is wrong
   */
  static boolean computesAesGcm(int rounds) {
    return computesAesGcm(rounds, ANY, EXPECTED);
  }

  private static boolean computesAesGcm(int rounds, int longest, String answer) {
    byte[] expected = HexFormat.of().parseHex(answer);
    try (AesGcm cipher = new AesGcm(pattern(32, 1), 16)) {
      for (int i = 0; i < rounds; i++) {
        if (!Arrays.equals(answers(cipher, longest), expected)) {
          return false;
        }
      }
      return true;
    }
  }

  /** {@link #answers(Aead, int)} for all lengths. */
  static byte[] answers(Aead cipher) {
    return answers(cipher, ANY);
  }

  /** SHA-256 of everything that a cipher seals for plain texts of {@link #LENGTHS}. */
  static byte[] answers(Aead cipher, int longest) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] associated = pattern(24, 3);
      for (int i = 0; i < LENGTHS.length && LENGTHS[i] <= longest; i++) {
        int length = LENGTHS[i];
        byte[] plain = pattern(length, length);
        byte[] sealed = Arrays.copyOf(pattern(16, length + 7), length + cipher.overheadBytes());
        int bytes = cipher.seal(associated, plain, 0, length, sealed, 0);
        digest.update(sealed, 0, bytes);
        Arrays.fill(plain, (byte) 0);
        if (!cipher.open(associated, sealed, 0, bytes, plain, 0)
            || !Arrays.equals(plain, pattern(length, length))) {
          digest.update((byte) 1);
        }
      }
      return digest.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  /** Bytes that differ from their neighbours: a linear congruence. */
  static byte[] pattern(int length, int seed) {
    byte[] bytes = new byte[length];
    int state = seed;
    for (int i = 0; i < length; i++) {
      state = state * 1103515245 + 12345;
      bytes[i] = (byte) (state >>> 16);
    }
    return bytes;
  }
}
