package io.coffer.keyserver.engine;

/** Somebody else has changed an entry in between; read it again and decide anew. */
public final class ConflictException extends EngineException {
  private static final long serialVersionUID = 1L;

  public ConflictException(String message) {
    super(message);
  }
}
