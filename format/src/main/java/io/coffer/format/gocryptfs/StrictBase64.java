package io.coffer.format.gocryptfs;

import io.coffer.format.FormatException;
import java.util.Arrays;
import java.util.Base64;

/**
 * Base64 with the URL alphabet (RFC 4648, section 5), raw or padded, of which every string of bytes
 * has exactly one form: whatever decodes but would be encoded differently is refused, or one file
 * could be shown under two names.
 */
final class StrictBase64 {
  private static final String ALPHABET =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

  /** What a character stands for; -1 for one that is not of the alphabet. */
  private static final byte[] VALUES = new byte[256];

  static {
    Arrays.fill(VALUES, (byte) -1);
    for (int i = 0; i < ALPHABET.length(); i++) {
      VALUES[ALPHABET.charAt(i)] = (byte) i;
    }
  }

  private final boolean padded;
  private final Base64.Encoder encoder;

  StrictBase64(boolean padded) {
    this.padded = padded;
    encoder = padded ? Base64.getUrlEncoder() : Base64.getUrlEncoder().withoutPadding();
  }

  /** Characters that {@code bytes} bytes take. */
  long encodedLength(long bytes) {
    return padded ? (bytes + 2) / 3 * 4 : (bytes * 4 + 2) / 3;
  }

  byte[] encode(byte[] bytes) {
    return encoder.encode(bytes);
  }

  /**
   * {@code what} names the thing in the message of the exception. The JDK's decoder would have to
   * be followed by an encoder, to see whether the form is that one; and both are large methods to a
   * virtual machine that has just started and lists ten thousand names.
   */
  byte[] decode(byte[] text, String what) throws FormatException {
    int digits = text.length;
    if (padded && digits % 4 == 0) {
      for (int i = 0; i < 2 && digits > 0 && text[digits - 1] == '='; i++) {
        digits--;
      }
    }
    int rest = digits % 4;
    if (rest == 1 || (padded && text.length % 4 != 0)) {
      throw new FormatException(what + " is not base64");
    }
    byte[] bytes = new byte[(int) (digits * 3L / 4)];
    int bits = 0;
    int signs = 0;
    int length = 0;
    for (int i = 0; i < digits; i++) {
      int value = VALUES[text[i] & 0xff];
      signs |= value;
      bits = (bits << 6) | value;
      int place = i & 3;
      if (place != 0) {
        bytes[length++] = (byte) (bits >> (6 - 2 * place));
      }
    }
    if (signs < 0) {
      throw new FormatException(what + " is not base64");
    }
    // Of the last character only some bits are used.
    int unused = rest == 2 ? 0xf : rest == 3 ? 3 : 0;
    if ((bits & unused) != 0) {
      throw new FormatException(what + " is not canonical base64");
    }
    return bytes;
  }
}
