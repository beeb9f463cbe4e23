package io.coffer.format.fscrypt;

import io.coffer.crypto.StringCipher;
import io.coffer.format.FormatException;
import io.coffer.format.StrictBase64;
import java.util.Arrays;

/**
 * The target of one symbolic link, enciphered under the link's own key as names are under their
 * directory's, and preceded by the length of that, 2 bytes little-endian ({@code struct
 * fscrypt_symlink_data}, fs/crypto/hooks.c).
 *
 * <p>A store's symbolic links hold text and take no user attributes. There, a target is the base64
 * of {@link FscryptStoredName} of {@code context 40 || length 2 || enciphered target}, so that a
 * link carries its own context; {@link #encode} and {@link #decode} do this. The store's limit of
 * 4095 characters leaves 3029 bytes for the enciphered target.
 *
 * <p>Thread-safe. Closing wipes the link's key; using it afterwards throws IllegalStateException.
 */
public final class FscryptSymlinks implements AutoCloseable {
  /** The longest plain target in a file system with blocks of 4096 bytes. */
  public static final int MAX_KERNEL_BYTES = 4093;

  /** The longest enciphered target on a store, and so about the longest plain one. */
  public static final int MAX_STORED_BYTES = 3029;

  private static final int LENGTH_BYTES = 2;
  private static final String WHAT = "the symbolic link's target";

  private final FscryptContext context;
  private final StringCipher cipher;

  FscryptSymlinks(FscryptContext context, StringCipher cipher) {
    this.context = context;
    this.cipher = cipher;
  }

  /** The context from which this link's key comes. */
  public FscryptContext context() {
    return context;
  }

  /**
   * Enciphers a target as the kernel stores it: {@code length || enciphered target}.
   *
   * @param target without NUL, not empty
   * @param longest bytes that the enciphered target may have: {@link #MAX_KERNEL_BYTES}, or {@link
   *     #MAX_STORED_BYTES} if it must fit a store
   * @throws FormatException if the target is too long
   */
  public byte[] encrypt(byte[] target, int longest) throws FormatException {
    if (target.length == 0) {
      throw new IllegalArgumentException("empty target");
    }
    if (target.length > longest) {
      throw new FormatException(
          WHAT + " has " + target.length + " bytes, more than " + longest + " that can be stored");
    }
    int bytes = context.policy().paddedBytes(target.length, longest);
    byte[] ciphertext = cipher.encrypt(Arrays.copyOf(target, bytes));
    byte[] stored = new byte[LENGTH_BYTES + bytes];
    stored[0] = (byte) bytes;
    stored[1] = (byte) (bytes >>> 8);
    System.arraycopy(ciphertext, 0, stored, LENGTH_BYTES, bytes);
    return stored;
  }

  /**
   * Undoes {@link #encrypt}; what comes after the enciphered target is passed over, as in the
   * kernel.
   *
   * @throws FormatException if it is not what {@link #encrypt} makes
   */
  public byte[] decrypt(byte[] stored) throws FormatException {
    byte[] ciphertext = ciphertext(stored);
    if (ciphertext.length < StringCipher.MIN_BYTES) {
      throw new FormatException(WHAT + " is damaged: it has " + ciphertext.length + " bytes");
    }
    byte[] padded = cipher.decrypt(ciphertext);
    int end = 0;
    while (end < padded.length && padded[end] != 0) {
      end++;
    }
    if (end == 0) {
      throw new FormatException(WHAT + " is damaged: it is empty");
    }
    return Arrays.copyOf(padded, end);
  }

  /**
   * The enciphered target within {@code length || enciphered target}.
   *
   * @throws FormatException if the length is none
   */
  public static byte[] ciphertext(byte[] stored) throws FormatException {
    int length = stored.length < LENGTH_BYTES ? 0 : (stored[0] & 0xff) | (stored[1] & 0xff) << 8;
    if (length == 0 || length > stored.length - LENGTH_BYTES) {
      throw new FormatException(WHAT + " is damaged: its length is wrong");
    }
    return Arrays.copyOfRange(stored, LENGTH_BYTES, LENGTH_BYTES + length);
  }

  /**
   * The text that is the link's target on a store.
   *
   * @throws FormatException if the target is too long
   */
  public byte[] encode(byte[] target) throws FormatException {
    return encode(context, encrypt(target, MAX_STORED_BYTES));
  }

  /**
   * Undoes {@link #encode}.
   *
   * @throws FormatException if it is not what {@link #encode} makes with this link's context
   */
  public byte[] decode(byte[] text) throws FormatException {
    Stored stored = parse(text);
    if (!stored.context.equals(context)) {
      throw new FormatException(WHAT + " belongs to another context");
    }
    return decrypt(stored.target);
  }

  /** A context and what {@link #encrypt} made under it. */
  public record Stored(FscryptContext context, byte[] target) {
    /** The target as it is shown without the key, in the form of names. */
    public byte[] noKeyTarget() throws FormatException {
      return FscryptNoKeyName.of(ciphertext(target)).encode();
    }
  }

  /** The text for a context and what {@link #encrypt} made under it. Needs no key. */
  public static byte[] encode(FscryptContext context, byte[] target) {
    byte[] bytes = Arrays.copyOf(context.encode(), FscryptContext.BYTES + target.length);
    System.arraycopy(target, 0, bytes, FscryptContext.BYTES, target.length);
    return StrictBase64.IMAP.encode(bytes);
  }

  /**
   * Takes a link's target on a store apart. Needs no key.
   *
   * @throws FormatException if it is none of this format
   */
  public static Stored parse(byte[] text) throws FormatException {
    byte[] bytes = StrictBase64.IMAP.decode(text, WHAT);
    if (bytes.length <= FscryptContext.BYTES + LENGTH_BYTES) {
      throw new FormatException(WHAT + " is too short to be encrypted");
    }
    byte[] target = Arrays.copyOfRange(bytes, FscryptContext.BYTES, bytes.length);
    if (ciphertext(target).length != target.length - LENGTH_BYTES) {
      throw new FormatException(WHAT + " is damaged: its length is wrong");
    }
    return new Stored(FscryptContext.decode(Arrays.copyOf(bytes, FscryptContext.BYTES)), target);
  }

  /** Wipes the link's key. */
  @Override
  public void close() {
    cipher.close();
  }
}
