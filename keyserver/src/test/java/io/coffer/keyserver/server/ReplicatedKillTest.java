package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.engine.EtcdCluster;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.wire.Hpke;
import io.coffer.keyserver.wire.KeyName;
import io.coffer.keyserver.wire.KeyString;
import io.coffer.keyserver.wire.MasterKeyGrant;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.interfaces.ECPublicKey;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Three key servers over three members of etcd, under load, while servers and members are killed.
 * The number of keys can be given with {@code -Dcoffer.test.keys=10000}; what it took is printed.
 */
class ReplicatedKillTest {
  private static final int KEYS = Integer.getInteger("coffer.test.keys", 150);
  private static final int CLIENTS = 16;
  private static final String BOX = "/v1/services/hpc/owners/project:a/keys";
  private static final String WHOLE = "project:a";

  @TempDir Path directory;
  private final List<Path> homes = new ArrayList<>();
  private final List<URI> urls = new ArrayList<>();
  private final Process[] servers = new Process[3];
  private final List<HttpClient> clients = new ArrayList<>();
  private @Nullable EtcdCluster etcd;
  private @Nullable CertificateAuthority authority;

  /** A key as it was acknowledged. */
  private static final class Made {
    final String id;
    volatile int version = 1;
    volatile byte[] material;

    /** Of a version that was asked for, and of which no answer came. */
    volatile byte @Nullable [] perhaps;

    Made(String id, byte[] material) {
      this.id = id;
      this.material = material;
    }
  }

  private final List<Made> made = new CopyOnWriteArrayList<>();
  private final ConcurrentLinkedQueue<Long> reads = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<Long> writes = new ConcurrentLinkedQueue<>();
  private final AtomicInteger unanswered = new AtomicInteger();

  @AfterEach
  void stop() throws Exception {
    clients.forEach(HttpClient::close);
    for (Process server : servers) {
      if (server != null) {
        server.destroyForcibly().waitFor(20, TimeUnit.SECONDS);
      }
    }
    if (etcd != null) {
      etcd.close();
    }
  }

  private void makeServers(EtcdCluster cluster) throws Exception {
    for (int i = 0; i < servers.length; i++) {
      Path home = directory.resolve("k" + i);
      int port = EtcdCluster.freePort();
      try (SecretBytes passphrase = TestServer.passphrase()) {
        if (i == 0) {
          ServerHome.init(
              home,
              "k0",
              "127.0.0.1",
              port,
              Set.of(),
              new ServerHome.Opening(passphrase, 10, 0, 0),
              cluster.settings("/kill/"),
              Clock.systemUTC());
          authority = CertificateAuthority.open(home.resolve("ca"), passphrase, Clock.systemUTC());
        } else {
          ServerHome.join(
              ServerHome.open(homes.getFirst()),
              home,
              "k" + i,
              "127.0.0.1",
              port,
              Set.of(),
              passphrase,
              Clock.systemUTC());
        }
      }
      homes.add(home);
      urls.add(URI.create("https://127.0.0.1:" + port));
    }
    for (int i = 0; i < servers.length; i++) {
      startServer(i);
    }
    for (int i = 0; i < servers.length; i++) {
      awaitOpen(i);
    }
  }

  private void startServer(int i) throws IOException {
    servers[i] =
        new ProcessBuilder(
                System.getProperty("java.home") + "/bin/java",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                ServerProcess.class.getName(),
                homes.get(i).toString())
            .redirectErrorStream(true)
            .start();
  }

  private void awaitOpen(int i) throws IOException {
    var said = servers[i].inputReader(UTF_8);
    StringBuilder all = new StringBuilder();
    String line;
    while ((line = said.readLine()) != null) {
      if (line.equals("open")) {
        // What it says from now on goes nowhere, and may not fill the pipe.
        Thread.ofVirtual().start(() -> said.lines().forEach(ignored -> {}));
        return;
      }
      all.append(line).append('\n');
    }
    throw new AssertionError("server " + i + ": " + all);
  }

  private HttpClient client(String identity) throws IOException {
    CertificateAuthority ca = java.util.Objects.requireNonNull(authority);
    var issued = ca.issue(Identity.parse(identity), Set.of(), Duration.ofDays(1));
    HttpClient http =
        HttpClient.newBuilder()
            .sslContext(
                new TrustedAuthority(ca.certificate(), null)
                    .context(issued.certificate(), issued.key(), Set.of(Profile.SERVER)))
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(5))
            .build();
    clients.add(http);
    return http;
  }

  /** No server has said anything that could be relied on. */
  private static final class UnansweredException extends IOException {
    private static final long serialVersionUID = 1;

    UnansweredException(String message) {
      super(message);
    }
  }

  private HttpResponse<byte[]> once(
      HttpClient http, URI server, String method, String path, @Nullable String json)
      throws IOException, InterruptedException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(server.resolve(path)).timeout(Duration.ofSeconds(30));
    request.method(method, json == null ? BodyPublishers.noBody() : BodyPublishers.ofString(json));
    if (json != null) {
      request.header("Content-Type", "application/json");
    }
    return http.send(request.build(), BodyHandlers.ofByteArray());
  }

  /** Asks one server after the other; what may change something is asked once. */
  private JsonObject ask(HttpClient http, String method, String path, @Nullable String json)
      throws Exception {
    boolean again = method.equals("GET");
    int start = ThreadLocalRandom.current().nextInt(urls.size());
    String last = "";
    for (int i = 0; i < (again ? 60 : 1); i++) {
      try {
        var response = once(http, urls.get((start + i) % urls.size()), method, path, json);
        if (response.statusCode() < 300) {
          return JsonObject.parse(response.body(), Set.of("wrapped", "grant"));
        }
        last = response.statusCode() + " " + new String(response.body(), UTF_8);
        assertTrue(response.statusCode() >= 500, method + " " + path + ": " + last);
      } catch (IOException e) {
        last = e.toString();
      }
      if (again) {
        Thread.sleep(20);
      }
    }
    throw new UnansweredException(last);
  }

  /** Asks one server until it answers; etcd may still be choosing a leader. */
  private JsonObject askOnly(HttpClient http, URI server, String path) throws Exception {
    long end = System.nanoTime() + Duration.ofSeconds(90).toNanos();
    while (true) {
      var response = once(http, server, "GET", path, null);
      if (response.statusCode() < 500 || System.nanoTime() > end) {
        assertEquals(200, response.statusCode(), () -> new String(response.body(), UTF_8));
        return JsonObject.parse(response.body(), Set.of("wrapped"));
      }
      Thread.sleep(100);
    }
  }

  private SecretBytes master() throws Exception {
    KeyPair pair = Hpke.newKeyPair();
    byte[] nonce = RandomBytes.of(32);
    String request =
        new String(
            new JsonObject()
                .put("public_key", Hpke.encode((ECPublicKey) pair.getPublic()))
                .put("nonce", nonce)
                .toBytes(),
            UTF_8);
    var response =
        once(client("endpoint:n1"), urls.get(0), "POST", "/v1/services/hpc/master-key", request);
    assertEquals(200, response.statusCode(), () -> new String(response.body(), UTF_8));
    return MasterKeyGrant.open(
        pair.getPrivate(),
        "endpoint:n1",
        "hpc",
        1,
        nonce,
        JsonObject.parse(response.body(), Set.of("grant")).bytes("grant"));
  }

  private static String material(byte[] bytes) {
    return "{\"material\":\"" + Base64.getEncoder().encodeToString(bytes) + "\"}";
  }

  private void create(HttpClient http) throws Exception {
    byte[] material = RandomBytes.of(32);
    long start = System.nanoTime();
    JsonObject answer = ask(http, "POST", BOX, material(material));
    writes.add(System.nanoTime() - start);
    made.add(new Made(answer.string("id"), material));
  }

  private void rotate(HttpClient http, Made key) throws Exception {
    synchronized (key) {
      if (key.perhaps != null || key.version > 20) {
        return;
      }
      byte[] material = RandomBytes.of(32);
      key.perhaps = material;
      long start = System.nanoTime();
      JsonObject answer = ask(http, "POST", BOX + "/" + key.id + "/rotate", material(material));
      writes.add(System.nanoTime() - start);
      assertEquals(key.version + 1, answer.integer("current", 1, 100));
      key.material = material;
      key.version++;
      key.perhaps = null;
    }
  }

  private void read(HttpClient http, SecretBytes master, Made key) throws Exception {
    synchronized (key) {
      long start = System.nanoTime();
      JsonObject answer = ask(http, "GET", BOX + "/" + key.id + "/wrapped", null);
      reads.add(System.nanoTime() - start);
      check(master, key, answer);
    }
  }

  private static void check(SecretBytes master, Made key, JsonObject answer) throws Exception {
    int version = (int) answer.integer("version", 1, 100);
    KeyName name = new KeyName("hpc", WHOLE, key.id, version);
    try (SecretBytes opened = KeyString.unwrap(master, name, answer.bytes("wrapped"))) {
      byte[] bytes = opened.read(byte[]::clone);
      byte[] perhaps = key.perhaps;
      boolean right =
          version == key.version
              ? Arrays.equals(bytes, key.material)
              : version == key.version + 1 && perhaps != null && Arrays.equals(bytes, perhaps);
      assertTrue(
          right,
          "key "
              + key.id
              + ": version "
              + version
              + " instead of "
              + key.version
              + ", "
              + HexFormat.of().formatHex(bytes, 0, 4));
    }
  }

  private void load(HttpClient http, SecretBytes master, AtomicInteger left) throws Exception {
    // Never below zero: what was not made goes back to those that are left.
    while (left.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
      try {
        create(http);
      } catch (UnansweredException e) {
        left.incrementAndGet();
        unanswered.incrementAndGet();
        Thread.sleep(100);
        continue;
      }
      for (int i = 0; i < 3; i++) {
        Made any = made.get(ThreadLocalRandom.current().nextInt(made.size()));
        try {
          if (i == 0 && ThreadLocalRandom.current().nextInt(4) == 0) {
            rotate(http, any);
          } else {
            read(http, master, any);
          }
        } catch (UnansweredException e) {
          unanswered.incrementAndGet();
        }
      }
    }
  }

  @Test
  void noAcknowledgedWriteIsLostAndNoWrongKeyReturnedWhileAnyOfThemIsKilled() throws Exception {
    EtcdCluster cluster = new EtcdCluster(directory.resolve("etcd"), 3);
    etcd = cluster;
    makeServers(cluster);
    HttpClient operator = client("operator:op");
    var init =
        List.of(
            List.of("POST", "/v1/services", "{\"name\":\"hpc\"}"),
            List.of(
                "POST",
                "/v1/owners",
                "{\"name\":\"project:a\",\"members\":[{\"identity\":\"client:alice\",\"role\":\"admin\"}]}"),
            List.of("PUT", "/v1/owners/project:a/quota", "{\"keys\":1000000}"),
            List.of(
                "PUT", "/v1/endpoints/n1", "{\"services\":[\"hpc\"],\"attestation\":\"mtls\"}"));
    for (List<String> each : init) {
      ask(operator, each.get(0), each.get(1), each.get(2));
    }
    AtomicInteger left = new AtomicInteger(KEYS);
    long start = System.nanoTime();
    int killed = 0;
    try (SecretBytes master = master();
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      HttpClient alice = client("client:alice");
      List<Future<?>> loads = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        loads.add(
            threads.submit(() -> {
              load(alice, master, left);
              return null;
            }));
      }
      // At least two servers and two members; as long as the load lasts, then, one after the other.
      for (int round = 0; round < 2 || left.get() > 0; round++) {
        int i = round % 3;
        int before = made.size();
        awaitMore(before, left);
        servers[i].destroyForcibly().waitFor(20, TimeUnit.SECONDS);
        int afterServer = made.size();
        awaitMore(afterServer, left);
        int member = (round + 1) % 3;
        cluster.kill(member);
        killed += 2;
        startServer(i);
        awaitMore(made.size(), left);
        cluster.start(member);
        awaitOpen(i);
      }
      for (Future<?> each : loads) {
        each.get();
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      assertTrue(made.size() >= KEYS, "all have been made");
      for (URI server : urls) {
        List<Made> all = List.copyOf(made);
        AtomicInteger next = new AtomicInteger();
        List<Future<?>> checks = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
          checks.add(
              threads.submit(() -> {
                for (int n = next.getAndIncrement(); n < all.size(); n = next.getAndIncrement()) {
                  Made key = all.get(n);
                  check(master, key, askOnly(alice, server, BOX + "/" + key.id + "/wrapped"));
                }
                return null;
              }));
        }
        for (Future<?> each : checks) {
          each.get();
        }
      }
      System.out.printf(
          "%d keys, %d writes, %d reads in %.1f s; %d kills, %d requests without an answer;"
              + " writes p50 %.1f ms p99 %.1f ms; reads p50 %.1f ms p99 %.1f ms%n",
          made.size(),
          writes.size(),
          reads.size(),
          seconds,
          killed,
          unanswered.get(),
          quantile(writes, 0.5),
          quantile(writes, 0.99),
          quantile(reads, 0.5),
          quantile(reads, 0.99));
    }
  }

  private static double quantile(ConcurrentLinkedQueue<Long> nanos, double q) {
    long[] sorted = nanos.stream().mapToLong(Long::longValue).sorted().toArray();
    return sorted[(int) Math.min(sorted.length - 1, sorted.length * q)] / 1e6;
  }

  /** Until the load has got on, or has ended. */
  private void awaitMore(int before, AtomicInteger left) throws InterruptedException {
    int step = Math.max(5, KEYS / 40);
    long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (made.size() < before + step && left.get() > 0 && System.nanoTime() < end) {
      Thread.sleep(20);
    }
  }
}
