package io.coffer.cli;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.function.Supplier;
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
    return commandLine(ui, null);
  }

  /**
   * The command line, ready to execute one that begins with a word. To read the options of a
   * command by reflection takes longer than most commands do, so if the word names a command, that
   * one alone is there; completion tells of all.
   */
  static CommandLine commandLine(Ui ui, @Nullable String first) {
    CommandLine root = new CommandLine(new CofferCommand());
    standardOptions(root);
    Map<String, Supplier<BaseCommand>> commands = commands(ui);
    boolean one =
        first != null
            && (commands.containsKey(first) || first.equals("--version"))
            && !first.equals("completion");
    commands.forEach((name, command) -> {
      if (!one || name.equals(first)) {
        CommandLine subcommand = new CommandLine(command.get());
        standardOptions(subcommand);
        if (name.equals(RunCommand.NAME)) {
          // What follows is a command with options of its own.
          subcommand.setStopAtPositional(true);
        }
        root.addSubcommand(subcommand);
      }
    });
    if (!one) {
      for (ExtraCommand command : ServiceLoader.load(ExtraCommand.class)) {
        root.addSubcommand(new CommandLine(command));
      }
    }
    root.setOut(new PrintWriter(ui.out(), true, StandardCharsets.UTF_8));
    root.setErr(new PrintWriter(ui.err(), true, StandardCharsets.UTF_8));
    root.setUsageHelpAutoWidth(true);
    root.setExpandAtFiles(false);
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

  private static Map<String, Supplier<BaseCommand>> commands(Ui ui) {
    Map<String, Supplier<BaseCommand>> commands = new LinkedHashMap<>();
    commands.put("init", () -> new InitCommand(ui));
    commands.put("mount", () -> new MountCommand(ui));
    commands.put(RunCommand.NAME, () -> new RunCommand(ui));
    commands.put(AgentCommand.NAME, () -> new AgentCommand(ui));
    commands.put(JobCommand.NAME, () -> new JobCommand(ui));
    commands.put("unmount", () -> new UnmountCommand(ui));
    commands.put("policy", () -> new PolicyCommand(ui));
    commands.put("unlock", () -> new UnlockCommand(ui));
    commands.put("lock", () -> new LockCommand(ui));
    commands.put("status", () -> new StatusCommand(ui));
    commands.put("keys", () -> new KeysCommand(ui));
    commands.put("protector", () -> new ProtectorCommand(ui));
    commands.put("passwd", () -> new PasswdCommand(ui));
    commands.put("info", () -> new InfoCommand(ui));
    commands.put("check", () -> new CheckCommand(ui));
    commands.put("inspect", () -> new InspectCommand(ui));
    commands.put("export", () -> new ExportCommand(ui));
    commands.put("import", () -> new ImportCommand(ui));
    commands.put("encrypt", () -> new EncryptCommand(ui));
    commands.put("decrypt", () -> new DecryptCommand(ui));
    commands.put("speed", () -> new SpeedCommand(ui));
    commands.put("completion", () -> new CompletionCommand(ui));
    commands.put(WarmUpCommand.NAME, () -> new WarmUpCommand(ui));
    return commands;
  }

  /** Without a command, says what there is. */
  @Override
  public void run() {
    if (spec != null) {
      throw new ParameterException(spec.commandLine(), "a command is missing");
    }
  }
}
