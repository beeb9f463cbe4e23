package io.coffer.format.fscrypt;

import io.coffer.format.FormatException;
import io.coffer.format.StrictBase64;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The name under which an encrypted entry, or the target of an encrypted symbolic link, is shown to
 * those who have not the key: {@code struct fscrypt_nokey_name} of fs/crypto/fname.c in base64url
 * without padding, at most 252 characters. Immutable.
 *
 * <pre>
 *   0    4  hash of the name, little-endian: a hint for the file system, 0 if it needs none
 *   4    4  minor hash, likewise
 *   8  149  enciphered name, or as much as there is of it
 * 157   32  SHA-256 of what does not fit; only present if something does not
 * </pre>
 *
 * @param hash hint for the file system
 * @param minorHash hint for the file system
 * @param beginning up to 149 bytes of the enciphered name
 * @param restDigest SHA-256 of the bytes after the beginning, 32 bytes; null if there are none
 */
public record FscryptNoKeyName(
    int hash, int minorHash, byte[] beginning, byte @Nullable [] restDigest) {
  /** The longest no-key name, in characters. */
  public static final int MAX_LENGTH = 252;

  private static final int HASHES_BYTES = 8;
  private static final int BEGINNING_BYTES = 149;
  private static final int DIGEST_BYTES = 32;
  private static final String WHAT = "the no-key name";

  /** Checks and copies. */
  public FscryptNoKeyName {
    if (beginning.length == 0
        || beginning.length > BEGINNING_BYTES
        || (restDigest != null
            && (restDigest.length != DIGEST_BYTES || beginning.length != BEGINNING_BYTES))) {
      throw new IllegalArgumentException("beginning of " + beginning.length + " bytes");
    }
    beginning = beginning.clone();
    restDigest = restDigest == null ? null : restDigest.clone();
  }

  /** The no-key name of an enciphered name of at least 1 byte, without hints. */
  public static FscryptNoKeyName of(byte[] ciphertext) {
    return of(ciphertext, 0, 0);
  }

  /** The no-key name of an enciphered name of at least 1 byte, with hints for the file system. */
  public static FscryptNoKeyName of(byte[] ciphertext, int hash, int minorHash) {
    byte[] beginning = Arrays.copyOf(ciphertext, Math.min(ciphertext.length, BEGINNING_BYTES));
    return new FscryptNoKeyName(
        hash,
        minorHash,
        beginning,
        ciphertext.length > BEGINNING_BYTES ? digestFrom(ciphertext, BEGINNING_BYTES) : null);
  }

  /** SHA-256 of everything at {@code position} and after. */
  static byte[] digestFrom(byte[] bytes, int position) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(bytes, position, bytes.length - position);
      return digest.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  /** The name as it is shown: up to {@value #MAX_LENGTH} characters. */
  public byte[] encode() {
    byte[] rest = restDigest == null ? new byte[0] : restDigest;
    ByteBuffer bytes =
        ByteBuffer.allocate(HASHES_BYTES + beginning.length + rest.length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt(hash)
            .putInt(minorHash)
            .put(beginning)
            .put(rest);
    return StrictBase64.URL.encode(bytes.array());
  }

  /**
   * Undoes {@link #encode}. Accepts what the kernel accepts (fscrypt_setup_filename).
   *
   * @throws FormatException if it is no such name; to a file system, an entry that does not exist
   */
  public static FscryptNoKeyName decode(byte[] name) throws FormatException {
    if (name.length > MAX_LENGTH) {
      throw new FormatException(WHAT + " has " + name.length + " characters, too many to be one");
    }
    byte[] bytes = StrictBase64.URL.decode(name, WHAT);
    int rest = bytes.length - HASHES_BYTES;
    boolean isCut = rest == BEGINNING_BYTES + DIGEST_BYTES;
    if (rest < 1 || (rest > BEGINNING_BYTES && !isCut)) {
      throw new FormatException(WHAT + " stands for " + bytes.length + " bytes, which none has");
    }
    ByteBuffer hashes = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    int end = isCut ? HASHES_BYTES + BEGINNING_BYTES : bytes.length;
    return new FscryptNoKeyName(
        hashes.getInt(),
        hashes.getInt(),
        Arrays.copyOfRange(bytes, HASHES_BYTES, end),
        isCut ? Arrays.copyOfRange(bytes, end, bytes.length) : null);
  }

  /** The whole enciphered name; null if the no-key name holds but its beginning and a digest. */
  public byte @Nullable [] ciphertext() {
    return restDigest == null ? beginning.clone() : null;
  }

  /** Is this a no-key name of that enciphered name? The hints do not count. */
  public boolean matches(byte[] ciphertext) {
    FscryptNoKeyName other = of(ciphertext);
    return Arrays.equals(beginning, other.beginning) && Arrays.equals(restDigest, other.restDigest);
  }

  @Override
  public byte[] beginning() {
    return beginning.clone();
  }

  @Override
  public byte @Nullable [] restDigest() {
    return restDigest == null ? null : restDigest.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof FscryptNoKeyName that
        && hash == that.hash
        && minorHash == that.minorHash
        && Arrays.equals(beginning, that.beginning)
        && Arrays.equals(restDigest, that.restDigest);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(beginning);
  }
}
