package io.coffer.batch;

import io.coffer.fuse.MountRequest;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processes;
import io.coffer.posix.SocketPairEnd;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A command in its confinement, seen from the process that serves its view. The process that is
 * going to be the command is started early ({@link CommandStarter} is its side), so that it gets
 * ready while a password is typed; it mounts what it is told inside its own namespace and sends the
 * descriptor back, and then becomes the command.
 *
 * <p>Both die together: the kernel kills the command when this process ends, and this process takes
 * the view away when the command has ended.
 *
 * <p>Messages to the starter: a byte {@link #MOUNT}, then mount point, source, subtype and whether
 * read-only; the answer is a byte with the descriptor, or a byte alone and a message. Or a byte
 * {@link #EXECUTE} and the {@link CommandLineWords}; the answer is the end of the stream, or an
 * errno value.
 *
 * <p>For one thread, which must live as long as the command: the kernel takes its end for that of
 * the process.
 */
public final class ConfinedCommand implements AutoCloseable {
  static final int MOUNT = 'M';
  static final int EXECUTE = 'X';

  private final Confinement confinement;
  private final SocketPairEnd socket;
  private final int pid;
  private boolean ended;

  private ConfinedCommand(Confinement confinement, SocketPairEnd socket, int pid) {
    this.confinement = confinement;
    this.socket = socket;
    this.pid = pid;
  }

  /**
   * Starts the process that is going to be the command.
   *
   * @param starter a command that calls {@link CommandStarter#run}; gets two arguments more
   */
  public static ConfinedCommand start(Confinement confinement, List<String> starter)
      throws BatchException {
    try {
      int[] pair = Processes.socketPair();
      Processes.closeOnExecute(pair[0], true);
      List<String> command = new ArrayList<>(starter);
      command.add(Integer.toString(pair[1]));
      command.add(Integer.toString(Processes.id()));
      long ours = Processes.blockSignals(CallerSignals.blocked());
      int pid;
      try {
        pid = Processes.spawn(confinement.wrap(command), Map.of("COFFER_BUILD", "never"));
      } finally {
        Processes.blockSignals(ours);
      }
      new SocketPairEnd(pair[1]).close();
      return new ConfinedCommand(confinement, new SocketPairEnd(pair[0]), pid);
    } catch (IOException e) {
      throw new BatchException("cannot start the process of the command: " + e.getMessage());
    }
  }

  /** Where it runs. */
  public Confinement confinement() {
    return confinement;
  }

  /**
   * Has it mount a view in its namespace.
   *
   * @return the descriptor of the connection, for this process to serve
   */
  public int mount(MountRequest request) throws BatchException {
    try {
      DataOutputStream out = new DataOutputStream(new BufferedOutputStream(socket.output()));
      out.write(MOUNT);
      out.writeUTF(request.mountPoint().toString());
      out.writeUTF(request.source());
      out.writeUTF(request.subtype());
      out.writeBoolean(request.readOnly());
      out.flush();
      int device = socket.receiveDescriptor();
      if (device >= 0) {
        return device;
      }
      throw new BatchException(new DataInputStream(socket.input()).readUTF());
    } catch (IOException e) {
      throw new BatchException("the process of the command ended unexpectedly");
    }
  }

  /**
   * Lets it become the command. From then on signals to this process go to the command.
   *
   * @throws ErrnoException as execve(2) has it, if the program cannot be started
   */
  public void execute(CommandLineWords command) throws ErrnoException, BatchException {
    try {
      DataOutputStream out = new DataOutputStream(new BufferedOutputStream(socket.output()));
      out.write(EXECUTE);
      command.write(out);
      // Before it runs, since it may signal us at once.
      CallerSignals.forwardTo(pid);
      out.flush();
      int errno = new DataInputStream(socket.input()).readInt();
      throw new ErrnoException(errno);
    } catch (EOFException e) {
      // The connection is closed on execute: the command runs.
    } catch (ErrnoException e) {
      throw e;
    } catch (IOException e) {
      throw new BatchException("the process of the command ended unexpectedly");
    }
  }

  /** Waits until the command has ended; its exit code, or 128 + the signal that ended it. */
  public int waitFor() throws ErrnoException {
    int code = Processes.waitFor(pid);
    ended = true;
    return code;
  }

  /** Ends a process that has not become the command. */
  @Override
  public void close() {
    socket.close();
    if (!ended) {
      try {
        Processes.signal(pid, 9);
        Processes.waitFor(pid);
      } catch (ErrnoException e) {
        // It has ended, and nobody is left to wait for.
      }
      ended = true;
    }
  }
}
