package io.coffer.keyserver.seal;

/** The root key cannot be opened with what was given; the message says what to do next. */
public final class SealException extends Exception {
  private static final long serialVersionUID = 1L;

  public SealException(String message) {
    super(message);
  }
}
