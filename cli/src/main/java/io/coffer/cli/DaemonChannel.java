package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.ProcessBuilder.Redirect;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A daemon that is going to hold a mounted view, seen from the process that the user started. The
 * daemon is started while the user still types the password, so that both take their time at once.
 * Request, to its standard input: the {@link ViewSpec}, then 32 bytes of master key if the volume
 * has one. Answer, from its standard output: one byte 0, or the exit code, a message and a
 * suggestion.
 */
public final class DaemonChannel implements AutoCloseable {
  private static final String UNKNOWN = "the process behind the view ended unexpectedly";

  private final Process process;
  private boolean running;

  private DaemonChannel(Process process) {
    this.process = process;
  }

  /**
   * Starts the daemon, which waits for {@link #mount}.
   *
   * @param title what a listing of processes shall show: volume and mount point
   */
  public static DaemonChannel start(List<String> title) throws CommandException {
    List<String> command = OwnProgram.command(Daemon.NAME);
    command.addAll(title);
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectInput(Redirect.PIPE)
            .redirectOutput(Redirect.PIPE)
            .redirectError(Redirect.INHERIT)
            .directory(new File("/"));
    // The build that this process runs is the one to go on with.
    builder.environment().put("COFFER_BUILD", "never");
    try {
      return new DaemonChannel(builder.start());
    } catch (IOException e) {
      throw new CommandException(
          ExitCode.DAEMON, "cannot start the process behind the view: " + e.getMessage());
    }
  }

  /** The daemon's process id. */
  public long pid() {
    return process.pid();
  }

  /**
   * Hands over and waits until the view is usable. From then on the daemon is on its own.
   *
   * @param masterKey null for a volume with policies, whose keys come later
   */
  public void mount(ViewSpec spec, @Nullable SecretBytes masterKey) throws CommandException {
    try (DataOutputStream out =
            new DataOutputStream(new BufferedOutputStream(process.getOutputStream()));
        DataInputStream in = new DataInputStream(process.getInputStream())) {
      spec.write(out);
      out.flush();
      if (masterKey != null) {
        masterKey.<@Nullable Void, IOException>read(key -> {
          // Not through the buffer, which would keep a copy.
          process.getOutputStream().write(key);
          process.getOutputStream().flush();
          return null;
        });
      }
      readAnswer(in);
      running = true;
    } catch (IOException e) {
      throw new CommandException(ExitCode.DAEMON, UNKNOWN);
    }
  }

  private static void readAnswer(DataInputStream in) throws IOException, CommandException {
    int status = in.read();
    if (status == 0) {
      return;
    }
    if (status < 0) {
      throw new CommandException(ExitCode.DAEMON, UNKNOWN);
    }
    ExitCode code = ExitCode.OTHER;
    for (ExitCode each : ExitCode.values()) {
      if (each.number() == status) {
        code = each;
      }
    }
    String message = in.readUTF();
    String suggestion = in.readUTF();
    throw new CommandException(code, message, suggestion.isEmpty() ? null : suggestion);
  }

  /** Ends a daemon that has not mounted. */
  @Override
  public void close() {
    if (running) {
      return;
    }
    try {
      process.getOutputStream().close();
      if (process.waitFor(2, TimeUnit.SECONDS)) {
        return;
      }
    } catch (IOException e) {
      // It has ended already.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    process.destroy();
  }

  /** The daemon's side: what it was asked for. Null if whoever started it has given up. */
  static @Nullable Request receive(InputStream from) throws IOException {
    DataInputStream in = new DataInputStream(from);
    ViewSpec spec;
    try {
      spec = ViewSpec.read(in);
    } catch (EOFException e) {
      return null;
    }
    byte[] key = new byte[GocryptfsConfig.MASTER_KEY_BYTES];
    try {
      if (spec.has(ViewSpec.Switch.POLICIES)) {
        return new Request(spec, null);
      }
      in.readFully(key);
      return new Request(spec, SecretBytes.copyOf(key));
    } catch (EOFException e) {
      return null;
    } finally {
      Arrays.fill(key, (byte) 0);
    }
  }

  /**
   * What a daemon is asked for.
   *
   * @param masterKey null for a volume with policies
   */
  record Request(ViewSpec spec, @Nullable SecretBytes masterKey) {}

  /** The daemon's side: the view is usable. */
  static void answerReady(OutputStream to) throws IOException {
    to.write(0);
    to.flush();
  }

  /** The daemon's side: the view could not be mounted. */
  static void answerFailed(OutputStream to, CommandException e) throws IOException {
    DataOutputStream out = new DataOutputStream(to);
    out.write(e.exitCode().number());
    out.writeUTF(String.valueOf(e.getMessage()));
    String suggestion = e.suggestion();
    out.writeUTF(suggestion == null ? "" : suggestion);
    out.flush();
  }
}
