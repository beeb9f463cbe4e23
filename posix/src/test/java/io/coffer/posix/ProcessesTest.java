package io.coffer.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProcessesTest {
  @TempDir Path directory;

  private static byte[] name(Path path) {
    return path.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static String statusOfThread(String key) throws Exception {
    try (var lines = Files.lines(Path.of("/proc/thread-self/status"))) {
      return lines
          .filter(line -> line.startsWith(key + ":"))
          .map(line -> line.substring(key.length() + 1).strip())
          .findFirst()
          .orElseThrow();
    }
  }

  @Test
  void aStartedProgramIsWaitedForAndSeesAddedVariables() throws Exception {
    int pid = Processes.spawn(List.of("sh", "-c", "exit $CODE"), Map.of("CODE", "7"));
    assertEquals(7, Processes.waitFor(pid));
    int killed = Processes.spawn(List.of("sleep", "60"), Map.of());
    Processes.signal(killed, 9);
    assertEquals(128 + 9, Processes.waitFor(killed));
    var e =
        assertThrows(
            ErrnoException.class, () -> Processes.spawn(List.of("no-such-program"), Map.of()));
    assertEquals(Errno.ENOENT, e.errno());
  }

  @Test
  void aSocketPairInheritedByAChildCarriesBytesAndTellsOfTheEnd() throws Exception {
    int[] pair = Processes.socketPair();
    int pid = Processes.spawn(List.of("bash", "-c", "printf x >&" + pair[1]), Map.of());
    assertEquals(0, Processes.waitFor(pid));
    Linux.close(pair[1]);
    // Bytes without a descriptor: there is none to receive, and after them the end.
    assertEquals(-1, Processes.receiveDescriptor(pair[0]));
    assertEquals(-1, Processes.receiveDescriptor(pair[0]));
    Linux.close(pair[0]);
  }

  @Test
  void forbiddingDumpsClosesTheProcessToOthersAndAllowsNoCoreFile() throws Exception {
    Processes.forbidDumps();
    try {
      assertTrue(
          Files.readString(Path.of("/proc/self/limits"))
              .matches("(?s).*Max core file size +[01] +[01] .*"));
      assertEquals(0, SystemCall.call(Numbers.PRCTL, 3 /* PR_GET_DUMPABLE */));
    } finally {
      SystemCall.call(Numbers.PRCTL, 4 /* PR_SET_DUMPABLE */, 1, 0, 0);
    }
  }

  @Test
  void theDescriptorLimitIsRaisedToTheHardOne() throws Exception {
    long raised = Processes.raiseDescriptorLimit();
    assertTrue(raised > 0 && raised <= 1 << 20);
    assertTrue(Processes.descriptorLimit() >= raised);
  }

  @Test
  void makingFilesIgnoresTheUmaskAndLeavesItAsItIs() throws Exception {
    String umask = statusOfThread("Umask");
    assertNotEquals("0000", umask, "this test needs a umask that takes something away");
    Path file = directory.resolve("f");
    Linux.close(Linux.open(Flags.AT_FDCWD, name(file), Flags.O_CREAT | Flags.O_WRONLY, 0666));
    Linux.makeDirectory(Flags.AT_FDCWD, name(directory.resolve("d")), 0777);
    Linux.makeNode(Flags.AT_FDCWD, name(directory.resolve("p")), FileStatus.TYPE_FIFO | 0622, 0);
    assertEquals(FileStatus.TYPE_REGULAR | 0666, Linux.status(Flags.AT_FDCWD, name(file)).mode());
    assertEquals(
        FileStatus.TYPE_DIRECTORY | 0777,
        Linux.status(Flags.AT_FDCWD, name(directory.resolve("d"))).mode());
    assertEquals(
        FileStatus.TYPE_FIFO | 0622,
        Linux.status(Flags.AT_FDCWD, name(directory.resolve("p"))).mode());
    assertEquals(umask, statusOfThread("Umask"));
  }

  @Test
  void aThreadActsForSomebodyElseAndOtherThreadsDoNot() throws Exception {
    assumeTrue(Credentials.effectiveUid() == 0, "needs root");
    Linux.changeMode(Flags.AT_FDCWD, name(directory), 0755);
    Path secret = directory.resolve("secret");
    Files.writeString(secret, "s");
    Linux.changeMode(Flags.AT_FDCWD, name(secret), 0600);
    Path shared = directory.resolve("shared");
    Linux.makeDirectory(Flags.AT_FDCWD, name(shared), 0777);
    // Started before: a thread begins with the ids of the one that starts it.
    var acting = new CountDownLatch(1);
    var other =
        new FutureTask<Void>(() -> {
          acting.await();
          Linux.changeMode(Flags.AT_FDCWD, name(secret), 0640);
          Files.createFile(shared.resolve("by-other"));
          return null;
        });
    Thread.ofPlatform().start(other);
    Credentials.actAs(4711, 4712, new int[] {4713});
    try {
      assertEquals("4713", statusOfThread("Groups"));
      // The kernel has checked what the user may read; what the user does not own stays so.
      Linux.close(Linux.open(Flags.AT_FDCWD, name(secret), 0, 0));
      var e =
          assertThrows(
              ErrnoException.class, () -> Linux.changeMode(Flags.AT_FDCWD, name(secret), 0777));
      assertEquals(Errno.EPERM, e.errno());
      Path made = shared.resolve("made");
      Linux.close(Linux.open(Flags.AT_FDCWD, name(made), Flags.O_CREAT | Flags.O_WRONLY, 0640));
      FileStatus status = Linux.status(Flags.AT_FDCWD, name(made));
      assertEquals(4711, status.uid());
      assertEquals(4712, status.gid());
      acting.countDown();
      other.get();
    } finally {
      Credentials.actAsSelf(new int[0]);
    }
    assertEquals(0, Linux.status(Flags.AT_FDCWD, name(shared.resolve("by-other"))).uid());
    Linux.changeMode(Flags.AT_FDCWD, name(secret), 0600);
    assertEquals("", statusOfThread("Groups"));
  }

  @Test
  void aFilesystemIsMountedAndUnmounted() throws Exception {
    assumeTrue(Credentials.effectiveUid() == 0, "needs root");
    String target = directory.toString();
    long before = Linux.status(Flags.AT_FDCWD, name(directory)).device();
    Mounting.mount("none", target, "tmpfs", Flags.MS_NODEV, "size=1m");
    try {
      assertNotEquals(before, Linux.status(Flags.AT_FDCWD, name(directory)).device());
    } finally {
      Mounting.unmount(target, 0);
    }
    assertEquals(before, Linux.status(Flags.AT_FDCWD, name(directory)).device());
  }

  @Test
  void twoPiecesOfMemoryAreWrittenAsOne() throws Exception {
    int file =
        Linux.open(
            Flags.AT_FDCWD, name(directory.resolve("w")), Flags.O_CREAT | Flags.O_RDWR, 0600);
    try (Arena arena = Arena.ofConfined()) {
      var first = arena.allocateFrom("ab");
      var second = arena.allocateFrom("cde");
      assertEquals(5, Linux.writeTwo(file, first.address(), 2, second.address(), 3));
      assertEquals(1, Linux.writeTwo(file, first.address(), 1, second.address(), 0));
    } finally {
      Linux.close(file);
    }
    assertEquals("abcdea", Files.readString(directory.resolve("w")));
  }

  @Test
  void deviceNumbersSurviveTheirEncoding() {
    for (int[] numbers : new int[][] {{8, 1}, {0xfff, 0xff}, {0x12345, 0xabcde}, {0, 0xfffff}}) {
      long device = Linux.device(numbers[0], numbers[1]);
      assertEquals(numbers[0], Linux.deviceMajor(device));
      assertEquals(numbers[1], Linux.deviceMinor(device));
    }
    assertEquals(0x801, Linux.device(8, 1));
  }

  @Test
  void aDescriptorTravelsOverASocketTogetherWithAByte() throws Exception {
    int[] pair = Processes.socketPair();
    Path file = Files.writeString(directory.resolve("file"), "content");
    try (SocketPairEnd other = new SocketPairEnd(pair[1])) {
      SocketPairEnd one = new SocketPairEnd(pair[0]);
      int sent = Linux.open(Flags.AT_FDCWD, name(file), Flags.O_RDONLY, 0);
      one.sendDescriptor(0, sent);
      int received = other.receiveDescriptor();
      assertNotEquals(sent, received);
      assertEquals(Linux.status(sent).inode(), Linux.status(received).inode());
      assertTrue(Processes.isClosedOnExecute(received));
      Linux.close(sent);
      Linux.close(received);
      one.output().write("hello".getBytes(StandardCharsets.UTF_8));
      one.close();
      assertEquals("hello", new String(other.input().readAllBytes(), StandardCharsets.UTF_8));
      assertEquals(-1, other.receiveDescriptor());
    }
  }

  @Test
  void aProgramThatCannotBeExecutedLeavesThisOneRunning() throws Exception {
    Path file = Files.writeString(directory.resolve("no-program"), "");
    var denied =
        assertThrows(
            ErrnoException.class,
            () -> Processes.execute(name(file), List.of(name(file)), List.of()));
    assertEquals(Errno.EACCES, denied.errno());
    int pid = Processes.spawn(List.of("sh", "-c", "exec sleep 60"), Map.of());
    assertEquals(Processes.id(), Integer.parseInt(parentOf(pid)));
    Processes.signal(pid, 9);
    assertEquals(137, Processes.waitFor(pid));
  }

  private static String parentOf(int pid) throws Exception {
    try (var lines = Files.lines(Path.of("/proc/" + pid + "/status"))) {
      return lines
          .filter(line -> line.startsWith("PPid:"))
          .map(line -> line.substring(5).strip())
          .findFirst()
          .orElseThrow();
    }
  }

  @Test
  void aBlockedSignalIsShownByTheKernelAndComesBack() throws Exception {
    long usr1 = 1L << (10 - 1);
    long before = Processes.blockSignals(usr1);
    try {
      assertEquals(usr1, Long.parseUnsignedLong(statusOfThread("SigBlk"), 16));
    } finally {
      assertEquals(usr1, Processes.blockSignals(before));
    }
  }

  @Test
  void lockedMemoryGivesBackItsBytesUntilItIsWiped() throws Exception {
    byte[] bytes = {1, 2, 3};
    LockedMemory memory = LockedMemory.take(bytes);
    assertEquals(0, bytes[0] + bytes[1] + bytes[2]);
    byte[] copy = memory.copy();
    assertEquals(3, copy.length);
    assertEquals(3, copy[2]);
    memory.close();
    assertThrows(IllegalStateException.class, memory::copy);
    assertThrows(IllegalArgumentException.class, () -> LockedMemory.take(new byte[4097]));
  }
}
