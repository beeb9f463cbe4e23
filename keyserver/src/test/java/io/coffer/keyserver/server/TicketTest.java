package io.coffer.keyserver.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.client.KeyServiceException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.LoginTest.Munge;
import io.coffer.keyserver.server.TestServer.Answer;
import io.coffer.keyserver.server.TestServer.Client;
import io.coffer.keyserver.tpm.SoftwareTpm;
import io.coffer.keyserver.tpm.TpmChannel;
import io.coffer.keyserver.tpm.TpmEndpoint;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Nodes of jobs show a ticket to a server that asks MUNGE who they are and Slurm what runs. */
class TicketTest {
  private static final String BOX = "/v1/services/hpc/owners/project:a/keys";

  @TempDir static Path directory;
  private static Munge munge;
  private static TestServer server;
  private static String key;
  private String ticket = "";
  private String id = "";

  @BeforeAll
  static void start() throws Exception {
    long uid = (Integer) Files.getAttribute(directory, "unix:uid");
    Assumptions.assumeTrue(LoginTest.installed("munged") && uid == 0, "munged runs as root");
    munge = new Munge(directory.resolve("munge"));
    Path scontrol =
        Files.writeString(
            directory.resolve("scontrol"),
            """
            #!/bin/sh
            echo "$3" | tr , '\\n'
            """);
    assertTrue(scontrol.toFile().setExecutable(true));
    Path squeue =
        Files.writeString(
            directory.resolve("squeue"),
            """
            #!/bin/sh
            cat "${0%/*}/job.${3#--jobs=}" && exit
            echo 'slurm_load_jobs error: Invalid job id specified'; exit 1
            """);
    assertTrue(squeue.toFile().setExecutable(true));
    server =
        new TestServer(
            directory.resolve("home"),
            TestServer.LIMITS,
            "{\"munge\":{\"socket\":\"%s\"},\"slurm\":{\"scontrol\":\"%s\",\"seconds\":60}}"
                .formatted(directory.resolve("munge/socket"), scontrol));
    server.makeBox("hpc", "project:a");
    key = server.as("client:alice").ok("POST", BOX, "{}").string("id");
  }

  @AfterAll
  static void stop() throws Exception {
    if (server != null) {
      server.close();
    }
    if (munge != null) {
      munge.close();
    }
  }

  @BeforeEach
  void issue() throws Exception {
    job(7, 0, "RUNNING", 0, "n1,n2");
    issue("client:uid-0", 3600);
  }

  private void issue(String user, int seconds) throws Exception {
    JsonObject issued =
        server
            .as("client:alice")
            .ok(
                "POST",
                "/v1/tickets",
                """
                {"user":"%s","service":"hpc","owner":"project:a","key":"%s","nodes":2,"seconds":%d}\
                """
                    .formatted(user, key, seconds));
    ticket = issued.string("ticket");
    id = issued.string("id");
  }

  private static void job(int number, int uid, String state, int restarts, String nodes)
      throws Exception {
    Files.writeString(
        directory.resolve("job." + number),
        // The line of another job of the same array comes first.
        "1%1$d 0 RUNNING 9 n1,n2,n3\n%1$d %2$d %3$s %4$d %5$s   \n"
            .formatted(number, uid, state, restarts, nodes));
  }

  private Answer redeem(String who, int job) throws Exception {
    String credential = munge.credential("coffer " + who, "--restrict-uid=0");
    return server
        .as(who)
        .post(
            "/v1/tickets/redeem",
            "{\"ticket\":\"%s\",\"credential\":\"%s\",\"job\":\"%d\"}"
                .formatted(ticket, credential, job));
  }

  private String token(String who, int job) throws Exception {
    Answer answer = redeem(who, job);
    assertEquals(201, answer.status(), answer.text());
    return answer.json().string("token");
  }

  private void assertRefused(String words, Answer answer) {
    assertEquals(401, answer.status(), answer.text());
    assertTrue(answer.text().contains(words), answer.text());
    assertFalse(answer.text().contains(ticket), "a ticket in an answer");
  }

  private static int show(String who, String token, String method, String path) throws Exception {
    Client client = server.as(who);
    return client
        .http()
        .send(
            HttpRequest.newBuilder(URI.create(client.base() + path))
                .header("Authorization", "Bearer " + token)
                .method(method, BodyPublishers.noBody())
                .build(),
            BodyHandlers.discarding())
        .statusCode();
  }

  private static int read(String who, String token) throws Exception {
    return show(who, token, "GET", BOX + "/" + key + "/wrapped");
  }

  private static int renew(String who, String token) throws Exception {
    server.clock.advance(Duration.ofSeconds(2)); // Renewing is refused unless it lengthens.
    return show(who, token, "POST", "/v1/tokens/renew");
  }

  @Test
  void aTicketOpensItsKeyOnceOnEachNodeOfItsJob() throws Exception {
    String first = token("endpoint:n1", 7);
    assertEquals(200, read("endpoint:n1", first));
    assertEquals(401, read("endpoint:n2", first), "bound to the node");
    assertRefused("used on n1 already", redeem("endpoint:n1", 7));
    assertEquals(200, read("endpoint:n2", token("endpoint:n2", 7)));
    List<String> served = List.of();
    for (JsonObject each :
        server.as("client:alice").ok("GET", "/v1/tickets", null).objects("tickets")) {
      assertFalse(each.has("hash") || each.has("ticket"), "no secret in a list");
      served = each.string("id").equals(id) ? each.strings("served") : served;
    }
    assertEquals(Set.of("n1", "n2"), Set.copyOf(served));
    String another = BOX + "/" + server.as("client:alice").ok("POST", BOX, "{}").string("id");
    assertEquals(403, show("endpoint:n1", first, "GET", another + "/wrapped"), "another key");
  }

  @Test
  void aStolenTicketIsOfNoUse() throws Exception {
    assertRefused("no node n3", redeem("endpoint:n3", 7));
    job(9, 1000, "RUNNING", 0, "n1");
    assertRefused("another user", redeem("endpoint:n1", 9));
    job(10, 0, "PENDING", 0, "(null)");
    assertRefused("not running", redeem("endpoint:n1", 10));
    assertRefused("no such job", redeem("endpoint:n1", 11));
    assertRefused("only an endpoint", redeem("client:eve", 7));
    token("endpoint:n1", 7);
    job(8, 0, "RUNNING", 0, "n1,n2,n3");
    assertRefused("belongs to job 7", redeem("endpoint:n2", 8));
    job(7, 0, "RUNNING", 0, "n1,n2,n3");
    token("endpoint:n2", 7);
    assertRefused("all nodes", redeem("endpoint:n3", 7));
    issue("client:uid-1000", 3600);
    assertRefused("another user", redeem("endpoint:n1", 7));
    ticket = "A".repeat(64);
    assertRefused("not known", redeem("endpoint:n1", 7));
    String log = server.as("auditor:aud").get("/v1/audit").text();
    assertTrue(log.contains("it belongs to job 7"), log);
  }

  @Test
  void itEndsWithItsJobAndServesTheNextRunOfIt() throws Exception {
    String first = token("endpoint:n1", 7);
    assertEquals(200, renew("endpoint:n1", first));
    job(7, 0, "RUNNING", 1, "n1,n2");
    assertEquals(401, renew("endpoint:n1", first), "of the run before");
    String second = token("endpoint:n1", 7);
    assertEquals(200, renew("endpoint:n1", second));
    job(7, 0, "COMPLETED", 1, "n1,n2");
    assertEquals(401, renew("endpoint:n1", second));
    assertRefused("not running", redeem("endpoint:n2", 7));
    assertEquals(200, read("endpoint:n1", second), "until its minute is over");
    server.clock.advance(Duration.ofSeconds(61));
    assertEquals(401, read("endpoint:n1", second));
  }

  @Test
  void itEndsWhenItIsRevokedOrItsTimeIsOver() throws Exception {
    String token = token("endpoint:n1", 7);
    assertEquals(404, server.as("client:bob").send("DELETE", "/v1/tickets/" + id, null).status());
    server.as("client:alice").ok("DELETE", "/v1/tickets/" + id, null);
    assertEquals(401, read("endpoint:n1", token));
    assertRefused("revoked", redeem("endpoint:n2", 7));
    issue("client:uid-0", 30);
    token("endpoint:n1", 7);
    server.clock.advance(Duration.ofSeconds(31));
    assertRefused("time is over", redeem("endpoint:n2", 7));
  }

  @Test
  void onAnEndpointWithATpmItOpensItsKeyOnlyWhileTheMachineIsAsItShouldBe() throws Exception {
    Assumptions.assumeTrue(SoftwareTpm.installed("swtpm"), "swtpm is not installed");
    TreeSet<Integer> registers = new TreeSet<>(List.of(7, 16));
    try (SoftwareTpm tpm = SoftwareTpm.start(directory.resolve("tpm"))) {
      JsonObject values = new JsonObject();
      byte[] endorsement;
      try (TpmChannel channel = TpmChannel.open(tpm.where());
          TpmEndpoint machine = new TpmEndpoint(channel)) {
        machine
            .read(registers)
            .forEach((n, v) -> values.put(n.toString(), List.of(HexFormat.of().formatHex(v))));
        endorsement = machine.endorsementKey().getEncoded();
      }
      JsonObject registration =
          new JsonObject()
              .put("attestation", "tpm")
              .put("services", List.of("hpc"))
              .put("tpm", new JsonObject().put("ek", endorsement).put("pcrs", values));
      server
          .operator()
          .ok(
              "PUT",
              "/v1/endpoints/n1",
              new String(registration.toBytes(), StandardCharsets.UTF_8));

      String token = token("endpoint:n1", 7);
      assertEquals(200, read("endpoint:n1", token), "the key-string, which nobody needs to hide");
      assertTrue(opens(token, null).contains("has not proved"), "without its TPM");
      assertEquals("", opens(token, tpm.where()), "with it");
      tpm.extend(16);
      assertTrue(opens(token, tpm.where()).contains("PCR 16"), "after the machine has changed");
      String log = Files.readString(server.home.auditLog());
      assertTrue(log.contains("for job 7"), "the log knows the job");
      assertTrue(log.contains("attested by TPM"), "and how its node proved itself");
      assertTrue(log.contains("not as the policy says: PCR 16"), "and why it is refused");
    }
  }

  /** Opens the key on node n1, whose certificate is new; returns why not, or nothing. */
  private static String opens(String token, @Nullable String tpm) throws Exception {
    var node = server.authority.issue(Identity.parse("endpoint:n1"), Set.of(), Duration.ofDays(1));
    try (SecretBytes text = SecretBytes.take(token.getBytes(StandardCharsets.US_ASCII));
        KeyClient client =
            KeyClient.open(
                new KeyClient.Settings(
                    URI.create("https://127.0.0.1:" + server.port()),
                    Pem.readCertificate(server.home.authority()),
                    node.certificate(),
                    node.key(),
                    10,
                    tpm),
                text,
                (which, reason) -> {});
        SecretBytes opened = client.key(new KeyClient.Key("hpc", "project:a", key, 1))) {
      return opened.length() == 32 ? "" : "a key of " + opened.length() + " bytes";
    } catch (KeyServiceException e) {
      return String.valueOf(e.getMessage());
    }
  }
}
