package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.wire.Hpke;
import io.coffer.keyserver.wire.SealedRequest;
import io.coffer.keyserver.wire.UnwrapException;
import java.security.KeyPair;
import java.security.interfaces.ECPublicKey;
import java.util.Set;

/**
 * The key to which clients seal what must not stay in the buffers of TLS and HTTP: keys that they
 * bring, passphrases, shares. It is made when the server starts and is stored nowhere, so that what
 * was sealed to it can be opened by nobody afterwards; a server that is sealed has it, too.
 */
final class SealingKey {
  private final KeyPair pair = Hpke.newKeyPair();

  void addTo(Routes routes) {
    byte[] publicKey = Hpke.encode((ECPublicKey) pair.getPublic());
    routes.addQuiet(
        "GET",
        SealedRequest.KEY_PATH,
        "server.sealing-key",
        call -> new JsonObject().put("public_key", publicKey));
  }

  /**
   * The body of a request that was sealed.
   *
   * @param caller whose certificate was shown
   */
  JsonObject open(
      Identity caller,
      String method,
      String path,
      byte[] sealed,
      Set<String> secretNames,
      Set<String> binaryNames)
      throws ProblemException, JsonException {
    try (SecretBytes body = SealedRequest.open(pair.getPrivate(), caller, method, path, sealed)) {
      return JsonObject.parse(body, secretNames, binaryNames);
    } catch (UnwrapException e) {
      throw ProblemException.badRequest(
          "the sealed body does not open",
          "Get this server's key anew, GET /v1/sealing-key, since it changes with each start, and"
              + " seal to it for your identity, this method and this path.");
    }
  }
}
