package io.coffer.format.gocryptfs;

import org.jspecify.annotations.Nullable;

/** The feature flags of a configuration (configfile/feature_flags.go). */
public enum FeatureFlag {
  /** File names are not encrypted. */
  PLAINTEXT_NAMES("PlaintextNames"),
  /** Each directory has an IV of its own. */
  DIR_IV("DirIV"),
  /** File names are encrypted with EME; older versions used CBC. */
  EME_NAMES("EMENames"),
  /** 128-bit nonces instead of 96-bit ones. */
  GCM_IV_128("GCMIV128"),
  /** Names that are too long are hashed, with the full name in a file beside. */
  LONG_NAMES("LongNames"),
  /** The length from which a name is too long is kept in the configuration. */
  LONG_NAME_MAX("LongNameMax"),
  /** Contents are sealed with AES-SIV. */
  AES_SIV("AESSIV"),
  /** Base64 of names without padding. */
  RAW_64("Raw64"),
  /** Keys are derived from the master key by HKDF. */
  HKDF("HKDF"),
  /** The password is a FIDO2 token's secret. */
  FIDO2("FIDO2"),
  /** Contents are sealed with XChaCha20-Poly1305. */
  XCHACHA20_POLY1305("XChaCha20Poly1305");

  private final String word;

  FeatureFlag(String word) {
    this.word = word;
  }

  /** The flag as it is written in the configuration. */
  public String word() {
    return word;
  }

  /** The flag of a word, or null. */
  static @Nullable FeatureFlag of(String word) {
    for (FeatureFlag flag : values()) {
      if (flag.word.equals(word)) {
        return flag;
      }
    }
    return null;
  }
}
