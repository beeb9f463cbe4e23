package io.coffer.keyserver.engine;

import java.io.IOException;

/** The store behind the key service does not do what it should. */
public class EngineException extends IOException {
  private static final long serialVersionUID = 1L;

  public EngineException(String message) {
    super(message);
  }

  public EngineException(String message, Throwable cause) {
    super(message, cause);
  }
}
