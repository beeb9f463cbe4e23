package io.coffer.batch;

import io.coffer.posix.Credentials;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * Where a user's agent listens: {@code $COFFER_AGENT_SOCK}, else {@code coffer/agent} in {@code
 * $XDG_RUNTIME_DIR}, else in {@code /tmp/coffer-UID}. The directory must be the user's and closed
 * to all others, or nothing there is believed.
 */
public final class AgentAddress {
  /** The variable that names another place. */
  public static final String VARIABLE = "COFFER_AGENT_SOCK";

  private AgentAddress() {}

  /** The path of the socket, whether or not anybody listens. */
  public static Path path() {
    String given = System.getenv(VARIABLE);
    if (given != null && !given.isEmpty()) {
      return Path.of(given).toAbsolutePath();
    }
    String runtime = System.getenv("XDG_RUNTIME_DIR");
    return runtime != null && !runtime.isEmpty()
        ? Path.of(runtime, "coffer", "agent")
        : Path.of("/tmp", "coffer-" + Credentials.uid(), "agent");
  }

  /** Makes the directory of the socket if need be. */
  static void prepare(Path socket) throws BatchException {
    Path directory = socket.getParent();
    if (directory == null) {
      throw new BatchException(socket + " is no place for a socket");
    }
    try {
      if (Files.notExists(directory)) {
        Files.createDirectory(
            directory,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      }
    } catch (IOException e) {
      throw new BatchException("cannot make " + directory + ": " + e.getMessage());
    }
    check(socket);
  }

  /** Refuses a directory that somebody else could have made or may change. */
  static void check(Path socket) throws BatchException {
    Path directory = socket.getParent();
    try {
      FileStatus status =
          Linux.status(Flags.AT_FDCWD, String.valueOf(directory).getBytes(StandardCharsets.UTF_8));
      if (!status.isDirectory()
          || status.uid() != Credentials.effectiveUid()
          || (status.mode() & 0077) != 0) {
        throw new BatchException(
            directory
                + " is not a directory of this user alone (mode 0700); no agent is sought there");
      }
    } catch (ErrnoException e) {
      throw new BatchException("no agent is running (" + directory + " does not exist)");
    }
  }
}
