package io.coffer.keys;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A volume cannot be opened, made or changed. The message is one sentence for a user; the
 * suggestion, where there is one, is the exact command to run next.
 */
public final class VolumeException extends Exception {
  private static final long serialVersionUID = 1L;

  /** What stands in the way. */
  public enum Problem {
    /** There is no configuration where one should be. */
    NOT_A_VOLUME,
    /** The directory is missing or is none. */
    NO_DIRECTORY,
    /** A new volume would not be alone in its directory. */
    DIRECTORY_NOT_EMPTY,
    /** A new volume would overwrite a configuration. */
    VOLUME_EXISTS,
    /** The configuration is there and cannot be read. */
    CONFIG_UNREADABLE,
    /** The configuration is not what it should be. */
    CONFIG_DAMAGED,
    /** The volume's format is too old, or contradicts itself. */
    DEPRECATED,
    /** The volume's format is too new. */
    UNKNOWN_FEATURE,
    /** The configuration asks for hashing that is too weak, or that takes too much memory. */
    SCRYPT_PARAMETERS,
    /** The volume is opened by a FIDO2 token, not by a password. */
    FIDO2_TOKEN_NEEDED,
    /** A reverse view needs AES-SIV and the volume has something else. */
    NOT_REVERSIBLE,
    WRONG_PASSWORD,
    PASSWORD_EMPTY,
    PASSWORD_TOO_LONG,
    /** The file, command or stream that should give the password failed. */
    PASSWORD_UNREADABLE,
    /** What was given as master key is none. */
    MASTER_KEY_MALFORMED,
    /** There is no such protector, or its name is wrong. */
    NO_PROTECTOR,
    /** Without this protector nobody could get at a key again. */
    LAST_PROTECTOR,
    /** The store refused what had to be written. */
    WRITE_FAILED
  }

  private final Problem problem;
  private final @Nullable String suggestion;

  public VolumeException(Problem problem, String message) {
    this(problem, message, null, null);
  }

  /**
   * @param suggestion the exact command to run next, or null
   * @param cause what the system answered, or null
   */
  public VolumeException(
      Problem problem, String message, @Nullable String suggestion, @Nullable Throwable cause) {
    super(message, cause);
    this.problem = problem;
    this.suggestion = suggestion;
  }

  /** One sentence for a user. */
  @Override
  public String getMessage() {
    return Objects.requireNonNull(super.getMessage());
  }

  public Problem problem() {
    return problem;
  }

  /** The exact command to run next, or null. */
  public @Nullable String suggestion() {
    return suggestion;
  }
}
