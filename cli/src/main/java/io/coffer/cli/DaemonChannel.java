package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Linux;
import io.coffer.posix.Processes;
import io.coffer.posix.SocketPairEnd;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A daemon that is going to hold a mounted view, seen from the process that the user started. The
 * daemon is started while the user still types the password, so that both take their time at once.
 * They talk over a pair of sockets, one end of which is the daemon's standard input. Request: the
 * {@link ViewSpec}, then 32 bytes of master key if the volume has one. Answer: one byte 0, or the
 * exit code, a message and a suggestion.
 *
 * <p>Not by {@link ProcessBuilder}: its thread that waits for the daemon's end keeps the virtual
 * machine from ending for 0.3 s.
 */
public final class DaemonChannel implements AutoCloseable {
  private static final String UNKNOWN = "the process behind the view ended unexpectedly";
  private static final int SIGTERM = 15;

  private final int pid;
  private final SocketPairEnd socket;
  private boolean running;

  private DaemonChannel(int pid, SocketPairEnd socket) {
    this.pid = pid;
    this.socket = socket;
  }

  /**
   * Starts the daemon, which waits for {@link #mount}.
   *
   * @param title what a listing of processes shall show: volume and mount point
   */
  public static DaemonChannel start(List<String> title) throws CommandException {
    List<String> command = OwnProgram.command(Daemon.NAME);
    command.addAll(title);
    try {
      int[] pair = Processes.socketPair();
      // The daemon lives long, and whoever waits for the end of a pipe of ours must not wait for
      // its end. This closes the pair itself, too: what becomes the standard input stays.
      Processes.closeAllOnExecute();
      try {
        // The build that this process runs is the one to go on with.
        int pid = Processes.spawn(command, Map.of("COFFER_BUILD", "never"), pair[1]);
        return new DaemonChannel(pid, new SocketPairEnd(pair[0]));
      } finally {
        Linux.close(pair[1]);
      }
    } catch (ErrnoException e) {
      throw new CommandException(
          ExitCode.DAEMON, "cannot start the process behind the view: " + e.getMessage());
    }
  }

  /** The daemon's process id. */
  public long pid() {
    return pid;
  }

  /**
   * Hands over and waits until the view is usable. From then on the daemon is on its own.
   *
   * @param masterKey null for a volume with policies, whose keys come later
   */
  public void mount(ViewSpec spec, @Nullable SecretBytes masterKey) throws CommandException {
    try {
      send(spec, masterKey, socket.output());
      readAnswer(new DataInputStream(socket.input()));
      running = true;
    } catch (IOException e) {
      throw new CommandException(ExitCode.DAEMON, UNKNOWN);
    }
  }

  /** Writes a request, as {@link #receive} reads it. */
  static void send(ViewSpec spec, @Nullable SecretBytes masterKey, OutputStream out)
      throws IOException {
    DataOutputStream buffered = new DataOutputStream(new BufferedOutputStream(out));
    spec.write(buffered);
    buffered.flush();
    if (masterKey != null) {
      masterKey.<@Nullable Void, IOException>read(key -> {
        // Not through the buffer, which would keep a copy.
        out.write(key);
        return null;
      });
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

  /** Lets go of the daemon, and ends one that has not mounted. */
  @Override
  public void close() {
    socket.close();
    if (running) {
      return;
    }
    try {
      Processes.signal(pid, SIGTERM);
      Processes.waitFor(pid);
    } catch (ErrnoException e) {
      // It has ended already.
    }
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
