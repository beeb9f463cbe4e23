package io.coffer.fuse;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A filesystem in memory, mounted for real, and used through the kernel. */
@Timeout(60)
class FuseMountTest {
  /** How requests come. */
  boolean overIoUring() {
    return false;
  }

  private static final int THREADS = 8;

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
            new SessionOptions(
                false, true, false, true, true, false, false, false, overIoUring(), THREADS));
  }

  @AfterEach
  void unmount() throws Exception {
    if (mount != null && !mount.session().hasEnded()) {
      mount.unmount();
      mount.session().awaitEnd();
      assertTrue(files.closed.get());
    }
  }

  @Test
  void whatIsWrittenIsReadBackInPiecesOfEverySize() throws Exception {
    byte[] data = new byte[3_000_001];
    new Random(1).nextBytes(data);
    Path file = mountPoint.resolve("file");
    try (var channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      int done = 0;
      int piece = 1;
      while (done < data.length) {
        int count = Math.min(piece, data.length - done);
        channel.write(ByteBuffer.wrap(data, done, count));
        done += count;
        piece = piece * 3 + 7;
      }
    }
    assertArrayEquals(data, Files.readAllBytes(file));
    assertEquals(data.length, Files.size(file));
  }

  @Test
  void namesAreMadeMovedListedAndRemoved() throws Exception {
    Files.createDirectory(mountPoint.resolve("d"));
    for (int i = 0; i < 3000; i++) {
      Files.createFile(mountPoint.resolve("d/" + "n".repeat(i % 200) + i));
    }
    try (var list = Files.list(mountPoint.resolve("d"))) {
      assertEquals(3000, list.distinct().count());
    }
    Files.move(
        mountPoint.resolve("d/0"), mountPoint.resolve("moved"), StandardCopyOption.ATOMIC_MOVE);
    assertTrue(Files.exists(mountPoint.resolve("moved")));
    Files.delete(mountPoint.resolve("moved"));
    assertThrows(NoSuchFileException.class, () -> Files.size(mountPoint.resolve("moved")));
    Files.createSymbolicLink(mountPoint.resolve("l"), Path.of("t".repeat(4000)));
    assertEquals("t".repeat(4000), Files.readSymbolicLink(mountPoint.resolve("l")).toString());
  }

  @Test
  void aFailingHandlerIsEioForThatRequestAlone() throws Exception {
    var e =
        assertThrows(FileSystemException.class, () -> Files.size(mountPoint.resolve("explode")));
    assertEquals("Input/output error", e.getReason());
    Files.writeString(mountPoint.resolve("alive"), "yes");
    assertEquals("yes", Files.readString(mountPoint.resolve("alive")));
  }

  @Test
  void threadsThatAreNeededComeAndThoseThatAreNotGo() throws Exception {
    // A directory of its own: the kernel holds it while it looks something up there.
    Path directory = Files.createDirectory(mountPoint.resolve("directory"));
    var waiters = new ArrayList<Thread>();
    try {
      for (int i = 0; i < THREADS - 1; i++) {
        Path file = directory.resolve("hang" + i);
        waiters.add(Thread.ofPlatform().start(() -> file.toFile().exists()));
      }
      while (files.hanging.get() < THREADS - 1) {
        Thread.sleep(5);
      }
      // All but one hang; that one serves.
      Files.writeString(mountPoint.resolve("other"), "served");
      assertEquals("served", Files.readString(mountPoint.resolve("other")));
    } finally {
      files.released.countDown();
      for (Thread waiter : waiters) {
        waiter.join();
      }
    }
    assumeFalse(overIoUring(), "SKIPPED: threads of a ring stay");
    // Two, if this client is on another processor than the thread that serves it.
    while (mount.session().readers().active() > 2) {
      for (int i = 0; i < 100; i++) {
        assertFalse(Files.exists(mountPoint.resolve("missing" + i)));
      }
    }
  }

  @Test
  void aClientThatIsFarAwayIsServedByOneBesideItOrByTwo() {
    assumeFalse(overIoUring(), "SKIPPED: threads of a ring are near their clients");
    Path missing = mountPoint.resolve("missing");
    Readers readers = mount.session().readers();
    while (readers.active() < 2 && !readers.near().isOn()) {
      long until = System.nanoTime() + TimeUnit.MICROSECONDS.toNanos(60);
      while (System.nanoTime() < until) {
        Thread.onSpinWait();
      }
      assertFalse(Files.exists(missing));
    }
  }

  @Test
  void severalClientsAreServedBySeveralThreads() throws Exception {
    assumeFalse(overIoUring(), "SKIPPED: the kernel distributes what comes over rings");
    var stop = new AtomicBoolean();
    var clients = new ArrayList<Thread>();
    try {
      for (int i = 0; i < 6; i++) {
        Path missing = mountPoint.resolve("slow" + i);
        clients.add(
            Thread.ofPlatform()
                .start(() -> {
                  while (!stop.get()) {
                    assertFalse(missing.toFile().exists());
                  }
                }));
      }
      while (mount.session().readers().active() < 3) {
        Thread.sleep(5);
      }
    } finally {
      stop.set(true);
      for (Thread client : clients) {
        client.join();
      }
    }
  }

  @Test
  void extendedAttributesAndTimesArrive() throws Exception {
    Path file = Files.createFile(mountPoint.resolve("file"));
    Files.setAttribute(file, "user:colour", "blue".getBytes(StandardCharsets.US_ASCII));
    assertArrayEquals(
        "blue".getBytes(StandardCharsets.US_ASCII),
        (byte[]) Files.getAttribute(file, "user:colour"));
    var time = java.nio.file.attribute.FileTime.from(1_234_567_890_123_456L, TimeUnit.MICROSECONDS);
    Files.setLastModifiedTime(file, time);
    assertEquals(time, Files.getLastModifiedTime(file));
  }

  @Test
  void aLockThatIsHeldIsWaitedForWithoutHoldingUpOthers() throws Exception {
    Path file = Files.createFile(mountPoint.resolve("file"));
    files.lockHolder = 4711;
    Thread waiter =
        Thread.ofPlatform()
            .start(() -> {
              try (var f = new RandomAccessFile(file.toFile(), "rw");
                  var lock = f.getChannel().lock()) {
                assertTrue(lock.isValid());
              } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
              }
            });
    Thread.sleep(200);
    assertTrue(waiter.isAlive());
    Files.writeString(mountPoint.resolve("other"), "not held up");
    files.lockHolder = 0;
    waiter.join(TimeUnit.SECONDS.toMillis(10));
    assertFalse(waiter.isAlive());
  }

  @Test
  void aBlockedLockEndsWithTheProcessThatWaits() throws Exception {
    Path file = Files.createFile(mountPoint.resolve("file"));
    files.lockHolder = 4711;
    Process process =
        new ProcessBuilder(
                "perl",
                "-e",
                "use Fcntl; open(F,'+<',$ARGV[0]) or die; "
                    + "$l=pack('s s l! l! i',F_WRLCK,0,0,0,0); fcntl(F,F_SETLKW,$l) or die",
                file.toString())
            .start();
    Thread.sleep(300);
    assertTrue(process.isAlive());
    process.destroy();
    assertTrue(process.waitFor(10, TimeUnit.SECONDS));
    files.lockHolder = 0;
    assertEquals(0, Files.size(file));
  }

  @Test
  void aBusyMountIsDetachedAndEndsWithTheLastFile() throws Exception {
    var channel =
        FileChannel.open(
            mountPoint.resolve("f"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    assertFalse(mount.unmount());
    assertFalse(Files.exists(mountPoint.resolve("f")));
    channel.write(ByteBuffer.wrap(new byte[10]));
    assertFalse(mount.session().hasEnded());
    channel.close();
    mount.session().awaitEnd();
    assertTrue(files.closed.get());
  }

  @Test
  void theMountTableNamesSourceAndType() throws Exception {
    String table = Files.readString(Path.of("/proc/self/mounts"));
    assertTrue(table.contains("memory " + mountPoint + " fuse.coffertest rw,nosuid,nodev"), table);
  }

  @Test
  void theKernelForgetsWhatItWasTold() throws Exception {
    Files.createFile(mountPoint.resolve("f"));
    Files.delete(mountPoint.resolve("f"));
    for (int i = 0; i < 100 && files.forgotten.get() == 0; i++) {
      Thread.sleep(20);
    }
    assertTrue(files.forgotten.get() > 0);
  }
}
