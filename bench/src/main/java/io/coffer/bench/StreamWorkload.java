package io.coffer.bench;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** One large file written and read from end to end by dd(1) in pieces of 128 KiB. */
final class StreamWorkload implements Workload {
  private static final int PIECE_BYTES = 128 << 10;
  private static final double GIB = 1 << 30;

  private final long bytes;

  /**
   * @param bytes a multiple of 128 KiB
   */
  StreamWorkload(long bytes) {
    if (bytes % PIECE_BYTES != 0 || bytes <= 0) {
      throw new IllegalArgumentException("the size must be a multiple of 128 KiB");
    }
    this.bytes = bytes;
  }

  @Override
  public String name() {
    return "stream";
  }

  @Override
  public boolean remountsAfterRun() {
    return false;
  }

  @Override
  public void run(MountSession session, Recorder recorder) throws MeasureException, IOException {
    Path file = session.workDirectory().resolve("stream");
    recorder.step("writing one file");
    measure(
        session,
        recorder,
        new Metric[] {Metric.WRITE, Metric.WRITE_DAEMON_CPU, Metric.WRITE_SYSTEM_CPU},
        "dd",
        "if=/dev/zero",
        "of=" + file,
        "bs=" + PIECE_BYTES,
        "count=" + bytes / PIECE_BYTES,
        "conv=fsync",
        "status=none");
    recorder.step("reading one file");
    measure(
        session,
        recorder,
        new Metric[] {Metric.READ, Metric.READ_DAEMON_CPU, Metric.READ_SYSTEM_CPU},
        "dd",
        "if=" + file,
        "of=/dev/null",
        "bs=" + PIECE_BYTES,
        "status=none");
  }

  private void measure(MountSession session, Recorder recorder, Metric[] metrics, String... command)
      throws MeasureException, IOException {
    NativeIo.dropCaches();
    // A written byte lies in the cache twice, that of the view and that of the store.
    NativeIo.touchMemory(2 * bytes + bytes / 2);
    double daemonBefore = session.daemonCpuSeconds();
    Stopwatch watch = Stopwatch.start();
    long start = System.nanoTime();
    session.tool().run(command);
    double seconds = (System.nanoTime() - start) / 1e9;
    // What the daemon still does behind the client's back belongs to the cost.
    MountSession.sleepMillis(100);
    double daemon = session.daemonCpuSeconds() - daemonBefore;
    Stopwatch.Lap lap = watch.stop(seconds);
    recorder.record(metrics[0], bytes / 1e6 / seconds, lap);
    if (session.peer().hasDaemon()) {
      recorder.record(metrics[1], daemon * GIB / bytes, lap);
    }
    recorder.record(metrics[2], lap.systemCpuSeconds() * GIB / bytes, lap);
  }

  @Override
  public void verify(MountSession session, Recorder recorder) throws MeasureException, IOException {
    recorder.step("checking one file");
    Path file = session.workDirectory().resolve("stream");
    byte[] piece = new byte[1 << 20];
    byte[] zeros = new byte[1 << 20];
    long position = 0;
    try (InputStream in = Files.newInputStream(file)) {
      for (int read = in.read(piece); read > 0; read = in.read(piece)) {
        int wrong = Arrays.mismatch(piece, 0, read, zeros, 0, read);
        if (wrong >= 0) {
          throw new MeasureException(
              "wrong data at byte " + (position + wrong) + " of a large file");
        }
        position += read;
      }
    }
    if (position != bytes) {
      throw new MeasureException("a file of " + bytes + " bytes came back with " + position);
    }
    Files.delete(file);
  }
}
