package io.coffer.keyserver.box;

/**
 * A request that is refused. The title says what is wrong, the advice what to do next; neither
 * quotes a secret. The numbers are HTTP's (RFC 9110), since that is where they go.
 */
public final class ProblemException extends Exception {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final String advice;

  public ProblemException(int status, String title, String advice) {
    super(title);
    this.status = status;
    this.advice = advice;
  }

  /** Something in the request is wrong. */
  public static ProblemException badRequest(String title, String advice) {
    return new ProblemException(400, title, advice);
  }

  /** The caller may not do that. */
  public static ProblemException forbidden(String title, String advice) {
    return new ProblemException(403, title, advice);
  }

  /** There is no such thing, or the caller may not know that there is. */
  public static ProblemException notFound(String title, String advice) {
    return new ProblemException(404, title, advice);
  }

  /** The state of things does not allow it. */
  public static ProblemException conflict(String title, String advice) {
    return new ProblemException(409, title, advice);
  }

  public int status() {
    return status;
  }

  public String title() {
    return String.valueOf(getMessage());
  }

  public String advice() {
    return advice;
  }
}
