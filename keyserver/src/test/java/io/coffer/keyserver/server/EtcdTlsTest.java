package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.engine.EtcdCluster;
import io.coffer.keyserver.engine.EtcdEngine;
import io.coffer.keyserver.engine.EtcdSettings;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two key servers with Barbican-compatible doors over an etcd that asks for certificates. */
class EtcdTlsTest {
  private static final String PAYLOAD = "a secret that both doors know";

  @TempDir static Path directory;
  private static EtcdCluster etcd;
  private static FakeKeystone keystone;
  private static TestServer first;
  private static TestServer second;
  private static HttpClient http;

  @BeforeAll
  static void start() throws Exception {
    Path site = directory.resolve("site");
    issue(site, null, "ca");
    issue(site, "ca", "member");
    issue(site, "ca", "client");
    issue(directory.resolve("strangers"), null, "ca");
    issue(directory.resolve("strangers"), "ca", "client");
    etcd =
        new EtcdCluster(
            directory.resolve("etcd"),
            1,
            new EtcdCluster.Tls(
                site.resolve("ca.pem"), site.resolve("member.pem"), site.resolve("client.pem")));
    keystone = new FakeKeystone();
    String logins = "{\"keystone\":{\"url\":\"" + keystone.url() + "\"}}";
    first = TestServer.over(etcd.settings("/coffer/"), directory.resolve("k1"), logins);
    second = first.joined("k2", directory.resolve("k2"), logins);
    first.makeBox("cinder", "project:p1");
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("ca", Pem.readCertificate(first.home.authority()));
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    factory.init(trusted);
    SSLContext context = SSLContext.getInstance("TLSv1.3");
    context.init(null, factory.getTrustManagers(), null);
    http = HttpClient.newBuilder().sslContext(context).version(HttpClient.Version.HTTP_1_1).build();
  }

  @AfterAll
  static void stop() throws IOException {
    if (http != null) {
      http.close();
    }
    if (second != null) {
      second.close();
    }
    if (first != null) {
      first.close();
    }
    if (keystone != null) {
      keystone.close();
    }
    if (etcd != null) {
      etcd.close();
    }
  }

  /** A certificate as a site's own authority would issue it; by itself if there is no issuer. */
  private static void issue(Path place, @Nullable String issuer, String name) throws Exception {
    Files.createDirectories(place);
    List<String> command =
        new ArrayList<>(
            List.of(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=" + name,
                "-keyout",
                name + ".key",
                "-out",
                name + ".pem"));
    if (issuer != null) {
      command.addAll(
          List.of(
              "-CA",
              issuer + ".pem",
              "-CAkey",
              issuer + ".key",
              "-addext",
              "basicConstraints=critical,CA:FALSE",
              "-addext",
              "extendedKeyUsage=serverAuth,clientAuth",
              "-addext",
              "subjectAltName=IP:127.0.0.1,DNS:localhost"));
    }
    Process process =
        new ProcessBuilder(command)
            .directory(place.toFile())
            .redirectErrorStream(true)
            .redirectOutput(place.resolve("log").toFile())
            .start();
    assertEquals(0, process.waitFor(), () -> read(place.resolve("log")));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  private static HttpResponse<byte[]> door(
      TestServer server, String method, String path, @Nullable String json, String accept)
      throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("https://127.0.0.1:" + server.server().doorPort() + path))
            .timeout(Duration.ofSeconds(60))
            .header("X-Auth-Token", FakeKeystone.TOKEN)
            .header("Accept", accept)
            .method(method, json == null ? BodyPublishers.noBody() : BodyPublishers.ofString(json));
    if (json != null) {
      request.header("Content-Type", "application/json");
    }
    return http.send(request.build(), BodyHandlers.ofByteArray());
  }

  private static String store() throws Exception {
    HttpResponse<byte[]> made =
        door(
            first,
            "POST",
            "/v1/secrets",
            "{\"name\":\"s\",\"payload\":\""
                + PAYLOAD
                + "\",\"payload_content_type\":\"text/plain\"}",
            "application/json");
    assertEquals(201, made.statusCode(), new String(made.body(), UTF_8));
    String reference = JsonObject.parse(made.body(), Set.of()).string("secret_ref");
    return reference.substring(reference.lastIndexOf("/v1/secrets/"));
  }

  @Test
  void whatOneDoorStoresTheOtherGivesAndRemoves() throws Exception {
    assertEquals(
        403,
        door(second, "GET", "/v1/secrets", null, "application/json").statusCode(),
        "the door is closed for the project");
    first
        .operator()
        .ok(
            "PUT",
            "/v1/owners/project:p1/door",
            "{\"service\":\"cinder\",\"roles\":{\"member\":\"user\"}}");
    String secret = store();
    HttpResponse<byte[]> payload = door(second, "GET", secret + "/payload", null, "text/plain");
    assertEquals(200, payload.statusCode());
    assertArrayEquals(PAYLOAD.getBytes(UTF_8), payload.body());
    assertEquals(204, door(second, "DELETE", secret, null, "application/json").statusCode());
    assertEquals(404, door(first, "GET", secret, null, "application/json").statusCode());
    String again = store();
    second.operator().ok("DELETE", "/v1/owners/project:p1/door", null);
    assertEquals(403, door(first, "GET", again, null, "application/json").statusCode());
    second
        .operator()
        .ok(
            "PUT",
            "/v1/owners/project:p1/door",
            "{\"service\":\"cinder\",\"roles\":{\"member\":\"user\"}}");
    etcd.kill(0);
    saysWhatToDoWhileEtcdIsDown(again);
    etcd.start(0);
    assertTrue(
        TestServer.eventually(
            () -> door(first, "GET", again + "/payload", null, "text/plain").statusCode() == 200));
  }

  private static void saysWhatToDoWhileEtcdIsDown(String secret) throws Exception {
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var there = threads.submit(() -> door(first, "GET", secret + "/payload", null, "text/plain"));
      TestServer.Answer here = first.operator().get("/v1/services");
      assertEquals(503, here.status(), here::text);
      assertEquals("application/problem+json", here.type());
      assertTrue(here.json().string("detail").contains("more than half of etcd"), here::text);
      HttpResponse<byte[]> refused = there.get();
      assertEquals(503, refused.statusCode());
      assertTrue(new String(refused.body(), UTF_8).contains("Try again"));
    }
  }

  @Test
  void withoutTheRightCertificateOfEitherSideNobodyGetsIn() throws Exception {
    Path strangers = directory.resolve("strangers");
    Path site = directory.resolve("site");
    List<URI> members = List.of(etcd.endpoint(0));
    List<EtcdSettings> wrong =
        List.of(
            new EtcdSettings(members, "/coffer/", site.resolve("ca.pem"), null),
            new EtcdSettings(
                members, "/coffer/", site.resolve("ca.pem"), strangers.resolve("client.pem")),
            new EtcdSettings(
                members, "/coffer/", strangers.resolve("ca.pem"), site.resolve("client.pem")));
    // At once, since each is tried for a while.
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<EngineException>> refusals =
          wrong.stream()
              .map(settings ->
                  threads.submit(() ->
                      assertThrows(
                          EngineException.class, () -> EtcdEngine.open(settings, null).close())))
              .toList();
      for (Future<EngineException> refusal : refusals) {
        String message = String.valueOf(refusal.get().getMessage());
        assertTrue(message.contains("compare --etcd-ca and --etcd-cert"), message);
      }
    }
  }
}
