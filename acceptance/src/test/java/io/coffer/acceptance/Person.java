package io.coffer.acceptance;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.SystemCall;
import io.coffer.posix.Timestamp;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Somebody who makes system calls: a thread with its own credentials, working directory and umask
 * (on Linux all of them belong to the thread until libc shares them out), and if wanted its own
 * table of descriptors, which makes it another process as far as POSIX locks go. The credentials
 * are put on for a system call only, so that the virtual machine can load classes in between.
 *
 * <p>Paths are Strings of which each char is one byte. Errors are {@link ErrnoException}.
 */
final class Person implements AutoCloseable {
  /** Uid and gid of the throw-away user. */
  static final int NOBODY = 65534;

  private static final boolean X86 = System.getProperty("os.arch", "").matches("amd64|x86_64");

  // arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux.
  private static final int ACCEPT4 = number(288, 242);
  private static final int BIND = number(49, 200);
  private static final int CHDIR = number(80, 49);
  private static final int CONNECT = number(42, 203);
  private static final int COPY_FILE_RANGE = number(326, 285);
  private static final int PPOLL = number(271, 73);
  private static final int FACCESSAT = number(269, 48);
  private static final int FCHDIR = number(81, 50);
  private static final int FCHMODAT = number(268, 53);
  private static final int FCHOWNAT = number(260, 54);
  private static final int FCNTL = number(72, 25);
  private static final int FLOCK = number(73, 32);
  private static final int GETCWD = number(79, 17);
  private static final int GETDENTS64 = number(217, 61);
  private static final int GETTID = number(186, 178);
  private static final int IOCTL = number(16, 29);
  private static final int LINKAT = number(265, 37);
  private static final int LISTEN = number(50, 201);
  private static final int LGETXATTR = number(192, 9);
  private static final int LLISTXATTR = number(195, 12);
  private static final int LREMOVEXATTR = number(198, 15);
  private static final int LSETXATTR = number(189, 6);
  private static final int MKDIRAT = number(258, 34);
  private static final int MKNODAT = number(259, 33);
  private static final int OPENAT = number(257, 56);
  private static final int READLINKAT = number(267, 78);
  private static final int SETGROUPS = number(116, 159);
  private static final int SETRESGID = number(119, 149);
  private static final int SETRESUID = number(117, 147);
  private static final int SOCKET = number(41, 198);
  private static final int SYMLINKAT = number(266, 36);
  private static final int TGKILL = number(234, 131);
  private static final int TRUNCATE = number(76, 45);
  private static final int UMASK = number(95, 166);
  private static final int UNLINKAT = number(263, 35);
  private static final int UNSHARE = number(272, 97);
  private static final int UTIMENSAT = number(280, 88);

  private static final int CLONE_FS = 0x200;
  private static final int CLONE_FILES = 0x400;
  private static final int AF_UNIX = 1;

  static final long UTIME_NOW = (1L << 30) - 1;
  static final long UTIME_OMIT = (1L << 30) - 2;
  static final int S_IFREG = 0100000;
  static final int S_IFIFO = 0010000;
  static final int S_IFCHR = 0020000;
  static final int S_IFBLK = 0060000;
  static final int S_IFSOCK = 0140000;
  static final int F_RDLCK = 0;
  static final int F_WRLCK = 1;
  static final int F_UNLCK = 2;
  static final int LOCK_SH = 1;
  static final int LOCK_EX = 2;
  static final int LOCK_NB = 4;
  static final int LOCK_UN = 8;

  private final String name;
  private final int uid;
  private final int gid;
  private final int[] groups;
  private final ExecutorService thread;
  private int tid;

  private Person(String name, int uid, int gid, int[] groups, boolean ownDescriptors) {
    this.name = name;
    this.uid = uid;
    this.gid = gid;
    this.groups = groups;
    this.thread =
        Executors.newSingleThreadExecutor(task -> {
          Thread t = new Thread(task, name);
          t.setDaemon(true);
          return t;
        });
    plainly(() -> {
      SystemCall.call(UNSHARE, CLONE_FS | (ownDescriptors ? CLONE_FILES : 0));
      SystemCall.call(UMASK, 0);
      tid = (int) SystemCall.call(GETTID, 0);
      return null;
    });
  }

  private static int number(int x86, int generic) {
    return X86 ? x86 : generic;
  }

  static boolean isRoot() {
    return "root".equals(System.getProperty("user.name"));
  }

  /** Whoever runs the tests, usually root. */
  static Person self() {
    return new Person("self", -1, -1, new int[0], false);
  }

  /** Like {@link #self()}, with its own descriptors and so its own POSIX locks. */
  static Person otherProcess() {
    return new Person("other process", -1, -1, new int[0], true);
  }

  /** An ordinary user; to become one takes root. */
  static Person user(int uid, int gid, int... groups) {
    Tools.needRoot();
    return new Person("uid " + uid, uid, gid, groups, false);
  }

  static Person nobody() {
    return user(NOBODY, NOBODY);
  }

  int uid() {
    return uid == -1 ? 0 : uid;
  }

  int gid() {
    return gid == -1 ? 0 : gid;
  }

  @Override
  public String toString() {
    return name;
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }

  // Running.

  private <T> T plainly(Callable<T> work) {
    try {
      return thread.submit(work).get(60, TimeUnit.SECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      throw new AssertionError(name + ": " + e, e);
    }
  }

  private <T> Future<T> submit(Callable<T> work) {
    return thread.submit(() -> {
      if (uid == -1) {
        return work.call();
      }
      become();
      try {
        return work.call();
      } finally {
        SystemCall.call(SETRESUID, 0, 0, 0);
        SystemCall.call(SETRESGID, 0, 0, 0);
        SystemCall.call(SETGROUPS, 0, 0, 0);
      }
    });
  }

  private void become() throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment list = arena.allocateFrom(ValueLayout.JAVA_INT, groups);
      SystemCall.call(SETGROUPS, groups.length, list.address(), 0);
    }
    SystemCall.call(SETRESGID, gid, gid, 0);
    SystemCall.call(SETRESUID, uid, uid, 0);
  }

  /** Work of this person that must end within a minute. */
  private <T> T does(Callable<T> work) throws ErrnoException {
    return await(submit(work), 60);
  }

  /** The result of something started. */
  static <T> T await(Future<T> future, int seconds) throws ErrnoException {
    try {
      return future.get(seconds, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof ErrnoException errno) {
        throw errno;
      }
      throw new AssertionError(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    } catch (TimeoutException e) {
      throw new AssertionError("no answer within " + seconds + " s", e);
    }
  }

  private static MemorySegment string(Arena arena, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    MemorySegment segment = arena.allocate(bytes.length + 1L);
    MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, bytes.length);
    return segment;
  }

  private interface Body {
    long run(Arena arena) throws ErrnoException;
  }

  private long withArena(Body body) throws ErrnoException {
    return does(() -> {
      try (Arena arena = Arena.ofConfined()) {
        return body.run(arena);
      }
    });
  }

  private static String at(Path path) {
    return new String(
        path.toString().getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
  }

  private static byte[] bytes(String path) {
    return path.getBytes(StandardCharsets.ISO_8859_1);
  }

  /** The bytes of a path as this class takes them. */
  static String path(Path path) {
    return at(path);
  }

  // Files.

  int open(String path, int flags, int mode) throws ErrnoException {
    return openAt(Flags.AT_FDCWD, path, flags, mode);
  }

  int open(String path, int flags) throws ErrnoException {
    return openAt(Flags.AT_FDCWD, path, flags, 0);
  }

  int openAt(int directory, String path, int flags, int mode) throws ErrnoException {
    return (int)
        withArena(arena ->
            SystemCall.call(
                OPENAT, directory, string(arena, path).address(), flags | Flags.O_CLOEXEC, mode));
  }

  void close(int descriptor) throws ErrnoException {
    does(() -> {
      Linux.close(descriptor);
      return 0;
    });
  }

  /** Creates an empty file with an exact mode. */
  void create(String path, int mode) throws ErrnoException {
    close(open(path, Flags.O_CREAT | Flags.O_EXCL | Flags.O_WRONLY, mode));
  }

  /** Creates a file with contents. */
  void write(String path, String text) throws ErrnoException {
    int file = open(path, Flags.O_CREAT | Flags.O_TRUNC | Flags.O_WRONLY, 0644);
    try {
      pwrite(file, bytes(text), 0);
    } finally {
      close(file);
    }
  }

  String read(String path) throws ErrnoException {
    int file = open(path, Flags.O_RDONLY);
    try {
      return new String(pread(file, 1 << 20, 0), StandardCharsets.ISO_8859_1);
    } finally {
      close(file);
    }
  }

  /** Reads until the count is reached or the file ends. */
  byte[] pread(int file, int count, long offset) throws ErrnoException {
    byte[] result = new byte[count];
    long n =
        withArena(arena -> {
          MemorySegment buffer = arena.allocate(Math.max(count, 1), 4096);
          int total = 0;
          while (total < count) {
            int got = Linux.read(file, buffer.address() + total, count - total, offset + total);
            if (got == 0) {
              break;
            }
            total += got;
          }
          MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, result, 0, total);
          return total;
        });
    return Arrays.copyOf(result, (int) n);
  }

  int pwrite(int file, byte[] data, long offset) throws ErrnoException {
    return (int)
        withArena(arena -> {
          MemorySegment buffer = arena.allocate(Math.max(data.length, 1), 4096);
          MemorySegment.copy(data, 0, buffer, ValueLayout.JAVA_BYTE, 0, data.length);
          return offset < 0
              ? Linux.write(file, buffer.address(), data.length)
              : Linux.write(file, buffer.address(), data.length, offset);
        });
  }

  /** write(2) at the file's own position. */
  int write(int file, byte[] data) throws ErrnoException {
    return pwrite(file, data, -1);
  }

  /** One read(2), for pipes and sockets. */
  byte[] readOnce(int file, int count) throws ErrnoException {
    byte[] result = new byte[count];
    long n =
        withArena(arena -> {
          MemorySegment buffer = arena.allocate(count);
          int got = Linux.read(file, buffer.address(), count);
          MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, result, 0, got);
          return got;
        });
    return Arrays.copyOf(result, (int) n);
  }

  long seek(int file, long offset, int whence) throws ErrnoException {
    return does(() -> Linux.seek(file, offset, whence));
  }

  void fsync(int file) throws ErrnoException {
    does(() -> {
      Linux.sync(file, false);
      return 0;
    });
  }

  void fsyncOf(String path) throws ErrnoException {
    int file = open(path, Flags.O_RDONLY);
    try {
      fsync(file);
    } finally {
      close(file);
    }
  }

  void fallocate(int file, int mode, long offset, long length) throws ErrnoException {
    does(() -> {
      Linux.allocate(file, mode, offset, length);
      return 0;
    });
  }

  void ftruncate(int file, long size) throws ErrnoException {
    does(() -> {
      Linux.truncate(file, size);
      return 0;
    });
  }

  void truncate(String path, long size) throws ErrnoException {
    withArena(arena -> SystemCall.call(TRUNCATE, string(arena, path).address(), size, 0));
  }

  long copyFileRange(int from, long fromOffset, int to, long toOffset, long length)
      throws ErrnoException {
    return withArena(arena -> {
      MemorySegment in = arena.allocateFrom(ValueLayout.JAVA_LONG, fromOffset);
      MemorySegment out = arena.allocateFrom(ValueLayout.JAVA_LONG, toOffset);
      return SystemCall.call(COPY_FILE_RANGE, from, in.address(), to, out.address(), length, 0);
    });
  }

  /** What of {@code events} is ready at once; ppoll(2) without waiting. */
  int poll(int file, int events) throws ErrnoException {
    return (int)
        withArena(arena -> {
          MemorySegment request = arena.allocate(8, 8); // struct pollfd
          request.set(ValueLayout.JAVA_INT, 0, file);
          request.set(ValueLayout.JAVA_SHORT, 4, (short) events);
          MemorySegment noTime = arena.allocate(16, 8);
          SystemCall.call(PPOLL, request.address(), 1, noTime.address(), 0, 0, 0);
          return request.get(ValueLayout.JAVA_SHORT, 6);
        });
  }

  long ioctl(int file, long request, long argument) throws ErrnoException {
    return does(() -> SystemCall.call(IOCTL, file, request, argument));
  }

  // Names.

  void mkdir(String path, int mode) throws ErrnoException {
    withArena(
        arena -> SystemCall.call(MKDIRAT, Flags.AT_FDCWD, string(arena, path).address(), mode));
  }

  void rmdir(String path) throws ErrnoException {
    withArena(arena ->
        SystemCall.call(
            UNLINKAT, Flags.AT_FDCWD, string(arena, path).address(), Flags.AT_REMOVEDIR));
  }

  void unlink(String path) throws ErrnoException {
    withArena(arena -> SystemCall.call(UNLINKAT, Flags.AT_FDCWD, string(arena, path).address(), 0));
  }

  void mknod(String path, int mode, long device) throws ErrnoException {
    withArena(arena ->
        SystemCall.call(MKNODAT, Flags.AT_FDCWD, string(arena, path).address(), mode, device));
  }

  void link(String from, String to) throws ErrnoException {
    withArena(arena ->
        SystemCall.call(
            LINKAT,
            Flags.AT_FDCWD,
            string(arena, from).address(),
            Flags.AT_FDCWD,
            string(arena, to).address(),
            0,
            0));
  }

  void linkDescriptor(int file, String to) throws ErrnoException {
    does(() -> {
      Linux.linkDescriptor(file, Flags.AT_FDCWD, bytes(to));
      return 0;
    });
  }

  void symlink(String target, String path) throws ErrnoException {
    withArena(arena ->
        SystemCall.call(
            SYMLINKAT,
            string(arena, target).address(),
            Flags.AT_FDCWD,
            string(arena, path).address()));
  }

  String readlink(String path) throws ErrnoException {
    byte[] result = new byte[8192];
    long n =
        withArena(arena -> {
          MemorySegment buffer = arena.allocate(result.length);
          long got =
              SystemCall.call(
                  READLINKAT,
                  Flags.AT_FDCWD,
                  string(arena, path).address(),
                  buffer.address(),
                  result.length);
          MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, result, 0, (int) got);
          return got;
        });
    return new String(result, 0, (int) n, StandardCharsets.ISO_8859_1);
  }

  void rename(String from, String to) throws ErrnoException {
    rename(from, to, 0);
  }

  void rename(String from, String to, int flags) throws ErrnoException {
    does(() -> {
      Linux.rename(Flags.AT_FDCWD, bytes(from), Flags.AT_FDCWD, bytes(to), flags);
      return 0;
    });
  }

  /** All names of a directory but "." and "..", in its own order. */
  List<String> list(String path) throws ErrnoException {
    return Entries.list(this, path).stream()
        .map(Entries.Entry::name)
        .filter(n -> !n.equals(".") && !n.equals(".."))
        .toList();
  }

  byte[] getdents(int directory, int size) throws ErrnoException {
    byte[] result = new byte[size];
    long n =
        withArena(arena -> {
          MemorySegment buffer = arena.allocate(size, 8);
          long got = SystemCall.call(GETDENTS64, directory, buffer.address(), size);
          MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, result, 0, (int) got);
          return got;
        });
    return Arrays.copyOf(result, (int) n);
  }

  // Attributes.

  /** lstat. */
  FileStatus stat(String path) throws ErrnoException {
    return does(() -> Linux.status(Flags.AT_FDCWD, bytes(path)));
  }

  FileStatus fstat(int file) throws ErrnoException {
    return does(() -> Linux.status(file));
  }

  boolean exists(String path) {
    try {
      stat(path);
      return true;
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT) {
        throw new AssertionError("lstat " + path + " should give 0 or ENOENT", e);
      }
      return false;
    }
  }

  void access(String path, int mask) throws ErrnoException {
    withArena(
        arena -> SystemCall.call(FACCESSAT, Flags.AT_FDCWD, string(arena, path).address(), mask));
  }

  void chmod(String path, int mode) throws ErrnoException {
    withArena(
        arena -> SystemCall.call(FCHMODAT, Flags.AT_FDCWD, string(arena, path).address(), mode));
  }

  void lchown(String path, int newUid, int newGid) throws ErrnoException {
    withArena(arena ->
        SystemCall.call(
            FCHOWNAT,
            Flags.AT_FDCWD,
            string(arena, path).address(),
            newUid,
            newGid,
            Flags.AT_SYMLINK_NOFOLLOW,
            0));
  }

  /** utimensat without following links. */
  void utimens(String path, Timestamp accessed, Timestamp modified) throws ErrnoException {
    withArena(arena -> {
      MemorySegment t =
          arena.allocateFrom(
              ValueLayout.JAVA_LONG,
              accessed.seconds(),
              accessed.nanos(),
              modified.seconds(),
              modified.nanos());
      return SystemCall.call(
          UTIMENSAT,
          Flags.AT_FDCWD,
          string(arena, path).address(),
          t.address(),
          Flags.AT_SYMLINK_NOFOLLOW);
    });
  }

  byte[] getXattr(String path, String attribute) throws ErrnoException {
    byte[] result = new byte[65536];
    long n =
        withArena(arena -> {
          MemorySegment buffer = arena.allocate(result.length);
          long got =
              SystemCall.call(
                  LGETXATTR,
                  string(arena, path).address(),
                  string(arena, attribute).address(),
                  buffer.address(),
                  result.length);
          MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, result, 0, (int) got);
          return got;
        });
    return Arrays.copyOf(result, (int) n);
  }

  void setXattr(String path, String attribute, byte[] value, int flags) throws ErrnoException {
    withArena(arena -> {
      MemorySegment buffer = arena.allocate(Math.max(value.length, 1));
      MemorySegment.copy(value, 0, buffer, ValueLayout.JAVA_BYTE, 0, value.length);
      return SystemCall.call(
          LSETXATTR,
          string(arena, path).address(),
          string(arena, attribute).address(),
          buffer.address(),
          value.length,
          flags,
          0);
    });
  }

  void removeXattr(String path, String attribute) throws ErrnoException {
    withArena(arena ->
        SystemCall.call(
            LREMOVEXATTR, string(arena, path).address(), string(arena, attribute).address(), 0));
  }

  List<String> listXattrs(String path) throws ErrnoException {
    byte[] result = new byte[65536];
    long n =
        withArena(arena -> {
          MemorySegment buffer = arena.allocate(result.length);
          long got =
              SystemCall.call(
                  LLISTXATTR, string(arena, path).address(), buffer.address(), result.length);
          MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, result, 0, (int) got);
          return got;
        });
    return new String(result, 0, (int) n, StandardCharsets.ISO_8859_1)
        .lines()
        .flatMap(s -> Arrays.stream(s.split("\0", -1)))
        .filter(s -> !s.isEmpty())
        .sorted()
        .toList();
  }

  // The person's own state.

  void chdir(String path) throws ErrnoException {
    withArena(arena -> SystemCall.call(CHDIR, string(arena, path).address()));
  }

  void fchdir(int directory) throws ErrnoException {
    does(() -> SystemCall.call(FCHDIR, directory));
  }

  String getcwd() throws ErrnoException {
    byte[] result = new byte[65536];
    long n =
        withArena(arena -> {
          MemorySegment buffer = arena.allocate(result.length);
          long got = SystemCall.call(GETCWD, buffer.address(), result.length, 0);
          MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, result, 0, (int) got);
          return got;
        });
    return new String(result, 0, (int) n - 1, StandardCharsets.ISO_8859_1);
  }

  /** getcwd(2) as programs call it, with room for PATH_MAX bytes. */
  void getcwdInto4096() throws ErrnoException {
    withArena(arena -> SystemCall.call(GETCWD, arena.allocate(4096).address(), 4096, 0));
  }

  void umask(int mask) throws ErrnoException {
    does(() -> SystemCall.call(UMASK, mask));
  }

  // Locks.

  /** F_SETLK; EAGAIN if another lock is in the way. */
  void lock(int file, int type, long start, long length) throws ErrnoException {
    await(submit(() -> posixLock(6, file, type, start, length)), 60);
  }

  /** F_SETLKW: waits; EINTR if {@link #interrupt interrupted}. */
  Future<Long> lockWaiting(int file, int type, long start, long length) {
    return submit(() -> posixLock(7, file, type, start, length));
  }

  /** F_GETLK: the type of the lock in the way, or F_UNLCK. */
  int testLock(int file, int type, long start, long length) throws ErrnoException {
    return (int) (long) does(() -> posixLock(5, file, type, start, length));
  }

  /** struct flock: short type, short whence, 4 bytes gap, long start, long length, int pid. */
  private static long posixLock(int command, int file, int type, long start, long length)
      throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment lock = arena.allocate(32, 8);
      lock.set(ValueLayout.JAVA_SHORT, 0, (short) type);
      lock.set(ValueLayout.JAVA_LONG, 8, start);
      lock.set(ValueLayout.JAVA_LONG, 16, length);
      long result = SystemCall.raw(FCNTL, file, command, lock.address(), 0, 0, 0);
      if (result < 0) {
        throw new ErrnoException((int) -result);
      }
      return lock.get(ValueLayout.JAVA_SHORT, 0);
    }
  }

  /** flock(2); EAGAIN with LOCK_NB if another lock is in the way. */
  void flock(int file, int operation) throws ErrnoException {
    await(flockWaiting(file, operation), 60);
  }

  Future<Long> flockWaiting(int file, int operation) {
    return submit(() -> {
      long result = SystemCall.raw(FLOCK, file, operation, 0, 0, 0, 0);
      if (result < 0) {
        throw new ErrnoException((int) -result);
      }
      return result;
    });
  }

  /**
   * Interrupts this person's blocked system call, by the signal that the JDK itself uses to get
   * threads out of blocked I/O (SIGRTMAX - 2, with a handler that does nothing).
   */
  void interrupt() throws ErrnoException {
    SystemCall.call(TGKILL, ProcessHandle.current().pid(), tid, 62);
  }

  // Sockets in the filesystem.

  int listen(String path) throws ErrnoException {
    return (int)
        withArena(arena -> {
          long socket = SystemCall.call(SOCKET, AF_UNIX, 1, 0);
          SystemCall.call(BIND, socket, address(arena, path).address(), 110);
          SystemCall.call(LISTEN, socket, 5, 0);
          return socket;
        });
  }

  int connect(String path) throws ErrnoException {
    return (int)
        withArena(arena -> {
          long socket = SystemCall.call(SOCKET, AF_UNIX, 1, 0);
          SystemCall.call(CONNECT, socket, address(arena, path).address(), 110);
          return socket;
        });
  }

  int accept(int socket) throws ErrnoException {
    return (int) (long) does(() -> SystemCall.call(ACCEPT4, socket, 0, 0, 0));
  }

  /** struct sockaddr_un: short family, 108 bytes of path. */
  private static MemorySegment address(Arena arena, String path) {
    MemorySegment address = arena.allocate(110, 8);
    address.set(ValueLayout.JAVA_SHORT, 0, (short) AF_UNIX);
    byte[] bytes = bytes(path);
    MemorySegment.copy(bytes, 0, address, ValueLayout.JAVA_BYTE, 2, bytes.length);
    return address;
  }
}
