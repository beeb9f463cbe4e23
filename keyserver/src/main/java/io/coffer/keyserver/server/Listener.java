package io.coffer.keyserver.server;

import io.coffer.keyserver.audit.AuditLog;
import io.helidon.common.tls.Tls;
import io.helidon.common.tls.TlsClientAuth;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http1.Http1Config;
import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;

/** HTTP/1.1 over TLS 1.3 at one address, with all limits. */
final class Listener implements AutoCloseable {
  private final Connections connections;
  private final WebServer web;

  private Listener(Connections connections, WebServer web) {
    this.connections = connections;
    this.web = web;
  }

  /**
   * Starts to listen.
   *
   * @param clientCertificates demands certificates that the context trusts
   * @throws IOException if it cannot
   */
  static Listener start(
      ServerHome.Listen listen,
      SSLContext context,
      boolean clientCertificates,
      Limits limits,
      Handler handler,
      AuditLog audit)
      throws IOException {
    // Helidon sets these for engines, and not for sockets.
    SSLParameters parameters = context.getDefaultSSLParameters();
    parameters.setProtocols(new String[] {"TLSv1.3"});
    parameters.setNeedClientAuth(clientCertificates);
    InetAddress address = InetAddress.getByName(listen.host());
    Connections connections = new Connections(limits);
    WebServer web =
        WebServer.builder()
            .useNio(false)
            .address(address)
            .port(listen.port())
            .tls(
                Tls.builder()
                    .sslContext(AcceptingContext.of(context, parameters, connections::accepted))
                    .clientAuth(clientCertificates ? TlsClientAuth.REQUIRED : TlsClientAuth.NONE)
                    .addEnabledProtocol("TLSv1.3")
                    .build())
            .addProtocol(
                Http1Config.builder().maxHeadersSize(16 << 10).maxPrologueLength(4096).build())
            .shutdownGracePeriod(Duration.ofSeconds(2))
            .routing(routing -> routing.any(new Framing(handler, audit, connections)))
            .build()
            .start();
    if (!web.isRunning()) {
      connections.close();
      throw new IOException(
          "cannot listen on " + listen.host() + ":" + listen.port() + "; is the port taken?");
    }
    return new Listener(connections, web);
  }

  int port() {
    return web.port();
  }

  /** Stops listening, and lets what is under way finish for two seconds. */
  @Override
  public void close() {
    web.stop();
    connections.close();
  }
}
