package io.coffer.format.gocryptfs;

import io.coffer.format.FormatException;

/** A configuration cannot be used. */
public final class ConfigException extends FormatException {
  private static final long serialVersionUID = 1L;

  /** What stands in the way. */
  public enum Reason {
    /** Not JSON, or a value is missing or of the wrong kind. */
    DAMAGED,
    /**
     * Written by a version whose format is given up, or of flags that contradict each other; the
     * two cannot be told apart, and gocryptfs answers both with one exit code.
     */
    DEPRECATED,
    /** A feature flag that this version does not know. */
    UNKNOWN_FEATURE,
    /** Parameters of the password hash are below the floor, or beyond what memory allows. */
    SCRYPT_PARAMETERS
  }

  private final Reason reason;

  public ConfigException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
