package io.coffer.keyserver.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.KeyServer;
import io.coffer.keyserver.server.Limits;
import io.coffer.keyserver.server.ServerHome;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A volume whose password is a key of Alice's, opened on node1 with a token of hers. */
class VolumeKeysTest {
  private static final String BOX = "/v1/services/hpc/owners/project:a/keys";

  @TempDir Path directory;
  private ServerHome home;
  private CertificateAuthority authority;
  private KeyServer server;
  private Path token;
  private String tokenId;
  private Path reference;
  private String id;

  @BeforeEach
  void start() throws Exception {
    Path place = directory.resolve("home");
    try (SecretBytes passphrase = SecretBytes.copyOf("a passphrase for tests".getBytes(UTF_8))) {
      ServerHome.init(
          place,
          "127.0.0.1",
          0,
          Set.of(),
          new ServerHome.Opening(passphrase, 10, 0, 0),
          Clock.systemUTC());
      home = ServerHome.open(place);
      server =
          KeyServer.start(home, home.listen(), Limits.STANDARD, KeyServer.GRACE, Clock.systemUTC());
      server.unseal(passphrase);
      authority = CertificateAuthority.open(place.resolve("ca"), passphrase, Clock.systemUTC());
    }
    issue("client:alice", "alice");
    issue("endpoint:node1", "node1");
    send("operator", "POST", "/v1/services", "{\"name\":\"hpc\"}");
    send(
        "operator",
        "POST",
        "/v1/owners",
        "{\"name\":\"project:a\",\"members\":[{\"identity\":\"client:alice\",\"role\":\"admin\"}]}");
    send(
        "operator",
        "PUT",
        "/v1/endpoints/node1",
        "{\"services\":[\"hpc\"],\"attestation\":\"mtls\"}");
    id = send("alice", "POST", BOX, "{}").string("id");
    token = directory.resolve("token");
    List<String> said =
        command(
            "token",
            "--url",
            url(),
            "--cert",
            directory.resolve("alice.pem"),
            "--for",
            "endpoint:node1",
            "--id",
            id,
            "--out",
            token,
            place);
    tokenId = said.getFirst();
    reference = directory.resolve("key.json");
    Files.write(
        reference,
        new JsonObject()
            .put("url", url())
            .put("authority", "home/ca/ca.pem")
            .put("certificate", "node1.pem")
            .put("key", "node1.key")
            .put("token", "token")
            .put("service", "hpc")
            .put("owner", "project:a")
            .put("id", id)
            .toBytes());
  }

  @AfterEach
  void stop() throws IOException {
    server.close();
  }

  private String url() {
    return "https://127.0.0.1:" + server.port();
  }

  private void issue(String identity, String name) throws Exception {
    var issued = authority.issue(Identity.parse(identity), Set.of(), Duration.ofDays(1));
    Pem.writePrivateKey(directory.resolve(name + ".key"), issued.key());
    Files.write(
        directory.resolve(name + ".pem"),
        Pem.encode("CERTIFICATE", issued.certificate().getEncoded()));
  }

  private JsonObject send(String who, String method, String path, String body) throws Exception {
    boolean operator = who.equals("operator");
    Path certificate = operator ? home.certificate(who) : directory.resolve(who + ".pem");
    Path key = operator ? home.key(who) : directory.resolve(who + ".key");
    var context =
        new TrustedAuthority(Pem.readCertificate(home.authority()), null)
            .context(
                Pem.readCertificate(certificate),
                Pem.readPrivateKey(key, "EC"),
                Set.of(Profile.SERVER));
    try (HttpClient client = HttpClient.newBuilder().sslContext(context).build()) {
      var response =
          client.send(
              HttpRequest.newBuilder(URI.create(url() + path))
                  .header("Content-Type", "application/json")
                  .method(method, BodyPublishers.ofString(body))
                  .build(),
              BodyHandlers.ofByteArray());
      assertTrue(response.statusCode() < 300, new String(response.body(), UTF_8));
      return JsonObject.parse(response.body(), Set.of());
    }
  }

  private static List<String> command(Object... words) {
    List<String> arguments = new ArrayList<>();
    for (Object word : words) {
      arguments.add(word.toString());
    }
    var out = new java.io.ByteArrayOutputStream();
    var stream = new java.io.PrintStream(out, true, UTF_8);
    int exit = Commands.run(new KeyserverCommand(), arguments, new Console(stream, stream));
    assertEquals(0, exit, out.toString(UTF_8));
    return out.toString(UTF_8).lines().toList();
  }

  private static Process coffer(Object... words) throws IOException {
    return builder(words).start();
  }

  private static ProcessBuilder builder(Object... words) {
    List<String> command =
        new ArrayList<>(
            List.of(
                System.getProperty("java.home") + "/bin/java",
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                "io.coffer.cli.Main"));
    for (Object word : words) {
      command.add(word.toString());
    }
    return new ProcessBuilder(command).redirectErrorStream(true);
  }

  private static void run(Object... words) throws Exception {
    Process process = coffer(words);
    String said = new String(process.getInputStream().readAllBytes(), UTF_8);
    assertEquals(0, process.waitFor(), said);
  }

  @Test
  void aVolumeOpensWithTheTokenAndTheMountSaysWhenItIsRevoked() throws Exception {
    Path volume = Files.createDirectory(directory.resolve("volume"));
    Path view = Files.createDirectory(directory.resolve("view"));
    run("init", "--key-service", reference, "--scrypt-log-n", 10, volume);
    Process mount = coffer("mount", "--foreground", "--key-service", reference, volume, view);
    try {
      BufferedReader log = mount.inputReader(UTF_8);
      waitFor(log, "is open at");
      Files.writeString(view.resolve("file"), "content");
      command(
          "revoke-token",
          "--url",
          url(),
          "--cert",
          directory.resolve("alice.pem"),
          "--id",
          tokenId,
          home.directory());
      waitFor(log, "has withdrawn the key");
      assertEquals("content", Files.readString(view.resolve("file")), "it stays open");
    } finally {
      mount.destroy();
      assertTrue(mount.waitFor(20, TimeUnit.SECONDS), "the mount ends");
    }
    Process again = coffer("mount", "--foreground", "--key-service", reference, volume, view);
    String said = new String(again.getInputStream().readAllBytes(), UTF_8);
    assertTrue(again.waitFor() != 0, said);
    assertTrue(said.contains("revoked"), said);
  }

  @Test
  void initMakesADoubleKeyAtTheServiceForEachFormatAndAPasswordMayRemain() throws Exception {
    Path machine = directory.resolve("machine.json");
    Files.write(
        machine,
        new JsonObject()
            .put("url", url())
            .put("authority", "home/ca/ca.pem")
            .put("certificate", "node1.pem")
            .put("key", "node1.key")
            .toBytes());
    Path alice = directory.resolve("alice.pem");
    for (String format : List.of("gocryptfs", "fscrypt")) {
      Path volume = Files.createDirectory(directory.resolve(format));
      List<Object> words =
          new ArrayList<>(
              List.of(
                  "init",
                  "--key-service",
                  url(),
                  "--service",
                  "hpc",
                  "--owner",
                  "project:a",
                  "--certificate",
                  alice,
                  "--format",
                  format));
      words.addAll(format.equals("fscrypt") ? List.of() : List.of("--scrypt-log-n", 10));
      words.add(volume);
      ProcessBuilder init = builder(words.toArray());
      init.environment().put("COFFER_KEY_SERVICE", machine.toString());
      Process process = init.start();
      String said = new String(process.getInputStream().readAllBytes(), UTF_8);
      assertEquals(0, process.waitFor(), said);
      Path made = directory.resolve(format + ".key.json");
      JsonObject json = JsonObject.parse(Files.readAllBytes(made), Set.of());
      JsonObject key = send("alice", "GET", BOX + "/" + json.string("id"), "");
      assertTrue(key.bool("double", false), "one half is the owner's");
      assertEquals("volume " + format, key.string("name"));
      Path recovery = Files.writeString(directory.resolve("password"), "for a bad day\n");
      if (format.equals("gocryptfs")) {
        Path spare = directory.resolve("spare.conf");
        Files.copy(volume.resolve("gocryptfs.conf"), spare);
        run(
            "passwd",
            "--key-service",
            made,
            "--config",
            spare,
            "--new-password-file",
            recovery,
            volume);
        run("check", "--config", spare, "--password-file", recovery, volume);
        run("check", "--key-service", made, volume);
        Process wrong = coffer("check", "--password-file", recovery, volume);
        wrong.getInputStream().readAllBytes();
        assertEquals(12, wrong.waitFor(), "the volume's own configuration is the service's");
      } else {
        run(
            "protector",
            "add",
            "--key-service",
            made,
            "--name",
            "spare",
            "--new-password-file",
            recovery,
            volume);
        run(
            "protector",
            "add",
            "--password-file",
            recovery,
            "--protector",
            "spare",
            "--name",
            "service",
            "--new-key-service",
            made,
            volume);
      }
    }
    Path other = Files.createDirectory(directory.resolve("other"));
    ProcessBuilder refused =
        builder(
            "init",
            "--key-service",
            url(),
            "--service",
            "none",
            "--owner",
            "project:a",
            "--certificate",
            alice,
            other);
    refused.environment().put("COFFER_KEY_SERVICE", machine.toString());
    Process process = refused.start();
    String said = new String(process.getInputStream().readAllBytes(), UTF_8);
    assertTrue(process.waitFor() != 0, said);
    assertTrue(said.contains("there is no service 'none'"), said);
    assertTrue(Files.notExists(directory.resolve("other.key.json")), "nothing is left");
    int keys = send("alice", "GET", BOX + "?limit=1000", "").objects("keys").size();
    ProcessBuilder full =
        builder(
            "init",
            "--key-service",
            url(),
            "--service",
            "hpc",
            "--owner",
            "project:a",
            "--certificate",
            alice,
            "--reference",
            directory.resolve("again.json"),
            directory.resolve("gocryptfs"));
    full.environment().put("COFFER_KEY_SERVICE", machine.toString());
    Process again = full.start();
    said = new String(again.getInputStream().readAllBytes(), UTF_8);
    assertTrue(again.waitFor() != 0 && said.contains("not empty"), said);
    assertEquals(
        keys,
        send("alice", "GET", BOX + "?limit=1000", "").objects("keys").size(),
        "none was made");
  }

  private static void waitFor(BufferedReader log, String text) throws IOException {
    StringBuilder said = new StringBuilder();
    String line;
    while ((line = log.readLine()) != null) {
      said.append(line).append('\n');
      if (line.contains(text)) {
        return;
      }
    }
    throw new AssertionError("'" + text + "' was not said, but: " + said);
  }

  @Test
  void aReferenceThatIsWrongSaysWhat() throws Exception {
    VolumeKeys keys = new VolumeKeys();
    try (SecretBytes password = keys.password(reference)) {
      assertEquals(44, password.length(), "base64 of 32 bytes");
    }
    String good = Files.readString(reference);
    String[][] mistakes = {
      {good.replace("\"hpc\"", "\"cinder\""), "refuses"},
      {good.replace("node1.pem", "none.pem"), "none.pem"},
      {good.replace("\"token\":\"token\"", "\"token\":\"none\""), "none does not exist"},
      {good.replace("\"service\"", "\"servise\""), "servise"},
      {good.replaceAll("127.0.0.1:\\d+", "127.0.0.1:1"), "cannot be reached; start it"},
      {good.replace("home/ca/ca.pem", "alice.pem"), "was not issued by the authority"},
      {"{", "malformed"},
    };
    for (String[] mistake : mistakes) {
      Files.writeString(reference, mistake[0]);
      VolumeException refused =
          assertThrows(VolumeException.class, () -> keys.password(reference).close());
      String said = String.valueOf(refused.getMessage());
      assertTrue(said.contains(mistake[1]), said);
    }
  }
}
