package io.coffer.format.gocryptfs;

import io.coffer.crypto.Eme;
import io.coffer.format.FormatException;
import io.coffer.format.StrictBase64;
import java.util.Arrays;

/**
 * A name as a string of base64 (nametransform/names.go): padded to whole AES blocks with PKCS #7
 * (RFC 5652, section 6.3), at least one byte, then encrypted with EME under a tweak.
 */
final class SealedNames {
  private static final int BLOCK = 16;

  /** More blocks than EME takes, a name cannot have. */
  private static final int MAX_BYTES = 2048 - 1;

  private final Eme eme;
  private final StrictBase64 base64;

  SealedNames(Eme eme, StrictBase64 base64) {
    this.eme = eme;
    this.base64 = base64;
  }

  byte[] seal(byte[] tweak, byte[] plain) throws FormatException {
    if (plain.length == 0 || plain.length > MAX_BYTES) {
      throw new FormatException("a name of " + plain.length + " bytes cannot be encrypted");
    }
    int padding = BLOCK - plain.length % BLOCK;
    byte[] padded = Arrays.copyOf(plain, plain.length + padding);
    Arrays.fill(padded, plain.length, padded.length, (byte) padding);
    return base64.encode(eme.encrypt(tweak, padded));
  }

  byte[] open(byte[] tweak, byte[] sealed) throws FormatException {
    byte[] encrypted = base64.decode(sealed, "the name");
    if (encrypted.length == 0
        || encrypted.length % BLOCK != 0
        || encrypted.length > MAX_BYTES + 1) {
      throw new FormatException("the name has a length that encryption does not give");
    }
    byte[] padded = eme.decrypt(tweak, encrypted);
    int padding = padded[padded.length - 1];
    if (padding < 1 || padding > BLOCK || padding == padded.length) {
      throw new FormatException("the name does not decrypt with this directory's IV");
    }
    for (int i = padded.length - padding; i < padded.length; i++) {
      if (padded[i] != padding) {
        throw new FormatException("the name does not decrypt with this directory's IV");
      }
    }
    return Arrays.copyOf(padded, padded.length - padding);
  }
}
