package io.coffer.keyserver.audit;

import java.io.IOException;
import java.nio.file.Path;

/** A key server that runs is writing the log. */
public final class AuditInUseException extends IOException {
  private static final long serialVersionUID = 1L;

  AuditInUseException(Path file) {
    super("the audit log " + file + " is in use by a running key server; stop that first");
  }
}
