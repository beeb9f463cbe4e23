package io.coffer.keyserver.box;

import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which owners' secrets are reached through the Barbican door, which gives out clear secrets and is
 * therefore closed for every owner until an operator opens it.
 */
public final class Doors {
  private final Records records;
  private final Owners owners;
  private final Services services;
  private final Clock clock;

  Doors(Records records, Owners owners, Services services, Clock clock) {
    this.records = records;
    this.owners = owners;
    this.services = services;
    this.clock = clock;
  }

  /**
   * Opens the door for an owner, or changes how it is open.
   *
   * @param request {@code service}, under whose master keys the secrets are wrapped, and {@code
   *     roles}, which role with the owner a role of elsewhere gives
   */
  public JsonObject open(Identity caller, String owner, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    Roles.requireOperator(caller);
    request.allow("service", "roles");
    owners.get(caller, owner);
    String service = Names.service(request.string("service"));
    if (service.equals(Services.OWNERS)) {
      throw ProblemException.badRequest(
          "the built-in service holds no secrets", "Make a service of its own for them.");
    }
    services.load(service);
    JsonObject roles = new JsonObject();
    for (String name : request.object("roles").names()) {
      String role = request.object("roles").string(name);
      if (!Owners.ROLES.contains(role)) {
        throw ProblemException.badRequest(
            "this role is not known", "Use \"admin\", \"user\" or \"reader\".");
      }
      roles.put(Names.label(name), role);
    }
    Records.Loaded known = records.find("door/" + owner);
    if (known != null && !known.json().string("service").equals(service)) {
      throw ProblemException.conflict(
          "the secrets of this owner lie under the service " + known.json().string("service"),
          "Keep that service; 'roles' can be changed.");
    }
    JsonObject json =
        new JsonObject()
            .put("owner", owner)
            .put("service", service)
            .put("roles", roles)
            .put("open", true)
            .put("changed", clock.instant().truncatedTo(ChronoUnit.SECONDS).toString())
            .put("changed_by", caller.toString());
    records.commit(
        known == null
            ? Records.create("door/" + owner, json)
            : Records.update(new Records.Loaded(known.id(), known.version(), json)));
    return json;
  }

  /** Closes the door for an owner; its secrets stay. */
  public JsonObject close(Identity caller, String owner)
      throws ProblemException, EngineException, JsonException {
    Roles.requireOperator(caller);
    Records.Loaded door = records.find("door/" + Names.owner(owner));
    if (door == null) {
      throw ProblemException.notFound(
          "the door was never opened for this owner", "Nothing needs to be done.");
    }
    door.json().put("open", false).put("changed_by", caller.toString());
    records.commit(Records.update(door));
    return door.json();
  }

  /** For which owners it is open; operators and auditors may know. */
  public JsonObject list(Identity caller) throws ProblemException, EngineException {
    Roles.requireOverseer(caller);
    List<JsonObject> doors = new ArrayList<>();
    for (String id : records.ids("door/", "", Integer.MAX_VALUE)) {
      Records.Loaded door = records.find(id);
      if (door != null) {
        doors.add(door.json());
      }
    }
    return new JsonObject().put("doors", doors);
  }

  /**
   * Lets somebody in.
   *
   * @param prefix what the names of such subjects begin with
   * @throws ProblemException 403 if the door is closed for the project of the credential
   */
  public Visitor enter(Proven proven, String prefix)
      throws ProblemException, EngineException, JsonException {
    if (proven.owners().size() != 1) {
      throw ProblemException.forbidden(
          "the token is not scoped to a project", "Have a token for a project issued.");
    }
    String owner = Names.owner(proven.owners().getFirst());
    Records.Loaded door = records.find("door/" + owner);
    if (door == null || !door.json().bool("open", false)) {
      throw ProblemException.forbidden(
          "this service is not open for your project",
          "An operator of the key service opens it: PUT /v1/owners/" + owner + "/door.");
    }
    return new Visitor(
        proven.subject(),
        prefix,
        owner,
        door.json().string("service"),
        role(owner, proven, door.json().object("roles")));
  }

  /** The strongest of the role as a member, and of those that roles of elsewhere give. */
  private @Nullable String role(String owner, Proven proven, JsonObject roles)
      throws ProblemException, EngineException, JsonException {
    List<String> all = new ArrayList<>();
    String member = owners.role(owner, proven.subject());
    if (member != null) {
      all.add(member);
    }
    for (String role : proven.roles()) {
      String given = roles.optionalString(role);
      if (given != null) {
        all.add(given);
      }
    }
    return Owners.ROLES.stream().filter(all::contains).findFirst().orElse(null);
  }
}
