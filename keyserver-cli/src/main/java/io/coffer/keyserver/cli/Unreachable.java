package io.coffer.keyserver.cli;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.file.Path;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.X509Certificate;
import java.time.Instant;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** Says, of a connection to a key server that came to nothing, why, and what to do. */
final class Unreachable {
  private Unreachable() {}

  /**
   * The address of a server, from what was typed.
   *
   * @throws Failure if it is none
   */
  static URI address(String typed) throws Failure {
    URI address = null;
    try {
      address = URI.create(typed);
    } catch (IllegalArgumentException e) {
      // Said below.
    }
    if (address == null
        || !"https".equals(address.getScheme())
        || address.getHost() == null
        || (address.getRawPath() != null && !address.getRawPath().matches("/?"))
        || address.getRawQuery() != null) {
      throw new Failure(
          Failure.USAGE,
          "'" + typed + "' is no address of a key server",
          "Write https://HOST:PORT, for example https://127.0.0.1:7450.");
    }
    return URI.create("https://" + address.getRawAuthority());
  }

  /** Not to be found out from the alert that a server sends. */
  static void requireValid(X509Certificate certificate, Path file) throws Failure {
    Instant end = certificate.getNotAfter().toInstant();
    if (end.isBefore(Instant.now())) {
      throw new Failure(
          Failure.OTHER,
          "the certificate " + file + " was good until " + end,
          "Have a new one issued: 'coffer ca issue'.");
    }
  }

  /**
   * Why there was no answer.
   *
   * @param certificate the file of the certificate that was shown
   * @param authority the file of the authority that the server's certificate has to be of
   */
  static Failure explain(IOException e, URI server, Path certificate, Path authority) {
    if (e instanceof ConnectException) {
      return e.getCause() instanceof ConnectException inner
              && inner.getCause() instanceof UnresolvedAddressException
          ? new Failure(
              Failure.OTHER, "there is no host " + server.getHost(), "Correct the address.")
          : new Failure(
              Failure.OTHER,
              "no key server answers at " + server,
              "Start it with 'coffer keyserver run DIR', or correct --url.");
    }
    if (e instanceof HttpTimeoutException) {
      return new Failure(
          Failure.OTHER,
          "the key server at " + server + " does not answer in time",
          "Try again; if it lasts, look at its log, and whether a firewall is between.");
    }
    String text = String.valueOf(e.getMessage());
    if (text.contains("plaintext connection")) {
      return new Failure(
          Failure.OTHER,
          "what listens at " + server + " speaks no TLS, and is no key server",
          "Correct the address.");
    }
    if (find(e, CertificateExpiredException.class) != null) {
      return new Failure(
          Failure.OTHER,
          "the certificate of the server at " + server + " has expired",
          "Have its operator issue a new one: 'coffer ca issue --host NAME --out DIR DIR/ca"
              + " server:server'.");
    }
    if (text.contains("subject alternative")) {
      return new Failure(
          Failure.OTHER,
          "the certificate of the server at " + server + " does not name that host",
          "Use a name that it has, or issue one for it: 'coffer ca issue --host NAME'.");
    }
    if (find(e, CertPathValidatorException.class) != null || text.contains("PKIX path")) {
      return new Failure(
          Failure.OTHER,
          "the server at " + server + " has no certificate by the authority in " + authority,
          "Name the directory of that server, or bring its ca/ca.pem there.");
    }
    if (e instanceof SSLException || text.contains("received no bytes") || text.contains("reset")) {
      return new Failure(
          Failure.OTHER,
          "the server at " + server + " does not accept the certificate " + certificate,
          "It may be revoked, or of another authority: have one issued by the server's, 'coffer ca"
              + " issue'. The connection ended so: "
              + text);
    }
    return new Failure(
        Failure.OTHER, "asking the key server at " + server + " failed: " + text, "Try again.");
  }

  private static <T> @Nullable T find(Throwable e, Class<T> kind) {
    for (Throwable each = e; each != null; each = each.getCause()) {
      if (kind.isInstance(each)) {
        return kind.cast(each);
      }
    }
    return null;
  }
}
