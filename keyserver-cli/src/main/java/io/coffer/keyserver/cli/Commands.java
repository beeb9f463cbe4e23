package io.coffer.keyserver.cli;

import io.coffer.keyserver.audit.AuditException;
import io.coffer.keyserver.seal.SealException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Runs a command, and turns whatever goes wrong into a sentence and an exit code. */
final class Commands {
  private Commands() {}

  /** A command without subcommand shows its help. */
  abstract static class Group implements Runnable {
    @Spec private @Nullable CommandSpec spec;
    private @Nullable Console console;

    final Console console() {
      Console set = console;
      return set == null ? Console.standard() : set;
    }

    @Override
    public final void run() {
      if (spec != null) {
        throw new CommandLine.ParameterException(spec.commandLine(), "a command is missing");
      }
    }
  }

  static int run(Object commands, List<String> arguments, Console console) {
    CommandLine line = new CommandLine(commands);
    give(console, line);
    line.setCommandName("coffer " + line.getCommandName());
    line.setOut(new PrintWriter(console.out(), true, StandardCharsets.UTF_8));
    line.setErr(new PrintWriter(console.err(), true, StandardCharsets.UTF_8));
    line.setUsageHelpAutoWidth(true);
    line.setUnmatchedOptionsArePositionalParams(false);
    line.setParameterExceptionHandler((e, args) -> {
      console.say(String.valueOf(e.getMessage()));
      console
          .err()
          .println("  See '" + e.getCommandLine().getCommandSpec().qualifiedName() + " --help'.");
      return Failure.USAGE;
    });
    line.setExecutionExceptionHandler((e, commandLine, result) ->
        failed(e, console, "See '" + commandLine.getCommandSpec().qualifiedName() + " --help'."));
    return line.execute(arguments.toArray(String[]::new));
  }

  private static void give(Console console, CommandLine line) {
    if (line.getCommandSpec().userObject() instanceof Group group) {
      group.console = console;
    }
    line.getSubcommands().values().forEach(each -> give(console, each));
  }

  /**
   * @param help what to do next, where nothing better is known
   */
  private static int failed(Exception e, Console console, String help) {
    switch (e) {
      case Failure failure -> {
        console.say(String.valueOf(failure.getMessage()));
        console.err().println("  " + failure.advice());
        return failure.exitCode();
      }
      case SealException seal -> {
        console.say(String.valueOf(seal.getMessage()));
        console.err().println("  " + (seal.advice().isEmpty() ? help : seal.advice()));
        return Failure.WRONG_SECRET;
      }
      case IllegalArgumentException wrong -> {
        console.say(String.valueOf(wrong.getMessage()));
        console.err().println("  " + help);
        return Failure.USAGE;
      }
      case NoSuchFileException missing -> {
        console.say(
            missing.getReason() == null
                ? missing.getFile() + " does not exist"
                : missing.getFile() + " " + missing.getReason());
        console.err().println("  Correct the path. " + help);
      }
      case AccessDeniedException denied -> {
        console.say("this user may not use " + denied.getFile());
        console
            .err()
            .println("  Run it as the user whom that belongs to, or name another place. " + help);
      }
      case FileAlreadyExistsException there -> {
        console.say(there.getFile() + " exists already");
        console.err().println("  Name another place, or move that away. " + help);
      }
      case FileSystemException file -> {
        console.say(String.valueOf(file.getMessage()));
        console.err().println("  Name a place that can be written to and has room. " + help);
      }
      case AuditException audit -> {
        console.say(String.valueOf(audit.getMessage()));
        console
            .err()
            .println(
                "  Keep the log as it is for whoever looks into that, and compare it with copies"
                    + " kept elsewhere. To go on, restore a backup: 'coffer keyserver restore'.");
      }
      case IOException io -> {
        String message = String.valueOf(io.getMessage());
        console.say(message);
        // What these say behind a semicolon is what to do.
        if (!message.contains("; ")) {
          console.err().println("  " + help);
        }
      }
      default -> {
        console.say("unexpected: " + e);
        e.printStackTrace(console.err());
      }
    }
    return Failure.OTHER;
  }
}
