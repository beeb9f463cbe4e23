package io.coffer.keyserver.login;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/**
 * The ways to log in that a server's {@code logins.json} allows; none without that file:
 *
 * <pre>
 * {"munge":    {"prefix":"uid-", "socket":"/run/munge/munge.socket.2", "longest_seconds":300},
 *  "slurm":    {"scontrol":"scontrol", "seconds":300},
 *  "oidc":     {"prefix":"oidc-", "issuer":URL, "audience":NAME, "keys":FILE or URL,
 *               "claim":"sub", "once":true, "authority":FILE},
 *  "keystone": {"prefix":"keystone-", "url":URL, "authority":FILE}}
 * </pre>
 *
 * Files are relative to it. {@code authority} holds the certificate (PEM) that signs the other
 * service's; without it, those that the Java runtime trusts do. Plain HTTP is for this machine
 * only. Thread-safe.
 */
public final class Logins {
  private final Map<String, Login> byKind = new TreeMap<>();
  private @Nullable SlurmJobs slurm;
  private int jobSeconds;

  public Logins(List<Login> logins) {
    logins.forEach(login -> byKind.put(login.kind(), login));
  }

  /** Reads the file; one that does not exist allows nothing. */
  public static Logins read(Path file, Clock clock) throws IOException {
    if (!Files.exists(file)) {
      return new Logins(List.of());
    }
    try {
      JsonObject json = JsonObject.parse(Files.readAllBytes(file), Set.of());
      json.allow("munge", "slurm", "oidc", "keystone");
      List<Login> logins = new java.util.ArrayList<>();
      if (json.has("munge")) {
        logins.add(munge(json.object("munge"), clock));
      }
      if (json.has("oidc")) {
        logins.add(oidc(json.object("oidc"), file, clock));
      }
      if (json.has("keystone")) {
        logins.add(keystone(json.object("keystone"), file, clock));
      }
      Logins read = new Logins(logins);
      if (json.has("slurm")) {
        if (!json.has("munge")) {
          throw new JsonException("slurm without munge, which says whose a process is");
        }
        JsonObject slurm = json.object("slurm");
        slurm.allow("scontrol", "seconds");
        read.slurm = new SlurmJobs(text(slurm, "scontrol", "scontrol"));
        read.jobSeconds = (int) slurm.integer("seconds", 2, 86_400, 300);
      }
      return read;
    } catch (JsonException | IllegalArgumentException | GeneralSecurityException e) {
      throw new IOException(file + " is malformed: " + e.getMessage(), e);
    }
  }

  private static Login munge(JsonObject json, Clock clock) throws JsonException {
    json.allow("prefix", "socket", "longest_seconds");
    String socket = json.optionalString("socket");
    return new MungeLogin(
        text(json, "prefix", "uid-"),
        socket == null ? null : Path.of(socket),
        Duration.ofSeconds(json.integer("longest_seconds", 1, 3600, 300)),
        clock);
  }

  private static Login oidc(JsonObject json, Path file, Clock clock)
      throws JsonException, IOException, GeneralSecurityException {
    json.allow("prefix", "issuer", "audience", "keys", "claim", "once", "authority");
    String keys = json.string("keys");
    OidcLogin.Source source;
    if (keys.startsWith("https:") || keys.startsWith("http:")) {
      URI url = url(keys);
      Fetch fetch = fetch(json, file);
      source =
          () -> {
            HttpResponse<byte[]> response = fetch.send(HttpRequest.newBuilder(url));
            if (response.statusCode() != 200) {
              throw new IOException(url + " answers with status " + response.statusCode());
            }
            return response.body();
          };
    } else {
      Path path = file.resolveSibling(keys);
      source = () -> Files.readAllBytes(path);
    }
    return new OidcLogin(
        new OidcLogin.Settings(
            text(json, "prefix", "oidc-"),
            json.string("issuer"),
            json.string("audience"),
            text(json, "claim", "sub"),
            json.bool("once", true)),
        source,
        clock);
  }

  private static Login keystone(JsonObject json, Path file, Clock clock)
      throws JsonException, IOException, GeneralSecurityException {
    json.allow("prefix", "url", "authority");
    return new KeystoneLogin(
        text(json, "prefix", "keystone-"), url(json.string("url")), fetch(json, file), clock);
  }

  private static String text(JsonObject json, String name, String otherwise) throws JsonException {
    String text = json.optionalString(name);
    return text == null ? otherwise : text;
  }

  private static URI url(String text) throws JsonException {
    URI url = URI.create(text.endsWith("/") ? text.substring(0, text.length() - 1) : text);
    boolean here =
        Set.of("127.0.0.1", "localhost", "[::1]").contains(String.valueOf(url.getHost()));
    if (!"https".equals(url.getScheme()) && !(here && "http".equals(url.getScheme()))) {
      throw new JsonException("'" + text + "' is no https address");
    }
    return url;
  }

  private static Fetch fetch(JsonObject json, Path file)
      throws JsonException, IOException, GeneralSecurityException {
    String authority = json.optionalString("authority");
    return new Fetch(authority == null ? null : trusting(file.resolveSibling(authority)));
  }

  private static @Nullable SSLContext trusting(Path file)
      throws IOException, GeneralSecurityException {
    X509Certificate certificate = io.coffer.keyserver.ca.Pem.readCertificate(file);
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    store.setCertificateEntry("authority", certificate);
    TrustManagerFactory factory =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, factory.getTrustManagers(), null);
    return context;
  }

  /** Keystone, if this server allows its tokens. */
  public Optional<KeystoneLogin> keystone() {
    return byKind.get("keystone") instanceof KeystoneLogin keystone
        ? Optional.of(keystone)
        : Optional.empty();
  }

  /**
   * Slurm's controller.
   *
   * @throws ProblemException 404 if this server does not serve jobs
   */
  public SlurmJobs slurm() throws ProblemException {
    SlurmJobs jobs = slurm;
    if (jobs == null) {
      throw ProblemException.notFound(
          "this server knows no scheduler",
          "An operator names Slurm in logins.json; see docs/key-service.md.");
    }
    return jobs;
  }

  /** How long a token for a job lives before it is renewed. */
  public int jobSeconds() {
    return jobSeconds;
  }

  /**
   * MUNGE.
   *
   * @throws ProblemException 404 if this server does not allow it
   */
  public MungeLogin munge() throws ProblemException {
    return (MungeLogin) find("munge");
  }

  /**
   * The way to log in that a request names.
   *
   * @throws ProblemException 404 if this server does not allow it
   */
  public Login find(String kind) throws ProblemException {
    Login login = byKind.get(kind);
    if (login == null) {
      throw ProblemException.notFound(
          "this server allows no such login",
          byKind.isEmpty()
              ? "An operator allows some in logins.json; see docs/key-service.md."
              : "Use one of " + String.join(", ", byKind.keySet()) + ".");
    }
    return login;
  }
}
