package io.coffer.batch;

import io.coffer.fuse.FuseMount;
import io.coffer.fuse.MountException;
import io.coffer.fuse.MountRequest;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Processes;
import io.coffer.posix.SocketPairEnd;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The process that becomes the command: the other side of {@link ConfinedCommand}. It never holds a
 * key.
 */
public final class CommandStarter {
  private static final byte[] STANDARD_PATH =
      "/usr/local/bin:/usr/bin:/bin".getBytes(StandardCharsets.US_ASCII);

  private final SocketPairEnd socket;
  private final List<Path> mounted = new ArrayList<>();

  private CommandStarter(SocketPairEnd socket) {
    this.socket = socket;
  }

  /**
   * Does what it is told; returns only if there will be no command.
   *
   * @param descriptor of the socket that {@link ConfinedCommand} has the other end of
   * @param parent the process that has it
   */
  public static void run(int descriptor, int parent) throws IOException {
    Processes.closeOnExecute(descriptor, true);
    if (!Processes.dieWith(parent)) {
      return;
    }
    try (SocketPairEnd socket = new SocketPairEnd(descriptor)) {
      new CommandStarter(socket).serve();
    }
  }

  private void serve() throws IOException {
    DataInputStream in = new DataInputStream(socket.input());
    while (true) {
      switch (in.read()) {
        case ConfinedCommand.MOUNT -> mount(in);
        case ConfinedCommand.EXECUTE -> execute(CommandLineWords.read(in));
        default -> {
          return;
        }
      }
    }
  }

  private void mount(DataInputStream in) throws IOException {
    MountRequest request =
        new MountRequest(
            Path.of(in.readUTF()),
            in.readUTF(),
            in.readUTF(),
            in.readBoolean(),
            false,
            false,
            false,
            false,
            true,
            List.of());
    try {
      int device = FuseMount.mountDirectly(request);
      mounted.add(request.mountPoint());
      socket.sendDescriptor(0, device);
      Linux.close(device);
    } catch (MountException e) {
      socket.output().write(1);
      new DataOutputStream(socket.output()).writeUTF(String.valueOf(e.getMessage()));
    }
  }

  private void execute(CommandLineWords command) throws IOException {
    try {
      for (Path view : mounted) {
        // Until the kernel has asked once, the root belongs to user 0, and what belongs to a user
        // without a number in this namespace may not be written to.
        Linux.status(Flags.AT_FDCWD, view.toString().getBytes(StandardCharsets.UTF_8));
      }
      if (command.directory().length > 0) {
        Processes.changeDirectory(new String(command.directory(), StandardCharsets.UTF_8));
      }
      Processes.clearAmbientCapabilities();
      Processes.blockSignals(CallerSignals.blocked());
      closeOwnDescriptors();
      search(command);
    } catch (ErrnoException e) {
      new DataOutputStream(socket.output()).writeInt(e.errno());
    }
  }

  /**
   * The command gets the descriptors that the caller has opened for it, and not those that Java
   * opened for itself without the flag.
   */
  private static void closeOwnDescriptors() throws IOException {
    List<String> own = new ArrayList<>();
    own.add(System.getProperty("java.home") + "/");
    for (String entry : System.getProperty("java.class.path", "").split(":", -1)) {
      // A jar may name others beside it.
      if (!entry.isEmpty()) {
        own.add(
            Path.of(entry).toAbsolutePath().resolveSibling("x").toString().replaceFirst("x$", ""));
      }
    }
    List<Path> open;
    try (var entries = Files.list(Path.of("/proc/self/fd"))) {
      open = entries.toList();
    }
    for (Path entry : open) {
      int descriptor = Integer.parseInt(entry.getFileName().toString());
      if (descriptor > 2) {
        try {
          String target = Files.readSymbolicLink(entry).toString();
          if (target.endsWith(".aot") || own.stream().anyMatch(target::startsWith)) {
            Processes.closeOnExecute(descriptor, true);
          }
        } catch (IOException e) {
          // The one that the listing itself used.
        }
      }
    }
  }

  /**
   * As execvp(3): along PATH, unless the name has a slash; what has no known format is a script.
   */
  private static void search(CommandLineWords command) throws ErrnoException {
    byte[] name = command.words().getFirst();
    if (indexOf(name, '/', 0) >= 0) {
      become(name, command);
    }
    byte[] path = command.variable("PATH");
    if (path.length == 0) {
      path = STANDARD_PATH;
    }
    ErrnoException failure = new ErrnoException(Errno.ENOENT);
    for (int start = 0; start <= path.length; ) {
      int end = indexOf(path, ':', start);
      if (end < 0) {
        end = path.length;
      }
      byte[] directory = end == start ? new byte[] {'.'} : Arrays.copyOfRange(path, start, end);
      byte[] program = Arrays.copyOf(directory, directory.length + 1 + name.length);
      program[directory.length] = '/';
      System.arraycopy(name, 0, program, directory.length + 1, name.length);
      try {
        become(program, command);
      } catch (ErrnoException e) {
        switch (e.errno()) {
          case Errno.ENOENT, Errno.ENOTDIR -> {}
          case Errno.EACCES -> failure = e;
          default -> throw e;
        }
      }
      start = end + 1;
    }
    throw failure;
  }

  private static int indexOf(byte[] bytes, char wanted, int from) {
    for (int i = from; i < bytes.length; i++) {
      if (bytes[i] == wanted) {
        return i;
      }
    }
    return -1;
  }

  private static void become(byte[] program, CommandLineWords command) throws ErrnoException {
    try {
      Processes.execute(program, command.words(), command.environment());
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOEXEC) {
        throw e;
      }
      List<byte[]> words = new ArrayList<>();
      words.add("sh".getBytes(StandardCharsets.US_ASCII));
      words.add(program);
      words.addAll(command.words().subList(1, command.words().size()));
      Processes.execute(
          "/bin/sh".getBytes(StandardCharsets.US_ASCII), words, command.environment());
    }
  }
}
