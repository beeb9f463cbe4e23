package io.coffer.cli;

import io.coffer.cli.gocryptfs.GocryptfsMain;
import io.coffer.cli.gocryptfs.XrayMain;
import io.coffer.posix.Processes;

/**
 * Where the program begins. The system property {@code coffer.program}, set by the launcher, is the
 * name that it was called by; it decides which command line it has.
 */
public final class Main {
  private Main() {}

  /** Ends the virtual machine with the command's exit code. */
  public static void main(String[] args) {
    Preparation.start(args);
    Interruption.exit(run(System.getProperty("coffer.program", "coffer"), args, Ui.standard()));
  }

  /** Runs one command line and returns the exit code. */
  static int run(String program, String[] args, Ui ui) {
    return switch (program) {
      case "gocryptfs", "mount.gocryptfs", "mount.fuse.gocryptfs" ->
          new GocryptfsMain(ui).run(args);
      case "gocryptfs-xray" -> new XrayMain(ui).run(args);
      case "mount.coffer", "mount.fuse.coffer" -> mount(args, ui);
      default -> MountHelper.isCalledByMountFuse(args) ? mount(args, ui) : coffer(args, ui);
    };
  }

  private static int coffer(String[] args, Ui ui) {
    if (args.length > 0 && args[0].equals(Daemon.NAME)) {
      return Daemon.run(ui);
    }
    if (args.length == 3 && args[0].equals(CommandProcess.NAME)) {
      return CommandProcess.run(args[1], args[2], ui);
    }
    if (JobHolder.isMeant(args)) {
      return JobHolder.run(args, ui);
    }
    JobStart start = JobStart.of(args);
    if (start != null) {
      // A job waits for it, and the thread that looks after srun is in a system call.
      Processes.end(start.run(ui));
    }
    return CofferCommand.commandLine(ui, args.length == 0 ? null : args[0]).execute(args);
  }

  private static int mount(String[] args, Ui ui) {
    String[] command = MountHelper.toCommand(args);
    return command == null ? ExitCode.OK.number() : coffer(command, ui);
  }
}
