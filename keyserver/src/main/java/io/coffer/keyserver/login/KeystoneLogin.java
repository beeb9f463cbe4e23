package io.coffer.keyserver.login;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Tokens of OpenStack's Keystone (Identity API v3). Keystone is asked whether a token is good, in
 * the token's own name, which every user may do (rule {@code token_subject}); this server needs no
 * account there. A token that is scoped to a project opens only keys of the owner {@code
 * project:PROJECT-ID}. Keystone tokens are meant to be used again and again until they expire, and
 * so they may be here.
 */
public final class KeystoneLogin implements Login {
  private static final int MAX_CHARS = 8 << 10;

  private final String prefix;
  private final URI url;
  private final Fetch fetch;
  private final Clock clock;

  /**
   * @param url as {@code https://keystone.example:5000}, without the version
   */
  public KeystoneLogin(String prefix, URI url, Fetch fetch, Clock clock) {
    this.prefix = prefix;
    this.url = url;
    this.fetch = fetch;
    this.clock = clock;
  }

  /** What the names of its subjects begin with. */
  public String prefix() {
    return prefix;
  }

  /** Where it asks, for the header that tells clients where to get a token. */
  public URI url() {
    return url;
  }

  @Override
  public String kind() {
    return "keystone";
  }

  @Override
  public Proven check(String credential, Identity presenter) throws ProblemException {
    if (credential.length() > MAX_CHARS || !credential.matches("[A-Za-z0-9._=-]{16,}")) {
      throw Refusal.of("this is no Keystone token", "Send what 'openstack token issue' shows.");
    }
    HttpResponse<byte[]> response;
    try {
      response =
          fetch.send(
              HttpRequest.newBuilder(URI.create(url + "/v3/auth/tokens?nocatalog"))
                  .header("X-Auth-Token", credential)
                  .header("X-Subject-Token", credential)
                  .header("Accept", "application/json"));
    } catch (IOException e) {
      throw Refusal.unavailable("Keystone cannot be reached");
    }
    if (response.statusCode() == 401
        || response.statusCode() == 403
        || response.statusCode() == 404) {
      throw Refusal.of(
          "Keystone does not accept the token", "Have a new one issued: openstack token issue.");
    }
    if (response.statusCode() != 200) {
      throw Refusal.unavailable("Keystone answers with status " + response.statusCode());
    }
    try {
      return proven(JsonObject.parse(response.body(), Set.of()).object("token"));
    } catch (JsonException | DateTimeException e) {
      throw Refusal.unavailable("Keystone's answer is malformed");
    }
  }

  private Proven proven(JsonObject token) throws ProblemException, JsonException {
    Instant expires = Instant.parse(token.string("expires_at"));
    if (!clock.instant().isBefore(expires)) {
      throw Refusal.of("the token has expired", "Have a new one issued: openstack token issue.");
    }
    List<String> owners =
        token.has("project")
            ? List.of("project:" + token.object("project").string("id"))
            : List.of();
    List<String> roles = new ArrayList<>();
    for (JsonObject role : token.objects("roles")) {
      roles.add(role.string("name"));
    }
    return new Proven(
        Refusal.client(prefix, token.object("user").string("id")), expires, owners, false, roles);
  }
}
