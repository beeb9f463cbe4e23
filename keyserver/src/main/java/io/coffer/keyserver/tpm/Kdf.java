package io.coffer.keyserver.tpm;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The key derivation functions of part 1 of the specification, section 11.4.10, with SHA-256. What
 * they return, the caller wipes.
 */
final class Kdf {
  private static final int HASH_BYTES = 32;

  private Kdf() {}

  /** KDFa: from a key that two sides know, HMAC in counter mode. */
  static byte[] a(byte[] key, String label, byte[] contextU, byte[] contextV, int bits) {
    byte[] out = new byte[bits / 8];
    for (int done = 0, counter = 1; done < out.length; done += HASH_BYTES, counter++) {
      byte[] block =
          hmac(
              key,
              new Fields.Writer()
                  .u32(counter)
                  .bytes((label + "\0").getBytes(US_ASCII))
                  .bytes(contextU)
                  .bytes(contextV)
                  .u32(bits)
                  .toBytes());
      System.arraycopy(block, 0, out, done, Math.min(HASH_BYTES, out.length - done));
      Arrays.fill(block, (byte) 0);
    }
    return out;
  }

  /** KDFe: from the x coordinate of an ECDH secret, 256 bits. */
  static byte[] e(byte[] secret, String label, byte[] partyU, byte[] partyV) {
    byte[] input =
        new Fields.Writer()
            .u32(1)
            .bytes(secret)
            .bytes((label + "\0").getBytes(US_ASCII))
            .bytes(partyU)
            .bytes(partyV)
            .toBytes();
    byte[] out = AttestationKey.sha256(input);
    Arrays.fill(input, (byte) 0);
    return out;
  }

  static byte[] hmac(byte[] key, byte[]... parts) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key, "HmacSHA256"));
      for (byte[] part : parts) {
        mac.update(part);
      }
      return mac.doFinal();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks HMAC-SHA-256", e);
    }
  }
}
