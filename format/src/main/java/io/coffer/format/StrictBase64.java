package io.coffer.format;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Base64 of which every string of bytes has exactly one form: what would be encoded differently is
 * refused, unused bits at the end that are not zero and padding that is missing or not wanted, or
 * one file could be shown under several names. Thread-safe.
 *
 * <p>The JDK's decoder would have to be followed by an encoder, to see whether the form is that
 * one; and both are large methods to a virtual machine that has just started and lists ten thousand
 * names.
 */
public final class StrictBase64 {
  /** RFC 4648, section 5, without padding: gocryptfs, and what the kernel shows without a key. */
  public static final StrictBase64 URL = new StrictBase64('-', '_', false);

  /** The same with padding, as gocryptfs had it at first. */
  public static final StrictBase64 PADDED_URL = new StrictBase64('-', '_', true);

  /** RFC 3501, section 5.1.3: what Ceph stores, since a name may begin with none of its signs. */
  public static final StrictBase64 IMAP = new StrictBase64('+', ',', false);

  private static final String COMMON =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

  private final boolean padded;
  private final byte[] digits;

  /** What a character stands for; -1 for one that is none of the digits. */
  private final byte[] values = new byte[256];

  private StrictBase64(char digit62, char digit63, boolean padded) {
    this.padded = padded;
    digits = (COMMON + digit62 + digit63).getBytes(StandardCharsets.US_ASCII);
    Arrays.fill(values, (byte) -1);
    for (int i = 0; i < digits.length; i++) {
      values[digits[i]] = (byte) i;
    }
  }

  /** Characters that {@code bytes} bytes take. */
  public long encodedLength(long bytes) {
    return padded ? (bytes + 2) / 3 * 4 : (bytes * 4 + 2) / 3;
  }

  /** The one form of these bytes, in ASCII. */
  public byte[] encode(byte[] bytes) {
    byte[] text = new byte[(int) encodedLength(bytes.length)];
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
      text[at++] = digits[bits << (6 - have) & 63];
    }
    Arrays.fill(text, at, text.length, (byte) '=');
    return text;
  }

  /**
   * The bytes of which this is the form.
   *
   * @param what names the thing in the message of the exception
   * @throws FormatException if it is the form of none
   */
  public byte[] decode(byte[] text, String what) throws FormatException {
    int length = padded ? withoutPadding(text, what) : text.length;
    byte[] bytes = new byte[(int) (length * 3L / 4)];
    int bits = 0;
    int have = 0;
    int at = 0;
    for (int i = 0; i < length; i++) {
      int value = values[text[i] & 0xff];
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

  private static int withoutPadding(byte[] text, String what) throws FormatException {
    int length = text.length;
    if (length % 4 != 0) {
      throw new FormatException(what + " is not base64");
    }
    while (length > 0 && length > text.length - 2 && text[length - 1] == '=') {
      length--;
    }
    return length;
  }
}
