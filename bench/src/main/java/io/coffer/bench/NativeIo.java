package io.coffer.bench;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.SystemCall;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The system calls that a C program would make to do the same I/O, so that the client costs as
 * little as that program would and reads without read-ahead.
 */
final class NativeIo {
  static final int O_RDONLY = 0;
  static final int O_WRONLY = 1;
  static final int O_CREAT = 0100;
  static final int O_TRUNC = 01000;

  private static final int AT_FDCWD = -100;
  private static final int POSIX_FADV_RANDOM = 1;
  private static final int PR_SET_CHILD_SUBREAPER = 36;
  private static final int WNOHANG = 1;

  /** Numbers of asm/unistd_64.h (x86-64) and asm-generic/unistd.h (aarch64). */
  private static final boolean X86 = System.getProperty("os.arch").equals("amd64");

  private static final int CLOSE = X86 ? 3 : 57;
  private static final int PREAD64 = X86 ? 17 : 67;
  private static final int PWRITE64 = X86 ? 18 : 68;
  private static final int WAIT4 = X86 ? 61 : 260;
  private static final int FSYNC = X86 ? 74 : 82;
  private static final int PRCTL = X86 ? 157 : 167;
  private static final int SYNC = X86 ? 162 : 81;
  private static final int FADVISE64 = X86 ? 221 : 223;
  private static final int OPENAT = X86 ? 257 : 56;

  private static final Path DROP_CACHES = Path.of("/proc/sys/vm/drop_caches");

  private NativeIo() {}

  /** Opens a file whose path is a C string. */
  static int open(MemorySegment path, int flags) throws ErrnoException {
    return (int) SystemCall.call(OPENAT, AT_FDCWD, path.address(), flags, 0644);
  }

  static int open(Path path, int flags) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      return open(arena.allocateFrom(path.toString()), flags);
    }
  }

  static void close(int fd) throws ErrnoException {
    SystemCall.call(CLOSE, fd);
  }

  /** Tells the kernel not to read ahead. */
  static void adviseRandom(int fd) throws ErrnoException {
    SystemCall.call(FADVISE64, fd, 0, 0, POSIX_FADV_RANDOM);
  }

  static long read(int fd, MemorySegment buffer, long offset) throws ErrnoException {
    return SystemCall.call(PREAD64, fd, buffer.address(), buffer.byteSize(), offset);
  }

  static long write(int fd, MemorySegment buffer, long offset) throws ErrnoException {
    return SystemCall.call(PWRITE64, fd, buffer.address(), buffer.byteSize(), offset);
  }

  static void fsync(int fd) throws ErrnoException {
    SystemCall.call(FSYNC, fd);
  }

  /**
   * Makes daemons that detach themselves children of this process (prctl(2)), so that they are
   * known without doubt as what this program started.
   */
  static void adoptOrphans() {
    SystemCall.raw(PRCTL, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0);
  }

  /** Collects an adopted process that has ended; does nothing for any other. */
  static void reap(int pid) {
    SystemCall.raw(WAIT4, pid, 0, WNOHANG, 0, 0, 0);
  }

  /** Whether this program may empty the kernel's caches. */
  static boolean canDropCaches() {
    return Files.isWritable(DROP_CACHES);
  }

  /** Writes everything out and empties the kernel's caches of contents, names and inodes. */
  static void dropCaches() {
    SystemCall.raw(SYNC, 0, 0, 0, 0, 0, 0);
    if (canDropCaches()) {
      try {
        Files.writeString(DROP_CACHES, "3\n");
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
