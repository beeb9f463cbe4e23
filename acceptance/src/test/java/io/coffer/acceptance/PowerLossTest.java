package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The disk beneath a volume loses its power while several programs write to the view. Property
 * {@code coffer.test.long=true} lets it happen more often.
 */
@DisplayName("A power failure on a real filesystem")
class PowerLossTest {
  private static final int BLOCKS = 64;

  /** Findings of blocks that do not authenticate: a power failure tears what is being written. */
  private static final Predicate<String> IN_BLOCKS =
      Pattern.compile(": blocks? \\d+ |the file's header is all zero|shorter than its header")
          .asPredicate();

  private final Area area = Area.onDisk();

  @AfterEach
  void cleanUp() {
    area.close();
  }

  /** How a volume is made, shown and checked. */
  enum Format {
    GOCRYPTFS,
    FSCRYPT;

    void init(Path password, Path stored) {
      switch (this) {
        case GOCRYPTFS ->
            Command.coffer("init", "--scrypt-log-n", 10, "--password-file", password, stored).ok();
        case FSCRYPT ->
            Command.coffer("init", "--format", "fscrypt", "--argon2-memory", 8)
                .and("--argon2-passes", 1, "--password-file", password, stored)
                .ok();
      }
    }

    Mounted mount(Path password, Path stored, Path view) {
      Command command = Command.coffer("mount", "--foreground");
      if (this == GOCRYPTFS) {
        command.and("--password-file", password);
      }
      Mounted mounted = Mounted.start(command.and(stored, view), view);
      if (this == FSCRYPT) {
        Command.coffer("unlock", "--password-file", password, view).ok();
      }
      return mounted;
    }

    void makeTree(Path directory) {
      Command.of("mkdir", directory).ok();
      if (this == FSCRYPT) {
        Command.coffer("policy", "set", directory).ok();
      }
    }
  }

  static Stream<Object[]> rounds() {
    List<Object[]> rounds = new ArrayList<>();
    for (int seed = 1; seed <= (Reactor.longRun() ? 12 : 1); seed++) {
      rounds.add(new Object[] {"ext4", Format.GOCRYPTFS, seed});
      rounds.add(new Object[] {"ext4", Format.FSCRYPT, seed});
      rounds.add(new Object[] {"xfs", Format.GOCRYPTFS, seed});
      if (Reactor.longRun()) {
        rounds.add(new Object[] {"xfs", Format.FSCRYPT, seed});
      }
    }
    return rounds.stream();
  }

  @ParameterizedTest(name = "{0}, {1}, {2}")
  @MethodSource("rounds")
  void loses_no_directory_and_nothing_that_was_synced(String type, Format format, int seed)
      throws Exception {
    LoopDisk disk = area.own(new LoopDisk(area, type));
    Path stored = Files.createDirectory(disk.path().resolve("stored"));
    final Path view = area.directory("view");
    final Path password = area.file("password", "correct horse\n");
    Path tar = area.path().resolve("tree.tar");
    Command.bash("cd " + Reactor.coffer().getParent() + " && tar -cf " + tar + " docs vfs/src")
        .ok();
    format.init(password, stored);
    Workload work = new Workload(view.resolve("tree"), seed);
    try (Mounted mounted = format.mount(password, stored, view)) {
      format.makeTree(view.resolve("tree"));
      work.prepare();
      Command.of("sync", "-f", disk.path()).ok();
      List<Thread> writers =
          List.of(
              start("extract", work::extract),
              start("overwrite", work::overwrite),
              start(
                  "unpack",
                  () -> {
                    Command.of("tar", "-xf", tar, "-C", view.resolve("tree/tar")).run();
                  }),
              start("neighbour", () -> commitJournal(disk.path(), work.over)));
      Mounted.sleep(600 + new Random(seed).nextInt(2000));
      disk.cutPower();
      work.over.set(true);
      mounted.kill();
      for (Thread writer : writers) {
        assertTrue(writer.join(Duration.ofMinutes(1)), writer.getName() + " should have ended");
      }
    }
    assertEquals(List.of(), work.surprises);
    assertTrue(!work.files.isEmpty(), "something should have been synced");
    disk.powerOn();

    Command check = Command.coffer("check", "--password-file", password, stored);
    String found = check.run().all();
    String repair =
        Command.coffer("check", "--repair", "--password-file", password, stored).run().all();
    String left = check.run().all();
    // What cannot be mended is about contents that were being written. Nothing has lost its name.
    assertTrue(
        left.lines().filter(line -> line.startsWith("error:")).allMatch(IN_BLOCKS),
        left + "\n--repair: " + repair + "\nbefore: " + found);
    try (Mounted mounted = format.mount(password, stored, view)) {
      Command.of("ls", "-lR", view).ok();
      work.verify(found);
      Command.of("rm", "-r", view.resolve("tree")).ok();
      mounted.unmount();
    }
    check.ok();
  }

  private static Thread start(String name, Runnable work) {
    return Thread.ofPlatform().name(name).start(work);
  }

  /** A program that syncs a file of its own makes the filesystem write its journal. */
  private static void commitJournal(Path disk, AtomicBoolean over) {
    try (FileChannel file =
        FileChannel.open(
            disk.resolve("neighbour"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      for (int i = 0; !over.get(); i++) {
        file.write(java.nio.ByteBuffer.wrap(new byte[] {(byte) i}), i);
        file.force(true);
        Mounted.sleep(30);
      }
    } catch (IOException e) {
      // The power is gone.
    }
  }

  /** What is done in the view, and what it was promised. */
  private static final class Workload {
    private final String root;
    private final int seed;
    private final AtomicBoolean over = new AtomicBoolean();
    private final List<String> surprises = new ArrayList<>();

    /** Contents of synced files, by the names of which one must lead there. */
    private final Map<String, byte[]> files = new LinkedHashMap<>();

    /** Names that the sync of a directory has promised. */
    private final List<String> names = new ArrayList<>();

    /** What each block of the overwritten file may hold: since its last sync, in turn. */
    private final List<List<Byte>> blocks = new ArrayList<>();

    Workload(Path tree, int seed) {
      this.root = Person.path(tree);
      this.seed = seed;
    }

    void prepare() throws ErrnoException {
      try (Person me = Person.self()) {
        me.mkdir(root + "/tar", 0755);
        int file = me.open(root + "/blocks", Flags.O_CREAT | Flags.O_WRONLY, 0644);
        for (int i = 0; i < BLOCKS; i++) {
          me.pwrite(file, filled(0), i * 4096L);
          blocks.add(new ArrayList<>(List.of((byte) 0)));
        }
        me.fsync(file);
        me.close(file);
      }
    }

    /** Every so many files one is synced; some are renamed, into new directories too. */
    void extract() {
      // Where little is synced, much is half done.
      int syncEvery = seed % 2 == 0 ? 3 : 40;
      Random random = new Random(seed);
      try (Person me = Person.self()) {
        List<String> here = new ArrayList<>();
        for (int count = 0; count < 100_000; count++) {
          String directory = "/d" + count / 10;
          if (count % 10 == 0) {
            me.mkdir(root + directory, 0755);
            here.clear();
          }
          boolean isLong = random.nextInt(4) == 0;
          String name = directory + "/" + (isLong ? "n".repeat(200) : "f") + count;
          byte[] data = OnSubject.random(random.nextInt(20_000), count);
          int file = me.open(root + name, Flags.O_CREAT | Flags.O_EXCL | Flags.O_WRONLY, 0600);
          me.pwrite(file, data, 0);
          here.add(name);
          if (count % syncEvery == 0) {
            me.fsync(file);
            files.put(name, data);
          }
          me.chmod(root + name, 0644);
          me.close(file);
          if (count % 7 == 0 || count % syncEvery == 0) {
            String other = name + "r";
            if (random.nextBoolean()) {
              me.mkdir(root + "/moved" + count, 0755);
              other = "/moved" + count + "/" + (random.nextBoolean() ? "x" : "m".repeat(220));
            }
            if (files.containsKey(name)) {
              // Either name may be found: the rename itself was not synced.
              files.put(name + "|" + other, files.remove(name));
            }
            me.rename(root + name, root + other);
            here.remove(name);
          }
          if (count % (3 * syncEvery) == 8) {
            me.fsyncOf(root + directory);
            names.addAll(here);
            here.clear();
          }
          if (count % 50 == 49) {
            me.mkdir(root + "/gone" + count, 0755);
            me.rmdir(root + "/gone" + count);
          }
        }
      } catch (ErrnoException e) {
        expectEnd("extract", e);
      }
    }

    void overwrite() {
      Random random = new Random(seed);
      try (Person me = Person.self()) {
        int file = me.open(root + "/blocks", Flags.O_WRONLY);
        for (int generation = 1; ; generation++) {
          int block = random.nextInt(BLOCKS);
          blocks.get(block).add((byte) generation);
          me.pwrite(file, filled(generation), block * 4096L);
          if (generation % 20 == 0) {
            me.fsync(file);
            blocks.forEach(values -> values.subList(0, values.size() - 1).clear());
          }
        }
      } catch (ErrnoException e) {
        expectEnd("overwrite", e);
      }
    }

    private void expectEnd(String who, ErrnoException e) {
      if (!over.get()) {
        // The filesystem refuses from the first moment of its shutdown.
        Mounted.sleep(5000);
        if (!over.get()) {
          surprises.add(who + " ended early: " + e);
        }
      }
    }

    private static byte[] filled(int value) {
      byte[] block = new byte[4096];
      Arrays.fill(block, (byte) value);
      return block;
    }

    void verify(String findings) {
      try (Person me = Person.self()) {
        files.forEach((alternatives, data) -> verify(me, alternatives, data, findings));
        for (String name : names) {
          assertTrue(me.exists(root + name), "a synced directory should have " + name);
        }
        verifyBlocks(me);
      } catch (ErrnoException e) {
        throw new AssertionError(e);
      }
    }

    private void verify(Person me, String alternatives, byte[] data, String findings) {
      String found = null;
      for (String name : alternatives.split("\\|", -1)) {
        if (me.exists(root + name)) {
          found = root + name;
        }
      }
      assertTrue(
          found != null, "the synced file " + alternatives + " should be there\n" + findings);
      try {
        int file = me.open(found, Flags.O_RDONLY);
        byte[] read = me.pread(file, data.length + 1, 0);
        me.close(file);
        assertEquals(Hashes.sha256(data), Hashes.sha256(read), "contents of " + alternatives);
      } catch (ErrnoException e) {
        throw new AssertionError("the synced file " + alternatives + " should be readable", e);
      }
    }

    private void verifyBlocks(Person me) throws ErrnoException {
      int file = me.open(root + "/blocks", Flags.O_RDONLY);
      for (int i = 0; i < BLOCKS; i++) {
        byte[] read;
        try {
          read = me.pread(file, 4096, i * 4096L);
        } catch (ErrnoException e) {
          // A block that was being written may be torn; it is never shown as data.
          assertTrue(blocks.get(i).size() > 1, "block " + i + " had been synced, but: " + e);
          continue;
        }
        assertEquals(4096, read.length);
        assertTrue(Arrays.equals(filled(read[0]), read), "block " + i + " should be of one write");
        assertTrue(
            blocks.get(i).contains(read[0]),
            "block " + i + " is of write " + read[0] + ", not one of " + blocks.get(i));
      }
      me.close(file);
    }
  }
}
