package io.coffer.cli;

import io.coffer.batch.CommandStarter;
import java.io.IOException;

/**
 * The process that becomes the command of {@code coffer run}; not for users. Has no options, and so
 * does without the parser of the command line.
 */
final class CommandProcess {
  /** The word that makes a process one; the arguments are {@link CommandStarter#run}'s. */
  static final String NAME = "become";

  private CommandProcess() {}

  /** Returns only if there is no command. */
  static int run(String descriptor, String parent, Ui ui) {
    try {
      CommandStarter.run(Integer.parseInt(descriptor), Integer.parseInt(parent));
      return ExitCode.OTHER.number();
    } catch (NumberFormatException e) {
      ui.err().println("coffer: " + NAME + " is not for users");
      return ExitCode.USAGE.number();
    } catch (IOException e) {
      return Messages.failure(ui, e);
    }
  }
}
