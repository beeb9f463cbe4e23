package io.coffer.keyserver.record;

import io.coffer.keyserver.engine.EngineException;

/**
 * The engine returned something that this service did not write there: a record that was forged,
 * moved, rolled back, removed or damaged. The service refuses to go on with it.
 */
public final class IntegrityException extends EngineException {
  private static final long serialVersionUID = 1L;

  public IntegrityException(String message) {
    super(message);
  }
}
