package io.coffer.keyserver.server;

import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditException;
import io.coffer.keyserver.audit.AuditLog;
import io.helidon.http.HeaderNames;
import io.helidon.http.ServerRequestHeaders;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;

/**
 * Refuses requests whose length is given in two ways: a proxy before the server may believe the
 * other one, and what it takes for the body of one request would be the next request of somebody
 * else (RFC 9112, section 6.3). The connection is closed without an answer, since nobody knows
 * where the next request would begin. Also tells when a request begins and ends, so that silent
 * connections are known.
 */
final class Framing implements Handler {
  private final Handler next;
  private final AuditLog audit;
  private final Connections connections;

  Framing(Handler next, AuditLog audit, Connections connections) {
    this.next = next;
    this.connections = connections;
    this.audit = audit;
  }

  @Override
  public void handle(ServerRequest request, ServerResponse response) throws Exception {
    if (isAmbiguous(request.headers())) {
      String where = Api.shorten(request.path().rawPath());
      try {
        audit.appendRefused(
            new AuditEvent(
                "unknown",
                Callers.address(request),
                "request",
                where,
                "refused",
                "the length of the request is given in two ways"));
      } catch (AuditException e) {
        System.getLogger("io.coffer.keyserver")
            .log(System.Logger.Level.ERROR, "the audit log cannot be written", e);
      }
      throw new CloseConnectionException("a request of ambiguous length");
    }
    Connections.Held connection =
        connections.begin(request.remotePeer().address(), request.content().hasEntity());
    try {
      if (connection != null) {
        request.context().register(connection);
      }
      next.handle(request, response);
    } finally {
      connections.end(connection);
    }
  }

  private static boolean isAmbiguous(ServerRequestHeaders headers) {
    boolean chunked = headers.contains(HeaderNames.TRANSFER_ENCODING);
    boolean length = headers.contains(HeaderNames.CONTENT_LENGTH);
    return (chunked && length)
        || (length && headers.get(HeaderNames.CONTENT_LENGTH).valueCount() > 1)
        || (chunked
            && !headers.get(HeaderNames.TRANSFER_ENCODING).values().equalsIgnoreCase("chunked"));
  }
}
