package io.coffer.crypto;

import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Mac;

/**
 * HKDF-SHA-512 (RFC 5869) extracted once, to be expanded many times: one key per file costs one
 * HMAC. Thread-safe.
 */
public final class HkdfKey implements AutoCloseable {
  private static final String MAC = "HmacSHA512";
  private static final int HASH_BYTES = 64;

  private final Mac mac;
  private boolean closed;

  /** Extracts from keying material, without a salt. */
  public HkdfKey(SecretBytes input) {
    byte[] pseudorandomKey = input.read(secret -> newMac(new byte[HASH_BYTES]).doFinal(secret));
    mac = newMac(pseudorandomKey);
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
    if (length < 0 || length > HASH_BYTES) {
      throw new IllegalArgumentException("HKDF output of " + length + " bytes");
    }
    if (closed) {
      throw new IllegalStateException("the key has been wiped");
    }
    mac.update(info);
    mac.update((byte) 1);
    byte[] block = mac.doFinal();
    byte[] output = Arrays.copyOf(block, length);
    Arrays.fill(block, (byte) 0);
    return output;
  }

  private static Mac newMac(byte[] key) {
    try {
      Mac mac = Mac.getInstance(MAC);
      init(mac, key);
      return mac;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks " + MAC, e);
    }
  }

  private static void init(Mac mac, byte[] key) throws GeneralSecurityException {
    WipeableKey macKey = new WipeableKey(MAC, key, 0, key.length);
    try {
      mac.init(macKey);
    } finally {
      macKey.destroy();
    }
  }

  /** Wipes the key. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      try {
        // The JDK's HMAC keeps its padded key in arrays that a new key overwrites.
        init(mac, new byte[HASH_BYTES]);
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
