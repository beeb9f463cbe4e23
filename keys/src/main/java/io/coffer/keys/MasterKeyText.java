package io.coffer.keys;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException.Problem;
import java.util.Arrays;

/**
 * A master key as a person writes it down: 64 hexadecimal digits in eight groups, {@code
 * 1cafe3f4-bc316466-...}; dashes and spaces do not matter when it is read.
 */
public final class MasterKeyText {
  private static final int KEY_BYTES = 32;
  private static final int GROUP_BYTES = 4;

  private MasterKeyText() {}

  /** The key's 71 ASCII characters; the caller wipes them. */
  public static byte[] format(SecretBytes masterKey) {
    return masterKey.read(key -> {
      byte[] text = new byte[2 * key.length + (key.length - 1) / GROUP_BYTES];
      int at = 0;
      for (int i = 0; i < key.length; i++) {
        if (i > 0 && i % GROUP_BYTES == 0) {
          text[at++] = '-';
        }
        text[at++] = (byte) Character.forDigit(key[i] >> 4 & 0xf, 16);
        text[at++] = (byte) Character.forDigit(key[i] & 0xf, 16);
      }
      return text;
    });
  }

  /**
   * Reads a key.
   *
   * @throws VolumeException MASTER_KEY_MALFORMED
   */
  public static SecretBytes parse(byte[] text) throws VolumeException {
    byte[] key = new byte[KEY_BYTES];
    try {
      int digits = 0;
      for (byte b : text) {
        if (b == '-' || b == ' ' || b == '\n' || b == '\r') {
          continue;
        }
        int digit = Character.digit(b, 16);
        if (digit < 0) {
          throw malformed("has a character that is not a hexadecimal digit");
        }
        if (digits == 2 * KEY_BYTES) {
          throw malformed("has more than 64 hexadecimal digits");
        }
        key[digits / 2] |= (byte) (digit << (digits % 2 == 0 ? 4 : 0));
        digits++;
      }
      if (digits != 2 * KEY_BYTES) {
        throw malformed("has " + digits + " hexadecimal digits instead of 64");
      }
      return SecretBytes.copyOf(key);
    } finally {
      Arrays.fill(key, (byte) 0);
    }
  }

  /** {@link #parse(byte[])} of a key held in a secret. */
  public static SecretBytes parse(SecretBytes text) throws VolumeException {
    return text.<SecretBytes, VolumeException>read(MasterKeyText::parse);
  }

  private static VolumeException malformed(String what) {
    return new VolumeException(Problem.MASTER_KEY_MALFORMED, "the master key " + what);
  }
}
