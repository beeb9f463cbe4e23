package io.coffer.keyserver.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.KeyServer;
import io.coffer.keyserver.server.Limits;
import io.coffer.keyserver.server.ServerBackup;
import io.coffer.keyserver.server.ServerHome;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A backup that is carried to another machine: namespaces of its own for network, mounts and host
 * name, in which there is no way to the first machine and its directory is not there.
 */
@DisplayName("A backup on another machine")
class AnotherMachineTest {
  /** As docs/key-service.md tells it; every command in a process of its own. */
  private static final String RECIPE =
      """
      hostname second.example
      ip link set lo up
      ip address add 10.9.8.7/32 dev lo
      mount -t tmpfs -o size=1m none "$FIRST"
      echo '10.9.8.7 second.example' > hosts
      mount --bind hosts /etc/hosts
      echo "on $(hostname), the first directory has $(ls -A "$FIRST" | wc -l) files"
      ! (exec 3<> /dev/tcp/127.0.0.1/"$FIRST_PORT") 2> /dev/null
      java() { "$JAVA" --enable-native-access=ALL-UNNAMED -cp "$CLASSES" "$@"; }
      coffer() { java io.coffer.cli.Main "$@"; }
      coffer keyserver restore --head "$HEAD" --listen 10.9.8.7:7450 \\
        --passphrase-file medium/passphrase medium/backup keys
      rm keys/server.pem keys/server.key
      coffer ca issue --host second.example --host 10.9.8.7 --passphrase-file medium/passphrase \\
        --out keys keys/ca server:server
      (exec "$JAVA" --enable-native-access=ALL-UNNAMED -cp "$CLASSES" io.coffer.cli.Main \\
        keyserver run --passphrase-file medium/passphrase keys) > said 2>&1 &
      server=$!
      for i in $(seq 600); do grep -q 'is open' said && break; sleep 0.1; done
      coffer keyserver status keys
      coffer keyserver token --url https://second.example:7450 --cert nodes/alice.pem \\
        --for endpoint:node1 --id "$KEY" --out nodes/token keys
      echo "password $(java "$PROGRAM" password nodes/key.json)"
      kill $server
      wait $server || true
      coffer audit verify --head "$HEAD" keys
      """;

  @TempDir Path directory;

  private static KeyClient.Settings as(Path authority, Path certificate, int port)
      throws IOException {
    String key = certificate.getFileName().toString().replace(".pem", ".key");
    return new KeyClient.Settings(
        URI.create("https://127.0.0.1:" + port),
        Pem.readCertificate(authority),
        Pem.readCertificate(certificate),
        Pem.readPrivateKey(certificate.resolveSibling(key), "EC"),
        1);
  }

  @Test
  void opensWithNothingOfTheFirstAndGivesTheSameKeys() throws Exception {
    assumeTrue(
        new ProcessBuilder("unshare", "--net", "--mount", "--uts", "true").start().waitFor() == 0,
        "namespaces need root");
    Path first = Files.createDirectory(directory.resolve("first"));
    Path nodes = Files.createDirectory(directory.resolve("nodes"));
    Path medium = Files.createDirectory(directory.resolve("medium"));
    Files.writeString(medium.resolve("passphrase"), "a passphrase for tests\n");
    byte[] key = RandomBytes.of(32);
    String id;
    AuditLog.Head head;
    int port;
    try (SecretBytes passphrase = SecretBytes.copyOf("a passphrase for tests".getBytes(UTF_8))) {
      Path place = first.resolve("keys");
      ServerHome.init(
          place,
          "127.0.0.1",
          0,
          Set.of(),
          new ServerHome.Opening(passphrase, 10, 0, 0),
          Clock.systemUTC());
      ServerHome home = ServerHome.open(place);
      CertificateAuthority authority =
          CertificateAuthority.open(place.resolve("ca"), passphrase, Clock.systemUTC());
      for (String who : List.of("client:alice", "endpoint:node1")) {
        var issued = authority.issue(Identity.parse(who), Set.of(), Duration.ofDays(1));
        Path file = nodes.resolve(who.substring(who.indexOf(':') + 1) + ".pem");
        Files.write(file, Pem.encode("CERTIFICATE", issued.certificate().getEncoded()));
        Pem.writePrivateKey(
            file.resolveSibling(file.getFileName().toString().replace(".pem", ".key")),
            issued.key());
      }
      Files.copy(home.authority(), nodes.resolve("ca.pem"));
      try (KeyServer server =
          KeyServer.start(
              home, home.listen(), Limits.STANDARD, KeyServer.GRACE, Clock.systemUTC())) {
        server.unseal(passphrase);
        port = server.port();
        KeyClient.Settings operator = as(home.authority(), home.certificate("operator"), port);
        KeyClient.Settings alice = as(home.authority(), nodes.resolve("alice.pem"), port);
        KeyClient.ask(operator, "POST", "/v1/services", new JsonObject().put("name", "hpc"));
        KeyClient.ask(
            operator,
            "PUT",
            "/v1/endpoints/node1",
            new JsonObject().put("services", List.of("hpc")).put("attestation", "mtls"));
        JsonObject admin = new JsonObject().put("identity", "client:alice").put("role", "admin");
        KeyClient.ask(
            operator,
            "POST",
            "/v1/owners",
            new JsonObject().put("name", "project:a").put("members", List.of(admin)));
        id =
            KeyClient.ask(
                    alice,
                    "POST",
                    "/v1/services/hpc/owners/project:a/keys",
                    new JsonObject().put("material", key))
                .string("id");
        head =
            ServerBackup.backUp(
                home,
                medium.resolve("backup"),
                (ServerBackup.Witness<IOException>)
                    to ->
                        KeyClient.ask(
                            operator,
                            "POST",
                            "/v1/backups",
                            new JsonObject().put("to", to.toString())),
                Clock.systemUTC());
      }
    }
    Files.write(
        nodes.resolve("key.json"),
        new JsonObject()
            .put("url", "https://second.example:7450")
            .put("authority", "ca.pem")
            .put("certificate", "node1.pem")
            .put("key", "node1.key")
            .put("token", "token")
            .put("service", "hpc")
            .put("owner", "project:a")
            .put("id", id)
            .toBytes());

    ProcessBuilder machine =
        new ProcessBuilder(
                "unshare",
                "--net",
                "--mount",
                "--uts",
                "--propagation",
                "private",
                "--pid",
                "--fork",
                "--mount-proc",
                "--kill-child", // no server outlives the recipe, however that ends
                "bash",
                "-euc",
                RECIPE)
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("output").toFile());
    machine
        .environment()
        .putAll(
            java.util.Map.of(
                "JAVA", System.getProperty("java.home") + "/bin/java",
                "CLASSES", System.getProperty("java.class.path"),
                "PROGRAM", Program.class.getName(),
                "FIRST", first.toString(),
                "FIRST_PORT", Integer.toString(port),
                "HEAD", head.toString(),
                "KEY", id));
    Process process = machine.start();
    boolean ended = process.waitFor(5, TimeUnit.MINUTES);
    String said = Files.readString(directory.resolve("output"));
    if (!ended) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
    assertTrue(ended, said);
    assertEquals(0, process.exitValue(), said);
    assertTrue(said.contains("on second.example, the first directory has 0 files"), said);
    assertTrue(said.contains("records match their ledger"), said);
    assertTrue(said.contains("password " + Base64.getEncoder().encodeToString(key)), said);
    String log = Files.readString(directory.resolve("keys/audit.jsonl"));
    assertTrue(log.contains("\"server.restore\""), log);
    assertTrue(
        log.lines().anyMatch(l -> l.contains("\"key.read\"") && l.contains("\"10.9.8.7\"")), log);
  }
}
