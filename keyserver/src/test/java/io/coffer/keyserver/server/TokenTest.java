package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.client.KeyServiceException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.TestServer.Answer;
import io.coffer.keyserver.server.TestServer.Client;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Alice owns a key; the endpoint node1 opens it with a token of hers. */
class TokenTest {
  private static final byte[] MATERIAL = "the key of the volume 4711......".getBytes(US_ASCII);

  @TempDir static Path sharedDirectory;
  private static TestServer shared;
  private static int boxes;

  @TempDir Path directory;
  private TestServer server;
  private String service;
  private String owner;
  private String box;
  private Client alice;
  private CertificateAuthority.Issued node;
  private Client node1;
  private String id;
  private final BlockingQueue<String> withdrawn = new LinkedBlockingQueue<>();

  @BeforeAll
  static void startShared() throws Exception {
    shared = new TestServer(sharedDirectory.resolve("home"));
  }

  @AfterAll
  static void stopShared() throws IOException {
    shared.close();
  }

  @BeforeEach
  void start() throws Exception {
    use(shared);
  }

  /** For what a server that others use must not suffer. */
  private void useOwnServer() throws Exception {
    node1.http().close();
    use(new TestServer(directory.resolve("home")));
  }

  private void use(TestServer used) throws Exception {
    server = used;
    boxes++;
    service = "hpc-" + boxes;
    owner = "project:a" + boxes;
    box = "/v1/services/" + service + "/owners/" + owner + "/keys";
    server.makeBox(service, owner);
    alice = server.as("client:alice");
    node = server.authority.issue(Identity.parse("endpoint:node1"), Set.of(), Duration.ofDays(1));
    node1 = server.client(node, "endpoint:node1");
    server
        .operator()
        .ok(
            "PUT",
            "/v1/endpoints/node1",
            "{\"services\":[\"" + service + "\"],\"attestation\":\"mtls\"}");
    id =
        alice
            .ok(
                "POST",
                box,
                "{\"material\":\"" + Base64.getEncoder().encodeToString(MATERIAL) + "\"}")
            .string("id");
  }

  @AfterEach
  void stop() throws IOException {
    node1.http().close();
    if (server != shared) {
      server.close();
    }
  }

  private JsonObject token(String request) throws Exception {
    return alice.ok("POST", "/v1/tokens", request);
  }

  private static Answer with(Client who, String token, String method, String path)
      throws Exception {
    var response =
        who.http()
            .send(
                HttpRequest.newBuilder(URI.create(who.base() + path))
                    .timeout(Duration.ofSeconds(60))
                    .header("Authorization", "Bearer " + token)
                    .method(method, HttpRequest.BodyPublishers.noBody())
                    .build(),
                BodyHandlers.ofByteArray());
    return new Answer(
        response.statusCode(),
        response.headers().firstValue("Content-Type").orElse(""),
        response.body());
  }

  private KeyClient client(String token) throws Exception {
    try (SecretBytes text = SecretBytes.copyOf(token.getBytes(US_ASCII))) {
      return KeyClient.open(
          new KeyClient.Settings(
              URI.create("https://127.0.0.1:" + server.port()),
              Pem.readCertificate(server.home.authority()),
              node.certificate(),
              node.key(),
              10),
          text,
          (key, reason) -> withdrawn.add((key == null ? "all" : key.id()) + ": " + reason));
    }
  }

  private KeyClient.Key key() {
    return new KeyClient.Key(service, owner, id, 1);
  }

  private static byte[] read(KeyClient client, KeyClient.Key key) throws IOException {
    try (SecretBytes secret = client.key(key)) {
      return secret.read(byte[]::clone);
    }
  }

  private @Nullable String withdrawnWithin(long millis) throws InterruptedException {
    return withdrawn.poll(millis, TimeUnit.MILLISECONDS);
  }

  @Test
  void letsTheNodeItIsBoundToReadAndNobodyElse() throws Exception {
    assertEquals(404, node1.get(box + "/" + id + "/wrapped").status(), "not without a token");
    String token = token("{\"presenter\":\"endpoint:node1\"}").string("token");
    assertEquals(200, with(node1, token, "GET", box + "/" + id + "/wrapped").status());
    Answer stolen = with(server.as("endpoint:node2"), token, "GET", box + "/" + id + "/wrapped");
    assertEquals(401, stolen.status(), stolen.text());
    String changed = (token.startsWith("A") ? "B" : "A") + token.substring(1);
    assertEquals(401, with(node1, changed, "GET", box + "/" + id).status());
    String end = token.substring(0, 63) + (token.endsWith("A") ? "B" : "A");
    assertEquals(401, with(node1, end, "GET", box + "/" + id).status());
    assertEquals(401, with(node1, "nonsense", "GET", box + "/" + id).status());
    String log = Files.readString(server.home.auditLog());
    assertTrue(log.contains("shown by endpoint:node1"), "the log says who showed it");
    assertFalse(log.contains(token), "and does not hold it");
  }

  @Test
  void allowsReadingOnlyAndOnlyWhatItNames() throws Exception {
    String other = alice.ok("POST", box, "{}").string("id");
    String token =
        token("{\"keys\":[\"" + id + "\"],\"services\":[\"" + service + "\"]}").string("token");
    assertEquals(200, with(node1, token, "GET", box + "/" + id).status());
    assertEquals(403, with(node1, token, "GET", box + "/" + other + "/wrapped").status());
    assertEquals(403, with(node1, token, "DELETE", box + "/" + id).status());
    assertEquals(403, with(node1, token, "POST", box + "/" + id + "/rotate").status());
    assertEquals(403, with(node1, token, "POST", "/v1/tokens").status());
    String elsewhere = token("{\"services\":[\"cinder\"]}").string("token");
    assertEquals(403, with(node1, elsewhere, "GET", box + "/" + id).status());
  }

  @Test
  void endsWithItsTimeItsRevocationAndTheCertificateOfItsSubject() throws Exception {
    useOwnServer();
    String brief = token("{\"seconds\":600,\"renewable_seconds\":1000}").string("token");
    server.clock.advance(Duration.ofSeconds(400));
    assertEquals(200, with(node1, brief, "POST", "/v1/tokens/renew").status());
    server.clock.advance(Duration.ofSeconds(500));
    assertEquals(200, with(node1, brief, "GET", box + "/" + id).status(), "it was renewed");
    assertEquals(409, with(node1, brief, "POST", "/v1/tokens/renew").status(), "no longer");
    server.clock.advance(Duration.ofSeconds(200));
    Answer late = with(node1, brief, "GET", box + "/" + id);
    assertEquals(401, late.status());
    assertTrue(late.text().contains("expired"), late.text());

    JsonObject revoked = token("{}");
    assertEquals(1, alice.ok("GET", "/v1/tokens", null).objects("tokens").size());
    assertEquals(
        404,
        server.as("client:bob").send("DELETE", "/v1/tokens/" + revoked.string("id"), null).status(),
        "it is not bob's");
    assertEquals(204, alice.send("DELETE", "/v1/tokens/" + revoked.string("id"), null).status());
    assertEquals(401, with(node1, revoked.string("token"), "GET", box + "/" + id).status());

    String orphan = token("{}").string("token");
    assertEquals(200, with(node1, orphan, "GET", box + "/" + id).status());
    server.authority.revoke("client:alice");
    assertTrue(
        TestServer.eventually(() -> with(node1, orphan, "GET", box + "/" + id).status() == 401));
  }

  @Test
  void badRequestsForTokensAreRefused() throws Exception {
    for (String bad :
        new String[] {
          "{\"seconds\":0}",
          "{\"seconds\":86401}",
          "{\"presenter\":\"node1\"}",
          "{\"keys\":[\"../x\"]}",
          "{\"owners\":[\"nobody\"]}",
          "{\"services\":[\"A B\"]}",
          "{\"scope\":\"all\"}"
        }) {
      assertEquals(400, alice.post("/v1/tokens", bad).status(), bad);
    }
    assertEquals(403, server.operator().post("/v1/tokens", "{}").status());
  }

  @Test
  void aClientUnwrapsTheKeyAndBridgesAnOutage() throws Exception {
    useOwnServer();
    try (KeyClient client = client(token("{}").string("token"))) {
      assertArrayEquals(MATERIAL, read(client, key()));
      server.server().close();
      assertArrayEquals(MATERIAL, read(client, key()), "it is cached");
      KeyClient.Key other = new KeyClient.Key(service, owner, id, 2);
      KeyServiceException away = assertThrows(KeyServiceException.class, () -> read(client, other));
      assertEquals(KeyServiceException.UNREACHABLE, away.status());
      assertNull(withdrawn.peek());
      server.restart();
    }
  }

  /** One that has read the key; on a slow machine the token has to live longer for that. */
  private KeyClient clientOfABriefToken() throws Exception {
    for (int seconds = 2; ; seconds *= 2) {
      try {
        KeyClient client = client(token("{\"seconds\":" + seconds + "}").string("token"));
        assertArrayEquals(MATERIAL, read(client, key()));
        return client;
      } catch (KeyServiceException e) {
        if (seconds > 16) {
          throw e;
        }
        withdrawn.clear();
      }
    }
  }

  @Test
  void anOutageIsBridgedNoLongerThanTheTokenLives() throws Exception {
    useOwnServer();
    try (KeyClient client = clientOfABriefToken()) {
      server.server().close();
      String reason = withdrawnWithin(40_000);
      assertNotNull(reason);
      assertTrue(reason.contains("expired"), reason);
      assertEquals(0, client.cached().size());
      assertThrows(KeyServiceException.class, () -> read(client, key()));
      server.restart();
    }
  }

  @Test
  void aRevokedTokenEndsTheClientsKeysWithinASecond() throws Exception {
    JsonObject token = token("{}");
    try (KeyClient client = client(token.string("token"))) {
      assertArrayEquals(MATERIAL, read(client, key()));
      Thread.sleep(300);
      assertNull(withdrawn.peek());
      long before = System.nanoTime();
      alice.send("DELETE", "/v1/tokens/" + token.string("id"), null);
      String reason = withdrawnWithin(20_000);
      assertNotNull(reason);
      assertTrue(reason.startsWith("all: "), reason);
      // A second by design; the machine that tests may be busy. Unpushed, it would take a minute.
      assertTrue(System.nanoTime() - before < TimeUnit.SECONDS.toNanos(20), "it is pushed");
      assertEquals(0, client.cached().size());
      assertThrows(KeyServiceException.class, () -> read(client, key()));
    }
  }

  @Test
  void aRetiredVersionIsWithdrawnAndARotatedKeyStays() throws Exception {
    try (KeyClient client = client(token("{}").string("token"))) {
      assertArrayEquals(MATERIAL, read(client, key()));
      alice.ok("POST", box + "/" + id + "/rotate", "{}");
      KeyClient.Key second = new KeyClient.Key(service, owner, id, 2);
      assertFalse(java.util.Arrays.equals(MATERIAL, read(client, second)), "another version");
      assertArrayEquals(MATERIAL, read(client, key()), "the old one stays the old one");
      assertNull(withdrawnWithin(700));
      alice.ok("POST", box + "/" + id + "/versions/1/retire", "{}");
      String reason = withdrawnWithin(20_000);
      assertNotNull(reason);
      assertTrue(reason.contains("retired"), reason);
      // The change concerned the key, so the other version may be being fetched again just now.
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      while (client.cached().isEmpty() && System.nanoTime() - until < 0) {
        Thread.sleep(10);
      }
      assertEquals(List.of(second), client.cached(), "the other version stays");
    }
  }

  @Test
  void aDoubleKeyIsTheSameForEveryClient() throws Exception {
    alice.ok("POST", "/v1/owners/" + owner + "/key", "{}");
    String twofold = alice.ok("POST", box, "{\"double\":true}").string("id");
    KeyClient.Key key = new KeyClient.Key(service, owner, twofold, 1);
    try (KeyClient one = client(token("{}").string("token"));
        KeyClient two = client(token("{}").string("token"))) {
      byte[] first = read(one, key);
      assertEquals(32, first.length);
      assertArrayEquals(first, read(two, key));
      alice.ok("POST", "/v1/owners/" + owner + "/key/versions/1/retire", "{}");
      assertNotNull(withdrawnWithin(20_000), "the owner's administrator takes it back");
    }
  }
}
