package io.coffer.cli.gocryptfs;

import io.coffer.cli.Ui;

/**
 * gocryptfs's messages: information on standard output, warnings and errors on standard error,
 * coloured if standard output is a terminal and NO_COLOR is not set (internal/tlog/log.go).
 */
final class Printer {
  private final Ui ui;
  private final boolean colours;
  private boolean quiet;
  private boolean debug;

  Printer(Ui ui) {
    this.ui = ui;
    colours = ui.outIsTerminal() && System.getenv("NO_COLOR") == null;
  }

  void setQuiet(boolean on) {
    quiet = on;
  }

  void setDebug(boolean on) {
    debug = on;
  }

  void info(String text) {
    if (!quiet) {
      ui.out().println(text);
    }
  }

  void debug(String text) {
    if (debug) {
      ui.out().println(coloured("35", text));
    }
  }

  /** Information that is shown even when quiet. */
  void result(String text) {
    ui.out().println(text);
  }

  void warn(String text) {
    ui.err().println(coloured("33", text));
  }

  void fatal(String text) {
    ui.err().println(coloured("31", text));
  }

  String green(String text) {
    return coloured("32", text);
  }

  String grey(String text) {
    return coloured("2", text);
  }

  String yellow(String text) {
    return coloured("33", text);
  }

  boolean isQuiet() {
    return quiet;
  }

  private String coloured(String code, String text) {
    return colours ? "\033[" + code + "m" + text + "\033[0m" : text;
  }
}
