package io.coffer.cli;

import org.jspecify.annotations.Nullable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code coffer completion}: completion of the command line by the shell. */
@Command(
    name = "completion",
    description = "Print a script that lets bash or zsh complete coffer's commands and options.",
    footer = {
      "",
      "Examples:",
      "  source <(coffer completion bash)                      in ~/.bashrc or ~/.zshrc",
      "  coffer completion bash > /etc/bash_completion.d/coffer"
    })
final class CompletionCommand extends BaseCommand {
  /** The shells whose completion is known. The script of bash works in zsh. */
  enum ShellName {
    bash,
    zsh
  }

  @Spec private @Nullable CommandSpec spec;

  @Parameters(paramLabel = "SHELL", description = "bash or zsh (the script works in both).")
  private ShellName shell = ShellName.bash;

  CompletionCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() {
    if (spec != null) {
      ui.out()
          .println(
              "# Completion of coffer; load it with: source <(coffer completion " + shell + ")");
      ui.out().print(AutoComplete.bash("coffer", spec.root().commandLine()));
      ui.out().flush();
    }
    return ExitCode.OK;
  }
}
