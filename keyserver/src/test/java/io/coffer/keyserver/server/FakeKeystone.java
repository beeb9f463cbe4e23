package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicReference;

/**
 * As much of Keystone (Identity API v3) as clients need to log in by password or token and to find
 * the key manager: everybody is the user {@code u1} with the role member in the project {@code p1}.
 */
final class FakeKeystone implements AutoCloseable {
  static final String TOKEN = "gAAAAAfaked-token-of-user-u1";

  private final HttpServer server;
  private final AtomicReference<String> keyManager = new AtomicReference<>("");

  FakeKeystone() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/v3/auth/tokens", this::tokens);
    server.createContext(
        "/",
        exchange ->
            answer(
                exchange,
                200,
                """
                {"version":{"id":"v3.14","status":"stable","updated":"2020-04-07T00:00:00Z",
                 "links":[{"rel":"self","href":"%s/v3/"}]}}\
                """
                    .formatted(url())));
    server.start();
  }

  String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  /** Where the catalog says that the key manager is. */
  void keyManager(String url) {
    keyManager.set(url);
  }

  private void tokens(HttpExchange exchange) throws IOException {
    boolean login = exchange.getRequestMethod().equals("POST");
    if (!login && !TOKEN.equals(exchange.getRequestHeaders().getFirst("X-Subject-Token"))) {
      answer(exchange, 404, "{\"error\":{\"code\":404}}");
      return;
    }
    exchange.getResponseHeaders().set("X-Subject-Token", TOKEN);
    answer(
        exchange,
        login ? 201 : 200,
        """
        {"token":{"methods":["password"],"issued_at":"%s","expires_at":"%s",
         "user":{"id":"u1","name":"user","domain":{"id":"default","name":"Default"}},
         "project":{"id":"p1","name":"project","domain":{"id":"default","name":"Default"}},
         "roles":[{"id":"r1","name":"member"}],
         "catalog":[{"id":"k","type":"key-manager","name":"coffer","endpoints":[
          {"id":"e","interface":"public","region":"R","region_id":"R","url":"%s"}]}]}}\
        """
            .formatted(Instant.now(), Instant.now().plus(Duration.ofHours(1)), keyManager.get()));
  }

  private static void answer(HttpExchange exchange, int status, String json) throws IOException {
    exchange.getRequestBody().readAllBytes();
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    byte[] body = json.getBytes(UTF_8);
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
