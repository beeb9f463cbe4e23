package io.coffer.crypto;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.IvParameterSpec;
import org.jspecify.annotations.Nullable;

/**
 * A key under another as the program fscrypt does it (github.com/google/fscrypt, crypto/crypto.go):
 * AES-256-CTR, then HMAC-SHA-256 of IV and ciphertext, both under keys that HKDF-SHA-256 makes of
 * the wrapping key without salt and info. Only to read and write its metadata; what is ours is
 * wrapped with {@link AesGcm}.
 *
 * @param iv 16 bytes
 * @param ciphertext as long as what is wrapped
 * @param mac 32 bytes
 */
public record CtrHmacWrap(byte[] iv, byte[] ciphertext, byte[] mac) {
  private static final int IV_BYTES = 16;
  private static final int KEY_BYTES = 32;

  /** Wraps a secret under a key of 32 bytes. */
  public static CtrHmacWrap wrap(SecretBytes key, SecretBytes secret) {
    byte[] keys = keys(key);
    try {
      byte[] iv = RandomBytes.of(IV_BYTES);
      byte[] ciphertext = secret.read(plain -> crypt(keys, iv, plain));
      return new CtrHmacWrap(iv, ciphertext, mac(keys, iv, ciphertext));
    } finally {
      Arrays.fill(keys, (byte) 0);
    }
  }

  /** Undoes {@link #wrap}; null if the key is wrong. The caller closes it. */
  public @Nullable SecretBytes unwrap(SecretBytes key) {
    if (iv.length != IV_BYTES) {
      return null;
    }
    byte[] keys = keys(key);
    try {
      return MessageDigest.isEqual(mac, mac(keys, iv, ciphertext))
          ? SecretBytes.take(crypt(keys, iv, ciphertext))
          : null;
    } finally {
      Arrays.fill(keys, (byte) 0);
    }
  }

  /** The key of the cipher, then that of the MAC. */
  private static byte[] keys(SecretBytes key) {
    return key.read(bytes -> Hkdf.SHA256.derive(bytes, new byte[0], new byte[0], 2 * KEY_BYTES));
  }

  private static byte[] crypt(byte[] keys, byte[] iv, byte[] in) {
    var key = new WipeableKey("AES", keys, 0, KEY_BYTES);
    try {
      byte[] out = new byte[in.length];
      Cipher cipher =
          Jce.cipher("AES/CTR/NoPadding", Cipher.ENCRYPT_MODE, key, new IvParameterSpec(iv));
      Jce.apply(cipher, in, 0, in.length, out, 0);
      return out;
    } finally {
      key.destroy();
    }
  }

  private static byte[] mac(byte[] keys, byte[] iv, byte[] ciphertext) {
    var key = new WipeableKey("HmacSHA256", keys, KEY_BYTES, KEY_BYTES);
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(key);
      mac.update(iv);
      return mac.doFinal(ciphertext);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks HmacSHA256", e);
    } finally {
      key.destroy();
    }
  }
}
