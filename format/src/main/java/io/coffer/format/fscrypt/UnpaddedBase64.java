package io.coffer.format.fscrypt;

import io.coffer.format.FormatException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Base64 without padding, of which every string of bytes has exactly one form: unused bits at the
 * end must be zero, or one file could be shown under several names.
 */
final class UnpaddedBase64 {
  /** RFC 4648, section 5: what the kernel shows without a key. */
  static final UnpaddedBase64 URL = new UnpaddedBase64('-', '_');

  /** RFC 3501, section 5.1.3: what Ceph stores, since a name may begin with none of its signs. */
  static final UnpaddedBase64 IMAP = new UnpaddedBase64('+', ',');

  private static final String COMMON =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

  private final byte[] digits;
  private final byte[] values = new byte[256];

  private UnpaddedBase64(char digit62, char digit63) {
    digits = (COMMON + digit62 + digit63).getBytes(StandardCharsets.US_ASCII);
    Arrays.fill(values, (byte) -1);
    for (int i = 0; i < digits.length; i++) {
      values[digits[i]] = (byte) i;
    }
  }

  /** Characters that {@code bytes} bytes take. */
  static int encodedLength(int bytes) {
    return (bytes * 4 + 2) / 3;
  }

  byte[] encode(byte[] bytes) {
    byte[] text = new byte[encodedLength(bytes.length)];
    int bits = 0;
    int have = 0;
    int at = 0;
    for (byte each : bytes) {
      bits = bits << 8 | (each & 0xff);
      have += 8;
      while (have >= 6) {
        have -= 6;
        text[at++] = digits[bits >>> have & 63];
      }
    }
    if (have > 0) {
      text[at] = digits[bits << (6 - have) & 63];
    }
    return text;
  }

  /** {@code what} names the thing in the message of the exception. */
  byte[] decode(byte[] text, String what) throws FormatException {
    byte[] bytes = new byte[text.length * 3 / 4];
    int bits = 0;
    int have = 0;
    int at = 0;
    for (byte each : text) {
      int value = values[each & 0xff];
      if (value < 0) {
        throw new FormatException(what + " is not base64");
      }
      bits = bits << 6 | value;
      have += 6;
      if (have >= 8) {
        have -= 8;
        bytes[at++] = (byte) (bits >>> have);
      }
    }
    if (have == 6 || (bits & (1 << have) - 1) != 0) {
      throw new FormatException(what + " is not canonical base64");
    }
    return bytes;
  }
}
