package io.coffer.crypto;

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

  /** Wipes the key; nothing can be sealed or opened afterwards. */
  @Override
  void close();
}
