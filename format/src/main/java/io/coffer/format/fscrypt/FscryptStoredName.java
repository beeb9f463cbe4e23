package io.coffer.format.fscrypt;

import io.coffer.crypto.RandomBytes;
import io.coffer.format.FormatException;
import io.coffer.format.StrictBase64;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Enciphered names as names of a POSIX store, which may hold neither "/" nor NUL: the form that
 * Ceph's kernel client gives to its metadata server (fs/ceph/crypto.c). Needs no key.
 *
 * <p>Base64 with "+" and "," and without padding of the enciphered name; of one longer than 148
 * bytes, of its first 148 bytes and the SHA-256 of the rest. The full enciphered name of such a
 * long one must then be kept elsewhere. A stored name has 22 to 198 characters, or, if it is a long
 * one's, 240.
 */
public final class FscryptStoredName {
  /** Characters of the stored form of a long name. */
  public static final int LONG_LENGTH = 240;

  /** The longest enciphered name that is stored as a whole, in bytes. */
  static final int WHOLE_BYTES = 148;

  private static final int SHORTEST_CIPHERTEXT = 16;
  private static final int LONGEST_CIPHERTEXT = 255;
  private static final int DIGEST_BYTES = 32;
  private static final String WHAT = "the stored name";
  private static final String TEMPORARY_PREFIX = ".coffer-tmp.";
  private static final int TEMPORARY_BYTES = 8;
  private static final byte[] SIDECAR_SUFFIX = ".name".getBytes(StandardCharsets.US_ASCII);

  private FscryptStoredName() {}

  /** The stored form of an enciphered name of 16 to 255 bytes. */
  public static byte[] encode(byte[] ciphertext) {
    if (ciphertext.length < SHORTEST_CIPHERTEXT || ciphertext.length > LONGEST_CIPHERTEXT) {
      throw new IllegalArgumentException("enciphered name of " + ciphertext.length + " bytes");
    }
    if (ciphertext.length <= WHOLE_BYTES) {
      return StrictBase64.IMAP.encode(ciphertext);
    }
    byte[] bytes = Arrays.copyOf(ciphertext, WHOLE_BYTES + DIGEST_BYTES);
    byte[] digest = FscryptNoKeyName.digestFrom(ciphertext, WHOLE_BYTES);
    System.arraycopy(digest, 0, bytes, WHOLE_BYTES, DIGEST_BYTES);
    return StrictBase64.IMAP.encode(bytes);
  }

  /** Does this stored name hold but a digest of the end of its enciphered name? */
  public static boolean isLong(byte[] stored) {
    return stored.length == LONG_LENGTH;
  }

  /**
   * The enciphered name of a stored name that is not {@linkplain #isLong long}.
   *
   * @throws FormatException if there is none
   */
  public static byte[] decode(byte[] stored) throws FormatException {
    byte[] bytes = StrictBase64.IMAP.decode(stored, WHAT);
    if (bytes.length < SHORTEST_CIPHERTEXT || bytes.length > WHOLE_BYTES) {
      throw new FormatException(WHAT + " stands for " + bytes.length + " bytes, which none has");
    }
    return bytes;
  }

  /**
   * Checks the full enciphered name that was kept for a long stored name.
   *
   * @throws FormatException if it does not belong to the name
   */
  public static void check(byte[] stored, byte[] ciphertext) throws FormatException {
    if (ciphertext.length < SHORTEST_CIPHERTEXT
        || ciphertext.length > LONGEST_CIPHERTEXT
        || !Arrays.equals(stored, encode(ciphertext))) {
      throw new FormatException("the enciphered name that was kept does not belong to the entry");
    }
  }

  /**
   * With what the stored name of an entry begins that has this no-key name: the whole stored name
   * if the no-key name holds all of the enciphered one, else 197 of its characters.
   */
  public static byte[] beginningFor(FscryptNoKeyName noKeyName) {
    byte[] whole = noKeyName.ciphertext();
    if (whole != null && whole.length >= SHORTEST_CIPHERTEXT) {
      return encode(whole);
    }
    byte[] beginning = noKeyName.beginning();
    byte[] known = Arrays.copyOf(beginning, Math.min(beginning.length, WHOLE_BYTES));
    return Arrays.copyOf(StrictBase64.IMAP.encode(known), known.length * 4 / 3);
  }

  /** The file beside an entry with a long stored name that holds its full enciphered name. */
  public static byte[] sidecarOf(byte[] stored) {
    byte[] sidecar = Arrays.copyOf(stored, stored.length + SIDECAR_SUFFIX.length);
    System.arraycopy(SIDECAR_SUFFIX, 0, sidecar, stored.length, SIDECAR_SUFFIX.length);
    return sidecar;
  }

  /** Is it no entry, but something that the format keeps beside them? Stored names have no ".". */
  public static boolean isInternal(byte[] name) {
    for (byte each : name) {
      if (each == '.') {
        return true;
      }
    }
    return false;
  }

  /** A fresh name under which an entry of any tree is prepared. */
  public static byte[] newTemporary() {
    String random = HexFormat.of().formatHex(RandomBytes.of(TEMPORARY_BYTES));
    return (TEMPORARY_PREFIX + random).getBytes(StandardCharsets.US_ASCII);
  }

  /** Is this one of {@link #newTemporary}? */
  public static boolean isTemporary(byte[] name) {
    String text = new String(name, StandardCharsets.ISO_8859_1);
    return text.startsWith(TEMPORARY_PREFIX)
        && text.substring(TEMPORARY_PREFIX.length()).matches("[0-9a-f]{16}");
  }
}
