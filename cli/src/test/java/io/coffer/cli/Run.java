package io.coffer.cli;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * One command line, run inside this virtual machine, not at a terminal.
 *
 * @param exitCode what the process would exit with
 * @param out what it printed to standard output
 * @param err what it printed to standard error
 */
public record Run(int exitCode, String out, String err) {
  /** Runs {@code coffer} with nothing on standard input. */
  public static Run coffer(Object... args) {
    return as("coffer", "", args);
  }

  /** Runs {@code coffer} with a password on standard input. */
  public static Run cofferWithInput(String input, Object... args) {
    return as("coffer", input, args);
  }

  /** Runs the program under the name by which it was called. */
  public static Run as(String program, String input, Object... args) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    Ui ui =
        new Ui(
            new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8),
            false,
            false,
            false);
    String[] words = Arrays.stream(args).map(Object::toString).toArray(String[]::new);
    int exitCode = Main.run(program, words, ui);
    return new Run(
        exitCode, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  /** Its lines of standard output. */
  public Stream<String> lines() {
    return out.lines();
  }
}
