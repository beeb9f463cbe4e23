package io.coffer.cli;

import io.coffer.fuse.MountException;
import io.coffer.mount.MountedView;
import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Mounting;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer unmount}: closes a view. */
@Command(
    name = "unmount",
    aliases = "umount",
    sortOptions = false,
    description = {
      "Close the view that is mounted on MOUNTPOINT.",
      "",
      "Everything that programs have written is in the volume when this returns. A view that is"
          + " in use stays open unless --lazy is given."
    },
    footer = {"", "Examples:", "  coffer unmount secret", "  coffer unmount --lazy secret"})
final class UnmountCommand extends BaseCommand {
  @Option(
      names = {"-z", "--lazy"},
      description =
          "Take the view away now even if files in it are open; it ends when they are closed.")
  private boolean lazy;

  @Parameters(paramLabel = "MOUNTPOINT", description = "Where the view is mounted.")
  private Path mountPoint = Path.of(".");

  UnmountCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, IOException {
    Mount mount = findMount();
    Path path = mount.at;
    try {
      if (lazy) {
        MountedView.unmount(path);
      } else if (!unmount(path)) {
        throw new CommandException(
            ExitCode.MOUNT_POINT,
            mountPoint + " is in use: a program has files open in it or works inside it",
            "fuser -vm " + Shell.quote(mountPoint.toString()));
      }
    } catch (MountException e) {
      throw new CommandException(ExitCode.MOUNT_POINT, String.valueOf(e.getMessage()));
    }
    if (!lazy) {
      tellOfCopies(mount);
    }
    return ExitCode.OK;
  }

  /**
   * What the mount table says.
   *
   * @param device major and minor number of the filesystem, the same for all mounts of it
   */
  private record Mount(Path at, String type, String device) {
    /** A line of proc(5)'s mountinfo; a type that is empty if there is none. */
    static Mount parse(String line) {
      // ID parent major:minor root mount-point options ... - type source options
      String[] fields = line.split(" ", -1);
      String type = "";
      for (int i = 6; i < fields.length - 1; i++) {
        if (fields[i].equals("-")) {
          type = fields[i + 1];
        }
      }
      return new Mount(Path.of(unescape(fields[4])), type, fields[2]);
    }
  }

  /**
   * A mount namespace that was made from this one while the view was mounted (a container's, a
   * batch node's, that of a service of systemd) has a copy of the mount. As long as it has, the
   * view's process lives and holds its keys.
   */
  private void tellOfCopies(Mount gone) {
    Set<String> seen = new HashSet<>();
    for (Path process : processes()) {
      try {
        if (!seen.add(Files.readSymbolicLink(process.resolve("ns/mnt")).toString())) {
          continue;
        }
        for (String line : Files.readAllLines(process.resolve("mountinfo"))) {
          Mount copy = Mount.parse(line);
          if (copy.device.equals(gone.device) && copy.type.equals(gone.type)) {
            String pid = String.valueOf(process.getFileName());
            ui.err()
                .println(
                    "coffer: unmounted here, but the mount namespace of process "
                        + pid
                        + " ("
                        + Files.readString(process.resolve("comm")).strip()
                        + ") still shows the view on "
                        + copy.at
                        + ": its keys stay in memory until that is unmounted, too, or the"
                        + " namespace ends");
            ui.err()
                .println(
                    "  Next: sudo nsenter --mount --target "
                        + pid
                        + " umount "
                        + Shell.quote(copy.at.toString()));
            break;
          }
        }
      } catch (IOException e) {
        // Ended meanwhile, or somebody else's: no more can be known.
      }
    }
  }

  private static List<Path> processes() {
    try (DirectoryStream<Path> found = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
      List<Path> all = new ArrayList<>();
      found.forEach(all::add);
      return all;
    } catch (IOException e) {
      return List.of();
    }
  }

  /** Unmounts; false if it is in use. */
  private static boolean unmount(Path path) throws IOException, CommandException {
    if (Credentials.effectiveUid() == 0) {
      try {
        Mounting.unmount(path.toString(), 0);
        return true;
      } catch (ErrnoException e) {
        if (e.errno() == Errno.EBUSY) {
          return false;
        }
        throw e;
      }
    }
    for (String helper : List.of("fusermount3", "fusermount")) {
      try {
        Process process =
            new ProcessBuilder(helper, "-u", "--", path.toString())
                .redirectErrorStream(true)
                .start();
        String said =
            new String(
                process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        if (process.waitFor() == 0) {
          return true;
        }
        if (said.contains("busy")) {
          return false;
        }
        throw new CommandException(ExitCode.MOUNT_POINT, said.strip());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return false;
      } catch (IOException e) {
        // Not installed under this name.
      }
    }
    throw new CommandException(
        ExitCode.MOUNT_POINT,
        "fusermount3 is not installed; without it only root can unmount",
        "sudo umount " + Shell.quote(path.toString()));
  }

  /** The mount point as the mount table has it. The view's process may have died. */
  private Mount findMount() throws CommandException, IOException {
    Path absolute = mountPoint.toAbsolutePath().normalize();
    Path real = realPath(absolute);
    Mount found = null;
    for (String line : Files.readAllLines(Path.of("/proc/self/mountinfo"))) {
      Mount mount = Mount.parse(line);
      if (mount.at.equals(absolute) || mount.at.equals(real)) {
        found = mount;
      }
    }
    if (found == null) {
      throw new CommandException(ExitCode.MOUNT_POINT, "nothing is mounted on " + mountPoint);
    }
    if (!found.type.startsWith("fuse.coffer") && !found.type.startsWith("fuse.gocryptfs")) {
      throw new CommandException(
          ExitCode.MOUNT_POINT,
          "what is mounted on " + mountPoint + " is no view of a volume but " + found.type,
          "umount " + Shell.quote(mountPoint.toString()));
    }
    return new Mount(real == null ? absolute : real, found.type, found.device);
  }

  /** The real path, found by the parent, since the view itself may not answer. */
  private static @Nullable Path realPath(Path absolute) {
    Path parent = absolute.getParent();
    Path name = absolute.getFileName();
    try {
      if (Files.isSymbolicLink(absolute)) {
        return absolute.toRealPath();
      }
      return parent == null || name == null ? absolute : parent.toRealPath().resolve(name);
    } catch (IOException e) {
      return null;
    }
  }

  /** The mount table writes space, tab, newline and backslash in octal. */
  static String unescape(String field) {
    return field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\");
  }
}
