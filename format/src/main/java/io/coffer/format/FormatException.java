package io.coffer.format;

/** Stored bytes are not what the format makes: damaged, forged, truncated or of another version. */
public class FormatException extends Exception {
  private static final long serialVersionUID = 1L;

  /** {@code message} says what is wrong with what, in words for a user; it holds no plain text. */
  public FormatException(String message) {
    super(message);
  }
}
