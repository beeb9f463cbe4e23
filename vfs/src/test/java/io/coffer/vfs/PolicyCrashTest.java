package io.coffer.vfs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.vfs.VirtualFilesystem.AttributeChanges;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Ends each kind of change at each single change that it makes to the store, and looks at what
 * another process finds: names, sizes and contents of before or of after.
 */
@DisplayName("In a tree with a policy, a kill at any moment")
class PolicyCrashTest {
  private static final String LONG = "l".repeat(230);
  private static final int SIZE = 5000;

  interface Operation {
    void run(PolicyFilesystem files, long tree, long file) throws ErrnoException;
  }

  /** A change to a tree that holds a file of 5000 bytes, one with a long name, and a directory. */
  enum Change {
    CREATE((files, tree, _) -> files.release(create(files, tree, "new"))),
    CREATE_WITH_LONG_NAME((files, tree, _) -> files.release(create(files, tree, LONG + "2"))),
    MAKE_DIRECTORY((files, tree, _) -> files.makeDirectory(tree, bytes("new"), 0755)),
    SYMLINK((files, tree, _) -> files.symlink(tree, bytes("new"), bytes("target"))),
    LINK((files, tree, file) -> files.link(file, tree, bytes(LONG + "2"))),
    UNLINK((files, tree, _) -> files.unlink(tree, bytes(LONG))),
    REMOVE_DIRECTORY((files, tree, _) -> files.removeDirectory(tree, bytes("dir"))),
    RENAME((files, tree, _) -> files.rename(tree, bytes("file"), tree, bytes("moved"), 0)),
    RENAME_OVER((files, tree, _) -> files.rename(tree, bytes("file"), tree, bytes("other"), 0)),
    RENAME_TO_LONG((files, tree, _) -> files.rename(tree, bytes("file"), tree, bytes(LONG), 0)),
    EXTEND_WITHIN_UNIT((files, _, file) -> write(files, file, SIZE, 1000)),
    EXTEND_BY_UNITS((files, _, file) -> write(files, file, SIZE, 20_000)),
    EXTEND_BEHIND_A_HOLE((files, _, file) -> write(files, file, 50_000, 100)),
    OVERWRITE_UNIT((files, _, file) -> write(files, file, 100, 900)),
    CUT_WITHIN_UNIT((files, _, file) -> truncate(files, file, 4500)),
    CUT_TO_LESS((files, _, file) -> truncate(files, file, 100)),
    CUT_TO_UNIT((files, _, file) -> truncate(files, file, 4096)),
    CUT_TO_NOTHING((files, _, file) -> truncate(files, file, 0)),
    GROW_WITHIN_UNIT((files, _, file) -> truncate(files, file, 6000)),
    GROW_BY_UNITS((files, _, file) -> truncate(files, file, 30_001)),
    PUNCH_WITHIN_UNIT((files, _, file) -> punch(files, file, 1000, 2000)),
    PUNCH_TO_END((files, _, file) -> punch(files, file, 4096, 5000)),
    ALLOCATE_BEHIND((files, _, file) -> allocate(files, file, 0, SIZE, 20_000)),
    ALLOCATE_KEEPING_SIZE(
        (files, _, file) -> allocate(files, file, Flags.FALLOC_FL_KEEP_SIZE, SIZE, 20_000)),
    ZERO_WITHIN_UNIT((files, _, file) -> zero(files, file, 100, 900)),
    PUNCH_WHOLE_UNIT((files, _, file) -> punch(files, file, 0, 4096));

    @SuppressWarnings("ImmutableEnumChecker") // what the constants do has no state
    final Operation operation;

    Change(Operation operation) {
      this.operation = operation;
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  private static byte[] random(int length) {
    byte[] bytes = new byte[length];
    new Random(length).nextBytes(bytes);
    return bytes;
  }

  private static long create(PolicyFilesystem files, long tree, String name) throws ErrnoException {
    return files.create(tree, bytes(name), Flags.O_RDWR | Flags.O_EXCL, 0644).handle();
  }

  private static void write(PolicyFilesystem files, long file, long offset, int length)
      throws ErrnoException {
    long handle = files.open(file, Flags.O_RDWR);
    TestVolume.write(files, handle, offset, random(length));
    files.release(handle);
  }

  private static void truncate(PolicyFilesystem files, long file, long size) throws ErrnoException {
    files.setAttributes(file, 0, new AttributeChanges(null, null, null, size, null, null));
  }

  private static void punch(PolicyFilesystem files, long file, long from, long to)
      throws ErrnoException {
    int mode = Flags.FALLOC_FL_PUNCH_HOLE | Flags.FALLOC_FL_KEEP_SIZE;
    allocate(files, file, mode, from, to - from);
  }

  private static void zero(PolicyFilesystem files, long file, long from, long to)
      throws ErrnoException {
    allocate(files, file, Flags.FALLOC_FL_ZERO_RANGE, from, to - from);
  }

  private static void allocate(
      PolicyFilesystem files, long file, int mode, long offset, long length) throws ErrnoException {
    long handle = files.open(file, Flags.O_RDWR);
    files.allocate(handle, mode, offset, length);
    files.release(handle);
  }

  private static PolicyFilesystem open(MemoryStore store) throws ErrnoException {
    var files = new PolicyFilesystem(store, EncryptedFilesystem.Options.defaults(), null);
    try (SecretBytes key = PolicyFilesystemTest.key(1)) {
      files.unlock(0, key);
    }
    return files;
  }

  private static MemoryStore prepared() throws ErrnoException {
    var store = new MemoryStore();
    try (PolicyFilesystem files = open(store);
        SecretBytes key = PolicyFilesystemTest.key(1)) {
      files.makeDirectory(VirtualFilesystem.ROOT, bytes("tree"), 0755);
      byte[] identifier = files.unlock(0, key);
      files.setPolicy(0, bytes("tree"), PolicyFilesystemTest.policy(identifier));
      long tree = TestVolume.find(files, "tree").id();
      TestVolume.put(files, tree, "file", random(SIZE));
      TestVolume.put(files, tree, "other", random(10));
      TestVolume.put(files, tree, LONG, random(20));
      files.makeDirectory(tree, bytes("dir"), 0755);
    }
    return store;
  }

  /** Every name of the tree with its contents, as text. */
  private static SortedMap<String, String> snapshot(PolicyFilesystem files) throws ErrnoException {
    var found = new TreeMap<String, String>();
    long tree = TestVolume.find(files, "tree").id();
    for (String each : TestVolume.names(files, tree)) {
      var entry = files.lookup(tree, bytes(each));
      String content;
      if (entry.status().isRegular()) {
        byte[] bytes = TestVolume.contents(files, entry.id());
        assertEquals(entry.status().size(), bytes.length);
        content = bytes.length + " " + HexFormat.of().formatHex(bytes);
      } else if (entry.status().isDirectory()) {
        content = TestVolume.names(files, entry.id()).toString();
      } else {
        content = new String(files.readLink(entry.id()), UTF_8);
      }
      found.put(each, content);
    }
    return found;
  }

  private static void run(PolicyFilesystem files, Change change) throws ErrnoException {
    long tree = TestVolume.find(files, "tree").id();
    change.operation.run(files, tree, TestVolume.find(files, "tree/file").id());
  }

  @ParameterizedTest
  @EnumSource
  @DisplayName("leaves names, sizes and contents of before or of after")
  void beforeOrAfter(Change change) throws ErrnoException {
    SortedMap<String, String> before;
    SortedMap<String, String> after;
    MemoryStore whole = prepared();
    try (PolicyFilesystem files = open(whole)) {
      before = snapshot(files);
      run(files, change);
      after = snapshot(files);
    }
    int crash = 1;
    while (crashesAt(change, crash, before, after)) {
      crash++;
    }
    assertTrue(crash > 1, "the store was never changed");
  }

  /** What takes several changes of the store, as it does in the kernel. */
  enum Large {
    PUNCH_OVER_UNITS((files, file) -> punch(files, file, 1000, 28_000)),
    ZERO_OVER_UNITS((files, file) -> zero(files, file, 1000, 28_000)),
    OVERWRITE_UNITS((files, file) -> write(files, file, 1000, 27_000));

    interface OfFile {
      void run(PolicyFilesystem files, long file) throws ErrnoException;
    }

    @SuppressWarnings("ImmutableEnumChecker") // what the constants do has no state
    final OfFile operation;

    Large(OfFile operation) {
      this.operation = operation;
    }
  }

  private static byte[] large(MemoryStore store, @Nullable Large change) throws ErrnoException {
    try (PolicyFilesystem files = open(store)) {
      if (change != null) {
        change.operation.run(files, TestVolume.find(files, "tree/large").id());
      }
      return TestVolume.contents(files, TestVolume.find(files, "tree/large").id());
    }
  }

  private static MemoryStore preparedLarge() throws ErrnoException {
    MemoryStore store = prepared();
    try (PolicyFilesystem files = open(store)) {
      TestVolume.put(files, TestVolume.find(files, "tree").id(), "large", random(30_000));
    }
    return store;
  }

  @ParameterizedTest
  @EnumSource
  @DisplayName("leaves each byte of a large range as before or as after")
  void eachByteBeforeOrAfter(Large change) throws ErrnoException {
    byte[] before = large(preparedLarge(), null);
    byte[] after = large(preparedLarge(), change);
    for (int at = 1; ; at++) {
      MemoryStore store = preparedLarge();
      PolicyFilesystem crashing = open(store);
      store.crashAt(at);
      try {
        change.operation.run(crashing, TestVolume.find(crashing, "tree/large").id());
        assertTrue(at > 1, "the store was never changed");
        return;
      } catch (MemoryStore.Crash e) {
        MemoryStore left = store.afterKill();
        byte[] found = large(left, null);
        assertEquals(before.length, found.length);
        for (int i = 0; i < found.length; i++) {
          if (found[i] != before[i] && found[i] != after[i]) {
            throw new AssertionError(change + ", killed at change " + at + ": byte " + i);
          }
        }
      }
    }
  }

  private static boolean crashesAt(
      Change change, int at, SortedMap<String, String> before, SortedMap<String, String> after)
      throws ErrnoException {
    MemoryStore store = prepared();
    PolicyFilesystem crashing = open(store);
    store.crashAt(at);
    try {
      run(crashing, change);
      return false;
    } catch (MemoryStore.Crash e) {
      try (PolicyFilesystem files = open(store.afterKill())) {
        var found = snapshot(files);
        String when = change + ", killed at change " + at;
        assertTrue(
            found.equals(before) || found.equals(after),
            () -> when + ": neither before nor after: " + found.keySet());
        growsByZeros(files, when);
      }
      return true;
    }
  }

  /** What a crash left behind the end must not be seen when the file grows over it. */
  private static void growsByZeros(PolicyFilesystem files, String when) throws ErrnoException {
    long tree = TestVolume.find(files, "tree").id();
    for (String each : TestVolume.names(files, tree)) {
      var entry = files.lookup(tree, bytes(each));
      if (entry.status().isRegular()) {
        int size = (int) entry.status().size();
        byte[] content = TestVolume.contents(files, entry.id());
        truncate(files, entry.id(), size + 40_000L);
        assertArrayEquals(
            Arrays.copyOf(content, size + 40_000),
            TestVolume.contents(files, entry.id()),
            when + ": " + each);
      }
    }
  }
}
