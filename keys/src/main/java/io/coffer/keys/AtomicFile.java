package io.coffer.keys;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Set;

/**
 * Writes a small file whole or not at all: into a temporary file beside it, fsync, rename, fsync of
 * the directory. After a crash the old file or the new one is there, never a part. Another process
 * that does the same at the same time makes one of the two fail, not the file.
 */
public final class AtomicFile {
  private static final Logger LOG = System.getLogger("io.coffer.keys");

  /** What a crash may leave beside a file. */
  static final String TEMPORARY_SUFFIX = ".tmp";

  private AtomicFile() {}

  /**
   * Makes a file that must not exist yet.
   *
   * @param permissions as {@code "r--------"}
   * @throws FileAlreadyExistsException if it does
   */
  public static void create(Path file, byte[] content, String permissions) throws IOException {
    Path temporary = writeTemporary(file, content, permissions);
    try {
      // A link, unlike a rename, does not replace what another process made meanwhile.
      Files.createLink(file, temporary);
    } catch (UnsupportedOperationException | IOException e) {
      if (e instanceof FileAlreadyExistsException
          || Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
        Files.deleteIfExists(temporary);
        throw new FileAlreadyExistsException(file.toString());
      }
      // The store has no hard links.
      Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
    }
    Files.deleteIfExists(temporary);
    syncDirectory(file);
  }

  /**
   * Replaces a file. The new one has the old one's permissions and, as far as this process may set
   * them, its owner and group.
   */
  public static void replace(Path file, byte[] content) throws IOException {
    PosixFileAttributes old = Files.readAttributes(file, PosixFileAttributes.class);
    String permissions = PosixFilePermissions.toString(old.permissions());
    // Replaces the file that a symbolic link names, not the link.
    Path target = file.toRealPath();
    Path temporary = writeTemporary(target, content, permissions);
    try {
      keepOwner(temporary, old);
      Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      Files.deleteIfExists(temporary);
      throw e;
    }
    syncDirectory(target);
  }

  /**
   * Replaces a file if it still has the contents that this process has read. Holding the temporary
   * file keeps all others out meanwhile.
   *
   * @throws FileSystemException if the file has other contents now
   */
  public static void replace(Path file, byte[] expected, byte[] content) throws IOException {
    PosixFileAttributes old = Files.readAttributes(file, PosixFileAttributes.class);
    String permissions = PosixFilePermissions.toString(old.permissions());
    Path target = file.toRealPath();
    Path temporary = writeTemporary(target, content, permissions);
    boolean done = false;
    try {
      if (!Arrays.equals(Files.readAllBytes(target), expected)) {
        throw new FileSystemException(
            target.toString(), null, "somebody else has changed it meanwhile; begin again");
      }
      keepOwner(temporary, old);
      Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      done = true;
    } finally {
      if (!done) {
        Files.deleteIfExists(temporary);
      }
    }
    syncDirectory(target);
  }

  private static Path writeTemporary(Path file, byte[] content, String permissions)
      throws IOException {
    Set<PosixFilePermission> wanted = PosixFilePermissions.fromString(permissions);
    Path temporary = file.resolveSibling(file.getFileName() + TEMPORARY_SUFFIX);
    try (FileChannel channel = open(temporary, wanted)) {
      ByteBuffer buffer = ByteBuffer.wrap(content);
      while (buffer.hasRemaining()) {
        channel.write(buffer);
      }
      // The mode at creation is cut by the umask.
      Files.setPosixFilePermissions(temporary, wanted);
      channel.force(true);
      return temporary;
    } catch (FileAlreadyExistsException e) {
      throw e;
    } catch (IOException e) {
      Files.deleteIfExists(temporary);
      throw e;
    }
  }

  private static FileChannel open(Path temporary, Set<PosixFilePermission> permissions)
      throws IOException {
    return FileChannel.open(
        temporary,
        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
        PosixFilePermissions.asFileAttribute(permissions));
  }

  private static void keepOwner(Path file, PosixFileAttributes old) throws IOException {
    PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
    PosixFileAttributes now = view.readAttributes();
    if (now.owner().equals(old.owner()) && now.group().equals(old.group())) {
      return;
    }
    try {
      view.setGroup(old.group());
      view.setOwner(old.owner());
    } catch (IOException e) {
      LOG.log(Level.WARNING, "{0} keeps a new owner: {1}", file, e.getMessage());
    }
  }

  /** Makes the entry durable. Some network filesystems cannot; the rename stands nevertheless. */
  private static void syncDirectory(Path file) {
    Path directory = file.toAbsolutePath().getParent();
    if (directory == null) {
      return;
    }
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      LOG.log(Level.WARNING, "cannot sync directory {0}: {1}", directory, e.getMessage());
    }
  }
}
