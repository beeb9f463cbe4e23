package io.coffer.acceptance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/** A view that a program in the foreground shows. */
final class Mounted implements AutoCloseable {
  private final Command.Running running;
  private final Path view;

  private Mounted(Command.Running running, Path view) {
    this.running = running;
    this.view = view;
  }

  /** Starts the program and waits until the view is there. */
  static Mounted start(Command command, Path view) {
    Command.Running running = command.start();
    boolean there =
        waitUntil(
            Duration.ofMinutes(2), () -> Mounts.isMounted(view) || !running.process().isAlive());
    if (!there || !Mounts.isMounted(view)) {
      throw new AssertionError(
          "no mount at " + view + ": " + running.finish(Duration.ofSeconds(1)));
    }
    return new Mounted(running, view);
  }

  static boolean waitUntil(Duration limit, BooleanSupplier condition) {
    long end = System.nanoTime() + limit.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) {
        return false;
      }
      sleep(20);
    }
    return true;
  }

  static void sleep(long millis) {
    try {
      TimeUnit.MILLISECONDS.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  Path view() {
    return view;
  }

  /** The process that serves: the started one, since the launcher hands over by exec. */
  ProcessHandle daemon() {
    return running.process().toHandle();
  }

  boolean alive() {
    return running.process().isAlive();
  }

  /** What the program has written so far, and how it ended if it did. */
  String log() {
    Process process = running.process();
    return running.soFar() + (process.isAlive() ? "" : "(exit " + process.exitValue() + ")");
  }

  int descriptors() {
    try (Stream<Path> open = Files.list(Path.of("/proc/" + daemon().pid() + "/fd"))) {
      return (int) open.count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A value of /proc/PID/status in KiB, such as VmRSS. */
  long statusKib(String key) {
    try (Stream<String> lines = Files.lines(Path.of("/proc/" + daemon().pid() + "/status"))) {
      return lines
          .filter(line -> line.startsWith(key + ":"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** SIGKILL, as a crash would end it; the dead mount is taken away. */
  void kill() {
    running.process().destroyForcibly();
    running.finish(Duration.ofSeconds(20));
    Area.unmountBelow(view);
  }

  /** Unmounts in good order and waits for the program; its exit code must be 0. */
  Outcome unmount() {
    // An answer comes only once the program has finished mounting; it may just have begun.
    Command.of("stat", view).run();
    Outcome fusermount = Command.of("fusermount", "-u", view).run();
    if (fusermount.exit() != 0) {
      String busy = Command.bash("fuser -vm " + view + " 2>&1 || true").run().all();
      close();
      throw new AssertionError("cannot unmount: " + fusermount + "\nused by: " + busy);
    }
    return running.finish(Duration.ofMinutes(1)).ok();
  }

  @Override
  public void close() {
    if (Mounts.isMounted(view)) {
      Area.unmountBelow(view);
    }
    if (running.process().isAlive()) {
      running.finish(Duration.ofSeconds(20));
    }
  }
}
