package io.coffer.vfs;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Timestamp;
import io.coffer.store.FileLock;
import io.coffer.store.LockType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A filesystem of inodes, as a kernel (or a tool that works on whole trees) wants it: plain names,
 * plain contents, plain sizes. An inode id is this table's own and is valid from the answer that
 * named it until it has been {@linkplain #forget forgotten} as often as it was named; inode numbers
 * in a {@link FileStatus} are the store's and stay the same as long as the file lives. A file has
 * one id however many names it has.
 *
 * <p>Thread-safe: any number of operations may run at once. Errors are errno values: a block or
 * name that does not authenticate is EIO, with one log line that names file and block.
 */
public interface VirtualFilesystem extends AutoCloseable {
  /** Id of the root directory, which is always known. */
  long ROOT = 1;

  /**
   * An inode that was looked up or made; the caller owes one {@link #forget} for it.
   *
   * @param generation differs when an id is used again for another file
   */
  record Entry(long id, long generation, FileStatus status) {}

  /** A file that was made and opened in one step. */
  record Created(Entry entry, long handle) {}

  /**
   * Changes for {@link #setAttributes}; null leaves the value alone.
   *
   * @param mode permission bits (07777)
   */
  record AttributeChanges(
      @Nullable Integer mode,
      @Nullable Integer uid,
      @Nullable Integer gid,
      @Nullable Long size,
      @Nullable Timestamp accessed,
      @Nullable Timestamp modified) {}

  /** Takes the entries of a directory, one by one. */
  interface EntrySink {
    /**
     * @param cookie of the place behind this entry
     * @param inode inode number
     * @param type TYPE bits of the mode
     * @param entry the looked-up entry if the listing was asked for that, else null; null also for
     *     "." and ".."
     * @return false if there is no room; the entry is then not taken and (if looked up) not owed
     */
    boolean add(byte[] name, long inode, int type, long cookie, @Nullable Entry entry);
  }

  Entry lookup(long parent, byte[] name) throws ErrnoException;

  void forget(long id, long count);

  /** {@code handle} is an open file's, or 0. */
  FileStatus status(long id, long handle) throws ErrnoException;

  /** Applies all changes; the order is size, owner, mode, times. {@code handle} may be 0. */
  FileStatus setAttributes(long id, long handle, AttributeChanges changes) throws ErrnoException;

  byte[] readLink(long id) throws ErrnoException;

  Entry symlink(long parent, byte[] name, byte[] target) throws ErrnoException;

  /** {@code mode} with type bits, taken as it is (umask applied by the caller). */
  Entry makeNode(long parent, byte[] name, int mode, long device) throws ErrnoException;

  Entry makeDirectory(long parent, byte[] name, int mode) throws ErrnoException;

  void unlink(long parent, byte[] name) throws ErrnoException;

  void removeDirectory(long parent, byte[] name) throws ErrnoException;

  /** renameat2(2) with RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4. */
  void rename(long parent, byte[] name, long newParent, byte[] newName, int flags)
      throws ErrnoException;

  Entry link(long id, long newParent, byte[] newName) throws ErrnoException;

  /** Opens a regular file; returns a handle. {@code flags} of open(2), without O_CREAT. */
  long open(long id, int flags) throws ErrnoException;

  Created create(long parent, byte[] name, int flags, int mode) throws ErrnoException;

  /** O_TMPFILE: {@link #link} can name it later, unless {@code flags} has O_EXCL. */
  Created createTemporary(long parent, int flags, int mode) throws ErrnoException;

  /**
   * Reads plain bytes into native memory.
   *
   * @return bytes read, less than {@code length} only at the end of the file: a kernel takes a
   *     short answer for the end, so a bad block anywhere in the range is EIO
   */
  int read(long handle, long offset, MemorySegment to, long position, int length)
      throws ErrnoException;

  /**
   * Writes plain bytes from native memory.
   *
   * @return bytes written; less than {@code length} if the store became full on the way
   */
  int write(long handle, long offset, MemorySegment from, long position, int length)
      throws ErrnoException;

  /** A descriptor was closed: the POSIX locks of {@code lockOwner} on the file go. */
  void flush(long handle, long lockOwner) throws ErrnoException;

  /** Durable afterwards: contents, and whatever is needed to reach and decrypt the file. */
  void sync(long handle, boolean dataOnly) throws ErrnoException;

  void release(long handle);

  void allocate(long handle, int mode, long offset, long length) throws ErrnoException;

  /** SEEK_DATA 3 or SEEK_HOLE 4. */
  long seek(long handle, long offset, int whence) throws ErrnoException;

  /** copy_file_range(2): returns bytes copied, 0 at the end of the source. */
  long copyRange(long from, long fromOffset, long to, long toOffset, long length)
      throws ErrnoException;

  /** Returns a handle for {@link #list}, {@link #syncDirectory} and {@link #releaseDirectory}. */
  long openDirectory(long id) throws ErrnoException;

  /**
   * Gives entries to the sink until it is full or the directory ends. Cookie 0 is the start. Names
   * that cannot be decoded are left out and logged once.
   *
   * @param lookup also look each entry up, as {@link #lookup} does; an entry that vanished
   *     meanwhile is left out
   */
  void list(long handle, long cookie, boolean lookup, EntrySink sink) throws ErrnoException;

  void syncDirectory(long handle) throws ErrnoException;

  void releaseDirectory(long handle);

  FilesystemStatus filesystemStatus(long id) throws ErrnoException;

  /**
   * access(2) on the store with the effective ids of this process, mask of R_OK 4, W_OK 2, X_OK 1.
   */
  void access(long id, int mask) throws ErrnoException;

  /** ENODATA if there is none; EOPNOTSUPP if the view has none at all. */
  byte[] getXattr(long id, byte[] name) throws ErrnoException;

  void setXattr(long id, byte[] name, byte[] value, int flags) throws ErrnoException;

  /** Names, each ended by NUL. */
  byte[] listXattrs(long id) throws ErrnoException;

  void removeXattr(long id, byte[] name) throws ErrnoException;

  /** The lock in the way of such a POSIX lock of {@code owner}, or null. */
  @Nullable FileLock testLock(long handle, long owner, LockType type, long start, long length)
      throws ErrnoException;

  /** Sets or clears a POSIX lock for an owner without waiting; false if one is in the way. */
  boolean tryLock(long handle, long owner, LockType type, long start, long length)
      throws ErrnoException;

  /** flock(2) on the handle without waiting; false if one is in the way. */
  boolean tryFlock(long handle, LockType type) throws ErrnoException;

  /**
   * May the names in a directory and what hangs on them become others without anybody changing them
   * (those of a locked tree, when it is unlocked)? Nobody should remember them then.
   */
  default boolean namesMayChange(long directory) {
    return false;
  }

  /**
   * {@link #namesMayChange} of one name. Also of each of a file that has more of them than are
   * known when they change, so that whoever remembers one cannot be told.
   */
  default boolean nameMayChange(long directory, Entry entry) {
    return namesMayChange(directory);
  }

  /**
   * Are writes to the contents of a file still taken from those who have it open? False once its
   * tree has been locked; nobody should accept any on this filesystem's behalf then.
   */
  default boolean takesWrites(long id) {
    return true;
  }

  /** Ends it: closes every handle. The store is closed by whoever opened it. */
  @Override
  void close();
}
