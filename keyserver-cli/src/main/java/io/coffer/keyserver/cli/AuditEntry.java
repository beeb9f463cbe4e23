package io.coffer.keyserver.cli;

import picocli.CommandLine.Command;

/** {@code coffer audit}. */
@Command(name = "audit", description = "Check the audit log of a key server.")
public final class AuditEntry extends Entry {
  @Override
  Object commands() {
    return new AuditCommand();
  }
}
