package io.coffer.keyserver.box;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.List;
import java.util.Set;

/**
 * Orders behind the Barbican door: keys that are made here. They are made at once, so that an order
 * is active as soon as it is there. Thread-safe.
 */
public final class Orders {
  private static final Set<Long> RSA_BITS = Set.of(2048L, 3072L, 4096L);
  private static final int MAX_BITS = 4096;

  private final Records records;
  private final Secrets secrets;
  private final Containers containers;
  private final Shelf shelf;

  Orders(Records records, Secrets secrets, Containers containers, Shelf shelf) {
    this.records = records;
    this.secrets = secrets;
    this.containers = containers;
    this.shelf = shelf;
  }

  /**
   * Carries out an order.
   *
   * @return its id
   */
  public String create(Visitor visitor, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("type", "meta", "creator_id");
    shelf.requireMaker(visitor);
    JsonObject meta = request.object("meta");
    meta.allow(
        "name",
        "algorithm",
        "bit_length",
        "mode",
        "expiration",
        "payload_content_type",
        "pass_phrase");
    String type = request.string("type");
    String id = shelf.newId();
    JsonObject order = shelf.start(visitor, id).put("type", type);
    switch (type) {
      case "key" -> order.put("secret_id", symmetric(visitor, meta));
      case "asymmetric" -> order.put("container_id", asymmetric(visitor, meta));
      default ->
          throw ProblemException.badRequest(
              "this type of order is not carried out here", "Use key, or asymmetric for RSA.");
    }
    JsonObject told = new JsonObject();
    for (String name :
        List.of("name", "algorithm", "bit_length", "mode", "expiration", "payload_content_type")) {
      told.put(
          name,
          name.equals("bit_length")
              ? Long.valueOf(meta.integer(name, 1, MAX_BITS))
              : meta.optionalString(name));
    }
    records.commit(Records.create(shelf.recordId(visitor.owner(), id), order.put("meta", told)));
    return id;
  }

  private static JsonObject secret(JsonObject meta, String type) throws JsonException {
    return new JsonObject()
        .put("name", meta.optionalString("name"))
        .put("algorithm", meta.string("algorithm"))
        .put("bit_length", meta.integer("bit_length", 1, MAX_BITS))
        .put("mode", meta.optionalString("mode"))
        .put("expiration", meta.optionalString("expiration"))
        .put("secret_type", type);
  }

  private String symmetric(Visitor visitor, JsonObject meta)
      throws ProblemException, EngineException, JsonException {
    long bits = meta.integer("bit_length", 8, MAX_BITS);
    if (bits % 8 != 0) {
      throw ProblemException.badRequest(
          "bit_length must be a multiple of 8", "Use for example 256.");
    }
    try (SecretBytes key = SecretBytes.random((int) bits / 8)) {
      return secrets.store(visitor, secret(meta, "symmetric"), "application/octet-stream", key);
    }
  }

  private String asymmetric(Visitor visitor, JsonObject meta)
      throws ProblemException, EngineException, JsonException {
    long bits = meta.integer("bit_length", 1, MAX_BITS);
    if (!meta.string("algorithm").equalsIgnoreCase("rsa")
        || !RSA_BITS.contains(bits)
        || meta.has("pass_phrase")) {
      throw ProblemException.badRequest(
          "such key pairs are not made here",
          "Use rsa with 2048, 3072 or 4096 bits, without a pass phrase.");
    }
    KeyPair pair;
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
      generator.initialize((int) bits);
      pair = generator.generateKeyPair();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks RSA", e);
    }
    String privateId;
    String publicId;
    try (SecretBytes pem = pem("PRIVATE KEY", pair.getPrivate().getEncoded())) {
      privateId = secrets.store(visitor, secret(meta, "private"), "application/octet-stream", pem);
    }
    try (SecretBytes pem = pem("PUBLIC KEY", pair.getPublic().getEncoded())) {
      publicId = secrets.store(visitor, secret(meta, "public"), "application/octet-stream", pem);
    }
    return containers.create(
        visitor,
        new JsonObject()
            .put("name", meta.optionalString("name"))
            .put("type", "rsa")
            .put(
                "secret_refs",
                List.of(
                    new JsonObject().put("name", "private_key").put("secret_ref", privateId),
                    new JsonObject().put("name", "public_key").put("secret_ref", publicId))));
  }

  private static SecretBytes pem(String label, byte[] der) {
    byte[] body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encode(der);
    byte[] begin = ("-----BEGIN " + label + "-----\n").getBytes(StandardCharsets.US_ASCII);
    byte[] end = ("\n-----END " + label + "-----\n").getBytes(StandardCharsets.US_ASCII);
    byte[] all = new byte[begin.length + body.length + end.length];
    System.arraycopy(begin, 0, all, 0, begin.length);
    System.arraycopy(body, 0, all, begin.length, body.length);
    System.arraycopy(end, 0, all, begin.length + body.length, end.length);
    java.util.Arrays.fill(body, (byte) 0);
    java.util.Arrays.fill(der, (byte) 0);
    return SecretBytes.take(all);
  }

  public JsonObject get(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    return shelf.find(visitor, id, "read").json();
  }

  public Shelf.Page list(Visitor visitor, int offset, int limit)
      throws ProblemException, EngineException, JsonException {
    return shelf.list(visitor, offset, limit, null, null);
  }

  /** Forgets an order; what was made stays. */
  public void delete(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    records.commit(shelf.deletion(shelf.find(visitor, id, "delete")));
  }
}
