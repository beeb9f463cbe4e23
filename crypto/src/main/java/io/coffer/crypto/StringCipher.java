package io.coffer.crypto;

/**
 * Enciphers strings of at least 16 bytes and keeps their length. Deterministic and without
 * authentication. Thread-safe.
 */
public interface StringCipher extends AutoCloseable {
  /** The shortest string. */
  int MIN_BYTES = 16;

  /** The enciphered string, as long as {@code plain}. */
  byte[] encrypt(byte[] plain);

  /** Undoes {@link #encrypt}. */
  byte[] decrypt(byte[] encrypted);

  /** Wipes the keys; using the cipher afterwards throws IllegalStateException. */
  @Override
  void close();
}
