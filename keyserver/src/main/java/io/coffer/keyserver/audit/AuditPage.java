package io.coffer.keyserver.audit;

import java.util.List;

/**
 * What a search has found, the latest first.
 *
 * @param next where to go on searching; 0 if the beginning of the log was reached
 * @param oldest number of the oldest entry that was looked at; 0 if there was none
 */
public record AuditPage(List<AuditEntry> entries, long next, long oldest) {}
