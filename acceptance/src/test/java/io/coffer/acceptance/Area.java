package io.coffer.acceptance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;

/**
 * A directory for one test, removed at its end together with every mount beneath it, also when the
 * test failed and whatever state the mounts are in.
 */
final class Area implements AutoCloseable {
  private final Path root;
  private final List<AutoCloseable> owned = new ArrayList<>();

  private Area(Path parent) {
    try {
      root =
          Files.createTempDirectory(
              parent,
              "coffer-test",
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** On a disk; property {@code coffer.test.disk} chooses the place, /var/tmp by default. */
  static Area onDisk() {
    return new Area(Path.of(System.getProperty("coffer.test.disk", "/var/tmp")));
  }

  /** In memory (tmpfs). */
  static Area inMemory() {
    Path shm = Path.of("/dev/shm");
    return new Area(Files.isWritable(shm) ? shm : Path.of(System.getProperty("java.io.tmpdir")));
  }

  Path path() {
    return root;
  }

  /** A new directory in this area. */
  Path directory(String name) {
    try {
      return Files.createDirectories(root.resolve(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A file with a text, say a password. */
  Path file(String name, String text) {
    try {
      return Files.writeString(root.resolve(name), text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Closes {@code resource} before the area goes; the last one first. */
  <T extends AutoCloseable> T own(T resource) {
    owned.add(resource);
    return resource;
  }

  /** A loop-mounted ext4 of its own size, or null-free failure if the machine has none. */
  Path ext4(String name, int megabytes) {
    Tools.needRoot();
    Tools.need("mkfs.ext4", "losetup");
    Path image = root.resolve(name + ".img");
    Path where = directory(name);
    Command.of("truncate", "-s", megabytes + "M", image).ok();
    Command.of("mkfs.ext4", "-q", "-m", "0", image).ok();
    if (Command.of("mount", "-o", "loop", image, where).run().exit() != 0) {
      Tools.skip("no loop device can be mounted here");
    }
    return where;
  }

  /** A tmpfs of its own size. */
  Path tmpfs(String name, int megabytes) {
    Tools.needRoot();
    Path where = directory(name);
    Command.of("mount", "-t", "tmpfs", "-o", "size=" + megabytes + "m", "none", where).ok();
    return where;
  }

  @Override
  public void close() {
    for (int i = owned.size() - 1; i >= 0; i--) {
      try {
        owned.get(i).close();
      } catch (Exception e) {
        System.err.println("closing " + owned.get(i) + ": " + e);
      }
    }
    unmountBelow(root);
    Command.of("rm", "-rf", "--one-file-system", root).run();
  }

  static void unmountBelow(Path root) {
    List<Path> mounts = Mounts.below(root);
    for (int i = mounts.size() - 1; i >= 0; i--) {
      Path mount = mounts.get(i);
      if (Command.of("fusermount3", "-u", "-z", mount).run().exit() != 0) {
        Command.of("umount", "-l", mount).run();
      }
    }
  }
}
