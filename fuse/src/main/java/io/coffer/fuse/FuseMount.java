package io.coffer.fuse;

import io.coffer.posix.CommandRing;
import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Mounting;
import io.coffer.posix.Processes;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A mounted FUSE filesystem: by mount(2) where this process is root, by the set-user-id helper
 * fusermount3 (or fusermount) otherwise, or on a descriptor that somebody else mounted.
 */
public final class FuseMount {
  private static final System.Logger LOG = System.getLogger("io.coffer.fuse");
  private static final String DEVICE = "/dev/fuse";
  private static final Path IO_URING_SWITCH = Path.of("/sys/module/fuse/parameters/enable_uring");

  private final MountRequest request;
  private final Session session;

  private FuseMount(MountRequest request, Session session) {
    this.request = request;
    this.session = session;
  }

  /**
   * Mounts, and serves until unmounted.
   *
   * @return when the kernel has agreed and the mount point is usable
   * @throws MountException with the reason in words; the filesystem has then not been closed
   */
  public static FuseMount mount(MountRequest request, Filesystem filesystem, SessionOptions options)
      throws MountException, InterruptedException {
    int device = connect(request);
    Session session = new Session(device, filesystem, options);
    session.start();
    session.awaitStarted();
    FuseMount mount = new FuseMount(request, session);
    if (session.hasEnded()) {
      throw new MountException(
          "The kernel ended the connection while mounting on " + request.mountPoint() + ".");
    }
    mount.raiseReadAhead();
    return mount;
  }

  public Session session() {
    return session;
  }

  /**
   * Why {@link SessionOptions#ioUring} would have no effect here, with what to do about it; null if
   * nothing is in the way.
   */
  public static @Nullable String obstacleToIoUring() {
    try {
      if (!Files.readString(IO_URING_SWITCH).startsWith("Y")) {
        return "the administrator has not switched it on; as root: echo Y > " + IO_URING_SWITCH;
      }
    } catch (IOException e) {
      return "this kernel has no FUSE over io_uring (Linux 6.14 and later, with"
          + " CONFIG_FUSE_IO_URING)";
    }
    try {
      new CommandRing(-1).close();
      return null;
    } catch (ErrnoException e) {
      return "this process may use no io_uring ("
          + e.getMessage()
          + "); see sysctl"
          + " kernel.io_uring_disabled, or the filter of the container";
    }
  }

  private static int connect(MountRequest request) throws MountException {
    if (request.isHandedOver()) {
      return handedOver(request.mountPoint());
    }
    if (Credentials.effectiveUid() == 0) {
      return mountDirectly(request);
    }
    checkDevice();
    return mountByHelper(request);
  }

  private static void checkDevice() throws MountException {
    if (!Files.exists(Path.of(DEVICE))) {
      throw new MountException(
          DEVICE + " is missing: the kernel has no FUSE. As root: modprobe fuse");
    }
  }

  private static int handedOver(Path mountPoint) throws MountException {
    String number = mountPoint.toString().substring(MountRequest.HANDED_OVER.length());
    try {
      int device = Integer.parseInt(number);
      FileStatus status = Linux.status(device);
      if (status.type() != FileStatus.TYPE_CHARACTER_DEVICE) {
        throw new MountException(mountPoint + " is not an open descriptor of " + DEVICE + ".");
      }
      return device;
    } catch (NumberFormatException | ErrnoException e) {
      throw new MountException(mountPoint + " is not an open descriptor: " + e.getMessage());
    }
  }

  /**
   * Mounts by mount(2), for which the caller needs CAP_SYS_ADMIN in the user namespace that owns
   * its mount namespace, and leaves the serving to somebody else.
   *
   * @return the descriptor, to be served as a {@link MountRequest} that is handed over
   */
  public static int mountDirectly(MountRequest request) throws MountException {
    checkDevice();
    int device;
    try {
      device =
          Linux.open(Flags.AT_FDCWD, DEVICE.getBytes(StandardCharsets.US_ASCII), Flags.O_RDWR, 0);
    } catch (ErrnoException e) {
      throw new MountException("Cannot open " + DEVICE + ": " + e.getMessage());
    }
    int flags =
        (request.readOnly() ? Flags.MS_RDONLY : 0)
            | (request.setUserId() ? 0 : Flags.MS_NOSUID)
            | (request.devices() ? 0 : Flags.MS_NODEV)
            | (request.executable() ? 0 : Flags.MS_NOEXEC);
    var options = new ArrayList<String>();
    options.add("fd=" + device);
    options.add("rootmode=40000");
    options.add("user_id=" + Credentials.uid());
    options.add("group_id=" + Credentials.gid());
    addCommonOptions(request, options);
    try {
      Mounting.mount(
          request.source(),
          request.mountPoint().toString(),
          "fuse." + request.subtype(),
          flags,
          String.join(",", options));
      return device;
    } catch (ErrnoException e) {
      Linux.close(device);
      throw new MountException(
          "The kernel refused to mount on " + request.mountPoint() + ": " + e.getMessage());
    }
  }

  private static void addCommonOptions(MountRequest request, List<String> options) {
    if (request.allowOther()) {
      options.add("allow_other");
    }
    if (request.defaultPermissions()) {
      options.add("default_permissions");
    }
    options.addAll(request.extraOptions());
  }

  private static int mountByHelper(MountRequest request) throws MountException {
    var options = new ArrayList<String>();
    options.add(request.readOnly() ? "ro" : "rw");
    options.add(request.setUserId() ? "suid" : "nosuid");
    options.add(request.devices() ? "dev" : "nodev");
    options.add(request.executable() ? "exec" : "noexec");
    // The helper splits at commas.
    options.add("fsname=" + request.source().replace(',', '_'));
    options.add("subtype=" + request.subtype());
    addCommonOptions(request, options);
    String helper = helper();
    try {
      int[] pair = Processes.socketPair();
      int device;
      int code;
      try {
        int pid =
            Processes.spawn(
                List.of(
                    helper, "-o", String.join(",", options), "--", request.mountPoint().toString()),
                Map.of("_FUSE_COMMFD", Integer.toString(pair[0])));
        Linux.close(pair[0]);
        pair[0] = -1;
        device = Processes.receiveDescriptor(pair[1]);
        code = Processes.waitFor(pid);
      } finally {
        for (int end : pair) {
          if (end >= 0) {
            Linux.close(end);
          }
        }
      }
      if (device < 0 || code != 0) {
        throw new MountException(
            helper
                + " refused to mount on "
                + request.mountPoint()
                + " (exit code "
                + code
                + ", its reason stands above)."
                + (request.allowOther()
                    ? " --allow-other needs the line user_allow_other in /etc/fuse.conf."
                    : ""));
      }
      return device;
    } catch (ErrnoException e) {
      throw new MountException("Cannot run " + helper + ": " + e.getMessage());
    }
  }

  /** fusermount3 or fusermount, where it is installed. */
  private static String helper() throws MountException {
    String path = System.getenv("PATH");
    for (String name : List.of("fusermount3", "fusermount")) {
      for (String directory :
          ((path == null ? "" : path) + ":/usr/bin:/bin:/usr/local/bin").split(":", -1)) {
        if (!directory.isEmpty() && Files.isExecutable(Path.of(directory, name))) {
          return Path.of(directory, name).toString();
        }
      }
    }
    throw new MountException(
        "fusermount3 is not installed; without it only root can mount."
            + " Ask the administrator for the package fuse3.");
  }

  /** Root may let the kernel read ahead further than the 128 KiB that FUSE starts with. */
  private void raiseReadAhead() {
    if (Credentials.effectiveUid() != 0 || request.isHandedOver()) {
      return;
    }
    try {
      long device = deviceOfMount();
      Files.writeString(
          Path.of(
              "/sys/class/bdi/"
                  + Linux.deviceMajor(device)
                  + ":"
                  + Linux.deviceMinor(device)
                  + "/read_ahead_kb"),
          "1024");
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "read-ahead stays as it is: {0}", e.getMessage());
    }
  }

  private long deviceOfMount() throws ErrnoException {
    return Linux.status(
            Flags.AT_FDCWD, request.mountPoint().toString().getBytes(StandardCharsets.UTF_8))
        .device();
  }

  /**
   * Unmounts. A mount that is in use is detached: it disappears from the tree now and ends when the
   * last file is closed; the caller decides how long to wait for {@link Session#awaitEnd}.
   *
   * @return false if it was in use
   */
  public boolean unmount() throws MountException {
    return unmount(request.mountPoint());
  }

  /**
   * Unmounts unless it is in use.
   *
   * @return false if it was in use and is still mounted
   */
  public boolean unmountIfUnused() throws MountException {
    try {
      return tryUnmount(request.mountPoint());
    } catch (ErrnoException e) {
      throw new MountException("Cannot unmount " + request.mountPoint() + ": " + e.getMessage());
    }
  }

  private static boolean tryUnmount(Path mountPoint) throws MountException, ErrnoException {
    if (Credentials.effectiveUid() != 0) {
      return run(helper(), "-u", "-q", "--", mountPoint.toString()) == 0;
    }
    try {
      Mounting.unmount(mountPoint.toString(), 0);
      return true;
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EBUSY) {
        throw e;
      }
      return false;
    }
  }

  /** {@link #unmount()} for any mount point. */
  public static boolean unmount(Path mountPoint) throws MountException {
    try {
      if (tryUnmount(mountPoint)) {
        return true;
      }
      if (Credentials.effectiveUid() == 0) {
        Mounting.unmount(mountPoint.toString(), Flags.MNT_DETACH);
        return false;
      }
      String helper = helper();
      int code = run(helper, "-u", "-z", "--", mountPoint.toString());
      if (code != 0) {
        throw new MountException(
            helper + " cannot unmount " + mountPoint + " (exit code " + code + ").");
      }
      return false;
    } catch (ErrnoException e) {
      throw new MountException("Cannot unmount " + mountPoint + ": " + e.getMessage());
    }
  }

  private static int run(String... command) throws ErrnoException {
    return Processes.waitFor(Processes.spawn(List.of(command), Map.of()));
  }
}
