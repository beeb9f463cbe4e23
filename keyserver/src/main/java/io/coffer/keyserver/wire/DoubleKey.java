package io.coffer.keyserver.wire;

import io.coffer.crypto.Hkdf;
import io.coffer.crypto.SecretBytes;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/**
 * The key that data is encrypted with, made of the owner's key and the entity's: {@code
 * HKDF-SHA-256(owner key || entity key, no salt, info)}, both of 32 bytes, where info is {@code
 * "coffer double key 1" || 0 ||} the {@link KeyName} of the owner's key, then that of the entity's.
 * Either alone tells nothing about it.
 */
public final class DoubleKey {
  /** Length of the owner's key, of the entity's and of the result. */
  public static final int KEY_BYTES = 32;

  private DoubleKey() {}

  /** Derives the working key. */
  public static SecretBytes derive(
      KeyName ownerName, SecretBytes ownerKey, KeyName entityName, SecretBytes entityKey) {
    if (ownerKey.length() != KEY_BYTES || entityKey.length() != KEY_BYTES) {
      throw new IllegalArgumentException("both halves of a double key have 32 bytes");
    }
    ByteArrayOutputStream info = new ByteArrayOutputStream();
    info.writeBytes(ownerName.associated("coffer double key 1"));
    info.writeBytes(entityName.associated(""));
    return ownerKey.read(owner ->
        entityKey.read(entity -> {
          byte[] both = Arrays.copyOf(owner, 2 * KEY_BYTES);
          System.arraycopy(entity, 0, both, KEY_BYTES, KEY_BYTES);
          try {
            return SecretBytes.take(
                Hkdf.SHA256.derive(both, new byte[0], info.toByteArray(), KEY_BYTES));
          } finally {
            Arrays.fill(both, (byte) 0);
          }
        }));
  }
}
