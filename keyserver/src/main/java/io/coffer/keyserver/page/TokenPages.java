package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.ArrayList;
import java.util.List;

/** Tokens and tickets, never their secrets. */
final class TokenPages {
  private TokenPages() {}

  static final List<View> VIEWS =
      List.of(
          new View("/page/tokens", "token.list", false, TokenPages::tokens),
          new View("/page/tickets", "ticket.list", false, TokenPages::tickets));

  static final List<Deed> DEEDS =
      List.of(
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
            tokens.pages())
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
