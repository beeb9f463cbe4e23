package io.coffer.keyserver.box;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.record.RecordStore.Write;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Secrets behind the Barbican door. A secret's description is a record of its own; its payload is
 * an ordinary key of the same id in the lock box of the owner and the service that the door was
 * opened for, and so is wrapped, rewrapped, counted, kept for the grace after deletion and reached
 * in its wrapped form like any other.
 */
public final class Secrets {
  /** Longest payload, as with Barbican. */
  public static final int MAX_PAYLOAD_BYTES = 20_000;

  private static final int MAX_CONSUMERS = 1000;
  private static final int MAX_METADATA = 100;
  private static final String TEXT = "text/plain";
  private static final String BINARY = "application/octet-stream";
  private static final Set<String> TYPES =
      Set.of("symmetric", "opaque", "passphrase", "public", "private", "certificate");
  private static final Map<String, String> SORTED =
      Map.of(
          "created", "created",
          "updated", "updated",
          "expiration", "expiration",
          "name", "name",
          "mode", "mode",
          "secret_type", "secret_type",
          "status", "status");

  /** A payload; the bytes are to be closed. */
  public record Payload(String type, SecretBytes bytes) {}

  private final Records records;
  private final Keys keys;
  private final Shelf shelf;

  Secrets(Records records, Keys keys, Shelf shelf) {
    this.records = records;
    this.keys = keys;
    this.shelf = shelf;
  }

  /**
   * Makes a secret.
   *
   * @param request as Barbican has it; {@code payload} as bytes of UTF-8
   * @return its id
   */
  public String create(Visitor visitor, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow(
        "name",
        "algorithm",
        "mode",
        "bit_length",
        "secret_type",
        "expiration",
        "payload",
        "payload_content_type",
        "payload_content_encoding",
        "creator_id",
        "transport_key_needed");
    String type = request.optionalString("payload_content_type");
    String encoding = request.optionalString("payload_content_encoding");
    SecretBytes payload = null;
    if (request.has("payload")) {
      if (type == null) {
        throw ProblemException.badRequest(
            "payload_content_type is missing", "Use \"text/plain\" or a binary type.");
      }
      payload = decode(request.bytes("payload"), contentType(type), encoding, true);
    } else if (type != null || encoding != null) {
      throw ProblemException.badRequest(
          "a content type is given and no payload", "Leave it out, and PUT the payload later.");
    }
    try {
      return make(
          visitor, describe(visitor, request), type == null ? null : contentType(type), payload);
    } finally {
      if (payload != null) {
        payload.close();
      }
    }
  }

  private JsonObject describe(Visitor visitor, JsonObject request)
      throws ProblemException, JsonException {
    String id = shelf.newId();
    String name = request.optionalString("name");
    String type = request.optionalString("secret_type");
    String expiration = request.optionalString("expiration");
    Instant expires = expiration == null || expiration.isBlank() ? null : instant(expiration);
    if (expires != null && !expires.isAfter(shelf.now())) {
      throw ProblemException.badRequest(
          "the expiration is in the past", "Give a time in the future, or none.");
    }
    if (!TYPES.contains(type == null ? "opaque" : type)) {
      throw ProblemException.badRequest(
          "this secret_type is not known",
          "Use symmetric, opaque, passphrase, public, private or certificate.");
    }
    return shelf
        .start(visitor, id)
        // Clients ask again for every attribute of a secret without a name.
        .put("name", name == null || name.isBlank() ? id : Names.label(name))
        .put("algorithm", label(request, "algorithm"))
        .put("mode", label(request, "mode"))
        .put(
            "bit_length",
            request.has("bit_length") ? request.integer("bit_length", 1, 1 << 20) : null)
        .put("secret_type", type == null ? "opaque" : type)
        .put("expires", expires == null ? null : expires.toString())
        .put("expiration", expires == null ? null : Shelf.time(expires));
  }

  private static @Nullable String label(JsonObject request, String name)
      throws ProblemException, JsonException {
    String text = request.optionalString(name);
    return text == null ? null : Names.label(text);
  }

  private static Instant instant(String text) throws ProblemException {
    String given = text.strip().replace(' ', 'T');
    try {
      if (given.length() == 10) {
        return LocalDate.parse(given).atStartOfDay().toInstant(ZoneOffset.UTC);
      }
      if (given.endsWith("Z") || given.matches(".*T.*[+-][0-9:]+")) {
        return OffsetDateTime.parse(given).toInstant();
      }
      return LocalDateTime.parse(given).toInstant(ZoneOffset.UTC);
    } catch (DateTimeParseException e) {
      throw ProblemException.badRequest(
          "a time is malformed", "Write it as in 2030-12-31T23:59:59 (ISO 8601).");
    }
  }

  /** Makes a secret of bytes that were made here. */
  String store(Visitor visitor, JsonObject request, String type, SecretBytes bytes)
      throws ProblemException, EngineException, JsonException {
    return make(visitor, describe(visitor, request), type, bytes);
  }

  private String make(
      Visitor visitor, JsonObject json, @Nullable String type, @Nullable SecretBytes bytes)
      throws ProblemException, EngineException, JsonException {
    shelf.requireMaker(visitor);
    String id = json.string("id");
    json.put("content_type", type);
    Write write = Records.create(shelf.recordId(visitor.owner(), id), json);
    if (bytes == null) {
      records.commit(write);
    } else {
      insert(visitor, json, bytes, write);
    }
    return id;
  }

  private void insert(Visitor visitor, JsonObject json, SecretBytes bytes, Write alongside)
      throws ProblemException, EngineException, JsonException {
    String algorithm = json.optionalString("algorithm");
    keys.insert(
        visitor.who(),
        visitor.service(),
        visitor.owner(),
        json.string("id"),
        json.string("name"),
        algorithm == null ? json.string("secret_type") : algorithm,
        false,
        bytes,
        List.of(alongside));
  }

  /** The second step of making a secret: its payload. */
  public void fill(Visitor visitor, String id, String type, byte[] payload)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = shelf.find(visitor, id, "manage");
    if (loaded.json().has("content_type")) {
      throw ProblemException.conflict(
          "the secret has a payload already", "A payload is not changed; make a new secret.");
    }
    try (SecretBytes bytes = decode(payload, contentType(type), null, false)) {
      loaded.json().put("content_type", contentType(type)).put("updated", Shelf.time(shelf.now()));
      insert(visitor, loaded.json(), bytes, Records.update(loaded));
    }
  }

  private static String contentType(String text) throws ProblemException {
    String type = text.toLowerCase(Locale.ROOT).replace(" ", "");
    return switch (type) {
      case TEXT, "text/plain;charset=utf-8", "text/plain;charset=us-ascii" -> TEXT;
      case BINARY -> BINARY;
      case "application/pkcs8", "application/pkix-cert" -> type;
      default ->
          throw new ProblemException(
              415,
              "secrets of this content type are not stored",
              "Use text/plain or application/octet-stream.");
    };
  }

  private static SecretBytes decode(
      byte[] payload, String type, @Nullable String encoding, boolean json)
      throws ProblemException {
    boolean base64 = "base64".equalsIgnoreCase(encoding);
    if ((encoding != null && !base64) || (base64 && type.equals(TEXT))) {
      throw ProblemException.badRequest(
          "this payload_content_encoding does not fit",
          "Use base64 with application/octet-stream, none with text/plain.");
    }
    if (json && !base64 && !type.equals(TEXT)) {
      throw ProblemException.badRequest(
          "payload_content_encoding is missing", "Binary payloads in JSON are base64.");
    }
    byte[] bytes = payload;
    if (base64) {
      try {
        bytes = Base64.getMimeDecoder().decode(payload);
      } catch (IllegalArgumentException e) {
        throw ProblemException.badRequest("the payload is no base64", "Encode it as base64.");
      }
    }
    try {
      if (bytes.length == 0) {
        throw ProblemException.badRequest(
            "the payload is empty", "Send one, or leave 'payload' out.");
      }
      if (bytes.length > MAX_PAYLOAD_BYTES) {
        throw new ProblemException(
            413, "the payload is too large", "Send at most " + MAX_PAYLOAD_BYTES + " bytes.");
      }
      return SecretBytes.copyOf(bytes);
    } finally {
      if (base64) {
        Arrays.fill(bytes, (byte) 0);
      }
    }
  }

  /** A secret's description. */
  public JsonObject get(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    return shelf.find(visitor, id, "read").json();
  }

  /** A secret's payload, in clear. */
  public Payload payload(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    JsonObject json = get(visitor, id);
    String type = json.optionalString("content_type");
    if (type == null) {
      throw ProblemException.notFound("the secret has no payload", "PUT one.");
    }
    return new Payload(type, keys.open(serviceOf(json, visitor), json.string("owner"), id));
  }

  /** The service of the secret's own project, which may be another one's. */
  private String serviceOf(JsonObject secret, Visitor visitor)
      throws EngineException, ProblemException, JsonException {
    String owner = secret.string("owner");
    if (owner.equals(visitor.owner())) {
      return visitor.service();
    }
    Records.Loaded door = records.find("door/" + owner);
    if (door == null || !door.json().bool("open", false)) {
      throw ProblemException.forbidden(
          "this service is not open for the secret's project", "Ask that project's admin.");
    }
    return door.json().string("service");
  }

  /**
   * Lists secrets.
   *
   * @param query the parameters of Barbican's list
   */
  public Shelf.Page list(Visitor visitor, Map<String, String> query, int offset, int limit)
      throws ProblemException, EngineException, JsonException {
    Predicate<JsonObject> filter = null;
    for (String[] each :
        new String[][] {
          {"name", "name"}, {"alg", "algorithm"}, {"mode", "mode"}, {"secret_type", "secret_type"}
        }) {
      String wanted = query.getOrDefault(each[0], "");
      if (!wanted.isEmpty()) {
        filter = and(filter, json -> wanted.equals(text(json, each[1])));
      }
    }
    String bits = query.getOrDefault("bits", "");
    if (bits.matches("[1-9][0-9]{0,6}")) {
      long wanted = Long.parseLong(bits);
      filter = and(filter, json -> bits(json) == wanted);
    }
    for (String name : List.of("created", "updated", "expiration")) {
      for (String part : query.getOrDefault(name, "").split(",", -1)) {
        if (!part.isBlank()) {
          filter = and(filter, timeFilter(name, part.strip()));
        }
      }
    }
    return shelf.list(visitor, offset, limit, filter, order(query.getOrDefault("sort", "")));
  }

  private static Predicate<JsonObject> and(
      @Nullable Predicate<JsonObject> filter, Predicate<JsonObject> further) {
    return filter == null ? further : filter.and(further);
  }

  private static String text(JsonObject json, String name) {
    try {
      String text = json.optionalString(name);
      return text == null ? "" : text;
    } catch (JsonException e) {
      return "";
    }
  }

  private static long bits(JsonObject json) {
    try {
      return json.integer("bit_length", 0, Integer.MAX_VALUE, 0);
    } catch (JsonException e) {
      return 0;
    }
  }

  private static Predicate<JsonObject> timeFilter(String name, String part)
      throws ProblemException {
    int colon = part.matches("(gt|gte|lt|lte):.*") ? part.indexOf(':') : -1;
    String operator = part.substring(0, Math.max(0, colon));
    Instant wanted = instant(part.substring(colon + 1));
    return json -> {
      String text = text(json, name);
      if (text.isEmpty()) {
        return false;
      }
      int compared = LocalDateTime.parse(text).toInstant(ZoneOffset.UTC).compareTo(wanted);
      return switch (operator) {
        case "gt" -> compared > 0;
        case "gte" -> compared >= 0;
        case "lt" -> compared < 0;
        case "lte" -> compared <= 0;
        default -> compared == 0;
      };
    };
  }

  private static @Nullable Comparator<JsonObject> order(String sort) throws ProblemException {
    Comparator<JsonObject> order = null;
    for (String part : sort.split(",", -1)) {
      if (part.isBlank()) {
        continue;
      }
      String[] pair = part.strip().split(":", -1);
      String member = SORTED.get(pair[0]);
      if (member == null
          || pair.length > 2
          || (pair.length == 2 && !pair[1].equals("asc") && !pair[1].equals("desc"))) {
        throw ProblemException.badRequest(
            "the order is malformed", "Write for example sort=name:asc,created:desc.");
      }
      Comparator<JsonObject> next = Comparator.comparing(json -> text(json, member));
      if (pair.length == 2 && pair[1].equals("desc")) {
        next = next.reversed();
      }
      order = order == null ? next : order.thenComparing(next);
    }
    return order;
  }

  /** Deletes a secret, unless something needs it; its payload can be restored for a while. */
  public void delete(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = shelf.find(visitor, id, "delete");
    List<JsonObject> consumers = loaded.json().objects("consumers");
    if (!consumers.isEmpty()) {
      throw ProblemException.conflict(
          "the secret is in use by " + consumers.size() + " consumers",
          "Remove them first, when what they encrypted is no longer needed.");
    }
    remove(loaded, visitor.service());
  }

  private void remove(Records.Loaded loaded, String service)
      throws ProblemException, EngineException, JsonException {
    List<Write> writes = new ArrayList<>(shelf.deletion(loaded));
    Records.Loaded key =
        keys.findLive(service, loaded.json().string("owner"), loaded.json().string("id"));
    if (key != null) {
      writes.add(keys.deletion(key));
    }
    records.commit(writes);
  }

  /** Deletes the secrets that have expired. */
  public int expire() throws ProblemException, EngineException, JsonException {
    List<Records.Loaded> expired = shelf.expired();
    int removed = 0;
    for (Records.Loaded each : expired) {
      Records.Loaded door = records.find("door/" + each.json().string("owner"));
      if (door != null && each.json().objects("consumers").isEmpty()) {
        remove(each, door.json().string("service"));
        removed++;
      }
    }
    return removed;
  }

  // --- who may read it, who needs it, what is noted about it
  // -----------------------------------------

  public JsonObject acl(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    return shelf.acl(visitor, id);
  }

  /** See {@link Shelf}; a payload that is private is so for members with certificates, too. */
  public void setAcl(Visitor visitor, String id, JsonObject request, boolean whole)
      throws ProblemException, EngineException, JsonException {
    shelf.setAcl(visitor, id, request, whole, json -> privacy(visitor, json));
  }

  public void removeAcl(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    shelf.removeAcl(visitor, id, json -> privacy(visitor, json));
  }

  private List<Write> privacy(Visitor visitor, JsonObject secret)
      throws EngineException, JsonException {
    Records.Loaded key =
        keys.findLive(visitor.service(), secret.string("owner"), secret.string("id"));
    if (key == null) {
      return List.of();
    }
    key.json().put("private", !secret.object("acl").bool("project-access", true));
    return List.of(Records.update(key));
  }

  /** Adds or removes something that needs the secret. */
  public JsonObject consumer(Visitor visitor, String id, JsonObject request, boolean add)
      throws ProblemException, EngineException, JsonException {
    request.allow("service", "resource_type", "resource_id");
    String service = Names.label(request.string("service"));
    String type = Names.label(request.string("resource_type"));
    String resource = Names.label(request.string("resource_id"));
    Records.Loaded loaded = shelf.find(visitor, id, "delete");
    List<JsonObject> consumers = new ArrayList<>(loaded.json().objects("consumers"));
    boolean known =
        consumers.removeIf(each ->
            text(each, "service").equals(service)
                && text(each, "resource_type").equals(type)
                && text(each, "resource_id").equals(resource));
    if (!add && !known) {
      throw ProblemException.notFound(
          "the secret has no such consumer", "GET its consumers to see them.");
    }
    if (add) {
      if (consumers.size() >= MAX_CONSUMERS) {
        throw ProblemException.conflict("too many consumers", "Make another secret.");
      }
      consumers.add(
          new JsonObject()
              .put("service", service)
              .put("resource_type", type)
              .put("resource_id", resource));
    }
    loaded.json().put("consumers", consumers).put("updated", Shelf.time(shelf.now()));
    List<Write> writes = new ArrayList<>(List.of(Records.update(loaded)));
    Records.Loaded key = keys.findLive(visitor.service(), visitor.owner(), id);
    if (key != null && add != known) {
      List<String> labels = new ArrayList<>(key.json().strings("consumers"));
      String label = service + "/" + type + "/" + resource;
      labels.remove(label);
      if (add) {
        labels.add(label);
      }
      key.json().put("consumers", labels);
      writes.add(Records.update(key));
    }
    records.commit(writes);
    return loaded.json();
  }

  /** What users noted about a secret: names and texts. */
  public JsonObject metadata(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    return get(visitor, id).object("metadata");
  }

  /**
   * Notes something about a secret.
   *
   * @param name null to replace all by what {@code value} has
   * @param value null removes it
   * @param mode how it must be: "new", "known" or "any"
   */
  public void setMetadata(
      Visitor visitor, String id, @Nullable String name, @Nullable Object value, String mode)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = shelf.find(visitor, id, "manage");
    JsonObject metadata = loaded.json().object("metadata");
    if (name == null) {
      metadata = new JsonObject();
      if (value instanceof JsonObject all) {
        for (String each : all.names()) {
          metadata.put(metadataName(each), Names.label(all.string(each)));
        }
      }
    } else {
      String key = metadataName(name);
      if (mode.equals("known") && !metadata.has(key)) {
        throw ProblemException.notFound("nothing of that name is noted", "POST it first.");
      }
      if (mode.equals("new") && metadata.has(key)) {
        throw ProblemException.conflict(
            "something of that name is noted already", "PUT it to change it.");
      }
      metadata.put(key, value == null ? null : Names.label(value.toString()));
    }
    JsonObject kept = new JsonObject();
    for (String each : metadata.names()) {
      if (metadata.has(each)) {
        kept.put(each, metadata.string(each));
      }
    }
    if (kept.names().size() > MAX_METADATA) {
      throw ProblemException.badRequest("too many notes", "At most " + MAX_METADATA + ".");
    }
    loaded.json().put("metadata", kept).put("updated", Shelf.time(shelf.now()));
    records.commit(Records.update(loaded));
  }

  private static String metadataName(String text) throws ProblemException {
    String name = text.toLowerCase(Locale.ROOT);
    if (!name.matches("[a-z0-9._-]{1,255}")) {
      throw ProblemException.badRequest(
          "this cannot be the name of a note", "Use a-z, 0-9, '.', '_' and '-'.");
    }
    return name;
  }
}
