package io.coffer.posix;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** mount(2), umount2(2), and the connection of a FUSE filesystem. Thread-safe. */
public final class Mounting {
  private static final int CLONE_NEWNS = 0x20000;

  /** FUSE_DEV_IOC_CLONE of linux/fuse.h: _IOR(229, 0, uint32_t). */
  private static final int FUSE_DEV_IOC_CLONE = 0x8004e500;

  private static final int MS_REC = 0x4000;
  private static final int MS_PRIVATE = 0x40000;

  private Mounting() {}

  /**
   * Mounts a filesystem.
   *
   * @param flags MS_ constants of {@link Flags}
   * @param options of the filesystem, separated by commas
   */
  public static void mount(String source, String target, String type, int flags, String options)
      throws ErrnoException {
    try (var arena = java.lang.foreign.Arena.ofConfined()) {
      SystemCall.call(
          Numbers.MOUNT,
          arena.allocateFrom(source, StandardCharsets.UTF_8).address(),
          arena.allocateFrom(target, StandardCharsets.UTF_8).address(),
          arena.allocateFrom(type, StandardCharsets.UTF_8).address(),
          flags,
          arena.allocateFrom(options, StandardCharsets.UTF_8).address(),
          0);
    }
  }

  /**
   * Removes a directory on which something is mounted: from a mount namespace of a thread of its
   * own, in which it is no mount point, for then the kernel takes what is mounted there out of all
   * namespaces as it removes the directory (detach_mounts() of fs/namespace.c). No moment is left
   * in which the directory beneath can be seen. Needs CAP_SYS_ADMIN.
   *
   * @throws ErrnoException if it is not removed; then it is as before
   */
  public static void removeMountPoint(String path) throws ErrnoException {
    var problem = new AtomicReference<@Nullable ErrnoException>();
    Thread thread =
        Thread.ofPlatform()
            .start(() -> {
              try {
                SystemCall.call(Numbers.UNSHARE, CLONE_NEWNS, 0, 0, 0, 0, 0);
                mount("none", "/", "none", MS_REC | MS_PRIVATE, "");
                unmount(path, Flags.MNT_DETACH);
                Linux.removeDirectory(Flags.AT_FDCWD, path.getBytes(StandardCharsets.UTF_8));
              } catch (ErrnoException e) {
                problem.set(e);
              }
            });
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    ErrnoException e = problem.get();
    if (e != null) {
      throw e;
    }
  }

  /**
   * Opens a second descriptor of a FUSE connection, read(2) of which never waits (EAGAIN). A
   * request is to be answered on the descriptor that it was read from.
   *
   * @param device a descriptor of the connection
   */
  public static int secondDevice(int device) throws ErrnoException {
    int second =
        Linux.open(
            Flags.AT_FDCWD,
            "/dev/fuse".getBytes(StandardCharsets.US_ASCII),
            Flags.O_RDWR | Flags.O_NONBLOCK,
            0);
    try (var arena = java.lang.foreign.Arena.ofConfined()) {
      var number = arena.allocateFrom(java.lang.foreign.ValueLayout.JAVA_INT, device);
      SystemCall.call(Numbers.IOCTL, second, FUSE_DEV_IOC_CLONE, number.address());
      return second;
    } catch (ErrnoException e) {
      Linux.close(second);
      throw e;
    }
  }

  /** Unmounts; {@code flags} 0 or {@link Flags#MNT_DETACH}. */
  public static void unmount(String target, int flags) throws ErrnoException {
    try (var arena = java.lang.foreign.Arena.ofConfined()) {
      SystemCall.call(
          Numbers.UMOUNT2, arena.allocateFrom(target, StandardCharsets.UTF_8).address(), flags, 0);
    }
  }
}
