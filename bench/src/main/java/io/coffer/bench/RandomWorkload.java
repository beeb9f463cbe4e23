package io.coffer.bench;

import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Reads and writes of 4 KiB all over one file, each block once, without read-ahead; by one thread
 * and by four. Writes end with fsync, which is part of the time.
 */
final class RandomWorkload implements Workload {
  private static final int BLOCK_BYTES = 4096;

  private final int blocks;
  private final int maxSeconds;

  /** The blocks that have been written since the file was made. */
  private final BitSet written = new BitSet();

  /**
   * @param bytes size of the file, a multiple of 128 KiB
   * @param maxSeconds a pass that takes longer is cut short
   */
  RandomWorkload(long bytes, int maxSeconds) {
    if (bytes % (128 << 10) != 0 || bytes <= 0) {
      throw new IllegalArgumentException("the size must be a multiple of 128 KiB");
    }
    this.blocks = Math.toIntExact(bytes / BLOCK_BYTES);
    this.maxSeconds = maxSeconds;
  }

  @Override
  public String name() {
    return "random";
  }

  @Override
  public boolean remountsAfterRun() {
    return false;
  }

  @Override
  public void run(MountSession session, Recorder recorder) throws MeasureException, IOException {
    Path file = session.workDirectory().resolve("random");
    recorder.step("preparing random access");
    session
        .tool()
        .run(
            "dd",
            "if=/dev/zero",
            "of=" + file,
            "bs=131072",
            "count=" + (long) blocks * BLOCK_BYTES / 131072,
            "conv=fsync",
            "status=none");
    written.clear();
    pass(file, recorder, Metric.RANDOM_READ_1, 1, false);
    pass(file, recorder, Metric.RANDOM_READ_4, 4, false);
    pass(file, recorder, Metric.RANDOM_WRITE_1, 1, true);
    pass(file, recorder, Metric.RANDOM_WRITE_4, 4, true);
  }

  private void pass(Path file, Recorder recorder, Metric metric, int threads, boolean write)
      throws IOException, MeasureException {
    recorder.step("random access: " + metric.title().toLowerCase(java.util.Locale.ROOT));
    NativeIo.dropCaches();
    Stopwatch watch = Stopwatch.start();
    long start = System.nanoTime();
    int done = access(file, threads, write);
    double seconds = (System.nanoTime() - start) / 1e9;
    recorder.record(metric, done / seconds, watch.stop(seconds));
  }

  /** One pass; returns how many blocks were read or written. */
  int access(Path file, int threads, boolean write) throws IOException, MeasureException {
    int[] order = shuffled(blocks);
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(maxSeconds);
    int[] done = new int[threads];
    var problem = new AtomicReference<@Nullable IOException>();
    Thread[] workers = new Thread[threads];
    for (int t = 0; t < threads; t++) {
      int worker = t;
      int from = (int) ((long) blocks * t / threads);
      int to = (int) ((long) blocks * (t + 1) / threads);
      workers[t] =
          Thread.ofPlatform()
              .start(() -> {
                try {
                  done[worker] = access(file, order, from, to, write, deadline);
                } catch (IOException e) {
                  problem.compareAndSet(null, e);
                }
              });
    }
    int total = 0;
    for (int t = 0; t < threads; t++) {
      try {
        workers[t].join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new MeasureException("interrupted");
      }
      total += done[t];
      if (write) {
        int from = (int) ((long) blocks * t / threads);
        for (int i = from; i < from + done[t]; i++) {
          written.set(order[i]);
        }
      }
    }
    IOException failed = problem.get();
    if (failed != null) {
      throw failed;
    }
    return total;
  }

  private static int access(Path file, int[] order, int from, int to, boolean write, long deadline)
      throws IOException {
    int fd =
        Linux.open(
            Flags.AT_FDCWD,
            file.toString().getBytes(StandardCharsets.UTF_8),
            write ? Flags.O_WRONLY : Flags.O_RDONLY,
            0);
    int i = from;
    try (Arena arena = Arena.ofConfined()) {
      NativeIo.adviseRandom(fd);
      MemorySegment buffer = arena.allocate(BLOCK_BYTES, 4096);
      MemorySegment.copy(pattern(), 0, buffer, ValueLayout.JAVA_BYTE, 0, BLOCK_BYTES);
      while (i < to) {
        long offset = (long) order[i] * BLOCK_BYTES;
        long moved;
        if (write) {
          buffer.set(ValueLayout.JAVA_INT, 0, order[i]);
          moved = Linux.write(fd, buffer.address(), BLOCK_BYTES, offset);
        } else {
          moved = Linux.read(fd, buffer.address(), BLOCK_BYTES, offset);
        }
        if (moved != BLOCK_BYTES) {
          throw new IOException("only " + moved + " bytes at offset " + offset);
        }
        i++;
        if ((i & 63) == 0 && System.nanoTime() > deadline) {
          break;
        }
      }
      if (write) {
        Linux.sync(fd, false);
      }
    } finally {
      Linux.close(fd);
    }
    return i - from;
  }

  private static int[] shuffled(int count) {
    int[] order = new int[count];
    Arrays.setAll(order, i -> i);
    var random = new SplittableRandom(42);
    for (int i = count - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
    return order;
  }

  private static byte[] pattern() {
    byte[] bytes = new byte[BLOCK_BYTES];
    new SplittableRandom(11).nextBytes(bytes);
    return bytes;
  }

  @Override
  public void verify(MountSession session, Recorder recorder) throws MeasureException, IOException {
    recorder.step("checking random writes");
    Path file = session.workDirectory().resolve("random");
    byte[] expected = pattern();
    ByteBuffer number = ByteBuffer.wrap(expected).order(ByteOrder.nativeOrder());
    byte[] zeros = new byte[BLOCK_BYTES];
    int block = 0;
    try (InputStream in = Files.newInputStream(file)) {
      for (byte[] actual = in.readNBytes(BLOCK_BYTES);
          actual.length > 0;
          actual = in.readNBytes(BLOCK_BYTES)) {
        number.putInt(0, block);
        if (!Arrays.equals(actual, written.get(block) ? expected : zeros)) {
          throw new MeasureException("wrong data in block " + block + " after random writes");
        }
        block++;
      }
    }
    if (block != blocks) {
      throw new MeasureException("a file of " + blocks + " blocks came back with " + block);
    }
    Files.delete(file);
  }
}
