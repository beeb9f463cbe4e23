package io.coffer.bench;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.SystemCall;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;

/** System calls that only a measuring program needs. */
final class NativeIo {
  private static final int POSIX_FADV_RANDOM = 1;
  private static final int PR_SET_CHILD_SUBREAPER = 36;
  private static final int WNOHANG = 1;

  /** Numbers of asm/unistd_64.h (x86-64) and asm-generic/unistd.h (aarch64). */
  private static final boolean X86 = System.getProperty("os.arch").equals("amd64");

  private static final int WAIT4 = X86 ? 61 : 260;
  private static final int PRCTL = X86 ? 157 : 167;
  private static final int SYNC = X86 ? 162 : 81;
  private static final int FADVISE64 = X86 ? 221 : 223;

  private static final Path DROP_CACHES = Path.of("/proc/sys/vm/drop_caches");

  private NativeIo() {}

  /** Tells the kernel not to read ahead. */
  static void adviseRandom(int fd) throws ErrnoException {
    SystemCall.call(FADVISE64, fd, 0, 0, POSIX_FADV_RANDOM);
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

  /**
   * Takes memory, writes to all of it and gives it back, so that what comes next gets memory that
   * the host of a virtual machine has really given to it. Hosts take back what has been free for
   * some seconds (virtio-balloon's free page reporting), and without this, the first system that
   * needs much memory would pay for those that come after it.
   *
   * @param bytes how much, at most half of what is available
   */
  static void touchMemory(long bytes) throws IOException {
    long most = Machine.availableMemory() / 2;
    try (Arena arena = Arena.ofConfined()) {
      arena.allocate(Math.min(bytes, most), 4096).fill((byte) 1);
    }
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
