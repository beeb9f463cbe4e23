package io.coffer.mount;

import io.coffer.fuse.FuseMount;
import io.coffer.fuse.MountException;
import io.coffer.fuse.SessionOptions;
import io.coffer.posix.Credentials;
import io.coffer.vfs.PathTranslator;
import io.coffer.vfs.PolicyFilesystem;
import io.coffer.vfs.VirtualFilesystem;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A mounted view of a volume, from mount to unmount. Whoever mounts it waits in {@link
 * #awaitUnmount}; any thread may {@link #unmount} it, and so may umount(8) or fusermount.
 */
public final class MountedView {
  private static final System.Logger LOG = System.getLogger("io.coffer.mount");
  private static final Duration LONGEST_IDLE_CHECK = Duration.ofMinutes(2);

  /** How long an unmount waits for requests under way. */
  private static final Duration GRACE = Duration.ofSeconds(5);

  private final FuseMount mount;
  private final @Nullable ControlSocket controlSocket;
  private final @Nullable TreeControl trees;

  private MountedView(
      FuseMount mount, @Nullable ControlSocket controlSocket, @Nullable TreeControl trees) {
    this.mount = mount;
    this.controlSocket = controlSocket;
    this.trees = trees;
  }

  /**
   * Trees with policies, which are unlocked and locked while the view is mounted.
   *
   * @param store what is mounted: the volume, or a directory in it
   * @param metadata the file in which the volume keeps its master keys, wrapped
   */
  public record Trees(PolicyFilesystem files, Path store, Path metadata) {}

  /**
   * Mounts a filesystem, which is closed when the view ends, and also if mounting fails.
   *
   * @param paths what the control socket asks
   * @return when the view is usable
   */
  public static MountedView mount(
      VirtualFilesystem files, PathTranslator paths, MountOptions options)
      throws MountException, InterruptedException {
    return mount(files, paths, options, null);
  }

  /** {@link #mount(VirtualFilesystem, PathTranslator, MountOptions)} with control of trees. */
  public static MountedView mount(
      VirtualFilesystem files, PathTranslator paths, MountOptions options, @Nullable Trees trees)
      throws MountException, InterruptedException {
    boolean multiUser = options.request().allowOther() && Credentials.effectiveUid() == 0;
    var adapter = new FilesystemAdapter(files, options, new CallerCredentials(multiUser));
    ControlSocket socket = null;
    TreeControl control = null;
    FuseMount mount = null;
    try {
      MountPointCheck.check(options);
      Path at = options.controlSocket();
      if (at != null) {
        socket = ControlSocket.open(at, paths);
      }
      if (trees != null) {
        trees.files().setCache(adapter);
        control = TreeControl.open(trees, options.request().allowOther());
        adapter.setControlPath(control.path());
      }
      mount =
          FuseMount.mount(
              options.request().allowOther()
                  ? options.request().withDefaultPermissions()
                  : options.request(),
              adapter,
              new SessionOptions(
                  options.alone(),
                  !options.alone(),
                  options.acl(),
                  true,
                  options.asynchronousRead(),
                  !options.request().setUserId(),
                  // Elsewhere each status may be a question to a server.
                  options.sharing().believes(),
                  options.sharing() == SharingMode.SHARED,
                  options.ioUring(),
                  readerThreads()));
      MountedView view = new MountedView(mount, socket, control);
      Duration idle = options.idle();
      if (idle != null) {
        view.unmountWhenIdle(adapter, idle);
      }
      return view;
    } catch (IOException e) {
      throw new MountException(
          "Cannot open the control socket"
              + (options.controlSocket() == null ? "" : " " + options.controlSocket())
              + ": "
              + e.getMessage());
    } finally {
      if (mount == null) {
        if (socket != null) {
          socket.close();
        }
        if (control != null) {
          control.close();
        }
        adapter.close();
      }
    }
  }

  /**
   * Threads that may handle requests at once: more than processors, since they wait for the store,
   * but each holds some MiB of buffers.
   */
  private static int readerThreads() {
    return Math.clamp(2L * Runtime.getRuntime().availableProcessors(), 4, 16);
  }

  private void unmountWhenIdle(FilesystemAdapter adapter, Duration idle) {
    Duration quarter = idle.dividedBy(4);
    Duration pause = quarter.compareTo(LONGEST_IDLE_CHECK) < 0 ? quarter : LONGEST_IDLE_CHECK;
    Thread.ofPlatform()
        .daemon()
        .name("idle-check")
        .start(() -> {
          try {
            while (!mount.session().hasEnded()) {
              Thread.sleep(Math.max(1, pause.toMillis()));
              long unused = System.nanoTime() - adapter.lastUse();
              if (adapter.openHandles() == 0 && unused >= idle.toNanos()) {
                // Refused if somebody's working directory is in it: later, then.
                if (mount.unmountIfUnused()) {
                  LOG.log(System.Logger.Level.INFO, "unmounted: idle for {0}", idle);
                  return;
                }
              }
            }
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          } catch (MountException e) {
            LOG.log(System.Logger.Level.WARNING, e.getMessage());
          }
        });
  }

  /** Waits until the view has been unmounted and everything is written and closed. */
  public void awaitUnmount() throws InterruptedException {
    mount.session().awaitEnd();
    closeSockets();
  }

  /**
   * Unmounts; if files are open, the view disappears from the tree at once and ends with them.
   *
   * @return true if everything has ended within a few seconds
   */
  public boolean unmount() throws MountException, InterruptedException {
    return unmount(() -> {});
  }

  /**
   * The same.
   *
   * @param gone run as soon as nothing is mounted there any more, before the wait
   */
  public boolean unmount(Runnable gone) throws MountException, InterruptedException {
    boolean wasIdle = mount.unmount();
    gone.run();
    if (!wasIdle) {
      LOG.log(System.Logger.Level.WARNING, "the mount point is in use: detached it");
    }
    return awaitEnd(wasIdle ? GRACE : Duration.ofSeconds(1));
  }

  /**
   * What remains of {@link #unmount} after something else has taken the view out of the tree.
   *
   * @return true if everything has ended within a few seconds
   */
  public boolean awaitDetached() throws InterruptedException {
    return awaitEnd(GRACE);
  }

  private boolean awaitEnd(Duration limit) throws InterruptedException {
    long deadline = System.nanoTime() + limit.toNanos();
    while (!mount.session().hasEnded() && System.nanoTime() < deadline) {
      TimeUnit.MILLISECONDS.sleep(5);
    }
    closeSockets();
    return mount.session().hasEnded();
  }

  private void closeSockets() {
    if (controlSocket != null) {
      controlSocket.close();
    }
    if (trees != null) {
      trees.close();
    }
  }

  /** Unmounts whatever view is mounted at a path; false if it was in use and has been detached. */
  public static boolean unmount(Path mountPoint) throws MountException {
    return FuseMount.unmount(mountPoint);
  }
}
