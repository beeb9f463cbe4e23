package io.coffer.posix;

import java.io.IOException;

/**
 * A system call failed: carries the errno value unchanged from the store to whoever asked. Cheap to
 * throw (no stack trace), since a missing name is an everyday answer and not a fault.
 */
public final class ErrnoException extends IOException {
  private static final long serialVersionUID = 1L;

  private final int errno;

  /** An error without further words. {@code errno} is positive, as in {@code errno.h}. */
  public ErrnoException(int errno) {
    this(errno, null);
  }

  /** An error with the operation or the reason in words; {@code what} must hold no secret. */
  public ErrnoException(int errno, @org.jspecify.annotations.Nullable String what) {
    super(what);
    this.errno = errno;
  }

  /** The errno value, positive. */
  public int errno() {
    return errno;
  }

  @Override
  public String getMessage() {
    String what = super.getMessage();
    String text = Errno.describe(errno);
    return what == null ? text : what + ": " + text;
  }

  /** No stack trace: this exception is an answer, and answers are frequent. */
  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
