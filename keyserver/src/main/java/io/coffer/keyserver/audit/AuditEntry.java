package io.coffer.keyserver.audit;

import java.time.Instant;

/** An entry of a log: its number, when it was written, and what it says. */
public record AuditEntry(long sequence, Instant time, AuditEvent event) {}
