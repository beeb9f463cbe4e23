package io.coffer.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Measures several systems, one after the other, in rounds: all systems once, then all again, each
 * round beginning with another one, so that a machine's drift hits all alike, and no system always
 * follows the same other one's mess. A system that fails does not stop the others.
 */
final class Comparison implements AutoCloseable {
  /** Told what goes on; all calls come from the thread that runs the comparison. */
  interface Listener {
    void step(int round, Peer peer, String what);

    void failed(Failure failure);
  }

  private static final long MAX_MOUNT_SECONDS = 60;

  private final Results results;
  private final List<Workload> workloads;
  private final int rounds;
  private final Path storeRoot;
  private final Path scratch;
  private final @Nullable Path coffer;
  private final long imageBytes;
  private final long timeLimitSeconds;
  private final Listener listener;
  private final ScheduledExecutorService watchdog =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("watchdog").factory());
  private final Map<String, Integer> mountFailures = new HashMap<>();
  private final Set<String> givenUp = new HashSet<>();
  private volatile @Nullable MountSession current;
  private volatile boolean cancelled;

  /**
   * @param results takes what is found; its peers are measured
   * @param storeRoot a directory of this comparison alone on the storage to measure
   * @param scratch a directory of this comparison alone for logs and mount points
   * @param coffer this project's launcher, if known
   * @param imageBytes size of the loop devices of kernel filesystems
   * @param timeLimitSeconds a workload that takes longer is ended and has failed
   */
  Comparison(
      Results results,
      List<Workload> workloads,
      int rounds,
      Path storeRoot,
      Path scratch,
      @Nullable Path coffer,
      long imageBytes,
      long timeLimitSeconds,
      Listener listener) {
    this.results = results;
    this.workloads = List.copyOf(workloads);
    this.rounds = rounds;
    this.storeRoot = storeRoot;
    this.scratch = scratch;
    this.coffer = coffer;
    this.imageBytes = imageBytes;
    this.timeLimitSeconds = timeLimitSeconds;
    this.listener = listener;
  }

  /** Runs all rounds. */
  void run() throws IOException {
    NativeIo.adoptOrphans();
    for (Peer peer : results.peers()) {
      if (peer.unavailable() != null) {
        fail(new Failure(peer.name(), 1, "start", peer.unavailable()));
        givenUp.add(peer.name());
      } else {
        results.setVersion(peer, version(peer));
      }
    }
    warmUp();
    for (int round = 1; round <= rounds; round++) {
      List<Peer> order = new ArrayList<>(results.peers());
      Collections.rotate(order, 1 - round);
      for (Peer peer : order) {
        if (!cancelled && !givenUp.contains(peer.name())) {
          measure(peer, round);
        }
      }
    }
  }

  /** Lets the virtual machine compile the client's loops before they are timed. */
  private void warmUp() throws IOException {
    Path directory = Files.createDirectory(storeRoot.resolve("warm-up"));
    try {
      Path file = Files.createFile(directory.resolve("file"));
      var random = new RandomWorkload(8 << 20, 10);
      Files.write(file, new byte[8 << 20]);
      for (int i = 0; i < 20; i++) {
        random.access(file, 1 + 3 * (i % 2), i % 4 >= 2);
      }
      SmallFilesWorkload.create(directory, 5000);
    } catch (MeasureException e) {
      throw new IOException(e);
    } finally {
      MountSession.deleteTree(directory);
    }
  }

  private void measure(Peer peer, int round) throws IOException {
    listener.step(round, peer, "mounting");
    MountSession session =
        new MountSession(
            peer,
            storeRoot.resolve(peer.name()),
            scratch.resolve("mnt").resolve(peer.name()),
            scratch,
            coffer,
            imageBytes,
            Math.min(timeLimitSeconds, MAX_MOUNT_SECONDS));
    current = session;
    Workload.Recorder recorder =
        new Workload.Recorder() {
          @Override
          public void record(Metric metric, double value, Stopwatch.Lap lap) {
            results.add(
                new Sample(peer.name(), metric, round, value, lap.foreignLoad(), lap.cpuSeconds()));
          }

          @Override
          public void step(String what) {
            listener.step(round, peer, what);
          }
        };
    try (session) {
      session.initialise();
      mount(session, recorder);
      mountFailures.remove(peer.name());
      runWorkloads(session, round, recorder);
      if (peer.hasDaemon()) {
        double peak = session.peakMebibytes();
        recorder.record(Metric.MEMORY, peak, new Stopwatch.Lap(0, 0, 0, 0));
      }
      session.unmount();
    } catch (MeasureException | IOException e) {
      fail(new Failure(peer.name(), round, "mount", reason(e)));
      if (mountFailures.merge(peer.name(), 1, Integer::sum) >= 2) {
        givenUp.add(peer.name());
      }
    } finally {
      current = null;
    }
  }

  private static void mount(MountSession session, Workload.Recorder recorder)
      throws MeasureException {
    Stopwatch.Lap lap = session.mount();
    if (lap != null) {
      recorder.record(Metric.MOUNT, lap.seconds(), lap);
    }
  }

  private void runWorkloads(MountSession session, int round, Workload.Recorder recorder)
      throws MeasureException {
    List<Workload> unverified = new ArrayList<>();
    for (int i = 0; i < workloads.size(); i++) {
      Workload workload = workloads.get(i);
      if (attempt(session, round, workload, () -> workload.run(session, recorder))) {
        unverified.add(workload);
      }
      boolean last = i == workloads.size() - 1;
      if (session.isUsable() && !cancelled && (workload.remountsAfterRun() || last)) {
        recorder.step("mounting again");
        session.unmount();
        mount(session, recorder);
        for (Workload left : unverified) {
          attempt(session, round, left, () -> left.verify(session, recorder));
        }
        unverified.clear();
      }
      if (!session.isUsable()) {
        session.checkAborted();
        throw new MeasureException("the daemon ended by itself during \"" + workload.name() + "\"");
      }
    }
  }

  private interface Step {
    void run() throws MeasureException, IOException;
  }

  /** Runs a step under the time limit; returns whether it went well. */
  private boolean attempt(MountSession session, int round, Workload workload, Step step) {
    if (!session.isUsable() || cancelled) {
      return false;
    }
    ScheduledFuture<?> limit =
        watchdog.schedule(
            () -> session.abort("no end after " + timeLimitSeconds + " s"),
            timeLimitSeconds,
            TimeUnit.SECONDS);
    try {
      step.run();
      return true;
    } catch (MeasureException | IOException | java.io.UncheckedIOException e) {
      fail(new Failure(session.peer().name(), round, workload.name(), reason(e)));
      return false;
    } finally {
      limit.cancel(false);
    }
  }

  private void fail(Failure failure) {
    if (cancelled) {
      return;
    }
    results.add(failure);
    listener.failed(failure);
  }

  private static String reason(Exception e) {
    if (e instanceof java.nio.file.FileSystemException fs) {
      String why = fs.getReason() == null ? fs.getClass().getSimpleName() : fs.getReason();
      return fs.getFile() + ": " + why;
    }
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  private String version(Peer peer) {
    if (peer.versionCommand().isEmpty()) {
      return "";
    }
    try {
      var builder = new ProcessBuilder(peer.versionCommand()).redirectErrorStream(true);
      builder.redirectInput(new java.io.File("/dev/null"));
      Process process = builder.start();
      try (var reader = process.inputReader()) {
        String first = reader.readLine();
        process.waitFor(10, TimeUnit.SECONDS);
        return first == null ? "" : first.strip();
      }
    } catch (IOException e) {
      return "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "";
    }
  }

  /**
   * Ends the comparison from another thread: what is mounted is unmounted, what was started is
   * ended.
   */
  void cancel() {
    cancelled = true;
    MountSession session = current;
    if (session != null) {
      session.abort("cancelled");
    }
  }

  @Override
  public void close() {
    watchdog.shutdownNow();
  }
}
