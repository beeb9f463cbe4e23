package io.coffer.keyserver.cli;

import io.coffer.cli.ExtraCommand;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Unmatched;

/** Takes whatever follows the command's name, and hands it to the commands proper. */
abstract class Entry implements ExtraCommand {
  @Unmatched private List<String> arguments = new ArrayList<>();

  /** The commands proper, for example a {@link CaCommand}. */
  abstract Object commands();

  @Override
  public final Integer call() {
    return Commands.run(commands(), arguments, Console.standard());
  }
}
