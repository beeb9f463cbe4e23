package io.coffer.keyserver.login;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.RSAPublicKey;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * JSON Web Tokens of an OpenID Connect issuer (RFC 7519): RS256 or ES256, by a key of the issuer's
 * JWK set, with its name as {@code iss}, this service's as {@code aud}, and an end. The algorithm
 * must fit the key; {@code none} and shared secrets are refused.
 */
public final class OidcLogin implements Login {
  /** How much the issuer's clock may differ. */
  static final Duration SKEW = Duration.ofSeconds(60);

  private static final Duration KEEP = Duration.ofMinutes(10);
  private static final Duration ASK_AGAIN = Duration.ofSeconds(30);
  private static final int MAX_CHARS = 16 << 10;
  private static final int MAX_SECONDS_AHEAD = 10 * 366 * 86_400;

  /**
   * What is trusted.
   *
   * @param claim that names the holder, {@code sub} but for issuers whose subjects are no names
   * @param once is a token good for one exchange only?
   */
  public record Settings(
      String prefix, String issuer, String audience, String claim, boolean once) {}

  /** Where the issuer's keys come from. */
  public interface Source {
    byte[] read() throws IOException;
  }

  private final Settings settings;
  private final Source source;
  private final Clock clock;
  private @Nullable JwkSet keys;
  private Instant read = Instant.MIN;

  public OidcLogin(Settings settings, Source source, Clock clock) {
    this.settings = settings;
    this.source = source;
    this.clock = clock;
  }

  @Override
  public String kind() {
    return "oidc";
  }

  @Override
  public Proven check(String credential, Identity presenter) throws ProblemException {
    String[] parts = credential.split("\\.", -1);
    if (credential.length() > MAX_CHARS || parts.length != 3) {
      throw malformed();
    }
    try {
      JsonObject header = JsonObject.parse(Base64.getUrlDecoder().decode(parts[0]), Set.of());
      if (header.has("crit")) {
        throw malformed();
      }
      PublicKey key = key(header.optionalString("kid"));
      if (!verify(key, header.string("alg"), parts)) {
        throw Refusal.of(
            "the signature of the token is wrong", "Have the issuer issue a new token.");
      }
      return claims(JsonObject.parse(Base64.getUrlDecoder().decode(parts[1]), Set.of()));
    } catch (JsonException | IllegalArgumentException e) {
      throw malformed();
    }
  }

  private static ProblemException malformed() {
    return Refusal.of(
        "this is no JSON Web Token that can be checked",
        "Send a signed token (RS256 or ES256) as the issuer gave it.");
  }

  private static boolean verify(PublicKey key, String algorithm, String[] parts)
      throws ProblemException {
    boolean rsa = key instanceof RSAPublicKey;
    if (!algorithm.equals(rsa ? "RS256" : "ES256")) {
      throw Refusal.of(
          "the token's algorithm does not fit the issuer's key", "Use RS256 or ES256.");
    }
    try {
      Signature signature =
          Signature.getInstance(rsa ? "SHA256withRSA" : "SHA256withECDSAinP1363Format");
      signature.initVerify(key);
      signature.update((parts[0] + "." + parts[1]).getBytes(US_ASCII));
      return signature.verify(Base64.getUrlDecoder().decode(parts[2]));
    } catch (GeneralSecurityException e) {
      return false;
    }
  }

  private Proven claims(JsonObject claims) throws ProblemException, JsonException {
    if (!settings.issuer().equals(claims.optionalString("iss"))) {
      throw Refusal.of("the token is of another issuer", "Use one of " + settings.issuer() + ".");
    }
    if (!audiences(claims).contains(settings.audience())) {
      throw Refusal.of(
          "the token is for somebody else",
          "Have one issued for the audience " + settings.audience() + ".");
    }
    Instant now = clock.instant();
    long latest = now.getEpochSecond() + MAX_SECONDS_AHEAD;
    Instant expires = Instant.ofEpochSecond(claims.integer("exp", 0, latest));
    if (!now.isBefore(expires)) {
      throw Refusal.of("the token has expired", "Have the issuer issue a new one.");
    }
    for (String start : List.of("nbf", "iat")) {
      Instant from = Instant.ofEpochSecond(claims.integer(start, 0, latest, 0));
      if (from.isAfter(now.plus(SKEW))) {
        throw Refusal.of(
            "the token is not good yet", "Wait, or set the clocks of both machines (NTP).");
      }
    }
    String name = claims.string(settings.claim());
    return new Proven(Refusal.client(settings.prefix(), name), expires, List.of(), settings.once());
  }

  private static List<String> audiences(JsonObject claims) throws JsonException {
    try {
      return claims.strings("aud");
    } catch (JsonException e) {
      return List.of(claims.string("aud"));
    }
  }

  /** The issuer's key; the set is read again for a key that is not in it, though not too often. */
  private synchronized PublicKey key(@Nullable String id) throws ProblemException {
    Instant now = clock.instant();
    JwkSet known = keys;
    if (known == null || now.isAfter(read.plus(KEEP))) {
      known = load(now);
    }
    PublicKey key = known.find(id);
    if (key == null && now.isAfter(read.plus(ASK_AGAIN))) {
      key = load(now).find(id);
    }
    if (key == null) {
      throw Refusal.of(
          "the key that signed the token is not one of the issuer's",
          "Have the issuer issue a new token.");
    }
    return key;
  }

  private JwkSet load(Instant now) throws ProblemException {
    try {
      JwkSet loaded = JwkSet.parse(source.read());
      keys = loaded;
      read = now;
      return loaded;
    } catch (IOException | JsonException e) {
      System.getLogger("io.coffer.keyserver")
          .log(System.Logger.Level.WARNING, "the issuer''s keys: {0}", e.getMessage());
      throw Refusal.unavailable("the issuer's keys cannot be read");
    }
  }
}
