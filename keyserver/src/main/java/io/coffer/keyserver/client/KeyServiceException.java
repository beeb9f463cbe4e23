package io.coffer.keyserver.client;

import java.io.IOException;

/** The key service refuses, or cannot be reached. */
public final class KeyServiceException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * Status of an exception that no answer of the server caused: it could not be reached, or what it
   * answered is malformed. The cause says more.
   */
  public static final int UNREACHABLE = 0;

  private final int status;
  private final String problem;
  private final String advice;

  KeyServiceException(int status, String message) {
    super(message);
    this.status = status;
    this.problem = message;
    this.advice = "";
  }

  /** A refusal: what is wrong, and what to do next. */
  KeyServiceException(int status, String problem, String advice) {
    super("the key server refuses: " + problem + (advice.isEmpty() ? "" : ". " + advice));
    this.status = status;
    this.problem = problem;
    this.advice = advice;
  }

  KeyServiceException(String message, Throwable cause) {
    super(message, cause);
    this.status = UNREACHABLE;
    this.problem = message;
    this.advice = "";
  }

  /** The HTTP status of the refusal, or {@link #UNREACHABLE}. */
  public int status() {
    return status;
  }

  /** What is wrong, as the server says it. */
  public String problem() {
    return problem;
  }

  /** What to do next, as the server says it; may be empty. */
  public String advice() {
    return advice;
  }
}
