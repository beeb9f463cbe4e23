package io.coffer.mount;

import io.coffer.fuse.MountException;
import io.coffer.posix.Credentials;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/**
 * Finds out beforehand what would make a mount fail or hide something, and says what to do. What it
 * overlooks, the kernel or fusermount3 refuses in their own words.
 */
final class MountPointCheck {
  private static final Path FUSE_CONF = Path.of("/etc/fuse.conf");

  private MountPointCheck() {}

  static void check(MountOptions options) throws MountException {
    if (options.request().isHandedOver()) {
      return;
    }
    checkDirectory(options.request().mountPoint(), options.nonEmpty());
    if (options.request().allowOther() && Credentials.effectiveUid() != 0) {
      checkOthersAllowed(FUSE_CONF);
    }
  }

  static void checkDirectory(Path mountPoint, boolean nonEmpty) throws MountException {
    if (!Files.exists(mountPoint, LinkOption.NOFOLLOW_LINKS)) {
      throw new MountException(
          "The mount point " + mountPoint + " does not exist. Create it: mkdir " + mountPoint);
    }
    if (!Files.isDirectory(mountPoint)) {
      throw new MountException("The mount point " + mountPoint + " is not a directory.");
    }
    if (nonEmpty) {
      return;
    }
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(mountPoint)) {
      if (entries.iterator().hasNext()) {
        throw new MountException(
            "The mount point "
                + mountPoint
                + " is not empty; the view would hide what is in it."
                + " Choose an empty directory, or mount with -o nonempty.");
      }
    } catch (AccessDeniedException e) {
      throw new MountException("You may not read the mount point " + mountPoint + ".");
    } catch (IOException e) {
      throw new MountException(
          "Cannot read the mount point "
              + mountPoint
              + ": "
              + e.getMessage()
              + ". If a view was there whose process died: fusermount3 -u "
              + mountPoint);
    }
  }

  /** fusermount3 refuses allow_other unless the administrator permits it. */
  static void checkOthersAllowed(Path configuration) throws MountException {
    try {
      if (Files.readAllLines(configuration).stream()
          .noneMatch(line -> line.strip().equals("user_allow_other"))) {
        throw new MountException(
            "allow_other is for root here. For others the administrator adds the line"
                + " user_allow_other to "
                + configuration
                + ".");
      }
    } catch (IOException e) {
      // Not readable for us, but perhaps for fusermount3, which decides.
      System.getLogger("io.coffer.mount")
          .log(System.Logger.Level.DEBUG, "{0} is not readable", configuration);
    }
  }
}
