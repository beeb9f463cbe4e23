package io.coffer.bench;

/** A system under test failed; the message is the reason that the report shows. */
final class MeasureException extends Exception {
  private static final long serialVersionUID = 1L;

  MeasureException(String reason) {
    super(reason);
  }
}
