package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.engine.EtcdSettings;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/** A real server on a port of its own, and clients that talk to it over mutual TLS. */
final class TestServer implements AutoCloseable {
  // Held, so that the level stays: the runtime forgets loggers that nobody holds.
  private static final java.util.logging.Logger HELIDON =
      java.util.logging.Logger.getLogger("io.helidon");

  static {
    HELIDON.setLevel(java.util.logging.Level.WARNING);
  }

  static final String PASSPHRASE = "a passphrase for tests";
  static final Limits LIMITS =
      new Limits(
          64 << 10,
          // A busy machine may take its time between the head of a request and its body.
          Duration.ofSeconds(15),
          Duration.ofSeconds(60),
          Duration.ofSeconds(60),
          200,
          5000,
          Duration.ofSeconds(5));

  /** A clock that a test can set forward. */
  static final class TestClock extends Clock {
    private volatile Duration ahead = Duration.ZERO;

    void advance(Duration by) {
      ahead = ahead.plus(by);
    }

    @Override
    public Instant instant() {
      return InstantSource.system().instant().plus(ahead);
    }

    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      return this;
    }
  }

  /** What a server answered. */
  record Answer(int status, String type, byte[] body) {
    JsonObject json() throws JsonException {
      return JsonObject.parse(body, Set.of("wrapped", "grant"));
    }

    String text() {
      return new String(body, UTF_8);
    }
  }

  /** Somebody with a certificate. */
  record Client(HttpClient http, String base, String identity) {
    Answer send(String method, String path, @Nullable String json)
        throws IOException, InterruptedException {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create(base + path)).timeout(Duration.ofSeconds(60));
      request.method(
          method, json == null ? BodyPublishers.noBody() : BodyPublishers.ofString(json));
      if (json != null) {
        request.header("Content-Type", "application/json");
      }
      HttpResponse<byte[]> response = http.send(request.build(), BodyHandlers.ofByteArray());
      return new Answer(
          response.statusCode(),
          response.headers().firstValue("Content-Type").orElse(""),
          response.body());
    }

    Answer get(String path) throws IOException, InterruptedException {
      return send("GET", path, null);
    }

    Answer post(String path, String json) throws IOException, InterruptedException {
      return send("POST", path, json);
    }

    /** Sends, and expects success. */
    JsonObject ok(String method, String path, @Nullable String json)
        throws IOException, InterruptedException, JsonException {
      Answer answer = send(method, path, json);
      if (answer.status() >= 300) {
        throw new AssertionError(
            method + " " + path + ": " + answer.status() + " " + answer.text());
      }
      return answer.body().length == 0 ? new JsonObject() : answer.json();
    }
  }

  final ServerHome home;
  final TestClock clock = new TestClock();
  final CertificateAuthority authority;
  private final Limits limits;
  private final boolean door;
  private final Map<String, Client> clients = new HashMap<>();
  private KeyServer server;

  TestServer(Path directory) throws Exception {
    this(directory, LIMITS);
  }

  TestServer(Path directory, Limits limits) throws Exception {
    this(directory, limits, null);
  }

  /**
   * @param logins what logins.json says; null for no such file
   */
  TestServer(Path directory, Limits limits, @Nullable String logins) throws Exception {
    this(directory, limits, logins, false);
  }

  /**
   * @param door has it a Barbican-compatible door?
   */
  TestServer(Path directory, Limits limits, @Nullable String logins, boolean door)
      throws Exception {
    this.door = door;
    this.limits = limits;
    try (SecretBytes passphrase = passphrase()) {
      ServerHome.init(
          directory,
          "127.0.0.1",
          0,
          Set.of(),
          new ServerHome.Opening(passphrase, 10, 0, 0),
          Clock.systemUTC());
    }
    home = ServerHome.open(directory);
    if (logins != null) {
      java.nio.file.Files.writeString(directory.resolve("logins.json"), logins);
    }
    try (SecretBytes passphrase = passphrase()) {
      authority = CertificateAuthority.open(directory.resolve("ca"), passphrase, Clock.systemUTC());
    }
    server = startServer();
    unseal();
  }

  private TestServer(ServerHome home, CertificateAuthority authority, @Nullable String logins)
      throws Exception {
    this.limits = LIMITS;
    this.door = logins != null;
    if (logins != null) {
      java.nio.file.Files.writeString(home.directory().resolve("logins.json"), logins);
    }
    this.home = home;
    this.authority = authority;
    server = startServer();
    unseal();
  }

  /** The first of several servers over one etcd. */
  static TestServer over(EtcdSettings etcd, Path directory) throws Exception {
    return over(etcd, directory, null);
  }

  /**
   * The first of several servers over one etcd.
   *
   * @param logins what logins.json says, for one with a Barbican-compatible door; or null
   */
  static TestServer over(EtcdSettings etcd, Path directory, @Nullable String logins)
      throws Exception {
    try (SecretBytes passphrase = passphrase()) {
      ServerHome.init(
          directory,
          "k1",
          "127.0.0.1",
          0,
          Set.of(),
          new ServerHome.Opening(passphrase, 10, 0, 0),
          etcd,
          Clock.systemUTC());
      return new TestServer(
          ServerHome.open(directory),
          CertificateAuthority.open(directory.resolve("ca"), passphrase, Clock.systemUTC()),
          logins);
    }
  }

  /** A further one. */
  TestServer joined(String name, Path directory) throws Exception {
    return joined(name, directory, null);
  }

  /** A further one, with a door if there are logins. */
  TestServer joined(String name, Path directory, @Nullable String logins) throws Exception {
    try (SecretBytes passphrase = passphrase()) {
      ServerHome.join(
          home, directory, name, "127.0.0.1", 0, Set.of(), passphrase, Clock.systemUTC());
    }
    return new TestServer(ServerHome.open(directory), authority, logins);
  }

  /** Asks until it is so, for 60 seconds at most: what other threads do takes its time. */
  static boolean eventually(Callable<Boolean> condition) throws Exception {
    long start = System.nanoTime();
    while (!condition.call()) {
      if (System.nanoTime() - start > Duration.ofSeconds(60).toNanos()) {
        return false;
      }
      Thread.sleep(20);
    }
    return true;
  }

  static SecretBytes passphrase() {
    return SecretBytes.take(PASSPHRASE.getBytes(UTF_8));
  }

  private KeyServer startServer() throws IOException {
    return KeyServer.start(
        home,
        home.listen(),
        door ? new ServerHome.Listen("127.0.0.1", 0) : null,
        limits,
        KeyServer.GRACE,
        clock);
  }

  void unseal() throws Exception {
    try (SecretBytes passphrase = passphrase()) {
      server.unseal(passphrase);
    }
  }

  KeyServer server() {
    return server;
  }

  int port() {
    return server.port();
  }

  /** Stops and starts, sealed. */
  void restart() throws IOException {
    server.close();
    clients.clear();
    server = startServer();
  }

  /** A client with a certificate for an identity, made on first use. */
  Client as(String identity) throws Exception {
    Client known = clients.get(identity);
    if (known != null) {
      return known;
    }
    var issued = authority.issue(Identity.parse(identity), Set.of(), Duration.ofDays(1));
    Client client = client(issued, identity);
    clients.put(identity, client);
    return client;
  }

  Client client(CertificateAuthority.Issued issued, String identity) throws IOException {
    var context =
        new TrustedAuthority(Pem.readCertificate(home.authority()), null)
            .context(issued.certificate(), issued.key(), Set.of(Profile.SERVER));
    HttpClient http =
        HttpClient.newBuilder()
            .sslContext(context)
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(60))
            .build();
    return new Client(http, "https://127.0.0.1:" + port(), identity);
  }

  /** Has this server log a backup. */
  ServerBackup.Witness<Exception> witness() {
    return target ->
        operator()
            .ok(
                "POST",
                "/v1/backups",
                new String(new JsonObject().put("to", target.toString()).toBytes(), UTF_8));
  }

  Client operator() throws Exception {
    return as("operator:op");
  }

  /** A service and an owner with alice as admin, bob as user and eve as reader. */
  void makeBox(String service, String owner) throws Exception {
    operator().ok("POST", "/v1/services", "{\"name\":\"" + service + "\"}");
    operator()
        .ok(
            "POST",
            "/v1/owners",
            """
            {"name":"%s","members":[{"identity":"client:alice","role":"admin"},
             {"identity":"client:bob","role":"user"},{"identity":"client:eve","role":"reader"}]}\
            """
                .formatted(owner));
  }

  @Override
  public void close() throws IOException {
    server.close();
    clients.values().forEach(c -> c.http().close());
  }
}
