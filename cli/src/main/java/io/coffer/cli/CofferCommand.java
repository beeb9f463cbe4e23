package io.coffer.cli;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.ServiceLoader;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code coffer}: the root of all commands. */
@Command(
    name = "coffer",
    sortOptions = false,
    description = {
      "Encrypt files before they reach storage that others run.",
      "",
      "A volume is a directory of encrypted files. Mounted, it is an ordinary directory."
    },
    synopsisHeading = "Usage: ",
    synopsisSubcommandLabel = "COMMAND",
    commandListHeading = "%nCommands:%n",
    footer = {
      "",
      "Begin:",
      "  coffer mount --init secret.coffer secret     make a volume and open it",
      "  coffer unmount secret                        close it",
      "",
      "'coffer COMMAND --help' tells more about a command."
    })
public final class CofferCommand implements Runnable {
  @Spec private @Nullable CommandSpec spec;

  private CofferCommand() {}

  /** The whole command line, ready to execute. */
  public static CommandLine commandLine(Ui ui) {
    CommandLine root = new CommandLine(new CofferCommand());
    standardOptions(root);
    for (BaseCommand command : commands(ui)) {
      CommandLine subcommand = new CommandLine(command);
      standardOptions(subcommand);
      root.addSubcommand(subcommand);
    }
    for (ExtraCommand command : ServiceLoader.load(ExtraCommand.class)) {
      root.addSubcommand(new CommandLine(command));
    }
    root.setOut(new PrintWriter(ui.out(), true, StandardCharsets.UTF_8));
    root.setErr(new PrintWriter(ui.err(), true, StandardCharsets.UTF_8));
    root.setUsageHelpAutoWidth(true);
    root.setUnmatchedOptionsArePositionalParams(false);
    root.setParameterExceptionHandler(
        (e, args) -> Messages.usage(ui, e.getCommandLine().getCommandSpec(), e));
    root.setExecutionExceptionHandler((e, commandLine, result) ->
        e instanceof ParameterException wrong
            ? Messages.usage(ui, commandLine.getCommandSpec(), wrong)
            : Messages.failure(ui, e));
    return root;
  }

  private static void standardOptions(CommandLine commandLine) {
    commandLine
        .getCommandSpec()
        .mixinStandardHelpOptions(true)
        .versionProvider(() -> new String[] {Version.line()});
  }

  private static List<BaseCommand> commands(Ui ui) {
    return List.of(
        new InitCommand(ui),
        new MountCommand(ui),
        new UnmountCommand(ui),
        new PasswdCommand(ui),
        new InfoCommand(ui),
        new CheckCommand(ui),
        new InspectCommand(ui),
        new EncryptCommand(ui),
        new DecryptCommand(ui),
        new SpeedCommand(ui),
        new CompletionCommand(ui),
        new DaemonCommand(ui),
        new WarmUpCommand(ui));
  }

  /** Without a command, says what there is. */
  @Override
  public void run() {
    if (spec != null) {
      throw new ParameterException(spec.commandLine(), "a command is missing");
    }
  }
}
