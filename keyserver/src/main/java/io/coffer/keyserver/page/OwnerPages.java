package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
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
                    ? "There is none. An operator makes one with POST /v1/owners."
                    : "You are a member of none. An admin of an owner can add "
                        + visit.who()
                        + "."),
            owners.pages())
        .document();
  }

  private static Document one(Visit visit) throws ProblemException, EngineException, JsonException {
    JsonObject owner = visit.desk().use(b -> b.owners().get(visit.who(), visit.name(0)));
    String name = owner.string("name");
    Table members = new Table("Members", "Who", "Role");
    String role = null;
    for (JsonObject member : owner.objects("members")) {
      if (member.string("identity").equals(visit.who().toString())) {
        role = member.string("role");
      }
      members.row(Parts.name(member.string("identity")), Html.of("span", member.string("role")));
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
      page.add(boxes(visit, name), ownKey(visit, name));
    }
    return page.add(Parts.section("Members", members.orElse("It has none."))).document();
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

  private static Html ownKey(Visit visit, String owner)
      throws ProblemException, EngineException, JsonException {
    JsonObject key = find(visit, owner);
    if (key == null) {
      return Html.of("div");
    }
    return Parts.section(
        "The owner's key",
        Parts.paragraph("It is one half of each double key of this owner."),
        KeyPages.versions(visit, key, "").orElse("It has no version."));
  }

  /** The owner's key, or null if there is none. */
  private static @Nullable JsonObject find(Visit visit, String owner)
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
