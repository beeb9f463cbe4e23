package io.coffer.format.gocryptfs;

import io.coffer.crypto.RandomBytes;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * Names of entries that are being prepared: {@code prefix || 16 hexadecimal digits || suffix}.
 *
 * <p>Where names are encrypted, they look like the sidecar of a long name, which gocryptfs passes
 * over in silence when it lists or checks a directory; a stray name of another shape it would
 * report as corrupt. No sidecar can have such a name, since base64 knows no dot.
 */
record TemporaryNames(String prefix, String suffix) {
  static final TemporaryNames AMONG_ENCRYPTED =
      new TemporaryNames("gocryptfs.longname.coffer-tmp.", ".name");
  static final TemporaryNames AMONG_PLAIN = new TemporaryNames("gocryptfs.coffer-tmp.", "");

  private static final int RANDOM_BYTES = 8;

  byte[] next() {
    String digits = HexFormat.of().formatHex(RandomBytes.of(RANDOM_BYTES));
    return (prefix + digits + suffix).getBytes(StandardCharsets.US_ASCII);
  }

  boolean contains(byte[] name) {
    int digits = 2 * RANDOM_BYTES;
    if (name.length != prefix.length() + digits + suffix.length()) {
      return false;
    }
    String text = new String(name, StandardCharsets.ISO_8859_1);
    return text.startsWith(prefix)
        && text.endsWith(suffix)
        && text.substring(prefix.length(), prefix.length() + digits)
            .chars()
            .allMatch(HexFormat::isHexDigit);
  }
}
