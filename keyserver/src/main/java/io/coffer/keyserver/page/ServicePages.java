package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Roles;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.ArrayList;
import java.util.List;

/** Services and their master keys, of which versions and states are shown and nothing else. */
final class ServicePages {
  private ServicePages() {}

  static final List<View> VIEWS =
      List.of(
          new View("/page/services", "service.list", false, ServicePages::list),
          new View("/page/services/*", "service.get", true, ServicePages::one));

  static final List<Deed> DEEDS =
      List.of(
          new Deed(
              "/page/services/new/service",
              "service.create",
              "Make a service",
              "Make it",
              false,
              visit -> {
                Roles.requireOperator(visit.who());
                return Parts.paragraph(
                    "A service has a master key of its own, which only its endpoints are given.");
              },
              "The service was made.",
              2,
              new Input(
                  visit ->
                      Parts.fields(
                          Parts.field("name", "Name", "", "As cinder or hpc.", false),
                          Parts.field("description", "Description", "", "For people.", true)),
                  form ->
                      new JsonObject()
                          .put("name", Input.text(form, "name"))
                          .put("description", Input.text(form, "description")),
                  "")),
          new Deed(
              "/page/services/*/rotate",
              "master.rotate",
              "Rotate a master key",
              "Rotate it",
              false,
              visit ->
                  Parts.paragraph(
                      "The service "
                          + visit.name(0)
                          + " is given a new master key, and all its keys are rewrapped under it in"
                          + " the background. Endpoints fetch the new one by themselves. The old"
                          + " one stays until it is retired."),
              "The master key was rotated; the keys are being rewrapped.",
              1),
          new Deed(
              "/page/services/*/masters/*/retire",
              "master.retire",
              "Retire a version of a master key",
              "Retire it",
              true,
              visit ->
                  Parts.paragraph(
                      "Version "
                          + visit.name(1)
                          + " of the master key of "
                          + visit.name(0)
                          + " is given to no endpoint any more. It is refused while any key is"
                          + " still wrapped under it. This cannot be taken back."),
              "The version was retired.",
              3));

  private static Document list(Visit visit)
      throws ProblemException, EngineException, JsonException {
    Listing<JsonObject> services =
        new Listing<>(
            visit,
            visit.desk().use(b -> b.services().list()).objects("services"),
            s -> words(s, "name", "description"));
    Table table = new Table("Services", "Service", "Description", "Master key");
    for (JsonObject service : services.shown()) {
      String name = service.string("name");
      table.row(
          visit.isOverseer() ? Parts.link("/page/services/" + name, name) : Parts.name(name),
          Parts.name(service.string("description")),
          Html.of("span", "version " + service.integer("current", 1, Integer.MAX_VALUE)));
    }
    return Layout.of(visit, "Services")
        .add(
            Parts.paragraph(
                "Each service has a master key of its own, under which its keys are wrapped. The"
                    + " service 'owners' is built in: it holds the owners' halves of double keys."),
            services.search("Name or description"),
            table.orElse("No service is called that."),
            services.pages(),
            visit.isOperator()
                ? Parts.actions(Parts.button("/page/services/new/service", "Make a service"))
                : Html.of("div"))
        .document();
  }

  /** Texts of an object that are looked through. */
  static String words(JsonObject json, String... names) {
    StringBuilder words = new StringBuilder();
    for (String name : names) {
      try {
        String text = json.optionalString(name);
        words.append(text == null ? "" : text).append('\n');
      } catch (JsonException e) {
        // No text: nothing to look through.
      }
    }
    return words.toString();
  }

  private static Document one(Visit visit) throws ProblemException, EngineException, JsonException {
    JsonObject service = visit.desk().use(b -> b.services().get(visit.who(), visit.name(0)));
    String name = service.string("name");
    String here = "/page/services/" + name;
    long current = service.integer("current", 1, Integer.MAX_VALUE);
    Layout page = Layout.of(visit, name).under("/page/services", "Services");
    page.add(
        new Facts()
            .put("Description", service.string("description"))
            .put("Made", Parts.time(service.string("created")))
            .put("By", service.string("created_by"))
            .html());
    Table versions =
        visit.isOperator()
            ? new Table("Versions of the master key", "Version", "State", "Made", "To do")
            : new Table("Versions of the master key", "Version", "State", "Made");
    for (JsonObject master : service.objects("masters").reversed()) {
      long version = master.integer("version", 1, Integer.MAX_VALUE);
      List<Html> cells = new ArrayList<>();
      cells.add(Html.of("span", String.valueOf(version)));
      cells.add(
          version == current
              ? Html.of("span", Parts.good("active"), Html.of("span", " current"))
              : Parts.state(master.string("state")));
      cells.add(Parts.time(master.string("created")));
      if (visit.isOperator()) {
        cells.add(
            version != current && master.string("state").equals("active")
                ? Parts.graveButton(here + "/masters/" + version + "/retire", "Retire " + version)
                : Parts.muted("nothing"));
      }
      versions.row(cells.toArray(Html[]::new));
    }
    Html masters = Parts.section("Master key", versions.orElse("It has none."));
    if (visit.isOperator()) {
      masters.add(Parts.actions(Parts.button(here + "/rotate", "Rotate the master key")));
    }
    page.add(masters, rewrapping(service.object("rewrap")), endpoints(visit, name));
    return page.document();
  }

  private static Html rewrapping(JsonObject rewrap) throws JsonException {
    if (!rewrap.has("target")) {
      return Html.of("div");
    }
    long total = rewrap.integer("total", 0, Long.MAX_VALUE);
    long done = Math.min(total, rewrap.integer("done", 0, Long.MAX_VALUE));
    String finished = rewrap.optionalString("finished");
    String count = (finished == null ? done : total) + " of " + total + " keys";
    Html progress =
        Html.of("progress", count)
            .attr("max", String.valueOf(Math.max(1, total)))
            .attr("value", String.valueOf(finished == null ? done : Math.max(1, total)))
            .attr("aria-label", "Keys rewrapped");
    return Parts.section(
        "Rewrapping",
        new Facts()
            .put("State", finished == null ? Parts.warning("under way") : Parts.good("finished"))
            .put("To version", String.valueOf(rewrap.integer("target", 1, Integer.MAX_VALUE)))
            .put("Done", Html.of("span", progress).text(" " + count))
            .put("Began", Parts.time(rewrap.string("started")))
            .put("Ended", finished == null ? Parts.muted("not yet") : Parts.time(finished))
            .html());
  }

  private static Html endpoints(Visit visit, String service)
      throws ProblemException, EngineException, JsonException {
    Table table = new Table("Endpoints of this service", "Endpoint", "Proves itself by", "Verdict");
    JsonObject all = visit.desk().use(b -> b.services().endpoints(visit.who()));
    for (JsonObject endpoint : all.objects("endpoints")) {
      if (endpoint.strings("services").contains(service)) {
        String name = endpoint.string("name");
        table.row(
            Parts.link("/page/endpoints/" + name, name),
            EndpointPages.attestation(endpoint),
            EndpointPages.verdict(endpoint));
      }
    }
    return Parts.section(
        "Endpoints that may be given the master key", table.orElse("None is registered for it."));
  }
}
