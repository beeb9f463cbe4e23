package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * Random operations on one file beside a model in memory, in the manner of fsx: reads, writes,
 * mapped reads and writes, truncation, hole punching, copying, closing. The seed is printed on
 * failure; property {@code coffer.test.seed} repeats it.
 */
@DisplayName("A random exerciser")
class ExerciserTest extends OnSubject {
  private static final int MAX = 300_000;

  private final byte[] model = new byte[MAX];
  private final Deque<String> history = new ArrayDeque<>();
  private int size;

  ExerciserTest(Subject subject) {
    super(subject);
  }

  private void did(String what) {
    history.addLast(what);
    if (history.size() > 25) {
      history.removeFirst();
    }
  }

  @Test
  void never_sees_a_wrong_byte() throws IOException {
    int files = Reactor.longRun() ? 40 : 3;
    long first = Long.getLong("coffer.test.seed", System.nanoTime() & 0xffffff);
    for (long seed = first; seed < first + files; seed++) {
      Arrays.fill(model, (byte) 0);
      size = 0;
      history.clear();
      try {
        exercise(seed, Reactor.longRun() ? 5000 : 1200);
      } catch (IOException | AssertionError e) {
        throw new AssertionError(
            "seed "
                + seed
                + " (repeat with -Dcoffer.test.seed="
                + seed
                + "): "
                + e.getMessage()
                + "\nlast operations:\n  "
                + String.join("\n  ", history),
            e);
      }
    }
  }

  private FileChannel channel(long seed) throws IOException {
    return FileChannel.open(
        path.resolve("x" + seed),
        StandardOpenOption.CREATE,
        StandardOpenOption.READ,
        StandardOpenOption.WRITE);
  }

  private void exercise(long seed, int operations) throws IOException {
    Random random = new Random(seed);
    FileChannel channel = channel(seed);
    int descriptor = me.open(at("x" + seed), Flags.O_RDWR);
    try {
      for (int i = 0; i < operations; i++) {
        int at = random.nextInt(MAX);
        int length = random.nextInt(random.nextInt(4) == 0 ? 70_000 : 5000) + 1;
        if (random.nextInt(3) == 0) {
          at &= ~4095;
        }
        length = Math.min(length, MAX - at);
        switch (random.nextInt(11)) {
          case 0, 1, 2 -> write(channel, random, at, length);
          case 3, 4 -> read(channel, at, length);
          case 5 -> mappedWrite(channel, random, at, length);
          case 6 -> mappedRead(channel, at, length);
          case 7 -> truncate(descriptor, random.nextInt(MAX));
          case 8 -> punch(descriptor, random.nextBoolean(), at, length);
          case 9 -> copy(descriptor, random.nextInt(MAX), at, length);
          default -> {
            did("close and open" + (random.nextBoolean() ? " after fsync" : ""));
            channel.force(false);
            channel.close();
            channel = channel(seed);
          }
        }
        assertEquals(size, channel.size(), "size");
      }
      read(channel, 0, MAX);
    } finally {
      channel.close();
      me.close(descriptor);
    }
  }

  private void write(FileChannel channel, Random random, int at, int length) throws IOException {
    did("write " + at + " +" + length);
    byte[] data = new byte[length];
    random.nextBytes(data);
    channel.write(ByteBuffer.wrap(data), at);
    System.arraycopy(data, 0, model, at, length);
    size = Math.max(size, at + length);
  }

  private void read(FileChannel channel, int at, int length) throws IOException {
    did("read " + at + " +" + length);
    ByteBuffer buffer = ByteBuffer.allocate(length);
    int n;
    do {
      n = channel.read(buffer, at + buffer.position());
    } while (n > 0 && buffer.hasRemaining());
    compare(buffer.array(), buffer.position(), at, Math.max(0, Math.min(length, size - at)));
  }

  private void compare(byte[] found, int count, int at, int expected) {
    assertEquals(expected, count, "bytes read at " + at + " of a file of " + size);
    int wrong = Arrays.mismatch(found, 0, count, model, at, at + count);
    if (wrong >= 0) {
      fail("byte " + (at + wrong) + " is " + found[wrong] + ", expected " + model[at + wrong]);
    }
  }

  private void mappedWrite(FileChannel channel, Random random, int at, int length)
      throws IOException {
    int end = Math.min(at + length, size);
    if (end <= at) {
      return;
    }
    did("mapped write " + at + " +" + (end - at));
    byte[] data = new byte[end - at];
    random.nextBytes(data);
    MappedByteBuffer map = channel.map(FileChannel.MapMode.READ_WRITE, at, data.length);
    map.put(0, data);
    if (random.nextBoolean()) {
      map.force();
    }
    System.arraycopy(data, 0, model, at, data.length);
  }

  private void mappedRead(FileChannel channel, int at, int length) throws IOException {
    int end = Math.min(at + length, size);
    if (end <= at) {
      return;
    }
    did("mapped read " + at + " +" + (end - at));
    byte[] found = new byte[end - at];
    channel.map(FileChannel.MapMode.READ_ONLY, at, found.length).get(0, found);
    compare(found, found.length, at, found.length);
  }

  private void truncate(int descriptor, int to) throws ErrnoException {
    did("truncate " + size + " to " + to);
    me.ftruncate(descriptor, to);
    if (to < size) {
      Arrays.fill(model, to, size, (byte) 0);
    }
    size = to;
  }

  private void punch(int descriptor, boolean zero, int at, int length) throws ErrnoException {
    if (subject == Subject.GOCRYPTFS) {
      return;
    }
    did((zero ? "zero " : "punch ") + at + " +" + length);
    me.fallocate(
        descriptor,
        zero ? Flags.FALLOC_FL_ZERO_RANGE : Flags.FALLOC_FL_PUNCH_HOLE | Flags.FALLOC_FL_KEEP_SIZE,
        at,
        length);
    Arrays.fill(model, at, at + length, (byte) 0);
    if (zero) {
      size = Math.max(size, at + length);
    }
  }

  private void copy(int descriptor, int to, int from, int length) throws ErrnoException {
    int count = Math.min(Math.min(length, size - from), MAX - to);
    if (count <= 0 || (to < from + count && from < to + count)) {
      return;
    }
    did("copy " + from + " to " + to + " +" + count);
    int done = 0;
    while (done < count) {
      done += (int) me.copyFileRange(descriptor, from + done, descriptor, to + done, count - done);
    }
    System.arraycopy(model, from, model, to, count);
    size = Math.max(size, to + count);
  }
}
