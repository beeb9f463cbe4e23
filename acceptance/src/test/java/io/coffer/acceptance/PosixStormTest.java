package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Many at once")
class PosixStormTest extends OnSubject {
  private static final Set<Integer> NATURAL =
      Set.of(Errno.ENOENT, Errno.EEXIST, Errno.ENOTEMPTY, Errno.ENOTDIR, Errno.EISDIR);

  private final ConcurrentLinkedQueue<String> faults = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean stop = new AtomicBoolean();
  private final List<Thread> threads = new ArrayList<>();

  PosixStormTest(Subject subject) {
    super(subject);
  }

  private interface Turn {
    void run(Person person, Random random) throws ErrnoException;
  }

  /** Runs one turn after the other until the storm is over; only natural errors are allowed. */
  private void start(String what, long seed, Turn turn) {
    threads.add(
        Thread.ofPlatform()
            .name(what)
            .start(() -> {
              Random random = new Random(seed);
              try (Person person = Person.self()) {
                while (!stop.get()) {
                  try {
                    turn.run(person, random);
                  } catch (ErrnoException e) {
                    if (!NATURAL.contains(e.errno())) {
                      faults.add(what + ": " + e.getMessage());
                      return;
                    }
                  }
                }
              } catch (AssertionError e) {
                faults.add(what + ": " + e);
              }
            }));
  }

  private void storm(int seconds) throws InterruptedException {
    Mounted.sleep(seconds * 1000L * (Reactor.longRun() ? 10 : 1));
    stop.set(true);
    for (Thread thread : threads) {
      thread.join(60_000);
      assertTrue(!thread.isAlive(), thread.getName() + " should have ended");
    }
    assertEquals(List.of(), List.copyOf(faults), "errors that no storm explains");
  }

  @Test
  void renames_beside_readers_never_show_a_wrong_file() throws Exception {
    int files = 8;
    for (int d = 0; d < 3; d++) {
      me.mkdir(at("d" + d), 0755);
    }
    for (int i = 0; i < files; i++) {
      me.write(at("d0/f" + i), ("file " + i + ";").repeat(700));
    }
    for (int t = 0; t < 2; t++) {
      start(
          "renamer " + t,
          t,
          (p, r) -> {
            int file = r.nextInt(files);
            p.rename(
                at("d" + r.nextInt(3) + "/f" + file),
                at("d" + r.nextInt(3) + "/f" + file),
                Flags.RENAME_NOREPLACE);
          });
      start(
          "reader " + t,
          t + 10,
          (p, r) -> {
            int file = r.nextInt(files);
            String text = p.read(at("d" + r.nextInt(3) + "/f" + file));
            if (!text.equals(("file " + file + ";").repeat(700))) {
              faults.add("file " + file + " read as <" + text + ">");
            }
          });
    }
    start(
        "directories",
        5,
        (p, r) -> {
          p.rename(at("d2"), at("e2"));
          p.rename(at("e2"), at("d2"));
        });
    storm(3);
    Set<String> left = new TreeSet<>();
    for (int d = 0; d < 3; d++) {
      left.addAll(me.list(at("d" + d)));
    }
    assertEquals(files, left.size(), "files after the storm: " + left);
  }

  @Test
  void rm_rf_beside_readers_and_writers() throws Exception {
    AtomicInteger rounds = new AtomicInteger();
    start(
        "builder",
        1,
        (p, r) -> {
          for (int d = 0; d < 4; d++) {
            p.mkdir(at("t"), 0755);
            p.mkdir(at("t/d" + d), 0755);
            for (int f = 0; f < 10; f++) {
              p.write(
                  at("t/d" + d + "/" + (f % 3 == 0 ? name(200) : "") + f), "x".repeat(f * 1000));
            }
          }
        });
    start(
        "second builder",
        2,
        (p, r) -> {
          p.mkdir(at("t/d" + r.nextInt(4)), 0755);
          p.write(at("t/d" + r.nextInt(4) + "/z" + r.nextInt(5)), "z");
        });
    start(
        "reader",
        3,
        (p, r) -> {
          for (String name : p.list(at("t/d" + r.nextInt(4)))) {
            p.stat(at("t/d" + r.nextInt(4) + "/" + name));
          }
        });
    start(
        "remover",
        4,
        (p, r) -> {
          remove(p, at("t"));
          rounds.incrementAndGet();
        });
    storm(4);
    if (me.list(dir).contains("t")) { // the remover may have been the last
      remove(me, at("t"));
    }
    assertEquals(List.of(), me.list(dir), "after the storm and a last rm -rf");
    assertTrue(rounds.get() > 0, "the remover should have finished at least once");
  }

  private static void remove(Person p, String path) throws ErrnoException {
    List<String> names;
    try {
      names = p.list(path);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOTDIR) {
        throw e;
      }
      p.unlink(path);
      return;
    }
    for (String name : names) {
      try {
        remove(p, path + "/" + name);
      } catch (ErrnoException e) {
        if (!NATURAL.contains(e.errno())) {
          throw e;
        }
      }
    }
    p.rmdir(path);
  }

  @Test
  void concurrent_writers_of_one_file_lose_no_block() throws Exception {
    int pieces = 64;
    int pieceBytes = 3000; // Not a multiple of the block: neighbours share blocks.
    me.create(at("f"), 0644);
    AtomicInteger generation = new AtomicInteger();
    for (int t = 0; t < 4; t++) {
      int own = t;
      start(
          "writer " + t,
          t,
          (p, r) -> {
            int f = p.open(at("f"), Flags.O_RDWR);
            try {
              int piece = own + 4 * r.nextInt(pieces / 4);
              byte[] data = random(pieceBytes, piece * 1000L + generation.incrementAndGet());
              p.pwrite(f, data, (long) piece * pieceBytes);
              byte[] back = p.pread(f, pieceBytes, (long) piece * pieceBytes);
              if (!java.util.Arrays.equals(data, back)) {
                faults.add("piece " + piece + " was changed by a neighbour");
              }
            } finally {
              p.close(f);
            }
          });
    }
    storm(3);
  }

  @Test
  void creators_of_one_name_agree_on_a_winner() throws Exception {
    for (int round = 0; round < 30; round++) {
      String name = at("w" + round + (round % 2 == 0 ? "" : name(220)));
      AtomicInteger winners = new AtomicInteger();
      List<Thread> racers = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        racers.add(
            Thread.ofPlatform()
                .start(() -> {
                  try (Person p = Person.self()) {
                    p.create(name, 0644);
                    winners.incrementAndGet();
                  } catch (ErrnoException e) {
                    if (e.errno() != Errno.EEXIST) {
                      faults.add("O_EXCL: " + e.getMessage());
                    }
                  }
                }));
      }
      for (Thread racer : racers) {
        racer.join();
      }
      assertEquals(1, winners.get(), "winners of O_EXCL in round " + round);
    }
    assertEquals(List.of(), List.copyOf(faults), "errors of the losers");
  }
}
