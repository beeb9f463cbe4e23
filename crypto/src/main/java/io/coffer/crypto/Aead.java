package io.coffer.crypto;

import java.util.Arrays;

/**
 * Authenticated encryption with associated data, over one sealed form: {@code nonce || body}, where
 * the body is {@link #tagBytes} longer than the plain text. Thread-safe; the ciphers of the JDK
 * behind it are kept per thread.
 *
 * <p>Works on heap arrays, which the JDK's ciphers handle about twice as fast as direct buffers.
 * The plain and the sealed array must not be the same one.
 */
public interface Aead extends AutoCloseable {
  /** Length of the nonce. */
  int nonceBytes();

  /** Length of the authentication tag. */
  default int tagBytes() {
    return 16;
  }

  /** Bytes by which the sealed form is longer than the plain text. */
  default int overheadBytes() {
    return nonceBytes() + tagBytes();
  }

  /**
   * Seals plain text under the nonce that already lies in {@code sealed} at {@code position}. A
   * nonce must never be used for two different plain texts under one key.
   *
   * @throws IllegalStateException if the key was wiped, or (except by AES-SIV) if this thread's
   *     last nonce is given again
   * @return length of the sealed form, nonce included
   */
  int seal(
      byte[] associated,
      byte[] plain,
      int plainPosition,
      int plainBytes,
      byte[] sealed,
      int position);

  /**
   * Opens a sealed form.
   *
   * @param sealedBytes its length, nonce included
   * @return false if it does not authenticate or is too short; {@code plain} is then undefined
   */
  boolean open(
      byte[] associated,
      byte[] sealed,
      int position,
      int sealedBytes,
      byte[] plain,
      int plainPosition);

  /** How many messages are best given at once to {@link #sealAll} and {@link #openAll}. */
  default int lanes() {
    return 1;
  }

  /**
   * Seals messages of equal length that follow one another in each array, as {@link #seal} does.
   *
   * @param count how many; more than {@link #lanes} gains nothing
   * @param associatedBytes length of the associated data of each
   * @param plainBytes length of the plain text of each
   * @param sealed with the nonce of each at its beginning
   */
  default void sealAll(
      int count,
      byte[] associated,
      int associatedBytes,
      byte[] plain,
      int plainBytes,
      byte[] sealed) {
    int sealedBytes = overheadBytes() + plainBytes;
    for (int i = 0; i < count; i++) {
      byte[] own = one(associated, i, associatedBytes);
      seal(own, plain, i * plainBytes, plainBytes, sealed, i * sealedBytes);
    }
  }

  /**
   * Opens sealed forms of equal length that follow one another in each array, as {@link #open}
   * does.
   *
   * @return how many authenticate, up to the first that does not; the plain text of that one and of
   *     those after it is undefined
   */
  default int openAll(
      int count,
      byte[] associated,
      int associatedBytes,
      byte[] sealed,
      int sealedBytes,
      byte[] plain) {
    int plainBytes = sealedBytes - overheadBytes();
    for (int i = 0; i < count; i++) {
      byte[] own = one(associated, i, associatedBytes);
      if (!open(own, sealed, i * sealedBytes, sealedBytes, plain, i * plainBytes)) {
        return i;
      }
    }
    return count;
  }

  private static byte[] one(byte[] all, int index, int bytes) {
    return all.length == bytes ? all : Arrays.copyOfRange(all, index * bytes, (index + 1) * bytes);
  }

  /** Wipes the key; nothing can be sealed or opened afterwards. */
  @Override
  void close();
}
