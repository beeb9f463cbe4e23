package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * A key server for a cluster, which asks its MUNGE and its controller; every node is an endpoint
 * with a certificate of its own.
 */
final class SlurmKeyService implements AutoCloseable {
  private final SlurmCluster cluster;
  private final Area area;
  private final Path home;
  private final Path alice;
  private final Command.Running server;

  SlurmKeyService(SlurmCluster cluster, Area area) {
    this.cluster = cluster;
    this.area = area;
    home = cluster.path("keys");
    alice = cluster.path("alice.json");
    Path passphrase = area.file("passphrase", "a passphrase for tests\n");
    int port = SlurmCluster.freePorts();
    cluster
        .in(Command.coffer("keyserver", "init", "--listen", "127.0.0.1:" + port))
        .and("--passphrase-file", passphrase, home)
        .ok();
    write(
        home.resolve("logins.json"),
        "{\"munge\":{\"socket\":\"%s\"},\"slurm\":{\"seconds\":20}}"
            .formatted(cluster.path("munge/munge.sock")));
    server =
        cluster
            .in(Command.coffer("keyserver", "run", "--passphrase-file", passphrase, home))
            .start();
    Command status = cluster.in(Command.coffer("keyserver", "status", home));
    if (!Mounted.waitUntil(Duration.ofMinutes(1), () -> status.run().exit() == 0)) {
      throw new AssertionError("the key server does not open: " + server.soFar());
    }
    Path certificates = area.directory("certificates");
    for (String who : new String[] {"client:alice", "endpoint:n1", "endpoint:n2", "endpoint:n3"}) {
      Command.coffer("ca", "issue", "--passphrase-file", passphrase, "--out", certificates)
          .and(home.resolve("ca"), who)
          .ok();
    }
    String base = "\"url\":\"https://127.0.0.1:%d\",\"authority\":\"%s\"".formatted(port, ca());
    operator(port, "POST", "services", "{\"name\":\"hpc\"}");
    operator(
        port,
        "POST",
        "owners",
        "{\"name\":\"project:a\",\"members\":[{\"identity\":\"client:alice\",\"role\":\"admin\"}]}");
    for (String node : SlurmCluster.NODES) {
      operator(
          port, "PUT", "endpoints/" + node, "{\"services\":[\"hpc\"],\"attestation\":\"mtls\"}");
      write(
          cluster.path("tmp." + node).resolve("key-service.json"),
          "{%s,\"certificate\":\"%s\",\"key\":\"%s\"}"
              .formatted(
                  base, certificates.resolve(node + ".pem"), certificates.resolve(node + ".key")));
    }
    String id =
        curl(
                certificates.resolve("alice"),
                port,
                "POST",
                "services/hpc/owners/project:a/keys",
                "{}")
            .replaceFirst("(?s).*\"id\":\"([0-9a-f-]{36})\".*", "$1");
    String key = ",\"service\":\"hpc\",\"owner\":\"project:a\",\"id\":\"%s\"".formatted(id);
    write(
        alice,
        "{%s,\"certificate\":\"%s\",\"key\":\"%s\"%s}"
            .formatted(
                base, certificates.resolve("alice.pem"), certificates.resolve("alice.key"), key));
    Command.coffer("keyserver", "token", "--cert", certificates.resolve("alice.pem"))
        .and("--for", "endpoint:n1", "--id", id, "--out", area.path().resolve("token"), home)
        .ok();
    write(
        area.path().resolve("n1.json"),
        "{%s,\"certificate\":\"%s\",\"key\":\"%s\",\"token\":\"%s\"%s}"
            .formatted(
                base,
                certificates.resolve("n1.pem"),
                certificates.resolve("n1.key"),
                area.path().resolve("token"),
                key));
    Command.coffer("init", "--scrypt-log-n", "10", "--key-service")
        .and(area.path().resolve("n1.json"), area.directory("by-key"))
        .ok();
  }

  private Path ca() {
    return home.resolve("ca/ca.pem");
  }

  private static void write(Path file, String text) {
    try {
      Files.writeString(file, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void operator(int port, String method, String path, String json) {
    curl(home.resolve("operator"), port, method, path, json);
  }

  private String curl(Path who, int port, String method, String path, String json) {
    return Command.of("curl", "--silent", "--show-error", "--fail-with-body", "--cacert", ca())
        .and("--cert", who + ".pem", "--key", who + ".key", "-X", method, "-d", json)
        .and("-H", "Content-Type: application/json")
        .and("https://127.0.0.1:" + port + "/v1/" + path)
        .ok()
        .out();
  }

  /** A ticket, and its id. */
  private String[] ticket(int nodes) {
    Outcome made =
        cluster
            .in(Command.coffer("job", "ticket", "--key-service", alice, "--nodes", nodes))
            .and("--volume", area.path().resolve("by-key"), "--time", "1h")
            .ok();
    return new String[] {
      made.out().strip(), made.err().replaceFirst("(?s).*ticket ([0-9a-f-]{36}).*", "$1")
    };
  }

  private String submit(String ticket, String then) {
    return cluster.submit(
        ticket,
        "export COFFER_KEY_SERVICE=/tmp/key-service.json\n"
            + "VIEW=$($coffer job mount) || exit 99\nexport VIEW\necho mounted\n"
            + then);
  }

  /** Three nodes open it by one ticket, which is of no use to a second job. */
  void opensOnEveryNode() {
    String[] ticket = ticket(3);
    String job =
        submit(
            ticket[0],
            """
            srun --overlap sh -c 'echo $SLURMD_NODENAME >$VIEW/$SLURM_PROCID'
            sort $VIEW/[0-5] | uniq -c | tr -s '\\n ' ' '
            """);
    assertEquals("COMPLETED", cluster.awaitEnd(job), () -> cluster.output(job));
    assertTrue(cluster.output(job).contains("2 n1 2 n2 2 n3"), () -> cluster.output(job));
    assertNothingLeft(job);
    String thief = submit(ticket[0], "");
    assertEquals("FAILED", cluster.awaitEnd(thief), () -> cluster.output(thief));
    assertTrue(
        cluster.output(thief).contains("belongs to job " + job), () -> cluster.output(thief));
    assertFalse(cluster.output(thief).contains("mounted"), () -> cluster.output(thief));
    assertNothingLeft(thief);
  }

  /** Revoking a ticket closes the views of a job that runs. */
  void closesWhenRevoked() {
    String[] ticket = ticket(3);
    String job = submit(ticket[0], "sleep 600\n");
    cluster.awaitOutput(job, "mounted");
    cluster.in(Command.coffer("job", "revoke", "--key-service", alice, ticket[1])).ok();
    assertTrue(
        Mounted.waitUntil(
            Duration.ofSeconds(60),
            () -> SlurmCluster.NODES.stream().allMatch(node -> cluster.views(node, job).isEmpty())),
        () -> "a view stays: " + cluster.leftovers(job) + cluster.output(job));
    cluster.in(Command.of("scancel", job)).ok();
    cluster.awaitEnd(job);
    assertNothingLeft(job);
    String log = auditLog();
    assertTrue(log.contains("for job " + job), log);
    assertTrue(log.contains("ticket.revoke"), log);
    assertFalse(log.contains(ticket[0]), "a ticket in the audit log");
  }

  private String auditLog() {
    try {
      return Files.readString(home.resolve("audit.jsonl"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void assertNothingLeft(String job) {
    assertTrue(
        Mounted.waitUntil(Duration.ofSeconds(60), () -> cluster.leftovers(job).isEmpty()),
        () -> "left of job " + job + ": " + cluster.leftovers(job) + "\n" + cluster.output(job));
  }

  @Override
  public void close() {
    server.process().destroy();
    server.finish(Duration.ofSeconds(30));
  }
}
