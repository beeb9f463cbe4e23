package io.coffer.keyserver.server;

import static io.coffer.keyserver.server.TestServer.eventually;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.TestServer.Answer;
import io.coffer.keyserver.server.TestServer.Client;
import io.coffer.keyserver.wire.DoubleKey;
import io.coffer.keyserver.wire.Hpke;
import io.coffer.keyserver.wire.KeyName;
import io.coffer.keyserver.wire.KeyString;
import io.coffer.keyserver.wire.MasterKeyGrant;
import io.coffer.keyserver.wire.UnwrapException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.interfaces.ECPublicKey;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KeyServerTest {
  @TempDir static Path sharedDirectory;
  private static TestServer shared;
  private static int boxes;

  @TempDir Path directory;
  private TestServer server;
  private Client alice;
  private Client bob;

  // Every test has a service, an owner and a lock box of its own on the server that all share.
  private String service;
  private String owner;
  private String box;

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

  private void use(TestServer used) throws Exception {
    server = used;
    boxes++;
    service = "cinder-" + boxes;
    owner = "project:a" + boxes;
    box = "/v1/services/" + service + "/owners/" + owner + "/keys";
    server.makeBox(service, owner);
    alice = server.as("client:alice");
    bob = server.as("client:bob");
  }

  /** For what a server that others use must not suffer: stopping, sealing, other times. */
  private void useOwnServer() throws Exception {
    use(new TestServer(directory.resolve("home")));
  }

  @AfterEach
  void stop() throws IOException {
    if (server != shared) {
      server.close();
    }
  }

  private String newKey(String json) throws Exception {
    return alice.ok("POST", box, json).string("id");
  }

  private String anotherService() throws Exception {
    String other = service + "-other";
    server.operator().ok("POST", "/v1/services", "{\"name\":\"" + other + "\"}");
    return other;
  }

  private static void assertRefused(int status, Answer answer) throws Exception {
    assertEquals(status, answer.status(), answer.text());
    assertEquals("application/problem+json", answer.type());
    assertFalse(answer.json().string("detail").isEmpty(), "says what to do next");
    assertFalse(answer.text().contains("Exception"), answer.text());
  }

  /** A registered endpoint, with the master keys it was given. */
  private final class Endpoint {
    final KeyPair pair = Hpke.newKeyPair();
    final Client client;

    Endpoint(String name, String service) throws Exception {
      client = server.as("endpoint:" + name);
      server
          .operator()
          .ok(
              "PUT",
              "/v1/endpoints/" + name,
              "{\"attestation\":\"mtls\",\"services\":[\"" + service + "\"]}");
    }

    SecretBytes master(String service, int version) throws Exception {
      byte[] nonce = RandomBytes.of(16);
      JsonObject grant =
          client.ok("POST", "/v1/services/" + service + "/master-key", request(nonce, version));
      return MasterKeyGrant.open(
          pair.getPrivate(),
          client.identity(),
          service,
          (int) grant.integer("version", 1, 100),
          nonce,
          grant.bytes("grant"));
    }

    String request(byte[] nonce, int version) {
      JsonObject request =
          new JsonObject()
              .put("public_key", Hpke.encode((ECPublicKey) pair.getPublic()))
              .put("nonce", nonce);
      if (version > 0) {
        request.put("version", version);
      }
      return new String(request.toBytes(), UTF_8);
    }

    SecretBytes unwrap(JsonObject answer) throws Exception {
      String service = answer.string("service");
      try (SecretBytes master = master(service, (int) answer.integer("master_version", 1, 100))) {
        return KeyString.unwrap(master, name(answer), answer.bytes("wrapped"));
      }
    }
  }

  private static KeyName name(JsonObject answer) throws Exception {
    return new KeyName(
        answer.string("service"),
        answer.string("owner"),
        answer.string("id"),
        (int) answer.integer("version", 1, 1000));
  }

  @Nested
  class AKey {
    @Test
    void isAnsweredWrappedAndAnEndpointOpensIt() throws Exception {
      byte[] material = "this is the key of the volume 42".getBytes(UTF_8);
      String id =
          newKey(
              "{\"name\":\"vol\",\"material\":\""
                  + Base64.getEncoder().encodeToString(material)
                  + "\"}");
      JsonObject answer = bob.ok("GET", box + "/" + id + "/wrapped", null);
      assertFalse(
          new String(answer.bytes("wrapped"), ISO_8859_1).contains("volume 42"),
          "the answer is not the clear key");
      Endpoint node = new Endpoint("node1", service);
      try (SecretBytes opened = node.unwrap(answer);
          SecretBytes expected = SecretBytes.copyOf(material)) {
        assertTrue(opened.matches(expected));
      }
    }

    @Test
    void generatedByTheServerIsDifferentEachTime() throws Exception {
      Endpoint node = new Endpoint("node1", service);
      String first = newKey("{}");
      String second = newKey("{\"bits\":512}");
      try (SecretBytes a = node.unwrap(alice.ok("GET", box + "/" + first + "/wrapped", null));
          SecretBytes b = node.unwrap(alice.ok("GET", box + "/" + second + "/wrapped", null))) {
        assertEquals(32, a.length());
        assertEquals(64, b.length());
        assertFalse(a.matches(b));
      }
    }

    @Test
    void keepsItsOldVersionsAfterRotationUntilTheyAreRetired() throws Exception {
      String key = box + "/" + newKey("{}");
      bob.ok("POST", key + "/rotate", null);
      assertEquals(2, bob.ok("GET", key + "/wrapped", null).integer("version", 1, 9));
      assertEquals(1, bob.ok("GET", key + "/wrapped?version=1", null).integer("version", 1, 9));
      assertRefused(403, bob.post(key + "/versions/1/retire", "{}"));
      alice.ok("POST", key + "/versions/1/retire", null);
      assertRefused(410, bob.get(key + "/wrapped?version=1"));
      assertEquals(2, bob.ok("GET", key + "/wrapped", null).integer("version", 1, 9));
      alice.ok("POST", key + "/versions/1/activate", null);
      bob.ok("GET", key + "/wrapped?version=1", null);
      assertRefused(404, bob.get(key + "/wrapped?version=3"));
    }

    @Test
    void inUseCannotBeDeletedAndDeletedCanBeRestoredUntilItsGraceIsOver() throws Exception {
      useOwnServer();
      String key = box + "/" + newKey("{}");
      alice.ok("POST", key + "/consumers", "{\"consumer\":\"volume 42\"}");
      assertRefused(409, alice.send("DELETE", key, null));
      alice.ok("DELETE", key + "/consumers", "{\"consumer\":\"volume 42\"}");
      alice.ok("DELETE", key, null);
      assertRefused(410, alice.get(key + "/wrapped"));
      assertTrue(alice.ok("GET", box, null).objects("keys").isEmpty());
      assertEquals(1, alice.ok("GET", box + "?deleted=true", null).objects("keys").size());
      alice.ok("POST", key + "/restore", null);
      alice.ok("GET", key + "/wrapped", null);
      alice.ok("DELETE", key, null);
      server.clock.advance(KeyServer.GRACE.plusDays(1));
      server.restart();
      server.unseal();
      alice = server.as("client:alice");
      assertTrue(eventually(() -> alice.get(key).status() == 404));
      assertRefused(404, alice.post(key + "/restore", "{}"));
    }

    @Test
    void isListedInPages() throws Exception {
      Set<String> made = new java.util.TreeSet<>();
      for (int i = 0; i < 5; i++) {
        made.add(newKey("{\"name\":\"k" + i + "\"}"));
      }
      List<String> seen = new ArrayList<>();
      String after = "";
      while (after != null) {
        JsonObject page =
            alice.ok("GET", box + "?limit=2" + (after.isEmpty() ? "" : "&after=" + after), null);
        for (JsonObject key : page.objects("keys")) {
          seen.add(key.string("id"));
        }
        after = page.optionalString("next");
      }
      assertEquals(List.copyOf(made), seen);
    }

    @Test
    void outlivesARestart() throws Exception {
      useOwnServer();
      String key = box + "/" + newKey("{\"name\":\"kept\"}");
      Endpoint node = new Endpoint("node1", service);
      try (SecretBytes before = node.unwrap(alice.ok("GET", key + "/wrapped", null))) {
        server.restart();
        assertRefused(503, server.as("client:alice").get(key));
        server.unseal();
        JsonObject answer = server.as("client:alice").ok("GET", key + "/wrapped", null);
        try (SecretBytes after = new Endpoint("node1", service).unwrap(answer)) {
          assertTrue(before.matches(after));
        }
      }
    }
  }

  @Nested
  class ADoubleKey {
    private SecretBytes working(Endpoint node, JsonObject answer) throws Exception {
      JsonObject half = answer.object("owner_key");
      try (SecretBytes owner = node.unwrap(half);
          SecretBytes entity = node.unwrap(answer)) {
        return DoubleKey.derive(name(half), owner, name(answer), entity);
      }
    }

    @Test
    void needsBothHalvesEachRevokedByItsOwnAdministrator() throws Exception {
      assertRefused(409, alice.post(box, "{\"double\":true}"));
      assertRefused(403, bob.post("/v1/owners/" + owner + "/key", "{}"));
      alice.ok("POST", "/v1/owners/" + owner + "/key", null);
      assertRefused(409, alice.post("/v1/owners/" + owner + "/key", "{}"));
      String key = box + "/" + newKey("{\"double\":true}");
      Endpoint node = new Endpoint("node1", service);
      try (SecretBytes first = working(node, bob.ok("GET", key + "/wrapped", null));
          SecretBytes again = working(node, bob.ok("GET", key + "/wrapped", null))) {
        assertTrue(first.matches(again));
        // The owner's key rotates: old versions keep the half they were made with.
        alice.ok("POST", "/v1/owners/" + owner + "/key/rotate", null);
        try (SecretBytes still = working(node, bob.ok("GET", key + "/wrapped", null))) {
          assertTrue(first.matches(still));
        }
        bob.ok("POST", key + "/rotate", null);
        JsonObject second = bob.ok("GET", key + "/wrapped", null);
        assertEquals(2, second.object("owner_key").integer("version", 1, 9));
      }
      alice.ok("POST", "/v1/owners/" + owner + "/key/versions/1/retire", null);
      assertRefused(410, bob.get(key + "/wrapped?version=1"));
      bob.ok("GET", key + "/wrapped", null);
      alice.ok("POST", key + "/versions/2/retire", null);
      assertRefused(410, bob.get(key + "/wrapped?version=2"));
    }

    @Test
    void keepsTheOwnersMasterKeyFromEveryEndpoint() throws Exception {
      assertRefused(
          400,
          server
              .operator()
              .send(
                  "PUT",
                  "/v1/endpoints/n",
                  "{\"attestation\":\"mtls\",\"services\":[\"owners\"]}"));
      Endpoint node = new Endpoint("node1", service);
      assertRefused(
          403,
          node.client.post("/v1/services/owners/master-key", node.request(RandomBytes.of(16), 0)));
      assertRefused(400, alice.get("/v1/services/owners/owners/project:a/keys/" + ZERO_ID));
    }

    private static final String ZERO_ID = "00000000-0000-0000-0000-000000000000";
  }

  @Nested
  class Access {
    @Test
    void strangersAreNotEvenToldThatAKeyExists() throws Exception {
      String key = box + "/" + newKey("{}");
      Client mallory = server.as("client:mallory");
      Answer real = mallory.get(key);
      Answer invented = mallory.get(box + "/00000000-0000-4000-8000-000000000000");
      assertRefused(404, real);
      assertEquals(invented.text(), real.text());
      assertRefused(404, mallory.post(box, "{}"));
      assertTrue(mallory.ok("GET", box, null).objects("keys").isEmpty());
      assertRefused(404, mallory.get("/v1/owners/" + owner));
      assertEquals(
          mallory.get("/v1/owners/" + owner).status(),
          mallory.get("/v1/owners/project:none").status());
    }

    @Test
    void rolesAllowWhatTheySayAndNoMore() throws Exception {
      String key = box + "/" + newKey("{}");
      Client eve = server.as("client:eve");
      eve.ok("GET", key + "/wrapped", null);
      assertRefused(403, eve.post(key + "/rotate", "{}"));
      assertRefused(403, eve.post(box, "{}"));
      assertRefused(403, bob.send("DELETE", key, null));
      assertRefused(403, bob.send("PUT", key + "/acl", "{\"acl\":[]}"));
      bob.ok("POST", box, "{}");
    }

    @Test
    void aKeysOwnListGivesSingleRights() throws Exception {
      String key = box + "/" + newKey("{}");
      Client guest = server.as("client:guest");
      assertRefused(404, guest.get(key + "/wrapped"));
      alice.ok(
          "PUT", key + "/acl", "{\"acl\":[{\"identity\":\"client:guest\",\"rights\":[\"read\"]}]}");
      guest.ok("GET", key + "/wrapped", null);
      assertRefused(403, guest.post(key + "/rotate", "{}"));
      alice.ok("PUT", key + "/acl", "{\"acl\":[]}");
      assertRefused(404, guest.get(key + "/wrapped"));
    }

    @Test
    void operatorsAndAuditorsReadNoKey() throws Exception {
      String key = box + "/" + newKey("{}");
      for (String who : List.of("operator:op", "auditor:aud")) {
        assertRefused(404, server.as(who).get(key + "/wrapped"));
        assertRefused(
            400,
            server
                .operator()
                .send(
                    "PUT",
                    "/v1/owners/" + owner,
                    "{\"members\":[{\"identity\":\"" + who + "\",\"role\":\"admin\"}]}"));
      }
      assertRefused(403, server.operator().get("/v1/audit"));
      assertRefused(403, alice.get("/v1/audit"));
      assertEquals(200, server.as("auditor:aud").get("/v1/audit").status());
    }

    @Test
    void onlyOperatorsAdminister() throws Exception {
      assertRefused(403, alice.post("/v1/services", "{\"name\":\"mine\"}"));
      assertRefused(403, alice.post("/v1/services/" + service + "/rotate", "{}"));
      assertRefused(403, alice.post("/v1/seal/seal", "{}"));
      assertRefused(403, alice.get("/v1/services/" + service));
      assertRefused(
          403, alice.send("PUT", "/v1/endpoints/x", "{\"attestation\":\"mtls\",\"services\":[]}"));
      assertRefused(403, alice.get("/metrics"));
    }

    @Test
    void nobodyButARegisteredEndpointGetsAMasterKey() throws Exception {
      Endpoint node = new Endpoint("node1", service);
      node.master(service, 0).close();
      String request = node.request(RandomBytes.of(16), 0);
      for (String who : List.of("client:alice", "operator:op", "auditor:aud", "endpoint:other")) {
        assertRefused(403, server.as(who).post("/v1/services/" + service + "/master-key", request));
      }
      String other = anotherService();
      assertRefused(403, node.client.post("/v1/services/" + other + "/master-key", request));
      assertRefused(
          400,
          node.client.post(
              "/v1/services/" + service + "/master-key", node.request(new byte[4], 0)));
      server.operator().ok("DELETE", "/v1/endpoints/node1", null);
      assertRefused(403, node.client.post("/v1/services/" + service + "/master-key", request));
    }

    @Test
    void keysOfOneServiceDoNotOpenWithTheMasterOfAnother() throws Exception {
      String other = anotherService();
      JsonObject answer = alice.ok("GET", box + "/" + newKey("{}") + "/wrapped", null);
      Endpoint node = new Endpoint("node1", other);
      try (SecretBytes master = node.master(other, 0)) {
        assertThrows(
            UnwrapException.class,
            () -> KeyString.unwrap(master, name(answer), answer.bytes("wrapped")).close());
      }
    }
  }

  @Nested
  class MasterKeys {
    private JsonObject progress() throws Exception {
      return server.operator().ok("GET", "/v1/services/" + service, null).object("rewrap");
    }

    @Test
    void rotateWithEveryKeyRewrappedInTheBackground() throws Exception {
      // More than one batch; at once, since the server commits in groups what comes together.
      List<java.util.concurrent.Future<String>> made = new ArrayList<>();
      try (var threads = java.util.concurrent.Executors.newFixedThreadPool(16)) {
        for (int i = 0; i < 205; i++) {
          made.add(threads.submit(() -> newKey("{}")));
        }
      }
      List<String> keys = new ArrayList<>();
      for (var key : made) {
        keys.add(key.get());
      }
      Endpoint node = new Endpoint("node1", service);
      String sample = box + "/" + keys.get(7) + "/wrapped";
      try (SecretBytes before = node.unwrap(alice.ok("GET", sample, null))) {
        assertRefused(
            409, server.operator().post("/v1/services/" + service + "/masters/1/retire", "{}"));
        server.operator().ok("POST", "/v1/services/" + service + "/rotate", null);
        assertTrue(eventually(() -> progress().has("finished")));
        assertEquals(205, progress().integer("total", 0, 1000));
        for (String key : keys) {
          JsonObject answer = alice.ok("GET", box + "/" + key + "/wrapped", null);
          assertEquals(2, answer.integer("master_version", 1, 9));
        }
        server.operator().ok("POST", "/v1/services/" + service + "/masters/1/retire", null);
        assertRefused(
            404,
            node.client.post(
                "/v1/services/" + service + "/master-key", node.request(RandomBytes.of(16), 1)));
        try (SecretBytes after = node.unwrap(alice.ok("GET", sample, null))) {
          assertTrue(before.matches(after));
        }
      }
    }

    @Test
    void areAllRewrappedAlsoIfTheServerIsStoppedMeanwhile() throws Exception {
      useOwnServer();
      List<java.util.concurrent.Future<String>> made = new ArrayList<>();
      try (var threads = java.util.concurrent.Executors.newFixedThreadPool(16)) {
        for (int i = 0; i < 300; i++) {
          made.add(threads.submit(() -> newKey("{}")));
        }
      }
      server.operator().ok("POST", "/v1/services/" + service + "/rotate", null);
      // Stopped as soon as it has begun, again and again.
      for (int i = 0; i < 3; i++) {
        server.restart();
        server.unseal();
      }
      assertTrue(eventually(() -> progress().has("finished")));
      Client reader = server.as("client:alice");
      for (var key : made) {
        JsonObject answer = reader.ok("GET", box + "/" + key.get() + "/wrapped", null);
        assertEquals(2, answer.integer("master_version", 1, 9));
      }
      server.operator().ok("POST", "/v1/services/" + service + "/masters/1/retire", null);
    }
  }

  @Nested
  class TheSeal {
    @Test
    void closesAndOpensOverTheNetwork() throws Exception {
      useOwnServer();
      String key = box + "/" + newKey("{}");
      server.operator().ok("POST", "/v1/seal/seal", null);
      assertRefused(503, alice.get(key));
      assertRefused(503, alice.get("/health"));
      assertTrue(alice.ok("GET", "/v1/status", null).bool("sealed", false));
      String right = Base64.getEncoder().encodeToString(TestServer.PASSPHRASE.getBytes(UTF_8));
      String wrong = Base64.getEncoder().encodeToString("another passphrase".getBytes(UTF_8));
      assertRefused(403, alice.post("/v1/seal/unseal", "{\"passphrase\":\"" + right + "\"}"));
      assertRefused(
          403, server.operator().post("/v1/seal/unseal", "{\"passphrase\":\"" + wrong + "\"}"));
      assertRefused(400, server.operator().post("/v1/seal/unseal", "{}"));
      server.operator().ok("POST", "/v1/seal/unseal", "{\"passphrase\":\"" + right + "\"}");
      alice.ok("GET", key, null);
      assertEquals(200, alice.get("/health").status());
    }

    @Test
    void opensWhenTheQuorumIsComplete() throws Exception {
      Path home = directory.resolve("quorum");
      var shares =
          ServerHome.init(
              home, "127.0.0.1", 0, Set.of(), ServerHome.Opening.quorum(2, 3), Clock.systemUTC());
      ServerHome opened = ServerHome.open(home);
      try (KeyServer quorum =
          KeyServer.start(
              opened, opened.listen(), TestServer.LIMITS, KeyServer.GRACE, Clock.systemUTC())) {
        CertificateAuthority authority =
            CertificateAuthority.open(home.resolve("ca"), Clock.systemUTC());
        var issued = authority.issue(Identity.parse("operator:x"), Set.of(), Duration.ofDays(1));
        var context =
            new TrustedAuthority(authority.certificate(), null)
                .context(
                    issued.certificate(),
                    issued.key(),
                    Set.of(io.coffer.keyserver.ca.Profile.SERVER));
        Client operator =
            new Client(
                java.net.http.HttpClient.newBuilder().sslContext(context).build(),
                "https://127.0.0.1:" + quorum.port(),
                "operator:x");
        String first = Base64.getEncoder().encodeToString(shares.get(0).text());
        String third = Base64.getEncoder().encodeToString(shares.get(2).text());
        JsonObject one = operator.ok("POST", "/v1/seal/unseal", "{\"share\":\"" + first + "\"}");
        assertEquals(1, one.integer("missing_shares", 0, 9));
        JsonObject same = operator.ok("POST", "/v1/seal/unseal", "{\"share\":\"" + first + "\"}");
        assertEquals(1, same.integer("missing_shares", 0, 9));
        assertTrue(quorum.isSealed());
        JsonObject two = operator.ok("POST", "/v1/seal/unseal", "{\"share\":\"" + third + "\"}");
        assertEquals(0, two.integer("missing_shares", 0, 9));
        assertFalse(quorum.isSealed());
        operator.http().close();
      }
    }
  }

  @Nested
  class Connections {
    private String openssl(String... options) throws Exception {
      List<String> command =
          new ArrayList<>(
              List.of("openssl", "s_client", "-connect", "127.0.0.1:" + server.port(), "-quiet"));
      command.addAll(List.of(options));
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      StringBuilder output = new StringBuilder();
      try (OutputStream out = process.getOutputStream()) {
        try {
          out.write("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(UTF_8));
          out.flush();
        } catch (IOException e) {
          output.append("closed: ").append(e.getMessage());
        }
        byte[] buffer = new byte[4096];
        int read;
        while (output.indexOf("audit_head") < 0
            && (read = process.getInputStream().read(buffer)) >= 0) {
          output.append(new String(buffer, 0, read, UTF_8));
        }
      } finally {
        process.destroy();
        process.waitFor();
      }
      return output.toString();
    }

    private String[] with(CertificateAuthority authority, Path ca, String identity)
        throws Exception {
      var issued = authority.issue(Identity.parse(identity), Set.of(), Duration.ofDays(1));
      Path key = directory.resolve("client.key");
      Path certificate = directory.resolve("client.pem");
      io.coffer.keyserver.ca.Pem.writePrivateKey(key, issued.key());
      Files.write(
          certificate,
          io.coffer.keyserver.ca.Pem.encode("CERTIFICATE", issued.certificate().getEncoded()));
      return new String[] {
        "-cert", certificate.toString(), "-key", key.toString(), "-CAfile", ca.toString()
      };
    }

    @Test
    void opensslGetsInWithACertificateAndNotWithout() throws Exception {
      String in = openssl(with(server.authority, server.home.authority(), "client:o"));
      assertTrue(in.contains("HTTP/1.1 200"), in);
      assertTrue(in.contains("client:o"), in);
      String out = openssl("-CAfile", server.home.authority().toString());
      assertFalse(out.contains("HTTP/1.1"), out);
    }

    @Test
    void aCertificateOfAnotherAuthorityOrAnOldProtocolIsRefused() throws Exception {
      CertificateAuthority other =
          CertificateAuthority.create(directory.resolve("other"), "Other", Clock.systemUTC());
      String foreign = openssl(with(other, server.home.authority(), "operator:op"));
      assertFalse(foreign.contains("HTTP/1.1"), foreign);
      List<String> old =
          new ArrayList<>(List.of(with(server.authority, server.home.authority(), "client:o")));
      old.add("-tls1_2");
      String tls12 = openssl(old.toArray(String[]::new));
      assertFalse(tls12.contains("HTTP/1.1"), tls12);
    }

    @Test
    void aRevokedCertificateIsRefusedAlsoOnAConnectionThatStands() throws Exception {
      Client victim = server.as("client:victim");
      assertEquals(200, victim.get("/v1/status").status());
      server.authority.revoke("client:victim");
      assertTrue(eventually(() -> victim.get("/v1/status").status() != 200));
      assertRefused(401, victim.get("/v1/status"));
      var issued =
          server.authority.issue(Identity.parse("client:second"), Set.of(), Duration.ofDays(1));
      server.authority.revoke("client:second");
      // Until the list is read again a connection may come about.
      assertTrue(
          eventually(() -> {
            Client again = server.client(issued, "client:second");
            try {
              again.get("/v1/status");
              return false;
            } catch (IOException e) {
              return true;
            } finally {
              again.http().close();
            }
          }));
    }

    @Test
    void aClientThatSendsItsBodyTooSlowlyIsGivenUp() throws Exception {
      Limits impatient =
          new Limits(
              1024,
              Duration.ofSeconds(1),
              Duration.ofSeconds(60),
              Duration.ofSeconds(60),
              100,
              5000,
              Duration.ofSeconds(5));
      server = new TestServer(directory.resolve("impatient"), impatient);
      var issued =
          server.authority.issue(Identity.parse("client:slow"), Set.of(), Duration.ofDays(1));
      var context =
          new TrustedAuthority(server.authority.certificate(), null)
              .context(
                  issued.certificate(),
                  issued.key(),
                  Set.of(io.coffer.keyserver.ca.Profile.SERVER));
      try (SSLSocket socket =
          (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", server.port())) {
        socket.setSoTimeout(60_000);
        OutputStream out = socket.getOutputStream();
        out.write(
            ("POST "
                    + box
                    + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    + "Content-Length: 1000\r\n\r\n")
                .getBytes(UTF_8));
        Thread drip =
            Thread.ofVirtual()
                .start(() -> {
                  try {
                    for (int i = 0; i < 300; i++) {
                      out.write(' ');
                      out.flush();
                      Thread.sleep(200);
                    }
                  } catch (IOException | InterruptedException e) {
                    // The server hung up, as it should.
                    Thread.currentThread().interrupt();
                  }
                });
        byte[] buffer = new byte[400];
        int read = socket.getInputStream().read(buffer);
        assertTrue(new String(buffer, 0, Math.max(0, read), UTF_8).startsWith("HTTP/1.1 408"));
        drip.interrupt();
        drip.join();
      }
    }
  }

  @Nested
  class BadRequests {
    @Test
    void pathTricksAndInjectionsLeadNowhere() throws Exception {
      for (String path :
          List.of(
              "/v1/services/../services",
              "/v1//services",
              "/v1/services/",
              "/v1/services/%2e%2e",
              "/v1/services/cinder%2fowners",
              "/v1/services/cinder;x=1",
              "/V1/services",
              "/v1/services/" + service + "/owners/project:a/keys/..%2f..%2f",
              "/v1/services/x'--",
              "/v1/services/cinder%00",
              "/v1/services/" + "a".repeat(2000))) {
        Answer answer;
        try {
          answer = alice.get(path);
        } catch (IllegalArgumentException e) {
          continue; // the client itself refuses to send it
        }
        assertTrue(answer.status() == 400 || answer.status() == 404, path + " " + answer.status());
      }
      assertRefused(400, alice.get("/v1/services/" + service + "/owners/root:a/keys"));
      assertRefused(400, alice.get(box + "/not-an-id"));
      assertRefused(405, alice.send("PATCH", box, null));
      assertRefused(400, alice.get(box + "?limit=-1"));
      assertRefused(400, alice.get(box + "?after=../x"));
    }

    @Test
    void bodiesThatAreNoJsonOrTooLargeAreRefused() throws Exception {
      for (String body :
          List.of(
              "{",
              "[]",
              "{\"bits\":\"x\"}",
              "{\"bits\":100}",
              "{\"bits\":-1}",
              "{\"unknown\":1}",
              "{\"material\":\"***\"}",
              "{\"material\":\"\"}",
              "{\"name\":1}",
              "{\"name\":\"a\\u0000b\"}",
              "{\"a\":" + "[".repeat(500),
              "{\"double\":true,\"bits\":256}",
              "{\"name\":\"" + "n".repeat(300) + "\"}")) {
        assertRefused(400, alice.post(box, body));
      }
      assertRefused(413, alice.post(box, "{\"name\":\"" + "x".repeat(70_000) + "\"}"));
      assertTrue(alice.ok("GET", box, null).objects("keys").isEmpty(), "nothing was made");
    }

    @Test
    void badServicesOwnersAndListsAreRefused() throws Exception {
      Client operator = server.operator();
      assertRefused(409, operator.post("/v1/services", "{\"name\":\"" + service + "\"}"));
      assertRefused(400, operator.post("/v1/services", "{\"name\":\"../x\"}"));
      assertRefused(400, operator.post("/v1/services", "{}"));
      assertRefused(404, alice.post("/v1/services/nova/owners/project:a/keys", "{}"));
      assertRefused(400, operator.post("/v1/owners", "{\"name\":\"project:b\",\"members\":[]}"));
      assertRefused(
          400,
          operator.post(
              "/v1/owners",
              "{\"name\":\"b\",\"members\":[{\"identity\":\"client:a\",\"role\":\"admin\"}]}"));
      String key = box + "/" + newKey("{}");
      assertRefused(400, alice.send("PUT", key + "/acl", "{\"acl\":[{\"identity\":\"x\"}]}"));
      assertRefused(
          400,
          alice.send(
              "PUT", key + "/acl", "{\"acl\":[{\"identity\":\"client:x\",\"rights\":[\"all\"]}]}"));
    }

    @Test
    void moreThanTheRateAreSentAway() throws Exception {
      Limits strict =
          new Limits(
              1024,
              Duration.ofSeconds(15),
              Duration.ofSeconds(60),
              Duration.ofSeconds(60),
              100,
              1,
              Duration.ofSeconds(5));
      server = new TestServer(directory.resolve("strict"), strict);
      Client busy = server.as("client:busy");
      // However slow this machine is, two of them will fall into one second.
      assertTrue(TestServer.eventually(() -> busy.get("/v1/status").status() == 429));
      assertNotEquals(429, server.as("client:calm").get("/v1/status").status());
    }
  }

  @Nested
  class TheLog {
    @Test
    void hasEveryGrantAndRefusalAndVerifies() throws Exception {
      useOwnServer();
      String id = newKey("{}");
      bob.ok("GET", box + "/" + id + "/wrapped", null);
      server.as("client:mallory").get(box + "/" + id + "/wrapped");
      Endpoint node = new Endpoint("node1", service);
      node.master(service, 0).close();
      String log = server.as("auditor:aud").get("/v1/audit").text();
      assertTrue(
          log.lines()
              .anyMatch(l ->
                  l.contains("\"who\":\"client:bob\"")
                      && l.contains("\"action\":\"key.read\"")
                      && l.contains(id)
                      && l.contains("\"from\":\"127.0.0.1\"")
                      && l.contains("\"outcome\":\"granted\"")),
          log);
      assertTrue(
          log.lines()
              .anyMatch(
                  l -> l.contains("client:mallory") && l.contains("\"outcome\":\"refused\"")));
      assertTrue(
          log.lines()
              .anyMatch(
                  l -> l.contains("\"master.grant\"") && l.contains("attested by mTLS only")));
      server.server().close();
      AuditLog.Head head = AuditLog.verify(server.home.auditLog(), server.home.auditPublicKey());
      assertTrue(head.sequence() > 6);
    }

    @Test
    void metricsCountWhatWasAsked() throws Exception {
      useOwnServer();
      newKey("{}");
      String metrics = server.operator().get("/metrics").text();
      assertTrue(
          metrics.contains(
              "coffer_keyserver_requests_total{action=\"key.create\",outcome=\"granted\"} 1"),
          metrics);
      assertTrue(metrics.contains("coffer_keyserver_sealed 0"));
      assertTrue(metrics.contains("coffer_keyserver_request_seconds_bucket{le=\"+Inf\"}"));
    }
  }

  @Test
  void noClearKeyIsInAnyFileOfTheServer() throws Exception {
    useOwnServer();
    String clear = "CLEARKEY-" + "0123456789abcdef01234567";
    String base64 = Base64.getEncoder().encodeToString(clear.getBytes(UTF_8));
    newKey("{\"material\":\"" + base64 + "\"}");
    alice.post(box, "{\"material\":\"" + base64 + "\", oops");
    server.server().close();
    try (var files = Files.walk(directory.resolve("home"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        String content = new String(Files.readAllBytes(file), ISO_8859_1);
        assertFalse(content.contains(clear), file.toString());
        assertFalse(content.contains(base64), file.toString());
        assertFalse(content.contains(TestServer.PASSPHRASE), file.toString());
      }
    }
  }

  @Test
  void aServerThatWasNotInitialisedOrIsThereAlreadySaysWhatToDo() {
    IOException missing =
        assertThrows(IOException.class, () -> ServerHome.open(directory.resolve("none")));
    assertTrue(String.valueOf(missing.getMessage()).contains("coffer keyserver init"));
    IOException twice =
        assertThrows(
            IOException.class,
            () ->
                ServerHome.init(
                    sharedDirectory.resolve("home"),
                    "127.0.0.1",
                    0,
                    Set.of(),
                    ServerHome.Opening.quorum(2, 3),
                    Clock.systemUTC()));
    assertTrue(String.valueOf(twice.getMessage()).contains("already holds a key server"));
  }
}
