package io.coffer.keyserver.ca;

import java.io.IOException;

/** A certificate, a key file or a request for one that cannot be used; the message says why. */
public final class CertificateException extends IOException {
  private static final long serialVersionUID = 1L;

  public CertificateException(String message) {
    super(message);
  }

  public CertificateException(String message, Throwable cause) {
    super(message, cause);
  }
}
