package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import io.coffer.crypto.RandomBytes;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.TestServer.Answer;
import io.coffer.keyserver.server.TestServer.Client;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A node shows somebody's credential and is given a token in that somebody's name. */
class LoginTest {
  private static final String BOX = "/v1/services/hpc/owners/project:a/keys";
  private static final Map<String, String> KEYSTONE = new ConcurrentHashMap<>();
  private static final AtomicInteger KEYSTONE_STATUS = new AtomicInteger(200);

  @TempDir static Path directory;
  private static HttpServer fake;
  private static KeyPair rsa;
  private static KeyPair ec;
  private static TestServer server;
  private static Client node;
  private static String key;

  @BeforeAll
  static void start() throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    rsa = generator.generateKeyPair();
    generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    ec = generator.generateKeyPair();
    fake = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    fake.createContext(
        "/v3/auth/tokens",
        exchange -> {
          String subject = exchange.getRequestHeaders().getFirst("X-Subject-Token");
          String auth = exchange.getRequestHeaders().getFirst("X-Auth-Token");
          String known = KEYSTONE.get(subject);
          int status = known == null || !subject.equals(auth) ? 404 : KEYSTONE_STATUS.get();
          byte[] body = (known == null ? "{\"error\":{\"code\":404}}" : known).getBytes(UTF_8);
          exchange.sendResponseHeaders(status, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    fake.createContext(
        "/jwks",
        exchange -> {
          byte[] body = jwks().getBytes(UTF_8);
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    fake.start();
    String url = "http://127.0.0.1:" + fake.getAddress().getPort();
    String logins =
        """
        {"munge":{"socket":"%s"},
         "oidc":{"issuer":"https://issuer.example","audience":"coffer","keys":"%s/jwks"},
         "keystone":{"url":"%s"}}
        """
            .formatted(directory.resolve("munge/socket"), url, url);
    server = new TestServer(directory.resolve("home"), TestServer.LIMITS, logins);
    server.operator().ok("POST", "/v1/services", "{\"name\":\"hpc\"}");
    server
        .operator()
        .ok(
            "POST",
            "/v1/owners",
            """
            {"name":"project:a","members":[{"identity":"client:alice","role":"admin"},
             {"identity":"client:uid-0","role":"reader"},
             {"identity":"client:oidc-carol","role":"reader"},
             {"identity":"client:keystone-0a1b","role":"reader"}]}\
            """);
    key = BOX + "/" + server.as("client:alice").ok("POST", BOX, "{}").string("id") + "/wrapped";
    node = server.as("endpoint:node1");
  }

  @AfterAll
  static void stop() throws IOException {
    server.close();
    fake.stop(0);
  }

  private static Answer exchange(Client who, String kind, String credential, String more)
      throws Exception {
    String json =
        new String(
            new JsonObject().put("kind", kind).put("credential", credential).toBytes(), UTF_8);
    return who.post("/v1/tokens/exchange", json.substring(0, json.length() - 1) + more + "}");
  }

  private static int read(Client who, String token) throws Exception {
    return who.http()
        .send(
            HttpRequest.newBuilder(URI.create(who.base() + key))
                .header("Authorization", "Bearer " + token)
                .build(),
            BodyHandlers.discarding())
        .statusCode();
  }

  private static void assertRefused(int status, String words, String credential, Answer answer)
      throws Exception {
    assertEquals(status, answer.status(), answer.text());
    assertTrue(answer.text().contains(words), answer.text());
    assertFalse(answer.json().string("detail").isEmpty());
    String log = Files.readString(server.home.auditLog());
    String last = log.substring(log.lastIndexOf("\n", log.length() - 2) + 1);
    assertTrue(last.contains("\"action\":\"token.exchange\""), last);
    assertTrue(last.contains("\"outcome\":\"refused\""), last);
    if (credential.length() > 12) {
      String secret = credential.substring(credential.length() / 2);
      assertFalse(log.contains(secret), "the log quotes the credential");
      assertFalse(answer.text().contains(secret), "the answer quotes the credential");
    }
  }

  // --- OIDC --------------------------------------------------------------------------------------

  private static String base64(byte[] bytes) {
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  private static String base64(BigInteger number, int length) {
    byte[] bytes = number.toByteArray();
    byte[] fixed = new byte[length];
    int n = Math.min(length, bytes.length);
    System.arraycopy(bytes, bytes.length - n, fixed, length - n, n);
    return base64(fixed);
  }

  private static String jwks() {
    RSAPublicKey r = (RSAPublicKey) rsa.getPublic();
    ECPublicKey e = (ECPublicKey) ec.getPublic();
    return """
    {"keys":[{"kty":"RSA","kid":"r","use":"sig","n":"%s","e":"AQAB"},
     {"kty":"EC","kid":"e","crv":"P-256","x":"%s","y":"%s"},
     {"kty":"oct","kid":"o","k":"c2VjcmV0"}]}\
    """
        .formatted(
            base64(r.getModulus(), 256),
            base64(e.getW().getAffineX(), 32),
            base64(e.getW().getAffineY(), 32));
  }

  private static String jwt(String header, String claims, KeyPair pair) throws Exception {
    String text = base64(header.getBytes(UTF_8)) + "." + base64(claims.getBytes(UTF_8));
    Signature signature =
        Signature.getInstance(pair == rsa ? "SHA256withRSA" : "SHA256withECDSAinP1363Format");
    signature.initSign(pair.getPrivate());
    signature.update(text.getBytes(UTF_8));
    return text + "." + base64(signature.sign());
  }

  private static String claims(long from, long to) {
    long now = server.clock.instant().getEpochSecond();
    return """
    {"iss":"https://issuer.example","aud":["x","coffer"],"sub":"Carol","iat":%d,"exp":%d,\
    "jti":"%s"}\
    """
        .formatted(now + from, now + to, base64(RandomBytes.of(9)));
  }

  private static final String RS256 = "{\"alg\":\"RS256\",\"kid\":\"r\"}";
  private static final String ES256 = "{\"alg\":\"ES256\",\"kid\":\"e\"}";

  @Nested
  class AJsonWebToken {
    @Test
    void isExchangedOnceForATokenThatLivesNoLonger() throws Exception {
      for (String token : List.of(jwt(RS256, claims(0, 60), rsa), jwt(ES256, claims(0, 60), ec))) {
        JsonObject issued = exchange(node, "oidc", token, ",\"seconds\":900").json();
        assertEquals("client:oidc-carol", issued.string("subject"));
        assertTrue(issued.integer("seconds", 1, 900) <= 60);
        assertEquals(200, read(node, issued.string("token")));
        assertEquals(401, read(server.as("endpoint:node2"), issued.string("token")), "bound");
        assertRefused(401, "used before", token, exchange(node, "oidc", token, ""));
      }
      String log = Files.readString(server.home.auditLog());
      assertTrue(log.contains("oidc credential of client:oidc-carol"), "logged");
    }

    @Test
    void thatIsNotRightInEveryRespectIsRefused() throws Exception {
      String good = jwt(RS256, claims(0, 60), rsa);
      String[] parts = good.split("\\.", -1);
      String c = claims(0, 60);
      Object[][] bad = {
        {jwt(RS256, claims(-100, -1), rsa), "expired"},
        {jwt(RS256, claims(600, 900), rsa), "not good yet"},
        {jwt(RS256, c.replace("issuer.example", "evil.example"), rsa), "another issuer"},
        {jwt(RS256, c.replace("coffer", "other"), rsa), "somebody else"},
        {jwt(RS256, c.replace("\"exp\"", "\"expp\""), rsa), "no JSON Web Token"},
        {jwt(RS256, c.replace("Carol", "../Carol"), rsa), "cannot be a name"},
        {jwt(RS256, claims(0, 60), ec), "signature"},
        {jwt("{\"alg\":\"ES256\",\"kid\":\"r\"}", c, rsa), "algorithm"},
        {jwt("{\"alg\":\"HS256\",\"kid\":\"r\"}", c, rsa), "algorithm"},
        {jwt("{\"alg\":\"RS256\",\"kid\":\"o\"}", c, rsa), "not one of the issuer's"},
        {jwt("{\"alg\":\"RS256\",\"kid\":\"z\"}", c, rsa), "not one of the issuer's"},
        {jwt("{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":[\"x\"]}", c, rsa), "no JSON Web Token"},
        {
          base64("{\"alg\":\"none\",\"kid\":\"r\"}".getBytes(UTF_8)) + "." + parts[1] + ".", "algor"
        },
        {parts[0] + "." + base64(claims(0, 9000).getBytes(UTF_8)) + "." + parts[2], "signature"},
        {parts[0] + "." + parts[1] + ".", "signature"},
        {parts[0] + "." + parts[1], "no JSON Web Token"},
        {"x.y.z", "no JSON Web Token"},
        {"a".repeat(20_000) + ".b.c", "no JSON Web Token"},
      };
      for (Object[] each : bad) {
        String token = (String) each[0];
        assertRefused(401, (String) each[1], token, exchange(node, "oidc", token, ""));
      }
      assertEquals(413, exchange(node, "oidc", "a".repeat(70_000), "").status(), "oversized");
      assertRefused(404, "no such login", "", exchange(node, "kerberos", "x", ""));
    }
  }

  // --- Keystone ----------------------------------------------------------------------------------

  private static String keystoneToken(String user, String project, Instant end) {
    String token = "gAAAAA" + base64(RandomBytes.of(60));
    KEYSTONE.put(
        token,
        """
        {"token":{"methods":["password"],"expires_at":"%s","issued_at":"2026-01-01T00:00:00.000000Z",
         "user":{"id":"%s","name":"dana","domain":{"id":"default","name":"Default"}}%s,
         "roles":[{"id":"1","name":"member"}]}}\
        """
            .formatted(
                end,
                user,
                project.isEmpty()
                    ? ""
                    : ",\"project\":{\"id\":\"" + project + "\",\"name\":\"p\"}"));
    return token;
  }

  @Nested
  class AKeystoneToken {
    @Test
    void isValidatedAtKeystoneAndReachesItsProjectOnly() throws Exception {
      Instant end = server.clock.instant().plusSeconds(300);
      String token = keystoneToken("0A1B", "a", end);
      JsonObject issued = exchange(node, "keystone", token, "").json();
      assertEquals("client:keystone-0a1b", issued.string("subject"));
      assertEquals(List.of("project:a"), issued.strings("owners"));
      assertTrue(issued.integer("seconds", 1, 900) <= 300);
      assertEquals(200, read(node, issued.string("token")));
      assertEquals(201, exchange(node, "keystone", token, "").status(), "again, as Keystone's are");
      String other = keystoneToken("0a1b", "b", end);
      JsonObject elsewhere = exchange(node, "keystone", other, "").json();
      assertEquals(403, read(node, elsewhere.string("token")), "another project");
      assertRefused(
          403,
          "does not reach",
          other,
          exchange(node, "keystone", other, ",\"owners\":[\"project:a\"]"));
      String stranger = keystoneToken("ffff", "a", end);
      assertEquals(
          404,
          read(node, exchange(node, "keystone", stranger, "").json().string("token")),
          "a user who is no member of the owner");
    }

    @Test
    void thatIsUnknownExpiredOrCannotBeValidatedIsRefused() throws Exception {
      String unknown = "gAAAAA" + base64(RandomBytes.of(60));
      assertRefused(401, "does not accept", unknown, exchange(node, "keystone", unknown, ""));
      String late = keystoneToken("0a1b", "a", server.clock.instant().minusSeconds(1));
      assertRefused(401, "expired", late, exchange(node, "keystone", late, ""));
      assertRefused(
          401, "no Keystone token", "", exchange(node, "keystone", "a b\\r\\nX-Evil: 1", ""));
      String fine = keystoneToken("0a1b", "a", server.clock.instant().plusSeconds(300));
      KEYSTONE_STATUS.set(500);
      try {
        assertRefused(503, "status 500", fine, exchange(node, "keystone", fine, ""));
      } finally {
        KEYSTONE_STATUS.set(200);
      }
      KEYSTONE.put(fine, "{\"token\":[]}");
      assertRefused(503, "malformed", fine, exchange(node, "keystone", fine, ""));
    }
  }

  // --- munge -------------------------------------------------------------------------------------

  /** A munged of the test's own, with a key that nobody else has. */
  static final class Munge implements AutoCloseable {
    private final Process daemon;
    private final Path socket;

    Munge(Path directory) throws Exception {
      Files.createDirectories(directory);
      Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
      Path secret = directory.resolve("key");
      if (!Files.exists(secret)) {
        Files.write(secret, RandomBytes.of(128));
      }
      Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("rw-------"));
      socket = directory.resolve("socket");
      daemon =
          new ProcessBuilder(
                  "munged",
                  "--foreground",
                  "--force",
                  "--key-file=" + secret,
                  "--socket=" + socket,
                  "--pid-file=" + directory.resolve("pid"),
                  "--log-file=" + directory.resolve("log"),
                  "--seed-file=" + directory.resolve("seed"))
              .redirectErrorStream(true)
              .redirectOutput(directory.resolve("output").toFile())
              .start();
      assertTrue(
          TestServer.eventually(() -> Files.exists(socket)),
          () -> "munged does not start, alive: " + daemon.isAlive());
    }

    String credential(String payload, String... options) throws Exception {
      List<String> command = new ArrayList<>(List.of("munge", "--socket=" + socket));
      command.add("--string=" + payload);
      command.addAll(Arrays.asList(options));
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), UTF_8).strip();
      assertEquals(0, process.waitFor(), said);
      return said;
    }

    @Override
    public void close() throws IOException {
      daemon.destroy();
      try {
        assertTrue(daemon.waitFor(20, TimeUnit.SECONDS));
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
    }
  }

  static boolean installed(String program) {
    return Arrays.stream(System.getenv("PATH").split(":", -1))
        .anyMatch(place -> Files.isExecutable(Path.of(place, program)));
  }

  @Nested
  class AMungeCredential {
    private static final String PAYLOAD = "coffer endpoint:node1";

    @Test
    void isGoodOnceForItsUidAndItsPresenterUntilItExpires() throws Exception {
      long uid = (Integer) Files.getAttribute(directory, "unix:uid");
      Assumptions.assumeTrue(installed("munged") && uid == 0, "munged runs as root");
      String mine = "--restrict-uid=" + uid;
      String remembered;
      try (Munge munge = new Munge(directory.resolve("munge"))) {
        String good = munge.credential(PAYLOAD, mine, "--ttl=60");
        JsonObject issued = exchange(node, "munge", good, "").json();
        assertEquals("client:uid-" + uid, issued.string("subject"));
        assertTrue(issued.integer("seconds", 1, 900) <= 60, "no longer than the credential");
        assertEquals(200, read(node, issued.string("token")));
        assertRefused(401, "used before", good, exchange(node, "munge", good, ""));

        String open = munge.credential(PAYLOAD);
        assertRefused(401, "by everybody", open, exchange(node, "munge", open, ""));
        String others = munge.credential(PAYLOAD, "--restrict-uid=65534");
        assertRefused(401, "another uid", others, exchange(node, "munge", others, ""));
        for (String wrong : List.of("coffer endpoint:node2", "", PAYLOAD + "\n", "slurm")) {
          String made = munge.credential(wrong, mine);
          assertRefused(401, "not made for this", made, exchange(node, "munge", made, ""));
        }
        String changed = munge.credential(PAYLOAD, mine);
        int at = changed.length() / 2;
        String tampered =
            changed.substring(0, at)
                + (changed.charAt(at) == 'A' ? 'B' : 'A')
                + changed.substring(at + 1);
        assertRefused(401, "not accepted", tampered, exchange(node, "munge", tampered, ""));
        assertRefused(401, "no munge cred", "", exchange(node, "munge", "MUNGE:$(id):", ""));
        assertRefused(
            401,
            "no munge cred",
            "",
            exchange(node, "munge", "MUNGE:" + "A".repeat(9000) + ":", ""));

        // The server's clock runs ahead of munged's: expired here is expired.
        String slow = munge.credential(PAYLOAD, mine, "--ttl=60");
        server.clock.advance(Duration.ofSeconds(61));
        assertRefused(401, "expired", slow, exchange(node, "munge", slow, ""));
        server.clock.advance(Duration.ofSeconds(-400));
        String early = munge.credential(PAYLOAD, mine);
        assertRefused(401, "in the future", early, exchange(node, "munge", early, ""));
        server.clock.advance(Duration.ofSeconds(339));

        // One that expires in an hour is good for five minutes, here.
        String lasting = munge.credential(PAYLOAD, mine, "--ttl=3600");
        server.clock.advance(Duration.ofSeconds(301));
        assertRefused(401, "expired", lasting, exchange(node, "munge", lasting, ""));
        server.clock.advance(Duration.ofSeconds(-301));

        remembered = munge.credential(PAYLOAD, mine);
        assertEquals(201, exchange(node, "munge", remembered, "").status());
      }
      assertRefused(503, "cannot reach", remembered, exchange(node, "munge", remembered, ""));
      // A munged that was started anew remembers nothing, but the key server does.
      try (Munge _ = new Munge(directory.resolve("munge"))) {
        assertRefused(401, "used before", remembered, exchange(node, "munge", remembered, ""));
      }
    }
  }
}
