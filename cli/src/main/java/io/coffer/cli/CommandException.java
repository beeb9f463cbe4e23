package io.coffer.cli;

import io.coffer.keys.VolumeException;
import org.jspecify.annotations.Nullable;

/**
 * A command cannot go on. The message is one sentence that says what is wrong and where; the
 * suggestion is the exact command to run next.
 */
public final class CommandException extends Exception {
  private static final long serialVersionUID = 1L;

  private final ExitCode exitCode;
  private final @Nullable String suggestion;

  public CommandException(ExitCode exitCode, String message) {
    this(exitCode, message, null);
  }

  public CommandException(ExitCode exitCode, String message, @Nullable String suggestion) {
    super(message);
    this.exitCode = exitCode;
    this.suggestion = suggestion;
  }

  /** The exception for a volume that cannot be opened, made or changed. */
  public static CommandException of(VolumeException e) {
    var wrapped =
        new CommandException(exitCode(e.problem()), String.valueOf(e.getMessage()), e.suggestion());
    wrapped.initCause(e);
    return wrapped;
  }

  private static ExitCode exitCode(VolumeException.Problem problem) {
    return switch (problem) {
      case NOT_A_VOLUME, CONFIG_DAMAGED -> ExitCode.LOAD_CONFIG;
      case NO_DIRECTORY -> ExitCode.VOLUME_DIRECTORY;
      case DIRECTORY_NOT_EMPTY, VOLUME_EXISTS -> ExitCode.INIT;
      case CONFIG_UNREADABLE -> ExitCode.OPEN_CONFIG;
      case DEPRECATED, UNKNOWN_FEATURE -> ExitCode.DEPRECATED;
      case SCRYPT_PARAMETERS -> ExitCode.SCRYPT_PARAMETERS;
      case FIDO2_TOKEN_NEEDED -> ExitCode.FIDO2;
      case NOT_REVERSIBLE -> ExitCode.USAGE;
      case WRONG_PASSWORD -> ExitCode.WRONG_PASSWORD;
      case PASSWORD_EMPTY -> ExitCode.PASSWORD_EMPTY;
      case PASSWORD_TOO_LONG, PASSWORD_UNREADABLE -> ExitCode.READ_PASSWORD;
      case MASTER_KEY_MALFORMED -> ExitCode.MASTER_KEY;
      case WRITE_FAILED -> ExitCode.WRITE_CONFIG;
      case NO_PROTECTOR, LAST_PROTECTOR -> ExitCode.PROTECTOR;
    };
  }

  public ExitCode exitCode() {
    return exitCode;
  }

  /** The exact command to run next, or null. */
  public @Nullable String suggestion() {
    return suggestion;
  }
}
