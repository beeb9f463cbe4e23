package io.coffer.keyserver.client;

import java.io.IOException;

/** The key service refuses, or cannot be reached. */
public final class KeyServiceException extends IOException {
  private static final long serialVersionUID = 1L;

  /** Status of an exception that no answer of the server caused: it could not be reached. */
  public static final int UNREACHABLE = 0;

  private final int status;

  public KeyServiceException(int status, String message) {
    super(message);
    this.status = status;
  }

  public KeyServiceException(String message, Throwable cause) {
    super(message, cause);
    this.status = UNREACHABLE;
  }

  /** The HTTP status of the refusal, or {@link #UNREACHABLE}. */
  public int status() {
    return status;
  }
}
