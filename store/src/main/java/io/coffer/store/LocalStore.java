package io.coffer.store;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A store in a directory of this machine: of a local disk, or of a network or cluster filesystem
 * that is mounted here.
 *
 * <p>Modes are taken as they are given, so this process must run with a umask of 0 while it makes
 * files through a store.
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
    byte[] name = path.toAbsolutePath().toString().getBytes(StandardCharsets.UTF_8);
    try {
      return new LocalStore(path, LocalDirectory.open(Flags.AT_FDCWD, name, 0));
    } catch (ErrnoException e) {
      throw new ErrnoException(e.errno(), path.toString());
    }
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
