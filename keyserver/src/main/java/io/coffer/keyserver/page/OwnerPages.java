package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Roles;
import io.coffer.keyserver.box.Services;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Owners, their members, and the way to their lock boxes. */
final class OwnerPages {
  private OwnerPages() {}

  static final List<View> VIEWS =
      List.of(
          new View("/page/owners", "owner.list", false, OwnerPages::list),
          new View("/page/owners/*", "owner.get", true, OwnerPages::one),
          new View("/page/doors", "door.list", false, OwnerPages::doors));

  static final List<Deed> DEEDS =
      List.of(
          new Deed(
              "/page/owners/new/owner",
              "owner.create",
              "Make an owner",
              "Make it",
              false,
              visit -> {
                Roles.requireOperator(visit.who());
                return Parts.paragraph(
                    "A domain, project, group or user that owns keys, and its first admin, who adds"
                        + " the other members.");
              },
              "The owner was made.",
              2,
              new Input(
                  visit ->
                      Parts.fields(
                          Parts.field("name", "Name", "", "As project:hpc or user:anna.", false),
                          Parts.field("admin", "Its admin", "", "As client:alice.", false)),
                  form ->
                      new JsonObject()
                          .put("name", Input.text(form, "name"))
                          .put(
                              "members",
                              List.of(
                                  new JsonObject()
                                      .put("identity", Input.text(form, "admin"))
                                      .put("role", "admin"))),
                  "")),
          new Deed(
              "/page/owners/*/members/new",
              "owner.admit",
              "Add a member, or change a role",
              "Add",
              false,
              visit -> {
                visit.desk().use(b -> b.owners().get(visit.who(), visit.name(0)));
                return Parts.paragraph(
                    "An admin does everything with the keys of "
                        + visit.name(0)
                        + ", a user makes, reads and rotates them, a reader reads them.");
              },
              "The member is added.",
              2,
              new Input(
                  visit ->
                      Parts.fields(
                          Parts.field("who", "Who", "", "As client:bob or endpoint:node1.", false),
                          Parts.choice("role", "Role", "", List.of("reader", "user", "admin"))),
                  form -> new JsonObject().put("role", Input.text(form, "role")),
                  "who")),
          new Deed(
              "/page/owners/*/members/*/remove",
              "owner.dismiss",
              "Remove a member",
              "Remove",
              true,
              visit -> {
                visit.desk().use(b -> b.owners().get(visit.who(), visit.name(0)));
                return Parts.paragraph(
                    visit.name(1)
                        + " is no member of "
                        + visit.name(0)
                        + " any more. What holds its keys in a cache in that name wipes them within"
                        + " a second. An owner keeps at least one admin.");
              },
              "The member is removed.",
              3),
          new Deed(
              "/page/owners/*/key/make",
              "ownerkey.create",
              "Make the owner's key",
              "Make it",
              false,
              visit -> {
                visit.desk().use(b -> b.owners().get(visit.who(), visit.name(0)));
                return Parts.paragraph(
                    "One half of all double keys of "
                        + visit.name(0)
                        + ". It is needed once, before the first of them.");
              },
              "The owner's key was made.",
              2),
          new Deed(
              "/page/owners/*/key/rotate",
              "ownerkey.rotate",
              "Rotate the owner's key",
              "Rotate it",
              false,
              visit -> {
                visit.desk().use(b -> b.owners().get(visit.who(), visit.name(0)));
                return Parts.paragraph(
                    "New versions of double keys of "
                        + visit.name(0)
                        + " are made with the new version of the owner's key. Old ones stay"
                        + " readable.");
              },
              "The owner's key has a new version.",
              2));

  private static Document list(Visit visit)
      throws ProblemException, EngineException, JsonException {
    Listing<String> owners =
        new Listing<>(
            visit,
            visit.desk().use(b -> b.owners().list(visit.who())).strings("owners"),
            owner -> owner);
    Table table = new Table("Owners", "Owner", "Kind");
    for (String owner : owners.shown()) {
      table.row(
          Parts.link("/page/owners/" + owner, owner),
          Html.of("span", owner.substring(0, owner.indexOf(':'))));
    }
    return Layout.of(visit, "Owners and keys")
        .add(
            Parts.paragraph(
                visit.isOverseer()
                    ? "Domains, projects, groups and users that own keys. Operators and auditors"
                        + " see who the members are, and no keys."
                    : "What you are a member of. A lock box holds the keys of one owner for one"
                        + " service."),
            owners.search("Name"),
            table.orElse(
                visit.isOverseer()
                    ? "There is none."
                    : "You are a member of none. An admin of an owner can add "
                        + visit.who()
                        + "."),
            owners.pages(),
            visit.isOperator()
                ? Parts.actions(Parts.button("/page/owners/new/owner", "Make an owner"))
                : Html.of("div"))
        .document();
  }

  private static Document one(Visit visit) throws ProblemException, EngineException, JsonException {
    JsonObject owner = visit.desk().use(b -> b.owners().get(visit.who(), visit.name(0)));
    String name = owner.string("name");
    String role = visit.desk().use(b -> b.owners().roleOf(name, visit.who()));
    boolean changes = visit.isOperator() || "admin".equals(role);
    Table members =
        changes
            ? new Table("Members", "Who", "Role", "To do")
            : new Table("Members", "Who", "Role");
    for (JsonObject member : owner.objects("members")) {
      String who = member.string("identity");
      Html what = Html.of("span", member.string("role"));
      if (changes) {
        members.row(
            Parts.name(who),
            what,
            Parts.graveButton(
                "/page/owners/" + name + "/members/" + who + "/remove", "Remove " + who));
      } else {
        members.row(Parts.name(who), what);
      }
    }
    Facts facts =
        new Facts()
            .put("Made", Parts.time(owner.string("created")))
            .put("By", owner.string("created_by"));
    if (owner.has("quota")) {
      facts.put("Quota", owner.integer("quota", 0, Integer.MAX_VALUE) + " keys in each lock box");
    }
    Layout page = Layout.of(visit, name).under("/page/owners", "Owners and keys").add(facts.html());
    if (role != null) {
      facts.put("Your role", role);
      page.add(boxes(visit, name), ownKeySection(visit, name, role.equals("admin")));
    }
    Html section = Parts.section("Members", members.orElse("It has none."));
    if (changes) {
      section.add(
          Parts.actions(
              Parts.button(
                  "/page/owners/" + name + "/members/new", "Add a member or change a role")));
    }
    return page.add(section).document();
  }

  private static Html boxes(Visit visit, String owner)
      throws ProblemException, EngineException, JsonException {
    Table table = new Table("Lock boxes", "Service", "Description");
    for (JsonObject service : visit.desk().use(b -> b.services().list()).objects("services")) {
      String name = service.string("name");
      if (!name.equals(Services.OWNERS)) {
        table.row(
            Parts.link(KeyPages.box(name, owner), "Keys for " + name),
            Parts.name(service.string("description")));
      }
    }
    return Parts.section(
        "Lock boxes", table.orElse("There is no service yet; an operator makes them."));
  }

  private static Html ownKeySection(Visit visit, String owner, boolean admin)
      throws ProblemException, EngineException, JsonException {
    JsonObject key = ownKey(visit, owner);
    String here = "/page/owners/" + owner + "/key";
    if (key == null) {
      return admin
          ? Parts.section(
              "The owner's key",
              Parts.paragraph("There is none. Double keys of this owner need one."),
              Parts.actions(Parts.button(here + "/make", "Make the owner's key")))
          : Html.of("div");
    }
    Html section =
        Parts.section(
            "The owner's key",
            Parts.paragraph("It is one half of each double key of this owner."),
            KeyPages.versions(visit, key, "").orElse("It has no version."));
    return admin
        ? section.add(Parts.actions(Parts.button(here + "/rotate", "Rotate the owner's key")))
        : section;
  }

  /** The owner's key, or null if there is none. */
  static @Nullable JsonObject ownKey(Visit visit, String owner)
      throws ProblemException, EngineException, JsonException {
    try {
      return visit.desk().use(b -> b.keys().getOwnerKey(visit.who(), owner));
    } catch (ProblemException e) {
      if (e.status() == 409) {
        return null;
      }
      throw e;
    }
  }

  private static Document doors(Visit visit)
      throws ProblemException, EngineException, JsonException {
    Listing<JsonObject> doors =
        new Listing<>(
            visit,
            visit.desk().use(b -> b.doors().list(visit.who())).objects("doors"),
            d -> ServicePages.words(d, "owner", "service"));
    Table table = new Table("Projects", "Owner", "Door", "Service", "Roles", "Changed");
    for (JsonObject door : doors.shown()) {
      JsonObject roles = door.object("roles");
      Html given = Html.of("ul").attr("class", "values");
      for (String role : roles.names().stream().sorted().toList()) {
        given.add(Html.of("li", Parts.name(role)).text(" is " + roles.string(role)));
      }
      String owner = door.string("owner");
      table.row(
          Parts.link("/page/owners/" + owner, owner),
          door.bool("open", false) ? Parts.warning("open") : Parts.good("closed"),
          Parts.name(door.string("service")),
          given,
          Html.of("span", Parts.time(door.optionalString("changed")), Html.of("br"))
              .add(Parts.name(door.string("changed_by"))));
    }
    return Layout.of(visit, "OpenStack")
        .add(
            Parts.paragraph(
                "The Barbican-compatible door gives secrets in clear to those who have the right,"
                    + " and so is closed for every project but those that an operator has opened it"
                    + " for."),
            doors.search("Owner or service"),
            table.orElse("It was opened for no project."),
            doors.pages())
        .document();
  }
}
