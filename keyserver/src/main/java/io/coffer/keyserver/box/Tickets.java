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
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Tickets: what a batch job carries instead of a password. A ticket names a user, a key, a number
 * of nodes and an end, and holds no key. The first node that shows it binds it to its job. Each
 * node is given one token for it in each run of the job, in the name of whoever issued the ticket,
 * for that key alone, bound to the node's certificate, and renewed only while the scheduler says
 * that the job runs.
 *
 * <p>A ticket is 48 bytes, its id (16) and a secret (32), sent as base64. Only the SHA-256 of the
 * secret is stored.
 */
public final class Tickets {
  private static final int ID_BYTES = 16;
  private static final int SECRET_BYTES = 32;
  private static final int MAX_SECONDS = 90 * 86_400;
  private static final int DEFAULT_SECONDS = 7 * 86_400;
  private static final int MAX_NODES = 10_000;
  private static final int MAX_TICKETS = 1000;

  private final Records records;
  private final Tokens tokens;
  private final Clock clock;

  Tickets(Records records, Tokens tokens, Clock clock) {
    this.records = records;
    this.tokens = tokens;
    this.clock = clock;
  }

  private Instant now() {
    return clock.instant().truncatedTo(ChronoUnit.SECONDS);
  }

  /**
   * Issues a ticket.
   *
   * @param serial of the caller's certificate: when that is revoked, what was got by the ticket is
   *     too
   */
  public JsonObject issue(Identity caller, BigInteger serial, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("user", "service", "owner", "key", "nodes", "seconds");
    if (caller.profile() != Profile.CLIENT) {
      throw ProblemException.forbidden(
          "only clients may have tickets issued", "Show the certificate of a client.");
    }
    if (list(caller).objects("tickets").size() >= MAX_TICKETS) {
      throw ProblemException.conflict(
          "you have " + MAX_TICKETS + " tickets", "Revoke some, or wait until they have expired.");
    }
    UUID id = UUID.randomUUID();
    byte[] secret = RandomBytes.of(SECRET_BYTES);
    byte[] ticket =
        ByteBuffer.allocate(ID_BYTES + SECRET_BYTES)
            .putLong(id.getMostSignificantBits())
            .putLong(id.getLeastSignificantBits())
            .put(secret)
            .array();
    long seconds = request.integer("seconds", 1, MAX_SECONDS, DEFAULT_SECONDS);
    JsonObject json =
        new JsonObject()
            .put("id", id.toString())
            .put("subject", caller.toString())
            .put("serial", serial.toString(16))
            .put("user", Owners.identity(request.string("user")).toString())
            .put("service", Names.service(request.string("service")))
            .put("owner", Names.owner(request.string("owner")))
            .put("key", Names.id(request.string("key")))
            .put("nodes", request.integer("nodes", 1, MAX_NODES, 1))
            .put("created", now().toString())
            .put("expires", now().plusSeconds(seconds).toString())
            .put("hash", Tokens.hash(secret))
            .put("revoked", false)
            .put("served", new JsonObject());
    records.commit(Records.create("ticket/" + id, json));
    Arrays.fill(secret, (byte) 0);
    return shown(json).put("ticket", ticket);
  }

  private static JsonObject shown(JsonObject json) throws JsonException {
    return new JsonObject()
        .put("id", json.string("id"))
        .put("subject", json.string("subject"))
        .put("user", json.string("user"))
        .put("service", json.string("service"))
        .put("owner", json.string("owner"))
        .put("key", json.string("key"))
        .put("nodes", json.integer("nodes", 1, MAX_NODES))
        .put("expires", json.string("expires"))
        .put("revoked", json.bool("revoked", false))
        .put("job", json.optionalString("job"))
        .put("served", List.copyOf(json.object("served").names()));
  }

  /** The caller's tickets; all of them for operators and auditors. Never their secrets. */
  public JsonObject list(Identity caller) throws EngineException, JsonException {
    boolean all = caller.profile() == Profile.OPERATOR || caller.profile() == Profile.AUDITOR;
    List<JsonObject> tickets = new ArrayList<>();
    for (String id : records.ids("ticket/", "", Integer.MAX_VALUE)) {
      Records.Loaded ticket = records.find(id);
      if (ticket != null
          && now().isBefore(Instant.parse(ticket.json().string("expires")))
          && (all || ticket.json().string("subject").equals(caller.toString()))) {
        tickets.add(shown(ticket.json()));
      }
    }
    return new JsonObject().put("tickets", tickets);
  }

  /**
   * Gives a node of a job a token for the ticket's key.
   *
   * @param node who asks, by its certificate
   * @param proven whose process it is, as MUNGE says
   * @param user who owns the job, as the scheduler says
   * @param job what the scheduler says of the job that the node names
   * @param seconds how long the token lives without being renewed
   * @throws ProblemException 401 with the reason
   */
  public JsonObject redeem(
      Identity node, Proven proven, Identity user, Job job, JsonObject request, int seconds)
      throws ProblemException, EngineException, JsonException {
    request.allow("ticket", "credential", "job");
    Records.Loaded loaded = load(request.string("ticket"));
    JsonObject json = loaded.json();
    if (!json.string("user").equals(proven.subject().toString())) {
      throw refused("it is another user's", "ticket");
    }
    if (!user.equals(proven.subject())) {
      throw refused("job " + job.id() + " is another user's", "job");
    }
    if (node.profile() != Profile.ENDPOINT) {
      throw refused("only an endpoint may show it", "node");
    }
    checkRuns(node, job);
    String bound = json.optionalString("job");
    if (bound != null && !bound.equals(job.id())) {
      throw refused("it belongs to job " + bound, "job");
    }
    JsonObject served = json.object("served");
    if (served.has(node.name())) {
      if (served.object(node.name()).integer("restarts", 0, Integer.MAX_VALUE) >= job.restarts()) {
        throw refused("it has been used on " + node.name() + " already", "node");
      }
    } else if (served.names().size() >= json.integer("nodes", 1, MAX_NODES)) {
      throw refused("all nodes that it is for have been served", "node");
    }
    JsonObject issued =
        tokens.issueToJob(
            Identity.parse(json.string("subject")),
            new BigInteger(json.string("serial"), 16),
            new JsonObject()
                .put("presenter", node.toString())
                .put("services", List.of(json.string("service")))
                .put("owners", List.of(json.string("owner")))
                .put("keys", List.of(json.string("key")))
                .put("seconds", seconds)
                .put("renewable_seconds", secondsLeft(json)),
            json.string("id"),
            job);
    json.put("job", job.id());
    json.put(
        "served",
        served.put(
            node.name(),
            new JsonObject().put("restarts", job.restarts()).put("token", issued.string("id"))));
    try {
      records.commit(Records.update(loaded));
    } catch (ProblemException | EngineException e) {
      // Another node was served at the same moment: this one asks again, and gets another token.
      tokens.forget(issued.string("id"));
      throw e;
    }
    return issued;
  }

  private long secondsLeft(JsonObject ticket) throws JsonException {
    long left = Duration.between(now(), Instant.parse(ticket.string("expires"))).toSeconds();
    return Math.max(1, Math.min(left, Tokens.MAX_RENEWABLE_SECONDS));
  }

  private static void checkRuns(Identity node, Job job) throws ProblemException {
    if (!job.running()) {
      throw refused("job " + job.id() + " is not running", "job");
    }
    if (!job.nodes().contains(node.name())) {
      throw refused("job " + job.id() + " has no node " + node.name(), "node");
    }
  }

  private static ProblemException refused(String why, String what) {
    return new ProblemException(
        401, "the ticket is refused: " + why, "Have a ticket issued for this " + what + ".");
  }

  private Records.Loaded load(String text) throws ProblemException, EngineException {
    byte[] ticket;
    try {
      ticket = Base64.getDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      throw refused("it is none", "job");
    }
    if (ticket.length != ID_BYTES + SECRET_BYTES) {
      throw refused("it is none", "job");
    }
    ByteBuffer buffer = ByteBuffer.wrap(ticket);
    UUID id = new UUID(buffer.getLong(), buffer.getLong());
    byte[] secret = new byte[SECRET_BYTES];
    buffer.get(secret);
    Records.Loaded loaded = records.find("ticket/" + id);
    try {
      if (loaded == null
          || !MessageDigest.isEqual(
              Tokens.hash(secret).getBytes(StandardCharsets.US_ASCII),
              loaded.json().string("hash").getBytes(StandardCharsets.US_ASCII))) {
        throw refused("it is not known", "job");
      }
      checkGood(loaded.json());
      return loaded;
    } catch (JsonException e) {
      throw new IntegrityException("the record ticket/" + id + " is malformed");
    }
  }

  private void checkGood(JsonObject json) throws ProblemException, JsonException {
    if (json.bool("revoked", false)) {
      throw refused("it has been revoked", "job");
    }
    if (!clock.instant().isBefore(Instant.parse(json.string("expires")))) {
      throw refused("its time is over", "job");
    }
  }

  /**
   * Which job a token is for.
   *
   * @param presenter who shows the token
   * @return the job's id, or null if the token is for none
   */
  public @Nullable String jobOf(Identity presenter, String token)
      throws ProblemException, EngineException, JsonException {
    JsonObject json = tokens.shownBy(presenter, token);
    return json.has("ticket") ? json.string("job") : null;
  }

  /**
   * Allows a token for a job to be renewed.
   *
   * @param job what the scheduler says of the token's job now
   * @throws ProblemException 401 if the job is over or runs elsewhere, or the ticket was revoked
   */
  public void checkGoesOn(Identity presenter, String token, Job job)
      throws ProblemException, EngineException, JsonException {
    JsonObject json = tokens.shownBy(presenter, token);
    Records.Loaded ticket = records.find("ticket/" + json.string("ticket"));
    if (ticket == null) {
      throw refused("it is not known any more", "job");
    }
    checkGood(ticket.json());
    checkRuns(presenter, job);
    if (json.integer("restarts", 0, Integer.MAX_VALUE) != job.restarts()) {
      throw refused("job " + job.id() + " has been started again since", "job");
    }
  }

  /**
   * Revokes a ticket and the tokens that were given for it; its subject may, and operators.
   *
   * @return the ids of the tokens
   */
  public List<String> revoke(Identity caller, String id)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded ticket = records.find("ticket/" + Names.id(id));
    if (ticket == null
        || !(caller.profile() == Profile.OPERATOR
            || ticket.json().string("subject").equals(caller.toString()))) {
      throw ProblemException.notFound(
          "there is no such ticket, or it is not yours", "GET /v1/tickets lists yours.");
    }
    ticket.json().put("revoked", true);
    records.commit(Records.update(ticket));
    List<String> revoked = new ArrayList<>();
    JsonObject served = ticket.json().object("served");
    for (String node : served.names()) {
      String token = served.object(node).string("token");
      tokens.forget(token);
      revoked.add(token);
    }
    return revoked;
  }

  /** Forgets the tickets that have expired. */
  public int purge() throws ProblemException, EngineException, JsonException {
    int purged = 0;
    for (String id : records.ids("ticket/", "", Integer.MAX_VALUE)) {
      Records.Loaded ticket = records.find(id);
      if (ticket != null && !now().isBefore(Instant.parse(ticket.json().string("expires")))) {
        records.commit(Records.delete(ticket));
        purged++;
      }
    }
    return purged;
  }
}
