package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Roles;
import io.coffer.keyserver.box.Services;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;

/** Endpoints, and what their TPMs have proved. */
final class EndpointPages {
  private EndpointPages() {}

  static final List<View> VIEWS =
      List.of(
          new View("/page/endpoints", "endpoint.list", true, EndpointPages::list),
          new View("/page/endpoints/*", "endpoint.list", true, EndpointPages::one));

  static final Deed REGISTER =
      new Deed(
          "/page/endpoints/new/endpoint",
          "endpoint.register",
          "Register an endpoint",
          "Register it",
          false,
          visit -> {
            Roles.requireOperator(visit.who());
            return Parts.paragraph(
                "A node that is to be given the master keys of services: it shows the certificate"
                    + " endpoint:NAME. With a TPM, paste what 'coffer keyserver tpm' printed on the"
                    + " node while it was as it should be; without, it proves itself by its"
                    + " certificate alone, and the audit log says so. One of that name is"
                    + " replaced.");
          },
          "The endpoint is registered.",
          2,
          new Input(EndpointPages::fields, EndpointPages::body, "name"));

  private static Html fields(Visit visit) throws ProblemException, EngineException, JsonException {
    List<Html> services = new ArrayList<>();
    for (JsonObject service : visit.desk().use(b -> b.services().list()).objects("services")) {
      String name = service.string("name");
      if (!name.equals(Services.OWNERS)) {
        services.add(Parts.tick("service-" + name, name, false));
      }
    }
    return Parts.fields(
        Parts.field("name", "Name", "", "As node1, of endpoint:node1.", false),
        Parts.group("Services (for an endpoint without TPM)", services),
        Parts.area(
            "registration",
            "What 'coffer keyserver tpm' printed (for an endpoint with TPM)",
            "It names the services, too."));
  }

  private static JsonObject body(JsonObject form) throws ProblemException, JsonException {
    String registration = Input.text(form, "registration");
    List<String> services = Input.ticked(form, "service-");
    if (registration.isEmpty()) {
      return new JsonObject().put("services", services).put("attestation", "mtls");
    }
    if (!services.isEmpty()) {
      throw ProblemException.badRequest(
          "services are ticked, and a TPM's registration names its own",
          "Go back, and give either of them.");
    }
    return JsonObject.parse(registration.getBytes(StandardCharsets.UTF_8), Set.of());
  }

  static final Deed UNREGISTER =
      new Deed(
          "/page/endpoints/*/unregister",
          "endpoint.unregister",
          "Take an endpoint's registration away",
          "Take it away",
          true,
          visit -> {
            find(visit);
            return Parts.paragraph(
                "The endpoint "
                    + visit.name(0)
                    + " is given no master key any more, and keys that it holds in its cache are"
                    + " wiped within a second. A master key that it was given before it may have"
                    + " kept: rotate the master keys of its services if it is not to be trusted. To"
                    + " undo this, register it again.");
          },
          "The endpoint is registered no more.",
          2);

  private static Document list(Visit visit)
      throws ProblemException, EngineException, JsonException {
    Listing<JsonObject> endpoints =
        new Listing<>(
            visit,
            visit.desk().use(b -> b.services().endpoints(visit.who())).objects("endpoints"),
            e -> ServicePages.words(e, "name", "attestation") + services(e));
    Table table =
        new Table("Endpoints", "Endpoint", "Services", "Proves itself by", "Verdict", "When");
    for (JsonObject endpoint : endpoints.shown()) {
      String name = endpoint.string("name");
      JsonObject verdict = endpoint.object("verdict");
      table.row(
          Parts.link("/page/endpoints/" + name, name),
          Parts.list(endpoint.strings("services"), "none"),
          attestation(endpoint),
          verdict(endpoint),
          verdict.has("time") ? Parts.time(verdict.string("time")) : Parts.muted("never"));
    }
    return Layout.of(visit, "Endpoints")
        .add(
            Parts.paragraph(
                "Nodes that may be given the master keys of their services. A verdict is the last"
                    + " one; a proof holds for an hour."),
            endpoints.search("Name, service, or tpm or mtls"),
            table.orElse("There is none."),
            endpoints.pages(),
            visit.isOperator()
                ? Parts.actions(
                    Parts.button("/page/endpoints/new/endpoint", "Register an endpoint"))
                : Html.of("div"))
        .document();
  }

  private static String services(JsonObject endpoint) {
    try {
      return String.join("\n", endpoint.strings("services"));
    } catch (JsonException e) {
      return "";
    }
  }

  static Html attestation(JsonObject endpoint) throws JsonException {
    return endpoint.string("attestation").equals("tpm")
        ? Html.of("span", "TPM and certificate")
        : Html.of("span", "certificate only");
  }

  static Html verdict(JsonObject endpoint) throws JsonException {
    JsonObject verdict = endpoint.object("verdict");
    if (endpoint.string("attestation").equals("mtls")) {
      return Parts.muted("not asked for");
    }
    if (!verdict.has("trusted")) {
      return Parts.warning("has not attested yet");
    }
    if (verdict.bool("trusted", false)) {
      return Parts.good("trusted");
    }
    List<String> changed = verdict.strings("changed");
    return Html.of("span", Parts.bad("not trusted"))
        .text(
            changed.isEmpty()
                ? " " + verdict.string("reason")
                : " PCR " + String.join(", ", changed) + " changed");
  }

  private static JsonObject find(Visit visit)
      throws ProblemException, EngineException, JsonException {
    JsonObject all = visit.desk().use(b -> b.services().endpoints(visit.who()));
    for (JsonObject endpoint : all.objects("endpoints")) {
      if (endpoint.string("name").equals(visit.name(0))) {
        return endpoint;
      }
    }
    throw ProblemException.notFound(
        "there is no endpoint of that name", "The list of endpoints shows them all.");
  }

  private static Document one(Visit visit) throws ProblemException, EngineException, JsonException {
    JsonObject endpoint = find(visit);
    String name = endpoint.string("name");
    JsonObject verdict = endpoint.object("verdict");
    Facts facts =
        new Facts()
            .put("Services", Parts.list(endpoint.strings("services"), "none"))
            .put("Proves itself by", attestation(endpoint))
            .put("Registered", Parts.time(endpoint.string("registered")))
            .put("By", endpoint.string("registered_by"))
            .put("Verdict", verdict(endpoint));
    if (verdict.has("time")) {
      facts.put("When", Parts.time(verdict.string("time")));
    }
    if (verdict.has("reason")) {
      facts.put("Why", verdict.string("reason"));
    }
    Layout page = Layout.of(visit, name).under("/page/endpoints", "Endpoints").add(facts.html());
    if (endpoint.has("tpm")) {
      page.add(registers(endpoint.object("tpm").object("pcrs"), verdict));
    }
    if (visit.isOperator()) {
      page.add(
          Parts.actions(
              Parts.graveButton(
                  "/page/endpoints/" + name + "/unregister", "Take the registration away")));
    }
    return page.document();
  }

  private static Html registers(JsonObject registers, JsonObject verdict) throws JsonException {
    List<String> changed = verdict.strings("changed");
    Table table = new Table("Registers of the SHA-256 bank", "PCR", "Last quote", "Allowed values");
    for (String register :
        registers.names().stream().sorted(Comparator.comparing(Integer::valueOf)).toList()) {
      Html values = Html.of("ul").attr("class", "values");
      for (String value : registers.strings(register)) {
        values.add(Html.of("li", Parts.code(value)));
      }
      table.row(
          Html.of("span", register),
          changed.contains(register)
              ? Parts.bad("changed")
              : verdict.bool("trusted", false)
                  ? Parts.good("as allowed")
                  : changed.isEmpty() ? Parts.muted("not known") : Parts.good("as allowed"),
          values);
    }
    return Parts.section(
        "What its TPM has to show",
        Parts.paragraph(
            "Registers (PCR) of the SHA-256 bank. If a change was intended, as by new firmware,"
                + " register the new values beside the old ones: PUT /v1/endpoints."),
        table.orElse("No register is named."));
  }
}
