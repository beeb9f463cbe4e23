package io.coffer.acceptance;

import static io.coffer.acceptance.Volume.Program.COFFER;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What one mount of a volume sees of what another has done, and when. */
@DisplayName("Two mounts of one volume")
class SharedCoherenceTest {
  private static final int BLOCK = 4096;

  private final Area area = Area.onDisk();
  private final Volume volume = Volume.in(area, "v");

  @BeforeEach
  void make() {
    volume.init(COFFER);
  }

  @AfterEach
  void cleanUp() {
    area.close();
  }

  private Mounted mount(String view, String... options) {
    Path where = area.directory(view);
    Command command = Command.coffer("mount", "--foreground", "--password-file", volume.password());
    return area.own(
        Mounted.start(command.and(List.of(options)).and(volume.stored(), where), where));
  }

  private static byte[] filled(int value, int count) {
    byte[] bytes = new byte[count];
    Arrays.fill(bytes, (byte) value);
    return bytes;
  }

  private static byte[] look(FileChannel file, long offset, int count) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(count);
    while (bytes.hasRemaining() && file.read(bytes, offset + bytes.position()) > 0) {
      // On to the rest.
    }
    return Arrays.copyOf(bytes.array(), bytes.position());
  }

  private static FileChannel open(Path file, StandardOpenOption... how) throws IOException {
    return FileChannel.open(file, how);
  }

  @Test
  void see_at_the_next_open_and_stat_what_the_other_has_closed_or_synced() throws Exception {
    Path a = mount("a", "--shared").view();
    Path b = mount("b", "--shared").view();
    Random random = new Random(3);
    for (int round = 0; round < 60; round++) {
      Path writer = (round % 2 == 0 ? a : b).resolve("f");
      Path reader = (round % 2 == 0 ? b : a).resolve("f");
      // Of one size several times, at times that a coarse clock cannot tell apart.
      byte[] closed = OnSubject.random(round % 3 == 0 ? 10_000 : random.nextInt(20_000), round);
      Files.write(writer, closed);
      assertEquals(closed.length, Files.size(reader), "size of what was closed");
      assertArrayEquals(closed, Files.readAllBytes(reader), "what was closed");
      try (FileChannel file = open(writer, StandardOpenOption.WRITE)) {
        int offset = random.nextInt(20_000);
        file.write(ByteBuffer.wrap(filled(round, 3000)), offset);
        file.force(true);
        assertEquals(Math.max(closed.length, offset + 3000), Files.size(reader), "size, synced");
        try (FileChannel other = open(reader, StandardOpenOption.READ)) {
          assertArrayEquals(filled(round, 3000), look(other, offset, 3000), "what was synced");
        }
        file.truncate(round);
      }
      assertEquals(round, Files.size(reader), "size of what was cut");
    }
  }

  @Test
  void see_names_and_attributes_at_once() throws Exception {
    Path a = mount("a", "--shared").view();
    Path b = mount("b", "--shared").view();
    for (int round = 0; round < 20; round++) {
      assertFalse(Files.exists(b.resolve("new")), "a name that is not there is looked for");
      Files.createDirectory(a.resolve("dir"));
      Path made = Files.writeString(a.resolve("dir/new"), "x");
      assertTrue(Files.exists(b.resolve("dir/new")));
      Files.move(made, a.resolve("moved"), StandardCopyOption.ATOMIC_MOVE);
      assertTrue(Files.notExists(b.resolve("dir/new")));
      assertEquals("x", Files.readString(b.resolve("moved")));
      Files.setPosixFilePermissions(
          a.resolve("moved"), PosixFilePermissions.fromString("rw-r-----"));
      assertEquals(
          "rw-r-----",
          PosixFilePermissions.toString(Files.getPosixFilePermissions(b.resolve("moved"))));
      FileTime time = FileTime.from(Instant.ofEpochSecond(1_000_000_000L + round));
      Files.setLastModifiedTime(b.resolve("moved"), time);
      assertEquals(time, Files.getLastModifiedTime(a.resolve("moved")));
      Files.delete(b.resolve("moved"));
      Files.delete(b.resolve("dir"));
      assertTrue(Files.notExists(a.resolve("moved")));
      try (var entries = Files.list(a)) {
        assertEquals(0, entries.count());
      }
    }
  }

  @Test
  void see_with_direct_io_what_is_written_and_cut_while_both_have_it_open() throws Exception {
    Path a = mount("a", "--shared", "--direct-io").view();
    Path b = mount("b", "--shared", "--direct-io").view();
    Files.write(a.resolve("f"), new byte[3 * BLOCK]);
    StandardOpenOption[] both = {StandardOpenOption.READ, StandardOpenOption.WRITE};
    try (FileChannel one = open(a.resolve("f"), both);
        FileChannel two = open(b.resolve("f"), both)) {
      Random random = new Random(4);
      for (int round = 1; round <= 100; round++) {
        FileChannel writer = round % 2 == 0 ? one : two;
        FileChannel reader = round % 2 == 0 ? two : one;
        int offset = random.nextInt(2 * BLOCK);
        writer.write(ByteBuffer.wrap(filled(round, 1000)), offset);
        assertArrayEquals(filled(round, 1000), look(reader, offset, 1000), "what was written");
        int size = offset + 500;
        writer.truncate(size);
        assertEquals(500, look(reader, offset, 1000).length, "what was cut");
        assertEquals(size, reader.size());
      }
    }
  }

  /**
   * Stored blocks are 4128 bytes, so that each but the first lies in two or three pages of the
   * store. Each node has blocks of its own and every block has neighbours of the other node.
   */
  @Test
  void do_not_damage_each_others_blocks_in_one_page_of_the_store() throws Exception {
    int blocks = 96;
    int rounds = 40;
    List<Path> views = List.of(mount("a", "--shared").view(), mount("b", "--shared").view());
    Files.write(views.getFirst().resolve("f"), new byte[blocks * BLOCK]);
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Future<?>> running = new ArrayList<>();
      for (int writer = 0; writer < 4; writer++) {
        int own = writer;
        running.add(
            threads.submit(() -> {
              writeEveryFourth(views.get(own % 2).resolve("f"), own, blocks, rounds);
              return null;
            }));
      }
      for (Future<?> each : running) {
        each.get();
      }
    }
    byte[] expected = new byte[blocks * BLOCK];
    for (int block = 0; block < blocks; block++) {
      Arrays.fill(
          expected, block * BLOCK, (block + 1) * BLOCK, (byte) (4 * rounds - 4 + block % 4));
    }
    for (Path each : views) {
      assertArrayEquals(expected, Files.readAllBytes(each.resolve("f")));
    }
    assertEquals(0, volume.check(COFFER).exit());
  }

  /** Whole blocks by write, halves of them, and through memory; two writers are on each node. */
  private static void writeEveryFourth(Path path, int own, int blocks, int rounds)
      throws IOException {
    try (Arena arena = Arena.ofConfined();
        FileChannel file = open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MemorySegment memory =
          file.map(FileChannel.MapMode.READ_WRITE, 0, (long) blocks * BLOCK, arena);
      for (int round = 0; round < rounds; round++) {
        byte[] bytes = filled(4 * round + own, BLOCK);
        for (int block = own; block < blocks; block += 4) {
          int at = block * BLOCK;
          switch ((round + block / 4) % 3) {
            case 0 -> file.write(ByteBuffer.wrap(bytes), at);
            case 1 -> {
              file.write(ByteBuffer.wrap(bytes, 0, BLOCK / 2), at);
              file.write(ByteBuffer.wrap(bytes, BLOCK / 2, BLOCK / 2), at + BLOCK / 2);
            }
            default -> {
              MemorySegment page = memory.asSlice(at, BLOCK);
              page.fill(bytes[0]);
              page.force();
            }
          }
        }
      }
    }
  }

  @Test
  void hold_the_locks_of_applications_against_each_other_and_free_those_of_the_dead()
      throws Exception {
    Tools.need("flock");
    Mounted first = mount("a", "--shared");
    Path a = first.view().resolve("f");
    Path b = mount("b", "--shared").view().resolve("f");
    Files.writeString(a, "0123456789");
    StandardOpenOption[] both = {StandardOpenOption.READ, StandardOpenOption.WRITE};
    // The virtual machine keeps its own locks apart by device and inode: these are two files to it.
    try (FileChannel one = open(a, both);
        FileChannel two = open(b, both)) {
      FileLock held = one.lock(2, 4, false);
      assertNull(two.tryLock(5, 1, true), "fcntl: a range that the other node holds");
      FileLock beside = two.tryLock(6, 4, false);
      assertNotNull(beside, "fcntl: the range behind it");
      beside.release();
      held.release();
      FileLock reading = one.lock(0, 10, true);
      FileLock alsoReading = two.tryLock(0, 10, true);
      assertNotNull(alsoReading, "fcntl: both may read");
      alsoReading.release();
      assertNull(two.tryLock(0, 10, false), "fcntl: none may write meanwhile");
      reading.release();
    }
    Command whole = Command.of("flock", "--nonblock", "--conflict-exit-code", 9, b, "true");
    Path ready = area.path().resolve("ready");
    Command.Running holder =
        Command.of("flock", a, "sh", "-c", "touch " + ready + "; exec sleep 600").start();
    try {
      assertTrue(Mounted.waitUntil(Duration.ofMinutes(1), () -> Files.exists(ready)));
      whole.run().expectExit(9);
      first.kill();
      assertTrue(
          Mounted.waitUntil(Duration.ofMinutes(1), () -> whole.run().exit() == 0),
          "the lock of a node that was killed");
    } finally {
      holder.process().destroyForcibly();
      holder.finish(Duration.ofSeconds(20));
    }
  }

  /**
   * Writes of a shared mount go around the kernel's cache where nobody reads through it. On one
   * mount, reads show at once what has been written, in whatever order the files were opened, and
   * mapped memory soon.
   */
  @Test
  void show_on_the_node_of_a_writer_at_once_what_it_has_written() throws Exception {
    Path file = mount("a", "--shared").view().resolve("f");
    int size = 40 * BLOCK;
    Files.write(file, new byte[size]);
    Random random = new Random(6);
    for (int round = 0; round < 30; round++) {
      boolean readerFirst = round % 2 == 0;
      StandardOpenOption[] toRead =
          round % 3 == 0
              ? new StandardOpenOption[] {StandardOpenOption.READ, StandardOpenOption.WRITE}
              : new StandardOpenOption[] {StandardOpenOption.READ};
      try (Arena arena = Arena.ofShared();
          FileChannel early = readerFirst ? open(file, toRead) : null;
          FileChannel writer = open(file, StandardOpenOption.WRITE);
          FileChannel reader = early == null ? open(file, toRead) : early;
          FileChannel another = open(file, StandardOpenOption.WRITE)) {
        MemorySegment memory = reader.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
        try (Load looking = new Load(reader, memory)) {
          for (int i = 1; i <= 60; i++) {
            int at = random.nextInt(size - 5000);
            int count = 1 + random.nextInt(5000);
            byte[] bytes = filled(round + i, count);
            (i % 2 == 0 ? writer : another).write(ByteBuffer.wrap(bytes), at);
            assertArrayEquals(bytes, look(reader, at, count), "read after a write");
            MemorySegment mapped = memory.asSlice(at, count);
            assertTrue(
                Mounted.waitUntil(
                    Duration.ofMinutes(1),
                    () -> mapped.mismatch(MemorySegment.ofArray(bytes)) == -1),
                "mapped memory after a write");
          }
          looking.end();
        }
        if (reader.size() == size && toRead.length == 2) {
          reader.write(ByteBuffer.wrap(filled(99, 10)), 5);
          assertArrayEquals(filled(99, 10), look(reader, 5, 10));
          assertArrayEquals(filled(99, 10), memory.asSlice(5, 10).toArray(ValueLayout.JAVA_BYTE));
        }
      }
    }
  }

  /** Somebody who always reads, so that pages are filled just while others write. */
  private static final class Load implements AutoCloseable {
    private final AtomicBoolean ended = new AtomicBoolean();
    private final ExecutorService thread = Executors.newSingleThreadExecutor();
    private final Future<?> running;

    Load(FileChannel file, MemorySegment memory) {
      running =
          thread.submit(() -> {
            long sum = 0;
            while (!ended.get()) {
              for (long at = 0; at < memory.byteSize(); at += BLOCK) {
                sum += memory.get(ValueLayout.JAVA_BYTE, at) + look(file, at, 100)[0];
              }
            }
            return sum;
          });
    }

    void end() throws Exception {
      ended.set(true);
      running.get();
    }

    @Override
    public void close() {
      ended.set(true);
      thread.close();
    }
  }

  /** The kernel may hold much of an exclusive mount when a second one wants the volume. */
  @Test
  void take_turns_without_losing_what_the_kernel_of_the_first_still_held() throws Exception {
    Mounted first = mount("a", "--exclusive");
    byte[] bytes = OnSubject.random(48 << 20, 5);
    Path view = area.directory("b");
    Command second =
        Command.coffer("mount", "--password-file", volume.password(), volume.stored(), view);
    Files.write(first.view().resolve("written"), bytes);
    try (Arena arena = Arena.ofConfined();
        FileChannel file =
            open(
                first.view().resolve("mapped"),
                StandardOpenOption.CREATE,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE)) {
      file.write(ByteBuffer.wrap(new byte[64 * BLOCK]));
      MemorySegment memory = file.map(FileChannel.MapMode.READ_WRITE, 0, 64L * BLOCK, arena);
      memory.asSlice(0, 32 * BLOCK).fill((byte) '1');
      // Refused, whatever is open, mapped or not yet written; and the first goes on.
      second.run().expectExit(6).errHas("--shared on both sides");
      memory.asSlice(32 * BLOCK).fill((byte) '2');
      file.write(ByteBuffer.wrap(filled('3', 10)), 64L * BLOCK);
    }
    Files.write(first.view().resolve("last"), filled('4', 300_000));
    try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
      Future<Outcome> ending = thread.submit(first::unmount);
      // Let in as soon as the first has gone, and not before all has been written.
      assertTrue(
          Mounted.waitUntil(Duration.ofMinutes(2), () -> second.run().exit() == 0),
          "the second mount");
      assertArrayEquals(bytes, Files.readAllBytes(view.resolve("written")));
      byte[] mapped = filled('1', 64 * BLOCK + 10);
      Arrays.fill(mapped, 32 * BLOCK, 64 * BLOCK, (byte) '2');
      Arrays.fill(mapped, 64 * BLOCK, mapped.length, (byte) '3');
      assertArrayEquals(mapped, Files.readAllBytes(view.resolve("mapped")));
      assertArrayEquals(filled('4', 300_000), Files.readAllBytes(view.resolve("last")));
      ending.get();
    }
  }
}
