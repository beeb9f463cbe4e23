package io.coffer.cli;

import io.coffer.format.FormatException;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.util.concurrent.Callable;

/** What all commands have in common. */
abstract class BaseCommand implements Callable<Integer> {
  /** Where the command talks to its user. */
  protected final Ui ui;

  BaseCommand(Ui ui) {
    this.ui = ui;
  }

  /** Does the work; a return without exception is success unless the exit code says otherwise. */
  abstract ExitCode run() throws CommandException, VolumeException, FormatException, IOException;

  /** {@link #run} for a command that ends with somebody else's exit code. */
  int runForCode() throws CommandException, VolumeException, FormatException, IOException {
    return run().number();
  }

  @Override
  public final Integer call() throws CommandException, IOException {
    try {
      return runForCode();
    } catch (VolumeException e) {
      throw CommandException.of(e);
    } catch (FormatException e) {
      throw new CommandException(ExitCode.OTHER, String.valueOf(e.getMessage()));
    }
  }
}
