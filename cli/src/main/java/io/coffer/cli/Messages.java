package io.coffer.cli;

import io.coffer.posix.ErrnoException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** What is said when a command fails, and how the process then ends. */
final class Messages {
  private Messages() {}

  /** Wrong use of the command line. */
  static int usage(Ui ui, CommandSpec command, ParameterException e) {
    String message = String.valueOf(e.getMessage());
    ui.err().println("coffer: " + Character.toLowerCase(message.charAt(0)) + message.substring(1));
    if (e instanceof UnmatchedArgumentException unmatched
        && !unmatched.getSuggestions().isEmpty()) {
      ui.err().println("  Perhaps: " + String.join(", ", unmatched.getSuggestions()));
    }
    ui.err().println("  Try: " + command.qualifiedName() + " --help");
    return ExitCode.USAGE.number();
  }

  /** A failure while a command ran. */
  static int failure(Ui ui, Exception e) {
    CommandException failure = e instanceof CommandException c ? c : describe(e);
    ui.err().println("coffer: " + failure.getMessage());
    String suggestion = failure.suggestion();
    if (suggestion != null) {
      ui.err().println("  Try: " + suggestion);
    }
    if (System.getenv("COFFER_DEBUG") != null) {
      e.printStackTrace(ui.err());
    }
    return failure.exitCode().number();
  }

  private static CommandException describe(Exception e) {
    String text =
        switch (e) {
          case ErrnoException errno -> String.valueOf(errno.getMessage());
          case NoSuchFileException missing -> missing.getFile() + " does not exist";
          case AccessDeniedException denied -> denied.getFile() + ": permission denied";
          case FileSystemException f -> f.getFile() + ": " + f.getReason();
          case IOException io -> String.valueOf(io.getMessage());
          default ->
              "a fault in Coffer itself ("
                  + e.getClass().getSimpleName()
                  + (e.getMessage() == null ? "" : ": " + e.getMessage())
                  + "); with COFFER_DEBUG=1 in the environment it says where";
        };
    return new CommandException(ExitCode.OTHER, text);
  }
}
