package io.coffer.crypto;

import java.util.Arrays;

/**
 * HKDF-SHA-512 (RFC 5869) extracted once, to be expanded many times: one key per file costs one
 * HMAC. Thread-safe.
 */
public final class HkdfKey implements AutoCloseable {
  private static final Hmac.Hash HASH = Hmac.Hash.SHA512;

  private final Hmac hmac;
  private boolean closed;

  /** Extracts from keying material, without a salt. */
  public HkdfKey(SecretBytes input) {
    byte[] pseudorandomKey;
    try (Hmac extractor = Hmac.of(HASH, new byte[HASH.bytes()])) {
      pseudorandomKey = input.read(extractor::compute);
    }
    hmac = Hmac.of(HASH, pseudorandomKey);
    Arrays.fill(pseudorandomKey, (byte) 0);
  }

  /**
   * Expands; the caller owns the array and has to wipe it.
   *
   * @param info what the key is for
   * @param length bytes to derive, at most 64: one block of the hash
   * @throws IllegalStateException if the key has been wiped
   */
  public synchronized byte[] expand(byte[] info, int length) {
    if (length < 0 || length > HASH.bytes()) {
      throw new IllegalArgumentException("HKDF output of " + length + " bytes");
    }
    if (closed) {
      throw new IllegalStateException("the key has been wiped");
    }
    byte[] message = Arrays.copyOf(info, info.length + 1);
    message[info.length] = 1;
    byte[] block = hmac.compute(message);
    byte[] output = Arrays.copyOf(block, length);
    Arrays.fill(block, (byte) 0);
    return output;
  }

  /** Wipes the key. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      hmac.close();
    }
  }
}
