package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.box.LockBoxes;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.engine.SqliteEngine;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.server.TestServer.Answer;
import io.coffer.keyserver.server.TestServer.Client;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Attacks on a running server that have no test of their own elsewhere. */
class HostileTest {
  private static final String BOX = "/v1/services/cinder/owners/project:a/keys";

  @TempDir Path directory;
  private TestServer server;
  private Client alice;

  @BeforeEach
  void start() throws Exception {
    server = new TestServer(directory.resolve("home"));
    server.makeBox("cinder", "project:a");
    alice = server.as("client:alice");
  }

  @AfterEach
  void stop() throws Exception {
    server.close();
  }

  private String log() throws IOException {
    return Files.readString(server.home.auditLog());
  }

  private void logVerifies() throws IOException {
    AuditLog.verify(server.home.auditLog(), server.home.auditPublicKey(), null);
  }

  private Connection database() throws Exception {
    return DriverManager.getConnection("jdbc:sqlite:" + server.home.store());
  }

  private Map<String, byte[]> rows() throws Exception {
    Map<String, byte[]> rows = new HashMap<>();
    try (Connection connection = database();
        Statement statement = connection.createStatement();
        ResultSet all = statement.executeQuery("SELECT key, value FROM entry")) {
      while (all.next()) {
        rows.put(all.getString(1), all.getBytes(2));
      }
    }
    return rows;
  }

  private void write(String key, byte[] value) throws Exception {
    try (Connection connection = database();
        PreparedStatement update =
            connection.prepareStatement("UPDATE entry SET value = ? WHERE key = ?")) {
      update.setBytes(1, value);
      update.setString(2, key);
      assertEquals(1, update.executeUpdate());
    }
  }

  /** Makes a key; returns its id, and in {@code entries} the new entries of the store. */
  private String newKey(Map<String, byte[]> entries) throws Exception {
    Map<String, byte[]> before = rows();
    String id = alice.ok("POST", BOX, "{}").string("id");
    rows()
        .forEach((key, value) -> {
          if (!before.containsKey(key)) {
            entries.put(key, value);
          }
        });
    assertFalse(entries.isEmpty());
    return id;
  }

  @Test
  void recordsThatWereFlippedCutOrMovedInTheStoreOfARunningServerAreNotServed() throws Exception {
    Map<String, byte[]> first = new HashMap<>();
    Map<String, byte[]> second = new HashMap<>();
    String one = newKey(first);
    String two = newKey(second);
    assertEquals(first.size(), second.size());
    for (String attack : List.of("flipped", "cut", "moved", "emptied")) {
      List<String> from = first.keySet().stream().sorted().toList();
      List<byte[]> other = List.copyOf(second.values());
      for (int i = 0; i < from.size(); i++) {
        byte[] good = Objects.requireNonNull(first.get(from.get(i)));
        byte[] bad = good.clone();
        bad[bad.length / 2] ^= 1;
        write(
            from.get(i),
            switch (attack) {
              case "flipped" -> bad;
              case "cut" -> Arrays.copyOf(good, good.length - 1);
              case "moved" -> other.get(i);
              default -> new byte[0];
            });
      }
      Answer answer = alice.get(BOX + "/" + one + "/wrapped");
      assertEquals(500, answer.status(), attack + ": " + answer.text());
      assertEquals("application/problem+json", answer.type());
      assertFalse(answer.text().contains("wrapped\":"), answer.text());
      assertEquals(200, alice.get(BOX + "/" + two + "/wrapped").status(), "others are served");
      for (Map.Entry<String, byte[]> each : first.entrySet()) {
        write(each.getKey(), each.getValue());
      }
      assertEquals(200, alice.get(BOX + "/" + one + "/wrapped").status(), "put back");
    }
    String lines = String.join("\n", log().lines().filter(l -> l.contains("\"failed\"")).toList());
    assertTrue(lines.contains("key.wrapped") || lines.contains(one), "logged: " + lines);
    logVerifies();
  }

  @Test
  void aStoreThatWasRolledBackBetweenTwoRecordsIsNotOpenedAgain() throws Exception {
    Map<String, byte[]> entries = new HashMap<>();
    String id = newKey(entries);
    String key = BOX + "/" + id;
    alice.ok("POST", key + "/rotate", "{}");
    server.server().close();
    for (Map.Entry<String, byte[]> each : entries.entrySet()) {
      write(each.getKey(), each.getValue());
    }
    server.restart();
    assertThrows(Exception.class, () -> server.unseal(), "an old version of one record");
    assertEquals(503, server.as("client:alice").get(key).status(), "it stays sealed");
  }

  @Test
  void aSessionThatWasCapturedAndIsPlayedAgainDoesNothing() throws Exception {
    ByteArrayOutputStream captured = new ByteArrayOutputStream();
    try (ServerSocket tap = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        Socket toServer = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
      Thread relay =
          Thread.ofVirtual()
              .start(() -> {
                try (Socket client = tap.accept()) {
                  Thread back =
                      Thread.ofVirtual()
                          .start(() -> {
                            try {
                              toServer.getInputStream().transferTo(client.getOutputStream());
                              client.shutdownOutput();
                            } catch (IOException e) {
                              // closed at the end
                            }
                          });
                  InputStream in = client.getInputStream();
                  byte[] buffer = new byte[8192];
                  int read;
                  while ((read = in.read(buffer)) >= 0) {
                    captured.write(buffer, 0, read);
                    toServer.getOutputStream().write(buffer, 0, read);
                  }
                  toServer.shutdownOutput();
                  back.join();
                } catch (IOException | InterruptedException e) {
                  // closed at the end
                }
              });
      String text = request("POST " + BOX, "{}", "");
      SSLSocket client = socketTo(tap.getLocalPort());
      // The tap does not pass on that the server has closed.
      client.setSoTimeout(15_000);
      String answer = send(client, text);
      assertTrue(answer.startsWith("HTTP/1.1 201"), answer);
      relay.join();
    }
    int keys = alice.ok("GET", BOX, null).objects("keys").size();
    assertEquals(1, keys);
    long entries = log().lines().filter(line -> line.contains("\"key.create\"")).count();
    byte[] again = captured.toByteArray();
    assertTrue(again.length > 500, "a handshake with a certificate, and a request");
    try (Socket replay = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
      replay.setSoTimeout(4_000);
      replay.getOutputStream().write(again);
      replay.getOutputStream().flush();
      String answer = new String(drain(replay), ISO_8859_1);
      assertFalse(answer.contains("HTTP/1.1"), "nothing in clear, and nothing done");
    }
    assertEquals(keys, alice.ok("GET", BOX, null).objects("keys").size());
    assertEquals(entries, log().lines().filter(line -> line.contains("\"key.create\"")).count());
  }

  private static byte[] drain(Socket socket) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    try {
      socket.getInputStream().transferTo(all);
    } catch (IOException e) {
      // reset: that is an answer, too
    }
    return all.toByteArray();
  }

  private SSLSocket socketTo(int port) throws Exception {
    var issued =
        server.authority.issue(Identity.parse("client:alice"), Set.of(), Duration.ofDays(1));
    SSLContext context =
        new TrustedAuthority(server.authority.certificate(), null)
            .context(issued.certificate(), issued.key(), Set.of(Profile.SERVER));
    SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", port);
    socket.setSoTimeout(40_000);
    return socket;
  }

  private static String request(String line, String body, String headers) {
    return line
        + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        + headers
        + (headers.contains("Content-Length") || headers.contains("Transfer-Encoding")
            ? ""
            : "Content-Length: " + body.length() + "\r\n")
        + "\r\n"
        + body;
  }

  private static String send(SSLSocket socket, String text) throws IOException {
    try (socket) {
      socket.getOutputStream().write(text.getBytes(ISO_8859_1));
      socket.getOutputStream().flush();
      return new String(drain(socket), ISO_8859_1);
    }
  }

  @Test
  void requestsThatTwoReadersWouldUnderstandDifferentlyAreRefused() throws Exception {
    int before = alice.ok("GET", BOX, null).objects("keys").size();
    String hidden = "POST " + BOX + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    for (String headers :
        List.of(
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 2\r\nContent-Length: 200\r\n",
            "Transfer-Encoding: chunked, identity\r\n")) {
      String body = headers.contains("chunked") ? "0\r\n\r\n" + hidden : "{}" + hidden;
      String answer = send(socketTo(server.port()), request("GET " + BOX, body, headers));
      assertFalse(answer.startsWith("HTTP/1.1 2"), headers + answer);
      assertEquals(
          before,
          alice.ok("GET", BOX, null).objects("keys").size(),
          "the hidden request was not carried out: " + headers + answer);
    }
    assertTrue(log().contains("the length of the request is given in two ways"), log());
    for (String headers :
        List.of(
            "Content-Length: -1\r\n",
            "X-Long: " + "a".repeat(20_000) + "\r\n",
            "X-Nul: a\0b\r\n")) {
      SSLSocket socket = socketTo(server.port());
      socket.setSoTimeout(4_000);
      String answer = send(socket, request("GET " + BOX, "", headers));
      assertFalse(answer.contains(" 500 ") || answer.contains("Exception"), headers + answer);
    }
    logVerifies();
  }

  @Test
  void jsonThatIsDeepTwiceTheSameOrFullOfTricksIsRefusedAndLogged() throws Exception {
    List<String> bodies =
        List.of(
            "{\"name\":" + "[".repeat(30_000),
            "{\"name\":" + "{\"a\":".repeat(9_000),
            "{\"bits\":256,\"bits\":128}",
            "{\"bits\":1e400}",
            "{\"bits\":" + "9".repeat(5000) + "}",
            "{\"name\":\"a\\u0000b\"}",
            "{\"name\":\"x\\\",\\\"outcome\\\":\\\"granted\\n{\\\"seq\\\":1}\",\"bits\":1}",
            "{\"name\":\"'); DROP TABLE entry; --\",\"bits\":1}",
            "{\"__proto__\":{\"role\":\"admin\"}}",
            "{} {}");
    int before = alice.ok("GET", BOX, null).objects("keys").size();
    for (String body : bodies) {
      Answer answer = alice.post(BOX, body);
      String shown = body.substring(0, Math.min(60, body.length()));
      assertEquals(400, answer.status(), shown + ": " + answer.text());
      assertFalse(answer.text().contains("Exception"), answer.text());
    }
    // As a value it is text like any other.
    String odd = "'; DROP TABLE entry; --";
    String id = alice.ok("POST", BOX, "{\"name\":\"" + odd + "\"}").string("id");
    assertEquals(odd, alice.ok("GET", BOX + "/" + id, null).string("name"));
    assertEquals(before + 1, alice.ok("GET", BOX, null).objects("keys").size());
    assertTrue(
        log().lines().filter(l -> l.contains("key.create") && l.contains("refused")).count()
            >= bodies.size(),
        "each is logged");
    logVerifies();
  }

  @Test
  void aTokenThatHasExpiredStaysSoWhenTheClockIsSetBack() throws Exception {
    String id = alice.ok("POST", BOX, "{}").string("id");
    String token = alice.ok("POST", "/v1/tokens", "{\"seconds\":60}").string("token");
    Client node = server.as("endpoint:n1");
    assertEquals(200, with(node, token, BOX + "/" + id));
    server.clock.advance(Duration.ofMinutes(5));
    assertEquals(401, with(node, token, BOX + "/" + id));
    server.clock.advance(Duration.ofMinutes(-5));
    assertEquals(401, with(node, token, BOX + "/" + id), "and is not good again");
  }

  private static int with(Client client, String token, String path) throws Exception {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(client.base() + path))
            .timeout(Duration.ofSeconds(20))
            .header("Authorization", "Bearer " + token)
            .build();
    return client.http().send(request, BodyHandlers.discarding()).statusCode();
  }

  @Test
  void aCredentialThatIsGoodOnceStaysUsedWhenTheClockLeapsAndComesBack() throws Exception {
    TestServer.TestClock clock = new TestServer.TestClock();
    try (SecretBytes root = Seal.newRoot();
        SqliteEngine engine = SqliteEngine.open(directory.resolve("other.db"))) {
      LockBoxes.create(engine, root, clock);
      try (LockBoxes boxes = LockBoxes.open(engine, root, clock, Duration.ofDays(30))) {
        Proven proven =
            new Proven(
                Identity.parse("client:uid-1000"),
                clock.instant().plusSeconds(300),
                List.of(),
                true);
        boxes.tokens().useOnce(proven, "credential");
        clock.advance(Duration.ofHours(2));
        boxes.tokens().purge();
        clock.advance(Duration.ofHours(-2));
        ProblemException again =
            assertThrows(
                ProblemException.class, () -> boxes.tokens().useOnce(proven, "credential"));
        assertEquals(401, again.status());
        clock.advance(Duration.ofDays(3));
        boxes.tokens().purge();
        clock.advance(Duration.ofDays(-3));
        boxes.tokens().useOnce(proven, "credential"); // not remembered for ever
      }
    }
  }
}
