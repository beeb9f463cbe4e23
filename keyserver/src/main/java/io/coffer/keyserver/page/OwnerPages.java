package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Roles;
import io.coffer.keyserver.box.Services;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Owners, their members, and the way to their lock boxes. */
final class OwnerPages {
  private static final List<String> ROLES = List.of("admin", "user", "reader");

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
                          Parts.choice("role", "Role", "", ROLES.reversed())),
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
              2),
          new Deed(
              "/page/owners/*/quota/set",
              "owner.quota",
              "Set an owner's quota",
              "Set it",
              false,
              visit -> {
                requireOperator(visit);
                return Parts.paragraph(
                    "How many keys "
                        + visit.name(0)
                        + " may have in each of its lock boxes. Deleted ones count until their"
                        + " grace is over. If it has more already, it makes none until there are"
                        + " fewer.");
              },
              "The quota is set.",
              2,
              new Input(
                  visit -> {
                    long quota = visit.desk().<Integer>use(b -> b.owners().quota(visit.name(0)));
                    return Parts.fields(
                        Parts.field("keys", "Keys", String.valueOf(quota), "0 to 1000000.", false));
                  },
                  form -> new JsonObject().put("keys", Input.number(form, "keys")),
                  "")),
          new Deed(
              "/page/owners/*/door/open",
              "door.open",
              "Open the door for OpenStack, or change its roles",
              "Open it",
              true,
              visit -> {
                requireOperator(visit);
                return Parts.paragraph(
                    "The Barbican-compatible door then gives the secrets of "
                        + visit.name(0)
                        + " in clear to whom Keystone knows with one of these roles, and to"
                        + " members. An admin does everything, a user makes, reads and deletes, a"
                        + " reader reads. The service says under whose master key they lie; it"
                        + " cannot be changed later.");
              },
              "The door is open.",
              2,
              new Input(OwnerPages::doorFields, OwnerPages::doorBody, "")),
          new Deed(
              "/page/owners/*/door/close",
              "door.close",
              "Close the door for OpenStack",
              "Close it",
              true,
              visit -> {
                requireOperator(visit);
                return Parts.paragraph(
                    "Nobody gets at the secrets of "
                        + visit.name(0)
                        + " through the Barbican-compatible door any more. They stay, and are there"
                        + " again when it is opened again.");
              },
              "The door is closed.",
              2));

  /** Checks that there is such an owner, too. */
  private static void requireOperator(Visit visit)
      throws ProblemException, EngineException, JsonException {
    Roles.requireOperator(visit.who());
    visit.desk().use(b -> b.owners().get(visit.who(), visit.name(0)));
  }

  /** The door for an owner as it was opened last; null if it never was. */
  private static @Nullable JsonObject door(Visit visit, String owner)
      throws ProblemException, EngineException, JsonException {
    for (JsonObject door : visit.desk().use(b -> b.doors().list(visit.who())).objects("doors")) {
      if (door.string("owner").equals(owner)) {
        return door;
      }
    }
    return null;
  }

  private static Html doorFields(Visit visit)
      throws ProblemException, EngineException, JsonException {
    JsonObject door = door(visit, visit.name(0));
    List<String> services = new ArrayList<>();
    if (door != null) {
      services.add(door.string("service"));
    } else {
      for (JsonObject service : visit.desk().use(b -> b.services().list()).objects("services")) {
        if (!service.string("name").equals(Services.OWNERS)) {
          services.add(service.string("name"));
        }
      }
    }
    Html fields = Parts.fields(Parts.choice("service", "Service", "", services));
    for (String role : ROLES) {
      fields.add(
          Parts.field(
              role,
              "Roles of Keystone that are " + role,
              door == null ? "" : named(door.object("roles"), role),
              "As " + (role.equals("user") ? "member" : role) + "; with commas between.",
              true));
    }
    return fields;
  }

  private static String named(JsonObject roles, String role) throws JsonException {
    List<String> names = new ArrayList<>();
    for (String name : roles.names().stream().sorted().toList()) {
      if (roles.string(name).equals(role)) {
        names.add(name);
      }
    }
    return String.join(", ", names);
  }

  private static JsonObject doorBody(JsonObject form) throws ProblemException, JsonException {
    JsonObject roles = new JsonObject();
    for (String role : ROLES) {
      for (String name : Input.list(form, role)) {
        if (roles.has(name)) {
          throw ProblemException.badRequest(
              "a role of Keystone is named twice", "Go back, and name each once.");
        }
        roles.put(name, role);
      }
    }
    return new JsonObject().put("service", Input.text(form, "service")).put("roles", roles);
  }

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
    long quota = visit.desk().<Integer>use(b -> b.owners().quota(name));
    facts.put("Quota", quota + " keys in each lock box");
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
    page.add(section);
    return (visit.isOperator() ? page.add(operation(visit, name)) : page).document();
  }

  /** What an operator decides about an owner. */
  private static Html operation(Visit visit, String owner)
      throws ProblemException, EngineException, JsonException {
    JsonObject door = door(visit, owner);
    boolean open = door != null && door.bool("open", false);
    String here = "/page/owners/" + owner;
    Html actions =
        Parts.actions(
            Parts.button(here + "/quota/set", "Set the quota"),
            Parts.graveButton(
                here + "/door/open", open ? "Change the door's roles" : "Open the door"));
    if (open) {
      actions.add(Html.of("li", Parts.graveButton(here + "/door/close", "Close the door")));
    }
    return Parts.section(
        "Quota, and the door for OpenStack",
        Parts.paragraph(
            open
                ? "The Barbican-compatible door is open: it gives secrets of this owner in clear."
                : "The Barbican-compatible door is closed for this owner."),
        actions);
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
                    + " for, on the page of the owner."),
            doors.search("Owner or service"),
            table.orElse("It was opened for no project."),
            doors.pages())
        .document();
  }
}
