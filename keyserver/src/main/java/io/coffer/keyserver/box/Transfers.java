package io.coffer.keyserver.box;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.record.IntegrityException;
import io.coffer.keyserver.record.RecordStore.Write;
import io.coffer.keyserver.wire.KeyName;
import io.coffer.keyserver.wire.KeyString;
import io.coffer.keyserver.wire.UnwrapException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * Transfers of keys between lock boxes. Whoever manages a key offers one version of it to an owner,
 * for a service; an admin or user of that owner accepts, once. The server then unwraps the
 * key-string under the one service's master key and wraps it under the other's, so that neither
 * endpoint nor wire sees it in clear. The receiver has a key of its own, which says where it came
 * from; the giver keeps the old one, or with {@code move} has it deleted in the same transaction.
 */
public final class Transfers {
  private static final int DEFAULT_SECONDS = 3600;
  private static final int MAX_SECONDS = 30 * 86_400;
  private static final int MAX_LISTED = 1000;

  private final Records records;
  private final Services services;
  private final Owners owners;
  private final Keys keys;

  Transfers(Records records, Services services, Owners owners, Keys keys) {
    this.records = records;
    this.services = services;
    this.owners = owners;
    this.keys = keys;
  }

  /** Offers a version of a key, the current one unless it is named, for an hour by default. */
  public JsonObject offer(
      Identity caller, String service, String owner, String id, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("service", "owner", "version", "move", "seconds");
    JsonObject key = Keys.live(keys.load(caller, service, owner, id, "manage")).json();
    requireSingle(key);
    String toService = Names.service(request.string("service"));
    if (toService.equals(Services.OWNERS)) {
      throw ProblemException.badRequest(
          "no key is transferred there", "Name the service that is to use the key.");
    }
    services.load(toService);
    long current = key.integer("current", 1, Integer.MAX_VALUE);
    int version = (int) request.integer("version", 1, Integer.MAX_VALUE, current);
    Keys.activeVersion(key, version, "key");
    Instant expires =
        keys.now().plusSeconds(request.integer("seconds", 1, MAX_SECONDS, DEFAULT_SECONDS));
    String transfer = Names.newId();
    JsonObject json =
        new JsonObject()
            .put("id", transfer)
            .put("service", service)
            .put("owner", owner)
            .put("key", id)
            .put("version", version)
            .put("to_service", toService)
            .put("to_owner", Names.owner(request.string("owner")))
            .put("move", request.bool("move", false))
            .put("offered_by", caller.toString())
            .put("expires", expires.toString());
    records.commit(Records.create("transfer/" + transfer, json));
    return json;
  }

  private static void requireSingle(JsonObject key) throws ProblemException, JsonException {
    if (key.bool("double", false)) {
      throw ProblemException.conflict(
          "half a double key opens nothing elsewhere, and so is not transferred",
          "Make a new key there, and encrypt anew what this one protects.");
    }
  }

  /** The offers that the caller made or may accept. */
  public JsonObject list(Identity caller) throws ProblemException, EngineException, JsonException {
    List<JsonObject> found = new ArrayList<>();
    for (String id : records.ids("transfer/", "", Integer.MAX_VALUE)) {
      Records.Loaded offer = records.find(id);
      if (offer != null
          && keys.now().isBefore(Instant.parse(offer.json().string("expires")))
          && (offer.json().string("offered_by").equals(caller.toString())
              || mayAccept(caller, offer.json()))
          && found.size() < MAX_LISTED) {
        found.add(offer.json());
      }
    }
    return new JsonObject().put("transfers", found);
  }

  private boolean mayAccept(Identity caller, JsonObject offer)
      throws ProblemException, EngineException, JsonException {
    String role = owners.role(offer.string("to_owner"), caller);
    return role != null && !role.equals("reader");
  }

  private Records.Loaded find(String id, Identity caller, boolean toAccept)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded offer = records.find("transfer/" + Names.id(id));
    boolean allowed =
        offer != null
            && (toAccept
                ? mayAccept(caller, offer.json())
                : offer.json().string("offered_by").equals(caller.toString()));
    if (offer == null || !allowed) {
      throw ProblemException.notFound(
          "there is no such transfer, or it is not yours",
          "It may have been accepted already. GET /v1/transfers shows yours.");
    }
    return offer;
  }

  /** Accepts an offer, which is used up by that: the key in its new lock box. */
  public JsonObject accept(Identity caller, String id)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = find(id, caller, true);
    JsonObject offer = loaded.json();
    if (!keys.now().isBefore(Instant.parse(offer.string("expires")))) {
      throw new ProblemException(410, "the offer has expired", "Have it made again.");
    }
    String service = offer.string("service");
    String owner = offer.string("owner");
    int version = (int) offer.integer("version", 1, Integer.MAX_VALUE);
    KeyName name = new KeyName(service, owner, offer.string("key"), version);
    Records.Loaded source = records.find("key/" + service + "/" + owner + "/" + name.id());
    if (source == null) {
      throw new ProblemException(410, "the key is gone", "Have another one offered.");
    }
    JsonObject key = Keys.live(source).json();
    Keys.activeVersion(key, version, "key");
    List<Write> alongside = new ArrayList<>();
    alongside.add(Records.delete(loaded));
    if (offer.bool("move", false)) {
      alongside.add(keys.deletion(source));
    }
    byte[] wrapped = records.bytes(Keys.stringId(name));
    try (Services.Master master = services.version(service, KeyString.masterVersion(wrapped));
        SecretBytes secret = KeyString.unwrap(master.key(), name, wrapped)) {
      return keys.insert(
          caller,
          offer.string("to_service"),
          offer.string("to_owner"),
          Names.newId(),
          key.string("name"),
          key.string("algorithm"),
          false,
          secret,
          alongside);
    } catch (UnwrapException e) {
      throw new IntegrityException("the key-string of " + name + ": " + e.getMessage());
    }
  }

  /** Takes an offer back. */
  public void cancel(Identity caller, String id)
      throws ProblemException, EngineException, JsonException {
    records.commit(Records.delete(find(id, caller, false)));
  }

  /** Forgets the offers that have expired. */
  public void purge() throws ProblemException, EngineException, JsonException {
    for (String id : records.ids("transfer/", "", Integer.MAX_VALUE)) {
      Records.Loaded offer = records.find(id);
      if (offer != null && !keys.now().isBefore(Instant.parse(offer.json().string("expires")))) {
        records.commit(Records.delete(offer));
      }
    }
  }
}
