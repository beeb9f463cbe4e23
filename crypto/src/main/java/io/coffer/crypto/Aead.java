package io.coffer.crypto;

import java.lang.foreign.MemorySegment;

/**
 * Authenticated encryption with associated data, over one sealed form: {@code nonce || body}, where
 * the body is {@link #tagBytes} longer than the plain text. Thread-safe; the ciphers behind it are
 * kept per thread or lent to one thread at a time.
 *
 * <p>Single messages lie in heap arrays, many at once anywhere. What is plain and what is sealed
 * must not overlap.
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

  /**
   * Seals messages of equal length that follow one another, as {@link #seal} does.
   *
   * @param count how many
   * @param associatedBytes length of the associated data of each
   * @param plainBytes length of the plain text of each
   * @param sealed with the nonce of each at its beginning; may not overlap {@code plain}
   */
  void sealAll(
      int count,
      byte[] associated,
      int associatedBytes,
      MemorySegment plain,
      long plainPosition,
      int plainBytes,
      MemorySegment sealed,
      long position);

  /**
   * Opens sealed forms of equal length that follow one another, as {@link #open} does.
   *
   * @param sealedBytes length of each, at least {@link #overheadBytes}
   * @return how many authenticate, up to the first that does not; the plain text of that one and of
   *     those after it is undefined
   */
  int openAll(
      int count,
      byte[] associated,
      int associatedBytes,
      MemorySegment sealed,
      long position,
      int sealedBytes,
      MemorySegment plain,
      long plainPosition);

  /** Wipes the key; nothing can be sealed or opened afterwards. */
  @Override
  void close();
}
