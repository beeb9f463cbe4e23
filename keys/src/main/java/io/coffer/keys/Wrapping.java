package io.coffer.keys;

import io.coffer.crypto.ContentCiphers;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** A key under another: AES-256-GCM, {@code nonce 12 || ciphertext || tag 16}. */
final class Wrapping {
  private static final int NONCE_BYTES = 12;
  private static final int OVERHEAD_BYTES = NONCE_BYTES + 16;

  private Wrapping() {}

  /**
   * Wraps a secret.
   *
   * @param key 32 bytes
   */
  static byte[] wrap(SecretBytes key, byte[] associated, SecretBytes secret) {
    return key.read(bytes -> {
      try (var aead = ContentCiphers.aesGcm(bytes, NONCE_BYTES)) {
        return secret.read(plain -> {
          byte[] sealed = Arrays.copyOf(RandomBytes.of(NONCE_BYTES), plain.length + OVERHEAD_BYTES);
          aead.seal(associated, plain, 0, plain.length, sealed, 0);
          return sealed;
        });
      }
    });
  }

  /** Undoes {@link #wrap}; null if key or associated data are wrong. The caller closes it. */
  static @Nullable SecretBytes unwrap(SecretBytes key, byte[] associated, byte[] wrapped) {
    if (wrapped.length <= OVERHEAD_BYTES) {
      return null;
    }
    return key.read(bytes -> {
      byte[] plain = new byte[wrapped.length - OVERHEAD_BYTES];
      try (var aead = ContentCiphers.aesGcm(bytes, NONCE_BYTES)) {
        return aead.open(associated, wrapped, 0, wrapped.length, plain, 0)
            ? SecretBytes.take(plain)
            : null;
      }
    });
  }
}
