package io.coffer.cli;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Looks at a mount point before anything is asked or mounted. */
public final class MountPoint {
  private static final long READ_ONLY = 1;

  /** What can be wrong with a mount point. */
  public enum Problem {
    MISSING,
    NOT_A_DIRECTORY,
    NOT_EMPTY,
    /** Mounting there would hide the volume from its own view. */
    CONTAINS_VOLUME,
    /** The view would show itself inside the volume. */
    INSIDE_VOLUME,
    /** A view is mounted there whose process has died. */
    DISCONNECTED,
    NOT_ACCESSIBLE
  }

  private MountPoint() {}

  /** Is it a descriptor that somebody else has mounted, as {@code /dev/fd/N}? */
  public static boolean isDescriptor(Path mountPoint) {
    return mountPoint.toString().startsWith("/dev/fd/");
  }

  /**
   * Checks a mount point.
   *
   * @param directory the volume; must exist
   * @return what is wrong, or null
   */
  public static @Nullable Problem check(Path directory, Path mountPoint, boolean mayHoldFiles) {
    if (isDescriptor(mountPoint)) {
      return null;
    }
    try {
      if (!Linux.status(Flags.AT_FDCWD, pathBytes(mountPoint.toRealPath())).isDirectory()) {
        return Problem.NOT_A_DIRECTORY;
      }
      Path at = mountPoint.toRealPath();
      Path volume = directory.toRealPath();
      if (volume.startsWith(at)) {
        return Problem.CONTAINS_VOLUME;
      }
      if (at.startsWith(volume)) {
        return Problem.INSIDE_VOLUME;
      }
      if (mayHoldFiles) {
        return null;
      }
      try (var entries = Files.newDirectoryStream(at)) {
        return entries.iterator().hasNext() ? Problem.NOT_EMPTY : null;
      }
    } catch (ErrnoException e) {
      return e.errno() == Errno.ENOTCONN ? Problem.DISCONNECTED : Problem.NOT_ACCESSIBLE;
    } catch (IOException e) {
      return whyNot(mountPoint);
    }
  }

  /**
   * Refuses a mount point that {@link #check} has something against.
   *
   * @throws CommandException with what is wrong, and what to do
   */
  static void require(Path directory, Path mountPoint, boolean mayHoldFiles)
      throws CommandException {
    Problem problem = check(directory, mountPoint, mayHoldFiles);
    if (problem == null) {
      return;
    }
    String quoted = Shell.quote(mountPoint.toString());
    throw switch (problem) {
      case MISSING ->
          new CommandException(
              ExitCode.MOUNT_POINT,
              "the mount point " + mountPoint + " does not exist",
              "mkdir " + quoted);
      case NOT_A_DIRECTORY ->
          new CommandException(
              ExitCode.MOUNT_POINT, "the mount point " + mountPoint + " is not a directory");
      case NOT_EMPTY ->
          new CommandException(
              ExitCode.MOUNT_POINT,
              "the mount point "
                  + mountPoint
                  + " is not empty: its files would be hidden, or a view is mounted there already",
              "ls -A " + quoted);
      case CONTAINS_VOLUME ->
          new CommandException(
              ExitCode.MOUNT_POINT,
              "mounting on " + mountPoint + " would hide the volume " + directory + " itself");
      case INSIDE_VOLUME ->
          new CommandException(
              ExitCode.MOUNT_POINT,
              "the mount point " + mountPoint + " is inside the volume " + directory);
      case DISCONNECTED ->
          new CommandException(
              ExitCode.MOUNT_POINT,
              "a view is mounted on " + mountPoint + " whose process has died",
              "coffer unmount " + quoted);
      case NOT_ACCESSIBLE ->
          new CommandException(
              ExitCode.MOUNT_POINT,
              "the mount point " + mountPoint + " cannot be used by this user");
    };
  }

  private static Problem whyNot(Path mountPoint) {
    try {
      Linux.status(Flags.AT_FDCWD, pathBytes(mountPoint));
      return Problem.NOT_ACCESSIBLE;
    } catch (ErrnoException e) {
      return switch (e.errno()) {
        case Errno.ENOTCONN -> Problem.DISCONNECTED;
        case Errno.ENOENT -> Problem.MISSING;
        case Errno.ENOTDIR -> Problem.NOT_A_DIRECTORY;
        default -> Problem.NOT_ACCESSIBLE;
      };
    }
  }

  /** Is the filesystem under a directory mounted read-only? */
  public static boolean isReadOnly(Path directory) {
    try {
      int descriptor =
          Linux.open(
              Flags.AT_FDCWD,
              pathBytes(directory.toAbsolutePath()),
              Flags.O_PATH | Flags.O_DIRECTORY,
              0);
      try {
        return (Linux.filesystemStatus(descriptor).flags() & READ_ONLY) != 0;
      } finally {
        Linux.close(descriptor);
      }
    } catch (ErrnoException e) {
      return false;
    }
  }

  private static byte[] pathBytes(Path path) {
    return path.toString().getBytes(StandardCharsets.UTF_8);
  }
}
