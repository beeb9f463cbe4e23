package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Services;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** Tokens and tickets; the secret of a token once, to whom it is issued. */
final class TokenPages {
  private TokenPages() {}

  static final List<View> VIEWS =
      List.of(
          new View("/page/tokens", "token.list", false, TokenPages::tokens),
          new View("/page/tickets", "ticket.list", false, TokenPages::tickets));

  static final List<Deed> DEEDS =
      List.of(
          new Deed(
              "/page/tokens/new/token",
              "token.issue",
              "Issue a token",
              "Issue it",
              false,
              visit -> {
                if (visit.isOverseer()) {
                  throw ProblemException.forbidden(
                      "only clients and endpoints may have tokens issued",
                      "Operators and auditors read no key, so that a token would be of no use to"
                          + " them.");
                }
                return Parts.paragraph(
                    "Whoever shows it reads keys in your name, and does nothing else. What is left"
                        + " empty bounds nothing. It is shown once: on the next page.");
              },
              "The token is issued.",
              2,
              new Input(TokenPages::newToken, TokenPages::newTokenBody, ""),
              TokenPages::issued),
          new Deed(
              "/page/tokens/*/revoke",
              "token.revoke",
              "Revoke a token",
              "Revoke it",
              true,
              visit ->
                  about(
                      "The token ",
                      visit,
                      " is worthless from now on. Who holds keys by it wipes them within a second,"
                          + " where the server is reached. It cannot be given back: have another"
                          + " one issued."),
              "The token is revoked.",
              2),
          new Deed(
              "/page/tickets/*/revoke",
              "ticket.revoke",
              "Revoke a ticket",
              "Revoke it",
              true,
              visit ->
                  about(
                      "The ticket ",
                      visit,
                      " is worthless from now on, and so are all tokens that were given for it: a"
                          + " job that uses it loses its view within a second."),
              "The ticket and its tokens are revoked.",
              2));

  private static Html newToken(Visit visit)
      throws ProblemException, EngineException, JsonException {
    List<Html> services = new ArrayList<>();
    for (JsonObject service : visit.desk().use(b -> b.services().list()).objects("services")) {
      String name = service.string("name");
      if (!name.equals(Services.OWNERS)) {
        services.add(Parts.tick("service-" + name, name, false));
      }
    }
    return Parts.fields(
        Parts.field(
            "presenter",
            "Who shows it",
            "",
            "As endpoint:node1. If this is empty, whoever has the token can use it.",
            true),
        Parts.group("Services", services),
        Parts.field("owners", "Owners", "", "As project:hpc; with commas between.", true),
        Parts.field("keys", "Keys", visit.text("key"), "Their ids, with commas between.", true),
        Parts.field("minutes", "Minutes", "15", "How long it is good; 1440 at most.", false),
        Parts.field(
            "renewable",
            "Renewable for hours",
            "0",
            "Up to what age who shows it may lengthen it; 720 at most.",
            false));
  }

  private static JsonObject newTokenBody(JsonObject form) throws ProblemException, JsonException {
    JsonObject body =
        new JsonObject()
            .put("services", Input.ticked(form, "service-"))
            .put("owners", Input.list(form, "owners"))
            .put("keys", Input.list(form, "keys"))
            .put("seconds", 60 * Input.number(form, "minutes"))
            .put("renewable_seconds", 3600 * Input.number(form, "renewable"));
    String presenter = Input.text(form, "presenter");
    return presenter.isEmpty() ? body : body.put("presenter", presenter);
  }

  private static Document issued(Visit visit, JsonObject answer) throws JsonException {
    return Layout.of(visit, "The token")
        .under("/page/tokens", "Tokens")
        .add(
            Parts.notice(
                "warn",
                "It is shown this once.",
                Parts.paragraph(
                    "Give it to who is to show it, in a file that nobody else may read. If it gets"
                        + " elsewhere, revoke it.")),
            new Facts()
                .put("Token", Parts.code(Base64.getEncoder().encodeToString(answer.bytes("token"))))
                .put("Its id", Parts.code(answer.string("id")))
                .put("Ends", Parts.until(answer.string("expires"), visit.desk().now()))
                .html(),
            Parts.actions(Parts.button("/page/tokens", "To the tokens")))
        .document();
  }

  private static Html about(String before, Visit visit, String after) {
    return Html.of("p", before).add(Parts.code(visit.name(0))).text(after);
  }

  private static Document tokens(Visit visit)
      throws ProblemException, EngineException, JsonException {
    Listing<JsonObject> tokens =
        new Listing<>(
            visit,
            visit.desk().use(b -> b.tokens().list(visit.who())).objects("tokens"),
            t -> ServicePages.words(t, "id", "subject", "presenter") + scopeWords(t));
    Table table =
        new Table("Tokens", "Token", "In the name of", "Shown by", "Reads", "Ends", "To do");
    for (JsonObject token : tokens.shown()) {
      String id = token.string("id");
      String presenter = token.optionalString("presenter");
      String last = token.string("renewable_until");
      Html ends = Html.of("span", Parts.until(token.string("expires"), visit.desk().now()));
      if (!last.equals(token.string("expires"))) {
        ends.add(Html.of("br"), Parts.muted("renewable until "), Parts.time(last));
      }
      table.row(
          Parts.code(id),
          Parts.name(token.string("subject")),
          presenter == null ? Parts.warning("anybody") : Parts.name(presenter),
          scope(token),
          ends,
          visit.isAuditor()
              ? Parts.muted("nothing")
              : Parts.graveButton("/page/tokens/" + id + "/revoke", "Revoke"));
    }
    return Layout.of(visit, "Tokens")
        .add(
            Parts.paragraph(
                (visit.isOverseer() ? "All tokens that are good now." : "Your tokens.")
                    + " Whoever shows one reads keys in somebody's name, until it ends."),
            tokens.search("Id, name, service, owner or key"),
            table.orElse("There is none."),
            tokens.pages(),
            visit.isOverseer()
                ? Html.of("div")
                : Parts.actions(Parts.button("/page/tokens/new/token", "Issue a token")))
        .document();
  }

  private static String scopeWords(JsonObject token) {
    try {
      List<String> all = new ArrayList<>(token.strings("services"));
      all.addAll(token.strings("owners"));
      all.addAll(token.strings("keys"));
      return String.join("\n", all);
    } catch (JsonException e) {
      return "";
    }
  }

  private static Html scope(JsonObject token) throws JsonException {
    Html list = Html.of("ul").attr("class", "values");
    boolean bounded = false;
    for (String[] kind :
        new String[][] {{"services", "service "}, {"owners", ""}, {"keys", "key "}}) {
      for (String name : token.strings(kind[0])) {
        bounded = true;
        Html what = kind[0].equals("keys") ? Parts.code(name) : Parts.name(name);
        list.add(Html.of("li", kind[1]).add(what));
      }
    }
    return bounded ? list : Html.of("span", "all that its holder may");
  }

  private static Document tickets(Visit visit)
      throws ProblemException, EngineException, JsonException {
    Listing<JsonObject> tickets =
        new Listing<>(
            visit,
            visit.desk().use(b -> b.tickets().list(visit.who())).objects("tickets"),
            t -> ServicePages.words(t, "id", "subject", "user", "service", "owner", "key", "job"));
    Table table =
        new Table(
            "Tickets", "Ticket", "For jobs of", "Key", "Job", "Nodes served", "Ends", "To do");
    for (JsonObject ticket : tickets.shown()) {
      String id = ticket.string("id");
      boolean revoked = ticket.bool("revoked", false);
      String job = ticket.optionalString("job");
      List<String> served = ticket.strings("served").stream().sorted().toList();
      table.row(
          Html.of("span", Parts.code(id), Html.of("br"), Parts.muted("issued to "))
              .add(Parts.name(ticket.string("subject"))),
          Parts.name(ticket.string("user")),
          Html.of("span", Parts.code(ticket.string("key")), Html.of("br"))
              .text(ticket.string("owner") + " for " + ticket.string("service")),
          job == null ? Parts.muted("not used yet") : Parts.name(job),
          Html.of("span", Parts.list(served, "none"))
              .text(" of " + ticket.integer("nodes", 1, Integer.MAX_VALUE)),
          revoked
              ? Parts.bad("revoked")
              : Parts.until(ticket.string("expires"), visit.desk().now()),
          visit.isAuditor() || revoked
              ? Parts.muted("nothing")
              : Parts.graveButton("/page/tickets/" + id + "/revoke", "Revoke"));
    }
    return Layout.of(visit, "Tickets")
        .add(
            Parts.paragraph(
                (visit.isOverseer() ? "All tickets whose time is not over." : "Your tickets.")
                    + " A batch job carries one instead of a password."),
            tickets.search("Id, user, job, service, owner or key"),
            table.orElse("There is none."),
            tickets.pages())
        .document();
  }
}
