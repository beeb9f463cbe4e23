package io.coffer.keyserver.page;

import io.coffer.keyserver.audit.AuditCheck;
import io.coffer.keyserver.box.LockBoxes;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.ArrayList;
import java.util.List;

/** How the server is, and what is there for whoever looks. */
final class HomePage {
  private HomePage() {}

  static final View VIEW = new View("/page", "server.status", false, HomePage::show);

  static final Deed SEAL =
      new Deed(
          "/page/seal/seal",
          "server.seal",
          "Seal the server",
          "Seal it",
          true,
          visit ->
              Parts.paragraph(
                  "The server forgets every key and answers nobody until operators open it again"
                      + " with 'coffer keyserver unseal', by the passphrase or their shares."
                      + " Mounted volumes stay open until their tokens end. Other servers that"
                      + " share the store are not sealed by this."),
          "The server is sealed.",
          2);

  private static Document show(Visit visit)
      throws ProblemException, EngineException, JsonException {
    Layout page = Layout.of(visit, "Overview");
    boolean sealed = visit.desk().isSealed();
    if (sealed) {
      page.add(
          Parts.notice(
              "bad",
              "The server is sealed.",
              Parts.paragraph(
                  "It knows no key and answers nothing. Operators open it with 'coffer keyserver"
                      + " unseal DIR', by the passphrase or their shares.")));
    }
    Facts facts =
        new Facts()
            .put("Server", sealed ? Parts.bad("sealed") : Parts.good("open"))
            .put("Time", Parts.time(visit.desk().now().toString()));
    List<String> servers = visit.desk().servers();
    if (!servers.isEmpty()) {
      facts.put("Servers alive", Parts.list(servers, "none"));
    }
    if (!sealed && visit.isOverseer()) {
      long[] size = visit.desk().<long[]>use(LockBoxes::size);
      facts.put("Store", size[0] + " records, " + size[1] + " commits");
    }
    facts.put("Audit log", log(visit.desk().auditCheck()));
    facts.put("Its end", Parts.code(visit.desk().audit().head().toString()));
    page.add(Parts.section("Server", facts.html()));
    if (!sealed) {
      page.add(visit.isOverseer() ? attention(visit) : yours(visit));
      if (visit.isOperator()) {
        page.add(Parts.actions(Parts.graveButton("/page/seal/seal", "Seal the server")));
      }
    }
    return page.document();
  }

  /** How far the log was verified, and how that ended. */
  static Html log(AuditCheck check) {
    AuditCheck.Result last = check.last();
    String damage = last.damage();
    if (last.end().sequence() == 0 && damage == null && !check.isRunning()) {
      return Html.of("span", "new: it was empty when the server started");
    }
    Html text =
        damage == null
            ? Html.of("span", Parts.good("intact"))
                .text(" up to entry " + last.end().sequence() + ", verified ")
            : Html.of("span", Parts.bad("damaged")).text(" " + damage + "; found ");
    text.add(Parts.time(last.time().toString()));
    return check.isRunning() ? text.text("; it is being verified again") : text;
  }

  private static Html attention(Visit visit)
      throws ProblemException, EngineException, JsonException {
    List<Html> points = new ArrayList<>();
    JsonObject endpoints = visit.desk().use(b -> b.services().endpoints(visit.who()));
    for (JsonObject endpoint : endpoints.objects("endpoints")) {
      JsonObject verdict = endpoint.object("verdict");
      if (verdict.has("trusted") && !verdict.bool("trusted", false)) {
        String name = endpoint.string("name");
        points.add(
            Html.of(
                "li",
                Parts.bad("not trusted"),
                Html.of("span", " Endpoint "),
                Parts.link("/page/endpoints/" + name, name),
                Html.of("span", ": " + verdict.string("reason"))));
      }
    }
    for (String service : visit.desk().<List<String>>use(b -> b.services().unfinished())) {
      points.add(
          Html.of(
              "li",
              Parts.warning("under way"),
              Html.of("span", " Keys are being rewrapped under a new master key: "),
              Parts.link("/page/services/" + service, service)));
    }
    return Parts.section(
        "Needs attention",
        points.isEmpty()
            ? Parts.paragraph("Nothing: no endpoint was found changed, no rewrapping is under way.")
            : Html.of("ul", points.toArray(Html[]::new)).attr("class", "points"));
  }

  private static Html yours(Visit visit) throws ProblemException, EngineException, JsonException {
    if (visit.who().profile() == Profile.ENDPOINT) {
      return Parts.section(
          "This endpoint",
          Parts.paragraph("An endpoint's program asks by the API; there is little to see here."));
    }
    List<String> owners = visit.desk().use(b -> b.owners().list(visit.who())).strings("owners");
    Html list = Html.of("ul").attr("class", "points");
    for (String owner : owners) {
      list.add(Html.of("li", Parts.link("/page/owners/" + owner, owner)));
    }
    return Parts.section(
        "Your owners",
        owners.isEmpty()
            ? Parts.paragraph(
                "You are a member of no owner. An admin of one can add " + visit.who() + ".")
            : list);
  }
}
