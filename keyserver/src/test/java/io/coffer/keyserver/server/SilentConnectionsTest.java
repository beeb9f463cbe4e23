package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.ca.TrustedAuthority;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(180)
class SilentConnectionsTest {
  private static final int CONNECTIONS = 12;
  private static final String STATUS = "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n";

  @TempDir Path directory;
  private final List<Socket> sockets = new ArrayList<>();

  @AfterEach
  void hangUp() throws IOException {
    for (Socket socket : sockets) {
      socket.close();
    }
  }

  /** What happens if a connection has so much time for its first request. */
  private interface Scenario {
    void play(Duration greeting) throws Exception;
  }

  /** On a slow machine those who do speak need more time for it, too. */
  private void patiently(Scenario scenario) throws Exception {
    for (int seconds = 2; ; seconds *= 2) {
      try {
        scenario.play(Duration.ofSeconds(seconds));
        return;
      } catch (IOException e) {
        if (seconds > 16) {
          throw e;
        }
        hangUp();
        sockets.clear();
      }
    }
  }

  private TestServer start(Duration greeting, Duration silence) throws Exception {
    return new TestServer(
        directory.resolve("server" + greeting.toSeconds()),
        new Limits(
            64 << 10,
            Duration.ofSeconds(1),
            greeting,
            silence,
            CONNECTIONS,
            5000,
            Duration.ofSeconds(5)));
  }

  private Socket plain(TestServer server) throws IOException {
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port());
    sockets.add(socket);
    return socket;
  }

  private SSLSocket secured(TestServer server) throws Exception {
    var issued =
        server.authority.issue(Identity.parse("client:quiet"), Set.of(), Duration.ofDays(1));
    SSLContext context =
        new TrustedAuthority(server.authority.certificate(), null)
            .context(issued.certificate(), issued.key(), Set.of(Profile.SERVER));
    SSLSocket socket =
        (SSLSocket)
            context
                .getSocketFactory()
                .createSocket(InetAddress.getLoopbackAddress(), server.port());
    sockets.add(socket);
    socket.setSoTimeout(30_000);
    socket.startHandshake();
    return socket;
  }

  private static void ask(SSLSocket socket) throws IOException {
    socket.getOutputStream().write(STATUS.getBytes(UTF_8));
    byte[] answer = new byte[4096];
    int length = socket.getInputStream().read(answer);
    if (length < 0) {
      throw new EOFException("the server has hung up");
    }
    assertTrue(new String(answer, 0, length, UTF_8).startsWith("HTTP/1.1 200"));
  }

  /** Waits until the server has closed it. */
  private static boolean ends(Socket socket) throws IOException {
    socket.setSoTimeout(60_000);
    try {
      while (socket.getInputStream().read() >= 0) {
        // What was still under way.
      }
      return true;
    } catch (SocketTimeoutException e) {
      return false;
    } catch (IOException e) {
      return true;
    }
  }

  @Test
  void whoSaysNothingOrNotEnoughIsSentAway() throws Exception {
    patiently(this::saysTooLittle);
  }

  private void saysTooLittle(Duration greeting) throws Exception {
    try (TestServer server = start(greeting, Duration.ofSeconds(3))) {
      Socket silent = plain(server);
      Socket half = plain(server);
      // The head of a TLS record of 512 bytes, of which little follows.
      half.getOutputStream().write(new byte[] {22, 3, 1, 2, 0, 1, 0});
      SSLSocket noRequest = secured(server);
      SSLSocket halfRequest = secured(server);
      halfRequest.getOutputStream().write(STATUS.substring(0, 20).getBytes(UTF_8));
      SSLSocket noSecond = secured(server);
      ask(noSecond);
      SSLSocket noBody = secured(server);
      noBody
          .getOutputStream()
          .write(
              "POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
                  .getBytes(UTF_8));
      for (Socket socket : List.of(silent, half, noRequest, halfRequest, noSecond, noBody)) {
        assertTrue(ends(socket), () -> "connection " + sockets.indexOf(socket));
      }
      assertEquals(200, server.as("client:other").get("/v1/status").status());
    }
  }

  @Test
  void whoSendsDropByDropHasNoMoreTimeForIt() throws Exception {
    patiently(this::sendsDropByDrop);
  }

  private void sendsDropByDrop(Duration greeting) throws Exception {
    try (TestServer server = start(greeting, Duration.ofSeconds(60))) {
      SSLSocket drops = secured(server);
      Thread.ofVirtual()
          .start(() -> {
            try {
              for (char c : STATUS.repeat(3).replace("\r\n\r\n", "\r\nA: ").toCharArray()) {
                drops.getOutputStream().write(c);
                Thread.sleep(200);
              }
            } catch (IOException | InterruptedException e) {
              // The server hung up, as it should.
            }
          });
      assertTrue(ends(drops));
    }
  }

  @Test
  void anyNumberOfThemKeepsNobodyOut() throws Exception {
    try (TestServer server = start(Duration.ofMinutes(10), Duration.ofMinutes(10))) {
      SSLSocket early = secured(server);
      ask(early);
      for (int i = 0; i < 3 * CONNECTIONS; i++) {
        plain(server);
      }
      SSLSocket late = secured(server);
      ask(late);
      // Those that were silent for longest had to go, the first of all who came among them.
      assertTrue(ends(early));
      assertTrue(ends(sockets.get(1)));
      ask(late);
    }
  }

  @Test
  void failedHandshakesAreNotCountedAsConnections() throws Exception {
    try (TestServer server = start(Duration.ofMinutes(10), Duration.ofMinutes(10))) {
      for (int i = 0; i < 3 * CONNECTIONS; i++) {
        Socket noTls = plain(server);
        noTls.getOutputStream().write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(UTF_8));
        assertTrue(ends(noTls));
      }
      ask(secured(server));
    }
  }

  @Test
  void whoWaitsForTheServerIsNotSilent() throws Exception {
    try (TestServer server = start(Duration.ofSeconds(20), Duration.ofSeconds(1))) {
      SSLSocket waits = secured(server);
      String body = "{\"keys\":[]}";
      waits
          .getOutputStream()
          .write(
              ("POST /v1/watch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      + "Content-Length: "
                      + body.length()
                      + "\r\n\r\n"
                      + body)
                  .getBytes(UTF_8));
      waits.setSoTimeout(60_000);
      byte[] answer = new byte[4096];
      int length = waits.getInputStream().read(answer);
      String text = new String(answer, 0, Math.max(0, length), UTF_8);
      assertTrue(text.startsWith("HTTP/1.1 200"), text);
    }
  }
}
