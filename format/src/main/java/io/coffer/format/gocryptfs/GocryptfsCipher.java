package io.coffer.format.gocryptfs;

import io.coffer.crypto.Aead;
import io.coffer.crypto.AesSiv;
import io.coffer.crypto.ContentCiphers;
import io.coffer.crypto.XChaCha20Poly1305;

/** How file contents are sealed. */
public enum GocryptfsCipher {
  AES_GCM(16, 32, "AES-GCM file content encryption"),
  AES_SIV(16, 64, "AES-SIV file content encryption"),
  XCHACHA20_POLY1305(24, 32, "XChaCha20-Poly1305 file content encryption");

  private final int nonceBytes;
  private final int keyBytes;
  private final String derivation;

  GocryptfsCipher(int nonceBytes, int keyBytes, String derivation) {
    this.nonceBytes = nonceBytes;
    this.keyBytes = keyBytes;
    this.derivation = derivation;
  }

  int nonceBytes() {
    return nonceBytes;
  }

  int keyBytes() {
    return keyBytes;
  }

  /** The HKDF info string of the content key (cryptocore/hkdf.go). */
  String derivation() {
    return derivation;
  }

  /** The name as gocryptfs's {@code -info} shows it. */
  public String displayName() {
    return switch (this) {
      case AES_GCM -> "AES-GCM-256";
      case AES_SIV -> "AES-SIV-512";
      case XCHACHA20_POLY1305 -> "XChaCha20-Poly1305";
    };
  }

  Aead aead(byte[] key) {
    return switch (this) {
      case AES_GCM -> ContentCiphers.aesGcm(key, nonceBytes);
      case AES_SIV -> new AesSiv(key);
      case XCHACHA20_POLY1305 -> new XChaCha20Poly1305(key);
    };
  }
}
