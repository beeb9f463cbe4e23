package io.coffer.vfs;

import io.coffer.format.ContentCipher;
import io.coffer.posix.ErrnoException;
import io.coffer.store.StoreFile;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;

/**
 * What all open handles of one regular file share. Exists while the file is open.
 *
 * <p>Locking: {@link #content} shared for reading contents, exclusive for everything that changes
 * contents or size, since a block is changed by reading, sealing and writing it whole. The list of
 * handles and the owner locks are guarded by this object's monitor, which is never held while
 * waiting for {@link #content}.
 */
final class FileState {
  /** {@link #plainEnd} if the size must be asked for. */
  static final long UNKNOWN = -1;

  final Inode inode;
  final StampedLock content = new StampedLock();
  final OwnerLocks locks = new OwnerLocks();

  /** The cipher of the current header; null if it has not been read or there is none. */
  volatile @Nullable ContentCipher cipher;

  /**
   * Plain size as this process knows it, or {@link #UNKNOWN}. Guarded by {@link #content}, held
   * exclusively.
   */
  long plainEnd = UNKNOWN;

  private volatile @Nullable FileContents contents;

  /** The file was made here and its directory entry has not been made durable since. */
  volatile boolean entryPending;

  /** How many operations and handles need this object; guarded by the inode's monitor. */
  int users;

  private final List<OpenFile> handles = new ArrayList<>();

  FileState(Inode inode) {
    this.inode = inode;
  }

  /** How its contents are read and written; set before there is a handle. */
  FileContents contents() {
    FileContents present = contents;
    if (present == null) {
      throw new IllegalStateException("the file is not open");
    }
    return present;
  }

  /** The contents if they are known. */
  @Nullable FileContents knownContents() {
    return contents;
  }

  void setContents(FileContents newContents) {
    contents = newContents;
  }

  /** Nobody needs this object any more. */
  void close() {
    FileContents present = contents;
    if (present != null) {
      present.close();
    }
  }

  synchronized void add(OpenFile handle) {
    handles.add(handle);
  }

  /** Returns true if that was the last handle. */
  synchronized boolean remove(OpenFile handle) {
    handles.remove(handle);
    return handles.isEmpty();
  }

  /** Uses an open handle for something that does not need a particular one. */
  interface Use<T> {
    T with(StoreFile file) throws ErrnoException;
  }

  /**
   * Runs {@code use} with some open handle, one open for writing if there is one and it is wanted.
   *
   * @return null if none is open
   */
  <T> @Nullable T withAnyHandle(boolean writable, Use<T> use) throws ErrnoException {
    OpenFile chosen = null;
    synchronized (this) {
      for (OpenFile each : handles) {
        if (!writable || each.writable()) {
          chosen = each;
          break;
        }
      }
      if (chosen == null) {
        return null;
      }
      chosen.retain();
    }
    try {
      return use.with(chosen.file());
    } finally {
      chosen.close();
    }
  }
}
