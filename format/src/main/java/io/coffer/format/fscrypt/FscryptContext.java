package io.coffer.format.fscrypt;

import io.coffer.crypto.RandomBytes;
import io.coffer.format.FormatException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What is kept beside each encrypted file, directory and symbolic link: its tree's policy and a
 * nonce of its own, from which its key comes. Immutable.
 *
 * <p>Stored as {@code struct fscrypt_context_v2} of fs/crypto/fscrypt_private.h, 40 bytes:
 *
 * <pre>
 *  0   1  version, 2
 *  1   1  contents mode
 *  2   1  names mode
 *  3   1  flags: 0-1 padding 4, 8, 16, 32; 2 DIRECT_KEY; 3 IV_INO_LBLK_64; 4 IV_INO_LBLK_32
 *  4   1  binary logarithm of the data unit's bytes, or 0
 *  5   3  zero
 *  8  16  master key identifier
 * 24  16  nonce
 * </pre>
 *
 * @param nonce 16 random bytes
 */
public record FscryptContext(FscryptPolicy policy, byte[] nonce) {
  /** Bytes of the stored form. */
  public static final int BYTES = 40;

  /** Bytes of a nonce. */
  public static final int NONCE_BYTES = 16;

  private static final int NONCE_AT = BYTES - NONCE_BYTES;
  private static final int VERSION = 2;
  private static final int VERSION_1_BYTES = 28;
  private static final int FLAG_DIRECT_KEY = 4;
  private static final int FLAG_INODE_64 = 8;
  private static final int FLAG_INODE_32 = 16;

  /** Checks and copies. */
  public FscryptContext {
    if (nonce.length != NONCE_BYTES) {
      throw new IllegalArgumentException("a nonce has 16 bytes, not " + nonce.length);
    }
    nonce = nonce.clone();
  }

  /** A context with a fresh random nonce: that of a tree's topmost directory. */
  public static FscryptContext of(FscryptPolicy policy) {
    return new FscryptContext(policy, RandomBytes.of(NONCE_BYTES));
  }

  /** The context of something new in a directory of this one: same policy, fresh random nonce. */
  public FscryptContext child() {
    return of(policy);
  }

  @Override
  public byte[] nonce() {
    return nonce.clone();
  }

  /** The stored form. */
  public byte[] encode() {
    byte[] bytes = new byte[BYTES];
    bytes[0] = VERSION;
    bytes[1] = (byte) policy.contents().number();
    bytes[2] = (byte) policy.names().number();
    int padding = Integer.numberOfTrailingZeros(policy.padding()) - 2;
    bytes[3] = (byte) (padding | (policy.directKey() ? FLAG_DIRECT_KEY : 0));
    bytes[4] = (byte) policy.log2DataUnitSize();
    System.arraycopy(policy.masterKeyIdentifier(), 0, bytes, 8, FscryptPolicy.IDENTIFIER_BYTES);
    System.arraycopy(nonce, 0, bytes, NONCE_AT, NONCE_BYTES);
    return bytes;
  }

  /**
   * The context of a stored form.
   *
   * @throws FormatException if it is none, or one that cannot be used here; the message says why
   */
  public static FscryptContext decode(byte[] stored) throws FormatException {
    return decode(stored, null);
  }

  /**
   * {@link #decode(byte[])}, quickly if the policy is one that is known.
   *
   * @param like another context, whose policy the new one shares if it is the same
   */
  static FscryptContext decode(byte[] stored, @Nullable FscryptContext like)
      throws FormatException {
    if (like != null
        && stored.length == BYTES
        && Arrays.equals(stored, 0, NONCE_AT, like.encode(), 0, NONCE_AT)) {
      return new FscryptContext(like.policy, Arrays.copyOfRange(stored, NONCE_AT, BYTES));
    }
    if (stored.length == 0) {
      throw new FormatException("the encryption context is empty");
    }
    int version = stored[0];
    if (version == 1 && stored.length == VERSION_1_BYTES) {
      throw new FormatException(
          "the encryption context is of version 1, whose keys can be computed from one file's;"
              + " only version 2 is supported");
    }
    if (version != VERSION) {
      throw new FormatException("the encryption context has the unknown version " + version);
    }
    if (stored.length != BYTES) {
      throw new FormatException(
          "the encryption context has " + stored.length + " bytes instead of " + BYTES);
    }
    for (int i = 5; i < 8; i++) {
      if (stored[i] != 0) {
        throw new FormatException("the encryption context's reserved byte " + i + " is not zero");
      }
    }
    int flags = stored[3] & 0xff;
    if ((flags & FLAG_INODE_64) != 0 || (flags & FLAG_INODE_32) != 0) {
      throw new FormatException(
          "the encryption context has the flag IV_INO_LBLK_"
              + ((flags & FLAG_INODE_64) != 0 ? 64 : 32)
              + ", which binds contents to inode numbers; those of a shared store change when a"
              + " file is copied, restored or moved");
    }
    if (flags > (FLAG_DIRECT_KEY | 3)) {
      throw new FormatException("the encryption context has unknown flags " + flags);
    }
    try {
      return new FscryptContext(
          new FscryptPolicy(
              contentsMode(stored[1] & 0xff),
              namesMode(stored[2] & 0xff),
              4 << (flags & 3),
              (flags & FLAG_DIRECT_KEY) != 0,
              stored[4] & 0xff,
              Arrays.copyOfRange(stored, 8, NONCE_AT)),
          Arrays.copyOfRange(stored, NONCE_AT, BYTES));
    } catch (IllegalArgumentException e) {
      throw new FormatException("the encryption context is not valid: " + e.getMessage());
    }
  }

  private static ContentsMode contentsMode(int number) throws FormatException {
    return ContentsMode.ofNumber(number)
        .orElseThrow(() ->
            new FormatException(
                "the encryption context has the unsupported contents mode " + number));
  }

  private static NamesMode namesMode(int number) throws FormatException {
    return NamesMode.ofNumber(number)
        .orElseThrow(() ->
            new FormatException("the encryption context has the unsupported names mode " + number));
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof FscryptContext that
        && policy.equals(that.policy)
        && Arrays.equals(nonce, that.nonce);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(nonce);
  }

  @Override
  public String toString() {
    return policy.toString();
  }
}
