package io.coffer.acceptance;

import static io.coffer.acceptance.Volume.Program.COFFER;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** One volume, several mounts of it. */
@DisplayName("A volume that several mount")
class SharedVolumeTest {
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
    return area.own(Mounted.start(command(where, options), where));
  }

  private Command command(Path where, String... options) {
    return Command.coffer("mount", "--foreground", "--password-file", volume.password())
        .and(List.of(options))
        .and(volume.stored(), where);
  }

  /** A mount on a node of another name, as far as the lease can tell. */
  private Command onNode(String node, Path where, String option) {
    return Command.of(
            "unshare",
            "--uts",
            "sh",
            "-c",
            "hostname \"$0\" && exec \"$@\"",
            node,
            Reactor.coffer())
        .and("mount", "--foreground", "--password-file", volume.password())
        .and(option, volume.stored(), where);
  }

  @Nested
  @DisplayName("for itself alone")
  class Leases {
    @BeforeEach
    void needsAnotherName() {
      Tools.needRoot();
      Tools.need("unshare", "hostname");
    }

    private void assertRefused(String option, String holder, long process, String advice) {
      Outcome refused = onNode("node-b", area.directory("refused"), option).run();
      refused.expectExit(6).errHas("process " + process + " on " + holder).errHas(advice);
    }

    @Test
    void is_refused_to_a_second_node_by_name_and_process_of_the_first() throws Exception {
      Path view = area.directory("a");
      try (Mounted first = Mounted.start(onNode("node-a", view, "--exclusive"), view)) {
        long process = first.daemon().pid();
        assertRefused("--exclusive", "node-a", process, "unmount it there");
        assertRefused("--shared", "node-a", process, "unmount it there");
        assertRefused("--shared=auto", "node-a", process, "--shared on both sides");
        Files.writeString(view.resolve("f"), "the first goes on");
        Command.coffer("check", "--repair", "--password-file", volume.password(), volume.stored())
            .run()
            .expectExit(6)
            .errHas("process " + process + " on node-a");
        first.unmount();
      }
      Path next = area.directory("b");
      try (Mounted second = Mounted.start(onNode("node-b", next, "--exclusive"), next)) {
        assertEquals("the first goes on", Files.readString(next.resolve("f")));
        second.unmount();
      }
      assertEquals(List.of(), leaseFiles(), "the last to leave removes the lease");
    }

    @Test
    void is_refused_beside_nodes_that_share_it_and_they_let_each_other_in() {
      Path a = area.directory("a");
      Path b = area.directory("b");
      Path c = area.directory("c");
      try (Mounted first = Mounted.start(onNode("node-a", a, "--shared"), a);
          Mounted second = Mounted.start(onNode("node-b", b, "--shared"), b)) {
        assertRefused("--exclusive", "node-a", first.daemon().pid(), "use --shared");
        // Without a wish it is as with those who are there.
        Mounted.start(onNode("node-c", c, "--shared=auto"), c).unmount();
        first.unmount();
        assertRefused("--exclusive", "node-b", second.daemon().pid(), "use --shared");
        second.unmount();
      }
      assertEquals(List.of(), leaseFiles());
    }

    @Test
    void is_free_again_when_its_holder_was_killed() throws Exception {
      Path a = area.directory("a");
      try (Mounted first = Mounted.start(onNode("node-a", a, "--exclusive"), a)) {
        Files.writeString(a.resolve("f"), "x");
        first.kill();
      }
      assertEquals(1, leaseFiles().size(), "what the dead one left");
      Path b = area.directory("b");
      try (Mounted second = Mounted.start(onNode("node-b", b, "--exclusive"), b)) {
        assertRefused("--shared", "node-b", second.daemon().pid(), "unmount it there");
        second.unmount();
      }
      assertEquals(List.of(), leaseFiles());
    }

    private List<String> leaseFiles() {
      try (var all = Files.list(volume.stored())) {
        return all.map(each -> each.getFileName().toString())
            .filter(name -> name.contains("coffer-lock"))
            .toList();
      } catch (IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    }
  }

  /** Runs something again and again on threads of its own; ends all with the first failure. */
  private static final class Load implements AutoCloseable {
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final List<Future<?>> running = new ArrayList<>();
    private final AtomicBoolean stopped = new AtomicBoolean();
    private final AtomicLong rounds = new AtomicLong();

    private interface Round {
      void run(Random random) throws IOException;
    }

    void add(long seed, Round round) {
      Random random = new Random(seed);
      running.add(
          threads.submit(() -> {
            while (!stopped.get()) {
              round.run(random);
              rounds.incrementAndGet();
            }
            return null;
          }));
    }

    /** Ends it; a failure of any is thrown. */
    long stop() throws Exception {
      stopped.set(true);
      for (Future<?> each : running) {
        each.get();
      }
      return rounds.get();
    }

    @Override
    public void close() {
      stopped.set(true);
      threads.close();
    }
  }

  @Nested
  @DisplayName("for writing")
  class UnderLoad {
    /** Overwrites a range of its own in a common file, and makes and removes things with names. */
    private void write(Path view, int writer, Random random) throws IOException {
      byte[] bytes = new byte[1 + random.nextInt(3 * BLOCK)];
      Arrays.fill(bytes, (byte) ('a' + writer));
      try (FileChannel file = FileChannel.open(view.resolve("common"), StandardOpenOption.WRITE)) {
        file.write(ByteBuffer.wrap(bytes), random.nextInt(60 * BLOCK));
      }
      Path mine = view.resolve("dir").resolve("w" + writer + "l".repeat(random.nextInt(2) * 200));
      Files.writeString(mine, "x".repeat(random.nextInt(9000)));
      Path moved = view.resolve("dir").resolve("m" + writer + "o".repeat(190));
      Files.move(mine, moved, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
      Path made = Files.createDirectory(view.resolve("d" + writer));
      try (FileChannel file = FileChannel.open(moved, StandardOpenOption.WRITE)) {
        file.truncate(random.nextInt(5000));
      }
      Files.delete(moved);
      Files.delete(made);
    }

    @Test
    void can_be_checked_copied_and_given_another_password_meanwhile() throws Exception {
      Path newPassword = area.file("new", "another\n");
      Mounted a = mount("a", "--shared");
      Mounted b = mount("b", "--shared");
      Files.write(a.view().resolve("common"), new byte[64 * BLOCK]);
      Files.createDirectory(a.view().resolve("dir"));
      byte[] quiet = OnSubject.random(3 * BLOCK + 5, 1);
      Files.write(a.view().resolve("quiet"), quiet);
      try (Load load = new Load()) {
        load.add(1, random -> write(a.view(), 0, random));
        load.add(2, random -> write(b.view(), 1, random));
        for (int i = 0; i < 3; i++) {
          Outcome check = volume.check(COFFER);
          assertEquals(0, check.exit(), check::toString);
        }
        Path copy = area.path().resolve("copy");
        Command.coffer("decrypt", "--password-file", volume.password(), volume.stored(), copy)
            .run();
        assertArrayEquals(quiet, Files.readAllBytes(copy.resolve("quiet")));
        for (byte each : Files.readAllBytes(copy.resolve("common"))) {
          assertTrue(each == 0 || each == 'a' || each == 'b', "a byte that nobody wrote: " + each);
        }
        Path more = area.directory("more");
        Files.write(more.resolve("added"), quiet);
        Command.coffer("encrypt", "--password-file", volume.password(), more, volume.stored()).ok();
        assertArrayEquals(quiet, Files.readAllBytes(b.view().resolve("added")));
        Command.coffer("passwd", "--password-file", volume.password())
            .and("--new-password-file", newPassword, volume.stored())
            .ok();
        volume.check(COFFER).expectExit(12);
        Outcome check =
            Command.coffer("check", "--password-file", newPassword, volume.stored()).run();
        assertEquals(0, check.exit(), check::toString);
        assertTrue(load.stop() > 10, "there was no load");
      }
      a.unmount();
      b.unmount();
      Command.coffer("check", "--repair", "--password-file", newPassword, volume.stored())
          .ok()
          .outHas("No problems.");
    }

    @Test
    void gets_and_loses_keys_and_gives_up_backups_meanwhile() throws Exception {
      Volume trees = Volume.in(area, "trees");
      trees.initFscrypt();
      List<Path> views = new ArrayList<>();
      for (String each : List.of("t1", "t2")) {
        Path view = area.directory(each);
        Command command = Command.coffer("mount", "--foreground", "--shared", trees.stored(), view);
        area.own(Mounted.start(command, view));
        unlock(trees, view);
        views.add(view);
      }
      Path busy = views.getFirst().resolve("busy");
      Path quiet = views.getFirst().resolve("quiet");
      byte[] bytes = OnSubject.random(3 * BLOCK + 5, 1);
      for (Path each : List.of(busy, quiet)) {
        Files.createDirectory(each);
        Command.coffer("policy", "set", each).ok();
        Files.createDirectory(each.resolve("dir"));
      }
      Files.write(busy.resolve("common"), new byte[64 * BLOCK]);
      Files.write(quiet.resolve("file" + "s".repeat(200)), bytes);
      Path otherPassword = area.file("other.password", "another\n");
      Path otherBusy = views.getLast().resolve("busy");
      try (Load load = new Load()) {
        load.add(1, random -> write(busy, 0, random));
        load.add(2, random -> write(otherBusy, 1, random));
        for (int i = 0; i < 2; i++) {
          protector(trees, "add", otherPassword, "--name", "other" + i, trees.stored());
          unlock(new Volume(trees.stored(), views.getLast(), otherPassword), views.getLast());
          Command.coffer("protector", "remove", "--password-file", trees.password())
              .and(views.getFirst(), "other" + i)
              .ok();
          Path archive = area.path().resolve("quiet" + i + ".tar");
          Command.coffer("export", quiet, archive).ok();
          Command.coffer("import", "--name", "back" + i, archive, views.getLast()).ok();
          Path back = views.getFirst().resolve("back" + i);
          assertArrayEquals(bytes, Files.readAllBytes(back.resolve("file" + "s".repeat(200))));
        }
        Outcome check = trees.check(COFFER);
        assertEquals(0, check.exit(), check::toString);
        assertTrue(load.stop() > 10, "there was no load");
      }
      // One node gives up the key while the other one writes, and gets it back.
      try (Load load = new Load()) {
        load.add(3, random -> write(otherBusy, 1, random));
        for (int i = 0; i < 5; i++) {
          Command.coffer("lock", busy).ok();
          assertTrue(Files.notExists(busy.resolve("common")));
          unlock(trees, views.getFirst());
          assertEquals(64 * BLOCK, Files.size(busy.resolve("common")));
        }
        assertTrue(load.stop() > 10, "there was no load");
      }
      for (byte each : Files.readAllBytes(busy.resolve("common"))) {
        assertTrue(each == 0 || each == 'a' || each == 'b', "a byte that nobody wrote: " + each);
      }
    }

    private static void unlock(Volume trees, Path view) {
      Command.coffer("unlock", "--password-file", trees.password(), view).ok();
    }

    private static void protector(
        Volume trees, String action, Path newPassword, Object... arguments) {
      Command.coffer("protector", action, "--password-file", trees.password())
          .and("--new-password-file", newPassword)
          .and(arguments)
          .ok();
    }

    @Test
    void is_not_repaired_meanwhile() {
      Mounted a = mount("a", "--shared");
      Command.coffer("check", "--repair", "--password-file", volume.password(), volume.stored())
          .run()
          .expectExit(6)
          .errHas("is mounted by process " + a.daemon().pid());
      a.unmount();
      Command.coffer("check", "--repair", "--password-file", volume.password(), volume.stored())
          .ok();
    }

    @Test
    void can_be_checked_while_one_node_has_it_for_itself_alone() throws Exception {
      Mounted a = mount("a", "--exclusive");
      Files.write(a.view().resolve("common"), new byte[64 * BLOCK]);
      Files.createDirectory(a.view().resolve("dir"));
      try (Load load = new Load()) {
        load.add(3, random -> write(a.view(), 0, random));
        for (int i = 0; i < 2; i++) {
          Outcome check = volume.check(COFFER);
          assertEquals(0, check.exit(), check::toString);
        }
        assertTrue(load.stop() > 10, "there was no load");
      }
      a.unmount();
    }
  }

  @Nested
  @DisplayName("and one of which cuts a file into a block that another writes")
  class TruncationBesideAWrite {
    private static final int SIZE = 2 * BLOCK;

    private static String text(byte[] bytes) {
      var runs = new StringBuilder();
      for (int i = 0; i < bytes.length; ) {
        int end = i;
        while (end < bytes.length && bytes[end] == bytes[i]) {
          end++;
        }
        runs.append(bytes[i] == 0 ? '0' : (char) bytes[i]).append(end - i).append(' ');
        i = end;
      }
      return runs.toString();
    }

    private static byte[] filled(char letter, int count) {
      byte[] bytes = new byte[count];
      Arrays.fill(bytes, (byte) letter);
      return bytes;
    }

    private static byte[] written(byte[] before, int offset, int count) {
      byte[] after = Arrays.copyOf(before, Math.max(before.length, offset + count));
      Arrays.fill(after, offset, offset + count, (byte) 'w');
      return after;
    }

    /** What is there now, in one read. */
    private static byte[] look(Path file) throws IOException {
      ByteBuffer bytes = ByteBuffer.allocate(2 * SIZE);
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
        channel.read(bytes, 0);
      }
      return Arrays.copyOf(bytes.array(), bytes.position());
    }

    /**
     * Each byte that was read, and the end, must be what some moment had: before, between and after
     * the two in either order.
     */
    private static void assertSeen(byte[] seen, List<byte[]> moments, String round) {
      for (int i = 0; i < seen.length; i++) {
        int at = i;
        assertTrue(
            moments.stream().anyMatch(each -> at < each.length ? each[at] == seen[at] : false),
            () -> round + ": byte " + at + " of " + text(seen));
      }
    }

    @Test
    void leaves_it_as_in_one_of_the_two_orders_and_shows_nothing_else() throws Exception {
      Path one = mount("a", "--shared", "--direct-io").view().resolve("f");
      Path two = mount("b", "--shared", "--direct-io").view().resolve("f");
      Random random = new Random(5);
      Set<String> ends = new TreeSet<>();
      try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
        for (int i = 0; i < (Reactor.longRun() ? 20_000 : 250); i++) {
          byte[] initial = filled('.', SIZE);
          Files.write(one, initial);
          int keep = random.nextInt(8) == 0 ? 0 : random.nextInt(SIZE);
          int offset = random.nextInt(SIZE);
          int count = 1 + random.nextInt(3000);
          byte[] cut = Arrays.copyOf(initial, keep);
          byte[] writtenFirst = written(initial, offset, count);
          byte[] cutThenWritten = written(cut, offset, count);
          byte[] writtenThenCut = Arrays.copyOf(writtenFirst, keep);
          var moments = List.of(initial, cut, writtenFirst, cutThenWritten, writtenThenCut);
          String round = "cut to " + keep + ", " + count + " at " + offset + ", round " + i;
          var done = new AtomicBoolean();
          boolean swapped = random.nextBoolean();
          Future<?> truncating =
              threads.submit(() -> {
                try (FileChannel file =
                    FileChannel.open(swapped ? two : one, StandardOpenOption.WRITE)) {
                  return file.truncate(keep);
                }
              });
          Future<?> writing =
              threads.submit(() -> {
                try (FileChannel file =
                    FileChannel.open(swapped ? one : two, StandardOpenOption.WRITE)) {
                  return file.write(ByteBuffer.wrap(filled('w', count)), offset);
                }
              });
          List<Future<?>> readers = new ArrayList<>();
          for (Path each : List.of(one, two)) {
            readers.add(
                threads.submit(() -> {
                  do {
                    assertSeen(look(each), moments, round);
                  } while (!done.get());
                  return null;
                }));
          }
          truncating.get();
          writing.get();
          done.set(true);
          for (Future<?> each : readers) {
            each.get();
          }
          for (Path each : List.of(one, two)) {
            byte[] end = look(each);
            if (Arrays.equals(end, cutThenWritten)) {
              ends.add("the write was last");
            } else {
              assertEquals(text(writtenThenCut), text(end), round + "; or " + text(cutThenWritten));
              ends.add("the truncation was last");
            }
          }
        }
      }
      assertEquals(2, ends.size(), "both orders came about: " + ends);
    }
  }

  @Test
  @DisplayName("holds unaligned records that four nodes write into one file in turn")
  void unaligned_strided_records() {
    Tools.need("fio");
    List<Path> views = new ArrayList<>();
    for (String each : List.of("a", "b", "c", "d")) {
      views.add(mount(each, "--shared").view());
    }
    // Each node writes every fourth record of 47001 bytes (a size known from IO-500), then all of
    // them are verified, by another node than wrote them.
    int record = 47_001;
    int count = 20;
    // Else fio makes the file anew, each for itself.
    Command.of("truncate", "-s", 4L * count * record, views.getFirst().resolve("shared")).ok();
    List<Command.Running> writers = new ArrayList<>();
    for (int node = 0; node < 4; node++) {
      writers.add(strided(views.get(node), node, record, count, "--do_verify=0").start());
    }
    for (Command.Running each : writers) {
      each.finish(Duration.ofMinutes(2)).ok();
    }
    for (int node = 0; node < 4; node++) {
      strided(views.get((node + 1) % 4), node, record, count, "--verify_only=1").ok();
    }
    assertEquals(0, volume.check(COFFER).exit());
  }

  /**
   * What mdtest does: files of a node are made by it, looked at by the next, removed by a third.
   */
  @Test
  @DisplayName("agrees on names, sizes and contents that four nodes make and remove side by side")
  void names_of_many_nodes() throws Exception {
    int nodes = 4;
    int files = 60;
    List<Path> views = new ArrayList<>();
    for (int node = 0; node < nodes; node++) {
      views.add(mount("n" + node, "--shared").view());
    }
    Path common = Files.createDirectory(views.getFirst().resolve("common"));
    String names = common.getFileName() + "/";
    phase(
        views,
        (node, view) -> {
          Path own = Files.createDirectories(view.resolve("own" + node).resolve("deep/er"));
          for (int i = 0; i < files; i++) {
            String name = "file." + node + "." + i + (i % 7 == 0 ? ".long".repeat(45) : "");
            Files.writeString(view.resolve(names + name), name);
            Files.createDirectory(own.resolve("dir." + i));
          }
        });
    phase(
        views,
        (node, view) -> {
          int other = (node + 1) % nodes;
          List<Path> seen = entries(view.resolve(names));
          assertEquals(nodes * files, seen.size());
          for (Path each : seen) {
            String name = each.getFileName().toString();
            if (name.startsWith("file." + other + ".")) {
              assertEquals(name.length(), Files.size(each));
              assertEquals(name, Files.readString(each));
            }
          }
          assertEquals(files, entries(view.resolve("own" + other + "/deep/er")).size());
        });
    phase(
        views,
        (node, view) -> {
          int other = (node + 2) % nodes;
          for (Path each : entries(view.resolve(names))) {
            if (each.getFileName().toString().startsWith("file." + other + ".")) {
              Files.delete(each);
            }
          }
          Command.of("rm", "-r", view.resolve("own" + other)).ok();
        });
    for (Path view : views) {
      assertEquals(
          List.of("common"),
          entries(view).stream().map(each -> each.getFileName().toString()).toList());
      assertEquals(List.of(), entries(view.resolve(names)));
    }
    assertEquals(0, volume.check(COFFER).exit());
  }

  private static List<Path> entries(Path directory) throws IOException {
    try (var all = Files.list(directory)) {
      return all.toList();
    }
  }

  private interface OnNode {
    void run(int node, Path view) throws IOException;
  }

  /** All nodes at once; ends when the last has. */
  private static void phase(List<Path> views, OnNode work) throws Exception {
    try (ExecutorService threads = Executors.newCachedThreadPool()) {
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < views.size(); i++) {
        int node = i;
        running.add(
            threads.submit(() -> {
              work.run(node, views.get(node));
              return null;
            }));
      }
      for (Future<?> each : running) {
        each.get();
      }
    }
  }

  private static Command strided(Path view, int node, int record, int count, String option) {
    return Command.of("fio", "--name=node" + node, "--filename=" + view.resolve("shared"))
        .and("--rw=write:" + 3 * record, "--bs=" + record, "--offset=" + (long) node * record)
        .and("--io_size=" + (long) count * record, "--size=" + (4L * count - node) * record)
        .and("--ioengine=psync", "--verify=crc32c", "--verify_fatal=1")
        // Else fio leaves files where it was started.
        .and("--verify_state_save=0", "--randseed=7", option);
  }
}
