package io.coffer.keyserver.wire;

import io.coffer.crypto.SecretBytes;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.PrivateKey;
import java.security.interfaces.ECPublicKey;

/**
 * A service's master key, sealed by {@link Hpke} to an endpoint's public key. HPKE's info is {@code
 * "coffer master key 1" || 0 || endpoint || 0 || service || 0 || master version u32}, its
 * associated data the nonce of the request: a grant opens only for the endpoint, service, version
 * and request it was made for.
 */
public final class MasterKeyGrant {
  /** The nonce of a request has 16 to 64 bytes. */
  public static final int MIN_NONCE_BYTES = 16;

  /** The nonce of a request has 16 to 64 bytes. */
  public static final int MAX_NONCE_BYTES = 64;

  private MasterKeyGrant() {}

  /**
   * Seals a master key.
   *
   * @param endpoint the identity, for example endpoint:node1
   */
  public static byte[] seal(
      ECPublicKey key,
      String endpoint,
      String service,
      int version,
      byte[] nonce,
      SecretBytes master) {
    return Hpke.seal(key, info(endpoint, service, version), nonce, master);
  }

  /** Opens a grant at the endpoint. */
  public static SecretBytes open(
      PrivateKey key, String endpoint, String service, int version, byte[] nonce, byte[] grant)
      throws UnwrapException {
    return Hpke.open(key, info(endpoint, service, version), nonce, grant);
  }

  private static byte[] info(String endpoint, String service, int version) {
    byte[] text =
        ("coffer master key 1\0" + endpoint + "\0" + service + "\0")
            .getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(text.length + 4).put(text).putInt(version).array();
  }
}
