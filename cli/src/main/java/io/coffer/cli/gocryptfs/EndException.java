package io.coffer.cli.gocryptfs;

import io.coffer.cli.ExitCode;
import org.jspecify.annotations.Nullable;

/** The program ends with an exit code, after a last message if there is one. */
final class EndException extends Exception {
  private static final long serialVersionUID = 1L;

  private final ExitCode exitCode;
  private final @Nullable String fatal;

  EndException(ExitCode exitCode, @Nullable String fatal) {
    super(fatal);
    this.exitCode = exitCode;
    this.fatal = fatal;
  }

  ExitCode exitCode() {
    return exitCode;
  }

  @Nullable String fatal() {
    return fatal;
  }
}
