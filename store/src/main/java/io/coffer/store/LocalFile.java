package io.coffer.store;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Timestamp;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/** A file descriptor of a regular file. */
final class LocalFile implements StoreFile {
  private static final int LONGEST_PAUSE_MILLIS = 16;

  private final int descriptor;
  private final @Nullable FileStatus first;
  private final boolean triesForLocks;

  /**
   * @param first its status, if it is known
   * @param triesForLocks a lock that is in the way is not waited for but tried again: on a
   *     filesystem in user space, whose servers have to be told when a process that waits is killed
   */
  LocalFile(int descriptor, @Nullable FileStatus first, boolean triesForLocks) {
    this.descriptor = descriptor;
    this.first = first;
    this.triesForLocks = triesForLocks;
  }

  @Override
  public int read(MemorySegment to, long position, int length, long offset) throws ErrnoException {
    long address = to.asSlice(position, length).address();
    int done = 0;
    while (done < length) {
      int count = Linux.read(descriptor, address + done, length - done, offset + done);
      if (count == 0) {
        break;
      }
      done += count;
    }
    return done;
  }

  @Override
  public int write(MemorySegment from, long position, int length, long offset)
      throws ErrnoException {
    long address = from.asSlice(position, length).address();
    int done = 0;
    while (done < length) {
      try {
        int count = Linux.write(descriptor, address + done, length - done, offset + done);
        if (count == 0) {
          break;
        }
        done += count;
      } catch (ErrnoException e) {
        if (done == 0) {
          throw e;
        }
        break;
      }
    }
    return done;
  }

  @Override
  public FileStatus status() throws ErrnoException {
    return Linux.status(descriptor);
  }

  @Override
  public FileStatus firstStatus() throws ErrnoException {
    return first == null ? status() : first;
  }

  @Override
  public void truncate(long size) throws ErrnoException {
    Linux.truncate(descriptor, size);
  }

  @Override
  public void sync(boolean dataOnly) throws ErrnoException {
    Linux.sync(descriptor, dataOnly);
  }

  @Override
  public void startSync() {
    try {
      Linux.startWriting(descriptor);
    } catch (ErrnoException e) {
      // Not every filesystem can; what went wrong in writing, the next real sync tells.
    }
  }

  @Override
  public void allocate(int mode, long offset, long length) throws ErrnoException {
    Linux.allocate(descriptor, mode, offset, length);
  }

  @Override
  public long seek(long offset, int whence) throws ErrnoException {
    return Linux.seek(descriptor, offset, whence);
  }

  @Override
  public void changeMode(int mode) throws ErrnoException {
    Linux.changeMode(descriptor, mode);
  }

  @Override
  public void changeOwner(int uid, int gid) throws ErrnoException {
    Linux.changeOwner(descriptor, uid, gid);
  }

  @Override
  public void changeTimes(Timestamp accessed, Timestamp modified) throws ErrnoException {
    Linux.changeTimes(descriptor, accessed, modified);
  }

  @Override
  public byte @Nullable [] getXattr(byte[] attribute) throws ErrnoException {
    return Linux.getXattr(descriptor, attribute);
  }

  @Override
  public void setXattr(byte[] attribute, byte[] value, int flags) throws ErrnoException {
    Linux.setXattr(descriptor, attribute, value, flags);
  }

  @Override
  public byte[] listXattrs() throws ErrnoException {
    return Linux.listXattrs(descriptor);
  }

  @Override
  public void removeXattr(byte[] attribute) throws ErrnoException {
    Linux.removeXattr(descriptor, attribute);
  }

  @Override
  public void linkInto(StoreDirectory directory, byte[] name) throws ErrnoException {
    if (!(directory instanceof LocalDirectory local)) {
      throw new ErrnoException(Errno.EXDEV, "a directory of another store");
    }
    Linux.linkDescriptor(descriptor, local.descriptor(), LocalStore.checked(name));
  }

  @Override
  public StoreFile reopen(int flags) throws ErrnoException {
    return new LocalFile(
        Linux.reopen(descriptor, flags & ~(Flags.O_CREAT | Flags.O_EXCL | Flags.O_NOFOLLOW)),
        null,
        triesForLocks);
  }

  @Override
  public boolean tryLock(LockType type, long start, long length) throws ErrnoException {
    return Linux.tryLock(descriptor, rangeType(type), start, length);
  }

  @Override
  public void lock(LockType type, long start, long length) throws ErrnoException {
    if (tryLock(type, start, length)) {
      return;
    }
    if (triesForLocks) {
      lockByTrying(type, start, length);
      return;
    }
    try {
      Linux.lock(descriptor, rangeType(type), start, length);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EDEADLK) {
        throw e;
      }
      // CephFS takes all locks of a process for one owner's and suspects circles where none are.
      lockByTrying(type, start, length);
    }
  }

  private void lockByTrying(LockType type, long start, long length) throws ErrnoException {
    for (int pause = 1;
        !tryLock(type, start, length);
        pause = Math.min(LONGEST_PAUSE_MILLIS, pause * 2)) {
      try {
        // Not in step with others that wait.
        Thread.sleep(ThreadLocalRandom.current().nextInt(1, pause + 1));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new ErrnoException(Errno.EINTR);
      }
    }
  }

  @Override
  public void forgetCached(long offset, long length) throws ErrnoException {
    Linux.forgetCached(descriptor, offset, length);
  }

  @Override
  public @Nullable FileLock testLock(LockType type, long start, long length) throws ErrnoException {
    Linux.RangeLock found = Linux.testLock(descriptor, rangeType(type), start, length);
    if (found == null) {
      return null;
    }
    return new FileLock(
        found.type() == 0 ? LockType.SHARED : LockType.EXCLUSIVE,
        found.start(),
        found.length(),
        found.pid());
  }

  @Override
  public boolean tryFlock(LockType type) throws ErrnoException {
    return Linux.tryFlock(
        descriptor,
        switch (type) {
          case SHARED -> 1;
          case EXCLUSIVE -> 2;
          case UNLOCK -> 8;
        });
  }

  /** F_RDLCK 0, F_WRLCK 1, F_UNLCK 2. */
  private static int rangeType(LockType type) {
    return switch (type) {
      case SHARED -> 0;
      case EXCLUSIVE -> 1;
      case UNLOCK -> 2;
    };
  }

  @Override
  public void close() {
    Linux.close(descriptor);
  }
}
