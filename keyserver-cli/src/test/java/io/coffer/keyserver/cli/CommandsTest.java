package io.coffer.keyserver.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.cli.ExtraCommand;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class CommandsTest {
  @TempDir Path directory;
  private Path home;
  private Path passphrase;
  private int port;

  @BeforeEach
  void prepare() throws IOException {
    home = directory.resolve("home");
    passphrase = Files.writeString(directory.resolve("passphrase"), "a good passphrase\n");
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
  }

  private record Ran(int exit, String out, String err) {}

  private static Ran run(Object... words) {
    List<String> arguments = new ArrayList<>();
    for (Object word : words) {
      arguments.add(word.toString());
    }
    Object commands =
        switch (arguments.removeFirst()) {
          case "ca" -> new CaCommand();
          case "audit" -> new AuditCommand();
          default -> new KeyserverCommand();
        };
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int exit =
        Commands.run(
            commands,
            arguments,
            new Console(new PrintStream(out, true, UTF_8), new PrintStream(err, true, UTF_8)));
    return new Ran(exit, out.toString(UTF_8), err.toString(UTF_8));
  }

  private static JsonObject json(String text) throws JsonException {
    return JsonObject.parse(text.getBytes(UTF_8), Set.of());
  }

  /** Starts a server in a process of its own, and waits until it says that it listens. */
  private static Process start(Object... words) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                System.getProperty("java.home") + "/bin/java",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Program.class.getName(),
                "keyserver",
                "run"));
    for (Object word : words) {
      command.add(word.toString());
    }
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    BufferedReader reader = process.inputReader(UTF_8);
    StringBuilder said = new StringBuilder();
    String line;
    while ((line = reader.readLine()) != null) {
      said.append(line).append('\n');
      if (line.contains("listens on")) {
        return process;
      }
    }
    throw new AssertionError(said.toString());
  }

  private static void stop(Process process) throws InterruptedException {
    process.destroy();
    assertTrue(process.waitFor(20, TimeUnit.SECONDS), "the server ends when it is told to");
  }

  @Test
  void oneCommandMakesAndRunsAServerThatCanBeClosedAndOpened() throws Exception {
    Process server =
        start("--init", "--listen", "127.0.0.1:" + port, "--passphrase-file", passphrase, home);
    try {
      Ran status = run("keyserver", "status", home);
      assertEquals(0, status.exit(), status.err());
      assertEquals("open\n", status.out());
      JsonObject told = json(run("keyserver", "status", "--json", home).out());
      assertFalse(told.bool("sealed", true));
      assertEquals("operator:operator", told.string("you"));
      assertEquals(0, run("keyserver", "seal", home).exit());
      assertEquals(11, run("keyserver", "status", home).exit());
      Ran closed = run("keyserver", "status", "--json", home);
      assertEquals(11, closed.exit());
      assertTrue(json(closed.out()).bool("sealed", false));
      JsonObject seal = json(run("keyserver", "seals", "list", "--json", home).out());
      assertEquals("passphrase", seal.string("kind"));
      Path wrong = Files.writeString(directory.resolve("wrong"), "a bad passphrase\n");
      Ran refused = run("keyserver", "unseal", "--passphrase-file", wrong, home);
      assertEquals(12, refused.exit());
      assertTrue(refused.err().contains("the passphrase is wrong"), refused.err());
      Ran opened = run("keyserver", "unseal", "--passphrase-file", passphrase, home);
      assertEquals(0, opened.exit(), opened.err());
      assertEquals("open\n", run("keyserver", "status", home).out());

      Ran issued =
          run(
              "ca",
              "issue",
              "--passphrase-file",
              passphrase,
              "--out",
              directory,
              home.resolve("ca"),
              "client:alice");
      assertEquals(0, issued.exit(), issued.err());
      Ran noSecret =
          run(
              "ca",
              "issue",
              "--passphrase-file",
              wrong,
              "--out",
              directory,
              home.resolve("ca"),
              "client:mallory");
      assertEquals(11, noSecret.exit());
      assertTrue(noSecret.err().contains("passphrase is wrong"), noSecret.err());
      Path password = Files.writeString(directory.resolve("password"), "for the browser\n");
      Path p12 = directory.resolve("alice.p12");
      Ran packed =
          run("ca", "p12", "--new-passphrase-file", password, directory.resolve("alice.pem"));
      assertEquals(0, packed.exit(), packed.err());
      assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(p12)));
      KeyStore store = KeyStore.getInstance(p12.toFile(), "for the browser".toCharArray());
      assertEquals(List.of("client:alice"), Collections.list(store.aliases()));
      assertTrue(store.isKeyEntry("client:alice"));
      Ran again =
          run("ca", "p12", "--new-passphrase-file", password, directory.resolve("alice.pem"));
      assertEquals(11, again.exit());
      assertTrue(again.err().contains("exists already"), again.err());
      Ran asAlice = run("keyserver", "seal", "--cert", directory.resolve("alice.pem"), home);
      assertEquals(12, asAlice.exit());
      assertTrue(asAlice.err().contains("only an operator"), asAlice.err());
      Ran backup = run("keyserver", "backup", home, directory.resolve("backup"));
      assertEquals(0, backup.exit(), backup.err());
      assertTrue(
          Files.readString(directory.resolve("backup/audit.jsonl"))
              .contains("to " + directory.resolve("backup")));
      Ran nobody =
          run(
              "keyserver",
              "backup",
              "--cert",
              directory.resolve("none.pem"),
              home,
              directory.resolve("unlogged"));
      assertEquals(11, nobody.exit());
      assertTrue(nobody.err().contains("an operator's certificate with --cert"), nobody.err());
      Ran restored =
          run(
              "keyserver",
              "restore",
              "--head",
              backup.out().strip(),
              "--listen",
              "127.0.0.1:7",
              "--passphrase-file",
              passphrase,
              directory.resolve("backup"),
              directory.resolve("elsewhere"));
      assertEquals(0, restored.exit(), restored.err());
      assertTrue(restored.err().contains("match their ledger"), restored.err());
      assertTrue(Files.readString(directory.resolve("elsewhere/server.json")).contains(":7"));
      Ran twice =
          run("keyserver", "restore", directory.resolve("backup"), directory.resolve("elsewhere"));
      assertEquals(11, twice.exit());
      assertTrue(twice.err().contains("is not empty"), twice.err());
      Path log = directory.resolve("backup/audit.jsonl");
      byte[] whole = Files.readAllBytes(log);
      Files.write(log, java.util.Arrays.copyOf(whole, whole.length - 1));
      Ran damaged =
          run("keyserver", "restore", directory.resolve("backup"), directory.resolve("damaged"));
      assertEquals(11, damaged.exit());
      assertTrue(damaged.err().contains("take another backup"), damaged.err());
      Files.write(log, whole);
      Ran unlike =
          run(
              "keyserver",
              "restore",
              "--passphrase-file",
              wrong,
              directory.resolve("backup"),
              directory.resolve("third"));
      assertEquals(12, unlike.exit(), unlike.err());
      Ran noLogin =
          run(
              "keyserver",
              "token",
              "--login",
              "munge",
              "--credential-file",
              passphrase,
              "--out",
              directory.resolve("token"),
              "--cert",
              directory.resolve("alice.pem"),
              home);
      assertEquals(11, noLogin.exit());
      assertTrue(noLogin.err().contains("logins.json"), noLogin.err());
    } finally {
      stop(server);
    }
    Ran audit = run("audit", "verify", home);
    assertEquals(0, audit.exit(), audit.err());
    String head = audit.out().strip();
    assertEquals(0, run("audit", "verify", "--head", head, home).exit());
    String log = Files.readString(home.resolve("audit.jsonl"));
    assertTrue(log.contains("\"server.stop\""), "it stopped in order");
    assertTrue(log.contains("the passphrase is wrong"), "refusals are logged");
    int lastLine = log.lastIndexOf('\n', log.length() - 2) + 1;
    Files.writeString(home.resolve("audit.jsonl"), log.substring(0, lastLine));
    assertEquals(11, run("audit", "verify", "--head", head, home).exit(), "the end was cut off");
    String other = head.substring(0, head.length() - 1) + (head.endsWith("0") ? "1" : "0");
    Files.writeString(home.resolve("audit.jsonl"), log);
    assertEquals(11, run("audit", "verify", "--head", other, home).exit(), "another log");
    assertEquals(0, run("audit", "verify", "--head", head, home).exit());
    Files.writeString(home.resolve("audit.jsonl"), log.replace("server.seal", "server.xxxx"));
    Ran tampered = run("audit", "verify", home);
    assertEquals(11, tampered.exit());
    assertFalse(tampered.err().contains("Exception"), tampered.err());
    assertTrue(tampered.err().contains("compare it with copies"), tampered.err());
    assertEquals(11, run("keyserver", "status", home).exit());
    assertTrue(run("keyserver", "status", home).err().contains("coffer keyserver run"));
  }

  @Test
  void aKeyIsBroughtSealed() throws Exception {
    Process server =
        start("--init", "--listen", "127.0.0.1:" + port, "--passphrase-file", passphrase, home);
    try {
      Ran issued =
          run(
              "ca",
              "issue",
              "--passphrase-file",
              passphrase,
              "--out",
              directory,
              home.resolve("ca"),
              "client:alice");
      assertEquals(0, issued.exit(), issued.err());
      Path certificate = directory.resolve("alice.pem");
      KeyClient.Settings operator = settings(home.resolve("operator.pem"));
      KeyClient.ask(operator, "POST", "/v1/services", new JsonObject().put("name", "cinder"));
      KeyClient.ask(
          operator,
          "POST",
          "/v1/owners",
          new JsonObject()
              .put("name", "project:hpc")
              .put(
                  "members",
                  List.of(new JsonObject().put("identity", "client:alice").put("role", "admin"))));
      Path key = Files.write(directory.resolve("disk1.key"), new byte[] {1, '\n', 3, 0, 5});
      Ran made =
          run(
              "keyserver",
              "import",
              "--service",
              "cinder",
              "--owner",
              "project:hpc",
              "--name",
              "disk1",
              "--cert",
              certificate,
              "--key-file",
              key,
              home);
      assertEquals(0, made.exit(), made.err());
      String id = made.out().strip();
      Ran next =
          run(
              "keyserver",
              "import",
              "--service",
              "cinder",
              "--owner",
              "project:hpc",
              "--version-of",
              id,
              "--cert",
              certificate,
              "--key-file",
              key,
              home);
      assertEquals(0, next.exit(), next.err());
      assertTrue(next.err().contains("as version 2"), next.err());
      JsonObject described =
          KeyClient.ask(
              settings(certificate),
              "GET",
              "/v1/services/cinder/owners/project:hpc/keys/" + id,
              null);
      assertEquals("disk1", described.string("name"));
      assertEquals(40, described.integer("bits", 1, 999), "all bytes of the file");
      String log = Files.readString(home.resolve("audit.jsonl"));
      assertEquals(
          2, log.lines().filter(line -> line.contains("a key that was brought sealed")).count());
      Ran nobody =
          run(
              "keyserver",
              "import",
              "--service",
              "cinder",
              "--owner",
              "project:none",
              "--cert",
              certificate,
              "--key-file",
              key,
              home);
      assertEquals(11, nobody.exit(), nobody.err());
    } finally {
      stop(server);
    }
  }

  private KeyClient.Settings settings(Path certificate) throws IOException {
    String name = certificate.getFileName().toString().replace(".pem", ".key");
    return new KeyClient.Settings(
        java.net.URI.create("https://127.0.0.1:" + port),
        Pem.readCertificate(home.resolve("ca/ca.pem")),
        Pem.readCertificate(certificate),
        Pem.readPrivateKey(certificate.resolveSibling(name), "EC"),
        1);
  }

  @Test
  void aQuorumOpensTheServerShareByShare() throws Exception {
    Path shares = directory.resolve("shares");
    Ran made =
        run(
            "keyserver",
            "init",
            "--listen",
            "127.0.0.1:" + port,
            "--quorum",
            "2/3",
            "--shares-dir",
            shares,
            home);
    assertEquals(0, made.exit(), made.err());
    Process server = start(home);
    try {
      Ran first =
          run("keyserver", "unseal", "--share", "--share-file", shares.resolve("share-3"), home);
      assertEquals(0, first.exit(), first.err());
      assertTrue(first.err().contains("still needed: 1"), first.err());
      Ran second =
          run("keyserver", "unseal", "--share", "--share-file", shares.resolve("share-1"), home);
      assertTrue(second.err().contains("is open"), second.err());
      assertEquals("open\n", run("keyserver", "status", home).out());
    } finally {
      stop(server);
    }
  }

  @Test
  void certificatesAreListedShownAndRevoked() {
    Path ca = directory.resolve("ca");
    assertEquals(0, run("ca", "init", "--name", "Ours", ca).exit());
    assertEquals(0, run("ca", "issue", "--out", directory, ca, "endpoint:node1").exit());
    Ran again = run("ca", "issue", "--out", directory, ca, "endpoint:node1");
    assertEquals(11, again.exit());
    assertTrue(again.err().contains("exists already"), again.err());
    Ran shown = run("ca", "show", directory.resolve("node1.pem"));
    assertTrue(shown.out().contains("endpoint:node1"), shown.out());
    assertTrue(run("ca", "show", ca).out().contains("CN=Ours"));
    assertTrue(run("ca", "list", ca).out().contains("valid"));
    assertEquals(0, run("ca", "revoke", ca, "endpoint:node1").exit());
    assertTrue(run("ca", "list", "--json", ca).out().contains("\"state\":\"revoked\""));
    assertEquals(0, run("ca", "renew-list", ca).exit());
    assertTrue(run("ca", "list", ca).out().contains("revoked"), "renewing forgets nothing");
    assertEquals(0, run("ca", "protect", "--new-passphrase-file", passphrase, ca).exit());
    Ran untold = run("ca", "renew-list", ca);
    assertEquals(1, untold.exit(), untold.err());
    assertEquals(0, run("ca", "renew-list", "--passphrase-file", passphrase, ca).exit());
  }

  @Test
  void mistakesGetASentenceAnExitCodeAndNoStackTrace() throws IOException {
    Path shortOne = Files.writeString(directory.resolve("short"), "short\n");
    Path empty = Files.writeString(directory.resolve("empty"), "");
    Object[][] mistakes = {
      {1, "ca"},
      {1, "ca", "frobnicate"},
      {1, "ca", "issue", directory, "alice"},
      {11, "ca", "issue", directory, "client:alice"},
      {11, "ca", "list", directory.resolve("none")},
      {11, "ca", "show", directory.resolve("none")},
      {1, "keyserver"},
      {1, "keyserver", "init", "--quorum", "two", home},
      {1, "keyserver", "init", "--quorum", "4/3", home},
      {1, "keyserver", "init", "--listen", "nowhere", home},
      {1, "keyserver", "init", "--passphrase-file", shortOne, home},
      {11, "keyserver", "init", "--passphrase-file", empty, home},
      {11, "keyserver", "init", "--passphrase-file", directory.resolve("none"), home},
      {11, "keyserver", "init", "--passphrase-file", passphrase, directory},
      {11, "keyserver", "run", directory},
      {11, "keyserver", "status", directory.resolve("none")},
      {11, "audit", "verify", directory.resolve("none")},
      {1, "audit", "verify", "--head", "7", directory},
      {11, "keyserver", "backup", directory.resolve("none"), directory.resolve("b")},
      {11, "keyserver", "restore", directory, directory.resolve("b")},
      {11, "keyserver", "restore", directory.resolve("none"), directory.resolve("b")},
      {1, "keyserver", "run", "--listen", "127.0.0.1:7", directory},
      {11, "keyserver", "init", "--passphrase-file", passphrase, "/proc/version"},
      {11, "keyserver", "tpm", "--service", "hpc", "--pcr", "7", "--device", "/nowhere/tpm"},
      {11, "keyserver", "tpm", "--service", "hpc", "--pcr", "7", "--device", passphrase},
      {1, "keyserver", "tpm", "--service", "hpc", "--pcr", "77"},
      {11, "keyserver", "seals", "list", directory},
      {1, "keyserver", "revoke-token", "--id", "../self", directory},
      {11, "ca", "revoke", directory, "client:alice"},
      {1, "keyserver", "import", "--service", "a", "--owner", "b", "--key-file", empty, home},
      {11, "keyserver", "import", "--service", "a", "--owner", "user:b", "--key-file", empty, home},
      {11, "ca", "p12", directory.resolve("none.pem")},
      {1, "keyserver", "restore", "--head", "7", directory, directory.resolve("b")},
      {1, "keyserver", "token", "--login", "oidc", "--out", empty, home},
    };
    for (Object[] mistake : mistakes) {
      Object[] words = java.util.Arrays.copyOfRange(mistake, 1, mistake.length);
      Ran ran = run(words);
      String what = List.of(words) + " said: " + ran.err();
      assertEquals(mistake[0], ran.exit(), what);
      saysWhatIsWrongAndWhatToDo(ran, what);
    }
    assertEquals(
        "a good passphrase\n", Files.readString(passphrase), "what is no TPM is not written to");
  }

  private static void saysWhatIsWrongAndWhatToDo(Ran ran, String what) {
    assertTrue(ran.err().startsWith("coffer: "), what);
    assertFalse(ran.err().contains("Exception"), what);
    assertFalse(ran.err().contains("unexpected"), what);
    assertTrue(ran.err().contains("\n  ") || ran.err().contains("; "), "and then? " + what);
  }

  @Test
  void whatFailedHalfWayCanBeTriedAgain() throws IOException {
    Ran first =
        run("keyserver", "init", "--host", "no host", "--passphrase-file", passphrase, home);
    assertEquals(11, first.exit());
    assertTrue(first.err().contains("'no host'"), first.err());
    Ran etcd =
        run(
            "keyserver",
            "init",
            "--etcd",
            "http://127.0.0.1:1",
            "--passphrase-file",
            passphrase,
            home);
    assertEquals(11, etcd.exit(), etcd.err());
    Ran again = run("keyserver", "init", "--passphrase-file", passphrase, home);
    assertEquals(0, again.exit(), again.err());
    Path nowhere = directory.resolve("nowhere");
    Ran issued =
        run(
            "ca",
            "issue",
            "--passphrase-file",
            passphrase,
            "--out",
            nowhere,
            home.resolve("ca"),
            "client:alice");
    assertEquals(11, issued.exit());
    assertTrue(issued.err().contains(nowhere + " is no directory"), issued.err());
    assertFalse(
        run("ca", "list", home.resolve("ca")).out().contains("client:alice"),
        "no certificate is issued that nobody gets");
  }

  @Test
  void aServerThatCannotBeReachedOrDoesNotLikeOneSaysWhy() throws Exception {
    Path other = directory.resolve("other");
    assertEquals(0, run("keyserver", "init", "--passphrase-file", passphrase, other).exit());
    Process server =
        start("--init", "--listen", "127.0.0.1:" + port, "--passphrase-file", passphrase, home);
    try (ServerSocket plain = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      Thread.ofVirtual().start(() -> answerInClear(plain));
      String here = "https://127.0.0.1:" + port;
      Ran issued =
          run(
              "ca",
              "issue",
              "--passphrase-file",
              passphrase,
              "--out",
              directory,
              home.resolve("ca"),
              "client:alice");
      assertEquals(0, issued.exit(), issued.err());
      Path alice = directory.resolve("alice.pem");
      Path foreign = directory.resolve("foreign");
      assertEquals(0, run("ca", "init", "--name", "Foreign", foreign).exit());
      assertEquals(0, run("ca", "issue", "--out", foreign, foreign, "operator:mallory").exit());
      Object[][] mistakes = {
        {
          "was not issued by the authority",
          "keyserver",
          "status",
          "--cert",
          foreign.resolve("mallory.pem"),
          home
        },
        {"no address", "keyserver", "status", "--url", "127.0.0.1:" + port, home},
        {"no address", "keyserver", "status", "--url", "http://127.0.0.1:" + port, home},
        {"no address", "keyserver", "status", "--url", "not a url", home},
        {"no host", "keyserver", "status", "--url", "https://nobody.invalid:7450", home},
        {"no key server answers", "keyserver", "status", "--url", "https://127.0.0.1:1", home},
        {
          "speaks no TLS",
          "keyserver",
          "status",
          "--url",
          "https://127.0.0.1:" + plain.getLocalPort(),
          home
        },
        {"by the authority", "keyserver", "status", "--url", here, other},
        {"does not exist", "keyserver", "status", "--cert", directory.resolve("no.pem"), home},
        {"holds no", "keyserver", "status", "--cert", passphrase, home},
        {"open already", "keyserver", "unseal", "--passphrase-file", passphrase, home},
        {"no share", "keyserver", "unseal", "--share", "--share-file", passphrase, home},
        {"only clients", "keyserver", "token", "--out", directory.resolve("t"), home},
        {
          "from 1 to",
          "keyserver",
          "token",
          "--seconds",
          "0",
          "--cert",
          alice,
          "--out",
          directory.resolve("t"),
          home
        },
      };
      assertEquals(0, run("keyserver", "seal", home).exit());
      for (Object[] mistake : mistakes) {
        if (mistake[0].equals("open already") || mistake[0].equals("only clients")) {
          run("keyserver", "unseal", "--passphrase-file", passphrase, home);
        } else if (mistake[0].equals("no share")) {
          run("keyserver", "seal", home);
        }
        Object[] words = java.util.Arrays.copyOfRange(mistake, 1, mistake.length);
        Ran ran = run(words);
        String what = List.of(words) + " said: " + ran.err();
        assertTrue(ran.exit() != 0, what);
        assertTrue(ran.err().contains(mistake[0].toString()), what);
        saysWhatIsWrongAndWhatToDo(ran, what);
      }
      run("ca", "revoke", "--passphrase-file", passphrase, home.resolve("ca"), "client:alice");
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
      Ran revoked;
      do {
        revoked = run("keyserver", "status", "--cert", alice, home);
      } while (revoked.exit() == 0 && System.nanoTime() < end);
      // The one is said in the handshake, the other by a server that reads the list only then.
      assertTrue(
          revoked.err().contains("does not accept the certificate")
              || revoked.err().contains("the certificate is revoked"),
          revoked.err());
      saysWhatIsWrongAndWhatToDo(revoked, revoked.err());
    } finally {
      stop(server);
    }
  }

  private static void answerInClear(ServerSocket socket) {
    try {
      while (true) {
        try (var client = socket.accept()) {
          client.getOutputStream().write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(UTF_8));
          client.shutdownOutput();
          client.getInputStream().readAllBytes();
        }
      }
    } catch (IOException e) {
      // The test is over.
    }
  }

  @Test
  void theCommandLineFindsTheCommandsAndPassesEverythingOn() {
    Set<String> names = new TreeSet<>();
    for (ExtraCommand command : ServiceLoader.load(ExtraCommand.class)) {
      CommandLine line = new CommandLine(command);
      names.add(line.getCommandName());
      line.setUnmatchedOptionsArePositionalParams(false);
      if (line.getCommandName().equals("ca")) {
        assertEquals(0, line.execute("init", "--name", "X", directory.resolve("x").toString()));
        assertTrue(Files.exists(directory.resolve("x/ca.key")));
        assertEquals(1, line.execute("init", "--wrong"));
      }
    }
    assertEquals(Set.of("audit", "ca", "keyserver"), names);
  }

  @Test
  void serversOverEtcdAreMadeJoinedBackedUpAndRestored() throws Exception {
    org.junit.jupiter.api.Assumptions.assumeTrue(
        java.util.Arrays.stream(System.getenv("PATH").split(":", -1))
            .anyMatch(place -> Files.isExecutable(Path.of(place, "etcd"))),
        "etcd is not installed");
    String client = "http://127.0.0.1:" + freePort();
    String peer = "http://127.0.0.1:" + freePort();
    Process etcd =
        new ProcessBuilder(
                "etcd",
                "--name=m",
                "--data-dir=" + directory.resolve("etcd"),
                "--listen-client-urls=" + client,
                "--advertise-client-urls=" + client,
                "--listen-peer-urls=" + peer,
                "--initial-advertise-peer-urls=" + peer,
                "--initial-cluster=m=" + peer)
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("etcd.log").toFile())
            .start();
    Path second = directory.resolve("k2");
    try {
      Ran made = initOver(client, home);
      // etcd takes a moment to start.
      for (int i = 0; i < 60 && made.exit() != 0; i++) {
        Thread.sleep(500);
        made = initOver(client, home);
      }
      assertEquals(0, made.exit(), made.err());
      Ran again = initOver(client, directory.resolve("k9"));
      assertEquals(11, again.exit());
      assertTrue(again.err().contains("keyserver join"), again.err());
      Ran joined =
          run(
              "keyserver",
              "join",
              "--name",
              "k2",
              "--listen",
              "127.0.0.1:" + port,
              "--passphrase-file",
              passphrase,
              home,
              second);
      assertEquals(0, joined.exit(), joined.err());
      assertFalse(Files.exists(second.resolve("ca").resolve("ca.key")));
      Process server = start("--passphrase-file", passphrase, second);
      try {
        Ran status = run("keyserver", "status", "--url", "https://127.0.0.1:" + port, home);
        assertEquals("open\n", status.out(), status.err());
        assertTrue(status.err().contains("alive: k2"), status.err());
        Path backup = directory.resolve("backup");
        // The operator's certificate is where the first server was made.
        Ran taken =
            run("keyserver", "backup", "--cert", home.resolve("operator.pem"), second, backup);
        assertEquals(0, taken.exit(), taken.err());
        Ran occupied =
            run(
                "keyserver",
                "restore",
                "--passphrase-file",
                passphrase,
                backup,
                directory.resolve("there"));
        assertEquals(11, occupied.exit());
        assertTrue(occupied.err().contains("another prefix"), occupied.err());
        for (List<String> place :
            List.of(List.of("--embedded"), List.of("--etcd", client, "--etcd-prefix", "/other/"))) {
          List<Object> words = new ArrayList<>(List.of("keyserver", "restore"));
          words.addAll(place);
          words.addAll(
              List.of(
                  "--passphrase-file", passphrase, backup, directory.resolve(place.getFirst())));
          Ran restored = run(words.toArray());
          assertEquals(0, restored.exit(), restored.err());
          assertTrue(restored.err().contains("match their ledger"), restored.err());
        }
      } finally {
        stop(server);
      }
    } finally {
      etcd.destroyForcibly().onExit().join();
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket free = new ServerSocket(0)) {
      return free.getLocalPort();
    }
  }

  private Ran initOver(String etcd, Path where) {
    return run(
        "keyserver",
        "init",
        "--name",
        "k1",
        "--etcd",
        etcd,
        "--passphrase-file",
        passphrase,
        where);
  }
}
