package io.coffer.keyserver.ca;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HexFormat;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Replaces small files as a whole: temporary file, fsync, rename, fsync of the directory. A reader
 * sees the old content or the new, also after a crash.
 */
public final class DurableFiles {
  private DurableFiles() {}

  /**
   * Writes a file that everybody may read (mode 644).
   *
   * @throws IOException if it cannot be written; the old file then is as it was
   */
  public static void writePublic(Path file, byte[] content) throws IOException {
    write(file, content, "rw-r--r--");
  }

  /** Writes a file that only its owner may read (mode 600), like {@link #writePublic}. */
  public static void writePrivate(Path file, byte[] content) throws IOException {
    write(file, content, "rw-------");
  }

  /** Creates a directory, with its parents, that only its owner may enter; it may exist. */
  public static void createPrivateDirectory(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      Files.createDirectories(
          directory,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }
  }

  private static void write(Path file, byte[] content, String mode) throws IOException {
    byte[] suffix = new byte[6];
    ThreadLocalRandom.current().nextBytes(suffix);
    Path temporary =
        file.resolveSibling(file.getFileName() + "." + HexFormat.of().formatHex(suffix) + ".new");
    try {
      try (FileChannel channel =
          FileChannel.open(
              temporary,
              Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(mode)))) {
        ByteBuffer buffer = ByteBuffer.wrap(content);
        while (buffer.hasRemaining()) {
          channel.write(buffer);
        }
        channel.force(true);
      }
      Files.setPosixFilePermissions(temporary, PosixFilePermissions.fromString(mode));
      Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
    syncDirectory(file.toAbsolutePath().resolveSibling("."));
  }

  private static void syncDirectory(Path directory) throws IOException {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }
}
