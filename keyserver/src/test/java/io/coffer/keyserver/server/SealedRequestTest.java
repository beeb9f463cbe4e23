package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.client.KeyServiceException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.wire.SealedRequest;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("A sealed request")
class SealedRequestTest {
  private static final String BOX = "/v1/services/cinder/owners/project:a/keys";

  @TempDir Path directory;
  private TestServer server;
  private CertificateAuthority.Issued alice;

  @BeforeEach
  void start() throws Exception {
    server = new TestServer(directory.resolve("home"));
    server.makeBox("cinder", "project:a");
    alice = server.authority.issue(Identity.parse("client:alice"), Set.of(), Duration.ofDays(1));
  }

  @AfterEach
  void stop() throws Exception {
    server.close();
  }

  private KeyClient.Settings settings(CertificateAuthority.Issued issued, int... ports) {
    List<URI> urls = new java.util.ArrayList<>();
    for (int port : ports) {
      urls.add(URI.create("https://127.0.0.1:" + port));
    }
    return new KeyClient.Settings(
        urls, server.authority.certificate(), issued.certificate(), issued.key(), 1, null);
  }

  private static JsonObject material(byte[] key) {
    return new JsonObject().put("material", key);
  }

  private byte[] seal(String method, String path) throws Exception {
    byte[] key =
        server.as("client:alice").ok("GET", SealedRequest.KEY_PATH, null).bytes("public_key");
    try (SecretBytes body = SecretBytes.take(material(RandomBytes.of(32)).toBytes())) {
      return SealedRequest.seal(key, alice.certificate(), method, path, body);
    }
  }

  private HttpResponse<byte[]> send(TestServer.Client who, String method, String path, byte[] body)
      throws Exception {
    return who.http()
        .send(
            HttpRequest.newBuilder(URI.create(who.base() + path))
                .header("Content-Type", SealedRequest.CONTENT_TYPE)
                .method(method, BodyPublishers.ofByteArray(body))
                .build(),
            BodyHandlers.ofByteArray());
  }

  private void isRefused(HttpResponse<byte[]> answer) {
    String text = new String(answer.body(), UTF_8);
    assertEquals(400, answer.statusCode(), text);
    assertTrue(text.contains("does not open") && text.contains("GET /v1/sealing-key"), text);
  }

  private int keys() throws Exception {
    return server.as("client:alice").ok("GET", BOX, null).objects("keys").size();
  }

  private String log() throws Exception {
    return Files.readString(server.home.auditLog());
  }

  @Test
  void bringsAKeyAndANewVersionAndTheLogTellsThemFromThoseThatCameInClear() throws Exception {
    byte[] key = RandomBytes.of(32);
    String id =
        KeyClient.ask(settings(alice, server.port()), "POST", BOX, material(key)).string("id");
    JsonObject rotated =
        KeyClient.ask(
            settings(alice, server.port()), "POST", BOX + "/" + id + "/rotate", material(key));
    assertEquals(2, rotated.integer("current", 1, 9));
    assertEquals(
        2, log().lines().filter(line -> line.contains("a key that was brought sealed")).count());
    server
        .as("client:alice")
        .ok("POST", BOX, "{\"material\":\"" + Base64.getEncoder().encodeToString(key) + "\"}");
    server.as("client:alice").ok("POST", BOX, "{}");
    assertEquals(1, log().lines().filter(line -> line.contains("brought in clear")).count());
  }

  @Test
  void goesToTheServerThatAnswersWhenAnotherDoesNot() throws Exception {
    int nobody;
    try (java.net.ServerSocket free = new java.net.ServerSocket(0)) {
      nobody = free.getLocalPort();
    }
    KeyClient.ask(
        settings(alice, nobody, server.port()), "POST", BOX, material(RandomBytes.of(32)));
    assertEquals(1, keys());
  }

  @Test
  void opensForNoOtherCallerMethodOrAddressNorAfterARestart() throws Exception {
    byte[] sealed = seal("POST", BOX);
    isRefused(send(server.as("client:bob"), "POST", BOX, sealed));
    isRefused(
        send(
            server.as("client:alice"),
            "POST",
            "/v1/services/glance/owners/project:a/keys",
            sealed));
    isRefused(send(server.as("client:alice"), "POST", BOX, seal("PUT", BOX)));
    assertEquals(0, keys());
    server.restart();
    server.unseal();
    isRefused(send(server.as("client:alice"), "POST", BOX, sealed));
    assertEquals(0, keys());
    assertEquals(201, send(server.as("client:alice"), "POST", BOX, seal("POST", BOX)).statusCode());
    assertTrue(log().contains("the sealed body does not open"), "refusals are logged");
  }

  @Test
  void thatIsDamagedCutOrNoneDoesNothing() throws Exception {
    byte[] sealed = seal("POST", BOX);
    TestServer.Client who = server.as("client:alice");
    for (int at : new int[] {0, 1, 64, 65, sealed.length - 1}) {
      byte[] damaged = sealed.clone();
      damaged[at] ^= 1;
      isRefused(send(who, "POST", BOX, damaged));
    }
    for (int length : new int[] {0, 1, 65, 80, sealed.length - 1}) {
      isRefused(send(who, "POST", BOX, java.util.Arrays.copyOf(sealed, length)));
    }
    assertEquals(413, send(who, "POST", BOX, new byte[70_000]).statusCode());
    assertEquals(0, keys());
  }

  /** How often a client has asked for the key to seal to. */
  private boolean wasSealed(String path, JsonObject body) throws Exception {
    String count =
        "coffer_keyserver_requests_total{action=\"server.sealing-key\",outcome=\"granted\"} ";
    long[] asked = new long[2];
    for (int i = 0; i < 2; i++) {
      String metrics = server.operator().get("/metrics").text();
      asked[i] =
          metrics
              .lines()
              .filter(line -> line.startsWith(count))
              .mapToLong(line -> Long.parseLong(line.substring(count.length())))
              .sum();
      if (i == 0) {
        KeyServiceException refused =
            assertThrows(
                KeyServiceException.class,
                () -> KeyClient.ask(settings(alice, server.port()), "POST", path, body));
        // It was opened and read: the server knows no such login, ticket or service.
        assertFalse(refused.problem().contains("does not open"), refused.problem());
        assertFalse(refused.advice().isEmpty());
      }
    }
    return asked[1] > asked[0];
  }

  @Test
  void carriesCredentialsAndTicketsButNotWhatIsNoSecret() throws Exception {
    assertTrue(
        wasSealed(
            "/v1/tokens/exchange", new JsonObject().put("kind", "munge").put("credential", "c")));
    assertTrue(
        wasSealed(
            "/v1/tickets/redeem",
            new JsonObject().put("ticket", "t").put("credential", "c").put("job", "1")));
    assertFalse(
        wasSealed("/v1/services/none/owners/project:a/keys", new JsonObject().put("name", "n")));
  }

  @Test
  void carriesThePassphraseToAServerThatIsSealed() throws Exception {
    server.restart();
    CertificateAuthority.Issued operator =
        server.authority.issue(Identity.parse("operator:op"), Set.of(), Duration.ofDays(1));
    KeyClient.ask(
        settings(operator, server.port()),
        "POST",
        "/v1/seal/unseal",
        new JsonObject().put("passphrase", TestServer.PASSPHRASE.getBytes(UTF_8)));
    assertEquals(200, server.operator().get("/health").status());
  }
}
