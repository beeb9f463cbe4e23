package io.coffer.mount;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.vfs.VirtualFilesystem;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * A write(2) that the kernel has let in, and that then waits for its own data: they are mapped from
 * a file of another view, which does not answer before the tree is locked.
 */
@DisplayName("A write that was let in before a strict lock and has its data only after it")
class StalledWriteTest extends MountedTree {
  private static final int BYTES = 4096;
  private static final int LONGEST_SECONDS = 60;

  private final CountDownLatch waiting = new CountDownLatch(1);
  private final CountDownLatch goOn = new CountDownLatch(1);
  private final ExecutorService writer = Executors.newSingleThreadExecutor();
  private Path source = Path.of("/");

  @SuppressWarnings("NullAway.Init") // in the method that mounts it
  private MountedView slow;

  @BeforeEach
  void mountSlowView() throws Exception {
    Path stored = Files.createDirectory(base.resolve("slow-store"));
    byte[] data = new byte[BYTES];
    Arrays.fill(data, (byte) 'n');
    Files.write(stored.resolve("data"), data);
    Path point = Files.createDirectory(base.resolve("slow"));
    var direct = new DirectFilesystem(stored);
    var files =
        (VirtualFilesystem)
            Proxy.newProxyInstance(
                StalledWriteTest.class.getClassLoader(),
                new Class<?>[] {VirtualFilesystem.class},
                (_, method, arguments) -> {
                  if (method.getName().equals("read")) {
                    waiting.countDown();
                    assertTrue(goOn.await(LONGEST_SECONDS, TimeUnit.SECONDS));
                  }
                  try {
                    return method.invoke(direct, arguments);
                  } catch (InvocationTargetException e) {
                    throw e.getTargetException();
                  }
                });
    slow =
        MountedView.mount(
            files, TestView.NO_PATHS, TestView.mountOptions(point, new TestView.Options()));
    source = point.resolve("data");
  }

  @AfterEach
  void unmountSlowView() throws Exception {
    goOn.countDown();
    writer.shutdown();
    assertTrue(writer.awaitTermination(LONGEST_SECONDS, TimeUnit.SECONDS));
    slow.unmount();
    slow.awaitUnmount();
  }

  /** What a program does that writes from a mapping, in a thread of its own. */
  private interface Program {
    void run(FileChannel file, ByteBuffer data) throws IOException;
  }

  private Future<String> start(FileChannel file, Program program) {
    Callable<String> mapped =
        () -> {
          try (FileChannel from = FileChannel.open(source);
              Arena arena = Arena.ofConfined()) {
            var map = from.map(FileChannel.MapMode.READ_ONLY, 0, BYTES, arena);
            program.run(file, map.asByteBuffer());
            return "everything went well";
          } catch (IOException e) {
            return String.valueOf(e.getMessage());
          }
        };
    return writer.submit(mapped);
  }

  private String end(Future<String> program) throws InterruptedException, ExecutionException {
    goOn.countDown();
    return program.get();
  }

  private void lockWhileItWaits() throws Exception {
    assertTrue(waiting.await(LONGEST_SECONDS, TimeUnit.SECONDS));
    lock(true);
  }

  private Path oldFile() throws IOException {
    Path path = tree.resolve("file");
    Files.write(path, random(3 * BYTES));
    return path;
  }

  @Test
  @DisplayName("is told ENOKEY at fsync at the latest, and changes nothing")
  void whenSynced() throws Exception {
    Path path = oldFile();
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
      Future<String> program =
          start(
              file,
              (to, data) -> {
                to.write(data, BYTES);
                to.force(false);
              });
      lockWhileItWaits();
      assertEquals("Required key not available", end(program));
    }
    unlock(1);
    assertArrayEquals(random(3 * BYTES), Files.readAllBytes(path));
  }

  @Test
  @DisplayName("is told ENOKEY by the next write, if it does not sync")
  void whenWrittenAgain() throws Exception {
    Path path = oldFile();
    FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE);
    try {
      Future<String> program = start(file, (to, data) -> to.write(data, BYTES));
      lockWhileItWaits();
      end(program);
      assertEquals(
          "Required key not available",
          assertThrows(IOException.class, () -> file.write(ByteBuffer.allocate(1), 0))
              .getMessage());
    } finally {
      closeWithLoss(file);
    }
    unlock(1);
    assertArrayEquals(random(3 * BYTES), Files.readAllBytes(path));
  }

  /** The kernel may tell here, too, that data were lost; it says EIO then. */
  private static void closeWithLoss(FileChannel file) {
    try {
      file.close();
    } catch (IOException e) {
      assertEquals("Input/output error", e.getMessage());
    }
  }

  @Test
  @DisplayName("makes the file neither longer nor different when it would have grown")
  void whenItGrows() throws Exception {
    Path path = oldFile();
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
      Future<String> program =
          start(
              file,
              (to, data) -> {
                to.write(data, 3 * BYTES + 100);
                to.force(false);
              });
      lockWhileItWaits();
      assertEquals("Required key not available", end(program));
    }
    unlock(1);
    assertArrayEquals(random(3 * BYTES), Files.readAllBytes(path));
  }

  @Test
  @DisplayName("is kept if the key is back, and the file open again, before its data go out")
  void whenUnlockedMeanwhile() throws Exception {
    Path path = oldFile();
    byte[] wanted = random(3 * BYTES);
    Arrays.fill(wanted, BYTES, 2 * BYTES, (byte) 'n');
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
      Future<String> program =
          start(
              file,
              (to, data) -> {
                to.write(data, BYTES);
                to.force(false);
              });
      lockWhileItWaits();
      unlock(1);
      try (FileChannel again = FileChannel.open(path, StandardOpenOption.WRITE)) {
        assertEquals("everything went well", end(program));
        again.force(false);
      }
    }
    assertArrayEquals(wanted, Files.readAllBytes(path));
  }
}
