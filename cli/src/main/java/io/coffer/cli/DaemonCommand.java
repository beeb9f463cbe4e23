package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Processes;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/**
 * The process behind a view that is mounted in the background; not for users. See {@link
 * DaemonChannel} for what it is told and answers.
 */
@Command(name = DaemonCommand.NAME, hidden = true)
final class DaemonCommand extends BaseCommand {
  static final String NAME = "daemon";

  // Only to be seen.
  @SuppressWarnings("UnusedVariable")
  @Parameters(arity = "0..*", description = "Volume and mount point, for listings of processes.")
  private List<String> title = new ArrayList<>();

  DaemonCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws IOException, CommandException {
    leaveTerminal();
    DaemonChannel.Request request = DaemonChannel.receive(new FileInputStream(FileDescriptor.in));
    if (request == null) {
      return ExitCode.OTHER;
    }
    ViewSpec spec = request.spec();
    OutputStream answer = new FileOutputStream(FileDescriptor.out);
    if (spec.has(ViewSpec.Switch.PLAIN_LOG)) {
      LogSink.usePlainLines();
    }
    try {
      View view;
      try (SecretBytes masterKey = request.masterKey()) {
        view = View.mount(spec, masterKey);
      }
      Interruption.onInterrupt(view::unmount);
      DaemonChannel.answerReady(answer);
      if (!spec.has(ViewSpec.Switch.NO_SYSTEM_LOG)) {
        LogSink.useSystemLog(spec.program());
      }
      closeStandardStreams(spec.has(ViewSpec.Switch.NO_SYSTEM_LOG));
      view.awaitEnd();
      return ExitCode.OK;
    } catch (CommandException e) {
      DaemonChannel.answerFailed(answer, e);
      return e.exitCode();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return ExitCode.INTERRUPTED;
    }
  }

  private static void leaveTerminal() throws ErrnoException {
    try {
      Processes.newSession();
    } catch (ErrnoException e) {
      // Whoever started us made us the leader of a group; then the session is ours to keep.
    }
    Processes.changeDirectory("/");
  }

  /** The other ends of these may be waited on by whoever started us. */
  private static void closeStandardStreams(boolean keepError) throws ErrnoException {
    int nothing =
        Linux.open(
            Flags.AT_FDCWD, "/dev/null".getBytes(StandardCharsets.US_ASCII), Flags.O_RDWR, 0);
    for (int descriptor = 0; descriptor <= (keepError ? 1 : 2); descriptor++) {
      Linux.duplicateTo(nothing, descriptor);
    }
    Linux.close(nothing);
  }
}
