package io.coffer.format.fscrypt;

import io.coffer.crypto.AesCbcEssiv;
import io.coffer.crypto.AesHctr2;
import io.coffer.crypto.ContentCiphers;
import io.coffer.crypto.HkdfKey;
import io.coffer.crypto.SecretBytes;
import io.coffer.crypto.StringCipher;
import io.coffer.crypto.UnitCipher;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * A master key, from which come the keys of all files of the policies that name it (fs/crypto/
 * hkdf.c, keysetup.c): HKDF-SHA-512 of the master key without salt, with the info {@code "fscrypt"
 * || NUL || purpose || more}.
 *
 * <p>Thread-safe. What has been made from it lives on when it is closed and has keys of its own, to
 * be closed by whoever asked for it.
 */
public final class FscryptMasterKey implements AutoCloseable {
  /** The shortest master key, in bytes; policies with AES-256 or Adiantum need 32. */
  public static final int MIN_BYTES = 16;

  /** The longest master key, in bytes. */
  public static final int MAX_BYTES = 64;

  private static final byte[] PREFIX = "fscrypt\0".getBytes(StandardCharsets.US_ASCII);
  private static final int PURPOSE_IDENTIFIER = 1;
  private static final int PURPOSE_FILE = 2;
  private static final int PURPOSE_DIRECT = 3;
  private static final int TWEAK_BYTES = 32;
  private static final int TWEAK_NONCE = 8;

  private final int bytes;
  private final HkdfKey hkdf;
  private final byte[] identifier;

  /**
   * @param raw 16 to 64 bytes, copied
   * @throws IllegalArgumentException if it is shorter or longer
   */
  public FscryptMasterKey(SecretBytes raw) {
    bytes = raw.length();
    if (bytes < MIN_BYTES || bytes > MAX_BYTES) {
      throw new IllegalArgumentException(
          "a master key has " + MIN_BYTES + " to " + MAX_BYTES + " bytes, not " + bytes);
    }
    hkdf = new HkdfKey(raw);
    identifier = hkdf.expand(info(PURPOSE_IDENTIFIER), FscryptPolicy.IDENTIFIER_BYTES);
  }

  private static byte[] info(int purpose, byte... more) {
    byte[] info = Arrays.copyOf(PREFIX, PREFIX.length + 1 + more.length);
    info[PREFIX.length] = (byte) purpose;
    System.arraycopy(more, 0, info, PREFIX.length + 1, more.length);
    return info;
  }

  /** By what policies name this key: 16 bytes that tell nothing of it. */
  public byte[] identifier() {
    return identifier.clone();
  }

  /** Is this the key of that policy, and long enough for it? */
  public boolean isFor(FscryptPolicy policy) {
    return bytes >= policy.minMasterKeyBytes()
        && Arrays.equals(identifier, policy.masterKeyIdentifier());
  }

  /**
   * The contents of the file with this context.
   *
   * @throws IllegalArgumentException unless {@link #isFor} its policy
   * @throws IllegalStateException if the key has been closed
   */
  public FscryptContents contents(FscryptContext context) {
    FscryptPolicy policy = check(context);
    ContentsMode mode = policy.contents();
    byte[] key = key(context, mode.number(), mode.keyBytes());
    int unit = policy.dataUnitBytes();
    try {
      UnitCipher cipher =
          switch (mode) {
            case AES_256_XTS -> ContentCiphers.aesXts(key, unit);
            case AES_128_CBC -> new AesCbcEssiv(key, unit);
            case ADIANTUM -> new AdiantumUnits(key, tweak(context), unit);
          };
      return new FscryptContents(cipher);
    } finally {
      Arrays.fill(key, (byte) 0);
    }
  }

  /**
   * The names in the directory with this context.
   *
   * @throws IllegalArgumentException unless {@link #isFor} its policy
   * @throws IllegalStateException if the key has been closed
   */
  public FscryptNames names(FscryptContext context) {
    return new FscryptNames(check(context), strings(context));
  }

  /**
   * The target of the symbolic link with this context.
   *
   * @throws IllegalArgumentException unless {@link #isFor} its policy
   * @throws IllegalStateException if the key has been closed
   */
  public FscryptSymlinks symlink(FscryptContext context) {
    check(context);
    return new FscryptSymlinks(context, strings(context));
  }

  private StringCipher strings(FscryptContext context) {
    NamesMode mode = context.policy().names();
    byte[] key = key(context, mode.number(), mode.keyBytes());
    try {
      return switch (mode) {
        case AES_256_CTS, AES_128_CTS -> ContentCiphers.aesCts(key);
        case AES_256_HCTR2 -> new AesHctr2(key);
        case ADIANTUM -> new AdiantumStrings(key, tweak(context));
      };
    } finally {
      Arrays.fill(key, (byte) 0);
    }
  }

  private FscryptPolicy check(FscryptContext context) {
    FscryptPolicy policy = context.policy();
    if (!isFor(policy)) {
      throw new IllegalArgumentException(
          "not the key of this policy, or too short for it: " + policy);
    }
    return policy;
  }

  private byte[] key(FscryptContext context, int mode, int length) {
    return context.policy().directKey()
        ? hkdf.expand(info(PURPOSE_DIRECT, (byte) mode), length)
        : hkdf.expand(info(PURPOSE_FILE, context.nonce()), length);
  }

  /** Adiantum's tweak for number 0: zeros, and with DIRECT_KEY the nonce after 8 of them. */
  private static byte[] tweak(FscryptContext context) {
    byte[] tweak = new byte[TWEAK_BYTES];
    if (context.policy().directKey()) {
      System.arraycopy(context.nonce(), 0, tweak, TWEAK_NONCE, FscryptContext.NONCE_BYTES);
    }
    return tweak;
  }

  /** Wipes the key. */
  @Override
  public void close() {
    hkdf.close();
  }

  @Override
  public String toString() {
    return "FscryptMasterKey[" + HexFormat.of().formatHex(identifier) + "]";
  }
}
