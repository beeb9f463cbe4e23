package io.coffer.store;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.SystemCall;
import io.coffer.posix.Timestamp;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Every behaviour is asked of a disk (the temporary directory's) and of memory (tmpfs). */
class LocalStoreTest {
  @Nested
  class OnDisk extends Behaviour {
    OnDisk() {
      super(Path.of(System.getProperty("java.io.tmpdir")));
    }
  }

  @Nested
  class InMemory extends Behaviour {
    InMemory() {
      super(Path.of("/dev/shm"));
    }
  }

  /** Takes a thread's rights over the files of others; {@link Credentials} keeps some of them. */
  private static final int SETFSUID = System.getProperty("os.arch").equals("amd64") ? 122 : 151;

  private static byte[] name(String text) {
    return text.getBytes(UTF_8);
  }

  private static void assertErrno(int errno, Executable action) {
    var e = assertThrows(ErrnoException.class, action);
    assertEquals(Errno.describe(errno), Errno.describe(e.errno()));
  }

  private static Set<String> names(StoreDirectory directory) throws ErrnoException {
    var seen = new TreeSet<String>();
    try (var listing = directory.list()) {
      while (listing.next()) {
        seen.add(new String(listing.name(), ISO_8859_1));
      }
    }
    return seen;
  }

  private static long descriptors() throws IOException {
    try (var open = Files.list(Path.of("/proc/self/fd"))) {
      return open.count();
    }
  }

  abstract static class Behaviour {
    private final Path where;
    private Path directory = Path.of("");
    private LocalStore store = null_();
    private StoreDirectory root = null_();

    Behaviour(Path where) {
      this.where = where;
    }

    /** Set before each test; the checker of nullness cannot know that. */
    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
    private static <T> T null_() {
      return null;
    }

    @BeforeEach
    void open() throws Exception {
      assumeTrue(Files.isDirectory(where), where + " is missing");
      directory = Files.createTempDirectory(where, "coffer-store-");
      store = LocalStore.open(directory);
      root = store.root();
    }

    @AfterEach
    void remove() throws Exception {
      store.close();
      try (var all = Files.walk(directory)) {
        for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(path);
        }
      }
    }

    private void make(String file) throws ErrnoException {
      root.openFile(name(file), Flags.O_CREAT | Flags.O_EXCL | Flags.O_WRONLY, 0644).close();
    }

    @Test
    void readsWhatWasWrittenAndZerosWhereNothingWas() throws Exception {
      try (var arena = Arena.ofConfined();
          var file = root.openFile(name("a"), Flags.O_RDWR | Flags.O_CREAT, 0640)) {
        MemorySegment memory = arena.allocate(200);
        memory.fill((byte) 7);
        assertEquals(100, file.write(memory, 100, 100, 50));
        assertEquals(150, file.status().size());
        memory.fill((byte) 9);
        assertEquals(150, file.read(memory, 0, 200, 0));
        assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, 49));
        assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, 50));
        assertEquals(9, memory.get(ValueLayout.JAVA_BYTE, 150));
        assertEquals(0, file.read(memory, 0, 10, 150));
        file.truncate(60);
        assertEquals(10, file.read(memory, 0, 200, 50));
        file.sync(true);
        file.sync(false);
      }
      root.sync();
      root.syncFilesystem();
    }

    @Test
    void refusesMemoryOutsideTheSegment() throws Exception {
      try (var arena = Arena.ofConfined();
          var file = root.openFile(name("a"), Flags.O_RDWR | Flags.O_CREAT, 0640)) {
        MemorySegment memory = arena.allocate(10);
        assertThrows(IndexOutOfBoundsException.class, () -> file.read(memory, 5, 6, 0));
        assertThrows(IndexOutOfBoundsException.class, () -> file.write(memory, 5, 6, 0));
      }
    }

    @Test
    void givesFilesExactlyTheModeAskedFor() throws Exception {
      root.openFile(name("f"), Flags.O_CREAT | Flags.O_WRONLY, 0666).close();
      root.makeDirectory(name("d"), 0777);
      root.makeNode(name("n"), FileStatus.TYPE_REGULAR | 0622, 0);
      try (var unnamed = root.openTemporary(Flags.O_RDWR, 0606)) {
        assertEquals(0606, unnamed.status().mode() & Flags.PERMISSIONS);
        unnamed.linkInto(root, name("t"));
      }
      assertEquals(0666, root.status(name("f")).mode() & Flags.PERMISSIONS);
      assertEquals(0777, root.status(name("d")).mode() & Flags.PERMISSIONS);
      assertEquals(0622, root.status(name("n")).mode() & Flags.PERMISSIONS);
      assertEquals(0606, root.status(name("t")).mode() & Flags.PERMISSIONS);
      root.changeMode(name("f"), 04755);
      root.changeMode(name("d"), 01770);
      assertEquals(04755, root.status(name("f")).mode() & Flags.PERMISSIONS);
      assertEquals(01770, root.status(name("d")).mode() & Flags.PERMISSIONS);
    }

    @Test
    void neverFollowsASymbolicLink() throws Exception {
      make("target");
      root.makeDirectory(name("real"), 0700);
      root.symlink(name("target"), name("link"));
      root.symlink(name("real"), name("dirlink"));
      root.symlink(name("nowhere"), name("dangling"));
      assertTrue(root.status(name("link")).isSymlink());
      assertArrayEquals(name("target"), root.readLink(name("link")));
      assertErrno(Errno.ELOOP, () -> root.openFile(name("link"), Flags.O_RDONLY, 0));
      assertErrno(
          Errno.ELOOP, () -> root.openFile(name("dangling"), Flags.O_CREAT | Flags.O_WRONLY, 0600));
      assertErrno(Errno.ENOTDIR, () -> root.openDirectory(name("dirlink")));
      assertErrno(Errno.EOPNOTSUPP, () -> root.changeMode(name("link"), 0777));
      root.changeTimes(name("link"), new Timestamp(5, 6), new Timestamp(7, 8));
      assertEquals(new Timestamp(7, 8), root.status(name("link")).modified());
      assertTrue(root.status(name("target")).modified().seconds() > 1000);
      root.link(name("dangling"), root, name("hard"));
      assertTrue(root.status(name("hard")).isSymlink());
      assertEquals(2, root.status(name("dangling")).links());
      assertErrno(Errno.EINVAL, () -> root.readLink(name("target")));
      assertErrno(Errno.ENOENT, () -> root.status(name("nowhere")));
    }

    @Test
    void opensNothingButRegularFiles() throws Exception {
      root.makeNode(name("fifo"), FileStatus.TYPE_FIFO | 0600, 0);
      root.makeNode(name("socket"), FileStatus.TYPE_SOCKET | 0600, 0);
      root.makeDirectory(name("d"), 0700);
      long before = descriptors();
      assertErrno(Errno.ENXIO, () -> root.openFile(name("fifo"), Flags.O_RDONLY, 0));
      assertErrno(Errno.ENXIO, () -> root.openFile(name("fifo"), Flags.O_WRONLY, 0));
      assertErrno(Errno.ENXIO, () -> root.openFile(name("socket"), Flags.O_RDONLY, 0));
      assertErrno(Errno.EISDIR, () -> root.openFile(name("d"), Flags.O_RDONLY, 0));
      assertErrno(Errno.EISDIR, () -> root.openFile(name("d"), Flags.O_RDWR, 0));
      make("f");
      assertErrno(Errno.ENOTDIR, () -> root.openDirectory(name("f")));
      assertErrno(Errno.EEXIST, () -> make("f"));
      assertEquals(before, descriptors());
    }

    @Test
    void takesNamesAndNotPaths() throws Exception {
      root.makeDirectory(name("d"), 0700);
      assertErrno(Errno.EINVAL, () -> root.status(name("d/..")));
      assertErrno(Errno.EINVAL, () -> root.openDirectory(name("/tmp")));
      assertErrno(Errno.EINVAL, () -> root.unlink(new byte[] {'a', 0, 'b'}));
      assertErrno(Errno.ENOENT, () -> root.status(new byte[0]));
      assertErrno(Errno.ENAMETOOLONG, () -> root.makeDirectory(name("x".repeat(256)), 0700));
    }

    @Test
    void keepsNamesOf255BytesWhichNeedNotBeText() throws Exception {
      byte[] odd = new byte[255];
      for (int i = 0; i < odd.length; i++) {
        odd[i] = (byte) (i + 1 == '/' ? 0xff : i + 1);
      }
      root.openFile(odd, Flags.O_CREAT | Flags.O_WRONLY, 0600).close();
      assertEquals(Set.of(".", "..", new String(odd, ISO_8859_1)), names(root));
      root.setXattr(odd, name("user.a"), name("v"), 0);
      assertArrayEquals(name("v"), root.getXattr(odd, name("user.a")));
      root.unlink(odd);
      assertEquals(Set.of(".", ".."), names(root));
    }

    @Test
    void opensAStoreWhoseOwnPathIsNoText() throws Exception {
      byte[] odd = {(byte) 0xff, '%', ' ', (byte) 0xe4};
      root.makeDirectory(odd, 0700);
      Path path;
      try (var entries = Files.newDirectoryStream(directory)) {
        path = entries.iterator().next();
      }
      try (var inner = LocalStore.open(path)) {
        assertEquals(root.status(odd).inode(), inner.root().status(StoreDirectory.SELF).inode());
      }
      root.removeDirectory(odd);
      assertErrno(Errno.ENOENT, () -> LocalStore.open(path));
    }

    @Test
    void renamesWithEachFlag() throws Exception {
      make("a");
      make("b");
      root.makeDirectory(name("d"), 0700);
      long a = root.status(name("a")).inode();
      long b = root.status(name("b")).inode();
      assertErrno(
          Errno.EEXIST, () -> root.rename(name("a"), root, name("b"), Flags.RENAME_NOREPLACE));
      root.rename(name("a"), root, name("b"), Flags.RENAME_EXCHANGE);
      assertEquals(b, root.status(name("a")).inode());
      assertEquals(a, root.status(name("b")).inode());
      try (var d = root.openDirectory(name("d"))) {
        root.rename(name("a"), d, name("c"), Flags.RENAME_NOREPLACE);
        assertEquals(b, d.status(name("c")).inode());
        d.rename(name("c"), root, name("b"), 0);
      }
      assertEquals(b, root.status(name("b")).inode());
      assertEquals(Set.of(".", "..", "b", "d"), names(root));
      assertErrno(Errno.ENOENT, () -> root.rename(name("a"), root, name("b"), 0));
      assertErrno(Errno.EISDIR, () -> root.rename(name("b"), root, name("d"), 0));
      assertErrno(Errno.ENOTDIR, () -> root.rename(name("d"), root, name("b"), 0));
    }

    @Test
    void aDirectoryHandleFollowsARenameAndOutlivesRemoval() throws Exception {
      root.makeDirectory(name("d"), 0700);
      try (var d = root.openDirectory(name("d"))) {
        root.rename(name("d"), root, name("e"), 0);
        d.openFile(name("f"), Flags.O_CREAT | Flags.O_WRONLY, 0600).close();
        assertErrno(Errno.ENOTEMPTY, () -> root.removeDirectory(name("e")));
        d.unlink(name("f"));
        root.removeDirectory(name("e"));
        assertEquals(Set.of(), names(d));
        assertErrno(
            Errno.ENOENT, () -> d.openFile(name("f"), Flags.O_CREAT | Flags.O_WRONLY, 0600));
      }
    }

    @Test
    void keepsExtendedAttributesOfFilesAndDirectories() throws Exception {
      make("f");
      root.makeDirectory(name("d"), 0700);
      for (String entry : List.of("f", "d", ".")) {
        assertNull(root.getXattr(name(entry), name("user.a")));
        root.setXattr(name(entry), name("user.a"), name("one"), Flags.XATTR_CREATE);
        assertErrno(
            Errno.EEXIST,
            () -> root.setXattr(name(entry), name("user.a"), name("x"), Flags.XATTR_CREATE));
        assertErrno(
            Errno.ENODATA,
            () -> root.setXattr(name(entry), name("user.b"), name("x"), Flags.XATTR_REPLACE));
        root.setXattr(name(entry), name("user.a"), new byte[0], Flags.XATTR_REPLACE);
        assertArrayEquals(new byte[0], root.getXattr(name(entry), name("user.a")));
        byte[] large = name("large".repeat(500));
        root.setXattr(name(entry), name("user.a"), large, 0);
        assertArrayEquals(large, root.getXattr(name(entry), name("user.a")));
        assertTrue(new String(root.listXattrs(name(entry)), UTF_8).contains("user.a\0"));
        root.removeXattr(name(entry), name("user.a"));
        assertErrno(Errno.ENODATA, () -> root.removeXattr(name(entry), name("user.a")));
      }
      try (var file = root.openFile(name("f"), Flags.O_RDWR, 0)) {
        file.setXattr(name("user.a"), name("v"), 0);
        assertArrayEquals(name("v"), file.getXattr(name("user.a")));
        file.setXattr(name("user.a"), name("v".repeat(2500)), 0);
        assertArrayEquals(name("v".repeat(2500)), file.getXattr(name("user.a")));
        assertNull(file.getXattr(name("user.b")));
        assertTrue(new String(file.listXattrs(), UTF_8).contains("user.a\0"));
        file.removeXattr(name("user.a"));
        assertNull(root.getXattr(name("f"), name("user.a")));
      }
    }

    @Test
    void anAttributeOfASymbolicLinkIsItsOwn() throws Exception {
      assumeTrue(Credentials.effectiveUid() == 0, "trusted attributes need root");
      make("f");
      root.symlink(name("f"), name("l"));
      assertErrno(Errno.EPERM, () -> root.setXattr(name("l"), name("user.a"), name("v"), 0));
      try {
        root.setXattr(name("l"), name("trusted.a"), name("v"), 0);
      } catch (ErrnoException e) {
        assumeTrue(e.errno() != Errno.EOPNOTSUPP, "no trusted attributes here");
        throw e;
      }
      assertArrayEquals(name("v"), root.getXattr(name("l"), name("trusted.a")));
      assertNull(root.getXattr(name("f"), name("trusted.a")));
    }

    @Test
    void setsOwnersAndTimesToTheNanosecond() throws Exception {
      make("f");
      var accessed = new Timestamp(1_000_000_000, 123_456_789);
      var modified = new Timestamp(-5, 999_999_999);
      root.changeTimes(name("f"), accessed, modified);
      assertEquals(modified, root.status(name("f")).modified());
      try (var file = root.openFile(name("f"), Flags.O_RDWR, 0)) {
        file.changeTimes(Timestamp.OMIT, new Timestamp(3, 4));
        assertEquals(accessed, file.status().accessed());
        assertEquals(new Timestamp(3, 4), file.status().modified());
        file.changeMode(0400);
        assertEquals(0400, file.status().mode() & Flags.PERMISSIONS);
      }
      root.changeTimes(StoreDirectory.SELF, accessed, modified);
      assertEquals(modified, root.status(StoreDirectory.SELF).modified());
      if (Credentials.effectiveUid() == 0) {
        root.changeOwner(name("f"), 4711, -1);
        root.changeOwner(StoreDirectory.SELF, -1, 4712);
        assertEquals(4711, root.status(name("f")).uid());
        assertEquals(0, root.status(name("f")).gid());
        assertEquals(4712, root.status(StoreDirectory.SELF).gid());
      }
    }

    @Test
    void findsDataAndHolesAndMakesThem() throws Exception {
      try (var arena = Arena.ofConfined();
          var file = root.openFile(name("s"), Flags.O_RDWR | Flags.O_CREAT, 0600)) {
        MemorySegment memory = arena.allocate(65536);
        memory.fill((byte) 1);
        file.truncate(1 << 20);
        file.write(memory, 0, 65536, 262144);
        assertEquals(262144, file.seek(0, Flags.SEEK_DATA));
        assertEquals(327680, file.seek(262144, Flags.SEEK_HOLE));
        assertErrno(Errno.ENXIO, () -> file.seek(327680, Flags.SEEK_DATA));
        assertErrno(Errno.ENXIO, () -> file.seek(1 << 20, Flags.SEEK_HOLE));
        file.allocate(Flags.FALLOC_FL_PUNCH_HOLE | Flags.FALLOC_FL_KEEP_SIZE, 262144, 65536);
        assertErrno(Errno.ENXIO, () -> file.seek(0, Flags.SEEK_DATA));
        file.allocate(0, 1 << 20, 4096);
        assertEquals((1 << 20) + 4096, file.status().size());
      }
    }

    @Test
    void locksHoldBetweenTwoDescriptionsOfAFile() throws Exception {
      try (var one = root.openFile(name("f"), Flags.O_RDWR | Flags.O_CREAT, 0600);
          var two = one.reopen(Flags.O_RDWR)) {
        assertTrue(one.tryLock(LockType.EXCLUSIVE, 10, 10));
        assertFalse(two.tryLock(LockType.SHARED, 15, 0));
        assertTrue(two.tryLock(LockType.SHARED, 20, 0));
        assertEquals(
            new FileLock(LockType.EXCLUSIVE, 10, 10, -1), two.testLock(LockType.SHARED, 0, 0));
        assertNull(two.testLock(LockType.SHARED, 0, 10));
        assertTrue(one.tryLock(LockType.UNLOCK, 0, 0));
        assertTrue(two.tryLock(LockType.EXCLUSIVE, 0, 20));
        assertTrue(one.tryFlock(LockType.SHARED));
        assertTrue(two.tryFlock(LockType.SHARED));
        assertFalse(two.tryFlock(LockType.EXCLUSIVE));
        assertTrue(one.tryFlock(LockType.UNLOCK));
        assertTrue(two.tryFlock(LockType.EXCLUSIVE));
      }
      try (var three = root.openFile(name("f"), Flags.O_RDWR, 0)) {
        assertTrue(three.tryLock(LockType.EXCLUSIVE, 0, 0), "closing releases");
        assertTrue(three.tryFlock(LockType.EXCLUSIVE), "closing releases");
      }
    }

    @Test
    void aLockInTheWayIsWaitedFor() throws Exception {
      byte[] path = directory.resolve("f").toString().getBytes(UTF_8);
      for (boolean tries : new boolean[] {false, true}) {
        int flags = Flags.O_RDWR | Flags.O_CREAT;
        int descriptor = Linux.open(Flags.AT_FDCWD, path, flags, 0600);
        try (var holder = root.openFile(name("f"), flags, 0600);
            var waiter = new LocalFile(descriptor, null, tries)) {
          assertTrue(holder.tryLock(LockType.EXCLUSIVE, 10, 1));
          var waiting = new CompletableFuture<Boolean>();
          Thread.ofPlatform()
              .start(() -> {
                try {
                  waiter.lock(LockType.EXCLUSIVE, 0, 0);
                  waiting.complete(true);
                } catch (ErrnoException | RuntimeException e) {
                  waiting.completeExceptionally(e);
                }
              });
          Thread.sleep(50);
          assertFalse(waiting.isDone());
          assertTrue(holder.tryLock(LockType.UNLOCK, 10, 1));
          assertTrue(waiting.get());
          assertFalse(holder.tryLock(LockType.SHARED, 10, 1));
        }
      }
    }

    @Test
    void anOpenFileOutlivesItsNameAndCanBeReopened() throws Exception {
      try (var file = root.openFile(name("f"), Flags.O_RDWR | Flags.O_CREAT, 0600)) {
        root.unlink(name("f"));
        assertEquals(0, file.status().links());
        try (var again = file.reopen(Flags.O_RDONLY)) {
          assertEquals(file.status().inode(), again.status().inode());
        }
      }
    }

    @Test
    void listsManyEntriesAndContinuesBehindEachCookie() throws Exception {
      int count = 5000;
      for (int i = 0; i < count; i++) {
        root.makeNode(name("entry-" + i), FileStatus.TYPE_REGULAR | 0600, 0);
      }
      var order = new ArrayList<String>();
      var cookies = new ArrayList<Long>();
      try (var listing = root.list()) {
        while (listing.next()) {
          order.add(new String(listing.name(), UTF_8));
          cookies.add(listing.cookie());
          assertTrue(listing.inode() != 0);
        }
        assertEquals(count + 2, order.size());
        assertEquals(count + 2, new HashSet<>(order).size());
        for (int i = 0; i < order.size(); i += 1) {
          listing.seek(cookies.get(i));
          boolean more = listing.next();
          assertEquals(i + 1 < order.size(), more);
          if (more) {
            assertEquals(order.get(i + 1), new String(listing.name(), UTF_8));
          }
        }
        listing.seek(0);
        assertTrue(listing.next());
        assertEquals(order.getFirst(), new String(listing.name(), UTF_8));
      }
    }

    @Test
    void showsEveryRemainingEntryOnceWhileOthersAreDeleted() throws Exception {
      for (int i = 0; i < 3000; i++) {
        root.makeNode(name("entry-" + i), FileStatus.TYPE_REGULAR | 0600, 0);
      }
      var seen = new ArrayList<String>();
      try (var listing = root.list()) {
        while (listing.next()) {
          String entry = new String(listing.name(), UTF_8);
          seen.add(entry);
          if (!entry.startsWith(".")) {
            root.unlink(listing.name());
          }
        }
      }
      assertEquals(3002, seen.size());
      assertEquals(3002, new HashSet<>(seen).size());
      assertEquals(Set.of(".", ".."), names(root));
    }

    @Test
    void tellsTypesInAListing() throws Exception {
      make("f");
      root.makeDirectory(name("d"), 0700);
      root.symlink(name("x"), name("l"));
      root.makeNode(name("p"), FileStatus.TYPE_FIFO | 0600, 0);
      try (var listing = root.list()) {
        while (listing.next()) {
          if (listing.type() != 0) {
            assertEquals(root.status(listing.name()).type(), listing.type());
            assertTrue(
                Arrays.equals(listing.name(), name(".."))
                    || root.status(listing.name()).inode() == listing.inode());
          }
        }
      }
    }

    @Test
    void tellsOfItsFilesystem() throws Exception {
      var status = root.filesystemStatus();
      assertEquals(255, status.nameBytes());
      assertTrue(status.blocks() >= status.freeBlocks() && status.freeBlocks() > 0);
      assertTrue(status.blockBytes() >= 512);
    }

    @Test
    void leavesNoDescriptorBehind() throws Exception {
      make("f");
      root.makeDirectory(name("d"), 0700);
      names(root);
      long before = descriptors();
      for (int i = 0; i < 50; i++) {
        root.openDirectory(name("d")).close();
        try (var file = root.openFile(name("f"), Flags.O_RDONLY, 0)) {
          file.reopen(Flags.O_RDONLY).close();
        }
        root.openTemporary(Flags.O_RDWR, 0600).close();
        names(root);
        root.sync();
        root.changeMode(name("f"), 0600);
        assertThrows(ErrnoException.class, () -> root.openDirectory(name("none")));
        assertThrows(ErrnoException.class, () -> root.openFile(name("none"), 0, 0));
        LocalStore.open(directory).close();
      }
      assertEquals(before, descriptors());
    }

    @Test
    void anOrdinaryUserKeepsTheirRightsToADirectoryTheyMayNotSearch() throws Exception {
      assumeTrue(Credentials.effectiveUid() == 0, "needs root to become somebody else");
      root.changeMode(StoreDirectory.SELF, 0755);
      root.makeDirectory(name("d"), 0700);
      root.changeOwner(name("d"), 4711, 4711);
      assertEquals(0, SystemCall.raw(SETFSUID, 4711, 0, 0, 0, 0, 0));
      try (var d = root.openDirectory(name("d"))) {
        d.openFile(name("f"), Flags.O_CREAT | Flags.O_WRONLY, 0600).close();
        d.changeMode(StoreDirectory.SELF, 0100);
        assertErrno(Errno.EACCES, d::list);
        assertNotNull(d.status(name("f")), "may be passed through");
        d.changeMode(StoreDirectory.SELF, 0400);
        assertEquals(Set.of(".", "..", "f"), names(d));
        assertErrno(Errno.EACCES, () -> d.status(name("f")));
        d.changeMode(StoreDirectory.SELF, 0000);
        assertEquals(0, d.status(StoreDirectory.SELF).mode() & Flags.PERMISSIONS);
        assertErrno(Errno.EACCES, () -> d.access(StoreDirectory.SELF, Flags.R_OK));
        d.access(StoreDirectory.SELF, 0);
        d.changeTimes(StoreDirectory.SELF, new Timestamp(1, 0), new Timestamp(2, 0));
        assertErrno(Errno.EPERM, () -> d.changeOwner(StoreDirectory.SELF, 0, 0));
        d.changeMode(StoreDirectory.SELF, 0700);
        d.access(name("f"), Flags.R_OK | Flags.W_OK);
        assertErrno(Errno.EACCES, () -> d.access(name("f"), Flags.X_OK));
        assertErrno(Errno.EACCES, () -> root.makeDirectory(name("e"), 0700));
      } finally {
        SystemCall.raw(SETFSUID, 0, 0, 0, 0, 0, 0);
      }
    }
  }
}
