package io.coffer.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.posix.Credentials;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Mounting;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the filesystem tells the kernel unasked, on a descriptor that was mounted beforehand. */
@Timeout(60)
class NotificationTest {
  /** How requests come. */
  boolean overIoUring() {
    return false;
  }

  @TempDir Path mountPoint;

  private final MemoryFilesystem files = new MemoryFilesystem();
  private FuseMount mount;

  @BeforeEach
  void mountHandedOver() throws Exception {
    assumeTrue(
        Credentials.effectiveUid() == 0 && Files.isWritable(Path.of("/dev/fuse")),
        "SKIPPED: needs root and /dev/fuse");
    int device =
        Linux.open(
            Flags.AT_FDCWD, "/dev/fuse".getBytes(StandardCharsets.US_ASCII), Flags.O_RDWR, 0);
    Mounting.mount(
        "memory",
        mountPoint.toString(),
        "fuse",
        0,
        "fd=" + device + ",rootmode=40000,user_id=0,group_id=0");
    files.validNanos = 60_000_000_000L;
    mount =
        FuseMount.mount(
            new MountRequest(
                Path.of("/dev/fd/" + device),
                "",
                "",
                false,
                false,
                false,
                false,
                false,
                false,
                List.of()),
            files,
            new SessionOptions(
                false, true, false, false, true, false, false, false, overIoUring(), 8));
  }

  @AfterEach
  void unmount() throws Exception {
    if (mount != null) {
      FuseMount.unmount(mountPoint);
      mount.session().awaitEnd();
    }
  }

  private static String read(FileChannel channel) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(10);
    int count = channel.read(buffer, 0);
    return new String(buffer.array(), 0, count, StandardCharsets.US_ASCII);
  }

  private MemoryFilesystem.Node child(String name) {
    MemoryFilesystem.Node child = files.node(1).children.get(name);
    if (child == null) {
      throw new AssertionError(name);
    }
    return child;
  }

  @Test
  void aNameThatIsNoLongerValidIsLookedUpAgain() throws Exception {
    Path file = Files.createFile(mountPoint.resolve("f"));
    files.node(1).children.remove("f");
    assertTrue(Files.exists(file));
    mount.session().invalidateEntry(1, "f".getBytes(StandardCharsets.US_ASCII));
    assertFalse(Files.exists(file));
  }

  @Test
  void aNameThatWasDeletedIsGone() throws Exception {
    Path file = Files.createFile(mountPoint.resolve("f"));
    long id = child("f").id;
    files.node(1).children.remove("f");
    assertTrue(Files.exists(file));
    mount.session().deleted(1, id, "f".getBytes(StandardCharsets.US_ASCII));
    assertFalse(Files.exists(file));
  }

  @Test
  void contentsThatAreNoLongerValidAreReadAgain() throws Exception {
    Path file = mountPoint.resolve("f");
    Files.writeString(file, "old");
    try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
      assertEquals("old", read(channel));
      child("f").content = "new".getBytes(StandardCharsets.US_ASCII);
      assertEquals("old", read(channel));
      mount.session().invalidateInode(child("f").id, 0, 0);
      assertEquals("new", read(channel));
    }
  }

  @Test
  void contentsCanBePutIntoTheKernelsCache() throws Exception {
    Path file = mountPoint.resolve("f");
    Files.writeString(file, "abc");
    try (var channel = FileChannel.open(file, StandardOpenOption.READ);
        Arena arena = Arena.ofConfined()) {
      assertEquals("abc", read(channel));
      MemorySegment data = arena.allocateFrom("xyz");
      mount.session().store(child("f").id, 0, data, 3);
      assertEquals("xyz", read(channel));
    }
  }

  @Test
  void whatTheKernelDoesNotKnowIsNoError() throws Exception {
    mount.session().invalidateInode(4711, 0, 0);
    mount.session().invalidateEntry(1, "unknown".getBytes(StandardCharsets.US_ASCII));
    assertTrue(Files.isDirectory(mountPoint));
  }
}
