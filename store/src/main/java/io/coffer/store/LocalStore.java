package io.coffer.store;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.util.HexFormat;

/**
 * A store in a directory of this machine: of a local disk, or of a network or cluster filesystem
 * that is mounted here.
 *
 * <p>Modes are taken as they are given, whatever the umask of this process. Needs /proc.
 */
public final class LocalStore implements Store {
  private final Path path;
  private final LocalDirectory root;

  private LocalStore(Path path, LocalDirectory root) {
    this.path = path;
    this.root = root;
  }

  /**
   * Opens a directory as a store.
   *
   * @throws ErrnoException ENOENT, ENOTDIR, EACCES as open(2) says
   */
  public static LocalStore open(Path path) throws ErrnoException {
    byte[] name = bytes(path.toAbsolutePath());
    try {
      return new LocalStore(path, LocalDirectory.open(name));
    } catch (ErrnoException e) {
      throw new ErrnoException(e.errno(), path.toString());
    }
  }

  /**
   * The bytes of a path. Its URI has them exactly, escaped; its text has lost those that are no
   * characters in the encoding of this locale.
   */
  private static byte[] bytes(Path path) {
    String escaped = path.toUri().getRawPath();
    var bytes = new ByteArrayOutputStream(escaped.length());
    for (int i = 0; i < escaped.length(); i++) {
      if (escaped.charAt(i) == '%') {
        bytes.write(HexFormat.fromHexDigits(escaped, i + 1, i + 3));
        i += 2;
      } else {
        bytes.write(escaped.charAt(i));
      }
    }
    return bytes.toByteArray();
  }

  @Override
  public StoreDirectory root() {
    return root;
  }

  @Override
  public String description() {
    return path.toString();
  }

  @Override
  public void close() throws ErrnoException {
    root.close();
  }

  /** Names of the store's files are never paths. */
  static byte[] checked(byte[] name) throws ErrnoException {
    if (name.length == 0) {
      throw new ErrnoException(Errno.ENOENT, "an empty name");
    }
    for (byte b : name) {
      if (b == '/') {
        throw new ErrnoException(Errno.EINVAL, "a name with a slash");
      }
    }
    return name;
  }
}
