package io.coffer.keyserver.cli;

import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.client.KeyServiceException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.ServerHome;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The way to a server whose directory is known. */
final class Link {
  /** Opening a server with many keys takes its time. */
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @Option(names = "--url", paramLabel = "URL", description = "The server, if not the one of DIR.")
  private @Nullable String url;

  @Option(
      names = "--cert",
      paramLabel = "FILE",
      description = "Your certificate (default: DIR/operator.pem); its key is FILE.key.")
  private @Nullable Path certificate;

  Path certificate(ServerHome home) {
    return certificate == null ? home.certificate("operator") : certificate;
  }

  /** Sends; a body with a secret is sealed to the server. */
  JsonObject send(Path directory, String method, String path, @Nullable JsonObject body)
      throws IOException, Failure {
    ServerHome home = ServerHome.open(directory);
    ServerHome.Listen listen = home.listen();
    String host =
        listen.host().equals("0.0.0.0") || listen.host().equals("::") ? "localhost" : listen.host();
    URI base = Unreachable.address(url == null ? "https://" + host + ":" + listen.port() : url);
    Path file = certificate(home);
    if (!Files.exists(file)) {
      throw new Failure(
          Failure.OTHER,
          file + " does not exist",
          "Name your certificate with --cert; 'coffer ca issue' makes one.");
    }
    Path key =
        file.resolveSibling(file.getFileName().toString().replaceAll("\\.pem$", "") + ".key");
    X509Certificate shown = Pem.readCertificate(file);
    Unreachable.requireValid(shown, file);
    try {
      return KeyClient.ask(
          new KeyClient.Settings(
              base, Pem.readCertificate(home.authority()), shown, Pem.readPrivateKey(key, "EC"), 1),
          PATIENCE,
          method,
          path,
          body);
    } catch (KeyServiceException e) {
      if (e.status() != KeyServiceException.UNREACHABLE) {
        throw new Failure(
            e.status() == 403 ? Failure.WRONG_SECRET : Failure.OTHER, e.problem(), e.advice());
      }
      if (e.getCause() instanceof InterruptedException) {
        throw e;
      }
      throw e.getCause() instanceof IOException why
          ? Unreachable.explain(why, base, file, home.authority())
          : new Failure(
              Failure.OTHER,
              "what answers at " + base + " is no key server: " + e.getMessage(),
              "Correct the address.");
    }
  }
}
