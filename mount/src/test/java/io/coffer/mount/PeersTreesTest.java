package io.coffer.mount;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.SystemCall;
import io.coffer.vfs.EncryptedFilesystem;
import io.coffer.vfs.PolicyFilesystem;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/**
 * More of what the test suites of the kernel and of Lustre ask for, on a real mount. Which of our
 * tests answers to which of theirs is listed in docs/formats.md.
 */
@DisplayName("A tree with a policy behaves as the kernel's and Lustre's do:")
class PeersTreesTest extends MountedTree {
  private static void assertErrno(int errno, Executable operation) {
    assertEquals(errno, assertThrows(ErrnoException.class, operation).errno());
  }

  private static int sh(@Nullable Integer user, String script) throws Exception {
    var builder =
        user == null
            ? new ProcessBuilder("sh", "-ec", script)
            : new ProcessBuilder(
                "setpriv",
                "--reuid=" + user,
                "--regid=" + user,
                "--clear-groups",
                "sh",
                "-ec",
                script);
    Process process = builder.redirectErrorStream(true).start();
    process.getOutputStream().close();
    process.getInputStream().readAllBytes();
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), script);
    return process.exitValue();
  }

  private static int open(Path path) throws ErrnoException {
    return Linux.open(Flags.AT_FDCWD, path.toString().getBytes(UTF_8), Flags.O_RDONLY, 0);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  @Test
  @DisplayName("a policy is for empty directories, once (generic/395)")
  void settingPolicies() throws Exception {
    setPolicy("tree", identifier);
    byte[] other = unlock(2);
    assertErrno(Errno.EEXIST, () -> setPolicy("tree", other));
    Files.createDirectory(view.resolve("full"));
    Files.createFile(view.resolve("full/file"));
    assertErrno(Errno.ENOTEMPTY, () -> setPolicy("full", identifier));
    assertErrno(Errno.ENOTDIR, () -> setPolicy("full/file", identifier));
    assertErrno(Errno.ENOENT, () -> setPolicy("none", identifier));
    Files.createDirectory(view.resolve("empty"));
    var readOnly = EncryptedFilesystem.Options.defaults().withReadOnly(true);
    try (var view = new PolicyFilesystem(store(), readOnly, null)) {
      byte[] raw = new byte[64];
      Arrays.fill(raw, (byte) 1);
      byte[] same = view.unlock(0, raw);
      assertErrno(
          Errno.EROFS,
          () -> view.setPolicy(0, ascii("empty"), "AES_256_XTS", "AES_256_CTS", 32, same));
    }
    assertFalse(files().tree(ascii("empty")).isEncrypted());
  }

  @Test
  @DisplayName("a policy that makes no sense is refused (generic/396)")
  void checkingPolicies() throws Exception {
    Files.createDirectory(view.resolve("empty"));
    String[][] wrong = {
      {"AES_256_XTS", "ADIANTUM", "32"},
      {"AES_256_XTS", "AES_256_XTS", "32"},
      {"AES_256_CTS", "AES_256_CTS", "32"},
      {"NONE", "AES_256_CTS", "32"},
      {"AES_256_XTS", "AES_256_CTS", "0"},
      {"AES_256_XTS", "AES_256_CTS", "5"},
      {"AES_256_XTS", "AES_256_CTS", "64"}
    };
    for (String[] each : wrong) {
      assertErrno(
          Errno.EINVAL,
          () ->
              files()
                  .setPolicy(
                      0, ascii("empty"), each[0], each[1], Integer.parseInt(each[2]), identifier));
    }
    assertErrno(Errno.EINVAL, () -> setPolicy("empty", new byte[15]));
    assertErrno(Errno.ENOKEY, () -> setPolicy("empty", new byte[16]));
    assertFalse(files().tree(ascii("empty")).isEncrypted());
  }

  @Test
  @DisplayName("who reads while keys come and go gets what is there, or an error (generic/421)")
  void readingWhileKeysGo() throws Exception {
    byte[] content = random(300_000);
    Path file = tree.resolve("file");
    Files.write(file, content);
    var stop = new AtomicBoolean();
    var read = new AtomicInteger();
    var fault = new AtomicReference<@Nullable Throwable>();
    Runnable reading =
        () -> {
          while (!stop.get()) {
            try {
              byte[] found = Files.readAllBytes(file);
              assertArrayEquals(content, found);
              read.incrementAndGet();
            } catch (IOException e) {
              // The key is not there, or went.
            } catch (AssertionError e) {
              fault.set(e);
            }
          }
        };
    Thread one = Thread.ofPlatform().start(reading);
    Thread two = Thread.ofPlatform().start(reading);
    for (int i = 0; i < 30; i++) {
      lock(i % 2 == 0);
      unlock(1);
    }
    int before = read.get();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (read.get() == before && System.nanoTime() < deadline) {
      Thread.sleep(5);
    }
    stop.set(true);
    one.join();
    two.join();
    assertNull(fault.get());
    assertTrue(read.get() > before, "it is read again when the key is there");
  }

  @Test
  @DisplayName("a child is its parent's, whichever of them was known without the key (generic/440)")
  void childrenOfTheirParents() throws Exception {
    Files.createDirectory(tree.resolve("dir"));
    Files.write(tree.resolve("dir/file"), random(10));
    lock(true);
    for (Path each : entries(tree)) {
      assertEquals(1, entries(each).size());
    }
    unlock(1);
    assertArrayEquals(random(10), Files.readAllBytes(tree.resolve("dir/file")));
    lock(true);
    assertEquals(1, entries(tree).size());
    unlock(1);
    Files.write(tree.resolve("dir/second"), random(20));
    assertArrayEquals(random(20), Files.readAllBytes(tree.resolve("dir/second")));
  }

  @Test
  @DisplayName("a key stays until the last who claims it has given it up (generic/581)")
  void claims() throws Exception {
    Files.write(tree.resolve("file"), random(10));
    byte[] raw = new byte[64];
    Arrays.fill(raw, (byte) 1);
    assertArrayEquals(identifier, files().unlock(1234, raw));
    assertErrno(Errno.ENOKEY, () -> files().lock(99, identifier, false, true));
    assertTrue(files().lock(0, identifier, false, true).otherUsers());
    assertArrayEquals(random(10), Files.readAllBytes(tree.resolve("file")));
    assertErrno(Errno.ENOKEY, () -> lock(true));
    Files.createDirectory(view.resolve("his"));
    assertErrno(
        Errno.EACCES,
        () -> files().setPolicy(1234, ascii("his"), "AES_256_XTS", "AES_256_CTS", 32, identifier));
    assertFalse(files().lock(1234, identifier, false, true).otherUsers());
    assertFalse(Files.exists(tree.resolve("file")));
  }

  @Test
  @DisplayName("what is stored is something else, of whole units (sanity-sec 37, 39)")
  void storedContents() throws Exception {
    Path file = tree.resolve("file");
    Files.write(file, ascii("abcd"));
    Path stored = entries(base.resolve("store/tree")).getFirst();
    byte[] first = Files.readAllBytes(stored);
    assertEquals(4096, first.length);
    assertFalse(new String(first, StandardCharsets.ISO_8859_1).contains("abcd"));
    try (var rewritten = new RandomAccessFile(file.toFile(), "rw")) {
      rewritten.seek(1);
      rewritten.write('x');
      rewritten.getFD().sync();
    }
    assertFalse(Arrays.equals(first, Files.readAllBytes(stored)));
    lock(true);
    unlock(1);
    assertEquals("axcd", Files.readString(file));
  }

  @Test
  @DisplayName("files are mapped, read and written (sanity-sec 45)")
  void mapping() throws Exception {
    Path file = tree.resolve("file");
    Files.write(file, random(10_000));
    try (var opened = new RandomAccessFile(file.toFile(), "rw");
        Arena arena = Arena.ofConfined()) {
      var map = opened.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, 10_000, arena);
      assertArrayEquals(random(10_000), map.toArray(ValueLayout.JAVA_BYTE));
      map.set(ValueLayout.JAVA_BYTE, 4096, (byte) 1);
      map.set(ValueLayout.JAVA_BYTE, 9_999, (byte) 2);
      map.force();
    }
    lock(true);
    unlock(1);
    byte[] wanted = random(10_000);
    wanted[4096] = 1;
    wanted[9_999] = 2;
    assertArrayEquals(wanted, Files.readAllBytes(file));
  }

  @Test
  @DisplayName("nothing is renamed or linked in or out; links tell their length (sanity-sec 47)")
  void renamingAndLinking() throws Exception {
    Path plain = Files.write(view.resolve("plain"), random(10));
    Path inside = Files.write(tree.resolve("inside"), random(20));
    assertThrows(
        AtomicMoveNotSupportedException.class,
        () -> Files.move(plain, tree.resolve("in"), StandardCopyOption.ATOMIC_MOVE));
    assertThrows(
        AtomicMoveNotSupportedException.class,
        () -> Files.move(inside, view.resolve("out"), StandardCopyOption.ATOMIC_MOVE));
    assertThrows(FileSystemException.class, () -> Files.createLink(tree.resolve("in"), plain));
    assertThrows(FileSystemException.class, () -> Files.createLink(view.resolve("out"), inside));
    assertEquals(List.of("inside"), names(tree));
    Files.createLink(tree.resolve("second"), inside);
    assertEquals(2, Files.getAttribute(inside, "unix:nlink"));
    String target = "../plain";
    Files.createSymbolicLink(tree.resolve("link"), Path.of(target));
    assertEquals(target.length(), linkSize(tree.resolve("link")));
    assertArrayEquals(random(10), Files.readAllBytes(tree.resolve("link")));
    lock(true);
    for (Path each : entries(tree)) {
      if (Files.isSymbolicLink(each)) {
        String shown = Files.readSymbolicLink(each).toString();
        assertNotEquals(target, shown);
        assertEquals(shown.length(), linkSize(each));
      }
    }
    unlock(1);
    assertEquals(target.length(), linkSize(tree.resolve("link")));
  }

  private static long linkSize(Path link) throws IOException {
    return ((Number) Files.getAttribute(link, "unix:size", LinkOption.NOFOLLOW_LINKS)).longValue();
  }

  @Test
  @DisplayName("a user sees what permissions let him see, whoever unlocked it (sanity-sec 55)")
  void otherUsers() throws Exception {
    for (Path each : new Path[] {base, view, tree}) {
      Files.setPosixFilePermissions(each, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
    Path file = Files.write(tree.resolve("file"), random(10));
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    assertNotEquals(0, sh(12345, "cat " + file));
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    assertEquals(0, sh(12345, "cat " + file));
    assertNotEquals(0, sh(12345, "echo x >> " + file));
    lock(true);
    assertNotEquals(0, sh(12345, "cat " + tree + "/*"));
  }

  @Test
  @DisplayName("what the format keeps in attributes is not seen, others are (sanity-sec 57, 58)")
  void attributes() throws Exception {
    Path file = Files.write(tree.resolve("file"), random(10));
    int descriptor = open(file);
    try {
      Linux.setXattr(descriptor, ascii("user.own"), ascii("value"), 0);
      for (String each : new String[] {"user.fscrypt.auth", "user.fscrypt.file"}) {
        assertNull(Linux.getXattr(descriptor, ascii(each)));
        assertErrno(Errno.EPERM, () -> Linux.setXattr(descriptor, ascii(each), new byte[8], 0));
        assertErrno(Errno.EPERM, () -> Linux.removeXattr(descriptor, ascii(each)));
      }
      assertEquals(
          "user.own\0", new String(Linux.listXattrs(descriptor), StandardCharsets.US_ASCII));
    } finally {
      Linux.close(descriptor);
    }
    assertEquals(0, sh(null, "ls -ailR " + view));
    lock(true);
    assertEquals(0, sh(null, "ls -ailR " + view));
    unlock(1);
    int again = open(file);
    try {
      assertEquals("value", new String(value(again), StandardCharsets.US_ASCII));
    } finally {
      Linux.close(again);
    }
  }

  @Test
  @DisplayName("do not tell where in the store their data lie (FIEMAP), only holes (sanity-sec 56)")
  void noFiemap() throws Exception {
    Path path = tree.resolve("file");
    try (var file = new RandomAccessFile(path.toFile(), "rw")) {
      file.seek(1 << 20);
      file.write(random(10));
    }
    int descriptor = open(path);
    try (Arena arena = Arena.ofConfined()) {
      long request = arena.allocate(4096).address();
      boolean arm = System.getProperty("os.arch").equals("aarch64");
      assertErrno(
          Errno.EOPNOTSUPP,
          () -> SystemCall.call(arm ? 29 : 16, descriptor, FS_IOC_FIEMAP, request, 0));
      assertEquals(1 << 20, Linux.seek(descriptor, 0, Flags.SEEK_DATA));
    } finally {
      Linux.close(descriptor);
    }
  }

  private static final long FS_IOC_FIEMAP = 0xC020660BL;

  private static byte[] value(int descriptor) throws ErrnoException {
    byte[] value = Linux.getXattr(descriptor, ascii("user.own"));
    return value == null ? new byte[0] : value;
  }
}
