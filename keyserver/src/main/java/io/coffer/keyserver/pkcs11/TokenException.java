package io.coffer.keyserver.pkcs11;

import java.io.IOException;

/** A token, or the library that leads to it, refuses or is not there; the message says which. */
public final class TokenException extends IOException {
  private static final long serialVersionUID = 1L;

  private final String advice;
  private final boolean absent;

  public TokenException(String message, String advice) {
    this(message, advice, false);
  }

  /**
   * @param absent is the token or the key just not there?
   */
  TokenException(String message, String advice, boolean absent) {
    super(message);
    this.advice = advice;
    this.absent = absent;
  }

  /** Is the token or the key just not there, so that nothing is lost by trying another? */
  public boolean isAbsent() {
    return absent;
  }

  /** What to do next. */
  public String advice() {
    return advice;
  }
}
