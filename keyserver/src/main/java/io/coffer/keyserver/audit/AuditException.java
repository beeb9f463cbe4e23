package io.coffer.keyserver.audit;

import java.io.IOException;

/** The audit log is damaged, was tampered with, or cannot be written. */
public final class AuditException extends IOException {
  private static final long serialVersionUID = 1L;

  public AuditException(String message) {
    super(message);
  }

  public AuditException(String message, Throwable cause) {
    super(message, cause);
  }
}
