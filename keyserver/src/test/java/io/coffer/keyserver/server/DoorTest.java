package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import io.coffer.crypto.RandomBytes;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** OpenStack's clients keep secrets here, as they would with Barbican. */
class DoorTest {
  private static final Map<String, String> KEYSTONE = new ConcurrentHashMap<>();
  private static final AtomicInteger ASKED = new AtomicInteger();
  private static final String ALICE = token("alice", "p1", "member");
  private static final String BOB = token("bob", "p1", "member");
  private static final String ADMIN = token("root", "p1", "admin");
  private static final String READER = token("rita", "p1", "reader");
  private static final String NOBODY = token("nobody", "p1", "swimmer");
  private static final String OTHER = token("olga", "p2", "member");
  private static final String CLOSED = token("clara", "p3", "admin");

  @TempDir static Path directory;
  private static HttpServer keystone;
  private static TestServer server;
  private static HttpClient http;
  private static String base;

  /** What an answer holds. */
  private record Answer(int status, String type, byte[] body, HttpResponse<byte[]> raw) {
    JsonObject json() throws Exception {
      return JsonObject.parse(body, Set.of());
    }

    String text() {
      return new String(body, UTF_8);
    }
  }

  private static String token(String user, String project, String role) {
    String token = "gAAAAA" + HexFormat.of().formatHex(RandomBytes.of(20));
    KEYSTONE.put(
        token,
        """
        {"token":{"expires_at":"%s","user":{"id":"%s","name":"x"},
         "project":{"id":"%s"},"roles":[{"id":"1","name":"%s"}]}}\
        """
            .formatted(Instant.now().plus(Duration.ofHours(8)), user, project, role));
    return token;
  }

  @BeforeAll
  static void start() throws Exception {
    keystone = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    keystone.createContext(
        "/v3/auth/tokens",
        exchange -> {
          ASKED.incrementAndGet();
          String known = KEYSTONE.get(exchange.getRequestHeaders().getFirst("X-Subject-Token"));
          byte[] body = (known == null ? "{}" : known).getBytes(UTF_8);
          exchange.sendResponseHeaders(known == null ? 404 : 200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    keystone.start();
    server =
        new TestServer(
            directory.resolve("home"),
            TestServer.LIMITS,
            "{\"keystone\":{\"url\":\"http://127.0.0.1:%d\"}}"
                .formatted(keystone.getAddress().getPort()),
            true);
    server.makeBox("cinder", "project:p1");
    server
        .operator()
        .ok(
            "POST",
            "/v1/owners",
            "{\"name\":\"project:p2\",\"members\":[{\"identity\":\"client:x\",\"role\":\"admin\"}]}");
    for (String owner : List.of("project:p1", "project:p2")) {
      server
          .operator()
          .ok(
              "PUT",
              "/v1/owners/" + owner + "/door",
              """
              {"service":"cinder","roles":{"admin":"admin","member":"user","reader":"reader"}}\
              """);
    }
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("ca", Pem.readCertificate(server.home.authority()));
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    factory.init(trusted);
    SSLContext context = SSLContext.getInstance("TLSv1.3");
    context.init(null, factory.getTrustManagers(), null);
    http = HttpClient.newBuilder().sslContext(context).version(HttpClient.Version.HTTP_1_1).build();
    base = "https://127.0.0.1:" + server.server().doorPort();
  }

  @AfterAll
  static void stop() throws IOException {
    http.close();
    server.close();
    keystone.stop(0);
  }

  private static Answer send(
      @Nullable String token, String method, String path, byte @Nullable [] body, String... headers)
      throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(path.startsWith("https:") ? path : base + path))
            .timeout(Duration.ofSeconds(60))
            .method(
                method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
    if (token != null) {
      request.header("X-Auth-Token", token);
    }
    if (headers.length > 0) {
      request.headers(headers);
    }
    HttpResponse<byte[]> response = http.send(request.build(), BodyHandlers.ofByteArray());
    return new Answer(
        response.statusCode(),
        response.headers().firstValue("Content-Type").orElse(""),
        response.body(),
        response);
  }

  private static Answer json(String token, String method, String path, String json)
      throws Exception {
    return send(token, method, path, json.getBytes(UTF_8), "Content-Type", "application/json");
  }

  private static Answer get(String token, String path) throws Exception {
    return send(token, "GET", path, null, "Accept", "application/json");
  }

  private static JsonObject expect(int status, Answer answer) throws Exception {
    assertEquals(status, answer.status(), answer.text());
    return answer.body().length == 0 ? new JsonObject() : answer.json();
  }

  /** A refusal in Barbican's form. */
  private static void refused(int status, String words, Answer answer) throws Exception {
    JsonObject problem = expect(status, answer);
    assertEquals(status, problem.integer("code", 0, 999));
    assertFalse(problem.string("title").isEmpty());
    assertTrue(problem.string("description").contains(words), problem.string("description"));
    assertEquals(Set.of("code", "title", "description"), problem.names());
  }

  private static String store(String token, String name, String text) throws Exception {
    return expect(
            201,
            json(
                token,
                "POST",
                "/v1/secrets/",
                "{\"name\":\"%s\",\"payload\":\"%s\",\"payload_content_type\":\"text/plain\"}"
                    .formatted(name, text)))
        .string("secret_ref");
  }

  private static String log() throws IOException {
    return Files.readString(server.home.auditLog());
  }

  @Nested
  class A_secret {
    @Test
    void is_stored_in_one_step_and_given_back_byte_by_byte() throws Exception {
      byte[] key = RandomBytes.of(32);
      String ref =
          expect(
                  201,
                  json(
                      ALICE,
                      "POST",
                      "/v1/secrets/",
                      """
                      {"name":"volume key","algorithm":"aes","mode":"xts","bit_length":256,
                       "secret_type":"symmetric","payload":"%s",
                       "payload_content_type":"application/octet-stream",
                       "payload_content_encoding":"base64"}\
                      """
                          .formatted(Base64.getEncoder().encodeToString(key))))
              .string("secret_ref");
      assertTrue(ref.startsWith(base + "/v1/secrets/"), ref);
      JsonObject secret = expect(200, get(ALICE, ref));
      assertEquals("volume key", secret.string("name"));
      assertEquals("ACTIVE", secret.string("status"));
      assertEquals("aes", secret.string("algorithm"));
      assertEquals("xts", secret.string("mode"));
      assertEquals(256, secret.integer("bit_length", 0, 999));
      assertEquals("symmetric", secret.string("secret_type"));
      assertEquals("alice", secret.string("creator_id"));
      assertEquals("application/octet-stream", secret.object("content_types").string("default"));
      assertFalse(secret.names().contains("payload"));
      Answer payload =
          send(ALICE, "GET", ref + "/payload", null, "Accept", "application/octet-stream");
      assertEquals("application/octet-stream", payload.type());
      assertArrayEquals(key, payload.body());
      refused(406, "type", send(ALICE, "GET", ref + "/payload", null, "Accept", "image/png"));
    }

    @Test
    void is_given_as_text_if_it_is_text_whatever_it_was_stored_as() throws Exception {
      for (boolean text : new boolean[] {true, false}) {
        byte[] bytes = text ? "pässword".getBytes(UTF_8) : new byte[] {(byte) 0xff, 0, (byte) 0xfe};
        String ref =
            expect(
                    201,
                    json(
                        ALICE,
                        "POST",
                        "/v1/secrets/",
                        """
                        {"payload":"%s","payload_content_type":"application/octet-stream",
                         "payload_content_encoding":"base64"}\
                        """
                            .formatted(Base64.getEncoder().encodeToString(bytes))))
                .string("secret_ref");
        Answer answer = send(ALICE, "GET", ref + "/payload", null, "Accept", "text/plain");
        if (text) {
          assertEquals(200, answer.status(), answer.text());
          assertTrue(answer.type().startsWith("text/plain"), answer.type());
          assertArrayEquals(bytes, answer.body());
        } else {
          refused(406, "type", answer);
        }
      }
      String ref =
          expect(
                  201,
                  json(
                      ALICE,
                      "POST",
                      "/v1/secrets/",
                      "{\"payload\":\"words\",\"payload_content_type\":\"text/plain\"}"))
              .string("secret_ref");
      Answer answer =
          send(ALICE, "GET", ref + "/payload", null, "Accept", "application/octet-stream");
      assertEquals("application/octet-stream", answer.type());
      assertEquals("words", answer.text());
    }

    @Test
    void is_stored_in_two_steps() throws Exception {
      String ref =
          expect(201, json(ALICE, "POST", "/v1/secrets", "{\"name\":\"later\"}"))
              .string("secret_ref");
      assertFalse(expect(200, get(ALICE, ref)).has("content_types"));
      refused(404, "no payload", get(ALICE, ref + "/payload"));
      byte[] text = "déjà vu".getBytes(UTF_8);
      assertEquals(204, send(ALICE, "PUT", ref, text, "Content-Type", "text/plain").status());
      assertArrayEquals(
          text, send(ALICE, "GET", ref + "/payload", null, "Accept", "text/plain").body());
      refused(409, "payload already", send(ALICE, "PUT", ref, text, "Content-Type", "text/plain"));
      String binary =
          expect(201, json(ALICE, "POST", "/v1/secrets", "{\"name\":\"bytes\"}"))
              .string("secret_ref");
      byte[] key = RandomBytes.of(16);
      assertEquals(
          204,
          send(ALICE, "PUT", binary, key, "Content-Type", "application/octet-stream").status());
      assertArrayEquals(key, send(ALICE, "GET", binary + "/payload", null).body());
    }

    @Test
    void is_refused_when_it_makes_no_sense() throws Exception {
      refused(
          400, "payload_content_type", json(ALICE, "POST", "/v1/secrets", "{\"payload\":\"x\"}"));
      refused(
          400,
          "empty",
          json(
              ALICE,
              "POST",
              "/v1/secrets",
              "{\"payload\":\"\",\"payload_content_type\":\"text/plain\"}"));
      refused(
          400,
          "base64",
          json(
              ALICE,
              "POST",
              "/v1/secrets",
              """
              {"payload":"===%","payload_content_encoding":"base64",
               "payload_content_type":"application/octet-stream"}\
              """));
      refused(
          400,
          "past",
          json(ALICE, "POST", "/v1/secrets", "{\"expiration\":\"2001-01-01T00:00:00\"}"));
      refused(
          400,
          "secret_type",
          json(ALICE, "POST", "/v1/secrets", "{\"secret_type\":\"public key\"}"));
      refused(400, "not known here", json(ALICE, "POST", "/v1/secrets", "{\"nmae\":\"typo\"}"));
      refused(400, "JSON", json(ALICE, "POST", "/v1/secrets", "{"));
      refused(
          413,
          "too large",
          json(
              ALICE,
              "POST",
              "/v1/secrets",
              "{\"payload\":\"%s\",\"payload_content_type\":\"text/plain\"}"
                  .formatted("x".repeat(20_001))));
      refused(415, "JSON", send(ALICE, "POST", "/v1/secrets", new byte[1]));
      refused(404, "no such address", get(ALICE, "/v1/nonsense"));
      refused(405, "knows no", send(ALICE, "PATCH", "/v1/secrets", new byte[1]));
      refused(
          404, "no such secret", get(ALICE, "/v1/secrets/00000000-0000-0000-0000-00000000000a"));
      refused(400, "id", get(ALICE, "/v1/secrets/volume-1"));
    }

    @Test
    void is_listed_by_pages_and_by_what_it_is() throws Exception {
      String mine = token("lister", "p2", "member");
      for (int i = 0; i < 12; i++) {
        store(mine, "n" + i % 3, "text " + i);
      }
      JsonObject first = expect(200, get(mine, "/v1/secrets?limit=5&name=n1"));
      assertEquals(4, first.integer("total", 0, 99));
      assertEquals(4, first.objects("secrets").size());
      JsonObject page = expect(200, get(mine, "/v1/secrets?limit=5"));
      long total = page.integer("total", 0, 99);
      assertTrue(total >= 12);
      assertFalse(page.has("previous"));
      int seen = page.objects("secrets").size();
      while (page.has("next")) {
        page = expect(200, get(mine, page.string("next")));
        seen += page.objects("secrets").size();
        assertTrue(page.has("previous"));
      }
      assertEquals(total, seen);
      JsonObject sorted = expect(200, get(mine, "/v1/secrets?limit=100&sort=name:desc"));
      assertEquals("n2", sorted.objects("secrets").getFirst().string("name"));
      assertEquals(
          0, expect(200, get(mine, "/v1/secrets?created=lt:2001-01-01")).integer("total", 0, 9));
      assertEquals(0, expect(200, get(mine, "/v1/secrets?limit=0")).objects("secrets").size());
      refused(400, "limit", get(mine, "/v1/secrets?limit=-1"));
    }

    @Test
    void is_gone_when_it_has_expired_or_was_deleted() throws Exception {
      String ref =
          expect(
                  201,
                  json(
                      ALICE,
                      "POST",
                      "/v1/secrets",
                      """
                      {"name":"brief","expiration":"%s","payload":"a","payload_content_type":
                       "text/plain"}\
                      """
                          .formatted(server.clock.instant().plusSeconds(600))))
              .string("secret_ref");
      assertTrue(expect(200, get(ALICE, ref)).has("expiration"));
      server.clock.advance(Duration.ofMinutes(11));
      refused(404, "no such secret", get(ALICE, ref));
      refused(404, "no such secret", get(ALICE, ref + "/payload"));
      String other = store(ALICE, "to delete", "b");
      assertEquals(204, send(ALICE, "DELETE", other, null).status());
      refused(404, "no such secret", get(ALICE, other));
      refused(404, "no such secret", send(ALICE, "DELETE", other, null));
    }

    @Test
    void has_notes() throws Exception {
      String ref = store(ALICE, "noted", "c");
      expect(
          201,
          json(ALICE, "PUT", ref + "/metadata", "{\"metadata\":{\"Use\":\"volume\",\"a\":\"b\"}}"));
      expect(201, json(ALICE, "POST", ref + "/metadata", "{\"key\":\"x\",\"value\":\"1\"}"));
      refused(
          409,
          "already",
          json(ALICE, "POST", ref + "/metadata", "{\"key\":\"x\",\"value\":\"1\"}"));
      expect(200, json(ALICE, "PUT", ref + "/metadata/x", "{\"key\":\"x\",\"value\":\"2\"}"));
      assertEquals("2", expect(200, get(ALICE, ref + "/metadata/x")).string("value"));
      assertEquals(204, send(ALICE, "DELETE", ref + "/metadata/a", null).status());
      assertEquals(
          Set.of("use", "x"),
          expect(200, get(ALICE, ref + "/metadata")).object("metadata").names());
      refused(404, "noted", get(ALICE, ref + "/metadata/a"));
    }

    @Test
    void is_an_ordinary_key_that_endpoints_are_given_wrapped() throws Exception {
      String id = store(ALICE, "both ways", "in a lock box").replaceAll(".*/", "");
      JsonObject wrapped =
          server
              .as("client:alice")
              .ok("GET", "/v1/services/cinder/owners/project:p1/keys/" + id + "/wrapped", null);
      assertEquals(id, wrapped.string("id"));
      assertFalse(
          new String(wrapped.bytes("wrapped"), java.nio.charset.StandardCharsets.ISO_8859_1)
              .contains("in a lock box"));
    }

    @Test
    void is_readable_after_its_master_key_was_rotated_and_the_server_restarted() throws Exception {
      String ref = store(ALICE, "old", "still here");
      server.operator().ok("POST", "/v1/services/cinder/rotate", "{}");
      assertEquals("still here", send(ALICE, "GET", ref + "/payload", null).text());
    }
  }

  @Nested
  class Access {
    @Test
    void needs_a_token_that_keystone_accepts() throws Exception {
      Answer none = send(null, "GET", "/v1/secrets", null);
      refused(401, "X-Auth-Token", none);
      assertTrue(
          none.raw()
              .headers()
              .firstValue("WWW-Authenticate")
              .orElse("")
              .startsWith("Keystone uri="));
      String wrong = "gAAAAAforgedforgedforged";
      refused(401, "does not accept", get(wrong, "/v1/secrets"));
      assertFalse(log().contains(wrong), "the log quotes the token");
      refused(403, "not open for your project", get(CLOSED, "/v1/secrets"));
      refused(403, "no role", get(NOBODY, "/v1/secrets"));
    }

    @Test
    void asks_keystone_again_only_after_a_while() throws Exception {
      String often = token("often", "p1", "member");
      get(often, "/v1/secrets");
      int asked = ASKED.get();
      for (int i = 0; i < 5; i++) {
        assertEquals(200, get(often, "/v1/secrets").status());
      }
      assertEquals(asked, ASKED.get());
      KEYSTONE.remove(often);
      server.clock.advance(TokenCache.LIFETIME);
      refused(401, "does not accept", get(often, "/v1/secrets"));
    }

    @Test
    void follows_the_role_in_the_project() throws Exception {
      String ref = store(ALICE, "roles", "d");
      assertEquals("d", send(READER, "GET", ref + "/payload", null).text());
      refused(403, "role", json(READER, "POST", "/v1/secrets", "{\"name\":\"x\"}"));
      refused(403, "role", send(READER, "DELETE", ref, null));
      refused(403, "role", json(BOB, "PUT", ref + "/acl", "{\"read\":{\"users\":[\"bob\"]}}"));
      refused(403, "may not see", get(OTHER, ref));
      refused(403, "may not see", send(OTHER, "DELETE", ref, null));
      refused(403, "may not see", get(NOBODY, ref));
      assertEquals(204, send(BOB, "DELETE", ref, null).status());
      refused(404, "no such secret", send(OTHER, "DELETE", ref, null));
    }

    @Test
    void to_a_private_secret_is_its_makers_its_readers_and_the_admins() throws Exception {
      String ref = store(ALICE, "mine", "e");
      assertTrue(
          expect(200, get(ALICE, ref + "/acl")).object("read").bool("project-access", false));
      assertEquals(
          ref + "/acl",
          expect(
                  200,
                  json(
                      ALICE,
                      "PUT",
                      ref + "/acl",
                      "{\"read\":{\"users\":[\"olga\"],\"project-access\":false}}"))
              .string("acl_ref"));
      refused(403, "may not see", get(BOB, ref));
      refused(403, "may not see", send(BOB, "DELETE", ref, null));
      assertEquals("e", send(ADMIN, "GET", ref + "/payload", null).text());
      assertEquals("e", send(OTHER, "GET", ref + "/payload", null).text());
      refused(403, "role", send(OTHER, "DELETE", ref, null));
      // The same for members of the project who come with a certificate.
      String key = "/v1/services/cinder/owners/project:p1/keys/" + ref.replaceAll(".*/", "");
      assertEquals(404, server.as("client:bob").get(key + "/wrapped").status());
      assertEquals(200, server.as("client:alice").get(key + "/wrapped").status());
      expect(200, json(ALICE, "PATCH", ref + "/acl", "{\"read\":{\"users\":[\"carl\"]}}"));
      refused(403, "may not see", get(OTHER, ref));
      JsonObject read = expect(200, get(ALICE, ref + "/acl")).object("read");
      assertEquals(List.of("carl"), read.strings("users"));
      assertFalse(read.bool("project-access", true));
      assertEquals(200, send(ALICE, "DELETE", ref + "/acl", null).status());
      assertEquals("e", send(BOB, "GET", ref + "/payload", null).text());
      assertEquals(200, server.as("client:bob").get(key + "/wrapped").status());
    }

    @Test
    void ends_when_an_operator_closes_the_door() throws Exception {
      String ref = store(OTHER, "closing", "f");
      assertEquals(
          403,
          server.as("client:alice").send("DELETE", "/v1/owners/project:p2/door", null).status());
      server.operator().ok("DELETE", "/v1/owners/project:p2/door", null);
      refused(403, "not open", get(OTHER, ref));
      server
          .operator()
          .ok(
              "PUT",
              "/v1/owners/project:p2/door",
              "{\"service\":\"cinder\",\"roles\":{\"member\":\"user\"}}");
      assertEquals("f", send(OTHER, "GET", ref + "/payload", null).text());
      assertTrue(server.as("auditor:a").get("/v1/doors").text().contains("project:p2"));
    }

    @Test
    void is_in_the_audit_log_without_the_secret() throws Exception {
      String ref = store(ALICE, "logged", "a very secret text");
      send(ALICE, "GET", ref + "/payload", null);
      String id = ref.replaceAll(".*/", "");
      String log = log();
      assertTrue(
          log.lines()
              .anyMatch(line ->
                  line.contains("\"door.secret.payload.get\"")
                      && line.contains(id)
                      && line.contains("client:keystone-alice")
                      && line.contains("given in clear")));
      assertTrue(
          log.lines()
              .anyMatch(line -> line.contains("\"door.secret.create\"") && line.contains(id)));
      assertFalse(log.contains("a very secret text"));
      assertFalse(log.contains(ALICE));
      try (var files = Files.list(server.home.directory())) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          assertFalse(
              new String(Files.readAllBytes(file), java.nio.charset.StandardCharsets.ISO_8859_1)
                  .contains("a very secret text"),
              file.toString());
        }
      }
    }

    @Test
    void is_bounded_by_the_quota() throws Exception {
      server
          .operator()
          .ok(
              "POST",
              "/v1/owners",
              "{\"name\":\"project:p4\",\"members\":[{\"identity\":\"client:x\",\"role\":\"admin\"}]}");
      server.operator().ok("PUT", "/v1/owners/project:p4/quota", "{\"keys\":2}");
      server
          .operator()
          .ok(
              "PUT",
              "/v1/owners/project:p4/door",
              "{\"service\":\"cinder\",\"roles\":{\"member\":\"user\"}}");
      String quentin = token("quentin", "p4", "member");
      store(quentin, "1", "g");
      store(quentin, "2", "h");
      refused(403, "quota", json(quentin, "POST", "/v1/secrets", "{\"name\":\"3\"}"));
      assertEquals(
          2, expect(200, get(quentin, "/v1/quotas")).object("quotas").integer("secrets", 0, 99));
    }
  }

  @Nested
  class Orders_and_containers {
    @Test
    void make_symmetric_keys() throws Exception {
      String ref =
          expect(
                  202,
                  json(
                      ALICE,
                      "POST",
                      "/v1/orders/",
                      """
                      {"type":"key","meta":{"name":"vol","algorithm":"aes","bit_length":512,
                       "mode":null,"payload_content_type":"application/octet-stream"}}\
                      """))
              .string("order_ref");
      JsonObject order = expect(200, get(ALICE, ref));
      assertEquals("ACTIVE", order.string("status"));
      assertEquals("key", order.string("type"));
      assertEquals(512, order.object("meta").integer("bit_length", 0, 999));
      byte[] key = send(ALICE, "GET", order.string("secret_ref") + "/payload", null).body();
      assertEquals(64, key.length);
      assertTrue(
          expect(200, get(ALICE, "/v1/orders?limit=100")).objects("orders").stream()
              .anyMatch(each -> each.toString().contains("order_ref")));
      assertEquals(204, send(ALICE, "DELETE", ref, null).status());
      assertEquals(200, get(ALICE, order.string("secret_ref")).status());
      refused(
          400,
          "not carried out",
          json(ALICE, "POST", "/v1/orders", "{\"type\":\"certificate\",\"meta\":{}}"));
    }

    @Test
    void make_rsa_key_pairs() throws Exception {
      String ref =
          expect(
                  202,
                  json(
                      ALICE,
                      "POST",
                      "/v1/orders/",
                      """
                      {"type":"asymmetric","meta":{"name":"pair","algorithm":"rsa",
                       "bit_length":2048}}\
                      """))
              .string("order_ref");
      JsonObject container =
          expect(200, get(ALICE, expect(200, get(ALICE, ref)).string("container_ref")));
      assertEquals("rsa", container.string("type"));
      assertEquals(2, container.objects("secret_refs").size());
      for (JsonObject each : container.objects("secret_refs")) {
        String pem = send(ALICE, "GET", each.string("secret_ref") + "/payload", null).text();
        assertTrue(pem.startsWith("-----BEGIN P"), pem.substring(0, 20));
      }
    }

    @Test
    void hold_secrets_together() throws Exception {
      String one = store(ALICE, "one", "i");
      String two = store(ALICE, "two", "j");
      String ref =
          expect(
                  201,
                  json(
                      ALICE,
                      "POST",
                      "/v1/containers/",
                      """
                      {"name":"tls","type":"certificate","secret_refs":[
                       {"name":"certificate","secret_ref":"%s"},
                       {"name":"private_key","secret_ref":"%s"}]}\
                      """
                          .formatted(one, two)))
              .string("container_ref");
      JsonObject container = expect(200, get(ALICE, ref));
      assertEquals(one, container.objects("secret_refs").getFirst().string("secret_ref"));
      refused(
          400,
          "missing",
          json(
              ALICE,
              "POST",
              "/v1/containers",
              "{\"type\":\"rsa\",\"secret_refs\":[{\"name\":\"public_key\",\"secret_ref\":\"%s\"}]}"
                  .formatted(one)));
      refused(
          403,
          "may not see",
          json(
              OTHER,
              "POST",
              "/v1/containers",
              "{\"type\":\"generic\",\"secret_refs\":[{\"name\":\"a\",\"secret_ref\":\"%s\"}]}"
                  .formatted(one)));
      String consumer = "{\"name\":\"lb\",\"URL\":\"https://lb.example/1\"}";
      assertEquals(
          1,
          expect(200, json(ALICE, "POST", ref + "/consumers", consumer))
              .objects("consumers")
              .size());
      refused(409, "consumers", send(ALICE, "DELETE", ref, null));
      assertEquals(1, expect(200, get(ALICE, ref + "/consumers")).integer("total", 0, 9));
      expect(200, json(ALICE, "DELETE", ref + "/consumers", consumer));
      assertEquals(204, send(ALICE, "DELETE", ref, null).status());
      assertEquals(200, get(ALICE, one).status());
    }

    @Test
    void do_not_lose_a_secret_that_somebody_needs() throws Exception {
      String ref = store(ALICE, "needed", "k");
      String consumer =
          "{\"service\":\"cinder\",\"resource_type\":\"volume\",\"resource_id\":\"v1\"}";
      expect(200, json(ALICE, "POST", ref + "/consumers", consumer));
      refused(409, "in use", send(ALICE, "DELETE", ref, null));
      String key = "/v1/services/cinder/owners/project:p1/keys/" + ref.replaceAll(".*/", "");
      assertEquals(409, server.as("client:alice").send("DELETE", key, null).status());
      Answer shown =
          send(
              ALICE,
              "GET",
              ref,
              null,
              "Accept",
              "application/json",
              "OpenStack-API-Version",
              "key-manager 1.1");
      assertEquals(1, shown.json().objects("consumers").size());
      assertFalse(get(ALICE, ref).json().names().contains("consumers"));
      expect(200, json(ALICE, "DELETE", ref + "/consumers", consumer));
      refused(404, "no such consumer", json(ALICE, "DELETE", ref + "/consumers", consumer));
      assertEquals(204, send(ALICE, "DELETE", ref, null).status());
    }
  }

  @Test
  void versions_are_told_without_a_token() throws Exception {
    Answer root = send(null, "GET", "/", null);
    assertEquals(300, root.status());
    assertEquals("v1", root.json().object("versions").objects("values").getFirst().string("id"));
    assertEquals(200, send(null, "GET", "/v1/", null).status());
    assertNotEquals(200, send(null, "GET", "/v2", null).status());
  }

  @Test
  void a_door_without_keystone_does_not_start(@TempDir Path other) throws Exception {
    try (TestServer plain = new TestServer(other.resolve("home"))) {
      plain.server().close();
      IOException refused =
          assertThrows(
              IOException.class,
              () ->
                  KeyServer.start(
                      plain.home,
                      plain.home.listen(),
                      new ServerHome.Listen("127.0.0.1", 0),
                      TestServer.LIMITS,
                      KeyServer.GRACE,
                      Clock.systemUTC()));
      assertTrue(String.valueOf(refused.getMessage()).contains("logins.json"));
    }
  }
}
