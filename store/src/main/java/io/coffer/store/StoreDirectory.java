package io.coffer.store;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Timestamp;
import org.jspecify.annotations.Nullable;

/**
 * A directory of the store, held by a handle (a descriptor), which goes on naming the same
 * directory when somebody renames it. A {@code name} is one component; {@link #SELF} is the
 * directory itself. Symbolic links are never followed.
 *
 * <p>Thread-safe, except that {@link #close} must come last. Every method throws {@link
 * ErrnoException} with what the store answered.
 */
public interface StoreDirectory extends AutoCloseable {
  /** The name that stands for the directory itself. Do not write to it. */
  byte[] SELF = {'.'};

  /** Status of an entry. */
  FileStatus status(byte[] name) throws ErrnoException;

  /** Opens a subdirectory; ENOTDIR or ELOOP if it is something else. */
  StoreDirectory openDirectory(byte[] name) throws ErrnoException;

  /**
   * Opens or creates a regular file, O_NOFOLLOW and O_CLOEXEC always set.
   *
   * @param flags of open(2): access mode, O_CREAT, O_EXCL, O_TRUNC, O_DIRECT, O_NOATIME
   * @param mode permissions of a created file, taken as they are (no umask)
   */
  StoreFile openFile(byte[] name, int flags, int mode) throws ErrnoException;

  /** An unnamed file in this directory (O_TMPFILE), which {@link StoreFile#linkInto} can name. */
  StoreFile openTemporary(int flags, int mode) throws ErrnoException;

  void makeDirectory(byte[] name, int mode) throws ErrnoException;

  /** Makes a regular file, FIFO, socket or device node; {@code device} as glibc's dev_t. */
  void makeNode(byte[] name, int mode, long device) throws ErrnoException;

  void symlink(byte[] target, byte[] name) throws ErrnoException;

  byte[] readLink(byte[] name) throws ErrnoException;

  /** Makes a hard link {@code newName} in {@code newDirectory} to the entry {@code name}. */
  void link(byte[] name, StoreDirectory newDirectory, byte[] newName) throws ErrnoException;

  void unlink(byte[] name) throws ErrnoException;

  void removeDirectory(byte[] name) throws ErrnoException;

  /** renameat2(2); {@code flags} are RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4. */
  void rename(byte[] name, StoreDirectory newDirectory, byte[] newName, int flags)
      throws ErrnoException;

  /**
   * Renames, never over something, in one step.
   *
   * @return false if the store cannot do that (NFS, ceph-fuse, some cluster filesystems have no
   *     RENAME_NOREPLACE); nothing was done then
   */
  default boolean renameNewAtOnce(byte[] name, StoreDirectory newDirectory, byte[] newName)
      throws ErrnoException {
    try {
      rename(name, newDirectory, newName, Flags.RENAME_NOREPLACE);
      return true;
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EINVAL && e.errno() != Errno.ENOSYS) {
        throw e;
      }
      return false;
    }
  }

  /**
   * Renames, never over something that was there before; nor, on any store, a directory over a file
   * or over a directory with something in it.
   */
  default void renameNew(byte[] name, StoreDirectory newDirectory, byte[] newName)
      throws ErrnoException {
    if (renameNewAtOnce(name, newDirectory, newName)) {
      return;
    }
    if (newDirectory.has(newName)) {
      throw new ErrnoException(Errno.EEXIST);
    }
    try {
      rename(name, newDirectory, newName, 0);
    } catch (ErrnoException e) {
      throw e.errno() == Errno.ENOTEMPTY || e.errno() == Errno.ENOTDIR
          ? new ErrnoException(Errno.EEXIST)
          : e;
    }
  }

  /** Is there an entry of that name? */
  default boolean has(byte[] name) throws ErrnoException {
    try {
      status(name);
      return true;
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        return false;
      }
      throw e;
    }
  }

  void changeMode(byte[] name, int mode) throws ErrnoException;

  /** {@code uid} or {@code gid} -1 leaves it. */
  void changeOwner(byte[] name, int uid, int gid) throws ErrnoException;

  /** {@link Timestamp#NOW} and {@link Timestamp#OMIT} are understood. */
  void changeTimes(byte[] name, Timestamp accessed, Timestamp modified) throws ErrnoException;

  /** The value of an extended attribute, or null where the entry has none of that name. */
  byte @Nullable [] getXattr(byte[] name, byte[] attribute) throws ErrnoException;

  /** {@code flags}: 0, XATTR_CREATE 1, XATTR_REPLACE 2. */
  void setXattr(byte[] name, byte[] attribute, byte[] value, int flags) throws ErrnoException;

  /** The names of all extended attributes, each ended by NUL, as listxattr(2) gives them. */
  byte[] listXattrs(byte[] name) throws ErrnoException;

  void removeXattr(byte[] name, byte[] attribute) throws ErrnoException;

  /** Starts reading the entries. Several listings of one directory are independent. */
  StoreListing list() throws ErrnoException;

  /**
   * faccessat2(2) with AT_EACCESS: would the calling thread's effective ids be allowed this? EACCES
   * if not.
   *
   * @param mask of R_OK 4, W_OK 2, X_OK 1; 0 asks for existence
   */
  void access(byte[] name, int mask) throws ErrnoException;

  FilesystemStatus filesystemStatus() throws ErrnoException;

  /** Makes the entries durable: fsync(2) of the directory. */
  void sync() throws ErrnoException;

  /**
   * Makes everything written to this directory's filesystem durable, syncfs(2): one call where many
   * files and directories would have to be synced each.
   */
  void syncFilesystem() throws ErrnoException;

  @Override
  void close();
}
