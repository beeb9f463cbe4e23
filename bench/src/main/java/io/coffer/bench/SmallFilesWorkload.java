package io.coffer.bench;

import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;

/** Many files of 4 KiB in one directory: made, looked at, removed. */
final class SmallFilesWorkload implements Workload {
  private static final int FILE_BYTES = 4096;
  private static final String SIZES = "find \"$1\" -type f -printf '%s\\n'";

  private final int count;
  private final Path scratch;

  SmallFilesWorkload(int count, Path scratch) {
    this.count = count;
    this.scratch = scratch;
  }

  @Override
  public String name() {
    return "small";
  }

  @Override
  public boolean remountsAfterRun() {
    return true;
  }

  @Override
  public void run(MountSession session, Recorder recorder) throws MeasureException, IOException {
    Path directory = Files.createDirectory(session.workDirectory().resolve("small"));
    recorder.step("creating small files");
    Stopwatch watch = Stopwatch.start();
    double seconds = create(directory, count);
    recorder.record(Metric.CREATE, count / seconds, watch.stop(seconds));
  }

  /** Opens, writes and closes each file, and does nothing else meanwhile; returns seconds. */
  static double create(Path directory, int count) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(FILE_BYTES, 4096);
      MemorySegment.copy(pattern(), 0, buffer, ValueLayout.JAVA_BYTE, 0, FILE_BYTES);
      byte[] path = (directory + "/file000000.dat").getBytes(StandardCharsets.UTF_8);
      int lastDigit = path.length - ".dat".length() - 1;
      int flags = Flags.O_CREAT | Flags.O_WRONLY | Flags.O_TRUNC;
      long start = System.nanoTime();
      for (int i = 0; i < count; i++) {
        int rest = i;
        for (int digit = 0; digit < 6; digit++) {
          path[lastDigit - digit] = (byte) ('0' + rest % 10);
          rest /= 10;
        }
        buffer.set(ValueLayout.JAVA_INT, 0, i);
        int fd = Linux.open(Flags.AT_FDCWD, path, flags, 0644);
        if (Linux.write(fd, buffer.address(), FILE_BYTES, 0) != FILE_BYTES) {
          throw new IOException("a short write");
        }
        Linux.close(fd);
      }
      return (System.nanoTime() - start) / 1e9;
    }
  }

  private static byte[] pattern() {
    byte[] bytes = new byte[FILE_BYTES];
    new SplittableRandom(7).nextBytes(bytes);
    return bytes;
  }

  @Override
  public void verify(MountSession session, Recorder recorder) throws MeasureException, IOException {
    Path directory = session.workDirectory().resolve("small");
    recorder.step("looking at small files");
    NativeIo.dropCaches();
    stat(session, recorder, directory, Metric.STAT_COLD);
    stat(session, recorder, directory, Metric.STAT_WARM);
    recorder.step("checking small files");
    byte[] expected = pattern();
    var number = java.nio.ByteBuffer.wrap(expected).order(java.nio.ByteOrder.nativeOrder());
    for (int i = 0; i < count; i++) {
      number.putInt(0, i);
      Path file = directory.resolve("file%06d.dat".formatted(i));
      if (!Arrays.equals(Files.readAllBytes(file), expected)) {
        throw new MeasureException("wrong data in " + file.getFileName() + " of the small files");
      }
    }
    recorder.step("removing small files");
    Stopwatch watch = Stopwatch.start();
    long start = System.nanoTime();
    session.tool().run("rm", "-rf", directory.toString());
    double seconds = (System.nanoTime() - start) / 1e9;
    recorder.record(Metric.SMALL_RM, seconds, watch.stop(seconds));
  }

  private void stat(MountSession session, Recorder recorder, Path directory, Metric metric)
      throws MeasureException, IOException {
    Path sizes = scratch.resolve("sizes");
    Stopwatch watch = Stopwatch.start();
    long start = System.nanoTime();
    session.tool().runInto(sizes, "sh", "-c", SIZES, "sh", directory.toString());
    double seconds = (System.nanoTime() - start) / 1e9;
    recorder.record(metric, count / seconds, watch.stop(seconds));
    var lines = Files.readAllLines(sizes);
    if (lines.size() != count || !lines.stream().allMatch(Integer.toString(FILE_BYTES)::equals)) {
      throw new MeasureException(
          "of %d files of %d bytes, %d were listed"
              .formatted(
                  count,
                  FILE_BYTES,
                  lines.stream().filter(Integer.toString(FILE_BYTES)::equals).count()));
    }
  }
}
