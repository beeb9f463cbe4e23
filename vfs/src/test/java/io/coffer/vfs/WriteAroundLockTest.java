package io.coffer.vfs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The write stands before one of its changes of the store while the tree is locked, unlocked and
 * its file opened again, which then has other contents objects than the write knows.
 */
@DisplayName("A write that is under way while its tree is locked and unlocked again")
class WriteAroundLockTest {
  private static final int UNIT = 4096;
  private static final int BEFORE_BYTES = 10_000;
  private static final long LONGEST_SECONDS = 60;

  private final MemoryStore store = new MemoryStore();
  private final List<FutureTask<Integer>> running = new ArrayList<>();
  private final CountDownLatch ending = new CountDownLatch(1);
  private PolicyFilesystem files = open();
  private byte[] identifier = {};
  private long file;
  private byte[] expected = random(1, BEFORE_BYTES);

  private PolicyFilesystem open() {
    try {
      return new PolicyFilesystem(store, EncryptedFilesystem.Options.defaults(), null);
    } catch (ErrnoException e) {
      throw new AssertionError(e);
    }
  }

  @BeforeEach
  void makeFile() throws ErrnoException {
    files.setCache(
        new PolicyFilesystem.Cache() {
          @Override
          public void forgetContents(long id) {}

          @Override
          public void forgetName(long parent, byte[] name) {}

          @Override
          public void finishWrites(List<Long> ids) {
            ending.countDown();
          }
        });
    unlock();
    files.makeDirectory(VirtualFilesystem.ROOT, "tree".getBytes(UTF_8), 0755);
    files.setPolicy(0, "tree".getBytes(UTF_8), PolicyFilesystemTest.policy(identifier));
    file = TestVolume.put(files, TestVolume.find(files, "tree").id(), "file", expected);
  }

  @AfterEach
  void close() {
    files.close();
  }

  private void unlock() throws ErrnoException {
    try (SecretBytes key = PolicyFilesystemTest.key(1)) {
      identifier = files.unlock(0, key);
    }
  }

  private static byte[] random(int seed, int length) {
    byte[] bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  /** Is the lock a strict one; the write; before which of its changes it stands. */
  static Stream<Arguments> writes() {
    return Stream.of(true, false)
        .flatMap(strict ->
            Stream.of(
                Arguments.of(strict, UNIT, UNIT, 1), // a whole unit: its data
                Arguments.of(strict, 5000, 100, 1), // a part of one
                Arguments.of(strict, 9000, 5000, 1), // the file grows: the data
                Arguments.of(strict, 9000, 5000, 2), // and the size
                Arguments.of(strict, 30_000, 100, 1), // it grows by a hole, too
                Arguments.of(strict, 30_000, 100, 2)));
  }

  private Thread start(Callable<Integer> operation) {
    var task = new FutureTask<>(operation);
    running.add(task);
    return Thread.ofPlatform().daemon().start(task);
  }

  private Thread startWrite(long handle, int offset, byte[] data) {
    return start(() -> TestVolume.write(files, handle, offset, data));
  }

  /** Locks the tree; returns when that is done, or waits for what is at the file's contents. */
  private void startLock(boolean strict) throws InterruptedException {
    Thread locker =
        start(() -> {
          files.lock(0, identifier, false, strict);
          return 0;
        });
    if (strict) {
      assertTrue(ending.await(LONGEST_SECONDS, TimeUnit.SECONDS));
      awaitWaiting(locker);
    } else {
      locker.join(TimeUnit.SECONDS.toMillis(LONGEST_SECONDS));
    }
  }

  private static void awaitWaiting(Thread thread) throws InterruptedException {
    for (int i = 0; thread.getState() != Thread.State.WAITING; i++) {
      assertTrue(i < 1000 * LONGEST_SECONDS, "it does not wait");
      Thread.sleep(1);
    }
  }

  /** What was begun ends; returns what each operation answered. */
  private List<Integer> results() throws Exception {
    var results = new ArrayList<Integer>();
    for (FutureTask<Integer> each : running) {
      results.add(each.get(LONGEST_SECONDS, TimeUnit.SECONDS));
    }
    running.clear();
    return results;
  }

  private void expect(int offset, byte[] data) {
    expected = Arrays.copyOf(expected, Math.max(expected.length, offset + data.length));
    System.arraycopy(data, 0, expected, offset, data.length);
  }

  private void assertExpected() throws ErrnoException {
    assertEquals(expected.length, files.status(file, 0).size());
    assertArrayEquals(expected, TestVolume.contents(files, file));
  }

  /** Writes with a handle of the present contents, and looks at all, also after mounting again. */
  private void assertNothingIsLost(long... handles) throws ErrnoException {
    assertExpected();
    for (long handle : handles) {
      byte[] more = random((int) handle, 700);
      int offset = expected.length - 300;
      assertEquals(more.length, TestVolume.write(files, handle, offset, more));
      expect(offset, more);
      files.release(handle);
    }
    assertExpected();
    files.close();
    files = open();
    unlock();
    file = TestVolume.find(files, "tree/file").id();
    assertExpected();
  }

  @ParameterizedTest(name = "strict {0}, {2} bytes at {1}, before change {3}")
  @MethodSource("writes")
  @DisplayName("is in the file when it has been answered")
  void whileItChangesTheStore(boolean strict, int offset, int length, int change) throws Exception {
    byte[] data = random(2, length);
    long before = files.open(file, Flags.O_RDWR);
    MemoryStore.Pause pause = store.pauseAt(change);
    startWrite(before, offset, data);
    pause.await();
    startLock(strict);
    unlock();
    long after = files.open(file, Flags.O_RDWR);
    pause.goOn();
    assertEquals(length, results().getFirst());
    expect(offset, data);
    assertNothingIsLost(before, after);
  }

  @ParameterizedTest(name = "strict {0}")
  @ValueSource(booleans = {true, false})
  @DisplayName("and has not begun to change anything is done with what the unlock has brought")
  void whileItWaitsForAnother(boolean strict) throws Exception {
    byte[] first = random(2, 5000);
    byte[] second = random(3, 6000);
    long before = files.open(file, Flags.O_RDWR);
    MemoryStore.Pause pause = store.pauseAt(1);
    startWrite(before, 9000, first);
    pause.await();
    startLock(strict);
    // Behind the lock, at contents whose key is gone when it is its turn.
    awaitWaiting(startWrite(before, 12_000, second));
    unlock();
    long after = files.open(file, Flags.O_RDWR);
    pause.goOn();
    assertEquals(List.of(first.length, 0, second.length), results());
    expect(9000, first);
    expect(12_000, second);
    assertNothingIsLost(before, after);
  }

  @Test
  @DisplayName("is refused, and changes nothing, if the tree stays locked")
  void withoutAnUnlock() throws Exception {
    byte[] first = random(2, 5000);
    long before = files.open(file, Flags.O_RDWR);
    MemoryStore.Pause pause = store.pauseAt(1);
    startWrite(before, 9000, first);
    pause.await();
    startLock(true);
    FutureTask<Integer> second = new FutureTask<>(() -> TestVolume.write(files, before, 0, first));
    awaitWaiting(Thread.ofPlatform().daemon().start(second));
    pause.goOn();
    assertEquals(List.of(first.length, 0), results());
    Throwable refused =
        assertThrows(ExecutionException.class, () -> second.get(LONGEST_SECONDS, TimeUnit.SECONDS))
            .getCause();
    assertEquals(Errno.ENOKEY, assertInstanceOf(ErrnoException.class, refused).errno());
    unlock();
    expect(9000, first);
    assertNothingIsLost(files.open(file, Flags.O_RDWR));
  }
}
