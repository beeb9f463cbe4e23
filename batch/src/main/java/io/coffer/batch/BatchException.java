package io.coffer.batch;

/** A view, key or ticket cannot be had; the message is a sentence for the user. */
public final class BatchException extends Exception {
  private static final long serialVersionUID = 1L;

  public BatchException(String message) {
    super(message);
  }
}
