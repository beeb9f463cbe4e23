package io.coffer.mount;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.vfs.PolicyFilesystem;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the kernel's own tests of fscrypt (xfstests, group encrypt) and Lustre's (sanity-sec) ask
 * for, on a real mount.
 */
@DisplayName("Trees with policies in a mounted view")
class TreesTest extends MountedTree {
  private static final int RECORD_BYTES = 1000;

  private static byte[] record(long number) {
    byte[] bytes = new byte[RECORD_BYTES];
    new Random(number).nextBytes(bytes);
    return bytes;
  }

  @Test
  @DisplayName("are seen again at once when unlocked, no name stale (generic/429)")
  void namesAreRevalidated() throws Exception {
    Files.write(tree.resolve("file"), random(5000));
    Files.createDirectory(tree.resolve("dir"));
    Files.write(tree.resolve("dir/inner"), random(10));
    Files.createSymbolicLink(tree.resolve("link"), Path.of("file"));
    lock(true);
    assertFalse(Files.exists(tree.resolve("file")));
    assertFalse(Files.exists(tree.resolve("dir/inner")));
    List<Path> locked = entries(tree);
    for (Path each : locked) {
      assertTrue(Files.exists(each, java.nio.file.LinkOption.NOFOLLOW_LINKS));
    }
    unlock(1);
    assertArrayEquals(random(5000), Files.readAllBytes(tree.resolve("file")));
    assertArrayEquals(random(10), Files.readAllBytes(tree.resolve("dir/inner")));
    assertEquals(Path.of("file"), Files.readSymbolicLink(tree.resolve("link")));
    assertEquals(4, Files.size(tree.resolve("link")) == 5000 ? 4 : -1);
    for (Path each : locked) {
      assertFalse(Files.exists(each, java.nio.file.LinkOption.NOFOLLOW_LINKS), each.toString());
    }
    assertEquals(List.of("dir", "file", "link"), names(tree));
  }

  @Test
  @DisplayName("are listed anew when locked and unlocked, though the kernel keeps listings")
  void listingsAreForgotten() throws Exception {
    Files.createDirectory(tree.resolve("dir"));
    Files.write(tree.resolve("dir/inner"), random(10));
    Path dir = tree.resolve("dir");
    for (int i = 0; i < 3; i++) { // the kernel keeps the second
      assertEquals(List.of("dir"), names(tree));
      assertEquals(List.of("inner"), names(dir));
    }
    try (var open = Files.newDirectoryStream(dir)) { // keeps the directory known
      lock(true);
      assertNotNull(open);
    }
    for (int i = 0; i < 3; i++) {
      assertEquals(1, names(tree).size());
      assertNotEquals(List.of("dir"), names(tree));
      assertNotEquals(List.of("inner"), names(entries(tree).getFirst()));
    }
    unlock(1);
    for (int i = 0; i < 3; i++) {
      assertEquals(List.of("dir"), names(tree));
      assertEquals(List.of("inner"), names(dir));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 16, 17, 40})
  @DisplayName("do not show a name of a file with many hard links when locked")
  void hardLinksAreForgotten(int links) throws Exception {
    Path file = tree.resolve("name0");
    Files.write(file, random(10));
    List<Path> paths = new ArrayList<>(List.of(file));
    for (int i = 1; i < links; i++) {
      paths.add(Files.createLink(tree.resolve("name" + i), file));
      assertTrue(Files.exists(file)); // looked up when it had so many names
    }
    for (Path each : paths) {
      assertEquals(10, Files.size(each));
    }
    lock(true);
    for (Path each : paths) {
      assertFalse(Files.exists(each), each.toString());
    }
    unlock(1);
    for (Path each : paths) {
      assertEquals(10, Files.size(each));
    }
  }

  @Test
  @DisplayName("can be listed and removed, and nothing else, when locked (generic/397, 419)")
  void lockedTree() throws Exception {
    Files.write(tree.resolve("n".repeat(255)), random(10));
    Files.createDirectory(tree.resolve("dir"));
    Files.write(tree.resolve("dir/inner"), random(10));
    lock(true);
    assertEquals(2, entries(tree).size());
    Path directory = entries(tree).stream().filter(Files::isDirectory).findFirst().orElseThrow();
    Path file = entries(tree).stream().filter(Files::isRegularFile).findFirst().orElseThrow();
    assertEquals(10, Files.size(file));
    assertNoKey(() -> Files.readAllBytes(file));
    assertNoKey(() -> Files.write(tree.resolve("new"), new byte[0]));
    assertNoKey(() -> Files.createDirectory(tree.resolve("new")));
    assertNoKey(() -> Files.createSymbolicLink(tree.resolve("new"), Path.of("x")));
    assertNoKey(() -> Files.createLink(tree.resolve("new"), file));
    assertNoKey(() -> Files.move(file, tree.resolve("new")));
    assertEquals(2, entries(tree).size());
    Files.delete(file);
    Files.delete(entries(directory).getFirst());
    Files.delete(directory);
    assertEquals(List.of(), entries(tree));
    Files.delete(tree);
    Files.createDirectory(tree);
  }

  @Test
  @DisplayName("never give two entries one name, however a lock races with creation (generic/621)")
  void noDuplicateNames() throws Exception {
    var stop = new AtomicBoolean();
    var fault = new AtomicReference<@Nullable Throwable>();
    Thread keys =
        Thread.ofPlatform()
            .start(() -> {
              try {
                while (!stop.get()) {
                  files().lock(0, identifier, false, true);
                  unlock(1);
                }
              } catch (ErrnoException e) {
                fault.set(e);
              }
            });
    for (int round = 0; round < 300; round++) {
      try {
        Files.createDirectory(tree.resolve("name"));
      } catch (FileSystemException e) {
        // It is there, or there is no key.
      }
    }
    stop.set(true);
    keys.join();
    assertEquals(null, fault.get());
    assertTrue(names(tree).size() <= 1, names(tree).toString());
  }

  @Test
  @DisplayName("lose no write that was accepted, however a lock races with it (generic/595)")
  void noLostWrites() throws Exception {
    var stop = new AtomicBoolean();
    var fault = new AtomicReference<@Nullable Throwable>();
    Thread keys =
        Thread.ofPlatform()
            .start(() -> {
              try {
                while (!stop.get()) {
                  files().lock(0, identifier, false, true);
                  unlock(1);
                }
              } catch (ErrnoException e) {
                fault.set(e);
              }
            });
    Path file = tree.resolve("file");
    byte last = 0;
    for (int round = 1; round <= 300; round++) {
      byte[] content = new byte[6000];
      Arrays.fill(content, (byte) round);
      try (var channel =
          FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
        ByteBuffer buffer = ByteBuffer.wrap(content);
        while (buffer.hasRemaining()) {
          channel.write(buffer);
        }
        channel.force(false);
        last = (byte) round;
      } catch (IOException e) {
        // Not accepted; it may have been written in part all the same.
        last = 0;
      }
    }
    stop.set(true);
    keys.join();
    assertEquals(null, fault.get());
    if (last == 0) {
      byte[] content = new byte[6000];
      Arrays.fill(content, (byte) 77);
      Files.write(file, content);
      last = 77;
    }
    byte[] found = Files.readAllBytes(file);
    assertEquals(6000, found.length);
    for (byte each : found) {
      assertEquals(last, each);
    }
  }

  @Nested
  @DisplayName("while a file is open")
  class OpenFiles {
    @Test
    void strictLockEndsItsUseAndKeepsWhatWasMapped() throws Exception {
      Path path = tree.resolve("file");
      Files.write(path, new byte[8192]);
      try (var file = new RandomAccessFile(path.toFile(), "rw");
          Arena arena = Arena.ofConfined()) {
        // An arena ends the mapping, which would keep the view in use.
        var map = file.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, 8192, arena);
        map.set(ValueLayout.JAVA_BYTE, 5000, (byte) 42);
        lock(true);
        assertThrows(IOException.class, file::read);
        assertThrows(IOException.class, () -> file.write(1));
        unlock(1);
        assertEquals(42, Files.readAllBytes(path)[5000]);
      }
    }

    @Test
    @DisplayName("strict lock writes all that was accepted, and nothing is accepted after it")
    void strictLockLosesNothing() throws Exception {
      Path path = tree.resolve("file");
      var accepted = new AtomicLong();
      var fault = new AtomicReference<@Nullable Throwable>();
      var writing = new CountDownLatch(100);
      Thread writer =
          Thread.ofPlatform()
              .start(() -> {
                try (var file = new RandomAccessFile(path.toFile(), "rw")) {
                  while (true) {
                    try {
                      file.write(record(accepted.get()));
                    } catch (IOException e) {
                      break; // the lock
                    }
                    accepted.incrementAndGet();
                    writing.countDown();
                  }
                  assertThrows(IOException.class, () -> file.write(1));
                  file.getFD().sync();
                } catch (IOException | RuntimeException | Error e) {
                  fault.set(e);
                }
              });
      assertTrue(writing.await(60, TimeUnit.SECONDS));
      lock(true);
      writer.join();
      assertEquals(null, fault.get());
      unlock(1);
      try (var file = new RandomAccessFile(path.toFile(), "r")) {
        assertTrue(file.length() >= accepted.get() * RECORD_BYTES, "accepted: " + accepted);
        byte[] found = new byte[RECORD_BYTES];
        for (long i = 0; i < accepted.get(); i++) {
          file.readFully(found);
          assertArrayEquals(record(i), found, "record " + i);
        }
      }
    }

    @Test
    void strictLockKeepsTheDataOfAFileThatHasNoNameAnyMore() throws Exception {
      Path path = tree.resolve("file");
      try (var file = new RandomAccessFile(path.toFile(), "rw")) {
        Files.createLink(view.resolve("tree").resolve("other"), path);
        file.write(random(5000));
        Files.delete(path);
        lock(true);
      }
      unlock(1);
      assertArrayEquals(random(5000), Files.readAllBytes(tree.resolve("other")));
    }

    @Test
    void lazyLockLetsItGrowAndKeepsItsTimes() throws Exception {
      Path path = tree.resolve("file");
      FileTime modified;
      try (var file = new RandomAccessFile(path.toFile(), "rw")) {
        file.write(random(5000));
        lock(false);
        file.write(random(5000));
        file.getFD().sync();
        file.setLength(9000);
        file.seek(0);
        file.write(7);
        modified = Files.getLastModifiedTime(entries(tree).getFirst());
      }
      assertNoKey(() -> Files.setPosixFilePermissions(entries(tree).getFirst(), Set.of()));
      unlock(1);
      byte[] wanted = new byte[10000];
      System.arraycopy(random(5000), 0, wanted, 0, 5000);
      System.arraycopy(random(5000), 0, wanted, 5000, 5000);
      wanted[0] = 7;
      assertArrayEquals(Arrays.copyOf(wanted, 9000), Files.readAllBytes(path));
      assertEquals(modified, Files.getLastModifiedTime(path));
    }

    @Test
    @DisplayName("lazy lock lets it be used until it is closed (generic/580)")
    void lazyLock() throws Exception {
      Path path = tree.resolve("file");
      Files.write(path, random(8192));
      try (var file = new RandomAccessFile(path.toFile(), "rw")) {
        lock(false);
        byte[] found = new byte[8192];
        file.readFully(found);
        assertArrayEquals(random(8192), found);
        assertThrows(NoSuchFileException.class, () -> Files.readAllBytes(path));
        assertEquals(
            PolicyFilesystem.KeyStatus.INCOMPLETELY_REMOVED,
            files().tree("tree".getBytes(UTF_8)).status());
      }
      unlock(1);
      assertArrayEquals(random(8192), Files.readAllBytes(path));
    }
  }

  @Test
  @DisplayName("let mv copy between trees (generic/398, sanity-sec 47)")
  void movingBetweenTrees() throws Exception {
    Files.createDirectory(view.resolve("second"));
    setPolicy("second", unlock(2));
    Files.write(tree.resolve("file"), random(5000));
    Process mv =
        new ProcessBuilder("mv", tree + "/file", view + "/second/moved").inheritIO().start();
    assertEquals(0, mv.waitFor());
    assertArrayEquals(random(5000), Files.readAllBytes(view.resolve("second/moved")));
    assertFalse(Files.exists(tree.resolve("file")));
    assertThrows(
        FileSystemException.class,
        () -> Files.createLink(tree.resolve("linked"), view.resolve("second/moved")));
  }

  @Test
  @DisplayName("are incompressible in the store, names and zeros alike (generic/399, 613)")
  void incompressible() throws Exception {
    for (int i = 0; i < 20; i++) {
      Files.write(tree.resolve("file" + i), new byte[65536]);
    }
    var deflater = new java.util.zip.Deflater();
    long compressed = 0;
    long all = 0;
    byte[] out = new byte[1 << 20];
    var units = new TreeSet<String>();
    for (Path each : entries(base.resolve("store/tree"))) {
      byte[] content = Files.readAllBytes(each);
      for (int i = 0; i < content.length; i += 4096) {
        assertTrue(units.add(HexFormat.of().formatHex(content, i, i + 16)), "a unit twice");
      }
      deflater.setInput(content);
      deflater.finish();
      compressed += deflater.deflate(out);
      all += content.length;
      deflater.reset();
    }
    deflater.end();
    assertTrue(compressed >= all, compressed + " of " + all);
  }

  @Test
  @DisplayName("show long names that differ only at their ends, each by one name (generic/435)")
  void longNames() throws Exception {
    int count = 500;
    for (int i = 0; i < count; i++) {
      Files.createFile(tree.resolve("n".repeat(240) + "%010d".formatted(i)));
    }
    lock(true);
    List<String> names = names(tree);
    assertEquals(count, new java.util.HashSet<>(names).size());
    for (String each : names) {
      Files.delete(tree.resolve(each));
    }
    assertEquals(List.of(), names(tree));
    assertEquals(List.of(), entries(base.resolve("store/tree")));
  }

  @Test
  @DisplayName("take and give data past the page cache (O_DIRECT)")
  void directAccess() throws Exception {
    Path path = tree.resolve("file");
    byte[] name = path.toString().getBytes(UTF_8);
    byte[] written = random(3 * 4096);
    int flags = Flags.O_RDWR | Flags.O_CREAT | Flags.O_DIRECT;
    int descriptor = Linux.open(Flags.AT_FDCWD, name, flags, 0644);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(written.length, 4096);
      MemorySegment.copy(written, 0, buffer, ValueLayout.JAVA_BYTE, 0, written.length);
      assertEquals(written.length, Linux.write(descriptor, buffer.address(), written.length, 4096));
      assertArrayEquals(written, Arrays.copyOfRange(Files.readAllBytes(path), 4096, 4 * 4096));
      // What others write is seen, and a file that ends within a unit is read to its end.
      Files.write(path, random(5000));
      buffer.fill((byte) 7);
      assertEquals(5000, Linux.read(descriptor, buffer.address(), written.length, 0));
      byte[] read = buffer.asSlice(0, 5000).toArray(ValueLayout.JAVA_BYTE);
      assertArrayEquals(random(5000), read);
    } finally {
      Linux.close(descriptor);
    }
  }

  @Test
  @DisplayName("keep holes, and sizes within a data unit (sanity-sec 38 to 40, 48)")
  void sizesAndHoles() throws Exception {
    Path path = tree.resolve("file");
    try (var file = new RandomAccessFile(path.toFile(), "rw")) {
      file.seek(10 << 20);
      file.write(random(100));
      assertEquals((10 << 20) + 100, file.length());
      file.setLength(5000);
      file.setLength(9000);
      file.seek(4000);
      file.write(random(13));
      for (int size : new int[] {8999, 4096, 4099, 17, 16, 15, 4096 * 3, 1}) {
        file.setLength(size);
        assertEquals(size, file.length());
        assertEquals(size, Files.readAllBytes(path).length);
      }
    }
    Path stored = entries(base.resolve("store/tree")).getFirst();
    assertEquals(4096, Files.size(stored));
    Path sparse = tree.resolve("sparse");
    try (var file = new RandomAccessFile(sparse.toFile(), "rw")) {
      file.seek(100 << 20);
      file.write(1);
    }
    Object blocks = Files.getAttribute(sparse, "unix:size");
    assertEquals((100L << 20) + 1, blocks);
    try (Stream<Path> all = Files.list(base.resolve("store/tree"))) {
      for (Path each : all.toList()) {
        int descriptor =
            Linux.open(Flags.AT_FDCWD, each.toString().getBytes(UTF_8), Flags.O_RDONLY, 0);
        assertTrue(Linux.status(descriptor).blocks() < 1000, "a hole was filled");
        Linux.close(descriptor);
      }
    }
  }

  @Nested
  @DisplayName("are controlled by a socket")
  class Control {
    private Path socket() throws ErrnoException {
      byte[] at = view.toString().getBytes(UTF_8);
      int descriptor = Linux.open(Flags.AT_FDCWD, at, Flags.O_RDONLY, 0);
      try {
        byte[] path = Linux.getXattr(descriptor, TreeControl.ATTRIBUTE);
        return Path.of(new String(java.util.Objects.requireNonNull(path), UTF_8));
      } finally {
        Linux.close(descriptor);
      }
    }

    private String ask(String request, byte... secret) throws IOException {
      try (var channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
        channel.connect(UnixDomainSocketAddress.of(socket()));
        channel.write(ByteBuffer.wrap((request + "\n").getBytes(UTF_8)));
        channel.write(ByteBuffer.wrap(secret));
        return new String(Channels.newInputStream(channel).readAllBytes(), UTF_8).strip();
      }
    }

    private String hex(String text) {
      return HexFormat.of().formatHex(text.getBytes(UTF_8));
    }

    @Test
    void whichTellsOfTreesAndKeysAndTakesThem() throws Exception {
      String id = HexFormat.of().formatHex(identifier);
      String status = ask("{\"op\":\"status\",\"path\":\"" + hex("tree") + "\"}");
      assertTrue(status.contains("\"identifier\":\"" + id + "\",\"status\":\"present\""), status);
      assertEquals("{\"encrypted\":false}", ask("{\"op\":\"status\",\"path\":\"\"}"));
      assertEquals(
          "{\"otherUsers\":false,\"busyFiles\":[]}",
          ask("{\"op\":\"lock\",\"identifier\":\"" + id + "\"}"));
      assertTrue(
          ask("{\"op\":\"lock\",\"identifier\":\"" + id + "\"}")
              .startsWith("{\"error\":" + Errno.ENOKEY));
      byte[] raw = new byte[64];
      Arrays.fill(raw, (byte) 1);
      assertEquals(
          "{\"identifier\":\"" + id + "\"}", ask("{\"op\":\"unlock\",\"secret\":\"64\"}", raw));
      String keys = ask("{\"op\":\"keys\"}");
      assertTrue(keys.contains("\"status\":\"present\",\"users\":[0]"), keys);
      Path metadata = Files.writeString(base.resolve("metadata"), "{}");
      assertEquals(
          "{\"metadata\":\"{}\",\"file\":\"" + metadata + "\"}", ask("{\"op\":\"metadata\"}"));
    }

    @Test
    void whichRefusesWhatIsNoRequest() throws Exception {
      for (String each :
          List.of(
              "",
              "x",
              "[]",
              "{}",
              "{\"op\":1}",
              "{\"op\":\"status\"}",
              "{\"op\":\"status\",\"path\":\"zz\"}",
              "{\"op\":\"unlock\",\"secret\":\"-1\"}",
              "{\"op\":\"unlock\",\"secret\":\"65\"}",
              "{\"op\":\"unlock\",\"secret\":\"0\"}",
              "{\"op\":\"setPolicy\",\"path\":\"\"}")) {
        assertTrue(ask(each).startsWith("{\"error\":" + Errno.EINVAL), each + ": " + ask(each));
      }
      assertTrue(ask("{\"op\":\"other\"}").startsWith("{\"error\":" + Errno.EOPNOTSUPP));
    }

    @Test
    void whichSetsPolicies() throws Exception {
      Files.createDirectory(view.resolve("new"));
      String request =
          "{\"op\":\"setPolicy\",\"path\":\""
              + hex("new")
              + "\",\"contents\":\"AES_256_XTS\",\"names\":\"AES_256_HCTR2\",\"padding\":\"16\","
              + "\"identifier\":\""
              + HexFormat.of().formatHex(identifier)
              + "\"}";
      assertEquals("{}", ask(request));
      assertEquals("{}", ask(request));
      assertTrue(ask(request.replace("\"16\"", "\"4\"")).startsWith("{\"error\":" + Errno.EEXIST));
      assertTrue(ask(request.replace("\"16\"", "\"5\"")).startsWith("{\"error\":" + Errno.EINVAL));
      assertTrue(ask(request.replace(hex("new"), "")).startsWith("{\"error\":" + Errno.EPERM));
    }
  }
}
