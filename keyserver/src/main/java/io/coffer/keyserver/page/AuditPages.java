package io.coffer.keyserver.page;

import io.coffer.keyserver.audit.AuditEntry;
import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditPage;
import io.coffer.keyserver.audit.AuditQuery;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.box.Roles;
import java.io.IOException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The audit log, for auditors, searched from its end. */
final class AuditPages {
  /** What one request looks through at most; the next goes on there. */
  private static final long BUDGET_BYTES = 8 << 20;

  private static final List<String> OUTCOMES = List.of("granted", "refused", "failed");

  private AuditPages() {}

  static final View VIEW = new View("/page/audit", "audit.read", true, AuditPages::show);

  static final Deed VERIFY =
      new Deed(
          "/page/audit/verify",
          "audit.verify",
          "Verify the audit log",
          "Verify it",
          false,
          visit -> {
            Roles.requireAuditor(visit.who());
            return Parts.paragraph(
                "Every entry is read again, from the first, and its place in the chain and the"
                    + " signatures are checked. That takes about a minute for a million entries, in"
                    + " the background. That the log was not replaced as a whole only an end that"
                    + " was noted elsewhere shows: 'coffer audit verify --head'.");
          },
          "The log is being verified; look again in a moment.",
          1);

  private static Document show(Visit visit) throws ProblemException, IOException {
    Roles.requireAuditor(visit.who());
    AuditQuery query =
        new AuditQuery(
            visit.text("who"),
            visit.text("what"),
            visit.text("key"),
            OUTCOMES.contains(visit.text("outcome")) ? visit.text("outcome") : "",
            instant(visit.text("from")),
            instant(visit.text("until")));
    AuditPage found;
    try {
      found =
          visit.desk().audit().search(query, visit.number("before"), Listing.PAGE, BUDGET_BYTES);
    } catch (IllegalArgumentException e) {
      throw ProblemException.badRequest(
          "there is no such place in the log", "Follow the links of the page instead.");
    }
    Table table = new Table("Entries, the latest first", "Entry", "Time", "Who", "What", "Outcome");
    for (AuditEntry entry : found.entries()) {
      AuditEvent event = entry.event();
      Html who = Html.of("span", Parts.name(event.who()));
      if (!event.from().isEmpty()) {
        who.add(Html.of("br"), Parts.muted("from " + event.from()));
      }
      Html what = Html.of("span", Html.of("strong", event.action()));
      if (!event.target().isEmpty()) {
        what.add(Html.of("br"), Html.of("bdi", event.target()).attr("class", "target"));
      }
      Html outcome = Html.of("span", outcome(event.outcome()));
      if (!event.reason().isEmpty()) {
        outcome.add(Html.of("br"), Parts.name(event.reason()));
      }
      table.row(
          Html.of("span", String.valueOf(entry.sequence())),
          Parts.time(entry.time().toString()),
          who,
          what,
          outcome);
    }
    return Layout.of(visit, "Audit log")
        .add(
            new Facts()
                .put("State", HomePage.log(visit.desk().auditCheck()))
                .put("End", Parts.code(visit.desk().audit().head().toString()))
                .html(),
            Parts.actions(
                Parts.button("/page/audit/verify", "Verify all of it"),
                Parts.link("/v1/audit?limit=10000", "As JSON lines")),
            form(visit),
            table.orElse("Nothing was found."),
            pages(visit, found))
        .document();
  }

  private static Html outcome(String outcome) {
    return outcome.equals("granted")
        ? Parts.good(outcome)
        : outcome.equals("refused") ? Parts.warning(outcome) : Parts.bad(outcome);
  }

  private static Html form(Visit visit) {
    Html choice = Html.of("select").attr("id", "outcome").attr("name", "outcome");
    choice.add(Html.of("option", "any").attr("value", ""));
    for (String outcome : OUTCOMES) {
      Html option = Html.of("option", outcome).attr("value", outcome);
      choice.add(
          visit.text("outcome").equals(outcome) ? option.attr("selected", "selected") : option);
    }
    return Html.of(
            "form",
            Parts.input("who", "Who or from where", visit.text("who")),
            Parts.input("what", "What, as key.read", visit.text("what")),
            Parts.input("key", "Key, owner, service or reason", visit.text("key")),
            Html.of("div", Html.of("label", "Outcome").attr("for", "outcome"), choice)
                .attr("class", "field"),
            time("from", "From (UTC)", visit.text("from")),
            time("until", "Until (UTC)", visit.text("until")),
            Html.of("div", Parts.submit("Search"), Parts.link("/page/audit", "Start anew"))
                .attr("class", "field buttons"))
        .attr("action", "/page/audit")
        .attr("method", "get")
        .attr("role", "search")
        .attr("aria-label", "Audit log")
        .attr("class", "search wide");
  }

  private static Html time(String id, String label, String value) {
    return Html.of(
            "div",
            Html.of("label", label).attr("for", id),
            Html.of("input")
                .attr("id", id)
                .attr("name", id)
                .attr("type", "datetime-local")
                .attr("value", value))
        .attr("class", "field");
  }

  private static Html pages(Visit visit, AuditPage found) {
    List<Html> parts = new ArrayList<>();
    if (visit.text("before").length() > 0) {
      parts.add(Parts.link(same(visit).text(), "Latest"));
    }
    if (found.next() > 0) {
      String older =
          found.entries().size() < Listing.PAGE
              ? "Search on before entry " + found.oldest()
              : "Older entries";
      parts.add(
          Parts.link(same(visit).with("before", String.valueOf(found.next())).text(), older)
              .attr("rel", "next"));
    }
    return parts.isEmpty() ? Html.of("div") : Listing.pager(parts);
  }

  private static Address same(Visit visit) {
    Address address = new Address("/page/audit");
    for (String field : List.of("who", "what", "key", "outcome", "from", "until")) {
      address = address.with(field, visit.text(field));
    }
    return address;
  }

  private static @Nullable Instant instant(String text) throws ProblemException {
    if (text.isEmpty()) {
      return null;
    }
    try {
      return LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
    } catch (DateTimeParseException e) {
      throw ProblemException.badRequest(
          "a time is malformed", "Write it as 2026-12-31T23:59, in UTC.");
    }
  }
}
