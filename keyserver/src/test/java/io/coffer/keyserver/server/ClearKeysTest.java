package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.client.KeyClient;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.TestServer.Answer;
import io.coffer.keyserver.server.TestServer.Client;
import io.coffer.keyserver.wire.Hpke;
import io.coffer.keyserver.wire.KeyName;
import io.coffer.keyserver.wire.KeyString;
import io.coffer.keyserver.wire.MasterKeyGrant;
import io.coffer.keyserver.wire.SealedRequest;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.interfaces.ECPublicKey;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A server in a process of its own, whose wire is tapped and whose memory, logs and files are
 * searched for keys that an endpoint has unwrapped.
 */
@SuppressWarnings("NullAway.Init") // each test begins with start
class ClearKeysTest {
  private static final String BOX = "/v1/services/cinder/owners/project:a/keys";

  @TempDir Path directory;
  private final List<Closeable> open = new ArrayList<>();
  private final ByteArrayOutputStream wire = new ByteArrayOutputStream();
  private final StringBuilder answers = new StringBuilder();
  private Process process;
  private Path home;
  private CertificateAuthority authority;
  private int port;
  private int tapped;

  private void start(String... more) throws Exception {
    home = directory.resolve("home");
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    try (SecretBytes passphrase = TestServer.passphrase()) {
      ServerHome.init(
          home,
          "127.0.0.1",
          port,
          Set.of(),
          new ServerHome.Opening(passphrase, 10, 0, 0),
          Clock.systemUTC());
      authority = CertificateAuthority.open(home.resolve("ca"), passphrase, Clock.systemUTC());
    }
    List<String> command =
        new ArrayList<>(
            List.of(
                System.getProperty("java.home") + "/bin/java",
                "-Xmx192m",
                "-Xmn128m", // what is not collected is not overwritten: nothing escapes the search
                "-XX:+UseSerialGC",
                // Nor is anything collected because classes are loaded.
                "-XX:MetaspaceSize=256m",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                ServerProcess.class.getName(),
                home.toString()));
    command.addAll(List.of(more));
    process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("said").toFile())
            .start();
    assertTrue(
        TestServer.eventually(() -> Files.readString(directory.resolve("said")).contains("open")),
        "the server starts");
    tap();
  }

  @AfterEach
  void stop() throws Exception {
    for (Closeable each : open) {
      each.close();
    }
    process.destroy();
    process.waitFor(20, TimeUnit.SECONDS);
  }

  /** Listens, passes everything on to the server and back, and writes it down. */
  private void tap() throws IOException {
    ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    open.add(listener);
    tapped = listener.getLocalPort();
    Thread.ofVirtual()
        .start(() -> {
          while (true) {
            try {
              Socket client = listener.accept();
              Socket server = new Socket(InetAddress.getLoopbackAddress(), port);
              open.add(client);
              open.add(server);
              Thread.ofVirtual().start(() -> pass(client, server));
              Thread.ofVirtual().start(() -> pass(server, client));
            } catch (IOException e) {
              return; // the test is over
            }
          }
        });
  }

  private void pass(Socket from, Socket to) {
    try {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      byte[] buffer = new byte[8192];
      int read;
      while ((read = in.read(buffer)) >= 0) {
        synchronized (wire) {
          wire.write(buffer, 0, read);
        }
        out.write(buffer, 0, read);
      }
      to.shutdownOutput();
    } catch (IOException e) {
      // One side has hung up.
    }
  }

  private Client as(String identity) throws Exception {
    var issued = authority.issue(Identity.parse(identity), Set.of(), Duration.ofDays(1));
    HttpClient http =
        HttpClient.newBuilder()
            .sslContext(
                new TrustedAuthority(authority.certificate(), null)
                    .context(issued.certificate(), issued.key(), Set.of(Profile.SERVER)))
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(10))
            .build();
    open.addFirst(http::close);
    return new Client(http, "https://127.0.0.1:" + tapped, identity);
  }

  /** Brings a key as our clients do, over the tapped wire. */
  private JsonObject bring(String identity, String path, byte[] key) throws Exception {
    var issued = authority.issue(Identity.parse(identity), Set.of(), Duration.ofDays(1));
    KeyClient.Settings settings =
        new KeyClient.Settings(
            URI.create("https://127.0.0.1:" + tapped),
            authority.certificate(),
            issued.certificate(),
            issued.key(),
            1);
    return KeyClient.ask(settings, "POST", path, new JsonObject().put("material", key));
  }

  /** Sends, expects success, and notes the answer as who ends the TLS connection sees it. */
  private JsonObject ok(Client client, String method, String path, String json) throws Exception {
    Answer answer = client.send(method, path, json.isEmpty() ? null : json);
    assertTrue(answer.status() < 300, path + ": " + answer.text());
    answers.append(answer.text()).append('\n');
    return answer.body().length == 0 ? new JsonObject() : answer.json();
  }

  /**
   * A collection moves what lies on the heap and leaves what was there before where it was; nobody
   * can wipe that. So keys that come sealed must never lie there.
   */
  @Test
  void areNotInItsMemoryEitherIfTheCollectorRunsAllTheTime() throws Exception {
    start("collect");
    Client operator = as("operator:op");
    var alice = authority.issue(Identity.parse("client:alice"), Set.of(), Duration.ofDays(1));
    Client sender = as("client:alice");
    box(operator);
    byte[] sealingKey = sender.ok("GET", SealedRequest.KEY_PATH, null).bytes("public_key");
    byte[] mark = RandomBytes.of(15);
    String id = "";
    for (int i = 0; i < 60; i++) {
      byte[] key = Arrays.copyOf(mark, 32);
      RandomBytes.fill(key, mark.length, key.length - mark.length);
      byte[] body;
      try (SecretBytes clear = SecretBytes.take(new JsonObject().put("material", key).toBytes())) {
        body = SealedRequest.seal(sealingKey, alice.certificate(), "POST", BOX, clear);
      }
      HttpResponse<byte[]> answer =
          sender
              .http()
              .send(
                  HttpRequest.newBuilder(URI.create(sender.base() + BOX))
                      .header("Content-Type", SealedRequest.CONTENT_TYPE)
                      .POST(BodyPublishers.ofByteArray(body))
                      .build(),
                  BodyHandlers.ofByteArray());
      assertEquals(201, answer.statusCode(), new String(answer.body(), UTF_8));
      id = JsonObject.parse(answer.body(), Set.of()).string("id");
    }
    // Each is unwrapped and wrapped again.
    ok(operator, "POST", "/v1/services/cinder/rotate", "");
    String last = id;
    assertTrue(
        TestServer.eventually(() ->
            ok(sender, "GET", BOX + "/" + last + "/wrapped", "").integer("master_version", 1, 9)
                == 2),
        "everything is rewrapped");
    assertEquals(
        Set.of("control"),
        inMemory(
            Map.of(
                "a key",
                mark,
                "a key in base64",
                base64(mark).getBytes(US_ASCII),
                "control",
                "client:alice".getBytes(ISO_8859_1))),
        "in memory");
  }

  /** The services, owners and endpoint that keys are brought for. */
  private void box(Client operator) throws Exception {
    for (String service : List.of("cinder", "glance")) {
      ok(operator, "POST", "/v1/services", "{\"name\":\"" + service + "\"}");
    }
    for (String owner : List.of("project:a", "project:b")) {
      ok(
          operator,
          "POST",
          "/v1/owners",
          "{\"name\":\""
              + owner
              + "\",\"members\":[{\"identity\":\"client:alice\",\"role\":\"admin\"}]}");
    }
    ok(
        operator,
        "PUT",
        "/v1/endpoints/n1",
        "{\"attestation\":\"mtls\",\"services\":[\"cinder\",\"glance\"]}");
  }

  @Test
  void areNeitherInTheServersMemoryNorInItsLogsItsFilesOrOnTheWire() throws Exception {
    start();
    Client operator = as("operator:op");
    Client alice = as("client:alice");
    Client node = as("endpoint:n1");
    box(operator);

    Map<String, byte[]> clear = new HashMap<>();
    byte[] sealed = RandomBytes.of(32);
    clear.put("a key that a client brought sealed", sealed);
    List<String> ids = new ArrayList<>();
    ids.add(bring("client:alice", BOX, sealed).string("id"));
    byte[] rotated = RandomBytes.of(32);
    clear.put("a version that a client brought sealed", rotated);
    bring("client:alice", BOX + "/" + ids.getFirst() + "/rotate", rotated);
    byte[] brought = RandomBytes.of(32);
    clear.put("a key that a client brought in clear", brought);
    String broughtId =
        ok(
                alice,
                "POST",
                BOX,
                "{\"material\":\"" + Base64.getEncoder().encodeToString(brought) + "\"}")
            .string("id");
    ids.add(broughtId);
    for (int i = 0; i < 4; i++) {
      ids.add(ok(alice, "POST", BOX, "{}").string("id"));
    }
    ok(alice, "POST", BOX + "/" + ids.get(3) + "/rotate", "");
    // Rewrapping and transferring is where the server has keys in clear for a moment.
    ok(operator, "POST", "/v1/services/cinder/rotate", "");
    assertTrue(
        TestServer.eventually(() -> {
          for (String id : ids) {
            JsonObject wrapped = ok(alice, "GET", BOX + "/" + id + "/wrapped", "");
            if (wrapped.integer("master_version", 1, 9) != 2) {
              return false;
            }
          }
          return true;
        }),
        "everything is rewrapped");
    JsonObject offer =
        ok(
            alice,
            "POST",
            BOX + "/" + ids.get(4) + "/transfers",
            "{\"service\":\"glance\",\"owner\":\"project:b\"}");
    JsonObject moved = ok(alice, "POST", "/v1/transfers/" + offer.string("id") + "/accept", "");
    assertFalse(moved.string("id").isEmpty());
    for (String id : ids) {
      clear.put("key " + id, unwrap(node, ok(alice, "GET", BOX + "/" + id + "/wrapped", "")));
    }
    assertArrayEquals(brought, clear.get("key " + broughtId), "it is that key");
    assertArrayEquals(rotated, clear.get("key " + ids.getFirst()), "it is that key");
    Answer refused = alice.post(BOX, "{\"material\":\"" + base64(brought) + "\", oops");
    assertEquals(400, refused.status());

    Map<String, byte[]> needles = new HashMap<>();
    clear.forEach((name, key) -> {
      needles.put(name, key);
      needles.put(name + " in base64", base64(key).getBytes(US_ASCII));
      needles.put(name + " in hexadecimal", HexFormat.of().formatHex(key).getBytes(US_ASCII));
    });
    byte[] captured;
    synchronized (wire) {
      captured = wire.toByteArray();
    }
    assertTrue(captured.length > 20_000, "the tap hears something");
    assertEquals(Set.of(), found(captured, needles), "on the wire");
    assertEquals(
        Set.of("control"),
        found(
            answers.toString().getBytes(UTF_8),
            with(needles, "control", ids.get(0).getBytes(UTF_8))),
        "in what the server answers, to who ends the TLS connection");
    boolean log = false;
    try (var files = Files.walk(directory)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        byte[] content = Files.readAllBytes(file);
        assertEquals(Set.of(), found(content, needles), file.toString());
        log |= new String(content, ISO_8859_1).contains(ids.get(0));
      }
    }
    assertTrue(log, "the audit log was among what was searched");
    // What a client sends in clear comes through buffers of TLS and HTTP that are not the server's
    // to wipe.
    needles.remove("a key that a client brought in clear in base64");
    needles.remove("key " + broughtId + " in base64");
    assertEquals(
        Set.of("control"),
        inMemory(with(needles, "control", "endpoint:n1".getBytes(ISO_8859_1))),
        "in memory");
  }

  private static Map<String, byte[]> with(Map<String, byte[]> needles, String name, byte[] more) {
    Map<String, byte[]> all = new HashMap<>(needles);
    all.put(name, more);
    return all;
  }

  private static String base64(byte[] bytes) {
    return Base64.getEncoder().encodeToString(bytes);
  }

  private byte[] unwrap(Client node, JsonObject answer) throws Exception {
    KeyPair pair = Hpke.newKeyPair();
    byte[] nonce = RandomBytes.of(16);
    JsonObject request =
        new JsonObject()
            .put("public_key", Hpke.encode((ECPublicKey) pair.getPublic()))
            .put("nonce", nonce);
    JsonObject grant =
        ok(node, "POST", "/v1/services/cinder/master-key", new String(request.toBytes(), UTF_8));
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
                "cinder",
                (int) grant.integer("version", 1, 9),
                nonce,
                grant.bytes("grant"));
        SecretBytes key = KeyString.unwrap(master, name, answer.bytes("wrapped"))) {
      return key.read(byte[]::clone);
    }
  }

  private static Set<String> found(byte[] content, Map<String, byte[]> needles) {
    Map<Long, List<Map.Entry<String, byte[]>>> byStart = new HashMap<>();
    long[] starts = new long[needles.size()];
    int count = 0;
    for (Map.Entry<String, byte[]> needle : needles.entrySet()) {
      long start = ByteBuffer.wrap(needle.getValue()).order(ByteOrder.LITTLE_ENDIAN).getLong();
      byStart.computeIfAbsent(start, _ -> new ArrayList<>()).add(needle);
      starts[count++] = start;
    }
    boolean[] maybe = new boolean[1 << 16];
    for (long start : starts) {
      maybe[(int) (start & 0xffff)] = true;
    }
    ByteBuffer in = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    Set<String> found = new TreeSet<>();
    for (int i = 0; i + 8 <= content.length; i++) {
      long here = in.getLong(i);
      if (maybe[(int) (here & 0xffff)] && byStart.containsKey(here)) {
        for (Map.Entry<String, byte[]> needle : byStart.get(here)) {
          byte[] wanted = needle.getValue();
          if (i + wanted.length <= content.length
              && Arrays.equals(content, i, i + wanted.length, wanted, 0, wanted.length)) {
            found.add(needle.getKey());
          }
        }
      }
    }
    return found;
  }

  /** Searches all memory of the server that can be written, heap, stacks and native. */
  private Set<String> inMemory(Map<String, byte[]> needles) throws IOException {
    Set<String> found = new TreeSet<>();
    Path proc = Path.of("/proc", Long.toString(process.pid()));
    List<String> maps;
    try (RandomAccessFile memory = new RandomAccessFile(proc.resolve("mem").toFile(), "r")) {
      maps = Files.readAllLines(proc.resolve("maps"));
      byte[] buffer = new byte[8 << 20];
      for (String line : maps) {
        String[] words = line.split("[- ]", 4);
        if (!words[2].startsWith("rw")) {
          continue;
        }
        long end = Long.parseUnsignedLong(words[1], 16);
        for (long at = Long.parseUnsignedLong(words[0], 16); at < end; at += buffer.length - 4096) {
          int length = (int) Math.min(buffer.length, end - at);
          int filled = 0;
          try {
            memory.seek(at);
            while (filled < length) {
              int read = memory.read(buffer, filled, length - filled);
              if (read <= 0) {
                break;
              }
              filled += read;
            }
          } catch (IOException e) {
            continue; // a page that is no longer there
          }
          found.addAll(found(Arrays.copyOf(buffer, filled), needles));
        }
      }
    } catch (IOException e) {
      Assumptions.abort("the memory of another process cannot be read here: " + e.getMessage());
    }
    return found;
  }
}
