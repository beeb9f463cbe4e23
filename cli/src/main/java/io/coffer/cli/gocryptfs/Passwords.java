package io.coffer.cli.gocryptfs;

import io.coffer.cli.ExitCode;
import io.coffer.cli.Ui;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.PasswordSource;
import io.coffer.keys.VolumeException;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Reads passwords as gocryptfs does (internal/readpassword). */
final class Passwords {
  private final Ui ui;
  private final Printer printer;
  private final List<String> program;
  private final List<String> files;

  /**
   * @param program the values of -extpass
   * @param files the values of -passfile
   */
  Passwords(Ui ui, Printer printer, List<String> program, List<String> files) {
    this.ui = ui;
    this.printer = printer;
    this.program = program.size() == 1 ? Arrays.asList(program.getFirst().split(" ", -1)) : program;
    this.files = files;
  }

  /** The password of a volume. */
  SecretBytes once() throws EndException {
    if (!files.isEmpty()) {
      return fromFiles();
    }
    return program.isEmpty() ? typed("Password", false) : fromProgram();
  }

  /** A new password, of which only a terminal is asked twice. */
  SecretBytes twice() throws EndException {
    if (!files.isEmpty()) {
      return fromFiles();
    }
    return program.isEmpty() ? typed("Password", true) : fromProgram();
  }

  /** What is typed, or a line of standard input. */
  SecretBytes typed(String what, boolean twice) throws EndException {
    if (!ui.inIsTerminal()) {
      printer.info("Reading " + what + " from stdin (connected to " + GoText.quoted(stdin()) + ")");
    }
    try {
      PasswordSource source = twice ? ui.newPassword(what + ": ") : ui.typedPassword(what + ": ");
      return source.read();
    } catch (VolumeException e) {
      throw new EndException(ExitCode.READ_PASSWORD, typedProblem(what, e));
    }
  }

  private String typedProblem(String what, VolumeException e) {
    return switch (e.problem()) {
      case PASSWORD_EMPTY ->
          ui.inIsTerminal() ? what + " is empty" : "Got empty " + what + " from stdin";
      case PASSWORD_TOO_LONG ->
          "fatal: maximum password length of " + PasswordSource.MAX_BYTES + " bytes exceeded";
      default ->
          ui.inIsTerminal() && String.valueOf(e.getMessage()).contains("do not match")
              ? "Passwords do not match"
              : String.valueOf(e.getMessage());
    };
  }

  private static String stdin() {
    try {
      return Files.readSymbolicLink(Path.of("/proc/self/fd/0")).toString();
    } catch (IOException e) {
      return "/dev/stdin";
    }
  }

  private SecretBytes fromFiles() throws EndException {
    List<Path> paths = new ArrayList<>();
    for (String file : files) {
      printer.info("passfile: reading from file " + GoText.quoted(file));
      paths.add(Path.of(file));
    }
    try {
      return PasswordSource.files(paths).read();
    } catch (VolumeException e) {
      if (e.problem() == Problem.PASSWORD_TOO_LONG) {
        throw new EndException(
            ExitCode.READ_PASSWORD,
            "fatal: passfile: max password length ("
                + PasswordSource.MAX_BYTES
                + " bytes) exceeded");
      }
      throw new EndException(ExitCode.READ_PASSWORD, "fatal: passfile: " + e.getMessage());
    }
  }

  private SecretBytes fromProgram() throws EndException {
    List<String> arguments = program.subList(1, program.size());
    printer.info(
        "Reading password from extpass program "
            + GoText.quoted(program.getFirst())
            + ", arguments: ["
            + GoText.quoted(arguments)
            + "]");
    try {
      return PasswordSource.command(program).read();
    } catch (VolumeException e) {
      throw new EndException(
          ExitCode.READ_PASSWORD,
          e.problem() == Problem.PASSWORD_EMPTY
              ? "extpass: password is empty"
              : "extpass: " + e.getMessage());
    }
  }
}
