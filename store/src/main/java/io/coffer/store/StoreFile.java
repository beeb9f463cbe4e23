package io.coffer.store;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Timestamp;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * An open stored file. Offsets and sizes are bytes of the stored form. Thread-safe, except that
 * {@link #close} must come last.
 */
public interface StoreFile extends AutoCloseable {
  /**
   * Reads until {@code length} bytes are there or the file ends.
   *
   * @param to native memory; bytes go to {@code position} onwards
   * @return bytes read; less than {@code length} only at the end of the file
   */
  int read(MemorySegment to, long position, int length, long offset) throws ErrnoException;

  /**
   * Writes.
   *
   * @param from native memory
   * @return bytes written; less than {@code length} if the store took only a part, and the error
   *     that stopped it is thrown only when nothing was written
   */
  int write(MemorySegment from, long position, int length, long offset) throws ErrnoException;

  FileStatus status() throws ErrnoException;

  /** A status from when it was opened, or from now: good for what never changes. */
  default FileStatus firstStatus() throws ErrnoException {
    return status();
  }

  /**
   * What is read next comes from the store, and not from what this node remembers of it: for stores
   * whose caches lag behind the locks of other nodes.
   *
   * @param length bytes, 0 for "to the end"
   */
  default void forgetCached(long offset, long length) throws ErrnoException {}

  void truncate(long size) throws ErrnoException;

  /** {@code dataOnly}: fdatasync(2), else fsync(2). */
  void sync(boolean dataOnly) throws ErrnoException;

  /**
   * Lets the store begin to make contents durable, without waiting for it; a hint that may do
   * nothing.
   */
  default void startSync() {}

  /** fallocate(2) with its mode bits. */
  void allocate(int mode, long offset, long length) throws ErrnoException;

  /** lseek(2) with SEEK_DATA 3 or SEEK_HOLE 4; ENXIO beyond the end. */
  long seek(long offset, int whence) throws ErrnoException;

  void changeMode(int mode) throws ErrnoException;

  /** {@code uid} or {@code gid} -1 leaves it. */
  void changeOwner(int uid, int gid) throws ErrnoException;

  void changeTimes(Timestamp accessed, Timestamp modified) throws ErrnoException;

  byte @Nullable [] getXattr(byte[] attribute) throws ErrnoException;

  void setXattr(byte[] attribute, byte[] value, int flags) throws ErrnoException;

  byte[] listXattrs() throws ErrnoException;

  void removeXattr(byte[] attribute) throws ErrnoException;

  /** Gives a name to a file without one. */
  void linkInto(StoreDirectory directory, byte[] name) throws ErrnoException;

  /** Another handle of the same file with its own open file description, whatever its name now. */
  StoreFile reopen(int flags) throws ErrnoException;

  /**
   * Sets or clears an open-file-description lock (F_OFD_SETLK) without waiting.
   *
   * @param length bytes, 0 for "to the end and beyond"
   * @return false if another holder is in the way
   */
  boolean tryLock(LockType type, long start, long length) throws ErrnoException;

  /**
   * Sets an open-file-description lock (F_OFD_SETLKW), waiting for as long as another is in the
   * way. A holder that dies gives its locks back, on a network store as soon as the servers notice.
   *
   * @param length bytes, 0 for "to the end and beyond"
   */
  void lock(LockType type, long start, long length) throws ErrnoException;

  /** The lock that would be in the way of such a lock (F_OFD_GETLK), or null. */
  @Nullable FileLock testLock(LockType type, long start, long length) throws ErrnoException;

  /** flock(2) without waiting; false if another holder is in the way. */
  boolean tryFlock(LockType type) throws ErrnoException;

  @Override
  void close();
}
