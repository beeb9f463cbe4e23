package io.coffer.keyserver.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.TestServer.Answer;
import io.coffer.keyserver.server.TestServer.Client;
import io.coffer.keyserver.wire.Hpke;
import io.coffer.keyserver.wire.KeyName;
import io.coffer.keyserver.wire.KeyString;
import io.coffer.keyserver.wire.MasterKeyGrant;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.interfaces.ECPublicKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Alice's volume key of cinder goes to Carol, for glance. */
class TransferTest {
  private static final String FROM = "/v1/services/cinder/owners/project:a/keys";
  private static final String TO = "/v1/services/glance/owners/project:c/keys";
  private static final String OFFER = "{\"service\":\"glance\",\"owner\":\"project:c\"";

  @TempDir static Path directory;
  private static TestServer server;
  private static Client alice;
  private static Client carol;
  private String key;

  @BeforeAll
  static void start() throws Exception {
    server = new TestServer(directory.resolve("home"));
    server.makeBox("cinder", "project:a");
    server.operator().ok("POST", "/v1/services", "{\"name\":\"glance\"}");
    server
        .operator()
        .ok(
            "POST",
            "/v1/owners",
            "{\"name\":\"project:c\",\"members\":[{\"identity\":\"client:carol\",\"role\":\"admin\"},"
                + "{\"identity\":\"client:dave\",\"role\":\"reader\"}]}");
    alice = server.as("client:alice");
    carol = server.as("client:carol");
  }

  @AfterAll
  static void stop() throws IOException {
    server.close();
  }

  @BeforeEach
  void makeKey() throws Exception {
    key = FROM + "/" + alice.ok("POST", FROM, "{\"name\":\"vol\"}").string("id");
  }

  private static byte[] open(String service, JsonObject answer) throws Exception {
    Client node = server.as("endpoint:" + service + "-node");
    server
        .operator()
        .ok(
            "PUT",
            "/v1/endpoints/" + service + "-node",
            "{\"attestation\":\"mtls\",\"services\":[\"" + service + "\"]}");
    KeyPair pair = Hpke.newKeyPair();
    byte[] nonce = RandomBytes.of(16);
    JsonObject request =
        new JsonObject()
            .put("public_key", Hpke.encode((ECPublicKey) pair.getPublic()))
            .put("nonce", nonce);
    JsonObject grant =
        node.ok(
            "POST",
            "/v1/services/" + service + "/master-key",
            new String(request.toBytes(), StandardCharsets.UTF_8));
    KeyName name =
        new KeyName(
            answer.string("service"),
            answer.string("owner"),
            answer.string("id"),
            (int) answer.integer("version", 1, 9));
    try (SecretBytes master =
            MasterKeyGrant.open(
                pair.getPrivate(),
                node.identity(),
                service,
                (int) grant.integer("version", 1, 9),
                nonce,
                grant.bytes("grant"));
        SecretBytes opened = KeyString.unwrap(master, name, answer.bytes("wrapped"))) {
      return opened.read(byte[]::clone);
    }
  }

  @Test
  void letsASnapshotReferToItsVolumesKeyOrHaveItsOwnCopy() throws Exception {
    byte[] secret = open("cinder", alice.ok("GET", key + "/wrapped", null));

    // It refers to the key: that stays as long as the snapshot is there.
    alice.ok("POST", key + "/consumers", "{\"consumer\":\"volume 7\"}");
    alice.ok("POST", key + "/consumers", "{\"consumer\":\"snapshot 7.1\"}");
    alice.ok("DELETE", key + "/consumers", "{\"consumer\":\"volume 7\"}");
    Answer inUse = alice.send("DELETE", key, null);
    assertEquals(409, inUse.status(), inUse.text());
    assertTrue(inUse.text().contains("snapshot 7.1"), inUse.text());

    // Or it has a copy of its own in the same lock box, which outlives the key.
    String offer =
        alice
            .ok(
                "POST",
                key + "/transfers",
                "{\"service\":\"cinder\",\"owner\":\"project:a\",\"move\":false}")
            .string("id");
    String copy = alice.ok("POST", "/v1/transfers/" + offer + "/accept", null).string("id");
    alice.ok("DELETE", key + "/consumers", "{\"consumer\":\"snapshot 7.1\"}");
    alice.ok("DELETE", key, null);
    assertEquals(410, alice.get(key + "/wrapped").status());
    assertArrayEquals(
        secret, open("cinder", alice.ok("GET", FROM + "/" + copy + "/wrapped", null)));
  }

  @Test
  void givesTheSameKeyUnderTheOtherServicesMasterOnceAndIsLogged() throws Exception {
    JsonObject offer = alice.ok("POST", key + "/transfers", OFFER + "}");
    String accept = "/v1/transfers/" + offer.string("id") + "/accept";
    assertEquals(1, carol.ok("GET", "/v1/transfers", null).objects("transfers").size());
    String received = carol.ok("POST", accept, null).string("id");
    JsonObject before = alice.ok("GET", key + "/wrapped", null);
    JsonObject after = carol.ok("GET", TO + "/" + received + "/wrapped", null);
    org.junit.jupiter.api.Assertions.assertArrayEquals(
        open("cinder", before), open("glance", after));
    assertEquals(404, carol.post(accept, "{}").status(), "once");
    assertEquals(404, carol.get(key).status(), "the giver's own key stays the giver's");
    assertEquals(404, alice.get(TO + "/" + received).status());
    String log = Files.readString(server.home.auditLog());
    assertTrue(log.contains("\"action\":\"transfer.offer\""), "logged");
    assertTrue(log.contains("now glance/project:c/" + received), "with where it went");
  }

  @Test
  void thatMovesDeletesTheOldOneUnlessItIsInUse() throws Exception {
    JsonObject offer = alice.ok("POST", key + "/transfers", OFFER + ",\"move\":true}");
    String accept = "/v1/transfers/" + offer.string("id") + "/accept";
    alice.ok("POST", key + "/consumers", "{\"consumer\":\"volume 1\"}");
    assertEquals(409, carol.post(accept, "{}").status(), "in use");
    alice.ok("DELETE", key + "/consumers", "{\"consumer\":\"volume 1\"}");
    carol.ok("POST", accept, null);
    assertEquals(410, alice.get(key + "/wrapped").status());
  }

  @Test
  void acceptedByManyAtOnceIsGivenToOne() throws Exception {
    JsonObject offer = alice.ok("POST", key + "/transfers", OFFER + "}");
    String accept = "/v1/transfers/" + offer.string("id") + "/accept";
    List<Future<Integer>> answers = new ArrayList<>();
    try (var threads = Executors.newFixedThreadPool(8)) {
      for (int i = 0; i < 8; i++) {
        answers.add(threads.submit(() -> carol.post(accept, "{}").status()));
      }
    }
    int accepted = 0;
    for (Future<Integer> answer : answers) {
      accepted += answer.get() == 201 ? 1 : 0;
      assertTrue(List.of(201, 404, 409).contains(answer.get()), "status " + answer.get());
    }
    assertEquals(1, accepted);
  }

  @Test
  void isRefusedToAllWhoMayNot() throws Exception {
    assertEquals(403, server.as("client:bob").post(key + "/transfers", OFFER + "}").status());
    assertEquals(404, carol.post(key + "/transfers", OFFER + "}").status());
    JsonObject offer = alice.ok("POST", key + "/transfers", OFFER + ",\"seconds\":60}");
    String transfer = "/v1/transfers/" + offer.string("id");
    for (String who : new String[] {"client:dave", "client:alice", "operator:op", "client:m"}) {
      assertEquals(404, server.as(who).post(transfer + "/accept", "{}").status(), who);
    }
    assertEquals(404, carol.send("DELETE", transfer, null).status());
    alice.ok("POST", key + "/versions/1/retire", null);
    assertEquals(410, carol.post(transfer + "/accept", "{}").status(), "retired meanwhile");
    alice.ok("POST", key + "/versions/1/activate", null);
    server.clock.advance(Duration.ofSeconds(61));
    assertEquals(410, carol.post(transfer + "/accept", "{}").status(), "expired");
    JsonObject second = alice.ok("POST", key + "/transfers", OFFER + "}");
    alice.ok("DELETE", "/v1/transfers/" + second.string("id"), null);
    assertEquals(
        404, carol.post("/v1/transfers/" + second.string("id") + "/accept", "{}").status());
    for (String bad :
        new String[] {
          "{}",
          OFFER + ",\"version\":7}",
          OFFER + ",\"seconds\":0}",
          "{\"service\":\"owners\",\"owner\":\"project:c\"}",
          "{\"service\":\"none\",\"owner\":\"x:c\"}"
        }) {
      int status = alice.post(key + "/transfers", bad).status();
      assertTrue(status == 400 || status == 404, bad + " " + status);
    }
    alice.ok("POST", "/v1/owners/project:a/key", null);
    String twofold = alice.ok("POST", FROM, "{\"double\":true}").string("id");
    assertEquals(409, alice.post(FROM + "/" + twofold + "/transfers", OFFER + "}").status());
  }

  @Test
  void countsAgainstTheReceiversQuota() throws Exception {
    JsonObject offer = alice.ok("POST", key + "/transfers", OFFER + "}");
    String accept = "/v1/transfers/" + offer.string("id") + "/accept";
    Client operator = server.operator();
    assertEquals(403, carol.send("PUT", "/v1/owners/project:c/quota", "{\"keys\":9}").status());
    operator.ok("PUT", "/v1/owners/project:c/quota", "{\"keys\":0}");
    assertEquals(409, carol.post(accept, "{}").status());
    assertEquals(409, carol.post(TO, "{}").status());
    operator.ok("PUT", "/v1/owners/project:c/quota", "{\"keys\":100}");
    assertNotEquals(409, carol.post(accept, "{}").status());
    assertFalse(carol.ok("GET", TO, null).objects("keys").isEmpty());
  }
}
