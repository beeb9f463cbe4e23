package io.coffer.keyserver.box;

import io.coffer.crypto.RandomBytes;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.record.IntegrityException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Tokens: for a short time, their bearer reads keys in the name of the identity that had the token
 * issued. A token can be bound to one presenter, so that it is of no use to anybody who copies it,
 * and to services, owners and keys. It allows reading, and nothing else.
 *
 * <p>A token is 48 bytes, its id (16) and a secret (32), sent as base64. Only the SHA-256 of the
 * secret is stored, so that a stolen store gives no token away.
 */
public final class Tokens {
  private static final int ID_BYTES = 16;
  private static final int SECRET_BYTES = 32;
  private static final int DEFAULT_SECONDS = 900;
  private static final int MAX_SECONDS = 86_400;
  static final int MAX_RENEWABLE_SECONDS = 30 * 86_400;
  private static final int MAX_SCOPE = 100;
  private static final int MAX_TOKENS = 1000;

  private final Records records;
  private final Clock clock;

  Tokens(Records records, Clock clock) {
    this.records = records;
    this.clock = clock;
  }

  /**
   * A token that was accepted.
   *
   * @param subject in whose name it speaks
   * @param serial of the certificate that had it issued; null if there was none
   * @param seconds for which it is still good
   */
  public record Accepted(
      String id,
      Identity subject,
      @Nullable BigInteger serial,
      long seconds,
      List<String> services,
      List<String> owners,
      List<String> keys) {
    /** Is a key within the token's bounds? An empty list bounds nothing. */
    public boolean covers(String service, String owner, String key) {
      return (services.isEmpty() || services.contains(service))
          && (owners.isEmpty() || owners.contains(owner))
          && (keys.isEmpty() || keys.contains(key));
    }
  }

  /** Used credentials are remembered so much longer, should the clock have leapt ahead. */
  private static final Duration CLOCK_MARGIN = Duration.ofDays(1);

  private Instant now() {
    return clock.instant().truncatedTo(ChronoUnit.SECONDS);
  }

  /**
   * Issues a token.
   *
   * @param serial of the caller's certificate: when that is revoked, the token is too
   */
  public JsonObject issue(Identity caller, BigInteger serial, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    return issue(caller, serial, request, new JsonObject());
  }

  /** Issues a token that is renewed only while a job goes on: see {@link Tickets}. */
  JsonObject issueToJob(
      Identity subject, BigInteger serial, JsonObject request, String ticket, Job job)
      throws ProblemException, EngineException, JsonException {
    JsonObject bound =
        new JsonObject().put("ticket", ticket).put("job", job.id()).put("restarts", job.restarts());
    return issue(subject, serial, request, bound);
  }

  /** What is stored of a token that this presenter may show. */
  JsonObject shownBy(Identity presenter, String text) throws ProblemException, EngineException {
    return load(presenter, text).json();
  }

  /** Makes a token worthless, if there is one. */
  void forget(String id) throws ProblemException, EngineException {
    Records.Loaded token = records.find("token/" + id);
    if (token != null) {
      records.commit(Records.delete(token));
    }
  }

  private JsonObject issue(Identity caller, BigInteger serial, JsonObject request, JsonObject bound)
      throws ProblemException, EngineException, JsonException {
    request.allow("presenter", "services", "owners", "keys", "seconds", "renewable_seconds");
    if (caller.profile() != Profile.CLIENT && caller.profile() != Profile.ENDPOINT) {
      throw ProblemException.forbidden(
          "only clients and endpoints may have tokens issued",
          "Operators and auditors read no key, so that a token would be of no use to them.");
    }
    String presenter = request.optionalString("presenter");
    if (presenter != null) {
      presenter = Owners.identity(presenter).toString();
    }
    List<String> services = request.strings("services");
    for (String service : services) {
      Names.service(service);
    }
    List<String> owners = request.strings("owners");
    for (String owner : owners) {
      Names.owner(owner);
    }
    List<String> keys = request.strings("keys");
    for (String key : keys) {
      Names.id(key);
    }
    if (services.size() + owners.size() + keys.size() > MAX_SCOPE) {
      throw ProblemException.badRequest(
          "the token names too many services, owners and keys", "Name at most " + MAX_SCOPE + ".");
    }
    if (list(caller).objects("tokens").size() >= MAX_TOKENS) {
      throw ProblemException.conflict(
          "you have " + MAX_TOKENS + " tokens", "Revoke some, or wait until they have expired.");
    }
    long seconds = request.integer("seconds", 1, MAX_SECONDS, DEFAULT_SECONDS);
    long renewable = request.integer("renewable_seconds", 0, MAX_RENEWABLE_SECONDS, 0);
    UUID id = UUID.randomUUID();
    byte[] secret = RandomBytes.of(SECRET_BYTES);
    byte[] token =
        ByteBuffer.allocate(ID_BYTES + SECRET_BYTES)
            .putLong(id.getMostSignificantBits())
            .putLong(id.getLeastSignificantBits())
            .put(secret)
            .array();
    JsonObject json =
        new JsonObject()
            .put("id", id.toString())
            .put("subject", caller.toString())
            .put("serial", serial.toString(16))
            .put("presenter", presenter)
            .put("services", services)
            .put("owners", owners)
            .put("keys", keys)
            .put("created", now().toString())
            .put("seconds", seconds)
            .put("expires", now().plusSeconds(seconds).toString())
            .put("renewable_until", now().plusSeconds(Math.max(seconds, renewable)).toString())
            .put("hash", hash(secret));
    if (bound.has("ticket")) {
      json.put("ticket", bound.string("ticket"))
          .put("job", bound.string("job"))
          .put("restarts", bound.integer("restarts", 0, Integer.MAX_VALUE));
    }
    records.commit(Records.create("token/" + id, json));
    Arrays.fill(secret, (byte) 0);
    return shown(json).put("token", token);
  }

  /**
   * Issues a token for the holder of a credential of elsewhere, bound to whoever shows it.
   *
   * @param presenter who shows it, by the certificate of that serial number
   * @param proven whose credential it is; no token outlives it, or reaches beyond its owners
   * @param credential remembered by its SHA-256 until it expires, if it is good only once
   * @throws ProblemException 401 if it was used before
   */
  public JsonObject exchange(
      Identity presenter, BigInteger serial, Proven proven, String credential, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow(
        "kind", "credential", "services", "owners", "keys", "seconds", "renewable_seconds");
    JsonObject bound =
        new JsonObject()
            .put("presenter", presenter.toString())
            .put("services", request.strings("services"))
            .put("owners", request.strings("owners"))
            .put("keys", request.strings("keys"));
    long left = Duration.between(clock.instant(), proven.expires()).toSeconds();
    if (left < 1) {
      throw new ProblemException(401, "the credential has expired", "Have a new one issued.");
    }
    bound.put(
        "seconds", Math.min(left, request.integer("seconds", 1, MAX_SECONDS, DEFAULT_SECONDS)));
    bound.put(
        "renewable_seconds",
        Math.min(left, request.integer("renewable_seconds", 0, MAX_RENEWABLE_SECONDS, 0)));
    List<String> owners = bound.strings("owners");
    if (!proven.owners().isEmpty()) {
      if (!proven.owners().containsAll(owners)) {
        throw ProblemException.forbidden(
            "the credential does not reach that owner's keys",
            "It is good for " + String.join(", ", proven.owners()) + ".");
      }
      bound.put("owners", owners.isEmpty() ? proven.owners() : owners);
    }
    useOnce(proven, credential);
    return issue(proven.subject(), serial, bound);
  }

  /**
   * Remembers a credential that is good once, by its SHA-256, until it expires.
   *
   * @throws ProblemException 401 if it was used before
   */
  public void useOnce(Proven proven, String credential) throws ProblemException, EngineException {
    if (proven.once()) {
      String id = "used/" + hash(credential.getBytes(StandardCharsets.UTF_8));
      JsonObject used = new JsonObject().put("expires", proven.expires().toString());
      try {
        records.commit(Records.create(id, used));
      } catch (ProblemException e) {
        throw new ProblemException(
            401, "the credential was used before", "Have a new one issued; it is good once.");
      }
    }
  }

  private static JsonObject shown(JsonObject json) throws JsonException {
    return new JsonObject()
        .put("id", json.string("id"))
        .put("subject", json.string("subject"))
        .put("presenter", json.optionalString("presenter"))
        .put("services", json.strings("services"))
        .put("owners", json.strings("owners"))
        .put("keys", json.strings("keys"))
        .put("seconds", json.integer("seconds", 1, MAX_SECONDS))
        .put("expires", json.string("expires"))
        .put("renewable_until", json.string("renewable_until"));
  }

  /** What is stored of a secret. */
  static String hash(byte[] secret) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(secret));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  /** The caller's tokens; all of them for operators and auditors. Never their secrets. */
  public JsonObject list(Identity caller) throws EngineException, JsonException {
    boolean all = caller.profile() == Profile.OPERATOR || caller.profile() == Profile.AUDITOR;
    List<JsonObject> tokens = new ArrayList<>();
    for (String id : records.ids("token/", "", Integer.MAX_VALUE)) {
      Records.Loaded token = records.find(id);
      if (token != null
          && now().isBefore(Instant.parse(token.json().string("expires")))
          && (all || token.json().string("subject").equals(caller.toString()))) {
        tokens.add(shown(token.json()));
      }
    }
    return new JsonObject().put("tokens", tokens);
  }

  /**
   * Accepts a token.
   *
   * @param presenter who shows it
   * @param text the base64
   * @throws ProblemException 401, for whatever reason
   */
  public Accepted accept(Identity presenter, String text) throws ProblemException, EngineException {
    return accepted(load(presenter, text));
  }

  private Accepted accepted(Records.Loaded loaded) throws EngineException {
    try {
      JsonObject json = loaded.json();
      return new Accepted(
          json.string("id"),
          Identity.parse(json.string("subject")),
          new BigInteger(json.string("serial"), 16),
          Duration.between(clock.instant(), Instant.parse(json.string("expires"))).toSeconds(),
          json.strings("services"),
          json.strings("owners"),
          json.strings("keys"));
    } catch (JsonException e) {
      throw new IntegrityException("the record " + loaded.id() + " is malformed");
    }
  }

  private Records.Loaded load(Identity presenter, String text)
      throws ProblemException, EngineException {
    byte[] token;
    try {
      token = Base64.getDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      throw unknown();
    }
    if (token.length != ID_BYTES + SECRET_BYTES) {
      throw unknown();
    }
    ByteBuffer buffer = ByteBuffer.wrap(token);
    UUID id = new UUID(buffer.getLong(), buffer.getLong());
    byte[] secret = new byte[SECRET_BYTES];
    buffer.get(secret);
    Records.Loaded loaded = records.find("token/" + id);
    try {
      if (loaded == null
          || !MessageDigest.isEqual(
              hash(secret).getBytes(StandardCharsets.US_ASCII),
              loaded.json().string("hash").getBytes(StandardCharsets.US_ASCII))) {
        throw unknown();
      }
      if (!clock.instant().isBefore(Instant.parse(loaded.json().string("expires")))) {
        // So that it does not come back to life with a clock that is set back.
        forget(id.toString());
        throw new ProblemException(
            401, "the token has expired", "Have a new one issued: POST /v1/tokens.");
      }
      String bound = loaded.json().optionalString("presenter");
      if (bound != null && !bound.equals(presenter.toString())) {
        throw new ProblemException(
            401,
            "the token is bound to somebody else",
            "Have one issued for " + presenter + ": POST /v1/tokens.");
      }
      return loaded;
    } catch (JsonException e) {
      throw new IntegrityException("the record token/" + id + " is malformed");
    }
  }

  private static ProblemException unknown() {
    return new ProblemException(
        401, "the token is not known, or was revoked", "Have a new one issued: POST /v1/tokens.");
  }

  /** Lengthens a token's life by as much as it had, within what was allowed when it was issued. */
  public JsonObject renew(Identity presenter, String text)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = load(presenter, text);
    JsonObject json = loaded.json();
    Instant last = Instant.parse(json.string("renewable_until"));
    Instant wanted = now().plusSeconds(json.integer("seconds", 1, MAX_SECONDS));
    Instant end = wanted.isBefore(last) ? wanted : last;
    if (!end.isAfter(Instant.parse(json.string("expires")))) {
      throw ProblemException.conflict(
          "the token cannot be renewed beyond " + last, "Have a new one issued: POST /v1/tokens.");
    }
    json.put("expires", end.toString());
    records.commit(Records.update(loaded));
    return shown(json).put("left", Duration.between(clock.instant(), end).toSeconds());
  }

  /** Revokes a token; its subject may, and operators. */
  public void revoke(Identity caller, String id)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded token = records.find("token/" + Names.id(id));
    if (token == null
        || !(caller.profile() == Profile.OPERATOR
            || token.json().string("subject").equals(caller.toString()))) {
      throw ProblemException.notFound(
          "there is no such token, or it is not yours", "GET /v1/tokens lists yours.");
    }
    records.commit(Records.delete(token));
  }

  /** Forgets the tokens that have expired. */
  public int purge() throws ProblemException, EngineException, JsonException {
    int purged = 0;
    for (String id : records.ids("token/", "", Integer.MAX_VALUE)) {
      Records.Loaded token = records.find(id);
      if (token != null && !now().isBefore(Instant.parse(token.json().string("expires")))) {
        records.commit(Records.delete(token));
        purged++;
      }
    }
    for (String id : records.ids("used/", "", Integer.MAX_VALUE)) {
      Records.Loaded used = records.find(id);
      if (used != null
          && now().isAfter(Instant.parse(used.json().string("expires")).plus(CLOCK_MARGIN))) {
        records.commit(Records.delete(used));
      }
    }
    return purged;
  }
}
