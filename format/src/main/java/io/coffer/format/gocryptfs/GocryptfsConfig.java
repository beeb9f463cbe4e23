package io.coffer.format.gocryptfs;

import io.coffer.crypto.Aead;
import io.coffer.crypto.ContentCiphers;
import io.coffer.crypto.Hkdf;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.ConfigException.Reason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The configuration of a volume: the file {@code gocryptfs.conf}, in a reverse volume {@code
 * .gocryptfs.reverse.conf} (configfile/config_file.go). Holds the master key, encrypted. Immutable;
 * does no I/O.
 *
 * @param creator the program that made the volume; empty if it did not say
 * @param encryptedKey the wrapped master key: nonce, 32 bytes, tag
 * @param flags in the order of the file
 * @param longNameMax the number of that name, 0 if there is none
 * @param fido2 what a FIDO2 token needs to give the password, or null
 */
public record GocryptfsConfig(
    String creator,
    byte[] encryptedKey,
    ScryptParameters scrypt,
    List<FeatureFlag> flags,
    int longNameMax,
    @Nullable Fido2 fido2) {

  /** The configuration's name in the root of a volume. */
  public static final String FILE_NAME = "gocryptfs.conf";

  /** The configuration's name in the root of a plain tree that is shown encrypted. */
  public static final String REVERSE_FILE_NAME = ".gocryptfs.reverse.conf";

  /** The only version of the format that is in use. */
  public static final int VERSION = 2;

  /** Length of every master key. */
  public static final int MASTER_KEY_BYTES = 32;

  /** More than any real configuration has. */
  public static final int MAX_FILE_BYTES = 64 << 10;

  private static final byte[] NO_SALT = {};

  /** Block number 0 and no file ID: what the wrapping of the master key is bound to. */
  private static final byte[] WRAP_ASSOCIATED = new byte[8];

  /**
   * The parameters of a FIDO2 token.
   *
   * @param credentialId names the credential on the token
   * @param hmacSalt what the token turns into the password
   * @param assertOptions for the program fido2-assert
   */
  public record Fido2(byte[] credentialId, byte[] hmacSalt, List<String> assertOptions) {}

  public GocryptfsConfig {
    flags = List.copyOf(flags);
  }

  /**
   * Reads a configuration.
   *
   * @throws ConfigException if it is damaged, too old or too new
   */
  public static GocryptfsConfig parse(byte[] json) throws ConfigException {
    GocryptfsConfig config = new ConfigReader(json).read();
    config.validate();
    return config;
  }

  /** The configuration of a new volume with a given master key, wrapped with a password. */
  public static GocryptfsConfig create(
      GocryptfsOptions options, SecretBytes password, SecretBytes masterKey) {
    List<FeatureFlag> flags = new ArrayList<>();
    flags.add(FeatureFlag.HKDF);
    flags.add(
        options.cipher() == GocryptfsCipher.XCHACHA20_POLY1305
            ? FeatureFlag.XCHACHA20_POLY1305
            : FeatureFlag.GCM_IV_128);
    boolean longNameMax = !options.plaintextNames() && options.longNameMax() != 255;
    if (options.plaintextNames()) {
      flags.add(FeatureFlag.PLAINTEXT_NAMES);
    } else {
      if (!options.deterministicNames()) {
        flags.add(FeatureFlag.DIR_IV);
      }
      if (longNameMax) {
        flags.add(FeatureFlag.LONG_NAME_MAX);
      }
      flags.add(FeatureFlag.EME_NAMES);
      flags.add(FeatureFlag.LONG_NAMES);
      flags.add(FeatureFlag.RAW_64);
    }
    if (options.cipher() == GocryptfsCipher.AES_SIV) {
      flags.add(FeatureFlag.AES_SIV);
    }
    return new GocryptfsConfig(
            options.creator(),
            new byte[0],
            ScryptParameters.create(options.scryptLogN()),
            flags,
            longNameMax ? options.longNameMax() : 0,
            null)
        .withPassword(password, masterKey, options.scryptLogN());
  }

  public boolean has(FeatureFlag flag) {
    return flags.contains(flag);
  }

  /** How file contents are sealed. */
  public GocryptfsCipher cipher() {
    if (has(FeatureFlag.XCHACHA20_POLY1305)) {
      return GocryptfsCipher.XCHACHA20_POLY1305;
    }
    return has(FeatureFlag.AES_SIV) ? GocryptfsCipher.AES_SIV : GocryptfsCipher.AES_GCM;
  }

  /**
   * Unwraps the master key.
   *
   * @return null if the password is wrong
   */
  public @Nullable SecretBytes unlock(SecretBytes password) {
    try (SecretBytes hash = scrypt.hash(password);
        Aead wrap = wrap(hash)) {
      byte[] masterKey = new byte[MASTER_KEY_BYTES];
      return wrap.open(WRAP_ASSOCIATED, encryptedKey, 0, encryptedKey.length, masterKey, 0)
          ? SecretBytes.take(masterKey)
          : null;
    }
  }

  /** The same volume's configuration with its master key wrapped by another password. */
  public GocryptfsConfig withPassword(SecretBytes password, SecretBytes masterKey, int scryptLogN) {
    if (masterKey.length() != MASTER_KEY_BYTES) {
      throw new IllegalArgumentException("master key of " + masterKey.length() + " bytes");
    }
    ScryptParameters fresh = ScryptParameters.create(scryptLogN);
    try (SecretBytes hash = fresh.hash(password);
        Aead wrap = wrap(hash)) {
      byte[] wrapped = new byte[MASTER_KEY_BYTES + wrap.overheadBytes()];
      RandomBytes.fill(wrapped, 0, wrap.nonceBytes());
      masterKey.read(plain -> wrap.seal(WRAP_ASSOCIATED, plain, 0, MASTER_KEY_BYTES, wrapped, 0));
      return new GocryptfsConfig(creator, wrapped, fresh, flags, longNameMax, fido2);
    }
  }

  /** The master key is always wrapped with AES-GCM, whatever seals the contents. */
  private Aead wrap(SecretBytes hash) {
    return hash.read(bytes -> {
      byte[] key =
          has(FeatureFlag.HKDF)
              ? Hkdf.SHA256.derive(
                  bytes,
                  NO_SALT,
                  GocryptfsCipher.AES_GCM.derivation().getBytes(StandardCharsets.US_ASCII),
                  32)
              : Arrays.copyOf(bytes, 32);
      try {
        return ContentCiphers.aesGcm(key, wrapNonceBytes());
      } finally {
        Arrays.fill(key, (byte) 0);
      }
    });
  }

  /** Versions that did not know HKDF wrapped with a nonce of 96 bits. */
  private int wrapNonceBytes() {
    return has(FeatureFlag.HKDF) ? 16 : 12;
  }

  /** The file's bytes, as gocryptfs itself would write them. */
  public byte[] toJson() {
    return ConfigWriter.write(this).getBytes(StandardCharsets.UTF_8);
  }

  private void validate() throws ConfigException {
    scrypt.validate();
    Set<FeatureFlag> set = EnumSet.noneOf(FeatureFlag.class);
    set.addAll(flags);
    boolean xchacha = set.contains(FeatureFlag.XCHACHA20_POLY1305);
    boolean siv = set.contains(FeatureFlag.AES_SIV);
    boolean nonce128 = set.contains(FeatureFlag.GCM_IV_128);
    if (xchacha && siv) {
      throw contradiction("XChaCha20Poly1305 and AESSIV are both set");
    }
    if (xchacha && nonce128) {
      throw contradiction("XChaCha20Poly1305 and GCMIV128 are both set");
    }
    if (xchacha && !set.contains(FeatureFlag.HKDF)) {
      throw contradiction("XChaCha20Poly1305 is set without HKDF");
    }
    if (!xchacha && !nonce128) {
      throw new ConfigException(
          Reason.DEPRECATED,
          "the volume was made by gocryptfs 0.6 or older (feature flag GCMIV128 is missing), whose"
              + " format is no longer supported");
    }
    if (set.contains(FeatureFlag.PLAINTEXT_NAMES)) {
      for (FeatureFlag other :
          List.of(
              FeatureFlag.EME_NAMES,
              FeatureFlag.DIR_IV,
              FeatureFlag.LONG_NAMES,
              FeatureFlag.RAW_64,
              FeatureFlag.LONG_NAME_MAX)) {
        if (set.contains(other)) {
          throw contradiction("PlaintextNames and " + other.word() + " are both set");
        }
      }
    }
    if ((longNameMax != 0) != set.contains(FeatureFlag.LONG_NAME_MAX)) {
      throw contradiction(
          "LongNameMax is "
              + longNameMax
              + " and the feature flag of that name is "
              + (longNameMax == 0 ? "set" : "not set"));
    }
    if (encryptedKey.length != wrapNonceBytes() + MASTER_KEY_BYTES + 16) {
      throw new ConfigException(
          Reason.DAMAGED,
          "EncryptedKey has "
              + encryptedKey.length
              + " bytes instead of "
              + (wrapNonceBytes() + MASTER_KEY_BYTES + 16));
    }
    if (set.contains(FeatureFlag.FIDO2) != (fido2 != null)) {
      throw contradiction("the FIDO2 parameters and the feature flag of that name do not agree");
    }
  }

  private static ConfigException contradiction(String what) {
    return new ConfigException(
        Reason.DEPRECATED, "the feature flags contradict each other: " + what);
  }
}
