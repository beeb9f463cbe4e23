package io.coffer.keyserver.box;

import io.coffer.crypto.RandomBytes;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.record.RecordStore.Write;
import java.nio.ByteBuffer;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What is common to secrets, containers and orders behind the Barbican door: records {@code
 * KIND/OWNER/ID}, whose ids begin with the time (UUID version 7, RFC 9562), so that their order is
 * that of their making; who may do what; lists of further readers; pages.
 *
 * <p>An admin of the project may do everything; a user makes, reads and deletes; a reader reads.
 * What is private is its maker's, the admins' and its readers' alone. Readers may be users of other
 * projects; for them {@code shared/KIND/ID} tells whose it is.
 */
public final class Shelf {
  private static final int MAX_USERS = 1000;
  private static final int MAX_PAGE = 100;

  private final Records records;
  private final Owners owners;
  private final Clock clock;
  private final String kind;

  Shelf(Records records, Owners owners, Clock clock, String kind) {
    this.records = records;
    this.owners = owners;
    this.clock = clock;
    this.kind = kind;
  }

  /** One page of a list: how many there are in all, and those of the page. */
  public record Page(int total, List<JsonObject> items) {}

  Instant now() {
    return clock.instant().truncatedTo(ChronoUnit.MICROS);
  }

  /** A new id, above all that were made before. */
  String newId() {
    byte[] random = RandomBytes.of(10);
    ByteBuffer bytes = ByteBuffer.wrap(random);
    long high = (clock.instant().toEpochMilli() << 16) | 0x7000 | (bytes.getShort() & 0x0fff);
    long low = (bytes.getLong() & 0x3fff_ffff_ffff_ffffL) | 0x8000_0000_0000_0000L;
    return new UUID(high, low).toString();
  }

  /** Times as the Barbican interface has them: UTC, without saying so. */
  static String time(Instant instant) {
    return instant.atOffset(ZoneOffset.UTC).toLocalDateTime().toString();
  }

  String recordId(String owner, String id) {
    return kind + "/" + owner + "/" + id;
  }

  /** A description with what all kinds have. */
  JsonObject start(Visitor visitor, String id) {
    String now = time(now());
    return new JsonObject()
        .put("id", id)
        .put("owner", visitor.owner())
        .put("status", "ACTIVE")
        .put("created", now)
        .put("updated", now)
        .put("creator", visitor.who().toString())
        .put("creator_id", visitor.user());
  }

  void requireMaker(Visitor visitor) throws ProblemException, EngineException {
    if (!visitor.isAdmin() && !"user".equals(visitor.role())) {
      throw ProblemException.forbidden(
          "your role in the project does not allow to make a " + kind,
          "An admin of the project can give you the role user.");
    }
    int quota = owners.quota(visitor.owner());
    if (records.count(kind + "/" + visitor.owner() + "/") >= quota) {
      throw ProblemException.forbidden(
          "the project's quota of " + quota + " is used up",
          "Delete what is no longer needed, or have an operator raise it.");
    }
  }

  /**
   * Finds what the visitor may read, change or delete.
   *
   * @param right "read", "delete" or "manage"
   */
  Records.Loaded find(Visitor visitor, String id, String right)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded found = lookup(visitor, Names.id(id));
    if (found == null || expired(found.json())) {
      throw ProblemException.notFound(
          "there is no such " + kind, "Check its reference; it may have been deleted.");
    }
    // Not 404: to Cinder that means "is deleted already", and it would leave the key behind, where
    // after 403 it tries again as itself.
    if (!may(visitor, found.json(), "read")) {
      throw ProblemException.forbidden(
          "you may not see this " + kind, "Check the project that your token is for.");
    }
    if (!may(visitor, found.json(), right)) {
      throw ProblemException.forbidden(
          "your role in the project does not allow that",
          "Whoever made the " + kind + " may, and the admins of the project.");
    }
    return found;
  }

  /** Whatever has this id: of the visitor's project, shared by another, or another's own. */
  private Records.@Nullable Loaded lookup(Visitor visitor, String id)
      throws EngineException, JsonException {
    Records.Loaded found = records.find(recordId(visitor.owner(), id));
    if (found != null) {
      return found;
    }
    Records.Loaded shared = records.find("shared/" + kind + "/" + id);
    if (shared != null) {
      return records.find(recordId(shared.json().string("owner"), id));
    }
    for (String door : records.ids("door/", "", Integer.MAX_VALUE)) {
      found = records.find(recordId(door.substring("door/".length()), id));
      if (found != null) {
        return found;
      }
    }
    return null;
  }

  private boolean expired(JsonObject json) throws JsonException {
    String expiration = json.optionalString("expires");
    return expiration != null && !clock.instant().isBefore(Instant.parse(expiration));
  }

  private static boolean may(Visitor visitor, JsonObject json, String right) throws JsonException {
    boolean own = json.string("owner").equals(visitor.owner());
    boolean made = own && json.string("creator").equals(visitor.who().toString());
    boolean open = json.object("acl").bool("project-access", true);
    if (own && visitor.role() != null) {
      if (visitor.isAdmin() || (made && !right.equals("read"))) {
        return visitor.isAdmin() || visitor.role().equals("user");
      }
      if (made || open) {
        return right.equals("read") || (right.equals("delete") && visitor.role().equals("user"));
      }
    }
    return right.equals("read") && json.object("acl").strings("users").contains(visitor.user());
  }

  /** The owner's, in the order of their making or as wanted. */
  Page list(
      Visitor visitor,
      int offset,
      int limit,
      @Nullable Predicate<JsonObject> filter,
      @Nullable Comparator<JsonObject> order)
      throws ProblemException, EngineException, JsonException {
    if (visitor.role() == null) {
      throw ProblemException.forbidden(
          "you have no role in the project", "An admin of the project can give you one.");
    }
    List<String> ids = records.ids(kind + "/" + visitor.owner() + "/", "", Integer.MAX_VALUE);
    int page = Math.min(limit, MAX_PAGE);
    if (filter == null && order == null) {
      int from = Math.min(offset, ids.size());
      return new Page(
          ids.size(), load(visitor, ids.subList(from, Math.min(ids.size(), from + page))));
    }
    List<JsonObject> all = load(visitor, ids);
    if (filter != null) {
      all.removeIf(filter.negate());
    }
    if (order != null) {
      all.sort(order);
    }
    int from = Math.min(offset, all.size());
    return new Page(all.size(), all.subList(from, Math.min(all.size(), from + page)));
  }

  private List<JsonObject> load(Visitor visitor, List<String> ids)
      throws EngineException, JsonException {
    List<JsonObject> found = new ArrayList<>();
    for (String id : ids) {
      Records.Loaded loaded = records.find(id);
      if (loaded != null && may(visitor, loaded.json(), "read") && !expired(loaded.json())) {
        found.add(loaded.json());
      }
    }
    return found;
  }

  /** All of a kind that have expired. */
  List<Records.Loaded> expired() throws EngineException, JsonException {
    List<Records.Loaded> found = new ArrayList<>();
    for (String id : records.ids(kind + "/", "", Integer.MAX_VALUE)) {
      Records.Loaded loaded = records.find(id);
      if (loaded != null && expired(loaded.json())) {
        found.add(loaded);
      }
    }
    return found;
  }

  // --- further readers ---------------------------------------------------------------------------

  JsonObject acl(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    JsonObject json = find(visitor, id, "read").json();
    JsonObject read = new JsonObject().put("project-access", true);
    if (json.has("acl")) {
      read = json.object("acl");
    }
    return new JsonObject().put("read", read);
  }

  /**
   * Changes who may read besides the project's members.
   *
   * @param whole replaces the list, where a part of it changes only what it names
   * @param alongside is given the changed description, and makes further writes of it
   */
  void setAcl(Visitor visitor, String id, JsonObject request, boolean whole, Alongside alongside)
      throws ProblemException, EngineException, JsonException {
    request.allow("read");
    Records.Loaded loaded = find(visitor, id, "manage");
    JsonObject wanted = request.object("read");
    wanted.allow("users", "project-access", "created", "updated");
    JsonObject old = loaded.json().object("acl");
    List<String> users =
        whole || wanted.has("users") ? wanted.strings("users") : old.strings("users");
    if (users.size() > MAX_USERS) {
      throw ProblemException.badRequest("too many users", "Name at most " + MAX_USERS + ".");
    }
    for (String user : users) {
      try {
        new Identity(Profile.CLIENT, visitor.prefix() + user);
      } catch (IllegalArgumentException e) {
        throw ProblemException.badRequest(
            "this cannot be the id of a user", "Use the ids that 'openstack user list' shows.");
      }
    }
    String now = time(now());
    String created = old.optionalString("created");
    JsonObject acl =
        new JsonObject()
            .put("users", users)
            .put(
                "project-access",
                wanted.bool("project-access", whole || old.bool("project-access", true)))
            .put("created", created == null ? now : created)
            .put("updated", now);
    writeAcl(loaded, request.has("read") ? acl : null, alongside);
  }

  void removeAcl(Visitor visitor, String id, Alongside alongside)
      throws ProblemException, EngineException, JsonException {
    writeAcl(find(visitor, id, "manage"), null, alongside);
  }

  /** Further writes of a change. */
  interface Alongside {
    List<Write> of(JsonObject changed) throws ProblemException, EngineException, JsonException;
  }

  private void writeAcl(Records.Loaded loaded, @Nullable JsonObject acl, Alongside alongside)
      throws ProblemException, EngineException, JsonException {
    loaded.json().put("acl", acl);
    List<Write> writes = new ArrayList<>();
    writes.add(Records.update(loaded));
    writes.addAll(alongside.of(loaded.json()));
    String sharedId = "shared/" + kind + "/" + loaded.json().string("id");
    Records.Loaded shared = records.find(sharedId);
    boolean wanted = acl != null && !acl.strings("users").isEmpty();
    if (shared == null && wanted) {
      writes.add(
          Records.create(sharedId, new JsonObject().put("owner", loaded.json().string("owner"))));
    } else if (shared != null && !wanted) {
      writes.add(Records.delete(shared));
    }
    records.commit(writes);
  }

  /** What removing it takes, besides what belongs to its kind alone. */
  List<Write> deletion(Records.Loaded loaded) throws EngineException, JsonException {
    List<Write> writes = new ArrayList<>();
    writes.add(Records.delete(loaded));
    Records.Loaded shared = records.find("shared/" + kind + "/" + loaded.json().string("id"));
    if (shared != null) {
      writes.add(Records.delete(shared));
    }
    return writes;
  }
}
