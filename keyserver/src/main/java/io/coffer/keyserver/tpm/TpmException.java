package io.coffer.keyserver.tpm;

import java.io.IOException;

/** A TPM refuses, cannot be reached, or what is said to come from one is malformed or forged. */
public final class TpmException extends IOException {
  private static final long serialVersionUID = 1L;

  public TpmException(String message) {
    super(message);
  }

  public TpmException(String message, Throwable cause) {
    super(message, cause);
  }
}
