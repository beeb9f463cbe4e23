package io.coffer.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * Linux system calls on descriptors and names, typed. A name is bytes without NUL, taken relative
 * to a directory descriptor; symbolic links in its last component are never followed. Where status
 * and attributes are concerned, "." is what the descriptor itself stands for, and needs no right to
 * search that directory. Every method is thread-safe and throws {@link ErrnoException} with the
 * kernel's answer.
 */
public final class Linux {
  /** From include/uapi/linux/fs.h. */
  private static final int SYNC_FILE_RANGE_WRITE = 2;

  private static final byte[] NO_NAME = {};
  private static final int STATX_BASIC_STATS = 0x7ff;
  private static final int STATX_BTIME = 0x800;

  /** As much of struct statx as is looked at. */
  private static final int STATX_BYTES = 144;

  private static final int POSIX_FADV_DONTNEED = 4;
  private static final int F_OFD_GETLK = 36;
  private static final int F_OFD_SETLK = 37;
  private static final int F_OFD_SETLKW = 38;
  private static final int F_UNLCK = 2;
  private static final short POLLIN = 1;

  private Linux() {}

  // Opening and closing.

  /** {@code mode} is that of a file that is made, whatever the umask. */
  public static int open(int directory, byte[] name, int flags, int mode) throws ErrnoException {
    long path = Scratch.get().first(name);
    boolean makes = (flags & Flags.O_CREAT) != 0 || (flags & Flags.O_TMPFILE) == Flags.O_TMPFILE;
    int umask = makes ? ThreadUmask.suspend() : 0;
    try {
      return (int) SystemCall.call(Numbers.OPENAT, directory, path, flags | Flags.O_CLOEXEC, mode);
    } finally {
      ThreadUmask.resume(umask);
    }
  }

  /** Opens what a descriptor stands for once more, with a description of its own. */
  public static int reopen(int descriptor, int flags) throws ErrnoException {
    long path = Scratch.get().procPath(descriptor, NO_NAME);
    return (int) SystemCall.call(Numbers.OPENAT, Flags.AT_FDCWD, path, flags | Flags.O_CLOEXEC, 0);
  }

  /** Closes; never again after an interruption, since Linux has then closed already. */
  public static void close(int descriptor) {
    SystemCall.raw(Numbers.CLOSE, descriptor, 0, 0, 0, 0, 0);
  }

  public static int duplicate(int descriptor) throws ErrnoException {
    return (int) SystemCall.call(Numbers.FCNTL, descriptor, 1030 /* F_DUPFD_CLOEXEC */, 0);
  }

  /** dup3(2) without close-on-exec. */
  public static void duplicateTo(int descriptor, int target) throws ErrnoException {
    SystemCall.call(Numbers.DUP3, descriptor, target, 0);
  }

  // Status.

  public static FileStatus status(int directory, byte[] name) throws ErrnoException {
    return isSelf(name)
        ? statx(directory, NO_NAME, Flags.AT_EMPTY_PATH)
        : statx(directory, name, Flags.AT_SYMLINK_NOFOLLOW);
  }

  private static boolean isSelf(byte[] name) {
    return name.length == 1 && name[0] == '.';
  }

  public static FileStatus status(int descriptor) throws ErrnoException {
    return statx(descriptor, NO_NAME, Flags.AT_EMPTY_PATH);
  }

  private static FileStatus statx(int directory, byte[] name, int flags) throws ErrnoException {
    Scratch scratch = Scratch.get();
    MemorySegment b = scratch.buffer();
    SystemCall.call(
        Numbers.STATX,
        directory,
        scratch.first(name),
        flags,
        STATX_BASIC_STATS | STATX_BTIME,
        b.address(),
        0);
    // struct statx, include/uapi/linux/stat.h
    Words x = scratch.words();
    x.copyFrom(b, STATX_BYTES);
    return new FileStatus(
        device(x.u32(136), x.u32(140)),
        x.u64(32),
        x.u16(28),
        Integer.toUnsignedLong(x.u32(16)),
        x.u32(20),
        x.u32(24),
        device(x.u32(128), x.u32(132)),
        x.u64(40),
        x.u64(48),
        x.u32(4),
        time(x, 64),
        time(x, 112),
        time(x, 96),
        (x.u32(0) & STATX_BTIME) != 0 ? time(x, 80) : null);
  }

  private static Timestamp time(Words x, int at) {
    return new Timestamp(x.u64(at), x.u32(at + 8));
  }

  /** glibc's makedev(3). */
  public static long device(int major, int minor) {
    long ma = Integer.toUnsignedLong(major);
    long mi = Integer.toUnsignedLong(minor);
    return ((ma & 0xfff) << 8) | ((ma & ~0xfffL) << 32) | (mi & 0xff) | ((mi & ~0xffL) << 12);
  }

  public static int deviceMajor(long device) {
    return (int) (((device >>> 8) & 0xfff) | ((device >>> 32) & ~0xfffL));
  }

  public static int deviceMinor(long device) {
    return (int) ((device & 0xff) | ((device >>> 12) & ~0xffL));
  }

  /** fstatfs(2). */
  public static FilesystemStatus filesystemStatus(int descriptor) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    SystemCall.call(Numbers.FSTATFS, descriptor, b.address(), 0);
    // struct statfs of 64-bit Linux: type, bsize, blocks, bfree, bavail, files, ffree, fsid,
    // namelen, frsize, flags; each a 64-bit word.
    return new FilesystemStatus(
        word(b, 0),
        word(b, 1),
        word(b, 9) != 0 ? word(b, 9) : word(b, 1),
        word(b, 2),
        word(b, 3),
        word(b, 4),
        word(b, 5),
        word(b, 6),
        word(b, 8),
        word(b, 10));
  }

  private static long word(MemorySegment b, int index) {
    return b.getAtIndex(ValueLayout.JAVA_LONG, index);
  }

  /** faccessat2(2) with the effective ids, not following links. */
  public static void access(int directory, byte[] name, int mask) throws ErrnoException {
    Scratch scratch = Scratch.get();
    boolean self = isSelf(name);
    long path = self ? scratch.procPath(directory, NO_NAME) : scratch.first(name);
    int flags = Flags.AT_EACCESS | (self ? 0 : Flags.AT_SYMLINK_NOFOLLOW);
    long result = SystemCall.raw(Numbers.FACCESSAT2, directory, path, mask, flags, 0, 0);
    if (result == -Errno.ENOSYS) {
      result = SystemCall.raw(Numbers.FACCESSAT, directory, path, mask, 0, 0, 0);
    }
    if (result < 0) {
      throw new ErrnoException((int) -result);
    }
  }

  // Contents.

  /** pread(2) to native memory. */
  public static int read(int descriptor, long address, long length, long offset)
      throws ErrnoException {
    return (int) SystemCall.call(Numbers.PREAD64, descriptor, address, length, offset);
  }

  /** pwrite(2) from native memory. */
  public static int write(int descriptor, long address, long length, long offset)
      throws ErrnoException {
    return (int) SystemCall.call(Numbers.PWRITE64, descriptor, address, length, offset);
  }

  /** read(2) to native memory. */
  public static int read(int descriptor, long address, long length) throws ErrnoException {
    return (int) SystemCall.call(Numbers.READ, descriptor, address, length);
  }

  /** Would read(2) return at once? Does not wait: ppoll(2) for POLLIN with a timeout of 0. */
  public static boolean isReadable(int descriptor) throws ErrnoException {
    return awaitReadable(descriptor, 0);
  }

  /**
   * Waits until read(2) would return at once: ppoll(2) for POLLIN.
   *
   * @param millis the longest time to wait
   * @return false if it would still wait, or fail
   */
  public static boolean awaitReadable(int descriptor, int millis) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    b.set(ValueLayout.JAVA_INT, 0, descriptor);
    b.set(ValueLayout.JAVA_SHORT, 4, POLLIN);
    b.set(ValueLayout.JAVA_SHORT, 6, (short) 0);
    b.set(ValueLayout.JAVA_LONG, 8, millis / 1000);
    b.set(ValueLayout.JAVA_LONG, 16, millis % 1000 * 1_000_000L);
    SystemCall.call(Numbers.PPOLL, b.address(), 1, b.address() + 8, 0);
    return (b.get(ValueLayout.JAVA_SHORT, 6) & POLLIN) != 0;
  }

  /** write(2) from native memory. */
  public static int write(int descriptor, long address, long length) throws ErrnoException {
    return (int) SystemCall.call(Numbers.WRITE, descriptor, address, length);
  }

  /**
   * writev(2) of two pieces of native memory, in one piece for whoever receives it.
   *
   * @return bytes written
   */
  public static int writeTwo(
      int descriptor, long first, long firstBytes, long second, long secondBytes)
      throws ErrnoException {
    if (secondBytes == 0) {
      return write(descriptor, first, firstBytes);
    }
    MemorySegment b = Scratch.get().buffer();
    b.set(ValueLayout.JAVA_LONG, 0, first);
    b.set(ValueLayout.JAVA_LONG, 8, firstBytes);
    b.set(ValueLayout.JAVA_LONG, 16, second);
    b.set(ValueLayout.JAVA_LONG, 24, secondBytes);
    return (int) SystemCall.call(Numbers.WRITEV, descriptor, b.address(), 2);
  }

  public static void truncate(int descriptor, long size) throws ErrnoException {
    SystemCall.call(Numbers.FTRUNCATE, descriptor, size, 0);
  }

  public static void sync(int descriptor, boolean dataOnly) throws ErrnoException {
    SystemCall.call(dataOnly ? Numbers.FDATASYNC : Numbers.FSYNC, descriptor);
  }

  /** Lets the kernel begin to write all of a file that is not on the disk yet; does not wait. */
  public static void startWriting(int descriptor) throws ErrnoException {
    SystemCall.call(Numbers.SYNC_FILE_RANGE, descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
  }

  public static void syncFilesystem(int descriptor) throws ErrnoException {
    SystemCall.call(Numbers.SYNCFS, descriptor);
  }

  public static void allocate(int descriptor, int mode, long offset, long length)
      throws ErrnoException {
    SystemCall.call(Numbers.FALLOCATE, descriptor, mode, offset, length);
  }

  public static void forgetCached(int descriptor, long offset, long length) throws ErrnoException {
    SystemCall.call(Numbers.FADVISE64, descriptor, offset, length, POSIX_FADV_DONTNEED);
  }

  public static long seek(int descriptor, long offset, int whence) throws ErrnoException {
    return SystemCall.call(Numbers.LSEEK, descriptor, offset, whence);
  }

  // Names.

  /** {@code mode} is taken as it is, whatever the umask. */
  public static void makeDirectory(int directory, byte[] name, int mode) throws ErrnoException {
    long path = Scratch.get().first(name);
    int umask = ThreadUmask.suspend();
    try {
      SystemCall.call(Numbers.MKDIRAT, directory, path, mode);
    } finally {
      ThreadUmask.resume(umask);
    }
  }

  /** {@code mode} is taken as it is, whatever the umask; {@code device} as glibc's dev_t. */
  public static void makeNode(int directory, byte[] name, int mode, long device)
      throws ErrnoException {
    long path = Scratch.get().first(name);
    int umask = ThreadUmask.suspend();
    try {
      SystemCall.call(Numbers.MKNODAT, directory, path, mode, device);
    } finally {
      ThreadUmask.resume(umask);
    }
  }

  public static void symlink(byte[] target, int directory, byte[] name) throws ErrnoException {
    Scratch scratch = Scratch.get();
    SystemCall.call(Numbers.SYMLINKAT, scratch.first(target), directory, scratch.second(name));
  }

  public static byte[] readLink(int directory, byte[] name) throws ErrnoException {
    Scratch scratch = Scratch.get();
    MemorySegment b = scratch.buffer();
    long length =
        SystemCall.call(
            Numbers.READLINKAT, directory, scratch.first(name), b.address(), b.byteSize());
    return bytes(b, 0, (int) length);
  }

  public static void link(int directory, byte[] name, int newDirectory, byte[] newName)
      throws ErrnoException {
    Scratch scratch = Scratch.get();
    SystemCall.call(
        Numbers.LINKAT,
        directory,
        scratch.first(name),
        newDirectory,
        scratch.second(newName),
        0,
        0);
  }

  /** Gives a name to an open file, also to one without any (O_TMPFILE). */
  public static void linkDescriptor(int descriptor, int newDirectory, byte[] newName)
      throws ErrnoException {
    Scratch scratch = Scratch.get();
    if (linksWithoutPath) {
      long result =
          SystemCall.raw(
              Numbers.LINKAT,
              descriptor,
              scratch.first(NO_NAME),
              newDirectory,
              scratch.second(newName),
              Flags.AT_EMPTY_PATH,
              0);
      if (result == 0) {
        return;
      }
      if (result != -Errno.ENOENT) {
        throw new ErrnoException((int) -result);
      }
    }
    linkOverProc(descriptor, newDirectory, newName);
    linksWithoutPath = false;
  }

  /**
   * May an open file be linked as it is? Since Linux 6.10 by whoever opened it, before that with
   * CAP_DAC_READ_SEARCH; else it is ENOENT, and the longer way goes over proc.
   */
  private static volatile boolean linksWithoutPath = true;

  private static void linkOverProc(int descriptor, int newDirectory, byte[] newName)
      throws ErrnoException {
    Scratch scratch = Scratch.get();
    SystemCall.call(
        Numbers.LINKAT,
        Flags.AT_FDCWD,
        scratch.procPath(descriptor, NO_NAME),
        newDirectory,
        scratch.second(newName),
        Flags.AT_SYMLINK_FOLLOW,
        0);
  }

  public static void unlink(int directory, byte[] name) throws ErrnoException {
    SystemCall.call(Numbers.UNLINKAT, directory, Scratch.get().first(name), 0);
  }

  public static void removeDirectory(int directory, byte[] name) throws ErrnoException {
    SystemCall.call(Numbers.UNLINKAT, directory, Scratch.get().first(name), Flags.AT_REMOVEDIR);
  }

  public static void rename(int directory, byte[] name, int newDirectory, byte[] newName, int flags)
      throws ErrnoException {
    Scratch scratch = Scratch.get();
    SystemCall.call(
        Numbers.RENAMEAT2,
        directory,
        scratch.first(name),
        newDirectory,
        scratch.second(newName),
        flags,
        0);
  }

  /**
   * Reads directory entries (struct linux_dirent64) into native memory.
   *
   * @return bytes, 0 at the end
   */
  public static int listEntries(int descriptor, long address, int length) throws ErrnoException {
    return (int) SystemCall.call(Numbers.GETDENTS64, descriptor, address, length);
  }

  // Attributes.

  /** Changes the mode of an entry; EOPNOTSUPP for a symbolic link. */
  public static void changeMode(int directory, byte[] name, int mode) throws ErrnoException {
    if (isSelf(name)) {
      long path = Scratch.get().procPath(directory, NO_NAME);
      SystemCall.call(Numbers.FCHMODAT, Flags.AT_FDCWD, path, mode);
      return;
    }
    int descriptor = open(directory, name, Flags.O_PATH | Flags.O_NOFOLLOW, 0);
    try {
      if (status(descriptor).isSymlink()) {
        throw new ErrnoException(Errno.EOPNOTSUPP);
      }
      long path = Scratch.get().procPath(descriptor, NO_NAME);
      SystemCall.call(Numbers.FCHMODAT, Flags.AT_FDCWD, path, mode);
    } finally {
      close(descriptor);
    }
  }

  public static void changeMode(int descriptor, int mode) throws ErrnoException {
    SystemCall.call(Numbers.FCHMOD, descriptor, mode, 0);
  }

  public static void changeOwner(int directory, byte[] name, int uid, int gid)
      throws ErrnoException {
    SystemCall.call(
        Numbers.FCHOWNAT,
        directory,
        Scratch.get().first(isSelf(name) ? NO_NAME : name),
        uid,
        gid,
        isSelf(name) ? Flags.AT_EMPTY_PATH : Flags.AT_SYMLINK_NOFOLLOW,
        0);
  }

  public static void changeOwner(int descriptor, int uid, int gid) throws ErrnoException {
    SystemCall.call(Numbers.FCHOWN, descriptor, uid, gid);
  }

  public static void changeTimes(int directory, byte[] name, Timestamp accessed, Timestamp modified)
      throws ErrnoException {
    Scratch scratch = Scratch.get();
    SystemCall.call(
        Numbers.UTIMENSAT,
        directory,
        isSelf(name) ? scratch.procPath(directory, NO_NAME) : scratch.first(name),
        times(scratch, accessed, modified),
        isSelf(name) ? 0 : Flags.AT_SYMLINK_NOFOLLOW);
  }

  public static void changeTimes(int descriptor, Timestamp accessed, Timestamp modified)
      throws ErrnoException {
    Scratch scratch = Scratch.get();
    SystemCall.call(Numbers.UTIMENSAT, descriptor, 0, times(scratch, accessed, modified), 0);
  }

  private static long times(Scratch scratch, Timestamp accessed, Timestamp modified) {
    MemorySegment b = scratch.buffer();
    b.set(ValueLayout.JAVA_LONG, 0, accessed.seconds());
    b.set(ValueLayout.JAVA_LONG, 8, accessed.nanos());
    b.set(ValueLayout.JAVA_LONG, 16, modified.seconds());
    b.set(ValueLayout.JAVA_LONG, 24, modified.nanos());
    return b.address();
  }

  // Extended attributes. By name they go through /proc/self/fd/DIRECTORY/NAME and the l-calls,
  // which follow no link and work on an O_PATH directory; the *at calls are too new to rely on, but
  // those that only ask are used where they are there.

  private static long entryPath(int directory, byte[] name) throws ErrnoException {
    return Scratch.get().procPath(directory, isSelf(name) ? NO_NAME : name);
  }

  public static byte @Nullable [] getXattr(int directory, byte[] name, byte[] attribute)
      throws ErrnoException {
    if (hasXattrCalls && !isSelf(name)) {
      Scratch scratch = Scratch.get();
      MemorySegment b = scratch.buffer();
      b.set(ValueLayout.JAVA_LONG, 0, b.address() + XATTR_ARGS_BYTES);
      b.set(ValueLayout.JAVA_INT, 8, SMALL_XATTR);
      b.set(ValueLayout.JAVA_INT, 12, 0);
      long result =
          SystemCall.raw(
              Numbers.GETXATTRAT,
              directory,
              scratch.first(name),
              Flags.AT_SYMLINK_NOFOLLOW,
              scratch.second(attribute),
              b.address(),
              XATTR_ARGS_BYTES);
      if (result >= 0) {
        return bytes(b, XATTR_ARGS_BYTES, (int) result);
      }
      if (result == -Errno.ENODATA) {
        return null;
      }
      if (isAnswer(result)) {
        throw new ErrnoException((int) -result);
      }
    }
    int number = isSelf(name) ? Numbers.GETXATTR : Numbers.LGETXATTR;
    return getXattr(number, entryPath(directory, name), attribute);
  }

  /** Is this error the answer, or is the same to be asked in another way? */
  private static boolean isAnswer(long result) {
    if (result == -Errno.ENOSYS) {
      hasXattrCalls = false;
      return false;
    }
    // A sandbox that does not know the call may say EPERM; what was interrupted is asked again.
    return result != -Errno.ERANGE && result != -Errno.EPERM && result != -Errno.EINTR;
  }

  /** getxattrat(2), listxattrat(2): since Linux 6.13; without them the way is longer, over proc. */
  private static volatile boolean hasXattrCalls = true;

  /** Size of struct xattr_args: address of the value, 8 bytes; its size, 4; flags, 4. */
  private static final int XATTR_ARGS_BYTES = 16;

  /**
   * Room that is offered for an attribute's value, and for the names of all, at first: nearly all
   * fit, and the kernel takes, and for a value clears, as much memory as it is told that there is
   * room.
   */
  private static final int SMALL_XATTR = 256;

  public static byte @Nullable [] getXattr(int descriptor, byte[] attribute) throws ErrnoException {
    return getXattr(Numbers.FGETXATTR, descriptor, attribute);
  }

  private static byte @Nullable [] getXattr(int number, long object, byte[] attribute)
      throws ErrnoException {
    Scratch scratch = Scratch.get();
    MemorySegment b = scratch.buffer();
    long name = scratch.second(attribute);
    long result = SystemCall.raw(number, object, name, b.address(), SMALL_XATTR, 0, 0);
    if (result == -Errno.ERANGE) {
      result = SystemCall.raw(number, object, name, b.address(), b.byteSize(), 0, 0);
    }
    if (result == -Errno.ENODATA) {
      return null;
    }
    if (result < 0) {
      throw new ErrnoException((int) -result);
    }
    return bytes(b, 0, (int) result);
  }

  public static void setXattr(int directory, byte[] name, byte[] attribute, byte[] value, int flags)
      throws ErrnoException {
    int number = isSelf(name) ? Numbers.SETXATTR : Numbers.LSETXATTR;
    setXattr(number, entryPath(directory, name), attribute, value, flags);
  }

  public static void setXattr(int descriptor, byte[] attribute, byte[] value, int flags)
      throws ErrnoException {
    setXattr(Numbers.FSETXATTR, descriptor, attribute, value, flags);
  }

  private static void setXattr(int number, long object, byte[] attribute, byte[] value, int flags)
      throws ErrnoException {
    Scratch scratch = Scratch.get();
    MemorySegment b = scratch.buffer();
    if (value.length > b.byteSize()) {
      throw new ErrnoException(Errno.E2BIG);
    }
    MemorySegment.copy(value, 0, b, ValueLayout.JAVA_BYTE, 0, value.length);
    SystemCall.call(number, object, scratch.second(attribute), b.address(), value.length, flags, 0);
  }

  public static byte[] listXattrs(int directory, byte[] name) throws ErrnoException {
    if (hasXattrCalls && !isSelf(name)) {
      Scratch scratch = Scratch.get();
      MemorySegment b = scratch.buffer();
      long result =
          SystemCall.raw(
              Numbers.LISTXATTRAT,
              directory,
              scratch.first(name),
              Flags.AT_SYMLINK_NOFOLLOW,
              b.address(),
              SMALL_XATTR,
              0);
      if (result >= 0) {
        return bytes(b, 0, (int) result);
      }
      if (isAnswer(result)) {
        throw new ErrnoException((int) -result);
      }
    }
    int number = isSelf(name) ? Numbers.LISTXATTR : Numbers.LLISTXATTR;
    return listXattrs(number, entryPath(directory, name));
  }

  public static byte[] listXattrs(int descriptor) throws ErrnoException {
    return listXattrs(Numbers.FLISTXATTR, descriptor);
  }

  private static byte[] listXattrs(int number, long object) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    long length;
    try {
      length = SystemCall.call(number, object, b.address(), SMALL_XATTR);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ERANGE) {
        throw e;
      }
      length = SystemCall.call(number, object, b.address(), b.byteSize());
    }
    return bytes(b, 0, (int) length);
  }

  public static void removeXattr(int directory, byte[] name, byte[] attribute)
      throws ErrnoException {
    int number = isSelf(name) ? Numbers.REMOVEXATTR : Numbers.LREMOVEXATTR;
    long path = entryPath(directory, name);
    SystemCall.call(number, path, Scratch.get().second(attribute), 0);
  }

  public static void removeXattr(int descriptor, byte[] attribute) throws ErrnoException {
    SystemCall.call(Numbers.FREMOVEXATTR, descriptor, Scratch.get().second(attribute), 0);
  }

  // Locks.

  /**
   * A lock as fcntl(2) has it.
   *
   * @param type F_RDLCK 0, F_WRLCK 1 or F_UNLCK 2
   * @param length 0 for "to the end and beyond"
   */
  public record RangeLock(int type, long start, long length, int pid) {}

  /** F_OFD_SETLK; false if another lock is in the way. */
  public static boolean tryLock(int descriptor, int type, long start, long length)
      throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    fillLock(b, type, start, length);
    long result = SystemCall.raw(Numbers.FCNTL, descriptor, F_OFD_SETLK, b.address(), 0, 0, 0);
    if (result == -Errno.EAGAIN || result == -Errno.EACCES) {
      return false;
    }
    if (result < 0) {
      throw new ErrnoException((int) -result);
    }
    return true;
  }

  /** F_OFD_SETLKW: waits for whatever lock is in the way. */
  public static void lock(int descriptor, int type, long start, long length) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    fillLock(b, type, start, length);
    SystemCall.call(Numbers.FCNTL, descriptor, F_OFD_SETLKW, b.address());
  }

  /** F_OFD_GETLK: the lock in the way, or null. */
  public static @Nullable RangeLock testLock(int descriptor, int type, long start, long length)
      throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    fillLock(b, type, start, length);
    SystemCall.call(Numbers.FCNTL, descriptor, F_OFD_GETLK, b.address());
    int found = b.get(ValueLayout.JAVA_SHORT, 0);
    if (found == F_UNLCK) {
      return null;
    }
    return new RangeLock(
        found,
        b.get(ValueLayout.JAVA_LONG, 8),
        b.get(ValueLayout.JAVA_LONG, 16),
        b.get(ValueLayout.JAVA_INT, 24));
  }

  /** struct flock: short type, short whence, 4 bytes gap, long start, long len, int pid. */
  private static void fillLock(MemorySegment b, int type, long start, long length) {
    b.asSlice(0, 32).fill((byte) 0);
    b.set(ValueLayout.JAVA_SHORT, 0, (short) type);
    b.set(ValueLayout.JAVA_LONG, 8, start);
    b.set(ValueLayout.JAVA_LONG, 16, length);
  }

  /** flock(2) with LOCK_NB; {@code operation} LOCK_SH 1, LOCK_EX 2, LOCK_UN 8. */
  public static boolean tryFlock(int descriptor, int operation) throws ErrnoException {
    long result = SystemCall.raw(Numbers.FLOCK, descriptor, operation | 4, 0, 0, 0, 0);
    if (result == -Errno.EAGAIN) {
      return false;
    }
    if (result < 0) {
      throw new ErrnoException((int) -result);
    }
    return true;
  }

  private static byte[] bytes(MemorySegment b, long at, int length) {
    byte[] result = new byte[length];
    MemorySegment.copy(b, ValueLayout.JAVA_BYTE, at, result, 0, length);
    return result;
  }
}
