package io.coffer.bench.torture;

import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A node: a mount of the volume by a process of its own, in a mount namespace of its own, in which
 * nothing else of the other nodes is to be seen. Its files are reached from here through {@code
 * /proc/PID/root}.
 */
final class Node implements AutoCloseable {
  private static final long MOUNT_SECONDS = 60;

  private final int number;
  private final Path point;
  private final Path log;
  private final List<String> command;
  private final Process namespace;
  private @Nullable Process server;
  private volatile boolean up;
  private final AtomicInteger life = new AtomicInteger();
  private volatile int root = -1;
  private final List<Integer> roots = new ArrayList<>();

  /**
   * @param point an empty directory
   * @param command mounts in the foreground; the mount point is the last argument
   */
  Node(int number, Path point, Path log, List<String> command) throws IOException {
    this.number = number;
    this.point = point;
    this.log = log;
    this.command = command;
    // The one process that stays: it keeps the namespace.
    namespace =
        new ProcessBuilder("unshare", "--mount", "--propagation", "private", "sleep", "2147483647")
            .redirectInput(new File("/dev/null"))
            .start();
  }

  /** Its name in messages. */
  @Override
  public String toString() {
    return "node " + number;
  }

  /**
   * A descriptor of the mounted volume's root. It stays that of the mount with which it came: once
   * that has died, nothing can be done through it.
   */
  int root() {
    return root;
  }

  boolean isUp() {
    return up;
  }

  /** Counts its mounts: what began in one life and failed in another has an unknown outcome. */
  int life() {
    return life.get();
  }

  /** Mounts; returns when the volume is there. */
  void start() throws IOException, InterruptedException {
    List<String> all = new ArrayList<>(inNamespace());
    all.addAll(command);
    Process started =
        new ProcessBuilder(all)
            .redirectInput(new File("/dev/null"))
            .redirectOutput(Redirect.appendTo(log.toFile()))
            .redirectError(Redirect.appendTo(log.toFile()))
            .start();
    server = started;
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(MOUNT_SECONDS);
    while (!isMounted()) {
      if (!started.isAlive() || System.nanoTime() > deadline) {
        started.destroyForcibly();
        throw new IOException(this + " could not mount; see " + log);
      }
      Thread.sleep(20);
    }
    // Never closed before the end: a worker may be about to use the old number.
    root =
        Linux.open(
            Flags.AT_FDCWD,
            Native.bytes(
                Path.of("/proc/" + namespace.pid() + "/root")
                    .resolve(point.toString().substring(1))),
            Flags.O_PATH | Flags.O_DIRECTORY,
            0);
    roots.add(root);
    life.incrementAndGet();
    up = true;
  }

  private List<String> inNamespace() {
    return List.of("nsenter", "--mount", "--target", Long.toString(namespace.pid()));
  }

  private boolean isMounted() throws IOException {
    return Files.readString(Path.of("/proc/" + namespace.pid() + "/mounts"))
        .contains(" " + point + " ");
  }

  /** SIGKILL, and what is left of the mount goes. */
  void kill() throws IOException, InterruptedException {
    up = false;
    Process killed = server;
    if (killed != null) {
      killed.destroyForcibly();
      killed.waitFor();
    }
    unmount("--lazy");
  }

  private int unmount(String... options) throws IOException, InterruptedException {
    List<String> all = new ArrayList<>(inNamespace());
    all.add("umount");
    all.addAll(List.of(options));
    all.add(point.toString());
    return new ProcessBuilder(all)
        .redirectErrorStream(true)
        .redirectOutput(Redirect.appendTo(log.toFile()))
        .start()
        .waitFor();
  }

  /** Unmounts in an orderly way. Nobody may use it any more. */
  void stop() throws IOException, InterruptedException {
    up = false;
    closeRoots();
    for (int i = 0; i < 50 && unmount() != 0; i++) {
      Thread.sleep(100);
    }
    Process ending = server;
    if (ending != null && !ending.waitFor(30, TimeUnit.SECONDS)) {
      ending.destroyForcibly().waitFor();
    }
  }

  private void closeRoots() {
    roots.forEach(Linux::close);
    roots.clear();
  }

  @Override
  public void close() {
    closeRoots();
    Process left = server;
    if (left != null) {
      left.destroyForcibly();
    }
    namespace.destroyForcibly();
  }
}
