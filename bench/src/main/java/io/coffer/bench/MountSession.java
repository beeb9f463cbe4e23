package io.coffer.bench;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One system's volume, from its creation to its removal, mounted any number of times between.
 *
 * <p>Whatever process descends from this program once a system is mounted is that system's daemon:
 * one session exists at a time, its tools have ended, and daemons that detach themselves stay
 * descendants ({@link NativeIo#adoptOrphans}). Only those are ever signalled.
 *
 * <p>{@link #abort} may be called by another thread; all else by one.
 */
final class MountSession implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.bench");
  private static final long DAEMON_EXIT_SECONDS = 60;
  private static final String UNMOUNT =
      """
      if [ "$(id -u)" = 0 ]; then exec umount "$MNT"; fi
      if command -v fusermount3 >/dev/null; then exec fusermount3 -u "$MNT"; fi
      exec fusermount -u "$MNT"
      """;
  private static final int SELF = (int) ProcessHandle.current().pid();

  private final Peer peer;
  private final Path base;
  private final Path store;
  private final Path mountPoint;
  private final Tool tool;
  private final long mountSeconds;
  private volatile boolean mounted;
  private volatile Set<Integer> daemons = Set.of();
  private volatile @Nullable String aborted;
  private @Nullable Process mountProcess;
  private double peakMebibytes;

  /**
   * Prepares empty directories.
   *
   * @param base a directory of this session alone, on the storage to measure; must not exist
   * @param mountPoint must not exist
   * @param scratch where log, password and key lie
   * @param imageBytes size of a loop device
   * @param mountSeconds a mount that takes longer has failed
   */
  MountSession(
      Peer peer,
      Path base,
      Path mountPoint,
      Path scratch,
      @Nullable Path coffer,
      long imageBytes,
      long mountSeconds)
      throws IOException {
    this.peer = peer;
    this.base = base;
    this.store = base.resolve("store");
    this.mountPoint = mountPoint;
    this.mountSeconds = mountSeconds;
    Files.createDirectories(store);
    Files.createDirectories(mountPoint);
    Path password = scratch.resolve("password");
    Files.writeString(password, "a throw-away password\n");
    Path key = scratch.resolve("key");
    byte[] keyBytes = new byte[64];
    new java.security.SecureRandom().nextBytes(keyBytes);
    Files.write(key, keyBytes);
    Path log = scratch.resolve(peer.name() + ".log");
    this.tool =
        new Tool(
            log,
            Map.of(
                "STORE", store.toString(),
                "MNT", mountPoint.toString(),
                "PASSWORD", "a throw-away password",
                "PASSWORD_FILE", password.toString(),
                "KEY_FILE", key.toString(),
                "IMAGE", base.resolve("image").toString(),
                "IMAGE_BYTES", Long.toString(imageBytes),
                "LOG", scratch.resolve(peer.name() + ".own.log").toString(),
                "COFFER", coffer == null ? "coffer" : coffer.toString()));
  }

  /** Creates the volume. */
  void initialise() throws MeasureException {
    if (peer.initScript() != null) {
      tool.script(peer.initScript());
    }
  }

  /**
   * Mounts, and measures until the root can be listed. A plain directory has nothing to mount.
   *
   * @return null for a plain directory
   */
  Stopwatch.@Nullable Lap mount() throws MeasureException {
    String script = peer.mountScript();
    if (script == null) {
      return null;
    }
    Object before = device();
    Stopwatch watch = Stopwatch.start();
    long start = System.nanoTime();
    Process process = tool.start("sh", "-c", script);
    mountProcess = process;
    awaitMounted(process, before, start);
    double seconds = (System.nanoTime() - start) / 1e9;
    Stopwatch.Lap lap = watch.stop(seconds);
    mounted = true;
    try {
      // A process that only started the daemon goes now; one that stays is the daemon.
      process.waitFor(500, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MeasureException("interrupted");
    }
    daemons = peer.hasDaemon() ? ProcessTable.read().descendants(SELF) : Set.of();
    return lap;
  }

  private void awaitMounted(Process process, Object before, long start) throws MeasureException {
    long deadline = start + TimeUnit.SECONDS.toNanos(mountSeconds);
    while (true) {
      if (!process.isAlive() && process.exitValue() != 0) {
        throw new MeasureException(tool.complaint("", process.exitValue()));
      }
      boolean ended = !process.isAlive();
      if (isUsable(before) && (ended || !peer.waitForMountScript())) {
        return;
      }
      checkAborted();
      if (System.nanoTime() > deadline) {
        daemons = ProcessTable.read().descendants(SELF);
        throw new MeasureException("not usable after " + mountSeconds + " s");
      }
      java.util.concurrent.locks.LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
    }
  }

  private boolean isUsable(Object before) {
    try {
      if (device().equals(before)) {
        return false;
      }
      try (DirectoryStream<Path> list = Files.newDirectoryStream(mountPoint)) {
        return list != null;
      }
    } catch (IOException | MeasureException e) {
      return false;
    }
  }

  private Object device() throws MeasureException {
    try {
      return Files.getAttribute(mountPoint, "unix:dev");
    } catch (IOException e) {
      throw new MeasureException("mount point: " + e.getMessage());
    }
  }

  /** Unmounts and waits until the daemon is gone; the store is complete then. */
  void unmount() throws MeasureException {
    if (!mounted) {
      return;
    }
    notePeakMemory();
    String script = peer.unmountScript() == null ? UNMOUNT : peer.unmountScript();
    MeasureException failed = null;
    for (int attempt = 0; attempt < 25; attempt++) {
      try {
        tool.script(script);
        failed = null;
        break;
      } catch (MeasureException e) {
        failed = e;
        checkAborted();
        sleepMillis(200);
      }
    }
    if (failed != null) {
      throw new MeasureException("unmount: " + failed.getMessage());
    }
    mounted = false;
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DAEMON_EXIT_SECONDS);
    while (!livingDaemons().isEmpty()) {
      if (System.nanoTime() > deadline) {
        throw new MeasureException(
            "the daemon was still there " + DAEMON_EXIT_SECONDS + " s after unmounting");
      }
      sleepMillis(10);
    }
    daemons.forEach(NativeIo::reap);
    daemons = Set.of();
  }

  private Set<Integer> livingDaemons() {
    Set<Integer> known = daemons;
    known.forEach(NativeIo::reap);
    ProcessTable table = ProcessTable.read();
    Set<Integer> descendants = table.descendants(SELF);
    descendants.retainAll(known);
    return descendants;
  }

  /** The directory to work in, empty at first. */
  Path workDirectory() throws MeasureException {
    Path work = peer.mountScript() == null ? store : mountPoint.resolve(peer.subdirectory());
    try {
      return Files.createDirectories(work.resolve("work"));
    } catch (IOException e) {
      throw new MeasureException("cannot make a directory: " + e.getMessage());
    }
  }

  Tool tool() {
    return tool;
  }

  Peer peer() {
    return peer;
  }

  /** Processor time of the daemon since it started. */
  double daemonCpuSeconds() {
    return ProcessTable.read().cpuSeconds(daemons);
  }

  /** The most resident memory that the daemon has had in any mount so far; 0 without a daemon. */
  double peakMebibytes() {
    notePeakMemory();
    return peakMebibytes;
  }

  private void notePeakMemory() {
    long kibibytes = 0;
    for (int pid : daemons) {
      kibibytes += peakKibibytes(pid);
    }
    peakMebibytes = Math.max(peakMebibytes, kibibytes / 1024.0);
  }

  private static long peakKibibytes(int pid) {
    try (var lines = Files.lines(Path.of("/proc", Integer.toString(pid), "status"))) {
      return lines
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
          .sum();
    } catch (IOException | java.io.UncheckedIOException e) {
      return 0; // it has ended
    }
  }

  /** Whether the next step can still work: not aborted, and the daemon lives. */
  boolean isUsable() {
    return aborted == null && (!mounted || !peer.hasDaemon() || !livingDaemons().isEmpty());
  }

  void checkAborted() throws MeasureException {
    String reason = aborted;
    if (reason != null) {
      throw new MeasureException(reason);
    }
  }

  /**
   * Ends everything that hangs on this mount: the daemon's death fails every call that waits for
   * it.
   */
  void abort(String reason) {
    aborted = reason;
    killDescendants();
    detach();
  }

  private void killDescendants() {
    Set<Integer> victims = ProcessTable.read().descendants(SELF);
    for (int pid : victims) {
      ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
    }
    victims.forEach(NativeIo::reap);
  }

  private void detach() {
    try {
      tool.script("umount -l \"$MNT\" || fusermount3 -uz \"$MNT\"");
    } catch (MeasureException e) {
      LOG.log(System.Logger.Level.DEBUG, "nothing to detach: {0}", e.getMessage());
    }
  }

  /** Unmounts, by force if need be, and deletes the volume. */
  @Override
  public void close() throws IOException {
    try {
      unmount();
    } catch (MeasureException e) {
      aborted = e.getMessage();
    }
    Process process = mountProcess;
    if (aborted != null || (process != null && process.isAlive())) {
      killDescendants();
      detach();
    }
    deleteTree(base);
    Files.deleteIfExists(mountPoint);
  }

  /**
   * Deletes a directory and what it holds; links are not followed, other filesystems not entered.
   */
  static void deleteTree(Path root) throws IOException {
    if (!Files.exists(root, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    Object device = Files.getAttribute(root, "unix:dev");
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<Path>() {
          @Override
          public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
              throws IOException {
            return Files.getAttribute(directory, "unix:dev").equals(device)
                ? FileVisitResult.CONTINUE
                : FileVisitResult.SKIP_SUBTREE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException problem)
              throws IOException {
            if (problem != null) {
              throw problem;
            }
            Files.delete(directory);
            return FileVisitResult.CONTINUE;
          }
        });
  }

  static void sleepMillis(long millis) throws MeasureException {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MeasureException("interrupted");
    }
  }
}
