package io.coffer.cli;

import picocli.CommandLine;

/** Where the program begins. */
public final class Main {
  private Main() {}

  /** Ends the virtual machine with the command's exit code. */
  public static void main(String[] args) {
    Ui ui = Ui.standard();
    CommandLine commandLine = CofferCommand.commandLine(ui);
    Interruption.exit(commandLine.execute(args));
  }
}
