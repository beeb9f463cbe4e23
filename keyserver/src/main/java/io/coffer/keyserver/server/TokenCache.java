package io.coffer.keyserver.server;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Proven;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.login.KeystoneLogin;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What Keystone said about tokens a short time ago, so that it is not asked at each request. A
 * token that Keystone revokes is therefore refused after {@link #LIFETIME} at the latest; one that
 * expires, at once. Tokens are known by their SHA-256. Thread-safe.
 */
final class TokenCache {
  /** How long an answer of Keystone counts. */
  static final Duration LIFETIME = Duration.ofSeconds(30);

  private static final int MAX_TOKENS = 10_000;
  private static final Identity DOOR = new Identity(Profile.SERVER, "door");

  private record Known(Proven proven, Instant until) {}

  private final KeystoneLogin keystone;
  private final Clock clock;
  private final Map<String, Known> known =
      new LinkedHashMap<>(64, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Known> eldest) {
          return size() > MAX_TOKENS;
        }
      };

  TokenCache(KeystoneLogin keystone, Clock clock) {
    this.keystone = keystone;
    this.clock = clock;
  }

  Proven check(String token) throws ProblemException {
    String hash = hash(token);
    Instant now = clock.instant();
    synchronized (known) {
      Known found = known.get(hash);
      if (found != null && now.isBefore(found.until())) {
        return found.proven();
      }
      known.remove(hash);
    }
    Proven proven = keystone.check(token, DOOR);
    Instant until = now.plus(LIFETIME);
    synchronized (known) {
      known.put(
          hash, new Known(proven, until.isBefore(proven.expires()) ? until : proven.expires()));
    }
    return proven;
  }

  private static String hash(String token) {
    try {
      return HexFormat.of()
          .formatHex(
              MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }
}
