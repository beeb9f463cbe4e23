package io.coffer.keyserver.server;

import io.coffer.keyserver.box.ProblemException;
import io.helidon.webserver.http.ServerRequest;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/** Reads the bodies of requests: so many bytes at most, and within so much time. */
final class Bodies {
  private Bodies() {}

  /** The body, empty if there is none; the caller wipes it. */
  static byte[] read(ServerRequest request, Limits limits) throws ProblemException, IOException {
    if (!request.content().hasEntity()) {
      return new byte[0];
    }
    long announced = request.headers().contentLength().orElse(limits.bodyBytes());
    if (announced > limits.bodyBytes()) {
      throw tooLarge(limits);
    }
    // One more, to see that there is no more.
    byte[] buffer = new byte[(int) announced + 1];
    int filled = 0;
    try (InputStream in = request.content().inputStream()) {
      long deadline = System.nanoTime() + limits.bodyTime().toNanos();
      while (filled < buffer.length) {
        int read = in.read(buffer, filled, buffer.length - filled);
        if (read < 0) {
          break;
        }
        filled += read;
        if (System.nanoTime() > deadline) {
          throw new ProblemException(
              408, "the request came too slowly", "Send it again, on a better connection.");
        }
      }
      if (filled > limits.bodyBytes()) {
        throw tooLarge(limits);
      }
      request.context().get(Connections.Held.class).ifPresent(Connections.Held::work);
      return Arrays.copyOf(buffer, filled);
    } finally {
      Arrays.fill(buffer, 0, filled, (byte) 0);
    }
  }

  private static ProblemException tooLarge(Limits limits) {
    return new ProblemException(
        413,
        "the body is too large",
        "Send at most " + limits.bodyBytes() + " bytes; keys are small.");
  }
}
