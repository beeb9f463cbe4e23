package io.coffer.keyserver.server;

import static io.coffer.keyserver.server.TestServer.eventually;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.TestServer.Answer;
import io.coffer.keyserver.server.TestServer.Client;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.time.Duration;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PageTest {
  static final String HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)>&amp;";
  private static final String BOX = "/services/cinder/owners/project:hpc/keys";

  @TempDir static Path directory;
  private static TestServer server;
  private static Client alice;
  private static Client auditor;
  private static Client operator;

  @BeforeAll
  static void start() throws Exception {
    server = new TestServer(directory.resolve("home"));
    furnish(server);
    alice = server.as("client:alice");
    auditor = server.as("auditor:aud");
    operator = server.operator();
  }

  @AfterAll
  static void stop() throws IOException {
    server.close();
  }

  /** A server with something to see. */
  static void furnish(TestServer server) throws Exception {
    server.makeBox("cinder", "project:hpc");
    Client operator = server.operator();
    operator.ok("POST", "/v1/services", json("name", "glance", "description", "Images " + HOSTILE));
    operator.ok("POST", "/v1/services/cinder/rotate", null);
    operator.ok(
        "PUT", "/v1/endpoints/node1", "{\"attestation\":\"mtls\",\"services\":[\"cinder\"]}");
    KeyPairGenerator rsa = KeyPairGenerator.getInstance("RSA");
    rsa.initialize(2048);
    byte[] ek = rsa.generateKeyPair().getPublic().getEncoded();
    operator.ok(
        "PUT",
        "/v1/endpoints/node2",
        """
        {"attestation":"tpm","services":["cinder","glance"],"tpm":{"ek":"%s",
         "pcrs":{"0":["%s"],"7":["%s","%s"]}}}\
        """
            .formatted(
                Base64.getEncoder().encodeToString(ek),
                "a".repeat(64),
                "b".repeat(64),
                "c".repeat(64)));
    Client alice = server.as("client:alice");
    for (String name : List.of("volume 1", "volume 2", "old volume", HOSTILE)) {
      alice.ok("POST", "/v1" + BOX, json("name", name));
    }
    alice.ok("POST", "/v1/owners/project:hpc/key", null);
    String twofold =
        alice.ok("POST", "/v1" + BOX, "{\"name\":\"both halves\",\"double\":true}").string("id");
    alice.ok("POST", "/v1" + BOX + "/" + twofold + "/rotate", null);
    alice.ok("POST", "/v1" + BOX + "/" + twofold + "/versions/1/retire", null);
    alice.ok("POST", "/v1" + BOX + "/" + twofold + "/consumers", json("consumer", HOSTILE));
    alice.ok(
        "PUT",
        "/v1" + BOX + "/" + twofold + "/acl",
        "{\"acl\":[{\"identity\":\"client:guest\",\"rights\":[\"read\",\"rotate\"]}]}");
    alice.ok("POST", "/v1/tokens", "{\"presenter\":\"endpoint:node1\",\"services\":[\"cinder\"]}");
    alice.ok("POST", "/v1/tokens", "{\"seconds\":3600,\"renewable_seconds\":86400}");
    server.as("client:bob").ok("POST", "/v1/tokens", "{\"owners\":[\"project:hpc\"]}");
    alice.ok(
        "POST",
        "/v1" + BOX + "/" + key(alice, "volume 2") + "/transfers",
        "{\"service\":\"glance\",\"owner\":\"project:hpc\"}");
  }

  private static String json(String... members) {
    JsonObject json = new JsonObject();
    for (int i = 0; i < members.length; i += 2) {
      json.put(members[i], members[i + 1]);
    }
    return new String(json.toBytes(), StandardCharsets.UTF_8);
  }

  private static String key(Client client, String name) throws Exception {
    for (JsonObject key :
        client.ok("GET", "/v1" + BOX + "?limit=1000&deleted=true", null).objects("keys")) {
      if (key.string("name").equals(name)) {
        return key.string("id");
      }
    }
    throw new AssertionError("no key " + name);
  }

  private static String page(Client client, String path) throws Exception {
    Answer answer = client.get("/page" + path);
    assertEquals(200, answer.status(), answer.text());
    assertEquals("text/html; charset=utf-8", answer.type());
    return answer.text();
  }

  private static Answer refused(Client client, int status, String path) throws Exception {
    Answer answer = client.get("/page" + path);
    assertEquals(status, answer.status(), answer.text());
    assertEquals("text/html; charset=utf-8", answer.type());
    assertTrue(answer.text().contains("What to do next"), answer.text());
    return answer;
  }

  private static String seal(String html) {
    Matcher field = Pattern.compile("name=\"seal\" value=\"([0-9a-f-]+)\"").matcher(html);
    assertTrue(field.find(), html);
    return field.group(1);
  }

  private static HttpResponse<String> post(
      Client client, String path, String body, String... headers) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(client.base() + path))
            .timeout(Duration.ofSeconds(60))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(BodyPublishers.ofString(body));
    for (int i = 0; i < headers.length; i += 2) {
      request.header(headers[i], headers[i + 1]);
    }
    return client.http().send(request.build(), BodyHandlers.ofString());
  }

  /** Asks for the form and sends it. */
  private static HttpResponse<String> carryOut(Client client, String path) throws Exception {
    return post(client, "/page" + path, "seal=" + seal(page(client, path)));
  }

  @Nested
  class WhatIsShown {
    @Test
    void isEscapedWhateverSomethingIsCalled() throws Exception {
      String id = key(alice, HOSTILE);
      String twofold = key(alice, "both halves");
      for (String page :
          List.of(
              page(alice, BOX),
              page(alice, BOX + "/" + id),
              page(alice, BOX + "/" + twofold),
              page(alice, BOX + "/" + id + "/delete"),
              page(alice, "/services"),
              page(alice, "/owners/project:hpc"))) {
        assertFalse(page.contains("<script"), page);
        assertFalse(page.contains("<img"), page);
        assertTrue(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), page);
      }
      String asked = URLEncoder.encode(HOSTILE, StandardCharsets.UTF_8);
      for (String page :
          List.of(
              page(operator, "/endpoints?q=" + asked),
              page(auditor, "/audit?who=" + asked + "&what=" + asked + "&key=" + asked),
              page(alice, "/services?q=" + asked + "&done=" + asked))) {
        assertFalse(page.contains("<script"), page);
        assertFalse(page.contains("onerror=alert(1)>"), page);
      }
    }

    @Test
    void isAWholeDocumentThatPeopleCanFindTheirWayIn() throws Exception {
      String page = page(operator, "/endpoints");
      for (String part :
          List.of(
              "<!DOCTYPE html>",
              "<html lang=\"en\">",
              "<title>Endpoints · Coffer</title>",
              "href=\"#main\" class=\"skip\"",
              "<main id=\"main\"",
              "<nav aria-label=\"Main\"",
              "<caption>Endpoints</caption>",
              "<th scope=\"col\"",
              "<th scope=\"row\"",
              "<h1>Endpoints</h1>",
              "aria-current=\"page\"")) {
        assertTrue(page.contains(part), part + " in " + page);
      }
      Matcher fields = Pattern.compile("<input id=\"([a-z]+)\"").matcher(page(auditor, "/audit"));
      int count = 0;
      while (fields.find()) {
        count++;
        assertTrue(page(auditor, "/audit").contains("<label for=\"" + fields.group(1) + "\""));
      }
      assertEquals(5, count);
    }

    @Test
    void comesWithHeadersThatAllowNothingElse() throws Exception {
      HttpResponse<String> answer =
          alice
              .http()
              .send(
                  HttpRequest.newBuilder(URI.create(alice.base() + "/page")).build(),
                  BodyHandlers.ofString());
      String policy = answer.headers().firstValue("Content-Security-Policy").orElse("");
      for (String part :
          List.of("default-src 'none'", "style-src 'self'", "frame-ancestors 'none'")) {
        assertTrue(policy.contains(part), policy);
      }
      assertFalse(policy.contains("unsafe"), policy);
      assertEquals("nosniff", answer.headers().firstValue("X-Content-Type-Options").orElse(""));
      assertEquals("no-store", answer.headers().firstValue("Cache-Control").orElse(""));
      assertEquals("DENY", answer.headers().firstValue("X-Frame-Options").orElse(""));
      assertEquals("text/css; charset=utf-8", alice.get("/page/page.css").type());
      assertEquals("image/svg+xml", alice.get("/page/icon.svg").type());
      assertEquals(303, alice.get("/").status());
    }

    @Test
    void leadsToPagesThatExist() throws Exception {
      for (Client client : List.of(alice, operator, auditor)) {
        Set<String> seen = new HashSet<>();
        follow(client, "/page", seen);
        assertTrue(seen.size() > 10, client.identity() + " " + seen);
      }
    }

    private void follow(Client client, String path, Set<String> seen) throws Exception {
      if (!path.startsWith("/page") || path.endsWith(".css") || !seen.add(path)) {
        return;
      }
      Answer answer = client.get(path);
      assertEquals(200, answer.status(), client.identity() + " " + path + " " + answer.text());
      Matcher links = Pattern.compile("(?:href|action)=\"(/[^\"]*)\"").matcher(answer.text());
      while (links.find()) {
        follow(client, links.group(1).replace("&amp;", "&"), seen);
      }
    }

    @Test
    void isNeverAKeyOrTheSecretOfAToken() throws Exception {
      String clear = "CLEARKEY-0123456789abcdef";
      String material = Base64.getEncoder().encodeToString(clear.getBytes(StandardCharsets.UTF_8));
      String id =
          alice.ok("POST", "/v1" + BOX, json("name", "mine", "material", material)).string("id");
      String wrapped =
          Base64.getEncoder()
              .encodeToString(
                  alice.ok("GET", "/v1" + BOX + "/" + id + "/wrapped", null).bytes("wrapped"));
      String token = alice.ok("POST", "/v1/tokens", "{}").string("token");
      Set<String> all = new HashSet<>();
      for (String path : List.of("", BOX, BOX + "/" + id, "/tokens", "/owners/project:hpc")) {
        all.add(page(alice, path));
      }
      for (String page : all) {
        for (String secret : List.of(clear, material, wrapped, token)) {
          assertFalse(page.contains(secret), page);
        }
      }
    }

    @Test
    void comesInPagesAndIsSearched() throws Exception {
      Client op = operator;
      for (int i = 100; i < 160; i++) {
        op.ok(
            "PUT",
            "/v1/endpoints/rack" + i,
            "{\"attestation\":\"mtls\",\"services\":[\"glance\"]}");
      }
      String first = page(op, "/endpoints?q=rack");
      assertTrue(first.contains("1 to 50 of 60"), first);
      assertTrue(first.contains("rack149") && !first.contains("rack150"), first);
      Matcher next = Pattern.compile("href=\"/page([^\"]*)\" rel=\"next\"").matcher(first);
      assertTrue(next.find(), first);
      String second = page(op, next.group(1).replace("&amp;", "&"));
      assertTrue(second.contains("51 to 60 of 60"), second);
      assertTrue(second.contains("rack150") && second.contains("rack159"), second);
      assertTrue(page(op, "/endpoints?q=no-such-rack").contains("There is none"));
      refused(op, 400, "/endpoints?from=x");
    }
  }

  @Nested
  class WhoSeesWhat {
    @Test
    void isAsTheInterfaceForProgramsHasIt() throws Exception {
      String key = BOX + "/" + key(alice, "volume 1");
      for (Client stranger : List.of(operator, auditor, server.as("client:mallory"))) {
        refused(stranger, 404, key);
        assertFalse(page(stranger, BOX).contains("volume 1"));
      }
      refused(alice, 403, "/services/cinder");
      refused(alice, 403, "/endpoints");
      refused(alice, 403, "/doors");
      refused(alice, 403, "/audit");
      refused(operator, 403, "/audit");
      refused(server.as("client:mallory"), 404, "/owners/project:hpc");
      assertFalse(page(server.as("client:mallory"), "/owners").contains("project:hpc"));
      assertFalse(page(server.as("client:eve"), "/tokens").contains("client:alice</bdi>"));
      assertTrue(page(operator, "/tokens").contains("client:alice</bdi>"));
    }

    @Test
    void isOfferedOnlyWhatHeMayDo() throws Exception {
      String key = BOX + "/" + key(alice, "volume 1");
      assertTrue(page(alice, key).contains("/delete\""));
      String reader = page(server.as("client:eve"), key);
      assertFalse(reader.contains("/delete\"") || reader.contains("/rotate\""), reader);
      assertFalse(page(auditor, "/services/cinder").contains("/rotate\""));
      assertTrue(page(operator, "/services/cinder").contains("/rotate\""));
    }

    @Test
    void aSealedServerSaysSoAndARevokedCertificateIsRefused() throws Exception {
      try (TestServer other = new TestServer(directory.resolve("other"))) {
        Client op = other.operator();
        assertEquals(303, carryOut(op, "/seal/seal").statusCode());
        assertTrue(page(op, "").contains("The server is sealed."));
        refused(op, 503, "/services");
        Client victim = other.as("client:victim");
        assertEquals(200, victim.get("/page").status());
        other.authority.revoke("client:victim");
        assertTrue(eventually(() -> victim.get("/page").status() == 401));
        refused(victim, 401, "");
      }
    }
  }

  @Nested
  class ADeed {
    @Test
    void isAskedForThenDoneAndLoggedAsTheApiDoes() throws Exception {
      String id = alice.ok("POST", "/v1" + BOX, json("name", "deed")).string("id");
      String key = BOX + "/" + id;
      assertTrue(page(alice, key + "/delete").contains("is deleted: nobody can read it"));
      assertEquals(200, alice.get("/v1" + key + "/wrapped").status(), "asking does nothing");
      HttpResponse<String> done = carryOut(alice, key + "/delete");
      assertEquals(303, done.statusCode());
      String next = done.headers().firstValue("Location").orElse("");
      assertEquals("/page" + key + "?done=key.delete", next);
      assertTrue(page(alice, key + "?done=key.delete").contains("The key is deleted"));
      assertEquals(410, alice.get("/v1" + key + "/wrapped").status());
      HttpResponse<String> again = carryOut(alice, key + "/delete");
      assertEquals(410, again.statusCode(), again.body());
      assertEquals(303, carryOut(alice, key + "/restore").statusCode());
      assertEquals(303, carryOut(alice, key + "/rotate").statusCode());
      assertEquals(303, carryOut(alice, key + "/versions/1/retire").statusCode());
      assertEquals(410, alice.get("/v1" + key + "/wrapped?version=1").status());
      assertEquals(303, carryOut(alice, key + "/versions/1/activate").statusCode());
      String log = auditor.get("/v1/audit?limit=10000").text();
      assertTrue(
          log.lines()
              .anyMatch(l ->
                  l.contains("\"action\":\"key.delete\"")
                      && l.contains(id)
                      && l.contains("\"who\":\"client:alice\"")
                      && l.contains("\"outcome\":\"granted\"")
                      && l.contains("on the page")),
          log);
    }

    @Test
    void isRefusedToThoseWhoMayNotDoItWhateverTheySend() throws Exception {
      String key = BOX + "/" + key(alice, "volume 2");
      Client bob = server.as("client:bob");
      assertEquals(403, carryOut(bob, key + "/delete").statusCode());
      assertEquals(403, carryOut(auditor, "/services/cinder/rotate").statusCode());
      assertEquals(403, carryOut(alice, "/seal/seal").statusCode());
      assertEquals(200, alice.get("/v1" + key + "/wrapped").status());
    }

    @Test
    void withoutTheFormOfThisServerIsNotDone() throws Exception {
      String path = "/page" + BOX + "/" + key(alice, "old volume") + "/delete";
      String seal = seal(page(alice, path.substring("/page".length())));
      Client bob = server.as("client:bob");
      String bobs = seal(page(bob, path.substring("/page".length())));
      String elsewhere = seal(page(alice, BOX + "/" + key(alice, "volume 1") + "/delete"));
      for (String forged :
          List.of(
              "",
              "seal=",
              "seal=x",
              "seal=" + bobs,
              "seal=" + elsewhere,
              "seal=9" + seal,
              "seal=" + seal.substring(0, seal.length() - 1) + "g")) {
        HttpResponse<String> answer = post(alice, path, forged);
        assertEquals(403, answer.statusCode(), forged);
        assertTrue(answer.body().contains("Nothing was done"), answer.body());
      }
      for (String[] header :
          new String[][] {
            {"Sec-Fetch-Site", "cross-site"},
            {"Sec-Fetch-Site", "same-site"},
            {"Origin", "https://evil.example"},
            {"Origin", "null"}
          }) {
        assertEquals(403, post(alice, path, "seal=" + seal, header).statusCode());
      }
      assertEquals(415, alice.post(path, json("seal", seal)).status());
      assertEquals(
          200, alice.get(path.replace("/page", "/v1").replace("/delete", "/wrapped")).status());
      HttpResponse<String> right =
          post(
              alice, path, "seal=" + seal, "Origin", alice.base(), "Sec-Fetch-Site", "same-origin");
      assertEquals(303, right.statusCode(), right.body());
    }

    @Test
    void byTheApiIsNotDoneForAnotherSiteEither() throws Exception {
      HttpRequest forged =
          HttpRequest.newBuilder(URI.create(operator.base() + "/v1/seal/seal"))
              .header("Origin", "https://evil.example")
              .POST(BodyPublishers.noBody())
              .build();
      assertEquals(403, operator.http().send(forged, BodyHandlers.ofString()).statusCode());
      assertFalse(alice.ok("GET", "/v1/status", null).bool("sealed", true));
    }

    @Test
    void goesForEndpointsTokensTransfersAndMasterKeys() throws Exception {
      operator.ok(
          "PUT", "/v1/endpoints/gone", "{\"attestation\":\"mtls\",\"services\":[\"cinder\"]}");
      assertEquals(303, carryOut(operator, "/endpoints/gone/unregister").statusCode());
      refused(operator, 404, "/endpoints/gone");
      String token = alice.ok("POST", "/v1/tokens", "{}").string("id");
      assertTrue(page(operator, "/tokens").contains(token));
      assertEquals(303, carryOut(operator, "/tokens/" + token + "/revoke").statusCode());
      assertFalse(page(operator, "/tokens").contains(token));
      String transfer =
          alice
              .ok(
                  "POST",
                  "/v1" + BOX + "/" + key(alice, "volume 1") + "/transfers",
                  "{\"service\":\"glance\",\"owner\":\"project:hpc\"}")
              .string("id");
      assertEquals(303, carryOut(alice, "/transfers/" + transfer + "/accept").statusCode());
      refused(alice, 404, "/transfers/" + transfer + "/accept");
      operator.ok("POST", "/v1/services", json("name", "swift"));
      assertEquals(303, carryOut(operator, "/services/swift/rotate").statusCode());
      assertTrue(page(operator, "/services/swift").contains("masters/1/retire"));
      assertEquals(303, carryOut(operator, "/services/swift/masters/1/retire").statusCode());
    }
  }

  @Nested
  class AForm {
    private HttpResponse<String> fillIn(Client client, String path, String... fields)
        throws Exception {
      StringBuilder body = new StringBuilder("seal=" + seal(page(client, path)));
      for (int i = 0; i < fields.length; i += 2) {
        body.append('&')
            .append(fields[i])
            .append('=')
            .append(URLEncoder.encode(fields[i + 1], StandardCharsets.UTF_8));
      }
      return post(client, "/page" + path, body.toString());
    }

    private void isLogged(String... parts) throws Exception {
      String log = auditor.get("/v1/audit?limit=10000").text();
      assertTrue(
          log.lines().anyMatch(l -> List.of(parts).stream().allMatch(l::contains)),
          List.of(parts) + " in " + log);
    }

    @Test
    void makesServicesOwnersAndMembers() throws Exception {
      HttpResponse<String> made =
          fillIn(
              operator,
              "/services/new/service",
              "name",
              " manila ",
              "description",
              "Shares & " + HOSTILE);
      assertEquals(303, made.statusCode(), made.body());
      assertEquals(
          "/page/services?done=service.create", made.headers().firstValue("Location").orElse(""));
      assertTrue(page(operator, "/services?done=service.create").contains("The service was made."));
      assertEquals(1, operator.ok("GET", "/v1/services/manila", null).integer("current", 1, 9));
      assertEquals(
          303,
          fillIn(operator, "/owners/new/owner", "name", "user:anna", "admin", "client:anna")
              .statusCode());
      Client anna = server.as("client:anna");
      assertEquals(
          303,
          fillIn(anna, "/owners/user:anna/members/new", "who", "client:ben", "role", "reader")
              .statusCode());
      isLogged("\"owner.admit\"", "on the page: client:ben", "\"who\":\"client:anna\"");
      assertTrue(page(server.as("client:ben"), "/owners").contains("user:anna"));
      assertEquals(303, carryOut(anna, "/owners/user:anna/members/client:ben/remove").statusCode());
      assertFalse(page(server.as("client:ben"), "/owners").contains("user:anna"));
      HttpResponse<String> last = carryOut(anna, "/owners/user:anna/members/client:anna/remove");
      assertEquals(400, last.statusCode(), "an owner keeps an admin");
      assertTrue(last.body().contains("What to do next"), last.body());
      assertEquals(303, carryOut(anna, "/owners/user:anna/key/make").statusCode());
      assertEquals(303, carryOut(anna, "/owners/user:anna/key/rotate").statusCode());
      assertEquals(2, anna.ok("GET", "/v1/owners/user:anna/key", null).integer("current", 1, 9));
    }

    @Test
    void makesKeysAndGivesOthersRightsOnThemAndTakesThemAway() throws Exception {
      assertEquals(
          303, fillIn(alice, BOX + "/new/key", "name", "by form", "bits", "128").statusCode());
      String id = key(alice, "by form");
      isLogged("\"key.create\"", "/v1" + BOX + "/" + id, "on the page");
      JsonObject made = alice.ok("GET", "/v1" + BOX + "/" + id, null);
      assertEquals(128, made.integer("bits", 1, 999));
      assertEquals(
          303,
          fillIn(alice, BOX + "/new/key", "name", "two halves", "bits", "128", "double", "on")
              .statusCode());
      assertTrue(
          alice
              .ok("GET", "/v1" + BOX + "/" + key(alice, "two halves"), null)
              .bool("double", false));
      String key = BOX + "/" + id;
      Client guest = server.as("client:guest2");
      refused(guest, 404, key);
      assertEquals(
          303,
          fillIn(alice, key + "/acl/new", "who", "client:guest2", "right-read", "on").statusCode());
      isLogged("\"key.grant\"", "on the page: client:guest2", id);
      assertFalse(page(guest, key).contains("/rotate\""), "reading only");
      assertEquals(
          303,
          fillIn(
                  alice,
                  key + "/acl/new",
                  "who",
                  "client:guest2",
                  "right-read",
                  "on",
                  "right-rotate",
                  "on")
              .statusCode());
      assertTrue(page(guest, key).contains("/rotate\""));
      assertEquals(
          1,
          alice.ok("GET", "/v1" + key, null).objects("acl").size(),
          "what he had before is replaced");
      assertEquals(303, carryOut(alice, key + "/acl/client:guest2/remove").statusCode());
      refused(guest, 404, key);
      HttpResponse<String> nobody =
          fillIn(alice, key + "/acl/new", "who", "nobody", "right-read", "on");
      assertEquals(400, nobody.statusCode());
      assertTrue(nobody.body().contains("PROFILE:NAME"), nobody.body());
      assertEquals(400, fillIn(alice, key + "/acl/new", "who", "client:x").statusCode());
      assertEquals(
          303,
          fillIn(alice, key + "/offer/new", "service", "glance", "owner", "project:hpc")
              .statusCode());
      assertTrue(page(alice, "/transfers").contains(id));
    }

    @Test
    void registersEndpointsWithAndWithoutTpm() throws Exception {
      assertEquals(
          303,
          fillIn(operator, "/endpoints/new/endpoint", "name", "rack1", "service-cinder", "on")
              .statusCode());
      isLogged("\"endpoint.register\"", "on the page: rack1");
      assertTrue(page(operator, "/endpoints/rack1").contains("certificate only"));
      KeyPairGenerator rsa = KeyPairGenerator.getInstance("RSA");
      rsa.initialize(2048);
      String printed =
          """
          {"attestation":"tpm","services":["cinder"],"tpm":{"ek":"%s","pcrs":{"7":["%s"]}}}
          """
              .formatted(
                  Base64.getEncoder()
                      .encodeToString(rsa.generateKeyPair().getPublic().getEncoded()),
                  "d".repeat(64));
      assertEquals(
          303,
          fillIn(operator, "/endpoints/new/endpoint", "name", "rack2", "registration", printed)
              .statusCode());
      assertTrue(page(operator, "/endpoints/rack2").contains("has not attested yet"));
      for (String[] wrong :
          new String[][] {
            {"name", "rack3", "registration", "{"},
            {"name", "rack3", "registration", printed, "service-cinder", "on"},
            {"name", "Rack 3", "service-cinder", "on"},
            {"name", "rack3", "service-none", "on"},
          }) {
        HttpResponse<String> answer = fillIn(operator, "/endpoints/new/endpoint", wrong);
        assertTrue(answer.statusCode() == 400 || answer.statusCode() == 404, answer.body());
        assertTrue(answer.body().contains("What to do next"), answer.body());
      }
      refused(operator, 404, "/endpoints/rack3");
    }

    @Test
    void issuesATokenAndShowsItThisOnce() throws Exception {
      String id = key(alice, "volume 1");
      assertTrue(page(alice, BOX + "/" + id).contains("/page/tokens/new/token?key=" + id));
      assertTrue(
          page(alice, "/tokens/new/token?key=" + id).contains("value=\"" + id + "\""),
          "the key is filled in");
      HttpResponse<String> issued =
          fillIn(
              alice,
              "/tokens/new/token",
              "presenter",
              " endpoint:node1 ",
              "service-cinder",
              "on",
              "owners",
              "project:hpc, project:none",
              "keys",
              id,
              "minutes",
              "20",
              "renewable",
              "2");
      assertEquals(200, issued.statusCode(), issued.body());
      assertEquals("no-store", issued.headers().firstValue("Cache-Control").orElse(""));
      Matcher token =
          Pattern.compile("Token</dt><dd><code[^>]*>([A-Za-z0-9+/=]+)</code>")
              .matcher(issued.body());
      assertTrue(token.find(), issued.body());
      JsonObject stored =
          alice.ok("GET", "/v1/tokens", null).objects("tokens").stream()
              .filter(each -> issued.body().contains(text(each, "id")))
              .findFirst()
              .orElseThrow();
      assertEquals("endpoint:node1", stored.string("presenter"));
      assertEquals(List.of("cinder"), stored.strings("services"));
      assertEquals(List.of("project:hpc", "project:none"), stored.strings("owners"));
      assertEquals(List.of(id), stored.strings("keys"));
      isLogged("\"token.issue\"", "on the page", "client:alice");
      String bearer = "Bearer " + token.group(1);
      assertEquals(200, reading(server.as("endpoint:node1"), id, bearer), "it is good");
      assertEquals(401, reading(server.as("endpoint:node2"), id, bearer), "for nobody else");
      assertFalse(page(alice, "/tokens").contains(token.group(1)), "shown once");
      assertFalse(auditor.get("/v1/audit?limit=10000").text().contains(token.group(1)));
      for (String[] bad :
          new String[][] {
            {"minutes", "soon", "renewable", "0"},
            {"minutes", "1441", "renewable", "0"},
            {"minutes", "15", "renewable", "0", "keys", HOSTILE}
          }) {
        HttpResponse<String> refused = fillIn(alice, "/tokens/new/token", bad);
        assertEquals(400, refused.statusCode(), refused.body());
        assertTrue(refused.body().contains("What to do next"), refused.body());
        assertFalse(refused.body().contains("<script"), refused.body());
      }
      for (Client overseer : List.of(operator, auditor)) {
        refused(overseer, 403, "/tokens/new/token");
        assertFalse(page(overseer, "/tokens").contains("/page/tokens/new/token"));
      }
    }

    private static String text(JsonObject json, String name) {
      try {
        return json.string(name);
      } catch (JsonException e) {
        throw new AssertionError(e);
      }
    }

    private int reading(Client node, String id, String bearer) throws Exception {
      return node.http()
          .send(
              HttpRequest.newBuilder(URI.create(node.base() + "/v1" + BOX + "/" + id + "/wrapped"))
                  .header("Authorization", bearer)
                  .build(),
              BodyHandlers.ofString())
          .statusCode();
    }

    @Test
    void setsQuotasAndOpensAndClosesTheDoor() throws Exception {
      operator.ok(
          "POST",
          "/v1/owners",
          "{\"name\":\"project:cloud\",\"members\":"
              + "[{\"identity\":\"client:alice\",\"role\":\"admin\"}]}");
      String owner = "/owners/project:cloud";
      assertTrue(page(operator, owner).contains("10000 keys"));
      assertEquals(303, fillIn(operator, owner + "/quota/set", "keys", "1").statusCode());
      assertTrue(page(alice, owner).contains("1 keys in each"));
      isLogged("\"owner.quota\"", "on the page", "operator:op");
      String box = "/v1/services/glance/owners/project:cloud/keys";
      assertEquals(201, alice.post(box, "{}").status());
      assertEquals(409, alice.post(box, "{}").status());
      assertEquals(400, fillIn(operator, owner + "/quota/set", "keys", "-1").statusCode());

      String form = page(operator, owner + "/door/open");
      assertTrue(form.contains("in clear"), form);
      assertEquals(
          303,
          fillIn(
                  operator,
                  owner + "/door/open",
                  "service",
                  "glance",
                  "admin",
                  "admin, cloud_admin",
                  "user",
                  "member",
                  "reader",
                  "")
              .statusCode());
      isLogged("\"door.open\"", "on the page", "project:cloud");
      JsonObject door =
          operator.ok("GET", "/v1/doors", null).objects("doors").stream()
              .filter(each -> "project:cloud".equals(text(each, "owner")))
              .findFirst()
              .orElseThrow();
      assertTrue(door.bool("open", false));
      assertEquals("glance", door.string("service"));
      assertEquals(Set.of("admin", "cloud_admin", "member"), door.object("roles").names());
      assertEquals("user", door.object("roles").string("member"));
      assertTrue(
          page(operator, owner + "/door/open").contains("value=\"admin, cloud_admin\""),
          "what is so now is filled in");
      assertEquals(
          409,
          fillIn(operator, owner + "/door/open", "service", "cinder", "admin", "admin")
              .statusCode(),
          "its secrets lie under the other service");
      assertEquals(
          400,
          fillIn(
                  operator,
                  owner + "/door/open",
                  "service",
                  "glance",
                  "admin",
                  "member",
                  "user",
                  "member")
              .statusCode());
      assertEquals(303, carryOut(operator, owner + "/door/close").statusCode());
      assertFalse(page(operator, owner).contains("/door/close"));
      assertTrue(page(operator, "/doors").contains("closed"));
      for (Client other : List.of(alice, auditor)) {
        assertFalse(page(other, owner).contains("/quota/set"));
        for (String deed : List.of("/quota/set", "/door/open", "/door/close")) {
          refused(other, 403, owner + deed);
        }
      }
    }

    @Test
    void isShownAndObeyedOnlyToWhomTheInterfaceObeys() throws Exception {
      for (String path :
          List.of("/services/new/service", "/owners/new/owner", "/endpoints/new/endpoint")) {
        refused(alice, 403, path);
        refused(auditor, 403, path);
      }
      refused(server.as("client:eve"), 403, BOX + "/new/key");
      refused(server.as("client:mallory"), 403, BOX + "/new/key");
      refused(server.as("client:mallory"), 404, "/owners/project:hpc/members/new");
      String key = BOX + "/" + key(alice, "volume 1");
      Client bob = server.as("client:bob");
      assertFalse(page(bob, key).contains("/acl/new"), "a user does not manage");
      assertEquals(
          403,
          fillIn(bob, key + "/acl/new", "who", "client:bob", "right-delete", "on").statusCode());
      assertEquals(
          404,
          fillIn(bob, "/owners/project:hpc/members/new", "who", "client:bob", "role", "admin")
              .statusCode());
      String seal = seal(page(alice, BOX + "/new/key"));
      assertEquals(
          403,
          post(bob, "/page" + BOX + "/new/key", "name=forged&bits=256&seal=" + seal).statusCode());
      assertEquals(
          403, post(alice, "/page" + BOX + "/new/key", "name=forged&bits=256").statusCode());
      assertFalse(page(alice, BOX + "?q=forged").contains("forged</a>"));
    }

    @Test
    void hasALabelForEachFieldAndNeedsNoScript() throws Exception {
      String key = BOX + "/" + key(alice, "volume 1");
      List<String> pages = new java.util.ArrayList<>();
      for (String path : List.of("/new/key", "")) {
        pages.add(page(alice, BOX + path));
      }
      pages.add(page(alice, key + "/acl/new"));
      pages.add(page(alice, key + "/offer/new"));
      pages.add(page(alice, "/owners/project:hpc/members/new"));
      pages.add(page(alice, "/tokens/new/token"));
      for (String path :
          List.of(
              "/services/new/service",
              "/owners/new/owner",
              "/endpoints/new/endpoint",
              "/owners/project:hpc/quota/set",
              "/owners/project:hpc/door/open")) {
        pages.add(page(operator, path));
      }
      for (String page : pages) {
        Matcher fields =
            Pattern.compile("<(?:input|select|textarea) id=\"([a-z-]+)\"").matcher(page);
        int count = 0;
        while (fields.find()) {
          count++;
          assertTrue(page.contains("for=\"" + fields.group(1) + "\""), fields.group(1) + page);
        }
        assertTrue(count > 0, page);
        Matcher hints = Pattern.compile("aria-describedby=\"([a-z-]+)\"").matcher(page);
        while (hints.find()) {
          assertTrue(page.contains(" id=\"" + hints.group(1) + "\""), hints.group(1));
        }
        assertFalse(page.contains("<script"), page);
        assertFalse(Pattern.compile("<[^>]+ on[a-z]+=").matcher(page).find(), page);
      }
    }

    @Test
    void findsKeysByNameIdAndMaker() throws Exception {
      String id = key(alice, "volume 2");
      String found = page(alice, BOX + "?q=VOLUME+2");
      assertTrue(found.contains(id) && !found.contains("volume 1"), found);
      assertTrue(page(alice, BOX + "?q=" + id.substring(0, 13)).contains("volume 2"));
      assertTrue(page(alice, BOX + "?q=no+such+key").contains("None that you may read"));
      assertFalse(page(server.as("client:mallory"), BOX + "?q=volume").contains("volume 2"));
    }
  }

  @Nested
  class TheLog {
    private List<String> entries(String query) throws Exception {
      Matcher rows =
          Pattern.compile("data-label=\"Entry\"><div><span>([0-9]+)<")
              .matcher(page(auditor, "/audit" + query));
      return rows.results().map(r -> r.group(1)).toList();
    }

    @Test
    void isSearchedByWhoWhatKeyOutcomeAndTime() throws Exception {
      String id = key(alice, "volume 1");
      server.as("client:thief").get("/v1" + BOX + "/" + id + "/wrapped");
      assertEquals(
          1, entries("?who=client:thief&what=key.read&key=" + id + "&outcome=refused").size());
      assertEquals(0, entries("?who=client:thief&outcome=granted").size());
      assertEquals(0, entries("?who=client:thief&until=2020-01-01T00:00").size());
      assertEquals(1, entries("?who=CLIENT:THIEF&from=2020-01-01T00:00").size());
      refused(auditor, 400, "/audit?from=yesterday");
      refused(auditor, 400, "/audit?before=3");
    }

    @Test
    void isShownInPagesFromItsEnd() throws Exception {
      for (int i = 0; i < 60; i++) {
        server.as("client:busy").get("/v1" + BOX);
      }
      String first = page(auditor, "/audit?who=client:busy");
      List<String> newest = entries("?who=client:busy");
      assertEquals(50, newest.size());
      assertTrue(Integer.parseInt(newest.getFirst()) > Integer.parseInt(newest.getLast()));
      Matcher next = Pattern.compile("href=\"/page/audit([^\"]*)\" rel=\"next\"").matcher(first);
      assertTrue(next.find(), first);
      List<String> older = entries(next.group(1).replace("&amp;", "&"));
      assertEquals(10, older.size());
      assertTrue(Integer.parseInt(older.getFirst()) < Integer.parseInt(newest.getLast()));
    }

    @Test
    void isVerifiedOnDemandAndDamageIsShown() throws Exception {
      try (TestServer other = new TestServer(directory.resolve("damaged"))) {
        Client aud = other.as("auditor:aud");
        assertTrue(page(aud, "/audit").contains("it was empty when the server started"));
        assertEquals(303, carryOut(aud, "/audit/verify").statusCode());
        assertTrue(
            eventually(() -> !aud.ok("GET", "/v1/audit/verify", null).bool("running", true)));
        assertFalse(aud.ok("GET", "/v1/audit/verify", null).has("damage"));
        assertTrue(page(aud, "/audit").contains("intact"));
        Path log = other.home.auditLog();
        String text = java.nio.file.Files.readString(log);
        java.nio.file.Files.writeString(log, text.replaceFirst("server.unseal", "server.unzeal"));
        aud.ok("POST", "/v1/audit/verify", null);
        assertTrue(
            eventually(() -> !aud.ok("GET", "/v1/audit/verify", null).bool("running", true)));
        String page = page(aud, "");
        assertTrue(page.contains("damaged") && page.contains("entry 2 is wrong"), page);
        assertEquals(403, other.operator().post("/v1/audit/verify", "{}").status());
      }
    }
  }
}
