package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Contents of files")
class PosixFileTest extends OnSubject {
  private static final int[] SIZES = {
    0, 1, 17, 18, 4095, 4096, 4097, 8191, 8192, 8193, 131_071, 131_072, 131_073, 1_048_577
  };

  PosixFileTest(Subject subject) {
    super(subject);
  }

  private byte[] all(String path) throws ErrnoException {
    int f = me.open(path, Flags.O_RDONLY);
    try {
      return me.pread(f, (int) me.fstat(f).size() + 10, 0);
    } finally {
      me.close(f);
    }
  }

  @Test
  void every_size_around_a_block_border_is_read_as_written() throws ErrnoException {
    for (int size : SIZES) {
      byte[] data = random(size, size);
      int f = me.open(at("f" + size), Flags.O_CREAT | Flags.O_WRONLY, 0644);
      if (size > 0) {
        me.pwrite(f, data, 0);
      }
      me.close(f);
      assertEquals(size, me.stat(at("f" + size)).size(), "size");
      assertArrayEquals(data, all(at("f" + size)), "contents of " + size + " bytes");
    }
  }

  @Test
  void poll_says_at_once_that_a_file_can_be_read_and_written() throws ErrnoException {
    int file = me.open(at("f"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    final int in = 1;
    final int priority = 2;
    final int out = 4;
    assertEquals(in | out, me.poll(file, in | priority | out));
    assertEquals(in | out, me.poll(file, in | out), "and again");
    me.close(file);
  }

  @Test
  void truncation_to_every_size_from_every_size() throws ErrnoException {
    int[] sizes = {0, 1, 4095, 4096, 4097, 8192, 12_000};
    for (int from : sizes) {
      for (int to : sizes) {
        byte[] data = random(from, from);
        int f = me.open(at("f"), Flags.O_CREAT | Flags.O_TRUNC | Flags.O_RDWR, 0644);
        me.pwrite(f, data, 0);
        me.ftruncate(f, to);
        assertEquals(to, me.fstat(f).size(), "size after truncation from " + from);
        assertArrayEquals(
            Arrays.copyOf(data, to),
            me.pread(f, to + 10, 0),
            "contents after truncation from " + from + " to " + to);
        me.ftruncate(f, 12_000);
        assertArrayEquals(
            Arrays.copyOf(Arrays.copyOf(data, to), 12_000),
            me.pread(f, 20_000, 0),
            "old bytes must not come back after " + from + " to " + to + " to 12000");
        me.close(f);
      }
    }
  }

  @Test
  void appending_from_several_descriptors_loses_nothing() throws ErrnoException {
    me.create(at("log"), 0644);
    int[] writers = new int[4];
    for (int i = 0; i < writers.length; i++) {
      writers[i] = me.open(at("log"), Flags.O_WRONLY | Flags.O_APPEND);
    }
    StringBuilder expected = new StringBuilder();
    for (int i = 0; i < 400; i++) {
      String line = "writer " + i % 4 + " line " + i + " " + "x".repeat(i % 37) + "\n";
      me.write(writers[i % 4], line.getBytes(StandardCharsets.US_ASCII));
      expected.append(line);
    }
    for (int writer : writers) {
      me.close(writer);
    }
    assertEquals(expected.toString(), me.read(at("log")), "the appended lines");
  }

  @Test
  void appending_from_several_threads_keeps_every_line_whole() throws Exception {
    int lines = 300;
    me.create(at("log"), 0644);
    Thread[] threads = new Thread[4];
    for (int t = 0; t < threads.length; t++) {
      int number = t;
      threads[t] =
          Thread.ofPlatform()
              .start(() -> {
                try (Person writer = Person.self()) {
                  int f = writer.open(at("log"), Flags.O_WRONLY | Flags.O_APPEND);
                  for (int i = 0; i < lines; i++) {
                    String line = "%d:%04d:%s%n".formatted(number, i, "y".repeat(50));
                    writer.write(f, line.getBytes(StandardCharsets.US_ASCII));
                  }
                  writer.close(f);
                } catch (ErrnoException e) {
                  throw new AssertionError(e);
                }
              });
    }
    for (Thread thread : threads) {
      thread.join();
    }
    String[] found = me.read(at("log")).split("\n", -1);
    assertEquals(4 * lines + 1, found.length, "lines in the log");
    assertTrue(
        Arrays.stream(found).limit(4L * lines).allMatch(l -> l.matches("[0-3]:\\d{4}:y{50}")),
        "every line should be whole");
  }

  @Test
  void exclusive_creation_and_truncation_at_open() throws ErrnoException {
    me.write(at("f"), "long old contents");
    Expect.errno(
        Errno.EEXIST,
        "O_EXCL on a file",
        () -> me.open(at("f"), Flags.O_CREAT | Flags.O_EXCL | Flags.O_WRONLY, 0644));
    assertEquals("long old contents", me.read(at("f")), "after a refused O_EXCL");
    int old = me.open(at("f"), Flags.O_RDWR);
    int f = me.open(at("f"), Flags.O_CREAT | Flags.O_TRUNC | Flags.O_RDWR, 0600);
    assertEquals(0, me.fstat(old).size(), "size seen by the older descriptor");
    me.pwrite(f, new byte[] {'n'}, 0);
    assertEquals("n", new String(me.pread(old, 10, 0), StandardCharsets.US_ASCII), "by the older");
    me.pwrite(old, new byte[] {'o'}, 1);
    assertEquals("no", me.read(at("f")), "both wrote");
    Expect.mode(0644, permissions(me.stat(at("f"))), "O_CREAT leaves the mode of what exists");
    me.close(f);
    me.close(old);
  }

  @Test
  void holes_are_zeros_and_stay_holes() throws ErrnoException {
    int f = me.open(at("sparse"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    byte[] data = random(100, 5);
    me.pwrite(f, data, 0);
    me.pwrite(f, data, 50_000_000);
    assertEquals(50_000_100, me.fstat(f).size(), "size");
    assertTrue(
        me.fstat(f).blocks() * 512 < 1_000_000,
        "a sparse file should take little room, not " + me.fstat(f).blocks() * 512);
    assertArrayEquals(new byte[100_000], me.pread(f, 100_000, 100), "the hole");
    assertArrayEquals(new byte[8000], me.pread(f, 8000, 49_990_000), "the hole's end");
    assertArrayEquals(data, me.pread(f, 1000, 50_000_000), "data behind the hole");
    me.pwrite(f, data, 20_000_001);
    assertArrayEquals(data, me.pread(f, 100, 20_000_001), "data in the middle of the hole");
    assertArrayEquals(new byte[20_000], me.pread(f, 20_000, 20_000_101), "hole behind it");
    me.close(f);
  }

  @Test
  void offsets_beyond_four_gibibytes() throws ErrnoException {
    int f = me.open(at("big"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    long[] places = {4_294_967_290L, 4_294_967_296L + 50_000, 1L << 35, (1L << 40) + 123};
    for (long place : places) {
      byte[] data = random(9000, place);
      me.pwrite(f, data, place);
      assertEquals(place + 9000, me.fstat(f).size(), "size");
    }
    for (long place : places) {
      assertArrayEquals(random(9000, place), me.pread(f, 9000, place), "data at " + place);
    }
    me.ftruncate(f, (1L << 35) + 10);
    assertEquals((1L << 35) + 10, me.fstat(f).size(), "size after truncation");
    assertArrayEquals(
        Arrays.copyOf(random(9000, 1L << 35), 10), me.pread(f, 100, 1L << 35), "the last bytes");
    me.close(f);
  }

  @Test
  void a_file_grows_to_what_the_store_can_hold_and_no_further() throws ErrnoException {
    int f = me.open(at("huge"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    Expect.errnoOf(
        "ftruncate to 2^63-1", () -> me.ftruncate(f, Long.MAX_VALUE), Errno.EFBIG, Errno.EINVAL);
    assertEquals(0, me.fstat(f).size(), "size after the refusal");
    me.close(f);
  }

  @Test
  void data_and_holes_are_found_by_seek() throws ErrnoException {
    int f = me.open(at("f"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    me.pwrite(f, random(8192, 6), 1 << 20);
    me.ftruncate(f, 4 << 20);
    me.fsync(f);
    long data = me.seek(f, 0, Flags.SEEK_DATA);
    assertTrue(
        data == 0 || (data > 1 << 19 && data <= 1 << 20), "first data should be at 1 MiB: " + data);
    long hole = me.seek(f, 1 << 20, Flags.SEEK_HOLE);
    assertTrue(
        hole >= (1 << 20) + 8192 && hole <= 4 << 20, "a hole should follow the data: " + hole);
    Expect.errno(Errno.ENXIO, "SEEK_DATA at the end", () -> me.seek(f, 4 << 20, Flags.SEEK_DATA));
    Expect.errno(
        Errno.ENXIO, "SEEK_HOLE past the end", () -> me.seek(f, (4 << 20) + 1, Flags.SEEK_HOLE));
    assertEquals(4 << 20, me.seek(f, 0, Flags.SEEK_END), "SEEK_END");
    me.pwrite(f, random(10, 7), (4 << 20) - 10);
    assertEquals(4 << 20, me.seek(f, (4 << 20) - 5, Flags.SEEK_HOLE), "the end counts as a hole");
    me.close(f);
    int full = me.open(at("full"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    me.pwrite(full, random(10_000, 8), 0);
    me.fsync(full);
    assertEquals(0, me.seek(full, 0, Flags.SEEK_DATA), "data in a full file");
    assertEquals(10_000, me.seek(full, 0, Flags.SEEK_HOLE), "the hole at the end of a full file");
    me.close(full);
  }

  @Test
  void fallocate_reserves_punches_and_zeroes() throws ErrnoException {
    int f = me.open(at("f"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    byte[] model = random(50_000, 9);
    me.pwrite(f, model, 0);
    me.fallocate(f, Flags.FALLOC_FL_KEEP_SIZE, 40_000, 100_000);
    assertEquals(50_000, me.fstat(f).size(), "size after KEEP_SIZE");
    me.fallocate(f, 0, 0, 70_000);
    assertEquals(70_000, me.fstat(f).size(), "size after plain fallocate");
    model = Arrays.copyOf(model, 70_000);
    assertArrayEquals(model, me.pread(f, 80_000, 0), "contents after fallocate");
    if (subject == Subject.GOCRYPTFS) {
      me.close(f);
      return; // It knows only these two modes.
    }
    int[][] ranges = {{4096, 8192}, {100, 50}, {5000, 10_000}, {30_000, 1}, {60_001, 9_999}};
    for (int[] range : ranges) {
      me.fallocate(f, Flags.FALLOC_FL_PUNCH_HOLE | Flags.FALLOC_FL_KEEP_SIZE, range[0], range[1]);
      Arrays.fill(model, range[0], range[0] + range[1], (byte) 0);
      assertArrayEquals(
          model, me.pread(f, 80_000, 0), "after a punch at " + range[0] + " of " + range[1]);
    }
    byte[] again = random(70_000, 10);
    me.pwrite(f, again, 0);
    for (int[] range : ranges) {
      me.fallocate(f, Flags.FALLOC_FL_ZERO_RANGE, range[0], range[1]);
      Arrays.fill(again, range[0], range[0] + range[1], (byte) 0);
      assertArrayEquals(
          again, me.pread(f, 80_000, 0), "after zeroing at " + range[0] + " of " + range[1]);
    }
    me.fallocate(f, Flags.FALLOC_FL_ZERO_RANGE, 65_000, 15_000);
    again = Arrays.copyOf(again, 80_000);
    Arrays.fill(again, 65_000, 80_000, (byte) 0);
    assertArrayEquals(again, me.pread(f, 90_000, 0), "after zeroing past the end");
    me.fallocate(f, Flags.FALLOC_FL_ZERO_RANGE | Flags.FALLOC_FL_KEEP_SIZE, 75_000, 100_000);
    assertEquals(80_000, me.fstat(f).size(), "size after zeroing with KEEP_SIZE");
    Expect.errno(
        Errno.EOPNOTSUPP,
        "punching without KEEP_SIZE",
        () -> me.fallocate(f, Flags.FALLOC_FL_PUNCH_HOLE, 0, 10));
    me.close(f);
  }

  @Test
  void copy_file_range_copies_within_and_between_files() throws ErrnoException {
    byte[] data = random(300_000, 11);
    int a = me.open(at("a"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    me.pwrite(a, data, 0);
    int b = me.open(at("b"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    copy(a, 0, b, 0, 300_000);
    assertArrayEquals(data, me.pread(b, 400_000, 0), "a whole copy");
    copy(a, 1000, b, 777, 50_001);
    byte[] model = data.clone();
    System.arraycopy(data, 1000, model, 777, 50_001);
    assertArrayEquals(model, me.pread(b, 400_000, 0), "a copy between odd offsets");
    assertEquals(0, me.copyFileRange(a, 300_000, b, 0, 100), "copying at the end");
    copy(b, 0, b, 400_000, 5000);
    assertArrayEquals(
        Arrays.copyOf(model, 5000), me.pread(b, 10_000, 400_000), "a copy within one file");
    Expect.errno(
        Errno.EINVAL, "overlapping ranges of one file", () -> me.copyFileRange(b, 0, b, 10, 100));
    me.close(a);
    me.close(b);
  }

  private void copy(int from, long fromOffset, int to, long toOffset, long length)
      throws ErrnoException {
    long done = 0;
    while (done < length) {
      long n = me.copyFileRange(from, fromOffset + done, to, toOffset + done, length - done);
      assertTrue(n > 0, "copy_file_range should make progress at " + done);
      done += n;
    }
  }

  @Test
  void direct_io_agrees_with_cached_io() throws ErrnoException {
    int cached = me.open(at("f"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    byte[] data = random(65_536, 12);
    me.pwrite(cached, data, 0);
    me.fsync(cached);
    int direct = me.open(at("f"), Flags.O_RDWR | Flags.O_DIRECT);
    assertArrayEquals(
        Arrays.copyOfRange(data, 4096, 8192), me.pread(direct, 4096, 4096), "direct read");
    byte[] other = random(8192, 13);
    me.pwrite(direct, other, 12_288);
    System.arraycopy(other, 0, data, 12_288, 8192);
    assertArrayEquals(data, me.pread(cached, 70_000, 0), "cached read after a direct write");
    me.pwrite(direct, other, 65_536);
    assertEquals(73_728, me.fstat(cached).size(), "size after a direct write past the end");
    me.close(direct);
    me.close(cached);
  }

  @Test
  void shared_mappings_are_written_through() throws IOException {
    int size = 300_000;
    byte[] data = random(size, 14);
    try (FileChannel one =
            FileChannel.open(
                path.resolve("m"),
                StandardOpenOption.CREATE,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE);
        FileChannel two =
            FileChannel.open(
                path.resolve("m"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MappedByteBuffer first = one.map(FileChannel.MapMode.READ_WRITE, 0, size);
      MappedByteBuffer second = two.map(FileChannel.MapMode.READ_WRITE, 0, size);
      first.put(0, data);
      byte[] seen = new byte[size];
      second.get(0, seen);
      assertArrayEquals(data, seen, "the other mapping");
      second.put(4096, (byte) 1).put(size - 1, (byte) 2);
      data[4096] = 1;
      data[size - 1] = 2;
      second.force();
      me.fsyncOf(at("m"));
      assertArrayEquals(data, all(at("m")), "read() after msync");
    }
    Outcome other =
        Command.of("sha256sum", path.resolve("m")).ok(); // Another process sees the same.
    assertTrue(other.out().startsWith(Hashes.sha256(data)), "another process reads: " + other);
  }

  @Test
  void a_mapping_sees_what_is_written_and_the_other_way_round() throws IOException {
    me.write(at("f"), "a".repeat(10_000));
    try (FileChannel channel =
        FileChannel.open(path.resolve("f"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MappedByteBuffer map = channel.map(FileChannel.MapMode.READ_WRITE, 0, 10_000);
      int f = me.open(at("f"), Flags.O_RDWR);
      me.pwrite(f, new byte[] {'b'}, 5000);
      assertEquals('b', map.get(5000), "the mapping after a write");
      map.put(6000, (byte) 'c');
      assertEquals('c', me.pread(f, 1, 6000)[0], "a read after a store to the mapping");
      me.close(f);
    }
  }

  @Test
  void data_is_there_at_the_next_open_by_another_process() throws Exception {
    for (int i = 0; i < 20; i++) {
      me.write(at("f"), "generation " + i);
      assertEquals(
          "generation " + i, Command.of("cat", path.resolve("f")).ok().out(), "read by cat");
    }
  }

  @Test
  void writing_block_by_block_backwards_and_across_borders() throws ErrnoException {
    int f = me.open(at("f"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    byte[] model = new byte[40_000];
    for (int start = 39_000; start >= 0; start -= 1000) {
      byte[] piece = random(1000, start);
      me.pwrite(f, piece, start);
      System.arraycopy(piece, 0, model, start, 1000);
    }
    assertArrayEquals(model, me.pread(f, 50_000, 0), "contents written backwards");
    me.close(f);
    assertArrayEquals(model, all(at("f")), "contents after close");
  }

  @Test
  void statfs_tells_of_room_and_name_length() throws Exception {
    String[] words =
        Command.of("stat", "-f", "-c", "%l %a %S %b", path).ok().out().trim().split(" ", -1);
    assertEquals("255", words[0], "longest name");
    assertTrue(Long.parseLong(words[1]) > 0, "free blocks");
    assertTrue(Long.parseLong(words[2]) > 0, "block size");
    assertTrue(Long.parseLong(words[3]) >= Long.parseLong(words[1]), "all blocks");
  }
}
