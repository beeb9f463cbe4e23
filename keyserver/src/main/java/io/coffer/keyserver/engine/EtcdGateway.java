package io.coffer.keyserver.engine;

import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/**
 * Requests to an etcd cluster over its JSON gateway ({@code /v3/...}, etcd 3.4 and later). A member
 * that does not answer is left for the next one. Thread-safe.
 */
final class EtcdGateway implements AutoCloseable {
  private static final Set<String> BINARY = Set.of("key", "value");
  private static final Duration CONNECT = Duration.ofSeconds(1);
  private static final String COMPARE =
      "compare --etcd-ca and --etcd-cert with the certificates that etcd was given";

  private static final Duration ONE_READ = Duration.ofSeconds(2);
  private static final Duration ONE_WRITE = Duration.ofSeconds(7);
  private static final long PATIENCE_NANOS = Duration.ofSeconds(8).toNanos();
  private static final long PAUSE_MILLIS = 50;

  private final List<URI> endpoints;
  private final HttpClient http;
  private final AtomicInteger preferred = new AtomicInteger();

  EtcdGateway(EtcdSettings settings) throws IOException {
    endpoints = settings.endpoints();
    http =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(CONNECT)
            .sslContext(context(settings.authority(), settings.certificate()))
            .build();
  }

  private static SSLContext context(@Nullable Path authority, @Nullable Path certificate)
      throws IOException {
    try {
      TrustManager[] trust = null;
      if (authority != null) {
        KeyStore anchors = KeyStore.getInstance("PKCS12");
        anchors.load(null, null);
        anchors.setCertificateEntry("etcd", Pem.readCertificate(authority));
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(anchors);
        trust = factory.getTrustManagers();
      }
      KeyManager[] keys = null;
      if (certificate != null) {
        var own = Pem.readCertificate(certificate);
        PrivateKey key =
            Pem.readPrivateKey(EtcdSettings.keyOf(certificate), own.getPublicKey().getAlgorithm());
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("own", key, new char[0], new java.security.cert.Certificate[] {own});
        KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
        factory.init(store, new char[0]);
        keys = factory.getKeyManagers();
      }
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys, trust, null);
      return context;
    } catch (GeneralSecurityException e) {
      throw new IOException("the certificates for etcd cannot be used: " + e.getMessage(), e);
    }
  }

  /** Where the next stream goes; each call names another member. */
  URI next() {
    return endpoints.get(Math.floorMod(preferred.incrementAndGet(), endpoints.size()));
  }

  private URI current() {
    return endpoints.get(Math.floorMod(preferred.get(), endpoints.size()));
  }

  /** What went wrong with one member. */
  private static final class Unanswered extends Exception {
    private static final long serialVersionUID = 1;
    final boolean sent;

    Unanswered(String message, boolean sent, @Nullable Throwable cause) {
      super(message, cause);
      this.sent = sent;
    }
  }

  /** Asks something that can be asked again: of one member after the other, for some seconds. */
  JsonObject read(String path, JsonObject body) throws EngineException {
    return send(path, body, ONE_READ, true);
  }

  /**
   * Sends something once. Members that cannot be connected to are passed over.
   *
   * @throws EngineException that leaves open whether it was done, unless etcd has refused it
   */
  JsonObject write(String path, JsonObject body) throws EngineException {
    return send(path, body, ONE_WRITE, false);
  }

  private JsonObject send(String path, JsonObject body, Duration one, boolean again)
      throws EngineException {
    long end = System.nanoTime() + PATIENCE_NANOS;
    byte[] content = body.toBytes();
    while (true) {
      Unanswered last = null;
      for (int i = 0; i < endpoints.size(); i++) {
        URI member = current();
        try {
          return once(member, path, content, one);
        } catch (Unanswered e) {
          last = e;
          if (current().equals(member)) {
            next();
          }
          if (e.sent && !again) {
            break;
          }
        }
      }
      if (last != null && ((last.sent && !again) || System.nanoTime() > end)) {
        throw new EngineException("etcd does not answer: " + last.getMessage(), last);
      }
      pause();
    }
  }

  private static void pause() throws EngineException {
    try {
      Thread.sleep(PAUSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new EngineException("interrupted while waiting for etcd", e);
    }
  }

  private JsonObject once(URI member, String path, byte[] content, Duration time)
      throws Unanswered, EngineException {
    HttpRequest request =
        HttpRequest.newBuilder(member.resolve(path))
            .timeout(time)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofByteArray(content))
            .build();
    try {
      HttpResponse<byte[]> response = http.send(request, BodyHandlers.ofByteArray());
      int status = response.statusCode();
      if (status == 200) {
        return JsonObject.parse(response.body(), BINARY);
      }
      String text = error(response.body());
      if (status < 500 && status != 408 && status != 429) {
        throw new EngineException("etcd refuses a request: " + text);
      }
      throw new Unanswered(member + ": " + text, true, null);
    } catch (ConnectException | HttpConnectTimeoutException e) {
      throw new Unanswered(member + " cannot be reached", false, e);
    } catch (EngineException e) {
      throw e;
    } catch (SSLException e) {
      throw new Unanswered(member + ": " + e.getMessage() + "; " + COMPARE, true, e);
    } catch (IOException e) {
      // With TLS 1.3 a member that refuses a certificate may be gone before it has said so.
      String advice = "https".equals(member.getScheme()) ? "; if this lasts, " + COMPARE : "";
      throw new Unanswered(member + ": " + e + advice, true, e);
    } catch (JsonException e) {
      throw new EngineException("an answer of etcd is not understood: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new EngineException("interrupted while waiting for etcd", e);
    }
  }

  /** What etcd says about an error; its messages quote no key and no value. */
  private static String error(byte[] body) {
    try {
      String text = JsonObject.parse(body, Set.of()).optionalString("message");
      return text == null ? "no reason given" : text;
    } catch (JsonException e) {
      return "no reason given";
    }
  }

  /** Begins a stream of JSON objects, one a line. */
  InputStream stream(URI member, String path, JsonObject body) throws IOException {
    HttpRequest request =
        HttpRequest.newBuilder(member.resolve(path))
            .timeout(ONE_READ)
            .header("Content-Type", "application/json")
            // The member shall end the stream when it loses sight of the others.
            .header("Grpc-Metadata-hasleader", "true")
            .POST(BodyPublishers.ofByteArray(body.toBytes()))
            .build();
    try {
      HttpResponse<InputStream> response = http.send(request, BodyHandlers.ofInputStream());
      if (response.statusCode() != 200) {
        response.body().close();
        throw new IOException(member + " answers " + response.statusCode());
      }
      return response.body();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while waiting for etcd", e);
    }
  }

  @Override
  public void close() {
    http.shutdownNow();
    http.close();
  }
}
