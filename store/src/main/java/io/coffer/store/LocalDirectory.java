package io.coffer.store;

import static io.coffer.store.LocalStore.checked;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Timestamp;
import org.jspecify.annotations.Nullable;

/**
 * A directory descriptor. O_PATH, so that a directory that may be searched but not read can be
 * passed through; what O_PATH cannot do (list, sync) opens the directory once more.
 */
final class LocalDirectory implements StoreDirectory {
  /** f_type of statfs(2), linux/magic.h. */
  private static final long FUSE = 0x65735546L;

  private final int descriptor;

  /** See {@link LocalFile}. */
  private final boolean triesForLocks;

  private LocalDirectory(int descriptor, boolean triesForLocks) {
    this.descriptor = descriptor;
    this.triesForLocks = triesForLocks;
  }

  static LocalDirectory open(byte[] path) throws ErrnoException {
    int opened = open(Flags.AT_FDCWD, path, 0);
    try {
      boolean triesForLocks = Linux.filesystemStatus(opened).type() == FUSE;
      LocalDirectory directory = new LocalDirectory(opened, triesForLocks);
      opened = -1;
      return directory;
    } finally {
      if (opened >= 0) {
        Linux.close(opened);
      }
    }
  }

  private static int open(int parent, byte[] name, int flags) throws ErrnoException {
    return Linux.open(parent, name, flags | Flags.O_PATH | Flags.O_DIRECTORY, 0);
  }

  private static int descriptorOf(StoreDirectory directory) throws ErrnoException {
    if (directory instanceof LocalDirectory local) {
      return local.descriptor;
    }
    throw new ErrnoException(Errno.EXDEV, "a directory of another store");
  }

  int descriptor() {
    return descriptor;
  }

  @Override
  public FileStatus status(byte[] name) throws ErrnoException {
    return Linux.status(descriptor, checked(name));
  }

  @Override
  public StoreDirectory openDirectory(byte[] name) throws ErrnoException {
    return new LocalDirectory(open(descriptor, checked(name), Flags.O_NOFOLLOW), triesForLocks);
  }

  @Override
  public StoreFile openFile(byte[] name, int flags, int mode) throws ErrnoException {
    // A FIFO swapped in must not make the opening wait, nor a device be opened at all.
    int opened =
        Linux.open(descriptor, checked(name), flags | Flags.O_NOFOLLOW | Flags.O_NONBLOCK, mode);
    try {
      boolean madeHere = (flags & (Flags.O_CREAT | Flags.O_EXCL)) == (Flags.O_CREAT | Flags.O_EXCL);
      FileStatus status = null;
      if (!madeHere) {
        status = Linux.status(opened);
        if (!status.isRegular()) {
          throw new ErrnoException(status.isDirectory() ? Errno.EISDIR : Errno.ENXIO);
        }
      }
      LocalFile file = new LocalFile(opened, status, triesForLocks);
      opened = -1;
      return file;
    } finally {
      if (opened >= 0) {
        Linux.close(opened);
      }
    }
  }

  @Override
  public StoreFile openTemporary(int flags, int mode) throws ErrnoException {
    int opened = Linux.open(descriptor, SELF, flags | Flags.O_TMPFILE, mode);
    return new LocalFile(opened, null, triesForLocks);
  }

  @Override
  public void makeDirectory(byte[] name, int mode) throws ErrnoException {
    Linux.makeDirectory(descriptor, checked(name), mode);
  }

  @Override
  public void makeNode(byte[] name, int mode, long device) throws ErrnoException {
    Linux.makeNode(descriptor, checked(name), mode, device);
  }

  @Override
  public void symlink(byte[] target, byte[] name) throws ErrnoException {
    Linux.symlink(target, descriptor, checked(name));
  }

  @Override
  public byte[] readLink(byte[] name) throws ErrnoException {
    return Linux.readLink(descriptor, checked(name));
  }

  @Override
  public void link(byte[] name, StoreDirectory newDirectory, byte[] newName) throws ErrnoException {
    Linux.link(descriptor, checked(name), descriptorOf(newDirectory), checked(newName));
  }

  @Override
  public void unlink(byte[] name) throws ErrnoException {
    Linux.unlink(descriptor, checked(name));
  }

  @Override
  public void removeDirectory(byte[] name) throws ErrnoException {
    Linux.removeDirectory(descriptor, checked(name));
  }

  @Override
  public void rename(byte[] name, StoreDirectory newDirectory, byte[] newName, int flags)
      throws ErrnoException {
    Linux.rename(descriptor, checked(name), descriptorOf(newDirectory), checked(newName), flags);
  }

  @Override
  public void changeMode(byte[] name, int mode) throws ErrnoException {
    Linux.changeMode(descriptor, checked(name), mode);
  }

  @Override
  public void changeOwner(byte[] name, int uid, int gid) throws ErrnoException {
    Linux.changeOwner(descriptor, checked(name), uid, gid);
  }

  @Override
  public void changeTimes(byte[] name, Timestamp accessed, Timestamp modified)
      throws ErrnoException {
    Linux.changeTimes(descriptor, checked(name), accessed, modified);
  }

  @Override
  public byte @Nullable [] getXattr(byte[] name, byte[] attribute) throws ErrnoException {
    return Linux.getXattr(descriptor, checked(name), attribute);
  }

  @Override
  public void setXattr(byte[] name, byte[] attribute, byte[] value, int flags)
      throws ErrnoException {
    Linux.setXattr(descriptor, checked(name), attribute, value, flags);
  }

  @Override
  public byte[] listXattrs(byte[] name) throws ErrnoException {
    return Linux.listXattrs(descriptor, checked(name));
  }

  @Override
  public void removeXattr(byte[] name, byte[] attribute) throws ErrnoException {
    Linux.removeXattr(descriptor, checked(name), attribute);
  }

  @Override
  public StoreListing list() throws ErrnoException {
    return new LocalListing(openReadable());
  }

  /**
   * "." asks for the right to search, which listing does not need; the detour over proc does not.
   */
  private int openReadable() throws ErrnoException {
    try {
      return Linux.open(descriptor, SELF, Flags.O_DIRECTORY, 0);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EACCES) {
        throw e;
      }
      return Linux.reopen(descriptor, Flags.O_DIRECTORY);
    }
  }

  @Override
  public void access(byte[] name, int mask) throws ErrnoException {
    Linux.access(descriptor, checked(name), mask);
  }

  @Override
  public FilesystemStatus filesystemStatus() throws ErrnoException {
    return Linux.filesystemStatus(descriptor);
  }

  @Override
  public void sync() throws ErrnoException {
    int readable = openReadable();
    try {
      Linux.sync(readable, false);
    } finally {
      Linux.close(readable);
    }
  }

  @Override
  public void syncFilesystem() throws ErrnoException {
    int readable = openReadable();
    try {
      Linux.syncFilesystem(readable);
    } finally {
      Linux.close(readable);
    }
  }

  @Override
  public void close() {
    Linux.close(descriptor);
  }
}
