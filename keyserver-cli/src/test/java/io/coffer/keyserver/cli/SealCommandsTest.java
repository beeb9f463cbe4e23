package io.coffer.keyserver.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.tpm.TpmChannel;
import io.coffer.keyserver.tpm.TpmSealer;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The ways by which a server opens, as an operator works with them. */
class SealCommandsTest {
  @TempDir Path directory;
  private Path home;
  private Path passphrase;
  private int port;
  private @Nullable Path softHsm;
  private final List<Process> processes = new ArrayList<>();

  private record Ran(int exit, String out, String err) {}

  /** A server that runs, and what it said until it listened. */
  private record Server(Process process, String said) {}

  @BeforeEach
  void prepare() throws IOException {
    home = directory.resolve("home");
    passphrase = Files.writeString(directory.resolve("passphrase"), "a good passphrase\n");
    port = freePort();
  }

  @AfterEach
  void stopAll() throws InterruptedException {
    for (Process process : processes) {
      process.destroy();
      process.waitFor(20, TimeUnit.SECONDS);
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return free.getLocalPort();
    }
  }

  private static boolean installed(String program) {
    return Arrays.stream(System.getenv("PATH").split(":", -1))
        .anyMatch(place -> Files.isExecutable(Path.of(place, program)));
  }

  private static Ran run(Object... words) {
    List<String> arguments = Arrays.stream(words).map(Object::toString).toList();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int exit =
        Commands.run(
            new KeyserverCommand(),
            arguments,
            new Console(new PrintStream(out, true, UTF_8), new PrintStream(err, true, UTF_8)));
    return new Ran(exit, out.toString(UTF_8), err.toString(UTF_8));
  }

  private static Ran ok(Object... words) {
    Ran ran = run(words);
    assertEquals(0, ran.exit(), () -> List.of(words) + ": " + ran.err());
    return ran;
  }

  private static Ran refused(int exit, String because, Object... words) {
    Ran ran = run(words);
    assertEquals(exit, ran.exit(), () -> List.of(words) + ": " + ran.err());
    assertTrue(ran.err().contains(because), ran::err);
    return ran;
  }

  private static List<String> program() {
    return new ArrayList<>(
        List.of(
            System.getProperty("java.home") + "/bin/java",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            Program.class.getName(),
            "keyserver"));
  }

  private Server start(Object... words) throws IOException {
    return startAt(home, words);
  }

  private Server startAt(Path where, Object... words) throws IOException {
    List<String> command = program();
    command.add("run");
    Arrays.stream(words).map(Object::toString).forEach(command::add);
    command.add(where.toString());
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("SOFTHSM2_CONF", String.valueOf(softHsm));
    builder.redirectInput(Path.of("/dev/null").toFile());
    Process process = builder.start();
    processes.add(process);
    BufferedReader reader = process.inputReader(UTF_8);
    StringBuilder said = new StringBuilder();
    String line;
    while ((line = reader.readLine()) != null) {
      said.append(line).append('\n');
      if (line.contains("listens on")) {
        return new Server(process, said.toString());
      }
    }
    throw new AssertionError(said.toString());
  }

  private static void stop(Server server) throws InterruptedException {
    server.process().destroy();
    assertTrue(server.process().waitFor(30, TimeUnit.SECONDS), "the server ends when told to");
  }

  private String log() throws IOException {
    return Files.readString(home.resolve("audit.jsonl"));
  }

  /** Starts a software TPM; returns how to reach it. */
  private String startTpm() throws Exception {
    return startTpm("tpm");
  }

  private String startTpm(String name) throws Exception {
    Assumptions.assumeTrue(installed("swtpm"), "swtpm is not installed");
    int tpmPort = freePort();
    Path state = Files.createDirectory(directory.resolve(name));
    processes.add(
        new ProcessBuilder(
                "swtpm",
                "socket",
                "--tpm2",
                "--tpmstate",
                "dir=" + state,
                "--server",
                "type=tcp,bindaddr=127.0.0.1,port=" + tpmPort,
                "--flags",
                "not-need-init,startup-clear")
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve(name + ".log").toFile())
            .start());
    String where = "tcp:127.0.0.1:" + tpmPort;
    long begin = System.nanoTime();
    while (true) {
      try (TpmChannel channel = TpmChannel.open(where);
          TpmSealer _ = new TpmSealer(channel)) {
        return where;
      } catch (IOException e) {
        if (System.nanoTime() - begin > TimeUnit.SECONDS.toNanos(60)) {
          throw e;
        }
        Thread.sleep(20);
      }
    }
  }

  /** TPM2_PCR_Extend of the SHA-256 bank. */
  private static void extend(String where, int register) throws IOException {
    byte[] command =
        ByteBuffer.allocate(65)
            .putShort((short) 0x8002)
            .putInt(65)
            .putInt(0x182)
            .putInt(register)
            .putInt(9)
            .putInt(0x40000009)
            .put(new byte[5])
            .putInt(1)
            .putShort((short) 0x000b)
            .put("an update of the firmware, say..".getBytes(UTF_8))
            .array();
    try (TpmChannel channel = TpmChannel.open(where)) {
      assertEquals(0, ByteBuffer.wrap(channel.transmit(command)).getInt(6));
    }
  }

  private Ran approve(@Nullable String predicted) throws IOException {
    return approve(
        home,
        predicted == null
            ? ok("tpm-policy", "request", home)
            : ok("tpm-policy", "request", "--pcr", predicted, home));
  }

  private Ran approve(Path where, Ran request) throws IOException {
    Path state = Files.writeString(directory.resolve("state.json"), request.out());
    Ran signed =
        ok(
            "tpm-policy",
            "sign",
            "--key",
            directory.resolve("policy.key"),
            "--passphrase-file",
            passphrase,
            state);
    assertTrue(signed.err().contains("PCR 16 "), "who signs sees what: " + signed.err());
    Path approval = Files.writeString(directory.resolve("approval.json"), signed.out());
    return ok("tpm-policy", "accept", where, approval);
  }

  /** Starts etcd, alone; returns how to reach it. */
  private String startEtcd() throws Exception {
    Assumptions.assumeTrue(installed("etcd"), "etcd is not installed");
    String client = "http://127.0.0.1:" + freePort();
    String peer = "http://127.0.0.1:" + freePort();
    processes.add(
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
            .start());
    return client;
  }

  @Test
  void serversThatShareAStoreAreEachOpenedByATpmOfTheirOwn() throws Exception {
    String first = startTpm("tpm1");
    String second = startTpm("tpm2");
    String etcd = startEtcd();
    Path key = directory.resolve("policy.key");
    ok("tpm-policy", "new-key", "--out", key, "--passphrase-file", passphrase);
    Path policy = directory.resolve("policy.pem");
    Object[] init = {
      "init",
      "--name",
      "k1",
      "--listen",
      "127.0.0.1:" + port,
      "--etcd",
      etcd,
      "--passphrase-file",
      passphrase,
      "--seal",
      "tpm",
      "--tpm",
      first,
      "--pcr",
      "16",
      "--policy-key",
      policy,
      home
    };
    Ran made = run(init);
    // etcd takes a moment to start.
    for (int i = 0; i < 120 && made.exit() != 0; i++) {
      Thread.sleep(500);
      made = run(init);
    }
    assertEquals(0, made.exit(), made.err());
    Path other = directory.resolve("k2");
    int otherPort = freePort();
    ok(
        "join",
        "--name",
        "k2",
        "--listen",
        "127.0.0.1:" + otherPort,
        "--passphrase-file",
        passphrase,
        home,
        other);
    approve(null);
    Server one = start();
    assertTrue(one.said().contains("is open, by tpm"), one.said());
    Object[] add = {
      "seals",
      "add",
      "--seal",
      "tpm",
      "--tpm",
      second,
      "--pcr",
      "16",
      "--policy-key",
      policy,
      "--passphrase-file",
      passphrase
    };
    Ran taken = run(with(add, other));
    assertEquals(12, taken.exit(), taken.err());
    assertTrue(taken.err().contains("'tpm' already"), "the other server's: " + taken.err());
    // While the other one runs.
    ok(with(add, "--name", "tpm-k2", other));
    approve(other, ok("tpm-policy", "request", "--seal", "tpm-k2", other));
    Server two = startAt(other);
    assertTrue(two.said().contains("is open, by tpm 'tpm-k2'"), two.said());
    Path operator = home.resolve("operator.pem");
    assertTrue(ok("status", "--cert", operator, other).err().contains("k1, k2"));

    stop(two);
    extend(second, 16);
    Server changed = startAt(other);
    assertTrue(changed.said().contains("PCR 16 has another value"), changed.said());
    assertEquals(11, run("status", "--cert", operator, other).exit(), "it stays sealed");
    assertTrue(ok("status", home).err().contains("opened by tpm"), "the other stays open");
    approve(other, ok("tpm-policy", "request", "--seal", "tpm-k2", other));
    ok("unseal", "--hardware", "--cert", operator, other);
    stop(changed);
    stop(one);
  }

  @Test
  void serversThatShareAStoreAreOpenedByOneTokenThatAllReach() throws Exception {
    Path library = startToken();
    Path pin = Files.writeString(directory.resolve("pin"), "1234\n");
    String etcd = startEtcd();
    Object[] init = {
      "init",
      "--name",
      "k1",
      "--listen",
      "127.0.0.1:" + port,
      "--etcd",
      etcd,
      "--passphrase-file",
      passphrase,
      home
    };
    Ran made = run(init);
    for (int i = 0; i < 120 && made.exit() != 0; i++) {
      Thread.sleep(500);
      made = run(init);
    }
    assertEquals(0, made.exit(), made.err());
    Path other = directory.resolve("k2");
    ok(
        "join",
        "--name",
        "k2",
        "--listen",
        "127.0.0.1:" + freePort(),
        "--passphrase-file",
        passphrase,
        home,
        other);
    for (Path where : List.of(home, other)) {
      Ran added =
          apart(
              "seals",
              "add",
              "--seal",
              "pkcs11",
              "--name",
              where.equals(home) ? "hsm-k1" : "hsm-k2",
              "--pkcs11-library",
              library,
              "--token",
              "hsm",
              "--pin-file",
              pin,
              "--passphrase-file",
              passphrase,
              where);
      assertEquals(0, added.exit(), added.err());
    }
    for (Path where : List.of(home, other)) {
      Server server = startAt(where);
      assertTrue(server.said().contains("is open, by pkcs11 'hsm-k"), server.said());
      stop(server);
    }
  }

  @Test
  void aServerSealedToATpmOpensItselfInApprovedStatesAndSaysWhatToDoInOthers() throws Exception {
    String tpm = startTpm();
    refused(1, "name the registers", "init", "--seal", "tpm", "--tpm", tpm, home);
    Path key = directory.resolve("policy.key");
    ok("tpm-policy", "new-key", "--out", key, "--passphrase-file", passphrase);
    refused(11, "exists", "tpm-policy", "new-key", "--out", key, "--passphrase-file", passphrase);
    Ran made =
        ok(
            "init",
            "--listen",
            "127.0.0.1:" + port,
            "--passphrase-file",
            passphrase,
            "--seal",
            "tpm",
            "--tpm",
            tpm,
            "--pcr",
            "16",
            "--policy-key",
            directory.resolve("policy.pem"),
            home);
    assertTrue(made.err().contains("tpm-policy request"), made.err());

    Server server = start();
    assertTrue(server.said().contains("no state of this machine has been approved"), server.said());
    assertTrue(server.said().contains("sealed; open it"), server.said());
    assertEquals(11, run("status", home).exit());
    Ran accepted = approve(null);
    assertTrue(accepted.err().contains("The machine is in this state"), accepted.err());
    ok("unseal", "--hardware", home);
    assertTrue(ok("status", home).err().contains("opened by tpm"));
    assertTrue(log().contains("\"reason\":\"tpm\""), "the log says by what");
    stop(server);

    extend(tpm, 16);
    Server changed = start();
    assertTrue(changed.said().contains("PCR 16 has another value than approved"), changed.said());
    assertTrue(changed.said().contains("coffer keyserver tpm-policy request " + home));
    assertTrue(log().contains("PCR 16 has another value than approved"), "the log says why");
    refused(12, "PCR 16", "unseal", "--hardware", home);
    assertTrue(ok("tpm-policy", "list", home).out().contains("not now: PCR 16"));
    ok("unseal", "--passphrase-file", passphrase, home);
    assertTrue(ok("status", home).err().contains("opened by passphrase"));
    approve(null);
    stop(changed);

    Server approved = start();
    assertTrue(approved.said().contains("is open, by tpm"), approved.said());
    Ran other = approve("16=" + "ab".repeat(32));
    assertTrue(other.err().contains("another state now: PCR 16"), other.err());
    assertEquals(3, ok("tpm-policy", "list", home).out().lines().count());
    refused(1, "no value", "tpm-policy", "request", "--pcr", "7=" + "ab".repeat(32), home);
    stop(approved);

    // A state that somebody else signed, and an approval for what the seal was before.
    Path another = directory.resolve("x.key");
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(256);
    Pem.writePrivateKey(another, generator.generateKeyPair().getPrivate());
    Ran forged = ok("tpm-policy", "sign", "--key", another, directory.resolve("state.json"));
    Path forgery = Files.writeString(directory.resolve("forged.json"), forged.out());
    refused(12, "not signed by the policy key", "tpm-policy", "accept", home, forgery);
    ok("seals", "remove", "--name", "tpm", home);
    assertFalse(Files.readString(home.resolve("server.json")).contains("tpm"));
    ok(
        "seals",
        "add",
        "--seal",
        "tpm",
        "--tpm",
        tpm,
        "--pcr",
        "16",
        "--policy-key",
        directory.resolve("policy.pem"),
        "--passphrase-file",
        passphrase,
        home);
    refused(12, "another seal", "tpm-policy", "accept", home, directory.resolve("approval.json"));
    assertTrue(ok("tpm-policy", "list", home).out().lines().allMatch(l -> l.contains("void")));
  }

  @Test
  void sealsAreAddedAndRemovedWhileTheServerIsStoppedAndWhatPeopleHaveStays() throws Exception {
    ok("init", "--listen", "127.0.0.1:" + port, "--passphrase-file", passphrase, home);
    Server server = start("--passphrase-file", passphrase);
    assertEquals(
        "passphrase\tpassphrase\ta passphrase\n", ok("seals", "list", home).out(), "as it runs");
    refused(11, "in use by a running key server", "seals", "remove", "--name", "passphrase", home);
    stop(server);
    refused(12, "is the only way", "seals", "remove", "--name", "passphrase", home);
    Path next = Files.writeString(directory.resolve("next"), "a better passphrase\n");
    Path wrong = Files.writeString(directory.resolve("wrong"), "a bad passphrase\n");
    Object[] add = {
      "seals", "add", "--seal", "passphrase", "--name", "new", "--new-passphrase-file", next
    };
    refused(12, "the passphrase is wrong", with(add, "--passphrase-file", wrong, home));
    ok(with(add, "--passphrase-file", passphrase, home));
    Path shares = directory.resolve("shares");
    ok(
        "seals",
        "add",
        "--seal",
        "quorum",
        "--quorum",
        "2/3",
        "--shares-dir",
        shares,
        "--passphrase-file",
        next,
        home);
    ok("seals", "remove", "--name", "passphrase", home);
    assertEquals(
        "new\tpassphrase\ta passphrase\nquorum\tquorum\tany 2 of 3 shares\n",
        ok("seals", "list", home).out());
    ok(
        "seals",
        "add",
        "--seal",
        "passphrase",
        "--name",
        "third",
        "--new-passphrase-file",
        passphrase,
        "--share-file",
        shares.resolve("share-1"),
        "--share-file",
        shares.resolve("share-3"),
        home);
    Server changed = start("--passphrase-file", next);
    assertTrue(changed.said().contains("is open, by passphrase 'new'"), changed.said());
    stop(changed);
    String log = log();
    assertTrue(log.contains("\"seal.add\"") && log.contains("\"seal.remove\""), log);
    assertTrue(log.contains("any 2 of 3 shares; opened by passphrase 'new'"), log);
  }

  /** Makes a token of SoftHSM, for this process and the servers that it starts. */
  private Path startToken() throws Exception {
    Path library = Path.of("/usr/lib/softhsm/libsofthsm2.so");
    Assumptions.assumeTrue(
        Files.exists(library) && installed("softhsm2-util"), "SoftHSM is not installed");
    Path tokens = Files.createDirectory(directory.resolve("tokens"));
    Path settings = directory.resolve("softhsm2.conf");
    Files.writeString(
        settings, "directories.tokendir = " + tokens + "\nobjectstore.backend = file\n");
    softHsm = settings;
    ProcessBuilder init =
        new ProcessBuilder(
                "softhsm2-util",
                "--init-token",
                "--free",
                "--label",
                "hsm",
                "--so-pin",
                "security",
                "--pin",
                "1234")
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("softhsm.log").toFile());
    init.environment().put("SOFTHSM2_CONF", settings.toString());
    assertEquals(0, init.start().waitFor());
    return library;
  }

  /** Runs a command in a process of its own, which has the environment that the library wants. */
  private Ran apart(Object... words) throws Exception {
    List<String> command = program();
    Arrays.stream(words).map(Object::toString).forEach(command::add);
    Path said = directory.resolve("said");
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile());
    builder.environment().put("SOFTHSM2_CONF", String.valueOf(softHsm));
    builder.redirectInput(Path.of("/dev/null").toFile());
    int exit = builder.start().waitFor();
    return new Ran(exit, "", Files.readString(said));
  }

  @Test
  void aServerSealedToATokenOpensItselfByAPinThatIsNeverOnACommandLine() throws Exception {
    Path library = startToken();
    Path pin = Files.writeString(directory.resolve("pin"), "1234\n");
    refused(1, "name its PKCS#11 library", "init", "--seal", "pkcs11", home);
    Object[] init = {
      "init",
      "--listen",
      "127.0.0.1:" + port,
      "--passphrase-file",
      passphrase,
      "--seal",
      "pkcs11",
      "--pkcs11-library",
      library,
      "--token"
    };
    Ran missing = apart(with(init, "other", "--pin-file", pin, home));
    assertEquals(11, missing.exit(), missing.err());
    assertTrue(missing.err().contains("There are: 'hsm'"), missing.err());
    assertFalse(Files.exists(home.resolve("server.json")), "nothing was made");
    Ran made = apart(with(init, "hsm", "--pin-file", pin, home));
    assertEquals(0, made.exit(), made.err());

    Server server = start();
    assertTrue(server.said().contains("is open, by pkcs11"), server.said());
    assertTrue(
        ok("seals", "list", home)
            .out()
            .contains("the key 'coffer-keyserver' of the token 'hsm' (aes-gcm)"));
    ok("seal", home);
    assertEquals(11, run("status", home).exit());
    ok("unseal", "--hardware", home);
    assertTrue(ok("status", home).err().contains("opened by pkcs11"));
    stop(server);
    assertTrue(log().contains("\"reason\":\"pkcs11 at start\""), log());

    Files.writeString(pin, "9999\n");
    Server wrong = start();
    assertTrue(wrong.said().contains("(serial number"), wrong.said());
    assertTrue(wrong.said().contains("is wrong, and"), wrong.said());
    assertTrue(wrong.said().contains("sealed; open it"), wrong.said());
    ok("unseal", "--passphrase-file", passphrase, home);
    stop(wrong);

    Path settings = home.resolve("server.json");
    String before = Files.readString(settings);
    Files.writeString(
        settings,
        before
            .replace("\"pin_command\":null", "\"pin_command\":\"echo 1234\"")
            .replace("\"" + pin + "\"", "null"));
    Server byCommand = start();
    assertTrue(byCommand.said().contains("is open, by pkcs11"), byCommand.said());
    stop(byCommand);
  }

  private static Object[] with(Object[] words, Object... more) {
    List<Object> all = new ArrayList<>(Arrays.asList(words));
    all.addAll(Arrays.asList(more));
    return all.toArray();
  }
}
