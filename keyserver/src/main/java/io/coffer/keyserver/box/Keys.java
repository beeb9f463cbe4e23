package io.coffer.keyserver.box;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.record.IntegrityException;
import io.coffer.keyserver.record.RecordStore.Write;
import io.coffer.keyserver.wire.DoubleKey;
import io.coffer.keyserver.wire.KeyName;
import io.coffer.keyserver.wire.KeyString;
import io.coffer.keyserver.wire.UnwrapException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The keys in the lock boxes. A lock box is the keys of one owner for one service. A key has
 * versions; each is a key-string, wrapped under the service's master key, and that is also how it
 * is answered: the caller hands it to an endpoint of the service, which alone can open it.
 *
 * <p>Rights on a key: read, rotate, manage (retire versions, change the list of rights, consumers),
 * delete (and restore). An owner's admin has all, a user read and rotate, a reader read; the key's
 * own list gives single rights to further identities.
 *
 * <p>A double key has two halves. Its own is the entity's; the other is the owner's key, which lies
 * in the owner's lock box of the built-in service {@value Services#OWNERS}. A version of a double
 * key names the version of the owner's key that it was made with. Whoever asks for it is given both
 * key-strings; the owner's is rewrapped, for this answer, under the master key of the entity's
 * service.
 */
public final class Keys {
  static final Set<String> RIGHTS = Set.of("read", "rotate", "manage", "delete");
  private static final int MAX_VERSIONS = 1000;
  private static final int MAX_CONSUMERS = 1000;
  private static final int MAX_MATERIAL_BYTES = Secrets.MAX_PAYLOAD_BYTES;
  private static final String OWNER_KEY_ID = "00000000-0000-0000-0000-000000000000";
  private static final Set<Integer> BITS = Set.of(128, 192, 256, 512);

  private final Records records;
  private final Services services;
  private final Owners owners;
  private final Clock clock;
  private final Duration grace;

  /**
   * @param grace how long a deleted key can be restored
   */
  Keys(Records records, Services services, Owners owners, Clock clock, Duration grace) {
    this.records = records;
    this.services = services;
    this.owners = owners;
    this.clock = clock;
    this.grace = grace;
  }

  Instant now() {
    return clock.instant().truncatedTo(ChronoUnit.SECONDS);
  }

  private static String keyId(String service, String owner, String id) {
    return "key/" + service + "/" + owner + "/" + id;
  }

  static String stringId(KeyName name) {
    return "string/" + name.service() + "/" + name.owner() + "/" + name.id() + "/" + name.version();
  }

  /** The name of the key-string in a record. */
  static KeyName nameOf(String stringId) {
    int a = stringId.indexOf('/');
    int b = stringId.indexOf('/', a + 1);
    int c = stringId.indexOf('/', b + 1);
    int d = stringId.indexOf('/', c + 1);
    return new KeyName(
        stringId.substring(a + 1, b),
        stringId.substring(b + 1, c),
        stringId.substring(c + 1, d),
        Integer.parseInt(stringId.substring(d + 1)));
  }

  /** Makes a key: generated here, or from material that the caller sends. */
  public JsonObject create(Identity caller, String service, String owner, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("name", "algorithm", "bits", "material", "double");
    requireRole(caller, owner, "admin", "user");
    if (Names.service(service).equals(Services.OWNERS)) {
      throw ProblemException.badRequest(
          "owners' keys are not made here", "POST /v1/owners/OWNER/key makes the owner's key.");
    }
    boolean twofold = request.bool("double", false);
    if (twofold && (request.has("material") || request.has("bits"))) {
      throw ProblemException.badRequest(
          "the halves of a double key are always generated, with 256 bits",
          "Leave out 'material' and 'bits'.");
    }
    String name = request.optionalString("name");
    String algorithm = request.optionalString("algorithm");
    try (SecretBytes key = material(request)) {
      return insert(
          caller,
          service,
          owner,
          Names.newId(),
          Names.label(name == null ? "" : name),
          Names.label(algorithm == null ? "aes" : algorithm),
          twofold,
          key,
          List.of());
    }
  }

  private static SecretBytes material(JsonObject request) throws ProblemException, JsonException {
    if (request.has("material")) {
      SecretBytes material = request.secret("material");
      int bytes = material.length();
      if (request.has("bits") || bytes < 1 || bytes > MAX_MATERIAL_BYTES) {
        material.close();
        throw ProblemException.badRequest(
            "the material has a wrong length",
            "Send 1 to " + MAX_MATERIAL_BYTES + " bytes as base64, without 'bits'.");
      }
      return material;
    }
    int bits = (int) request.integer("bits", 1, 1 << 20, 256);
    if (!BITS.contains(bits)) {
      throw ProblemException.badRequest(
          "keys of " + bits + " bits are not generated", "Use 128, 192, 256 or 512 bits.");
    }
    return SecretBytes.random(bits / 8);
  }

  JsonObject insert(
      Identity caller,
      String service,
      String owner,
      String id,
      String name,
      String algorithm,
      boolean twofold,
      SecretBytes key,
      List<Write> alongside)
      throws ProblemException, EngineException, JsonException {
    int quota = owners.quota(owner);
    if (!service.equals(Services.OWNERS)
        && records.count("key/" + service + "/" + owner + "/") >= quota) {
      throw ProblemException.conflict(
          "the quota of " + quota + " keys in this lock box is used up",
          "Destroy keys that are no longer needed (deleted ones count until their grace is over),"
              + " or have an operator raise it: PUT /v1/owners/OWNER/quota.");
    }
    JsonObject json =
        new JsonObject()
            .put("id", id)
            .put("service", service)
            .put("owner", owner)
            .put("name", name)
            .put("algorithm", algorithm)
            .put("bits", key.length() * 8)
            .put("double", twofold)
            .put("created", now().toString())
            .put("created_by", caller.toString())
            .put("current", 1)
            .put("versions", List.of(newVersion(caller, owner, 1, twofold)))
            .put("acl", List.of())
            .put("consumers", List.of())
            .put("deleted", null)
            .put("purge", null);
    List<Write> writes = new ArrayList<>(alongside);
    writes.add(Records.create(keyId(service, owner, id), json));
    writes.add(newString(new KeyName(service, owner, id, 1), key));
    records.commit(writes);
    return json;
  }

  private JsonObject newVersion(Identity caller, String owner, int version, boolean twofold)
      throws ProblemException, EngineException, JsonException {
    JsonObject json =
        new JsonObject()
            .put("version", version)
            .put("state", "active")
            .put("created", now().toString())
            .put("created_by", caller.toString());
    if (twofold) {
      JsonObject half = ownerKey(owner).json();
      json.put("owner_key_version", half.integer("current", 1, Integer.MAX_VALUE));
    }
    return json;
  }

  private Write newString(KeyName name, SecretBytes key) throws ProblemException, EngineException {
    try (Services.Master master = services.current(name.service())) {
      return Records.create(
          stringId(name), KeyString.wrap(master.key(), master.version(), name, key));
    }
  }

  // --- the owner's key ---------------------------------------------------------------------------

  /** Makes the owner's half of its double keys; an admin of the owner may, once. */
  public JsonObject createOwnerKey(Identity caller, String owner)
      throws ProblemException, EngineException, JsonException {
    requireRole(caller, owner, "admin");
    if (!records.ids("key/" + Services.OWNERS + "/" + owner + "/", "", 1).isEmpty()) {
      throw ProblemException.conflict(
          "the owner has a key already", "Rotate it with POST /v1/owners/OWNER/key/rotate.");
    }
    try (SecretBytes key = SecretBytes.random(DoubleKey.KEY_BYTES)) {
      // The same id for every owner key, so that two made at once are one too many.
      return insert(
          caller, Services.OWNERS, owner, OWNER_KEY_ID, "owner key", "hkdf", false, key, List.of());
    }
  }

  private Records.Loaded ownerKey(String owner) throws ProblemException, EngineException {
    Records.Loaded key = records.find(keyId(Services.OWNERS, owner, OWNER_KEY_ID));
    if (key == null) {
      throw ProblemException.conflict(
          "the owner has no key of its own, which a double key needs",
          "An admin of the owner makes it with POST /v1/owners/" + owner + "/key.");
    }
    return key;
  }

  /** The owner's key without its material, for the owner's members. */
  public JsonObject getOwnerKey(Identity caller, String owner)
      throws ProblemException, EngineException {
    requireRole(caller, owner, "admin", "user", "reader");
    return ownerKey(owner).json();
  }

  /** Rotates the owner's key: versions of double keys made from now on use the new one. */
  public JsonObject rotateOwnerKey(Identity caller, String owner)
      throws ProblemException, EngineException, JsonException {
    requireRole(caller, owner, "admin");
    ownerKey(owner);
    return rotateChecked(caller, Services.OWNERS, owner, OWNER_KEY_ID, new JsonObject());
  }

  /** Retires or reactivates a version of the owner's key, and with it all that was made of it. */
  public JsonObject ownerKeyState(Identity caller, String owner, int version, String state)
      throws ProblemException, EngineException, JsonException {
    requireRole(caller, owner, "admin");
    return setState(ownerKey(owner), version, state);
  }

  // --- reading -----------------------------------------------------------------------------------

  /** The keys of a lock box that the caller may read, without deleted ones unless asked for. */
  public JsonObject list(
      Identity caller, String service, String owner, String after, int limit, boolean deleted)
      throws ProblemException, EngineException, JsonException {
    String prefix = "key/" + Names.service(service) + "/" + Names.owner(owner) + "/";
    if (!after.isEmpty()) {
      Names.id(after);
    }
    List<JsonObject> keys = new ArrayList<>();
    String cursor = after.isEmpty() ? "" : prefix + after;
    boolean more = true;
    while (more && keys.size() < limit) {
      List<String> ids = records.ids(prefix, cursor, limit);
      more = ids.size() == limit;
      for (String id : ids) {
        cursor = id;
        Records.Loaded key = records.find(id);
        if (key != null
            && (deleted || !key.json().has("deleted"))
            && may(caller, key.json(), "read")) {
          keys.add(
              new JsonObject()
                  .put("id", key.json().string("id"))
                  .put("name", key.json().string("name"))
                  .put("current", key.json().integer("current", 1, Integer.MAX_VALUE))
                  .put("created", key.json().string("created"))
                  .put("deleted", key.json().optionalString("deleted")));
          if (keys.size() == limit) {
            break;
          }
        }
      }
    }
    return new JsonObject()
        .put("keys", keys)
        .put("next", keys.size() == limit ? cursor.substring(prefix.length()) : null);
  }

  /** A key's description, without its material. */
  public JsonObject get(Identity caller, String service, String owner, String id)
      throws ProblemException, EngineException, JsonException {
    return load(caller, service, owner, id, "read").json();
  }

  /**
   * The key-string of a version.
   *
   * @param version 0 for the current one
   */
  public JsonObject read(Identity caller, String service, String owner, String id, int version)
      throws ProblemException, EngineException, JsonException {
    JsonObject key = live(load(caller, service, owner, id, "read")).json();
    int wanted = version == 0 ? (int) key.integer("current", 1, Integer.MAX_VALUE) : version;
    JsonObject entry = activeVersion(key, wanted, "key");
    KeyName name = new KeyName(service, owner, id, wanted);
    JsonObject answer = answer(name, records.bytes(stringId(name)));
    if (key.bool("double", false)) {
      int half = (int) entry.integer("owner_key_version", 1, Integer.MAX_VALUE);
      answer.put("owner_key", ownerHalf(service, owner, half));
    }
    return answer;
  }

  /** The current version of a key in clear, for the Barbican door, which checks who may. */
  SecretBytes open(String service, String owner, String id)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded key = findLive(service, owner, id);
    if (key == null) {
      throw ProblemException.notFound(
          "the payload was deleted", "An admin of the owner may be able to restore the key.");
    }
    int version = (int) key.json().integer("current", 1, Integer.MAX_VALUE);
    activeVersion(key.json(), version, "key");
    KeyName name = new KeyName(service, owner, id, version);
    byte[] wrapped = records.bytes(stringId(name));
    try (Services.Master master = services.version(service, KeyString.masterVersion(wrapped))) {
      return KeyString.unwrap(master.key(), name, wrapped);
    } catch (UnwrapException e) {
      throw new IntegrityException("the key-string of " + name + ": " + e.getMessage());
    }
  }

  /** A key that is there and not deleted, or null. */
  Records.@Nullable Loaded findLive(String service, String owner, String id)
      throws EngineException, JsonException {
    Records.Loaded key = records.find(keyId(service, owner, id));
    return key == null || key.json().has("deleted") ? null : key;
  }

  private static JsonObject answer(KeyName name, byte[] wrapped) throws EngineException {
    try {
      return new JsonObject()
          .put("service", name.service())
          .put("owner", name.owner())
          .put("id", name.id())
          .put("version", name.version())
          .put("master_version", KeyString.masterVersion(wrapped))
          .put("wrapped", wrapped);
    } catch (UnwrapException e) {
      throw new IntegrityException("the key-string of " + name + " is malformed");
    }
  }

  /** The owner's key, rewrapped for the endpoints of the entity's service. */
  private JsonObject ownerHalf(String service, String owner, int version)
      throws ProblemException, EngineException, JsonException {
    activeVersion(live(ownerKey(owner)).json(), version, "owner's key");
    KeyName stored = new KeyName(Services.OWNERS, owner, OWNER_KEY_ID, version);
    KeyName sent = new KeyName(service, owner, OWNER_KEY_ID, version);
    byte[] wrapped = records.bytes(stringId(stored));
    try (Services.Master source =
            services.version(Services.OWNERS, KeyString.masterVersion(wrapped));
        SecretBytes key = KeyString.unwrap(source.key(), stored, wrapped);
        Services.Master target = services.current(service)) {
      return answer(sent, KeyString.wrap(target.key(), target.version(), sent, key));
    } catch (UnwrapException e) {
      throw new IntegrityException("the key of the owner " + owner + ": " + e.getMessage());
    }
  }

  static JsonObject activeVersion(JsonObject key, int version, String what)
      throws ProblemException, JsonException {
    for (JsonObject entry : key.objects("versions")) {
      if (entry.integer("version", 1, Integer.MAX_VALUE) == version) {
        if (!entry.string("state").equals("active")) {
          throw new ProblemException(
              410,
              "version " + version + " of the " + what + " has been retired",
              (key.integer("current", 1, Integer.MAX_VALUE) == version
                      ? "It is the current one: rotate"
                      : "Use the current version")
                  + ", or have whoever manages it activate this one again: POST .../versions/"
                  + version
                  + "/activate.");
        }
        return entry;
      }
    }
    throw ProblemException.notFound(
        "the " + what + " has no version " + version, "GET it to see its versions.");
  }

  /** What the caller may do with a key: some of read, rotate, manage and delete. */
  public Set<String> rights(Identity caller, String service, String owner, String id)
      throws ProblemException, EngineException, JsonException {
    JsonObject key = load(caller, service, owner, id, "read").json();
    Set<String> rights = new LinkedHashSet<>();
    for (String right : RIGHTS) {
      if (may(caller, key, right)) {
        rights.add(right);
      }
    }
    return rights;
  }

  // --- changing ----------------------------------------------------------------------------------

  /** Makes a new version, which becomes the current one. */
  public JsonObject rotate(
      Identity caller, String service, String owner, String id, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    load(caller, service, owner, id, "rotate");
    return rotateChecked(caller, service, owner, id, request);
  }

  private JsonObject rotateChecked(
      Identity caller, String service, String owner, String id, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("material");
    Records.Loaded loaded = records.find(keyId(service, owner, id));
    if (loaded == null) {
      throw unknownKey();
    }
    JsonObject key = live(loaded).json();
    boolean twofold = key.bool("double", false);
    long bits = key.integer("bits", 8, 8L * MAX_MATERIAL_BYTES);
    List<JsonObject> versions = new ArrayList<>(key.objects("versions"));
    if (versions.size() >= MAX_VERSIONS) {
      throw ProblemException.conflict(
          "the key has " + MAX_VERSIONS + " versions", "Make a new key.");
    }
    if (twofold && request.has("material")) {
      throw ProblemException.badRequest(
          "the halves of a double key are always generated", "Leave out 'material'.");
    }
    int version = (int) key.integer("current", 1, Integer.MAX_VALUE - 1) + 1;
    versions.add(newVersion(caller, owner, version, twofold));
    try (SecretBytes next =
        request.has("material") ? material(request) : SecretBytes.random((int) (bits / 8))) {
      key.put("versions", versions).put("current", version).put("bits", next.length() * 8);
      records.commit(
          Records.update(loaded), newString(new KeyName(service, owner, id, version), next));
    }
    return key;
  }

  /** Retires a version (nobody can read it) or activates it again. */
  public JsonObject state(
      Identity caller, String service, String owner, String id, int version, String state)
      throws ProblemException, EngineException, JsonException {
    return setState(live(load(caller, service, owner, id, "manage")), version, state);
  }

  private JsonObject setState(Records.Loaded loaded, int version, String state)
      throws ProblemException, EngineException, JsonException {
    for (JsonObject entry : loaded.json().objects("versions")) {
      if (entry.integer("version", 1, Integer.MAX_VALUE) == version) {
        entry.put("state", state);
        records.commit(Records.update(loaded));
        return loaded.json();
      }
    }
    throw ProblemException.notFound(
        "the key has no version " + version, "GET the key to see its versions.");
  }

  /** Replaces the list of further identities and their rights. */
  public JsonObject acl(
      Identity caller, String service, String owner, String id, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("acl");
    Records.Loaded loaded = live(load(caller, service, owner, id, "manage"));
    List<JsonObject> acl = new ArrayList<>();
    for (JsonObject entry : request.objects("acl")) {
      entry.allow("identity", "rights");
      acl.add(entry(entry.string("identity"), entry));
    }
    setAcl(loaded, acl);
    return loaded.json();
  }

  /** Gives somebody rights, instead of those that he has by the list already. */
  public JsonObject grant(
      Identity caller, String service, String owner, String id, String who, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("rights");
    Records.Loaded loaded = live(load(caller, service, owner, id, "manage"));
    List<JsonObject> acl = aclWithout(loaded.json(), Owners.identity(who));
    acl.add(entry(who, request));
    setAcl(loaded, acl);
    return loaded.json();
  }

  /** Takes away what somebody has by the list. */
  public JsonObject withdraw(Identity caller, String service, String owner, String id, String who)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = live(load(caller, service, owner, id, "manage"));
    List<JsonObject> acl = aclWithout(loaded.json(), Owners.identity(who));
    if (acl.size() == loaded.json().objects("acl").size()) {
      throw ProblemException.notFound(
          "the key's list does not name " + Owners.identity(who), "GET the key to see its list.");
    }
    setAcl(loaded, acl);
    return loaded.json();
  }

  private static List<JsonObject> aclWithout(JsonObject key, Identity who) throws JsonException {
    List<JsonObject> acl = new ArrayList<>();
    for (JsonObject entry : key.objects("acl")) {
      if (!entry.string("identity").equals(who.toString())) {
        acl.add(entry);
      }
    }
    return acl;
  }

  private void setAcl(Records.Loaded loaded, List<JsonObject> acl)
      throws ProblemException, EngineException {
    if (acl.size() > MAX_CONSUMERS) {
      throw ProblemException.badRequest("too many entries", "Use an owner with members instead.");
    }
    loaded.json().put("acl", acl);
    records.commit(Records.update(loaded));
  }

  /** An entry of a key's list. */
  private static JsonObject entry(String who, JsonObject given)
      throws ProblemException, JsonException {
    if (!given.has("rights")) {
      throw ProblemException.badRequest(
          "an entry of the list gives no rights",
          "Add \"rights\":[\"read\"], of \"read\", \"rotate\", \"manage\" and \"delete\"; leave"
              + " the entry out to take its rights away.");
    }
    List<String> rights = given.strings("rights");
    if (!RIGHTS.containsAll(rights) || rights.isEmpty()) {
      throw ProblemException.badRequest(
          rights.isEmpty() ? "no right is named" : "a right is not known",
          "Use \"read\", \"rotate\", \"manage\" and \"delete\".");
    }
    return new JsonObject()
        .put("identity", Owners.identity(who).toString())
        .put("rights", new ArrayList<>(new LinkedHashSet<>(rights)));
  }

  /** Adds or removes something that needs the key, for example a volume or a snapshot. */
  public JsonObject consumer(
      Identity caller, String service, String owner, String id, String consumer, boolean add)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = live(load(caller, service, owner, id, "rotate"));
    List<String> consumers = new ArrayList<>(loaded.json().strings("consumers"));
    String label = Names.label(consumer);
    if (add ? label.isBlank() || consumers.contains(label) : !consumers.contains(label)) {
      throw add
          ? ProblemException.conflict(
              "this consumer is registered already, or has no name", "Nothing needs to be done.")
          : ProblemException.notFound(
              "the key has no such consumer", "GET the key to see its consumers.");
    }
    if (add) {
      consumers.add(label);
    } else {
      consumers.remove(label);
    }
    if (consumers.size() > MAX_CONSUMERS) {
      throw ProblemException.conflict(
          "the key has " + MAX_CONSUMERS + " consumers", "Make another key.");
    }
    loaded.json().put("consumers", consumers);
    records.commit(Records.update(loaded));
    return loaded.json();
  }

  /** Deletes a key; it can be restored until its grace is over. */
  public JsonObject delete(Identity caller, String service, String owner, String id)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = live(load(caller, service, owner, id, "delete"));
    records.commit(deletion(loaded));
    return loaded.json();
  }

  /** Marks a key as deleted, which it may not be while it is in use. */
  Write deletion(Records.Loaded loaded) throws ProblemException, JsonException {
    List<String> consumers = loaded.json().strings("consumers");
    if (!consumers.isEmpty()) {
      throw ProblemException.conflict(
          "the key is in use by " + consumers.size() + " consumers, among them " + consumers.get(0),
          "Remove the consumers first, when what they encrypted is no longer needed.");
    }
    loaded.json().put("deleted", now().toString()).put("purge", now().plus(grace).toString());
    return Records.update(loaded);
  }

  /** Restores a deleted key. */
  public JsonObject restore(Identity caller, String service, String owner, String id)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = load(caller, service, owner, id, "delete");
    if (!loaded.json().has("deleted")) {
      throw ProblemException.conflict("the key is not deleted", "Nothing needs to be done.");
    }
    loaded.json().put("deleted", null).put("purge", null);
    records.commit(Records.update(loaded));
    return loaded.json();
  }

  /** Destroys the deleted keys whose grace is over. */
  public int purge() throws ProblemException, EngineException, JsonException {
    int purged = 0;
    for (String id : records.ids("key/", "", Integer.MAX_VALUE)) {
      Records.Loaded key = records.find(id);
      String purge = key == null ? null : key.json().optionalString("purge");
      if (key != null && purge != null && !Instant.parse(purge).isAfter(now())) {
        List<Write> writes = new ArrayList<>();
        writes.add(Records.delete(key));
        for (String string :
            records.ids("string/" + id.substring("key/".length()) + "/", "", MAX_VERSIONS + 1)) {
          var stored = records.findBytes(string);
          if (stored != null) {
            writes.add(new Write(string, null, stored.version()));
          }
        }
        records.commit(writes);
        purged++;
      }
    }
    return purged;
  }

  // --- who may -----------------------------------------------------------------------------------

  void requireRole(Identity caller, String owner, String... roles)
      throws ProblemException, EngineException {
    String role = owners.role(owner, caller);
    if (role == null) {
      throw Owners.notYours(owner);
    }
    if (!List.of(roles).contains(role)) {
      throw ProblemException.forbidden(
          "with the role '" + role + "' you may not do that",
          "It needs " + String.join(" or ", roles) + "; an admin of the owner can give it.");
    }
  }

  private boolean may(Identity caller, JsonObject key, String right)
      throws ProblemException, EngineException, JsonException {
    String role = owners.role(key.string("owner"), caller);
    boolean hidden =
        key.bool("private", false) && !key.string("created_by").equals(caller.toString());
    if (role != null && (!hidden || role.equals("admin"))) {
      boolean granted =
          switch (role) {
            case "admin" -> true;
            case "user" -> right.equals("read") || right.equals("rotate");
            default -> right.equals("read");
          };
      if (granted) {
        return true;
      }
    }
    for (JsonObject entry : key.objects("acl")) {
      if (entry.string("identity").equals(caller.toString())
          && entry.strings("rights").contains(right)) {
        return true;
      }
    }
    return false;
  }

  Records.Loaded load(Identity caller, String service, String owner, String id, String right)
      throws ProblemException, EngineException, JsonException {
    if (Names.service(service).equals(Services.OWNERS)) {
      throw ProblemException.badRequest(
          "owners' keys are not reached here", "Use /v1/owners/OWNER/key.");
    }
    Records.Loaded key = records.find(keyId(service, Names.owner(owner), Names.id(id)));
    if (key == null || !mayKnow(caller, key.json())) {
      throw unknownKey();
    }
    if (!may(caller, key.json(), right)) {
      throw ProblemException.forbidden(
          "you may not " + right + " this key",
          "An admin of its owner can give you the right '" + right + "'.");
    }
    return key;
  }

  /** Those without any right on a key are not told whether it exists. */
  private boolean mayKnow(Identity caller, JsonObject key)
      throws ProblemException, EngineException, JsonException {
    for (String right : RIGHTS) {
      if (may(caller, key, right)) {
        return true;
      }
    }
    return false;
  }

  private static ProblemException unknownKey() {
    return ProblemException.notFound(
        "there is no such key, or you have no right on it",
        "Check service, owner and id; an admin of the owner can give you rights.");
  }

  static Records.Loaded live(Records.Loaded key) throws ProblemException, JsonException {
    String deleted = key.json().optionalString("deleted");
    if (deleted != null) {
      throw new ProblemException(
          410,
          "the key was deleted at " + deleted,
          "Until " + key.json().string("purge") + " it can be restored with POST .../restore.");
    }
    return key;
  }
}
