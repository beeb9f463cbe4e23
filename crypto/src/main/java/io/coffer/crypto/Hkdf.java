package io.coffer.crypto;

import java.util.Arrays;

/** HKDF (RFC 5869), extract and expand in one, over HMAC-SHA-256 or HMAC-SHA-512. */
public enum Hkdf {
  SHA256(Hmac.Hash.SHA256),
  SHA512(Hmac.Hash.SHA512);

  private final Hmac.Hash hash;

  Hkdf(Hmac.Hash hash) {
    this.hash = hash;
  }

  /**
   * Derives key material; the caller owns the array and has to wipe it.
   *
   * @param input keying material
   * @param salt may be empty, which stands for as many zero bytes as the hash has
   * @param info what the key is for
   * @param length bytes to derive, at most 255 times the hash's length
   */
  public byte[] derive(byte[] input, byte[] salt, byte[] info, int length) {
    int hashBytes = hash.bytes();
    if (length < 0 || length > 255 * hashBytes) {
      throw new IllegalArgumentException("HKDF output of " + length + " bytes");
    }
    byte[] output = new byte[length];
    byte[] pseudorandomKey;
    try (Hmac extractor = Hmac.of(hash, salt.length == 0 ? new byte[hashBytes] : salt)) {
      pseudorandomKey = extractor.compute(input);
    }
    // What was derived last, the purpose, and a counter.
    byte[] message = Arrays.copyOf(info, info.length + 1);
    try (Hmac expander = Hmac.of(hash, pseudorandomKey)) {
      for (int done = 0, i = 1; done < length; done += hashBytes, i++) {
        message[message.length - 1] = (byte) i;
        byte[] block = expander.compute(message);
        System.arraycopy(block, 0, output, done, Math.min(hashBytes, length - done));
        Arrays.fill(message, (byte) 0);
        message = Arrays.copyOf(block, hashBytes + info.length + 1);
        System.arraycopy(info, 0, message, hashBytes, info.length);
        Arrays.fill(block, (byte) 0);
      }
      return output;
    } finally {
      Arrays.fill(message, (byte) 0);
      Arrays.fill(pseudorandomKey, (byte) 0);
    }
  }

  /** {@link #derive} between secrets, without a salt. */
  public SecretBytes derive(SecretBytes input, byte[] info, int length) {
    return input.read(bytes -> SecretBytes.take(derive(bytes, new byte[0], info, length)));
  }
}
