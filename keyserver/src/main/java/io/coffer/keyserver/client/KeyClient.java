package io.coffer.keyserver.client;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.box.Attestations;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.ca.TrustedAuthority;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.tpm.Credential;
import io.coffer.keyserver.tpm.TpmChannel;
import io.coffer.keyserver.tpm.TpmEndpoint;
import io.coffer.keyserver.wire.DoubleKey;
import io.coffer.keyserver.wire.Hpke;
import io.coffer.keyserver.wire.KeyName;
import io.coffer.keyserver.wire.KeyString;
import io.coffer.keyserver.wire.MasterKeyGrant;
import io.coffer.keyserver.wire.SealedRequest;
import io.coffer.keyserver.wire.UnwrapException;
import io.coffer.posix.LockedMemory;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * Keys for an endpoint. It fetches key-strings in the name of a token's subject and the master key
 * of their service in its own, and unwraps here. What it has unwrapped it keeps, by id and version,
 * in a {@link KeyCache}: a cached key is given without asking the server, and so outlasts an outage
 * of it, but never the token.
 *
 * <p>A thread waits at the server for changes. A key of which anything changed, or to which the
 * right was taken, is wiped at once; all are when the token or the endpoint's certificate is
 * revoked, and when the token expires. While the server cannot be reached nothing can be told, and
 * the token's end is what counts. A token that may be renewed is, after half its life.
 *
 * <p>Thread-safe.
 */
public final class KeyClient implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");
  private static final Set<String> BINARY =
      Set.of("wrapped", "grant", "credential", "seed", "nonce");
  private static final String JSON = "application/json";
  private static final Duration TIMEOUT = Duration.ofSeconds(20);
  private static final long RETRY_MILLIS = 500;

  /**
   * How to reach a key server, and as whom.
   *
   * @param urls of the server, as {@code https://host:7450}; or of several that share a store,
   *     which are asked in turn when one does not answer
   * @param cached how many keys are kept at most
   * @param tpm this machine's TPM, as {@link TpmChannel#open} has it; null for an endpoint that is
   *     not registered with one
   */
  public record Settings(
      List<URI> urls,
      X509Certificate authority,
      X509Certificate certificate,
      PrivateKey key,
      int cached,
      @Nullable String tpm) {
    /** Checks that there is a server. */
    public Settings {
      urls = List.copyOf(urls);
      if (urls.isEmpty()) {
        throw new IllegalArgumentException("no key server was named");
      }
    }

    /** One server. */
    public Settings(
        URI url,
        X509Certificate authority,
        X509Certificate certificate,
        PrivateKey key,
        int cached,
        @Nullable String tpm) {
      this(List.of(url), authority, certificate, key, cached, tpm);
    }

    /** One server, without a TPM. */
    public Settings(
        URI url,
        X509Certificate authority,
        X509Certificate certificate,
        PrivateKey key,
        int cached) {
      this(url, authority, certificate, key, cached, null);
    }
  }

  /**
   * A version of a key.
   *
   * @param owner for example project:hpc
   */
  public record Key(String service, String owner, String id, int version) {
    String path() {
      return "/v1/services/"
          + service
          + "/owners/"
          + owner
          + "/keys/"
          + id
          + "/wrapped?version="
          + version;
    }

    String watched() {
      return service + "/" + owner + "/" + id;
    }
  }

  /** Is told why keys that it may have been given should no longer be used. */
  @FunctionalInterface
  public interface Listener {
    /**
     * @param key the key that was withdrawn, or null if all were
     * @param reason for people, for example "the token has expired"
     */
    void withdrawn(@Nullable Key key, String reason);
  }

  private record Master(String service, int version) {}

  private final Settings settings;
  private final Identity identity;
  private final LockedMemory token;
  private final Listener listener;
  private final HttpClient http;
  private final KeyPair pair = Hpke.newKeyPair();
  private final KeyCache<Key> keys;
  private final KeyCache<Master> masters;
  private final Set<Key> given = new HashSet<>();
  private final Thread watcher;
  private volatile boolean closed;
  private volatile boolean refused;
  private volatile long deadline;
  private volatile long life;
  private volatile boolean renewable = true;
  private final Object attesting = new Object();
  private long attestedUntil = System.nanoTime();

  /** To which server it was that this machine has proved itself. */
  private int attestedTo;

  /** Which of the servers is asked. */
  private final AtomicInteger turn = new AtomicInteger();

  /** Of the changes that the watcher has heard of; only it and open use it. */
  private String position = "";

  private @Nullable CompletableFuture<?> waiting;

  private KeyClient(Settings settings, SecretBytes token, Listener listener) throws IOException {
    this.settings = settings;
    this.identity =
        Identity.of(settings.certificate())
            .orElseThrow(() -> new IOException("the certificate carries no identity"));
    this.http = connector(settings);
    this.token =
        token.read(bytes -> LockedMemory.take(Arrays.copyOf(bytes, strippedLength(bytes))));
    this.listener = listener;
    this.keys = new KeyCache<>(settings.cached(), System::nanoTime);
    this.masters = new KeyCache<>(settings.cached(), System::nanoTime);
    this.watcher = Thread.ofVirtual().name("key-watch").unstarted(this::watch);
  }

  private static HttpClient connector(Settings settings) throws IOException {
    return HttpClient.newBuilder()
        .sslContext(
            new TrustedAuthority(settings.authority(), null)
                .context(settings.certificate(), settings.key(), Set.of(Profile.SERVER)))
        .version(HttpClient.Version.HTTP_1_1)
        .connectTimeout(Duration.ofSeconds(5))
        .build();
  }

  /**
   * Asks a server one thing, in the name of the certificate alone; of several servers, the first
   * that is there, is open and has its store. A body with a secret is sealed to the server ({@link
   * SealedRequest}).
   *
   * @return an empty object if there is nothing in the answer
   * @throws KeyServiceException if it refuses, or none can be reached
   */
  public static JsonObject ask(
      Settings settings, String method, String path, @Nullable JsonObject body) throws IOException {
    return ask(settings, TIMEOUT, method, path, body);
  }

  /**
   * Asks as {@link #ask(Settings, String, String, JsonObject)} does, and waits for each server's
   * answer for so long.
   */
  public static JsonObject ask(
      Settings settings, Duration timeout, String method, String path, @Nullable JsonObject body)
      throws IOException {
    try (HttpClient http = connector(settings)) {
      KeyServiceException away = null;
      for (URI url : settings.urls()) {
        Exchange exchange = new Exchange(http, url, timeout);
        try {
          return body != null && SealedRequest.isDue(body)
              ? exchange.sealed(settings.certificate(), method, path, body)
              : exchange.ask(method, path, JSON, body == null ? new byte[0] : body.toBytes());
        } catch (KeyServiceException e) {
          if (e.status() != 503) {
            throw e;
          }
          away = e;
        } catch (IOException e) {
          // What a server that is there has said is worth more than that another is not.
          if (away == null || away.status() == KeyServiceException.UNREACHABLE) {
            away = new KeyServiceException("the key server " + trouble(e), e);
          }
        }
      }
      throw Objects.requireNonNull(away); // there is at least one server
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KeyServiceException("interrupted while waiting for the key server", e);
    }
  }

  /** Requests to one server. */
  private record Exchange(HttpClient http, URI url, Duration timeout) {
    private JsonObject sealed(
        X509Certificate certificate, String method, String path, JsonObject body)
        throws IOException, InterruptedException {
      JsonObject key = ask("GET", SealedRequest.KEY_PATH, JSON, new byte[0]);
      try (SecretBytes clear = SecretBytes.take(body.toBytes())) {
        byte[] sealed =
            SealedRequest.seal(key.bytes("public_key"), certificate, method, path, clear);
        return ask(method, path, SealedRequest.CONTENT_TYPE, sealed);
      } catch (JsonException | UnwrapException e) {
        throw malformed(e);
      }
    }

    private JsonObject ask(String method, String path, String type, byte[] content)
        throws IOException, InterruptedException {
      HttpRequest request =
          HttpRequest.newBuilder(URI.create(url + path))
              .timeout(timeout)
              .header("Content-Type", type)
              .method(
                  method,
                  content.length == 0
                      ? BodyPublishers.noBody()
                      : BodyPublishers.ofByteArray(content))
              .build();
      HttpResponse<byte[]> response = http.send(request, BodyHandlers.ofByteArray());
      return response.body().length == 0 ? new JsonObject() : answer(response);
    }
  }

  private static int strippedLength(byte[] text) {
    int length = text.length;
    while (length > 0 && text[length - 1] <= ' ') {
      length--;
    }
    return length;
  }

  /** The header's value: the HTTP client takes nothing but a String, which lives as a request. */
  private String bearer() {
    byte[] text = token.copy();
    try {
      return "Bearer " + new String(text, java.nio.charset.StandardCharsets.US_ASCII);
    } finally {
      Arrays.fill(text, (byte) 0);
    }
  }

  /**
   * Connects.
   *
   * @param token base64 as it was issued, with or without a line end
   * @throws KeyServiceException if the server cannot be reached or does not accept the token
   */
  public static KeyClient open(Settings settings, SecretBytes token, Listener listener)
      throws IOException {
    KeyClient client = new KeyClient(settings, token, listener);
    try {
      long asked = System.nanoTime();
      client.learn(client.send("GET", "/v1/tokens/self", null, true), asked);
      client.position = client.firstPosition();
      client.watcher.start();
      return client;
    } catch (IOException | RuntimeException e) {
      client.close();
      throw e;
    }
  }

  /** Where the changes of now begin: none that comes after the first key was read is missed. */
  private String firstPosition() throws IOException {
    JsonObject nothing = new JsonObject().put("after", "").put("keys", List.of());
    try {
      return send("POST", "/v1/watch", nothing, true).string("position");
    } catch (JsonException e) {
      throw malformed(e);
    }
  }

  /** Sets the deadline by what is left of the token's life, counted from before it was asked. */
  private void learn(JsonObject answer, long asked) throws KeyServiceException {
    try {
      long left = answer.integer("left", 0, Long.MAX_VALUE / 2_000_000_000);
      life = TimeUnit.SECONDS.toNanos(left);
      deadline = asked + life;
      keys.deadline(deadline);
      masters.deadline(deadline);
    } catch (JsonException e) {
      throw malformed(e);
    }
  }

  private static KeyServiceException malformed(Exception e) {
    return new KeyServiceException("the key server's answer is malformed: " + e.getMessage(), e);
  }

  /**
   * The key; the caller closes it.
   *
   * @throws KeyServiceException if the server refuses, or cannot be reached and the key is not
   *     cached, or the token has expired
   */
  public SecretBytes key(Key key) throws IOException {
    checkUsable();
    SecretBytes cached = keys.get(key);
    if (cached != null) {
      return cached;
    }
    // Watched before it is read, so that no change after the reading goes unheard.
    boolean added;
    synchronized (given) {
      added = given.add(key);
    }
    if (added) {
      stopWaiting();
    }
    boolean opened = false;
    try {
      SecretBytes unwrapped = open(key, send("GET", key.path(), null, true));
      opened = true;
      synchronized (given) {
        // Unless it has been withdrawn in the meantime.
        if (given.contains(key)) {
          keys.put(key, unwrapped);
        }
      }
      return unwrapped;
    } catch (JsonException | UnwrapException e) {
      throw malformed(e);
    } finally {
      if (added && !opened) {
        synchronized (given) {
          given.remove(key);
        }
      }
    }
  }

  private SecretBytes open(Key key, JsonObject answer)
      throws JsonException, UnwrapException, IOException {
    KeyName name = new KeyName(key.service(), key.owner(), key.id(), key.version());
    SecretBytes entity = unwrap(name, answer);
    if (!answer.has("owner_key")) {
      return entity;
    }
    JsonObject half = answer.object("owner_key");
    KeyName ownerName =
        new KeyName(
            key.service(),
            key.owner(),
            half.string("id"),
            (int) half.integer("version", 1, Integer.MAX_VALUE));
    try (entity;
        SecretBytes owner = unwrap(ownerName, half)) {
      return DoubleKey.derive(ownerName, owner, name, entity);
    }
  }

  private SecretBytes unwrap(KeyName name, JsonObject answer)
      throws JsonException, UnwrapException, IOException {
    byte[] wrapped = answer.bytes("wrapped");
    try (SecretBytes master = master(name.service(), KeyString.masterVersion(wrapped))) {
      return KeyString.unwrap(master, name, wrapped);
    }
  }

  /** Proves this machine by its TPM, unless what it proved holds for a minute more. */
  private void attestIfDue() throws IOException, JsonException {
    String where = settings.tpm();
    if (where == null) {
      return;
    }
    synchronized (attesting) {
      int server = turn.get();
      if (server == attestedTo && attestedUntil - System.nanoTime() > TimeUnit.MINUTES.toNanos(1)) {
        return;
      }
      attestedTo = server;
      long asked = System.nanoTime();
      try (TpmChannel channel = TpmChannel.open(where);
          TpmEndpoint tpm = new TpmEndpoint(channel)) {
        JsonObject challenge =
            send(
                "POST",
                "/v1/attestation/challenge",
                new JsonObject().put("ak", tpm.attestationKey()),
                false);
        byte[] secret =
            tpm.activate(new Credential(challenge.bytes("credential"), challenge.bytes("seed")));
        TreeSet<Integer> registers = new TreeSet<>();
        challenge.strings("pcrs").forEach(register -> registers.add(Integer.valueOf(register)));
        byte[] publicKey = Hpke.encode((ECPublicKey) pair.getPublic());
        TpmEndpoint.Quoted quoted =
            tpm.quote(registers, Attestations.qualifying(challenge.bytes("nonce"), publicKey));
        JsonObject values = new JsonObject();
        tpm.read(registers)
            .forEach(
                (number, value) -> values.put(number.toString(), HexFormat.of().formatHex(value)));
        JsonObject verdict =
            send(
                "POST",
                "/v1/attestation/proof",
                new JsonObject()
                    .put("secret", secret)
                    .put("quote", quoted.attest())
                    .put("signature", quoted.signature())
                    .put("pcrs", values)
                    .put("public_key", publicKey),
                false);
        attestedUntil = asked + TimeUnit.SECONDS.toNanos(verdict.integer("seconds", 1, 86_400));
      }
    }
  }

  private SecretBytes master(String service, int version)
      throws IOException, JsonException, UnwrapException {
    Master name = new Master(service, version);
    SecretBytes cached = masters.get(name);
    if (cached != null) {
      return cached;
    }
    attestIfDue();
    byte[] nonce = RandomBytes.of(32);
    JsonObject request =
        new JsonObject()
            .put("public_key", Hpke.encode((ECPublicKey) pair.getPublic()))
            .put("nonce", nonce)
            .put("version", version);
    JsonObject answer = send("POST", "/v1/services/" + service + "/master-key", request, false);
    SecretBytes master =
        MasterKeyGrant.open(
            pair.getPrivate(), identity.toString(), service, version, nonce, answer.bytes("grant"));
    masters.put(name, master);
    return master;
  }

  private void checkUsable() throws KeyServiceException {
    if (closed) {
      throw new KeyServiceException(401, "the client has been closed");
    }
    if (refused) {
      throw new KeyServiceException(401, "the token or the certificate is refused");
    }
    if (System.nanoTime() - deadline >= 0) {
      throw new KeyServiceException(401, "the token has expired");
    }
  }

  /** Names of the keys that are cached at the moment. */
  public List<Key> cached() {
    keys.expire();
    return keys.names();
  }

  // --- requests ----------------------------------------------------------------------------------

  private HttpRequest request(
      String method, String path, @Nullable JsonObject body, boolean withToken, Duration timeout) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(server() + path))
            .timeout(timeout)
            .header("Content-Type", JSON)
            .method(
                method,
                body == null
                    ? BodyPublishers.noBody()
                    : BodyPublishers.ofByteArray(body.toBytes()));
    if (withToken) {
      request.header("Authorization", bearer());
    }
    return request.build();
  }

  private URI server() {
    List<URI> urls = settings.urls();
    return urls.get(Math.floorMod(turn.get(), urls.size()));
  }

  /** Asks one server after the other, until one answers. */
  private JsonObject send(String method, String path, @Nullable JsonObject body, boolean withToken)
      throws IOException {
    for (int left = settings.urls().size(); ; left--) {
      int asked = turn.get();
      try {
        return sendOnce(method, path, body, withToken);
      } catch (KeyServiceException e) {
        boolean away = e.status() == KeyServiceException.UNREACHABLE || e.status() == 503;
        if (!away || left <= 1 || closed) {
          throw e;
        }
        turn.compareAndSet(asked, asked + 1);
      }
    }
  }

  /** What it means that no answer came. */
  private static String trouble(IOException e) {
    String message = String.valueOf(e.getMessage());
    if (e instanceof ConnectException) {
      return "cannot be reached; start it, or correct its address";
    }
    if (e instanceof SSLException && message.contains("plaintext")) {
      return "cannot be reached: what listens there speaks no TLS; correct its address";
    }
    if (e instanceof SSLException
        && (message.contains("PKIX") || message.contains("subject alternative"))) {
      return "has no certificate by the authority that is trusted here, or one that has expired or"
          + " names another host ("
          + message
          + "); correct 'authority' or the address, or have the server's certificate issued anew";
    }
    // An alert of the other side (RFC 8446, section 6.2): bad_certificate, certificate_unknown, ...
    return e instanceof SSLException && message.contains("alert") && message.contains("certificate")
        ? "does not accept this node's certificate ("
            + message
            + "); it may be revoked or have expired: have a new one issued, with 'coffer ca issue'"
        : "cannot be reached: " + message;
  }

  private JsonObject sendOnce(
      String method, String path, @Nullable JsonObject body, boolean withToken) throws IOException {
    try {
      return answer(
          http.send(request(method, path, body, withToken, TIMEOUT), BodyHandlers.ofByteArray()));
    } catch (KeyServiceException e) {
      throw e;
    } catch (IOException e) {
      throw new KeyServiceException("the key server " + server() + " " + trouble(e), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KeyServiceException("interrupted while waiting for the key server", e);
    }
  }

  private static JsonObject answer(HttpResponse<byte[]> response) throws KeyServiceException {
    try {
      JsonObject json = JsonObject.parse(response.body(), BINARY);
      if (response.statusCode() >= 300) {
        String detail = json.optionalString("detail");
        throw new KeyServiceException(
            response.statusCode(),
            String.valueOf(json.optionalString("title")),
            detail == null ? "" : detail);
      }
      return json;
    } catch (JsonException e) {
      throw malformed(e);
    }
  }

  // --- watching ----------------------------------------------------------------------------------

  private void stopWaiting() {
    synchronized (given) {
      if (waiting != null) {
        waiting.cancel(true);
      }
    }
  }

  private void watch() {
    while (!closed && !refused) {
      long left = deadline - System.nanoTime();
      if (left <= 0) {
        refuse("the token has expired");
        return;
      }
      try {
        renewIfDue(left);
        position = poll(position, left);
      } catch (KeyServiceException e) {
        if (e.status() == 401) {
          refuse(String.valueOf(e.getMessage()));
          return;
        }
        pause();
      } catch (CancellationException | TimeoutException e) {
        // There is one more key to be watched, or the token needs attention.
      } catch (IOException | ExecutionException e) {
        LOG.log(System.Logger.Level.DEBUG, "the key server is away: {0}", e.getMessage());
        turn.incrementAndGet();
        pause();
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private void pause() {
    try {
      Thread.sleep(Math.max(1, Math.min(RETRY_MILLIS, (deadline - System.nanoTime()) / 1_000_000)));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void renewIfDue(long left) throws IOException {
    if (renewable && left < life / 2) {
      try {
        learn(send("POST", "/v1/tokens/renew", new JsonObject(), true), System.nanoTime());
      } catch (KeyServiceException e) {
        if (e.status() != 409) {
          throw e;
        }
        renewable = false;
      }
    }
  }

  private String poll(String position, long left)
      throws IOException, ExecutionException, InterruptedException, TimeoutException {
    List<Key> watched;
    CompletableFuture<HttpResponse<byte[]>> future;
    synchronized (given) {
      watched = new ArrayList<>(given);
      JsonObject body =
          new JsonObject()
              .put("after", position)
              .put("keys", watched.stream().map(Key::watched).distinct().toList());
      future =
          http.sendAsync(
              request("POST", "/v1/watch", body, true, Duration.ofSeconds(60)),
              BodyHandlers.ofByteArray());
      waiting = future;
    }
    JsonObject answer;
    try {
      long attention = renewable ? left - life / 2 : left;
      answer =
          answer(
              future.get(
                  Math.max(attention, TimeUnit.MILLISECONDS.toNanos(50)), TimeUnit.NANOSECONDS));
    } finally {
      future.cancel(true);
    }
    try {
      Set<String> changed = new HashSet<>(answer.strings("changed"));
      for (Key key : watched) {
        if (changed.contains(key.watched())) {
          check(key);
        }
      }
      return answer.string("position");
    } catch (JsonException e) {
      throw malformed(e);
    }
  }

  /** Something about a key has changed: may it still be read? */
  private void check(Key key) throws IOException {
    keys.removeIf(key::equals);
    try {
      // A changed registration of this endpoint may have ended its right to the master key.
      masters.removeIf(master -> master.service().equals(key.service()));
      key(key).close();
    } catch (KeyServiceException e) {
      if (e.status() == KeyServiceException.UNREACHABLE || e.status() >= 500) {
        throw e;
      }
      synchronized (given) {
        given.remove(key);
      }
      listener.withdrawn(key, String.valueOf(e.getMessage()));
    }
  }

  private void refuse(String reason) {
    refused = true;
    keys.clear();
    masters.clear();
    if (!closed) {
      listener.withdrawn(null, reason);
    }
  }

  /** Wipes every key. */
  @Override
  public void close() {
    closed = true;
    watcher.interrupt();
    stopWaiting();
    keys.close();
    masters.close();
    http.shutdownNow();
    token.close();
  }
}
