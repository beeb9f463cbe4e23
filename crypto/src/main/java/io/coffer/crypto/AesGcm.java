package io.coffer.crypto;

import java.security.GeneralSecurityException;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;

/**
 * AES-GCM (NIST SP 800-38D): {@code nonce || ciphertext || tag16}, with a nonce of 12 or of 16
 * bytes.
 */
public final class AesGcm extends HeapAead {
  private static final int TAG_BITS = 128;

  private final int nonceBytes;
  private final WipeableKey key;

  @SuppressWarnings("ThreadLocalUsage") // one per key; a volume has one, and few volumes are open
  private final ThreadLocal<Cipher> ciphers =
      ThreadLocal.withInitial(() -> Jce.cipher("AES/GCM/NoPadding"));

  /**
   * @param key 16 or 32 bytes, copied
   * @param nonceBytes 12 or 16
   */
  public AesGcm(byte[] key, int nonceBytes) {
    check(key.length, nonceBytes);
    this.nonceBytes = nonceBytes;
    this.key = new WipeableKey("AES", key, 0, key.length);
  }

  static void check(int keyBytes, int nonceBytes) {
    if (keyBytes != 16 && keyBytes != 32) {
      throw new IllegalArgumentException("AES-GCM key of " + keyBytes + " bytes");
    }
    if (nonceBytes != 12 && nonceBytes != 16) {
      throw new IllegalArgumentException("AES-GCM nonce of " + nonceBytes + " bytes");
    }
  }

  @Override
  public int nonceBytes() {
    return nonceBytes;
  }

  @Override
  public int seal(
      byte[] associated,
      byte[] plain,
      int plainPosition,
      int plainBytes,
      byte[] sealed,
      int position) {
    Cipher cipher = ciphers.get();
    Jce.init(
        cipher,
        Cipher.ENCRYPT_MODE,
        key,
        new GCMParameterSpec(TAG_BITS, sealed, position, nonceBytes));
    cipher.updateAAD(associated);
    return nonceBytes
        + Jce.apply(cipher, plain, plainPosition, plainBytes, sealed, position + nonceBytes);
  }

  @Override
  public boolean open(
      byte[] associated,
      byte[] sealed,
      int position,
      int sealedBytes,
      byte[] plain,
      int plainPosition) {
    if (sealedBytes < overheadBytes()) {
      return false;
    }
    Cipher cipher = ciphers.get();
    Jce.init(
        cipher,
        Cipher.DECRYPT_MODE,
        key,
        new GCMParameterSpec(TAG_BITS, sealed, position, nonceBytes));
    cipher.updateAAD(associated);
    try {
      cipher.doFinal(sealed, position + nonceBytes, sealedBytes - nonceBytes, plain, plainPosition);
      return true;
    } catch (AEADBadTagException e) {
      return false;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("AES-GCM failed", e);
    }
  }

  @Override
  public void close() {
    key.destroy();
    ciphers.remove();
  }
}
