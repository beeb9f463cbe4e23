package io.coffer.keys;

import io.coffer.crypto.SecretBytes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A secret as ten words that can be spoken and written down, as {@code lusab-babad}: proquints
 * (arXiv:0901.4016), 16 bits a word. The words stand for {@value #SECRET_BYTES} random bytes and 16
 * bits of their SHA-256, so that a slip of the pen is noticed.
 */
public final class RecoveryWords {
  /** Bytes of the secret that the words stand for. */
  public static final int SECRET_BYTES = 18;

  private static final int CHECK_BYTES = 2;
  private static final int WORDS = (SECRET_BYTES + CHECK_BYTES) / 2;
  private static final int LETTERS = 5;
  private static final String CONSONANTS = "bdfghjklmnprstvz";
  private static final String VOWELS = "aiou";

  private RecoveryWords() {}

  /** The words of a secret, with "-" between them, in ASCII; the caller wipes them. */
  public static byte[] format(SecretBytes secret) {
    return secret.read(bytes -> {
      if (bytes.length != SECRET_BYTES) {
        throw new IllegalArgumentException("a secret of " + bytes.length + " bytes");
      }
      byte[] all = withCheck(bytes);
      byte[] text = new byte[WORDS * (LETTERS + 1) - 1];
      for (int word = 0, at = 0; word < WORDS; word++) {
        if (word > 0) {
          text[at++] = '-';
        }
        int bits = (all[2 * word] & 0xff) << 8 | (all[2 * word + 1] & 0xff);
        text[at++] = letter(CONSONANTS, bits >>> 12);
        text[at++] = letter(VOWELS, bits >>> 10 & 3);
        text[at++] = letter(CONSONANTS, bits >>> 6 & 15);
        text[at++] = letter(VOWELS, bits >>> 4 & 3);
        text[at++] = letter(CONSONANTS, bits & 15);
      }
      Arrays.fill(all, (byte) 0);
      return text;
    });
  }

  private static byte letter(String letters, int index) {
    return (byte) letters.charAt(index);
  }

  /**
   * The secret of ten words, in whatever case and with blanks or dashes between them; null if they
   * are none, or if one is wrong.
   */
  public static @Nullable SecretBytes parse(SecretBytes text) {
    return text.read(line -> {
      byte[] all = new byte[SECRET_BYTES + CHECK_BYTES];
      try {
        return decode(line, all) ? checked(all) : null;
      } finally {
        Arrays.fill(all, (byte) 0);
      }
    });
  }

  private static boolean decode(byte[] line, byte[] all) {
    int letters = 0;
    int bits = 0;
    for (byte each : line) {
      int letter = Character.toLowerCase(each & 0xff);
      if (letter == '-' || letter == ' ' || letter == '\t' || letter == '\r') {
        continue;
      }
      if (letters == WORDS * LETTERS) {
        return false;
      }
      int within = letters % LETTERS;
      int value = (within % 2 == 0 ? CONSONANTS : VOWELS).indexOf(letter);
      if (value < 0) {
        return false;
      }
      bits = bits << (within % 2 == 0 ? 4 : 2) | value;
      if (within == LETTERS - 1) {
        int word = letters / LETTERS;
        all[2 * word] = (byte) (bits >>> 8);
        all[2 * word + 1] = (byte) bits;
        bits = 0;
      }
      letters++;
    }
    return letters == WORDS * LETTERS;
  }

  private static @Nullable SecretBytes checked(byte[] all) {
    byte[] secret = Arrays.copyOf(all, SECRET_BYTES);
    byte[] expected = withCheck(secret);
    boolean right = MessageDigest.isEqual(all, expected);
    Arrays.fill(expected, (byte) 0);
    SecretBytes taken = SecretBytes.take(secret);
    if (!right) {
      taken.close();
      return null;
    }
    return taken;
  }

  private static byte[] withCheck(byte[] secret) {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(secret);
      byte[] all = Arrays.copyOf(secret, SECRET_BYTES + CHECK_BYTES);
      System.arraycopy(digest, 0, all, SECRET_BYTES, CHECK_BYTES);
      Arrays.fill(digest, (byte) 0);
      return all;
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }
}
