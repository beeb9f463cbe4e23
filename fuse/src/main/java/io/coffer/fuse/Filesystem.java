package io.coffer.fuse;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Timestamp;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * What a filesystem answers to the kernel: one method for each operation of the protocol, with
 * decoded arguments. Files are named by node ids that earlier answers gave; the root is 1.
 *
 * <p>Called by many threads at once. An {@link ErrnoException} becomes the caller's errno; anything
 * else that is thrown becomes EIO for that request alone. A method that is not overridden answers
 * ENOSYS, which the kernel takes as "never ask again".
 *
 * <p>FUSE_POLL has no method: after ENOSYS the kernel itself answers, as for the regular files of
 * any filesystem, that they can always be read and written (fs/fuse/file.c, fuse_file_poll). Nor
 * has FUSE_BMAP, which the kernel sends only to filesystems on a block device (fuse_bmap).
 */
public interface Filesystem extends AutoCloseable {
  /**
   * A node that was looked up or made; the kernel will {@link #forget} it once for each such reply.
   *
   * @param id 0 tells that the name does not exist
   * @param status null only with id 0
   * @param entryNanos how long the kernel may believe in the name
   * @param attributeNanos how long it may believe in the status
   */
  record EntryReply(
      long id, long generation, @Nullable FileStatus status, long entryNanos, long attributeNanos) {
    /** The name does not exist, and may be remembered so for a while. */
    public static EntryReply missing(long entryNanos) {
      return new EntryReply(0, 0, null, entryNanos, 0);
    }
  }

  /** A file's status and how long the kernel may believe in it. */
  record StatusReply(FileStatus status, long attributeNanos) {}

  /** An open file or directory. {@code flags} are the OPEN constants. */
  record OpenReply(long handle, int flags) {}

  /** FOPEN flags of fuse.h. */
  int OPEN_DIRECT_IO = 1;

  int OPEN_KEEP_CACHE = 2;
  int OPEN_CACHE_DIR = 8;
  int OPEN_NOFLUSH = 32;
  int OPEN_PARALLEL_DIRECT_WRITES = 64;

  /**
   * Changes of a SETATTR; null leaves a value.
   *
   * @param handle the open file through which it is done, 0 if none
   * @param killPrivileges set-user-id and set-group-id bits are to go
   */
  record StatusChange(
      long handle,
      @Nullable Integer mode,
      @Nullable Integer uid,
      @Nullable Integer gid,
      @Nullable Long size,
      @Nullable Timestamp accessed,
      @Nullable Timestamp modified,
      boolean killPrivileges) {}

  /**
   * A byte-range lock.
   *
   * @param type F_RDLCK 0, F_WRLCK 1, F_UNLCK 2
   * @param end last byte, Long.MAX_VALUE for "to the end and beyond"
   */
  record Lock(long start, long end, int type, int pid) {}

  /** Takes directory entries. */
  interface DirectorySink {
    /**
     * @param entry for READDIRPLUS the looked-up node, or null if it is not known
     * @return false if there is no room and the entry was not taken
     */
    boolean add(byte[] name, long inode, int type, long cookie, @Nullable EntryReply entry);
  }

  /** The kernel and this side have agreed; called once before any other method. */
  default void started(Session session) {}

  default EntryReply lookup(Caller caller, long parent, byte[] name) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void forget(long id, long count) {}

  default StatusReply status(Caller caller, long id, long handle) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default StatusReply change(Caller caller, long id, StatusChange change) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default byte[] readLink(Caller caller, long id) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default EntryReply symlink(Caller caller, long parent, byte[] name, byte[] target)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /** {@code device} as glibc's dev_t. */
  default EntryReply makeNode(
      Caller caller, long parent, byte[] name, int mode, int umask, long device)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default EntryReply makeDirectory(Caller caller, long parent, byte[] name, int mode, int umask)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void unlink(Caller caller, long parent, byte[] name) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void removeDirectory(Caller caller, long parent, byte[] name) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void rename(
      Caller caller, long parent, byte[] name, long newParent, byte[] newName, int flags)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default EntryReply link(Caller caller, long id, long newParent, byte[] newName)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default OpenReply open(Caller caller, long id, int flags) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /** A file that was made and opened. */
  record CreateReply(EntryReply entry, OpenReply open) {}

  default CreateReply create(
      Caller caller, long parent, byte[] name, int flags, int mode, int umask)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default CreateReply createTemporary(Caller caller, long parent, int flags, int mode, int umask)
      throws ErrnoException {
    throw new ErrnoException(Errno.EOPNOTSUPP);
  }

  /**
   * Puts bytes into {@code to} at {@code position}; returns their number, short only at the end.
   */
  default int read(
      Caller caller, long id, long handle, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /**
   * Writes.
   *
   * @param fromCache the kernel sends what it held back; the time of modification is what it says
   *     later, or what it was
   * @param killPrivileges set-id bits are to go, since somebody other than root wrote
   */
  default int write(
      Caller caller,
      long id,
      long handle,
      long offset,
      MemorySegment from,
      long position,
      int length,
      boolean fromCache,
      boolean killPrivileges)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default FilesystemStatus filesystemStatus(Caller caller, long id) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void flush(Caller caller, long id, long handle, long lockOwner) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void release(Caller caller, long id, long handle) throws ErrnoException {}

  default void sync(Caller caller, long id, long handle, boolean dataOnly) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void setXattr(Caller caller, long id, byte[] name, byte[] value, int flags)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /** The array that is returned is wiped when the answer has been sent. */
  default byte[] getXattr(Caller caller, long id, byte[] name) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /** Names, each ended by NUL; the array is wiped when the answer has been sent. */
  default byte[] listXattrs(Caller caller, long id) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void removeXattr(Caller caller, long id, byte[] name) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default OpenReply openDirectory(Caller caller, long id, int flags) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /** {@code plus}: entries are wanted with their nodes. */
  default void list(
      Caller caller, long id, long handle, long cookie, boolean plus, DirectorySink sink)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void releaseDirectory(Caller caller, long id, long handle) throws ErrnoException {}

  default void syncDirectory(Caller caller, long id, long handle, boolean dataOnly)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void syncAll(Caller caller, long id) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /** The lock in the way, or null. */
  default @Nullable Lock testLock(Caller caller, long id, long handle, long owner, Lock wanted)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /** Sets or clears a lock without waiting; false if one is in the way. */
  default boolean tryLock(Caller caller, long id, long handle, long owner, Lock wanted)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /** flock(2) without waiting; {@code type} as in {@link Lock}. */
  default boolean tryFlock(Caller caller, long id, long handle, long owner, int type)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void access(Caller caller, long id, int mask) throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default void allocate(Caller caller, long id, long handle, int mode, long offset, long length)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /**
   * May the kernel hold back writes to this file ({@link SessionOptions#writebackCache})? Then it
   * is made to send them before {@link #seek} is asked, which it does not do by itself.
   */
  default boolean isHeldBack(long id) {
    return false;
  }

  default long seek(Caller caller, long id, long handle, long offset, int whence)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  default long copyRange(
      Caller caller,
      long id,
      long handle,
      long offset,
      long targetId,
      long targetHandle,
      long targetOffset,
      long length)
      throws ErrnoException {
    throw new ErrnoException(Errno.ENOSYS);
  }

  /** The mount has ended; nothing is called after this. */
  @Override
  void close();
}
