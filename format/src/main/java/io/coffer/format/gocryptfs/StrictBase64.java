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
  private static final Base64.Decoder DECODER = Base64.getUrlDecoder();

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

  /** {@code what} names the thing in the message of the exception. */
  byte[] decode(byte[] text, String what) throws FormatException {
    byte[] bytes;
    try {
      bytes = DECODER.decode(text);
    } catch (IllegalArgumentException e) {
      throw new FormatException(what + " is not base64");
    }
    if (!Arrays.equals(encoder.encode(bytes), text)) {
      throw new FormatException(what + " is not canonical base64");
    }
    return bytes;
  }
}
