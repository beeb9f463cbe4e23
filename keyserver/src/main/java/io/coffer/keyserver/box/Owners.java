package io.coffer.keyserver.box;

import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.record.IntegrityException;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Owners of keys: domains, projects, groups and users. An owner has members with a role: an admin
 * does everything with the owner's keys and chooses the members; a user makes, reads and rotates
 * keys; a reader reads them. An operator makes owners and chooses the first members.
 */
public final class Owners {
  private static final int MAX_MEMBERS = 1000;
  private static final int MAX_QUOTA = 1_000_000;
  private static final int DEFAULT_QUOTA = 10_000;
  static final List<String> ROLES = List.of("admin", "user", "reader");

  private final Records records;
  private final Clock clock;

  Owners(Records records, Clock clock) {
    this.records = records;
    this.clock = clock;
  }

  /** Makes an owner. */
  public JsonObject create(Identity caller, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    Roles.requireOperator(caller);
    request.allow("name", "members");
    String name = Names.owner(request.string("name"));
    if (records.find("owner/" + name) != null) {
      throw ProblemException.conflict(
          "the owner '" + name + "' exists already", "Change its members with PUT instead.");
    }
    JsonObject json =
        new JsonObject()
            .put("name", name)
            .put("created", clock.instant().truncatedTo(ChronoUnit.SECONDS).toString())
            .put("created_by", caller.toString())
            .put("members", members(request));
    records.commit(Records.create("owner/" + name, json));
    return json;
  }

  private static List<JsonObject> members(JsonObject request)
      throws ProblemException, JsonException {
    Map<String, JsonObject> members = new LinkedHashMap<>();
    for (JsonObject member : request.objects("members")) {
      member.allow("identity", "role");
      Identity identity = identity(member.string("identity"));
      String role = member.string("role");
      if (!ROLES.contains(role)) {
        throw ProblemException.badRequest(
            "this role is not known", "Use \"admin\", \"user\" or \"reader\".");
      }
      if (identity.profile() != Profile.CLIENT && identity.profile() != Profile.ENDPOINT) {
        throw ProblemException.badRequest(
            "only clients and endpoints can be members of an owner",
            "Operators and auditors read no keys; issue a client certificate to the person.");
      }
      members.put(
          identity.toString(),
          new JsonObject().put("identity", identity.toString()).put("role", role));
    }
    if (members.size() > MAX_MEMBERS) {
      throw ProblemException.badRequest(
          "too many members", "An owner has at most " + MAX_MEMBERS + " members.");
    }
    if (members.values().stream().noneMatch(m -> "admin".equals(roleOf(m)))) {
      throw ProblemException.badRequest(
          "an owner without admin could never be changed again",
          "Give at least one member the role \"admin\".");
    }
    return new ArrayList<>(members.values());
  }

  private static @Nullable String roleOf(JsonObject member) {
    try {
      return member.optionalString("role");
    } catch (JsonException e) {
      return null;
    }
  }

  static Identity identity(String text) throws ProblemException {
    try {
      return Identity.parse(text);
    } catch (IllegalArgumentException e) {
      throw ProblemException.badRequest(
          "an identity is malformed", "Write PROFILE:NAME, for example client:alice.");
    }
  }

  /** Changes the members. */
  public JsonObject change(Identity caller, String name, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("members");
    Records.Loaded owner = loadToChange(caller, name);
    owner.json().put("members", members(request));
    records.commit(Records.update(owner));
    return owner.json();
  }

  private Records.Loaded loadToChange(Identity caller, String name)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded owner = load(name);
    if (caller.profile() != Profile.OPERATOR && !"admin".equals(role(owner.json(), caller))) {
      throw notYours(name);
    }
    return owner;
  }

  /** Makes somebody a member, or gives a member another role. */
  public JsonObject admit(Identity caller, String name, String who, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("role");
    Records.Loaded owner = loadToChange(caller, name);
    List<JsonObject> members = membersWithout(owner.json(), identity(who));
    members.add(
        new JsonObject()
            .put("identity", identity(who).toString())
            .put("role", request.string("role")));
    owner.json().put("members", members(new JsonObject().put("members", members)));
    records.commit(Records.update(owner));
    return owner.json();
  }

  /** Lets somebody be a member no more. */
  public JsonObject dismiss(Identity caller, String name, String who)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded owner = loadToChange(caller, name);
    List<JsonObject> members = membersWithout(owner.json(), identity(who));
    if (members.size() == owner.json().objects("members").size()) {
      throw ProblemException.notFound(
          identity(who) + " is no member of " + name, "GET the owner to see its members.");
    }
    owner.json().put("members", members(new JsonObject().put("members", members)));
    records.commit(Records.update(owner));
    return owner.json();
  }

  private static List<JsonObject> membersWithout(JsonObject owner, Identity who)
      throws JsonException {
    List<JsonObject> members = new ArrayList<>();
    for (JsonObject member : owner.objects("members")) {
      if (!member.string("identity").equals(who.toString())) {
        members.add(member);
      }
    }
    return members;
  }

  /** Bounds how many keys an owner may have in each of its lock boxes; an operator may. */
  public JsonObject quota(Identity caller, String name, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    Roles.requireOperator(caller);
    request.allow("keys");
    Records.Loaded owner = load(name);
    owner.json().put("quota", request.integer("keys", 0, MAX_QUOTA));
    records.commit(Records.update(owner));
    return owner.json();
  }

  /** How many secrets a visitor's project may have. */
  public int quotaFor(Visitor visitor) throws ProblemException, EngineException {
    return quota(visitor.owner());
  }

  /** How many keys an owner may have in one lock box. */
  public int quota(String name) throws ProblemException, EngineException {
    try {
      return (int) load(name).json().integer("quota", 0, MAX_QUOTA, DEFAULT_QUOTA);
    } catch (JsonException e) {
      throw new IntegrityException("the record of the owner " + name + " is malformed");
    }
  }

  /** An owner with its members, for those, operators and auditors. */
  public JsonObject get(Identity caller, String name)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded owner = load(name);
    if (caller.profile() != Profile.OPERATOR
        && caller.profile() != Profile.AUDITOR
        && role(owner.json(), caller) == null) {
      throw notYours(name);
    }
    return owner.json();
  }

  /** The owners that the caller is a member of; all of them for operators and auditors. */
  public JsonObject list(Identity caller) throws EngineException, JsonException {
    List<String> names = new ArrayList<>();
    for (String id : records.ids("owner/", "", 100_000)) {
      Records.Loaded owner = records.find(id);
      if (owner != null
          && (caller.profile() == Profile.OPERATOR
              || caller.profile() == Profile.AUDITOR
              || role(owner.json(), caller) != null)) {
        names.add(owner.json().string("name"));
      }
    }
    return new JsonObject().put("owners", names);
  }

  private Records.Loaded load(String name) throws ProblemException, EngineException {
    Records.Loaded owner = records.find("owner/" + Names.owner(name));
    if (owner == null) {
      // Not told apart from an owner whose member the caller is not.
      throw notYours(name);
    }
    return owner;
  }

  static ProblemException notYours(String name) {
    return ProblemException.notFound(
        "there is no owner '" + name + "', or you are none of its members",
        "GET /v1/owners shows yours; an operator can make an owner, its admin can add members.");
  }

  /** The caller's role with an owner, or null. */
  public @Nullable String roleOf(String owner, Identity caller)
      throws ProblemException, EngineException {
    return role(owner, caller);
  }

  /** The caller's role with an owner, or null. */
  @Nullable String role(String owner, Identity caller) throws ProblemException, EngineException {
    Records.Loaded loaded = records.find("owner/" + Names.owner(owner));
    try {
      return loaded == null ? null : role(loaded.json(), caller);
    } catch (JsonException e) {
      throw new IntegrityException("the record of the owner " + owner + " is malformed");
    }
  }

  private static @Nullable String role(JsonObject owner, Identity caller) throws JsonException {
    for (JsonObject member : owner.objects("members")) {
      if (member.string("identity").equals(caller.toString())) {
        return member.string("role");
      }
    }
    return null;
  }
}
