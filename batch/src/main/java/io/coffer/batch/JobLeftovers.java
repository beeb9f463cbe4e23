package io.coffer.batch;

import io.coffer.crypto.RandomBytes;
import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;

/**
 * The places of jobs' views, and what an earlier job of this user left there: if a scheduler kills
 * the process that serves a view and its {@linkplain LeftoverWatch watch} at once, a dead mount
 * stays, or an empty directory. Neither holds a key or clear text. The next job that has a view on
 * the node takes them away.
 */
public final class JobLeftovers {
  private static final System.Logger LOG = System.getLogger("io.coffer.batch");

  /** The directory of all places. */
  private static final Path PARENT = Path.of("/tmp");

  private static final Pattern NAME = Pattern.compile("coffer\\.[0-9a-f]{16}\\.job\\.\\d+");

  /** A directory that is younger may be one on which a job is about to mount. */
  private static final Duration OLD = Duration.ofMinutes(10);

  private JobLeftovers() {}

  /**
   * A place for the view of a job: the same on every node, nobody can have taken it before, and an
   * epilog finds it by its end, {@code .job.ID}. One directory and not one in another, so that one
   * call makes it and one removes it.
   *
   * @param job the job's number
   */
  public static Path freshPlace(String job) {
    return PARENT.resolve("coffer." + HexFormat.of().formatHex(RandomBytes.of(8)) + ".job." + job);
  }

  /** Takes away what earlier jobs of this user have left on this node. Never fails. */
  public static void remove(Path own) {
    remove(PARENT, own, Instant.now().minus(OLD));
  }

  /**
   * The same in another directory. Only what is named as a place of ours, belongs to this user, is
   * not a link, and is either a view whose process is gone, or empty and older than some moment,
   * goes; everything else stays as it is, whatever happens meanwhile, since a directory that is in
   * use cannot be removed.
   */
  static void remove(Path parent, Path own, Instant olderThan) {
    for (Path place : places(parent)) {
      if (place.equals(own)) {
        continue;
      }
      byte[] name = place.toString().getBytes(StandardCharsets.UTF_8);
      try {
        FileStatus status = Linux.status(Flags.AT_FDCWD, name);
        if (status.isDirectory()
            && status.uid() == Credentials.effectiveUid()
            && Instant.ofEpochSecond(status.modified().seconds()).isBefore(olderThan)) {
          Linux.removeDirectory(Flags.AT_FDCWD, name);
        }
      } catch (ErrnoException e) {
        if (e.errno() == Errno.ENOTCONN) {
          unmount(place);
        }
      }
    }
  }

  private static List<Path> places(Path parent) {
    List<Path> places = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(parent)) {
      for (Path entry : entries) {
        if (NAME.matcher(entry.getFileName().toString()).matches()) {
          places.add(entry);
        }
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "{0}: {1}", parent, e.getMessage());
    }
    return places;
  }

  /** As an ordinary user, only what is this user's: fusermount3 sees to that. */
  private static void unmount(Path place) {
    try {
      int exit =
          Munge.run(
                  List.of("sh", "-c", LeftoverWatch.TAKE_AWAY, "coffer-watch", place.toString()),
                  "")
              .exit();
      LOG.log(System.Logger.Level.DEBUG, "the dead view on {0} goes: {1}", place, exit);
    } catch (BatchException e) {
      LOG.log(System.Logger.Level.DEBUG, "the dead view on {0} stays: {1}", place, e.getMessage());
    }
  }
}
