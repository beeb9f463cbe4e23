package io.coffer.keyserver.wire;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.Set;

/**
 * The body of a request, sealed by {@link Hpke} to the key that a server has for that: what TLS and
 * HTTP keep in their buffers, at both ends, is then ciphertext. HPKE's info is {@code "coffer
 * sealed request 1" || 0 || caller || 0 || method || 0 || path}, its associated data empty: a body
 * opens only for the identity, method and path it was sealed for, and only at that server until it
 * is restarted.
 */
public final class SealedRequest {
  /** The type of such a body, instead of {@code application/json}, which is what is inside. */
  public static final String CONTENT_TYPE = "application/vnd.coffer.sealed";

  /** Where a server tells its key, as {@code public_key}. */
  public static final String KEY_PATH = "/v1/sealing-key";

  /** Members that are secrets: keys, what opens the server, and what tokens are given for. */
  private static final Set<String> SECRETS =
      Set.of("material", "passphrase", "share", "credential", "ticket");

  private SealedRequest() {}

  /** Is there a secret in a body, so that it is to be sealed? */
  public static boolean isDue(JsonObject body) {
    return SECRETS.stream().anyMatch(body::has);
  }

  /**
   * Seals a body.
   *
   * @param publicKey the server's, as {@link Hpke#encode} has it
   * @param certificate with which it is sent
   * @param path as it is sent, without a query
   * @throws UnwrapException if the server's key is none
   */
  public static byte[] seal(
      byte[] publicKey, X509Certificate certificate, String method, String path, SecretBytes body)
      throws UnwrapException {
    Identity caller =
        Identity.of(certificate)
            .orElseThrow(() -> new IllegalArgumentException("a certificate without an identity"));
    return Hpke.seal(Hpke.decode(publicKey), info(caller, method, path), new byte[0], body);
  }

  /**
   * Opens a body at the server.
   *
   * @throws UnwrapException if it was sealed to another key or for another request
   */
  public static SecretBytes open(
      PrivateKey key, Identity caller, String method, String path, byte[] sealed)
      throws UnwrapException {
    return Hpke.open(key, info(caller, method, path), new byte[0], sealed);
  }

  private static byte[] info(Identity caller, String method, String path) {
    return ("coffer sealed request 1\0" + caller + "\0" + method + "\0" + path)
        .getBytes(StandardCharsets.UTF_8);
  }
}
