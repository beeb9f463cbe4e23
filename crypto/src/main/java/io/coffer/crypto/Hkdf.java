package io.coffer.crypto;

import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Mac;

/** HKDF (RFC 5869), extract and expand in one, over HMAC-SHA-256 or HMAC-SHA-512. */
public enum Hkdf {
  SHA256("HmacSHA256", 32),
  SHA512("HmacSHA512", 64);

  private final String macName;
  private final int hashBytes;

  Hkdf(String macName, int hashBytes) {
    this.macName = macName;
    this.hashBytes = hashBytes;
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
    if (length < 0 || length > 255 * hashBytes) {
      throw new IllegalArgumentException("HKDF output of " + length + " bytes");
    }
    byte[] pseudorandomKey = mac(salt.length == 0 ? new byte[hashBytes] : salt).doFinal(input);
    byte[] output = new byte[length];
    byte[] previous = new byte[0];
    try {
      Mac mac = mac(pseudorandomKey);
      for (int done = 0, i = 1; done < length; done += hashBytes, i++) {
        mac.update(previous);
        mac.update(info);
        mac.update((byte) i);
        Arrays.fill(previous, (byte) 0);
        previous = mac.doFinal();
        System.arraycopy(previous, 0, output, done, Math.min(hashBytes, length - done));
      }
      return output;
    } finally {
      Arrays.fill(previous, (byte) 0);
      Arrays.fill(pseudorandomKey, (byte) 0);
    }
  }

  /** {@link #derive} between secrets, without a salt. */
  public SecretBytes derive(SecretBytes input, byte[] info, int length) {
    return input.read(bytes -> SecretBytes.take(derive(bytes, new byte[0], info, length)));
  }

  private Mac mac(byte[] key) {
    WipeableKey macKey = new WipeableKey(macName, key, 0, key.length);
    try {
      Mac mac = Mac.getInstance(macName);
      mac.init(macKey);
      return mac;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks " + macName, e);
    } finally {
      macKey.destroy();
    }
  }
}
