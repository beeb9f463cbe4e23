package io.coffer.batch;

import io.coffer.posix.Credentials;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Mounting;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * A directory that is made for a view and goes with it. While the view is there nobody can write
 * into the directory beneath it: a view may end at any moment, by SIGKILL too, and a program that
 * goes on writing to the same path would leave clear text on the node otherwise. For root, whom no
 * mode keeps out, it is removed with the view on it ({@link #removeWithView}).
 *
 * <p>Thread-safe.
 */
public final class MadePlace {
  private static final System.Logger LOG = System.getLogger("io.coffer.batch");
  private static final int OWNER_ALL = 0700;
  private static final int OWNER_READS = 0500;

  private final Path path;
  private int descriptor;

  private MadePlace(Path path, int descriptor) {
    this.path = path;
    this.descriptor = descriptor;
  }

  /** Makes the directory, for its owner alone, and its parents. */
  public static MadePlace make(Path path) throws IOException {
    Files.createDirectories(
        path, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    return of(path);
  }

  /** A directory that this process has just made. */
  public static MadePlace of(Path path) throws IOException {
    byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
    try {
      return new MadePlace(path, Linux.open(Flags.AT_FDCWD, name, Flags.O_DIRECTORY, OWNER_ALL));
    } catch (ErrnoException e) {
      throw new IOException(path + ": " + e.getMessage(), e);
    }
  }

  public Path path() {
    return path;
  }

  /** Shuts it beneath the view. Only now, since fusermount3 wants to be able to write to it. */
  public synchronized void shut() {
    if (descriptor < 0) {
      return;
    }
    try {
      Linux.changeMode(descriptor, OWNER_READS);
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.DEBUG, "{0} stays writable: {1}", path, e.getMessage());
    }
    Linux.close(descriptor);
    descriptor = -1;
  }

  /**
   * Removes it with the view that is mounted on it, which disappears from the tree and ends when
   * its last file is closed.
   *
   * @return false if nothing was done, since only root may; then unmount, and {@link #remove}
   */
  public boolean removeWithView() {
    if (Credentials.effectiveUid() != 0) {
      return false;
    }
    try {
      Mounting.removeMountPoint(path.toString());
      return true;
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.DEBUG, "{0} stays for now: {1}", path, e.getMessage());
      return false;
    }
  }

  /** Removes it once nothing is mounted on it; never fails. */
  public synchronized void remove() {
    if (descriptor >= 0) {
      Linux.close(descriptor);
      descriptor = -1;
    }
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "{0} stays: {1}", path, e.getMessage());
    }
  }
}
