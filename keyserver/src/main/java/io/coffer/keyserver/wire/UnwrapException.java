package io.coffer.keyserver.wire;

/** Something wrapped does not open: wrong key, wrong name or version, or damaged. */
public final class UnwrapException extends Exception {
  private static final long serialVersionUID = 1L;

  public UnwrapException(String message) {
    super(message);
  }
}
