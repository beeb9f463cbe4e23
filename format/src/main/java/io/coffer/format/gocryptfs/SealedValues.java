package io.coffer.format.gocryptfs;

import io.coffer.crypto.Aead;
import io.coffer.crypto.RandomBytes;
import io.coffer.format.FormatException;
import java.util.Arrays;

/**
 * Short values that belong to no file's contents (targets of symbolic links, values of extended
 * attributes): a single block without a file id, so that its associated data is eight zero bytes.
 * An empty value stays empty.
 */
final class SealedValues {
  private static final byte[] ASSOCIATED = new byte[8];

  private final Aead aead;

  SealedValues(Aead aead) {
    this.aead = aead;
  }

  byte[] seal(byte[] plain) {
    return seal(plain, RandomBytes.of(aead.nonceBytes()));
  }

  /** Seals under a given nonce, as the encrypted view of a plain tree needs it. */
  byte[] seal(byte[] plain, byte[] nonce) {
    if (plain.length == 0) {
      return plain;
    }
    byte[] sealed = Arrays.copyOf(nonce, plain.length + aead.overheadBytes());
    aead.seal(ASSOCIATED, plain, 0, plain.length, sealed, 0);
    return sealed;
  }

  /** {@code what} names the thing in the message of the exception. */
  byte[] open(byte[] sealed, String what) throws FormatException {
    if (sealed.length == 0) {
      return sealed;
    }
    if (sealed.length <= aead.overheadBytes()) {
      throw new FormatException(what + " is too short");
    }
    byte[] plain = new byte[sealed.length - aead.overheadBytes()];
    if (!aead.open(ASSOCIATED, sealed, 0, sealed.length, plain, 0)) {
      throw new FormatException(what + " does not authenticate");
    }
    return plain;
  }
}
