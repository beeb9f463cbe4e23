package io.coffer.keyserver.box;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.record.IntegrityException;
import io.coffer.keyserver.record.RecordStore.Write;
import io.coffer.keyserver.wire.Hpke;
import io.coffer.keyserver.wire.KeyName;
import io.coffer.keyserver.wire.KeyString;
import io.coffer.keyserver.wire.MasterKeyGrant;
import io.coffer.keyserver.wire.UnwrapException;
import java.security.interfaces.ECPublicKey;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * Services (cinder, glance, hpc, ...), each with master keys of its own, and the endpoints that may
 * be given them. Operators administer both; nobody reads a master key but a registered endpoint, to
 * whose key it is sealed.
 *
 * <p>The service {@value #OWNERS} is built in: it holds the owners' halves of double keys, and no
 * endpoint is ever given its master key.
 */
public final class Services {
  /** The built-in service of the owners' keys. */
  public static final String OWNERS = "owners";

  private static final int BATCH = 100;
  private static final int MAX_MASTERS = 100;

  private final Records records;
  private final Masters masters;
  private final Attestations attestations;
  private final Clock clock;
  private final Object rewrapping = new Object();

  Services(Records records, Masters masters, Attestations attestations, Clock clock) {
    this.attestations = attestations;
    this.records = records;
    this.masters = masters;
    this.clock = clock;
  }

  /** Makes what every server has; does nothing if it is there. */
  void makeBuiltIn() throws EngineException, ProblemException {
    if (records.find("service/" + OWNERS) == null) {
      records.commit(newService(OWNERS, "the owners' halves of double keys", "server"));
    }
  }

  private String now() {
    return clock.instant().truncatedTo(ChronoUnit.SECONDS).toString();
  }

  /** Makes a service with its first master key. */
  public JsonObject create(Identity caller, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    Roles.requireOperator(caller);
    request.allow("name", "description");
    String name = Names.service(request.string("name"));
    String description = request.optionalString("description");
    if (records.find("service/" + name) != null) {
      throw ProblemException.conflict(
          "the service '" + name + "' exists already", "Use it, or choose another name.");
    }
    records.commit(
        newService(name, Names.label(description == null ? "" : description), caller.toString()));
    return get(caller, name);
  }

  private Write newService(String name, String description, String creator) {
    return Records.create(
        "service/" + name,
        new JsonObject()
            .put("name", name)
            .put("description", description)
            .put("created", now())
            .put("created_by", creator)
            .put("current", 1)
            .put(
                "masters",
                List.of(
                    new JsonObject()
                        .put("version", 1)
                        .put("state", "active")
                        .put("created", now())
                        .put("wrapped", masters.create(name, 1)))));
  }

  /** All services. Operators, auditors, endpoints and clients may know them. */
  public JsonObject list() throws EngineException, JsonException {
    List<JsonObject> all = new ArrayList<>();
    for (String id : records.ids("service/", "", 10_000)) {
      Records.Loaded service = records.find(id);
      if (service != null) {
        all.add(
            new JsonObject()
                .put("name", service.json().string("name"))
                .put("description", service.json().string("description"))
                .put("current", service.json().integer("current", 1, Integer.MAX_VALUE)));
      }
    }
    return new JsonObject().put("services", all);
  }

  /** One service, with the versions of its master key but not the keys. */
  public JsonObject get(Identity caller, String name)
      throws ProblemException, EngineException, JsonException {
    if (caller.profile() != Profile.OPERATOR && caller.profile() != Profile.AUDITOR) {
      throw ProblemException.forbidden(
          "only operators and auditors may look at the master keys of a service",
          "Use GET /v1/services to see which services there are.");
    }
    JsonObject json = load(name).json();
    List<JsonObject> versions = new ArrayList<>();
    for (JsonObject master : json.objects("masters")) {
      versions.add(
          new JsonObject()
              .put("version", master.integer("version", 1, Integer.MAX_VALUE))
              .put("state", master.string("state"))
              .put("created", master.string("created")));
    }
    Records.Loaded progress = records.find("rewrap/" + name);
    return new JsonObject()
        .put("name", json.string("name"))
        .put("description", json.string("description"))
        .put("created", json.string("created"))
        .put("created_by", json.string("created_by"))
        .put("current", json.integer("current", 1, Integer.MAX_VALUE))
        .put("masters", versions)
        .put("rewrap", progress == null ? null : progress.json());
  }

  Records.Loaded load(String name) throws ProblemException, EngineException {
    Records.Loaded service = records.find("service/" + Names.service(name));
    if (service == null) {
      throw ProblemException.notFound(
          "there is no service '" + name + "'", "Use GET /v1/services to see them all.");
    }
    return service;
  }

  /** A master key with its version. */
  record Master(int version, SecretBytes key) implements AutoCloseable {
    @Override
    public void close() {
      key.close();
    }
  }

  /** The master key under which new key-strings are wrapped; the caller closes it. */
  Master current(String service) throws ProblemException, EngineException {
    try {
      JsonObject json = load(service).json();
      return master(service, json, (int) json.integer("current", 1, Integer.MAX_VALUE));
    } catch (JsonException e) {
      throw new IntegrityException("the record of the service " + service + " is malformed");
    }
  }

  /** A version of a master key that is not retired; the caller closes it. */
  Master version(String service, int version) throws ProblemException, EngineException {
    return master(service, load(service).json(), version);
  }

  private Master master(String service, JsonObject json, int version)
      throws ProblemException, EngineException {
    try {
      for (JsonObject master : json.objects("masters")) {
        if (master.integer("version", 1, Integer.MAX_VALUE) == version
            && master.string("state").equals("active")) {
          return new Master(version, masters.open(service, version, master.bytes("wrapped")));
        }
      }
    } catch (JsonException e) {
      throw new IntegrityException("the record of the service " + service + " is malformed");
    }
    throw ProblemException.notFound(
        "the service has no active master key " + version,
        "Leave the version out to be given the current one.");
  }

  /** Makes a new version of the master key; {@link #rewrap} then moves the key-strings to it. */
  public JsonObject rotate(Identity caller, String name)
      throws ProblemException, EngineException, JsonException {
    Roles.requireOperator(caller);
    Records.Loaded service = load(name);
    JsonObject json = service.json();
    int version = (int) json.integer("current", 1, Integer.MAX_VALUE - 1) + 1;
    List<JsonObject> versions = new ArrayList<>(json.objects("masters"));
    if (versions.size() >= MAX_MASTERS) {
      throw ProblemException.conflict(
          "the service has " + MAX_MASTERS + " versions of its master key", "Make a new service.");
    }
    versions.add(
        new JsonObject()
            .put("version", version)
            .put("state", "active")
            .put("created", now())
            .put("wrapped", masters.create(name, version)));
    json.put("current", version).put("masters", versions);
    JsonObject progress =
        new JsonObject()
            .put("target", version)
            .put("total", records.ids("string/" + name + "/", "", Integer.MAX_VALUE).size())
            .put("done", 0)
            .put("cursor", "")
            .put("started", now())
            .put("finished", null);
    Records.Loaded old = records.find("rewrap/" + name);
    records.commit(
        Records.update(service),
        old == null
            ? Records.create("rewrap/" + name, progress)
            : Records.update(new Records.Loaded(old.id(), old.version(), progress)));
    return get(caller, name);
  }

  /** The services with a rewrapping that is not finished. */
  public List<String> unfinished() throws EngineException, JsonException {
    List<String> names = new ArrayList<>();
    for (String id : records.ids("rewrap/", "", 10_000)) {
      Records.Loaded progress = records.find(id);
      if (progress != null && progress.json().optionalString("finished") == null) {
        names.add(id.substring("rewrap/".length()));
      }
    }
    return names;
  }

  /**
   * Rewraps the key-strings of a service under its current master key, from where it was
   * interrupted. Each batch is one transaction together with its progress; a key that is changed
   * meanwhile makes the batch start anew.
   *
   * @param stop asked between batches
   */
  public void rewrap(String name, BooleanSupplier stop)
      throws EngineException, ProblemException, JsonException {
    synchronized (rewrapping) {
      String prefix = "string/" + name + "/";
      while (!stop.getAsBoolean()) {
        Records.Loaded progress = records.find("rewrap/" + name);
        if (progress == null || progress.json().optionalString("finished") != null) {
          return;
        }
        JsonObject json = progress.json();
        List<String> ids = records.ids(prefix, json.string("cursor"), BATCH);
        List<Write> writes = new ArrayList<>();
        try (Master target = current(name)) {
          for (String id : ids) {
            var stored = records.findBytes(id);
            if (stored != null && KeyString.masterVersion(stored.content()) != target.version()) {
              writes.add(
                  new Write(id, rewrapped(id, stored.content(), name, target), stored.version()));
            }
          }
        } catch (UnwrapException e) {
          throw new IntegrityException("a key-string of " + name + ": " + e.getMessage());
        }
        json.put("done", json.integer("done", 0, Long.MAX_VALUE) + ids.size());
        if (ids.isEmpty()) {
          // A key made while the rotation was committed may have been passed by.
          boolean all = oldest(prefix) == json.integer("target", 1, Integer.MAX_VALUE);
          json.put(all ? "finished" : "cursor", all ? now() : "");
        } else {
          json.put("cursor", ids.getLast());
        }
        writes.add(Records.update(progress));
        try {
          records.commit(writes);
        } catch (ProblemException e) {
          if (e.status() != 409) {
            throw e;
          }
        }
      }
    }
  }

  /** The oldest master key that any key-string is wrapped under; the current one if none is. */
  private long oldest(String prefix) throws EngineException, ProblemException, JsonException {
    String service = prefix.substring("string/".length(), prefix.length() - 1);
    long oldest = load(service).json().integer("current", 1, Integer.MAX_VALUE);
    try {
      for (String id : records.ids(prefix, "", Integer.MAX_VALUE)) {
        var stored = records.findBytes(id);
        if (stored != null) {
          oldest = Math.min(oldest, KeyString.masterVersion(stored.content()));
        }
      }
    } catch (UnwrapException e) {
      throw new IntegrityException("a key-string of " + service + ": " + e.getMessage());
    }
    return oldest;
  }

  private byte[] rewrapped(String id, byte[] old, String service, Master target)
      throws UnwrapException, ProblemException, EngineException {
    KeyName keyName = Keys.nameOf(id);
    try (Master source = version(service, KeyString.masterVersion(old));
        SecretBytes key = KeyString.unwrap(source.key(), keyName, old)) {
      return KeyString.wrap(target.key(), target.version(), keyName, key);
    }
  }

  /** Retires an old version of the master key: nothing is wrapped under it any more. */
  public JsonObject retire(Identity caller, String name, int version)
      throws ProblemException, EngineException, JsonException {
    Roles.requireOperator(caller);
    Records.Loaded service = load(name);
    JsonObject json = service.json();
    if (version == json.integer("current", 1, Integer.MAX_VALUE)) {
      throw ProblemException.conflict(
          "this is the current master key", "Rotate it first, with POST .../rotate.");
    }
    try {
      for (String id : records.ids("string/" + name + "/", "", Integer.MAX_VALUE)) {
        var stored = records.findBytes(id);
        if (stored != null && KeyString.masterVersion(stored.content()) == version) {
          throw ProblemException.conflict(
              "key-strings are still wrapped under this master key",
              "Wait until the rewrapping is finished; GET the service shows how far it is.");
        }
      }
    } catch (UnwrapException e) {
      throw new IntegrityException("a key-string of " + name + ": " + e.getMessage());
    }
    boolean found = false;
    for (JsonObject master : json.objects("masters")) {
      if (master.integer("version", 1, Integer.MAX_VALUE) == version) {
        master.put("state", "retired");
        found = true;
      }
    }
    if (!found) {
      throw ProblemException.notFound(
          "the service has no master key " + version, "GET the service to see its versions.");
    }
    records.commit(Records.update(service));
    return get(caller, name);
  }

  // --- endpoints ---------------------------------------------------------------------------------

  /** Registers an endpoint for services, or changes for which. */
  public JsonObject register(Identity caller, String name, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    Roles.requireOperator(caller);
    request.allow("services", "attestation", "tpm");
    String attestation = request.string("attestation");
    if (!attestation.equals("mtls") && !attestation.equals("tpm")) {
      throw ProblemException.badRequest(
          "this attestation is not known",
          "Use \"tpm\", or \"mtls\": the endpoint proves itself by its certificate alone.");
    }
    if (attestation.equals("tpm") != request.has("tpm")) {
      throw ProblemException.badRequest(
          "\"attestation\":\"tpm\" and the member 'tpm' belong together",
          "Send 'tpm' with 'ek' and 'pcrs', as 'coffer keyserver tpm' prints it.");
    }
    List<String> services = request.strings("services");
    for (String service : services) {
      load(service);
      if (service.equals(OWNERS)) {
        throw ProblemException.badRequest(
            "no endpoint is given the master key of the owners' keys",
            "Name the services whose data the endpoint handles.");
      }
    }
    String id = "endpoint/" + Names.service(name);
    JsonObject json =
        new JsonObject()
            .put("name", name)
            .put("attestation", attestation)
            .put("services", services.stream().distinct().sorted().toList())
            .put("tpm", request.has("tpm") ? Attestations.policy(request.object("tpm")) : null)
            .put("registered", now())
            .put("registered_by", caller.toString());
    Records.Loaded old = records.find(id);
    records.commit(
        old == null
            ? Records.create(id, json)
            : Records.update(new Records.Loaded(id, old.version(), json)));
    attestations.forget(name);
    return json;
  }

  /** All endpoints, for operators and auditors. */
  public JsonObject endpoints(Identity caller) throws ProblemException, EngineException {
    if (caller.profile() != Profile.OPERATOR && caller.profile() != Profile.AUDITOR) {
      throw ProblemException.forbidden(
          "only operators and auditors may list the endpoints", "Ask an operator.");
    }
    List<JsonObject> all = new ArrayList<>();
    for (String id : records.ids("endpoint/", "", 100_000)) {
      Records.Loaded endpoint = records.find(id);
      if (endpoint != null) {
        JsonObject json = endpoint.json();
        String name = id.substring("endpoint/".length());
        all.add(json.put("verdict", attestations.verdict(name)));
      }
    }
    return new JsonObject().put("endpoints", all);
  }

  /** Takes an endpoint's registration away; master keys it holds already it keeps until rotated. */
  public void unregister(Identity caller, String name) throws ProblemException, EngineException {
    Roles.requireOperator(caller);
    Records.Loaded endpoint = records.find("endpoint/" + Names.service(name));
    if (endpoint == null) {
      throw ProblemException.notFound(
          "there is no endpoint '" + name + "'", "GET /v1/endpoints to see them all.");
    }
    records.commit(Records.delete(endpoint));
    attestations.forget(name);
  }

  /** Is the endpoint registered for a service? */
  boolean serves(Identity caller, String service) throws EngineException {
    if (caller.profile() != Profile.ENDPOINT || service.equals(OWNERS)) {
      return false;
    }
    Records.Loaded endpoint = records.find("endpoint/" + caller.name());
    try {
      return endpoint != null && endpoint.json().strings("services").contains(service);
    } catch (JsonException e) {
      throw new IntegrityException("the record of the endpoint " + caller.name() + " is malformed");
    }
  }

  private JsonObject load(Identity endpoint) throws ProblemException, EngineException {
    Records.Loaded loaded = records.find("endpoint/" + endpoint.name());
    if (loaded == null) {
      throw ProblemException.forbidden("the endpoint is registered no more", "Ask an operator.");
    }
    return loaded.json();
  }

  /** Seals a service's master key to the key that a registered endpoint sends. */
  public JsonObject grantMaster(Identity caller, String service, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("public_key", "nonce", "version");
    load(service);
    if (!serves(caller, service)) {
      throw ProblemException.forbidden(
          "only an endpoint that is registered for the service is given its master key",
          "Have an operator register this node: PUT /v1/endpoints/NAME.");
    }
    byte[] nonce = request.bytes("nonce");
    if (nonce.length < MasterKeyGrant.MIN_NONCE_BYTES
        || nonce.length > MasterKeyGrant.MAX_NONCE_BYTES) {
      throw ProblemException.badRequest(
          "the nonce has a wrong length", "Send 16 to 64 fresh random bytes, as base64.");
    }
    ECPublicKey key;
    try {
      key = Hpke.decode(request.bytes("public_key"));
    } catch (UnwrapException e) {
      throw ProblemException.badRequest(
          String.valueOf(e.getMessage()), "Send the public key that the answer is sealed to.");
    }
    String attestation = load(caller).string("attestation");
    if (attestation.equals("tpm")) {
      attestations.require(caller.name(), request.bytes("public_key"));
    }
    long wanted = request.integer("version", 1, Integer.MAX_VALUE, 0);
    try (Master master = wanted == 0 ? current(service) : version(service, (int) wanted)) {
      return new JsonObject()
          .put("service", service)
          .put("version", master.version())
          .put("attestation", attestation)
          .put(
              "grant",
              MasterKeyGrant.seal(
                  key, caller.toString(), service, master.version(), nonce, master.key()));
    }
  }
}
