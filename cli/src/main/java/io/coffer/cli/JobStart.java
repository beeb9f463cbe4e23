package io.coffer.cli;

import io.coffer.batch.BatchException;
import io.coffer.batch.SlurmStep;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Opens the view of a job on its nodes, from the batch script.
 *
 * @param given where the user wants it, or null for a fresh place
 * @param timeout how long the nodes may take
 */
record JobStart(@Nullable Path given, boolean readOnly, Duration timeout) {
  /** If nobody says how long. */
  static final String USUAL_TIMEOUT = "2m";

  /** The word for it, after that for the command. */
  static final String NAME = "mount";

  /** A step that holds the view, and where that is. */
  record Started(SlurmStep step, Path at) {}

  /**
   * The command {@code coffer job mount} in its plain forms, for which a job does not have to wait
   * until the parser of the command line is there; null if that has to look at it.
   */
  static @Nullable JobStart of(String[] args) {
    if (args.length < 2 || !args[0].equals(JobCommand.NAME) || !args[1].equals(NAME)) {
      return null;
    }
    Path at = null;
    boolean readOnly = false;
    for (int i = 2; i < args.length; i++) {
      switch (args[i]) {
        case "-r", "--read-only" -> readOnly = true;
        case "--at" -> {
          if (at != null || ++i == args.length || args[i].isEmpty() || args[i].startsWith("-")) {
            return null;
          }
          at = Path.of(args[i]);
        }
        default -> {
          return null;
        }
      }
    }
    return new JobStart(at, readOnly, Durations.parse(USUAL_TIMEOUT));
  }

  /** Runs {@code coffer job mount}; returns the exit code. */
  int run(Ui ui) {
    try {
      Started started = start(false);
      started.step().leave();
      ui.out().println(started.at());
      return ExitCode.OK.number();
    } catch (BatchException e) {
      return Messages.failure(
          ui, new CommandException(ExitCode.JOB, String.valueOf(e.getMessage())));
    }
  }

  /**
   * Starts the step; the view is usable on all nodes when this returns.
   *
   * @param attached it ends with this process
   */
  Started start(boolean attached) throws BatchException {
    // Empty if making it failed in the line that exports it.
    if (System.getenv().getOrDefault(JobCommand.TICKET, "").isBlank()) {
      throw new BatchException(
          "there is no ticket in "
              + JobCommand.TICKET
              + "; make one before submitting: coffer job ticket");
    }
    Path wish = given;
    // Else a name that nobody can have taken before.
    Path at = wish == null ? SlurmStep.freshPlace() : wish.toAbsolutePath();
    List<String> holder = JobHolder.command(at, readOnly, SlurmStep.nodes() > 1, attached);
    return new Started(SlurmStep.start(holder, timeout, JobHolder.READY, attached), at);
  }
}
