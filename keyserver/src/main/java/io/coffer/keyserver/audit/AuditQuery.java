package io.coffer.keyserver.audit;

import java.time.Instant;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What to look for in a log. An empty text looks for anything; else a part of the text is enough,
 * and upper and lower case are the same.
 *
 * @param who by whom, or from which address
 * @param action what was asked for
 * @param target about what: a service, an owner, a key's id; the reason is looked through, too,
 *     since it names tokens, jobs and lock boxes
 * @param outcome granted, refused or failed, in full
 * @param from not before; null for any time
 * @param until not at this time or after it; null for any time
 */
public record AuditQuery(
    String who,
    String action,
    String target,
    String outcome,
    @Nullable Instant from,
    @Nullable Instant until) {
  /** Looks for anything. */
  public static final AuditQuery ALL = new AuditQuery("", "", "", "", null, null);

  boolean matches(AuditEntry entry) {
    AuditEvent event = entry.event();
    return (has(event.who(), who) || has(event.from(), who))
        && has(event.action(), action)
        && (has(event.target(), target) || has(event.reason(), target))
        && (outcome.isEmpty() || event.outcome().equals(outcome))
        && (from == null || !entry.time().isBefore(from))
        && (until == null || entry.time().isBefore(until));
  }

  private static boolean has(String text, String part) {
    return part.isEmpty() || text.toLowerCase(Locale.ROOT).contains(part.toLowerCase(Locale.ROOT));
  }
}
