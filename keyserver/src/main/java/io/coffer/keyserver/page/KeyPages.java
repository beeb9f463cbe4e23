package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Services;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Keys: what they are called, their versions and states, and who may do what with them. */
final class KeyPages {
  private static final String BOX = "/page/services/*/owners/*/keys";
  private static final String KEY = BOX + "/*";
  private static final int SEARCHED_AT_ONCE = 500;

  /** What one request looks through at most; the next goes on there. */
  private static final int MOST_ROUNDS = 10;

  private KeyPages() {}

  static final List<View> VIEWS =
      List.of(
          new View(BOX, "key.list", true, KeyPages::list),
          new View(KEY, "key.get", true, KeyPages::one));

  static final List<Deed> DEEDS =
      List.of(
          new Deed(
              KEY + "/rotate",
              "key.rotate",
              "Rotate a key",
              "Rotate it",
              false,
              visit ->
                  about(
                      visit,
                      "is given a new version, which becomes the current one. Old versions stay"
                          + " readable. A volume that takes its password from the key has to be"
                          + " told: its password is that of the old version."),
              "The key has a new version.",
              1),
          new Deed(
              KEY + "/versions/*/retire",
              "key.retire",
              "Retire a version of a key",
              "Retire it",
              true,
              visit ->
                  about(
                      visit,
                      "has its version "
                          + visit.name(3)
                          + " retired: nobody can read it, and what holds it in a cache wipes it"
                          + " within a second. It can be activated again."),
              "The version is retired.",
              3),
          new Deed(
              KEY + "/versions/*/activate",
              "key.activate",
              "Activate a version of a key",
              "Activate it",
              false,
              visit -> about(visit, "has its version " + visit.name(3) + " readable again."),
              "The version is active again.",
              3),
          new Deed(
              KEY + "/delete",
              "key.delete",
              "Delete a key",
              "Delete it",
              true,
              visit ->
                  about(
                      visit,
                      "is deleted: nobody can read it. It can be restored until its grace is over,"
                          + " and is destroyed then, with all that it protects."),
              "The key is deleted, and can be restored until its grace is over.",
              1),
          new Deed(
              BOX + "/new/key",
              "key.create",
              "Make a key",
              "Make it",
              false,
              visit -> {
                String role = visit.desk().use(b -> b.owners().roleOf(visit.name(1), visit.who()));
                if (role == null || role.equals("reader")) {
                  throw ProblemException.forbidden(
                      "only admins and users of an owner make keys for it",
                      "Ask an admin of the owner for that role.");
                }
                return Parts.paragraph(
                    "A new key of "
                        + visit.name(1)
                        + " for the service "
                        + visit.name(0)
                        + ". The server makes it; a key of your own comes by the interface for"
                        + " programs.");
              },
              "The key was made.",
              2,
              new Input(KeyPages::newKey, KeyPages::newKeyBody, "")),
          new Deed(
              KEY + "/acl/new",
              "key.grant",
              "Give somebody rights on a key",
              "Give them",
              false,
              visit ->
                  about(
                      visit,
                      "can be used by somebody who is no member of its owner. Rights that he has by"
                          + " its list already are replaced."),
              "The rights are given.",
              2,
              new Input(
                  KeyPages::rightsFields,
                  form -> new JsonObject().put("rights", Input.ticked(form, "right-")),
                  "who")),
          new Deed(
              KEY + "/acl/*/remove",
              "key.withdraw",
              "Take away rights on a key",
              "Take them away",
              true,
              visit ->
                  about(
                      visit,
                      "is open to "
                          + visit.name(3)
                          + " no more, unless as a member of its owner. What holds it in a cache"
                          + " in that name wipes it within a second."),
              "The rights are taken away.",
              3),
          new Deed(
              KEY + "/offer/new",
              "transfer.offer",
              "Offer a key to another lock box",
              "Offer it",
              false,
              visit ->
                  about(
                      visit,
                      "is offered, its current version, to another owner or for another service. An"
                          + " admin or user of that owner accepts it within an hour."),
              "The key is offered; the page Transfers shows it.",
              2,
              new Input(KeyPages::offerFields, KeyPages::offerBody, "")),
          new Deed(
              KEY + "/restore",
              "key.restore",
              "Restore a deleted key",
              "Restore it",
              false,
              visit -> about(visit, "can be read again, as before it was deleted."),
              "The key is restored.",
              1));

  private static Html newKey(Visit visit) throws ProblemException, EngineException, JsonException {
    List<Html> fields = new ArrayList<>();
    fields.add(Parts.field("name", "Name", "", "For people; it may stay empty.", true));
    fields.add(Parts.choice("bits", "Bits", "Of an AES key.", List.of("256", "128", "192", "512")));
    if (OwnerPages.ownKey(visit, visit.name(1)) != null) {
      fields.add(
          Parts.tick(
              "double", "Half of a double key, with the owner's key; always of 256 bits", false));
    }
    return Parts.fields(fields.toArray(Html[]::new));
  }

  private static JsonObject newKeyBody(JsonObject form) throws ProblemException, JsonException {
    JsonObject body = new JsonObject().put("name", Input.text(form, "name"));
    if (form.has("double")) {
      return body.put("double", true);
    }
    String bits = Input.text(form, "bits");
    if (!bits.matches("[0-9]{1,5}")) {
      throw ProblemException.badRequest("the number of bits is malformed", "Choose one.");
    }
    return body.put("bits", Integer.parseInt(bits));
  }

  private static Html rightsFields(Visit visit) {
    return Parts.fields(
        Parts.field("who", "Who", "", "As client:alice or endpoint:node1.", false),
        Parts.group(
            "May",
            List.of(
                Parts.tick("right-read", "read: be given it, wrapped", true),
                Parts.tick("right-rotate", "rotate: make new versions, say who needs it", false),
                Parts.tick("right-manage", "manage: retire versions, give rights, offer it", false),
                Parts.tick("right-delete", "delete and restore", false))));
  }

  private static Html offerFields(Visit visit)
      throws ProblemException, EngineException, JsonException {
    List<String> services = new ArrayList<>();
    for (JsonObject service : visit.desk().use(b -> b.services().list()).objects("services")) {
      if (!service.string("name").equals(Services.OWNERS)) {
        services.add(service.string("name"));
      }
    }
    return Parts.fields(
        Parts.choice("service", "For the service", "", services),
        Parts.field("owner", "To the owner", visit.name(1), "As project:hpc.", false),
        Parts.tick("move", "Delete it here when it is accepted", false));
  }

  private static JsonObject offerBody(JsonObject form) throws JsonException {
    return new JsonObject()
        .put("service", Input.text(form, "service"))
        .put("owner", Input.text(form, "owner"))
        .put("move", form.has("move"));
  }

  static String box(String service, String owner) {
    return "/page/services/" + service + "/owners/" + owner + "/keys";
  }

  private static JsonObject find(Visit visit)
      throws ProblemException, EngineException, JsonException {
    return visit
        .desk()
        .use(b -> b.keys().get(visit.who(), visit.name(0), visit.name(1), visit.name(2)));
  }

  private static Html about(Visit visit, String what)
      throws ProblemException, EngineException, JsonException {
    JsonObject key = find(visit);
    return Html.of("p", "The key ")
        .add(
            Html.of(
                "strong",
                key.string("name").isEmpty()
                    ? Parts.name("without name")
                    : Parts.name(key.string("name"))))
        .text(" (")
        .add(Parts.code(key.string("id")))
        .text(") of " + key.string("owner") + " for " + key.string("service") + " " + what);
  }

  private static Document list(Visit visit)
      throws ProblemException, EngineException, JsonException {
    String service = visit.name(0);
    String owner = visit.name(1);
    boolean deleted = visit.text("deleted").equals("true");
    Found found = search(visit, service, owner, deleted);
    Table table = new Table("Keys", "Name", "Id", "Version", "Made", "State");
    for (JsonObject key : found.keys()) {
      String id = key.string("id");
      String name = key.string("name");
      String end = key.optionalString("deleted");
      table.row(
          Parts.link(box(service, owner) + "/" + id, name.isEmpty() ? "no name" : name),
          Parts.code(id),
          Html.of("span", String.valueOf(key.integer("current", 1, Integer.MAX_VALUE))),
          Parts.time(key.string("created")),
          end == null
              ? Parts.good("active")
              : Html.of("span", Parts.bad("deleted"), Html.of("br"), Parts.time(end)));
    }
    String next = found.next();
    List<Html> pages = new ArrayList<>();
    String wanted = visit.text("q");
    Address here =
        new Address(visit.path()).with("q", wanted).with("deleted", deleted ? "true" : "");
    if (!visit.text("after").isEmpty()) {
      pages.add(Parts.link(here.text(), "First page"));
    }
    if (next != null) {
      String more = found.keys().size() < Listing.PAGE ? "Search on" : "Next page";
      pages.add(Parts.link(here.with("after", next).text(), more).attr("rel", "next"));
    }
    String role = visit.desk().use(b -> b.owners().roleOf(owner, visit.who()));
    List<Html> actions = new ArrayList<>();
    if (role != null && !role.equals("reader")) {
      actions.add(Parts.button(visit.path() + "/new/key", "Make a key"));
    }
    actions.add(
        deleted
            ? Parts.link(
                new Address(visit.path()).with("q", wanted).text(), "Leave out deleted keys")
            : Parts.link(
                new Address(visit.path()).with("q", wanted).with("deleted", "true").text(),
                "Show deleted keys, too"));
    return Layout.of(visit, "Keys for " + service)
        .under("/page/owners", "Owners and keys")
        .under("/page/owners/" + owner, owner)
        .add(
            Parts.paragraph(
                "Keys of " + owner + " for the service " + service + " that you may read."),
            Parts.actions(actions.toArray(Html[]::new)),
            searchForm(visit, deleted),
            table.orElse(
                wanted.isEmpty()
                    ? "There is none that you may read."
                    : "None that you may read is called that."),
            pages.isEmpty() ? Html.of("div") : Listing.pager(pages))
        .document();
  }

  /** Keys that were looked for, and after which one it goes on; null at the end. */
  private record Found(List<JsonObject> keys, @Nullable String next) {}

  private static Found search(Visit visit, String service, String owner, boolean deleted)
      throws ProblemException, EngineException, JsonException {
    String wanted = visit.text("q").toLowerCase(Locale.ROOT);
    List<JsonObject> found = new ArrayList<>();
    String after = visit.text("after");
    for (int rounds = 0; ; rounds++) {
      String begin = after;
      int limit = wanted.isEmpty() ? Listing.PAGE : SEARCHED_AT_ONCE;
      JsonObject answer =
          visit.desk().use(b -> b.keys().list(visit.who(), service, owner, begin, limit, deleted));
      for (JsonObject key : answer.objects("keys")) {
        after = key.string("id");
        if (ServicePages.words(key, "name", "id", "algorithm", "created_by")
            .toLowerCase(Locale.ROOT)
            .contains(wanted)) {
          found.add(key);
          if (found.size() == Listing.PAGE) {
            return new Found(found, wanted.isEmpty() ? answer.optionalString("next") : after);
          }
        }
      }
      String next = answer.optionalString("next");
      if (next == null || wanted.isEmpty() || rounds == MOST_ROUNDS) {
        return new Found(found, next);
      }
      after = next;
    }
  }

  private static Html searchForm(Visit visit, boolean deleted) {
    Html form =
        Html.of("form", Parts.input("q", "Name, id or maker", visit.text("q")))
            .attr("action", visit.path())
            .attr("method", "get")
            .attr("role", "search")
            .attr("aria-label", "Keys")
            .attr("class", "search");
    if (deleted) {
      form.add(
          Html.of("input").attr("type", "hidden").attr("name", "deleted").attr("value", "true"));
    }
    return form.add(Parts.submit("Search"));
  }

  private static Document one(Visit visit) throws ProblemException, EngineException, JsonException {
    JsonObject key = find(visit);
    String service = key.string("service");
    String owner = key.string("owner");
    String id = key.string("id");
    String here = box(service, owner) + "/" + id;
    Set<String> rights =
        visit.desk().<Set<String>>use(b -> b.keys().rights(visit.who(), service, owner, id));
    String deleted = key.optionalString("deleted");
    boolean twofold = key.bool("double", false);
    Facts facts =
        new Facts()
            .put(
                "State",
                deleted == null
                    ? Parts.good("active")
                    : Html.of("span", Parts.bad("deleted"), Html.of("br"), Parts.time(deleted)));
    if (deleted != null) {
      facts.put("Destroyed", Parts.until(key.string("purge"), visit.desk().now()));
    }
    facts
        .put("Id", Parts.code(id))
        .put(
            "Kind",
            key.string("algorithm")
                + ", "
                + key.integer("bits", 1, Integer.MAX_VALUE)
                + " bits"
                + (twofold ? ", half of a double key" : ""))
        .put("Made", Parts.time(key.string("created")))
        .put("By", key.string("created_by"))
        .put("You may", Parts.list(rights.stream().sorted().toList(), "do nothing"));
    String name = key.string("name");
    Layout page =
        Layout.of(visit, name.isEmpty() ? "A key without name" : name)
            .under("/page/owners", "Owners and keys")
            .under("/page/owners/" + owner, owner)
            .under(box(service, owner), "Keys for " + service)
            .add(facts.html());
    boolean manages = rights.contains("manage") && deleted == null;
    page.add(
        Parts.section(
            "Versions", versions(visit, key, manages ? here : "").orElse("It has no version.")),
        consumers(key),
        rights(key, manages ? here : ""));
    List<Html> deeds = new ArrayList<>();
    if (deleted == null && rights.contains("read") && !visit.isOverseer()) {
      deeds.add(
          Parts.button(
              new Address("/page/tokens/new/token").with("key", id).text(),
              "Issue a token for it"));
    }
    if (deleted == null && rights.contains("rotate")) {
      deeds.add(Parts.button(here + "/rotate", "Rotate the key"));
    }
    if (manages && !twofold) {
      deeds.add(Parts.button(here + "/offer/new", "Offer it to another lock box"));
    }
    if (rights.contains("delete")) {
      deeds.add(
          deleted == null
              ? Parts.graveButton(here + "/delete", "Delete the key")
              : Parts.button(here + "/restore", "Restore the key"));
    }
    return (deeds.isEmpty() ? page : page.add(Parts.actions(deeds.toArray(Html[]::new))))
        .document();
  }

  /**
   * The versions of a key.
   *
   * @param managed the address of the key's page, if whoever looks may manage it; else empty
   */
  static Table versions(Visit visit, JsonObject key, String managed) throws JsonException {
    List<String> columns = new ArrayList<>(List.of("Version", "State", "Made", "By"));
    boolean twofold = key.bool("double", false);
    if (twofold) {
      columns.add("Owner's key");
    }
    if (!managed.isEmpty()) {
      columns.add("To do");
    }
    Table table = new Table("Versions", columns.toArray(String[]::new));
    long current = key.integer("current", 1, Integer.MAX_VALUE);
    for (JsonObject entry : key.objects("versions").reversed()) {
      long version = entry.integer("version", 1, Integer.MAX_VALUE);
      boolean active = entry.string("state").equals("active");
      List<Html> cells = new ArrayList<>();
      cells.add(Html.of("span", String.valueOf(version)));
      cells.add(
          Html.of("span", Parts.state(entry.string("state")))
              .text(version == current ? " current" : ""));
      cells.add(Parts.time(entry.string("created")));
      cells.add(Parts.name(entry.string("created_by")));
      if (twofold) {
        cells.add(
            Html.of("span", "version " + entry.integer("owner_key_version", 1, Integer.MAX_VALUE)));
      }
      if (!managed.isEmpty()) {
        String address = managed + "/versions/" + version + "/";
        cells.add(
            active
                ? Parts.graveButton(address + "retire", "Retire " + version)
                : Parts.button(address + "activate", "Activate " + version));
      }
      table.row(cells.toArray(Html[]::new));
    }
    return table;
  }

  private static Html consumers(JsonObject key) throws JsonException {
    Html list = Html.of("ul").attr("class", "points");
    for (String consumer : key.strings("consumers")) {
      list.add(Html.of("li", Parts.name(consumer)));
    }
    return Parts.section(
        "Needed by",
        key.strings("consumers").isEmpty()
            ? Html.of("p", "Nothing is registered that needs the key.").attr("class", "muted")
            : list);
  }

  /**
   * Who has rights beside the owner's members.
   *
   * @param managed as for {@link #versions}
   */
  private static Html rights(JsonObject key, String managed) throws JsonException {
    Table table =
        managed.isEmpty()
            ? new Table("Rights", "Who", "May")
            : new Table("Rights", "Who", "May", "To do");
    for (JsonObject entry : key.objects("acl")) {
      String who = entry.string("identity");
      Html name = Parts.name(who);
      Html may = Parts.list(entry.strings("rights"), "none");
      if (managed.isEmpty()) {
        table.row(name, may);
      } else {
        table.row(
            name,
            may,
            Parts.graveButton(managed + "/acl/" + who + "/remove", "Take away from " + who));
      }
    }
    Html section =
        Parts.section("Who else may use it", table.orElse("Nobody but the members of its owner."));
    return managed.isEmpty()
        ? section
        : section.add(Parts.actions(Parts.button(managed + "/acl/new", "Give somebody rights")));
  }
}
