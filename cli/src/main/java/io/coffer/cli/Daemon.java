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

/**
 * The process behind a view that is mounted in the background; not for users. See {@link
 * DaemonChannel} for what it is told and answers. Has no options, and so does without the parser of
 * the command line, which takes longer to start than a mount.
 */
final class Daemon {
  /** The word that makes a process one; what follows it is only to be seen by others. */
  static final String NAME = "daemon";

  private Daemon() {}

  /** Runs until the view has been unmounted; returns the exit code. */
  static int run(Ui ui) {
    try {
      return serve().number();
    } catch (IOException e) {
      return Messages.failure(ui, e);
    }
  }

  /** What {@link #run} does that changes nothing in the process that does it. */
  static void rehearse() throws IOException {
    View.prepare();
    DaemonChannel.answerReady(OutputStream.nullOutputStream());
  }

  private static ExitCode serve() throws IOException {
    leaveTerminal();
    // While whoever started us is still asking for the password.
    View.prepare();
    DaemonChannel.Request request = DaemonChannel.receive(new FileInputStream(FileDescriptor.in));
    if (request == null) {
      return ExitCode.OTHER;
    }
    ViewSpec spec = request.spec();
    // A socket, which takes both directions.
    OutputStream answer = new FileOutputStream(FileDescriptor.in);
    if (spec.has(ViewSpec.Switch.PLAIN_LOG)) {
      LogSink.usePlainLines();
    }
    try {
      View view;
      try (SecretBytes masterKey = request.masterKey()) {
        view = View.mount(spec, masterKey);
      }
      view.unmountOnInterrupt();
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
