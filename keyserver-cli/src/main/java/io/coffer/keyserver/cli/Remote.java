package io.coffer.keyserver.cli;

import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Which server, and as whom. */
final class Remote {
  @Mixin private Link link = new Link();

  @Parameters(
      paramLabel = "DIR",
      description =
          "The server's directory, or one like it with"
              + " server.json, ca/ca.pem and the operator's certificate.")
  private Path directory = Path.of(".");

  JsonObject send(String method, String path, @Nullable JsonObject body)
      throws IOException, Failure {
    return link.send(directory, method, path, body);
  }
}
