package io.coffer.keyserver.json;

/** JSON that cannot be used; the message says what is wrong and quotes no value. */
public final class JsonException extends Exception {
  private static final long serialVersionUID = 1L;

  public JsonException(String message) {
    super(message);
  }
}
