package io.coffer.keyserver.seal;

/** The root key cannot be opened with what was given; the message says what to do next. */
public final class SealException extends Exception {
  private static final long serialVersionUID = 1L;

  private final String advice;

  public SealException(String message) {
    this(message, "");
  }

  /**
   * @param advice what to do next; lines of their own
   */
  public SealException(String message, String advice) {
    super(message);
    this.advice = advice;
  }

  /** What to do next; empty if the message says so. */
  public String advice() {
    return advice;
  }
}
