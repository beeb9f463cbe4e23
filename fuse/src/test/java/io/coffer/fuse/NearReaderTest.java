package io.coffer.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.posix.Credentials;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("A reader beside its client")
@Timeout(60)
class NearReaderTest {
  private static final int SCHED_IDLE = 5;

  @TempDir Path mountPoint;

  private final MemoryFilesystem files = new MemoryFilesystem();
  private FuseMount mount;

  @BeforeEach
  void mount() throws Exception {
    assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "SKIPPED: no /dev/fuse");
    mount =
        MemoryMount.mount(
            mountPoint,
            "memory",
            files,
            new SessionOptions(false, true, false, true, true, false, false, false, false, 8));
  }

  @AfterEach
  void unmount() throws Exception {
    if (mount != null) {
      mount.unmount();
      mount.session().awaitEnd();
      assertTrue(files.closed.get());
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
      while (policies().containsKey("fuse-near")) {
        assertTrue(System.nanoTime() < end, "a thread is left");
      }
    }
  }

  private NearReader near() {
    return mount.session().readers().near();
  }

  /** Beside this thread, as soon as it may be tried again. */
  private void enter() throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    while (!near().isOn()) {
      assertTrue(
          mount.session().readers().goNear(Credentials.threadId()) || System.nanoTime() < end,
          "it cannot be had here");
      assertTrue(System.nanoTime() < end, "it is never tried again");
      Thread.sleep(1);
    }
  }

  /** Questions that the kernel has no answer to. */
  private void ask(int times) {
    for (int i = 0; i < times; i++) {
      assertFalse(Files.exists(mountPoint.resolve("nothing" + i)));
    }
  }

  /** By name of the thread, field 41 of /proc/ID/stat. */
  private static Map<String, Integer> policies() throws IOException {
    var policies = new TreeMap<String, Integer>();
    try (var tasks = Files.list(Path.of("/proc/self/task"))) {
      for (Path task : tasks.toList()) {
        try {
          String stat = Files.readString(task.resolve("stat"));
          String name = stat.substring(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
          String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
          policies.merge(name, Integer.parseInt(fields[38]), Math::max);
        } catch (IOException e) {
          // It has ended.
        }
      }
    }
    return policies;
  }

  @Test
  void answersAndLeavesWhenNobodyAsks() throws Exception {
    for (int round = 0; round < 20; round++) {
      enter();
      ask(500);
      Path file = mountPoint.resolve("file" + round);
      Files.writeString(file, "x".repeat(1000 * round));
      assertEquals(1000L * round, Files.size(file));
    }
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    while (near().isOn()) {
      assertTrue(System.nanoTime() < end, "it stays, though nobody asks");
      Thread.sleep(5);
    }
    ask(500);
  }

  @Test
  void isTakenByItselfForOneWhoAsksOneThingAfterTheOther() {
    assumeTrue(Runtime.getRuntime().availableProcessors() > 1, "one processor: none is far");
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    boolean seen = false;
    while (!seen && System.nanoTime() < end) {
      ask(100);
      seen = near().isOn();
    }
    // Where both always share a processor there is no need; then nothing was slow either.
    assumeTrue(seen, "client and reader were never far from each other");
    ask(1000);
  }

  @Test
  void makesWayForOthersAndForMuchData() throws Exception {
    enter();
    byte[] much = new byte[4 << 20];
    Path file = mountPoint.resolve("much");
    Files.write(file, much);
    assertEquals(much.length, Files.readAllBytes(file).length);
    assertFalse(near().isOn(), "it moves data");
    enter();
    var clients = new ArrayList<CompletableFuture<Void>>();
    for (int i = 0; i < 4; i++) {
      clients.add(CompletableFuture.runAsync(() -> ask(2000)));
    }
    for (CompletableFuture<Void> client : clients) {
      client.get(30, TimeUnit.SECONDS);
    }
  }

  @Test
  void startsNoThreadThatIsLikeIt() throws Exception {
    Path file = Files.createFile(mountPoint.resolve("file"));
    files.lockHolder = 4711;
    enter();
    ask(100);
    Thread waiter =
        Thread.ofPlatform()
            .start(() -> {
              try (var f = new RandomAccessFile(file.toFile(), "rw");
                  var lock = f.getChannel().lock()) {
                assertTrue(lock.isValid());
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(300);
    while (System.nanoTime() < end) {
      ask(100);
    }
    assertTrue(waiter.isAlive());
    policies()
        .forEach((name, policy) ->
            assertTrue(policy != SCHED_IDLE || name.equals("fuse-near"), name + " runs if idle"));
    files.lockHolder = 0;
    waiter.join(TimeUnit.SECONDS.toMillis(10));
    assertFalse(waiter.isAlive());
  }

  @Test
  void doesNotHoldUpItsClientWhereProcessorsAreWanted() throws Exception {
    var others = new ArrayList<Process>();
    try {
      for (int i = 0; i < 2 * Runtime.getRuntime().availableProcessors(); i++) {
        others.add(new ProcessBuilder("sh", "-c", "while :; do :; done").start());
      }
      long begin = System.nanoTime();
      for (int round = 0; round < 5; round++) {
        mount.session().readers().goNear(Credentials.threadId());
        ask(20);
      }
      long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
      // A thread of that policy alone would get a few milliseconds per second.
      assertTrue(millis < 15_000, "100 questions took " + millis + " ms");
    } finally {
      others.forEach(Process::destroyForcibly);
    }
  }
}
