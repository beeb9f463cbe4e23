package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Keys: what they are called, their versions and states, and who may do what with them. */
final class KeyPages {
  private static final String BOX = "/page/services/*/owners/*/keys";
  private static final String KEY = BOX + "/*";

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
              KEY + "/restore",
              "key.restore",
              "Restore a deleted key",
              "Restore it",
              false,
              visit -> about(visit, "can be read again, as before it was deleted."),
              "The key is restored.",
              1));

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
    JsonObject answer =
        visit
            .desk()
            .use(b ->
                b.keys()
                    .list(visit.who(), service, owner, visit.text("after"), Listing.PAGE, deleted));
    Table table = new Table("Keys", "Name", "Id", "Version", "Made", "State");
    for (JsonObject key : answer.objects("keys")) {
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
    String next = answer.optionalString("next");
    List<Html> pages = new ArrayList<>();
    Address here = new Address(visit.path()).with("deleted", deleted ? "true" : "");
    if (!visit.text("after").isEmpty()) {
      pages.add(Parts.link(here.text(), "First page"));
    }
    if (next != null) {
      pages.add(Parts.link(here.with("after", next).text(), "Next page").attr("rel", "next"));
    }
    return Layout.of(visit, "Keys for " + service)
        .under("/page/owners", "Owners and keys")
        .under("/page/owners/" + owner, owner)
        .add(
            Parts.paragraph(
                "Keys of " + owner + " for the service " + service + " that you may read."),
            Parts.actions(
                deleted
                    ? Parts.link(visit.path(), "Leave out deleted keys")
                    : Parts.link(
                        new Address(visit.path()).with("deleted", "true").text(),
                        "Show deleted keys, too")),
            table.orElse("There is none that you may read."),
            pages.isEmpty() ? Html.of("div") : Listing.pager(pages))
        .document();
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
        rights(key));
    List<Html> deeds = new ArrayList<>();
    if (deleted == null && rights.contains("rotate")) {
      deeds.add(Parts.button(here + "/rotate", "Rotate the key"));
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

  private static Html rights(JsonObject key) throws JsonException {
    Table table = new Table("Rights", "Who", "May");
    for (JsonObject entry : key.objects("acl")) {
      table.row(Parts.name(entry.string("identity")), Parts.list(entry.strings("rights"), "none"));
    }
    return Parts.section(
        "Who else may use it", table.orElse("Nobody but the members of its owner."));
  }
}
