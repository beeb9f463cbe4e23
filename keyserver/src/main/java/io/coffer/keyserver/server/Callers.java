package io.coffer.keyserver.server;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Tokens;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.helidon.http.HeaderNames;
import io.helidon.webserver.http.ServerRequest;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Finds out who calls: by the certificate, and by the token if there is one. */
final class Callers {
  private final ServerState state;
  private final TrustedAuthority authority;

  Callers(ServerState state, TrustedAuthority authority) {
    this.state = state;
    this.authority = authority;
  }

  /** Whose certificate it is; asked for each request, since it may have been revoked. */
  Identity peer(ServerRequest request) throws ProblemException {
    Optional<Certificate[]> chain = request.remotePeer().tlsCertificates();
    if (chain.isPresent()
        && chain.get().length > 0
        && chain.get()[0] instanceof X509Certificate certificate) {
      Optional<Identity> identity = authority.accepts(certificate);
      if (identity.isPresent()) {
        return identity.get();
      }
    }
    throw new ProblemException(
        401,
        "the certificate is revoked or carries no identity",
        "Have a new certificate issued: 'coffer ca issue'.");
  }

  static BigInteger serial(ServerRequest request) {
    return request.remotePeer().tlsCertificates().stream()
        .map(chain -> ((X509Certificate) chain[0]).getSerialNumber())
        .findFirst()
        .orElse(BigInteger.ZERO);
  }

  /** The text of a token, or null. */
  static @Nullable String bearer(ServerRequest request) throws ProblemException {
    String header = request.headers().first(HeaderNames.AUTHORIZATION).orElse(null);
    if (header == null) {
      return null;
    }
    if (!header.startsWith("Bearer ")) {
      throw new ProblemException(
          401, "this kind of authorization is not known", "Use 'Authorization: Bearer TOKEN'.");
    }
    return header.substring("Bearer ".length()).strip();
  }

  /** The token that was shown, accepted; null if there is none. */
  Tokens.@Nullable Accepted token(ServerRequest request, Identity peer)
      throws ProblemException, EngineException, JsonException {
    String text = bearer(request);
    if (text == null) {
      return null;
    }
    Tokens.Accepted token = state.use(b -> b.tokens().accept(peer, text));
    BigInteger serial = token.serial();
    if (serial != null && authority.isRevoked(serial)) {
      throw new ProblemException(
          401,
          "the certificate that had the token issued is revoked",
          "Have a new certificate issued, and with it a new token.");
    }
    return token;
  }

  /** The caller's address in figures; asking for its name could take long, or be a lie. */
  static String address(ServerRequest request) {
    return request.remotePeer().address() instanceof InetSocketAddress peer
            && peer.getAddress() != null
        ? peer.getAddress().getHostAddress()
        : "";
  }
}
