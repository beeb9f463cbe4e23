package io.coffer.vfs;

import io.coffer.posix.ErrnoException;
import io.coffer.store.StoreFile;
import java.lang.foreign.MemorySegment;

/**
 * The contents of files of one kind, as their plain bytes. Takes {@link FileState#content} itself.
 * Thread-safe.
 */
interface FileContents {
  /** {@link #write} at the end of the file, wherever that is. */
  long AT_END = -1;

  /**
   * Reads plain bytes.
   *
   * @return bytes read, less than {@code length} only at the end of the file
   */
  int read(
      FileState state, StoreFile file, long offset, MemorySegment to, long position, int length)
      throws ErrnoException;

  /**
   * Writes plain bytes.
   *
   * @param offset {@link #AT_END} to append
   * @return bytes written; less than {@code length} if the store refused the rest
   * @throws ErrnoException if nothing was written; then the file is as before
   */
  int write(
      FileState state, StoreFile file, long offset, MemorySegment from, long position, int length)
      throws ErrnoException;

  /** Sets the plain size. */
  void truncate(FileState state, StoreFile file, long size) throws ErrnoException;

  /** fallocate(2): plain, KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE; EOPNOTSUPP for the rest. */
  void allocate(FileState state, StoreFile file, int mode, long offset, long length)
      throws ErrnoException;

  /** lseek(2) with SEEK_DATA or SEEK_HOLE; ENXIO beyond the end. */
  long seek(FileState state, StoreFile file, long offset, int whence) throws ErrnoException;

  /**
   * The plain size if it is known for certain, so that the store need not be asked; else -1. To be
   * called with {@link FileState#content} held.
   */
  default long knownSize() {
    return -1;
  }

  /** Nobody has the file open any more: whatever was kept for it goes, keys above all. */
  default void close() {}
}
