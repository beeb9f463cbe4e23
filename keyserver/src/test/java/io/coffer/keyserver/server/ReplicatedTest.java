package io.coffer.keyserver.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.engine.EtcdCluster;
import io.coffer.keyserver.engine.EtcdSettings;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two key servers over one etcd. */
class ReplicatedTest {
  private static final String BOX = "/v1/services/hpc/owners/project:a/keys";

  @TempDir static Path directory;
  private static EtcdCluster etcd;
  private static EtcdSettings settings;
  private static TestServer first;
  private static TestServer second;

  @BeforeAll
  static void start() throws Exception {
    etcd = new EtcdCluster(directory.resolve("etcd"), 1);
    settings = etcd.settings("/coffer/");
    first = TestServer.over(settings, directory.resolve("k1"));
    second = first.joined("k2", directory.resolve("k2"));
    first.makeBox("hpc", "project:a");
    first.operator().ok("POST", "/v1/services", "{\"name\":\"glance\"}");
    first
        .operator()
        .ok(
            "POST",
            "/v1/owners",
            "{\"name\":\"project:c\",\"members\":[{\"identity\":\"client:carol\",\"role\":\"admin\"}]}");
  }

  @AfterAll
  static void stop() throws Exception {
    if (second != null) {
      second.close();
    }
    if (first != null) {
      first.close();
    }
    if (etcd != null) {
      etcd.close();
    }
  }

  @Test
  void aKeyMadeAtOneServerIsReadAtTheOtherAtOnce() throws Exception {
    for (int i = 0; i < 20; i++) {
      TestServer maker = i % 2 == 0 ? first : second;
      TestServer reader = i % 2 == 0 ? second : first;
      JsonObject key = maker.as("client:alice").ok("POST", BOX, null);
      JsonObject made = maker.as("client:alice").ok("GET", wrapped(key), null);
      JsonObject read = reader.as("client:alice").ok("GET", wrapped(key), null);
      assertEquals(text(made), text(read));
      reader.as("client:alice").ok("POST", BOX + "/" + key.string("id") + "/rotate", null);
      assertEquals(
          2, maker.as("client:alice").ok("GET", wrapped(key), null).integer("version", 1, 9));
    }
  }

  private static String wrapped(JsonObject key) throws Exception {
    return BOX + "/" + key.string("id") + "/wrapped";
  }

  private static String text(JsonObject answer) throws Exception {
    return java.util.HexFormat.of().formatHex(answer.bytes("wrapped"));
  }

  @Test
  void bothAreListedWhileTheyLive() throws Exception {
    assertEquals(
        List.of("k1", "k2"), second.operator().ok("GET", "/v1/status", null).strings("servers"));
  }

  @Test
  void aTokenOfOneIsGoodAtTheOtherUntilItIsRevokedAtEither() throws Exception {
    JsonObject token = first.as("client:alice").ok("POST", "/v1/tokens", "{}");
    String secret = java.util.Base64.getEncoder().encodeToString(token.bytes("token"));
    assertEquals(200, bearer(second, secret));
    second.as("client:alice").ok("DELETE", "/v1/tokens/" + token.string("id"), null);
    assertEquals(401, bearer(first, secret));
    assertEquals(401, bearer(second, secret));
  }

  private static int bearer(TestServer server, String token) throws Exception {
    var client = server.as("client:bob");
    var request =
        java.net.http.HttpRequest.newBuilder(URI.create(client.base() + "/v1/tokens/self"))
            .header("Authorization", "Bearer " + token)
            .build();
    return client
        .http()
        .send(request, java.net.http.HttpResponse.BodyHandlers.ofByteArray())
        .statusCode();
  }

  @Test
  void whoeverWaitsAtOneServerIsToldOfAChangeAtTheOther() throws Exception {
    JsonObject key = first.as("client:alice").ok("POST", BOX, null);
    String name = "hpc/project:a/" + key.string("id");
    String watch = "{\"after\":\"%s\",\"keys\":[\"" + name + "\"]}";
    String position =
        second.as("client:alice").ok("POST", "/v1/watch", watch.formatted("")).string("position");
    try (ExecutorService thread = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<JsonObject> waiting =
          thread.submit(
              () -> second.as("client:alice").ok("POST", "/v1/watch", watch.formatted(position)));
      first.as("client:alice").ok("DELETE", BOX + "/" + key.string("id"), null);
      assertEquals(List.of(name), waiting.get().strings("changed"));
    }
  }

  @Test
  void whoAsksSeveralIsAnsweredByTheOneThatIsOpen() throws Exception {
    var alice =
        first.authority.issue(
            io.coffer.keyserver.ca.Identity.parse("client:alice"),
            Set.of(),
            java.time.Duration.ofDays(1));
    KeyClient.Settings both =
        new KeyClient.Settings(
            List.of(
                URI.create("https://127.0.0.1:" + first.port()),
                URI.create("https://127.0.0.1:" + second.port())),
            first.authority.certificate(),
            alice.certificate(),
            alice.key(),
            1,
            null);
    first.operator().ok("POST", "/v1/seal/seal", null);
    try {
      String id = KeyClient.ask(both, "POST", BOX, null).string("id");
      assertEquals(200, second.as("client:alice").get(BOX + "/" + id).status());
    } finally {
      first.unseal();
    }
  }

  @Test
  void aServerWithoutItsStoreSaysThatItIsNotWell() throws Exception {
    assertEquals(200, first.operator().get("/health").status());
    etcd.kill(0);
    try {
      assertTrue(TestServer.eventually(() -> first.operator().get("/health").status() == 503));
    } finally {
      etcd.start(0);
    }
    assertTrue(TestServer.eventually(() -> first.operator().get("/health").status() == 200));
    // The others' tests begin with both.
    assertTrue(
        TestServer.eventually(() -> {
          JsonObject status = second.operator().ok("GET", "/v1/status", null);
          return status.strings("servers").equals(List.of("k1", "k2"));
        }));
  }

  @Test
  void aCertificateRevokedAtOneIsRefusedAtTheOther() throws Exception {
    var issued =
        first.authority.issue(
            io.coffer.keyserver.ca.Identity.parse("client:mallory"),
            Set.of(),
            java.time.Duration.ofDays(1));
    var client = second.client(issued, "client:mallory");
    assertEquals(200, client.get("/v1/status").status());
    first.authority.revoke("client:mallory");
    assertTrue(TestServer.eventually(() -> client.get("/v1/status").status() == 401));
    client.http().close();
  }

  @Test
  void aTransferAcceptedAtBothAtOnceIsAcceptedOnce() throws Exception {
    for (int round = 0; round < 5; round++) {
      JsonObject key = first.as("client:alice").ok("POST", BOX, null);
      String transfer =
          first
              .as("client:alice")
              .ok(
                  "POST",
                  BOX + "/" + key.string("id") + "/transfers",
                  "{\"service\":\"glance\",\"owner\":\"project:c\"}")
              .string("id");
      List<Callable<Integer>> both = new ArrayList<>();
      for (TestServer server : List.of(first, second)) {
        var carol = server.as("client:carol");
        both.add(() -> carol.post("/v1/transfers/" + transfer + "/accept", "{}").status());
      }
      int accepted = 0;
      try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
        for (Future<Integer> each : threads.invokeAll(both)) {
          accepted += each.get() == 201 ? 1 : 0;
        }
      }
      assertEquals(1, accepted);
    }
  }

  @Test
  void aRotationAskedOfEitherIsFinished() throws Exception {
    first.operator().ok("POST", "/v1/services", "{\"name\":\"nova\"}");
    String box = "/v1/services/nova/owners/project:a/keys";
    for (int i = 0; i < 30; i++) {
      first.as("client:alice").ok("POST", box, null);
    }
    for (TestServer server : List.of(first, second)) {
      server.operator().ok("POST", "/v1/services/nova/rotate", null);
      assertTrue(
          TestServer.eventually(() -> {
            JsonObject rewrap =
                first.operator().ok("GET", "/v1/services/nova", null).object("rewrap");
            return rewrap.optionalString("finished") != null;
          }));
    }
  }

  @Test
  void aBackupOfTheSharedStoreRestoresAloneAndToAnotherPlaceInEtcd() throws Exception {
    JsonObject key = second.as("client:alice").ok("POST", BOX, null);
    String made = text(second.as("client:alice").ok("GET", wrapped(key), null));
    Path backup = directory.resolve("backup");
    AuditLog.Head head =
        ServerBackup.backUp(first.home, backup, first.witness(), Clock.systemUTC());
    EtcdSettings elsewhere = etcd.settings("/elsewhere/");
    for (EtcdSettings place : java.util.Arrays.asList(null, elsewhere)) {
      Path restored = directory.resolve(place == null ? "alone" : "moved");
      try (SecretBytes passphrase = TestServer.passphrase()) {
        assertTrue(
            ServerBackup.restore(backup, restored, passphrase, head, null, place, Clock.systemUTC())
                    .records()
                > 0);
      }
      assertEquals(place == null, Files.exists(restored.resolve("store.db")));
      ServerHome home = ServerHome.open(restored);
      try (KeyServer server =
              KeyServer.start(
                  home, home.listen(), TestServer.LIMITS, KeyServer.GRACE, Clock.systemUTC());
          SecretBytes passphrase = TestServer.passphrase()) {
        server.unseal(passphrase);
        var alice = first.as("client:alice");
        var there =
            new TestServer.Client(
                alice.http(), "https://127.0.0.1:" + server.port(), alice.identity());
        assertEquals(made, text(there.ok("GET", wrapped(key), null)));
      }
    }
    try (SecretBytes passphrase = TestServer.passphrase()) {
      IOException refused =
          assertThrows(
              EngineException.class,
              () ->
                  ServerBackup.restore(
                      backup,
                      directory.resolve("again"),
                      passphrase,
                      head,
                      null,
                      settings,
                      Clock.systemUTC()));
      assertTrue(String.valueOf(refused.getMessage()).contains("another prefix"));
    }
    assertFalse(Files.exists(directory.resolve("again").resolve("server.json")));
  }

  @Test
  void aSecondInitUnderThePrefixIsRefusedAndLeavesNothing() {
    try (SecretBytes passphrase = TestServer.passphrase()) {
      Path where = directory.resolve("second-init");
      EngineException refused =
          assertThrows(
              EngineException.class,
              () ->
                  ServerHome.init(
                      where,
                      "k9",
                      "127.0.0.1",
                      0,
                      Set.of(),
                      new ServerHome.Opening(passphrase, 10, 0, 0),
                      settings,
                      Clock.systemUTC()));
      assertTrue(String.valueOf(refused.getMessage()).contains("join"));
      assertFalse(Files.exists(where.resolve("ca")));
    }
  }

  @Test
  void etcdHoldsNeitherNamesNorKeys() throws Exception {
    JsonObject key =
        first
            .as("client:alice")
            .ok(
                "POST",
                BOX,
                "{\"name\":\"name-to-be-hidden\",\"material\":\"Y2xlYXIga2V5IG1hdGVyaWFs\"}");
    StringBuilder all = new StringBuilder();
    try (var files = Files.walk(etcd.data(0))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        all.append(
            new String(Files.readAllBytes(file), java.nio.charset.StandardCharsets.ISO_8859_1));
      }
    }
    assertTrue(all.indexOf("/coffer/data/") >= 0, "it is there that the store is");
    for (String clear :
        List.of("name-to-be-hidden", "clear key material", "project:a", key.string("id"))) {
      assertEquals(-1, all.indexOf(clear), clear);
    }
  }
}
