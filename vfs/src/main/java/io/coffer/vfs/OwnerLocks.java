package io.coffer.vfs;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.store.FileLock;
import io.coffer.store.LockType;
import io.coffer.store.StoreFile;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * POSIX byte-range locks of one file, passed on to the store so that they hold across nodes. A
 * POSIX lock belongs to a process; every lock owner gets an open file description of its own, whose
 * locks (F_OFD_SETLK) behave just like that: ranges of one owner never conflict, and all go when
 * the description is closed. Ranges are used on the stored file as they are, up to {@link
 * FileLocks#FIRST}: what lies behind belongs to the protocol for shared storage, and a lock "to the
 * end" ends there, for its owner must still be able to write.
 */
final class OwnerLocks {
  private final Map<Long, StoreFile> descriptions = new HashMap<>();

  /** Reopens the file; see {@link DirectoryCache#withDescriptors}. */
  interface Reopen {
    StoreFile with(int flags) throws ErrnoException;
  }

  synchronized boolean tryLock(Reopen reopen, long owner, LockType type, long start, long length)
      throws ErrnoException {
    StoreFile description = descriptions.get(owner);
    if (type == LockType.UNLOCK) {
      if (start >= FileLocks.FIRST) {
        return true;
      }
      if (description == null) {
        return true;
      }
      if (start == 0 && length == 0) {
        releaseAll(owner);
        return true;
      }
      return description.tryLock(type, start, lengthBelow(start, length));
    }
    if (start >= FileLocks.FIRST) {
      throw new ErrnoException(Errno.EOVERFLOW);
    }
    if (description != null) {
      return description.tryLock(type, start, lengthBelow(start, length));
    }
    // Writable if at all possible: the owner may ask for an exclusive lock later, and two
    // descriptions of one owner would be in each other's way.
    StoreFile fresh;
    try {
      fresh = reopen.with(Flags.O_RDWR);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.EMFILE || e.errno() == Errno.ENFILE) {
        throw e;
      }
      fresh = reopen.with(Flags.O_RDONLY);
    }
    boolean locked = false;
    try {
      locked = fresh.tryLock(type, start, lengthBelow(start, length));
    } finally {
      if (locked) {
        descriptions.put(owner, fresh);
      } else {
        fresh.close();
      }
    }
    return locked;
  }

  synchronized @Nullable FileLock testLock(
      StoreFile any, long owner, LockType type, long start, long length) throws ErrnoException {
    StoreFile description = descriptions.get(owner);
    if (start >= FileLocks.FIRST) {
      return null;
    }
    FileLock found =
        (description == null ? any : description).testLock(type, start, lengthBelow(start, length));
    return found != null && found.start() + found.length() == FileLocks.FIRST
        ? new FileLock(found.type(), found.start(), 0, found.pid())
        : found;
  }

  /** The length of the part of a range that applications can lock. */
  private static long lengthBelow(long start, long length) {
    long most = FileLocks.FIRST - start;
    return length == 0 ? most : Math.min(length, most);
  }

  /** The owner's locks go. */
  synchronized void releaseAll(long owner) {
    StoreFile description = descriptions.remove(owner);
    if (description != null) {
      description.close();
    }
  }

  synchronized void releaseAll() {
    descriptions.values().forEach(StoreFile::close);
    descriptions.clear();
  }
}
