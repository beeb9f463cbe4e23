package io.coffer.format.gocryptfs;

import io.coffer.crypto.Aead;
import io.coffer.crypto.Eme;
import io.coffer.crypto.Hkdf;
import io.coffer.crypto.SecretBytes;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * The keys that come from a master key (cryptocore/cryptocore.go): with HKDF one for names and one
 * for contents; without, the master key is both, and its SHA-512 the key of AES-SIV.
 */
final class GocryptfsKeys {
  private static final byte[] NO_SALT = {};
  private static final String NAMES_DERIVATION = "EME filename encryption";
  private static final int NAMES_KEY_BYTES = 32;

  private GocryptfsKeys() {}

  static Eme names(SecretBytes masterKey, boolean hkdf) {
    return masterKey.read(master -> {
      byte[] key = hkdf ? derive(master, NAMES_DERIVATION, NAMES_KEY_BYTES) : master.clone();
      try {
        return new Eme(key);
      } finally {
        Arrays.fill(key, (byte) 0);
      }
    });
  }

  static Aead contents(SecretBytes masterKey, boolean hkdf, GocryptfsCipher cipher) {
    return masterKey.read(master -> {
      byte[] key = contentKey(master, hkdf, cipher);
      try {
        return cipher.aead(key);
      } finally {
        Arrays.fill(key, (byte) 0);
      }
    });
  }

  static byte[] contentKey(byte[] master, boolean hkdf, GocryptfsCipher cipher) {
    if (hkdf) {
      return derive(master, cipher.derivation(), cipher.keyBytes());
    }
    return cipher == GocryptfsCipher.AES_SIV ? sha512(master) : master.clone();
  }

  static byte[] derive(byte[] master, String derivation, int length) {
    byte[] info = derivation.getBytes(StandardCharsets.US_ASCII);
    return Hkdf.SHA256.derive(master, NO_SALT, info, length);
  }

  private static byte[] sha512(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-512").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-512", e);
    }
  }
}
