package io.coffer.keyserver.cli;

/** A command cannot go on: what is wrong, and what to do next. */
final class Failure extends Exception {
  private static final long serialVersionUID = 1L;

  /** Exit code for a wrong command line. */
  static final int USAGE = 1;

  /** Exit code for everything else. */
  static final int OTHER = 11;

  /** Exit code for a wrong passphrase or share. */
  static final int WRONG_SECRET = 12;

  private final int exitCode;
  private final String advice;

  Failure(int exitCode, String message, String advice) {
    super(message);
    this.exitCode = exitCode;
    this.advice = advice;
  }

  int exitCode() {
    return exitCode;
  }

  String advice() {
    return advice;
  }
}
