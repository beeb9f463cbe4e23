package io.coffer.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalStoreTest {
  @TempDir Path directory;

  private static byte[] name(String text) {
    return text.getBytes(UTF_8);
  }

  @Test
  void writesReadsRenamesAndListsFiles() throws Exception {
    try (var store = LocalStore.open(directory);
        var arena = Arena.ofConfined()) {
      StoreDirectory root = store.root();
      MemorySegment memory = arena.allocate(100);
      memory.fill((byte) 7);
      try (var file = root.openFile(name("a"), Flags.O_RDWR | Flags.O_CREAT, 0640)) {
        assertEquals(100, file.write(memory, 0, 100, 50));
        assertEquals(150, file.status().size());
        assertEquals(0640, file.status().mode() & Flags.PERMISSIONS);
        MemorySegment back = arena.allocate(200);
        assertEquals(150, file.read(back, 0, 200, 0));
        assertEquals(0, back.get(ValueLayout.JAVA_BYTE, 49));
        assertEquals(7, back.get(ValueLayout.JAVA_BYTE, 50));
      }
      root.makeDirectory(name("d"), 0755);
      try (var d = root.openDirectory(name("d"))) {
        root.rename(name("a"), d, name("b"), Flags.RENAME_NOREPLACE);
        assertEquals(150, d.status(name("b")).size());
        d.symlink(name("b"), name("l"));
        assertArrayEquals(name("b"), d.readLink(name("l")));
        var e = assertThrows(ErrnoException.class, () -> d.openFile(name("l"), 0, 0));
        assertEquals(Errno.ELOOP, e.errno());
        var seen = new TreeSet<String>();
        try (var listing = d.list()) {
          while (listing.next()) {
            seen.add(new String(listing.name(), UTF_8));
          }
        }
        assertEquals("[., .., b, l]", seen.toString());
      }
      var missing = assertThrows(ErrnoException.class, () -> root.status(name("a")));
      assertEquals(Errno.ENOENT, missing.errno());
    }
  }

  @Test
  void keepsExtendedAttributesAndLocks() throws Exception {
    try (var store = LocalStore.open(directory)) {
      StoreDirectory root = store.root();
      try (var one = root.openFile(name("f"), Flags.O_RDWR | Flags.O_CREAT, 0600);
          var two = one.reopen(Flags.O_RDWR)) {
        assertEquals(null, root.getXattr(name("f"), name("user.a")));
        root.setXattr(name("f"), name("user.a"), name("value"), 0);
        assertArrayEquals(name("value"), one.getXattr(name("user.a")));
        assertEquals(true, one.tryLock(LockType.EXCLUSIVE, 10, 10));
        assertEquals(false, two.tryLock(LockType.SHARED, 15, 0));
        assertEquals(true, two.tryLock(LockType.SHARED, 20, 0));
        var inTheWay = two.testLock(LockType.SHARED, 0, 0);
        assertEquals(new FileLock(LockType.EXCLUSIVE, 10, 10, -1), inTheWay);
      }
    }
  }
}
