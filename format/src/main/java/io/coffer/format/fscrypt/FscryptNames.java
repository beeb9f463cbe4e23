package io.coffer.format.fscrypt;

import io.coffer.crypto.StringCipher;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import java.util.Arrays;

/**
 * The names of one directory. Enciphered, a name is padded with NUL bytes to at least 16 and a
 * multiple of the policy's padding, at most 255 (fs/crypto/fname.c); as a name of the store it has
 * the form of {@link FscryptStoredName}. The full enciphered name of a long one is kept in a
 * sidecar: a file beside the entry called as it is with {@code .name} appended.
 *
 * <p>No stored name holds a dot. Whatever does is the format's own: sidecars, and temporary names,
 * {@code .coffer-tmp.} and 16 hexadecimal digits.
 *
 * <p>Thread-safe. Closing wipes the directory's key; using it afterwards throws
 * IllegalStateException.
 */
public final class FscryptNames implements NameCodec, AutoCloseable {
  /** The longest name, plain or enciphered, in bytes. */
  public static final int MAX_BYTES = 255;

  private final FscryptPolicy policy;
  private final StringCipher cipher;

  FscryptNames(FscryptPolicy policy, StringCipher cipher) {
    this.policy = policy;
    this.cipher = cipher;
  }

  /**
   * Enciphers a name.
   *
   * @param name 1 to 255 bytes without "/" and NUL; not "." or ".."
   * @return 16 to 255 bytes of any value
   * @throws FormatException if the name is too long
   */
  public byte[] encrypt(byte[] name) throws FormatException {
    if (name.length > MAX_BYTES) {
      throw new FormatException("the name has " + name.length + " bytes, more than " + MAX_BYTES);
    }
    if (name.length == 0) {
      throw new IllegalArgumentException("empty name");
    }
    byte[] padded = Arrays.copyOf(name, policy.paddedBytes(name.length, MAX_BYTES));
    return cipher.encrypt(padded);
  }

  /**
   * Deciphers a name, and refuses what no name gives: other lengths, other padding, and names that
   * no directory can hold.
   *
   * @throws FormatException if it is not what {@link #encrypt} makes
   */
  public byte[] decrypt(byte[] ciphertext) throws FormatException {
    if (ciphertext.length < StringCipher.MIN_BYTES || ciphertext.length > MAX_BYTES) {
      throw new FormatException("the enciphered name has " + ciphertext.length + " bytes");
    }
    byte[] padded = cipher.decrypt(ciphertext);
    int end = 0;
    while (end < padded.length && padded[end] != 0) {
      end++;
    }
    for (int i = end; i < padded.length; i++) {
      if (padded[i] != 0) {
        throw new FormatException("the enciphered name is damaged: its padding is not zero");
      }
    }
    if (end == 0 || policy.paddedBytes(end, MAX_BYTES) != padded.length) {
      throw new FormatException("the enciphered name is damaged: its padding has a wrong length");
    }
    byte[] name = Arrays.copyOf(padded, end);
    if (!isEntryName(name)) {
      throw new FormatException("the enciphered name is damaged: no directory can hold it");
    }
    return name;
  }

  private static boolean isEntryName(byte[] name) {
    for (byte each : name) {
      if (each == '/') {
        return false;
      }
    }
    return name[0] != '.' || (name.length > 1 && (name[1] != '.' || name.length > 2));
  }

  @Override
  public StoredName encode(byte[] plain) throws FormatException {
    byte[] ciphertext = encrypt(plain);
    byte[] stored = FscryptStoredName.encode(ciphertext);
    return FscryptStoredName.isLong(stored)
        ? new StoredName(stored, sidecarOf(stored), ciphertext)
        : new StoredName(stored, null, null);
  }

  @Override
  public EntryKind kindOf(byte[] storedName) {
    if (FscryptStoredName.isInternal(storedName)) {
      return EntryKind.INTERNAL;
    }
    return FscryptStoredName.isLong(storedName) ? EntryKind.LONG : EntryKind.PLAIN;
  }

  @Override
  public byte[] sidecarOf(byte[] storedName) {
    return FscryptStoredName.sidecarOf(storedName);
  }

  @Override
  public byte[] decode(byte[] storedName) throws FormatException {
    return decrypt(FscryptStoredName.decode(storedName));
  }

  @Override
  public byte[] decodeLong(byte[] storedName, byte[] sidecarContent) throws FormatException {
    FscryptStoredName.check(storedName, sidecarContent);
    return decrypt(sidecarContent);
  }

  @Override
  public byte[] newTemporaryName() {
    return FscryptStoredName.newTemporary();
  }

  @Override
  public boolean isTemporary(byte[] storedName) {
    return FscryptStoredName.isTemporary(storedName);
  }

  /** Wipes the directory's key. */
  @Override
  public void close() {
    cipher.close();
  }
}
