package io.coffer.crypto;

import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;

/**
 * AES in CBC mode with ciphertext stealing, the last two blocks always swapped (CS3 of the addendum
 * to NIST SP 800-38A, as in RFC 3962), with an initialisation vector of zeros: a key is for one
 * purpose. Strings with the same first 16 bytes share their first enciphered block.
 */
public final class AesCbcCts implements StringCipher {
  private static final String TRANSFORMATION = "AES/CTS/NoPadding";

  private final CipherPool encryption;
  private final CipherPool decryption;

  /** {@code key}: 16 or 32 bytes, copied. */
  public AesCbcCts(byte[] key) {
    if (key.length != 16 && key.length != 32) {
      throw new IllegalArgumentException("AES key of " + key.length + " bytes");
    }
    encryption = pool(Cipher.ENCRYPT_MODE, key);
    decryption = pool(Cipher.DECRYPT_MODE, key);
  }

  private static CipherPool pool(int mode, byte[] key) {
    return new CipherPool(
        TRANSFORMATION,
        mode,
        new WipeableKey("AES", key, 0, key.length),
        new IvParameterSpec(new byte[16]));
  }

  @Override
  public byte[] encrypt(byte[] plain) {
    return transform(encryption, plain);
  }

  @Override
  public byte[] decrypt(byte[] encrypted) {
    return transform(decryption, encrypted);
  }

  private static byte[] transform(CipherPool pool, byte[] in) {
    if (in.length < MIN_BYTES) {
      throw new IllegalArgumentException("CTS input of " + in.length + " bytes");
    }
    byte[] out = new byte[in.length];
    Cipher cipher = pool.take();
    try {
      Jce.apply(cipher, in, 0, in.length, out, 0);
    } finally {
      pool.give(cipher);
    }
    return out;
  }

  @Override
  public void close() {
    encryption.close();
    decryption.close();
  }
}
