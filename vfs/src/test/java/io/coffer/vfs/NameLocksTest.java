package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.vfs.MemoryStore.NameChange;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("While a name is taken away in a shared volume, its directory")
class NameLocksTest {
  private static final long FUSE = 0x65735546L;
  private static final long CEPH = 0x00C36400L;
  private static final long NFS = 0x6969L;
  private static final String LONG = "l".repeat(200);

  private final MemoryStore store = new MemoryStore();
  private final GocryptfsFormat format = TestVolume.format(TestVolume.OPTIONS);

  @AfterEach
  void close() {
    format.close();
  }

  private EncryptedFilesystem mount(long type, boolean shared) throws Exception {
    store.setFilesystemType(type);
    TestVolume.initialise(store.root(), format);
    VolumeLease lease =
        Objects.requireNonNull(VolumeLease.take(store, TestVolume.name("lease"), !shared));
    var options = EncryptedFilesystem.Options.defaults().withShared(shared);
    return new EncryptedFilesystem(store, format, options, lease);
  }

  private static long makeDirectory(VirtualFilesystem files, String name) throws Exception {
    return files.makeDirectory(VirtualFilesystem.ROOT, TestVolume.name(name), 0755).id();
  }

  /** Where locks were held at each of the changes of one operation, which must be the same. */
  private List<Long> lockedAt(List<String> calls) {
    List<NameChange> changes = store.takeNameChanges();
    assertEquals(calls, changes.stream().map(NameChange::call).toList());
    changes.forEach(each -> assertEquals(changes.getFirst().locks(), each.locks()));
    return changes.getFirst().locks();
  }

  @Test
  void isLockedWhereTheStoreIsInUserSpace() throws Exception {
    EncryptedFilesystem files = mount(FUSE, true);
    long one = makeDirectory(files, "one");
    long two = makeDirectory(files, "two");
    TestVolume.put(files, one, "file", new byte[1]);
    store.takeNameChanges();

    files.unlink(one, TestVolume.name("file"));
    List<Long> first = lockedAt(List.of("unlink"));
    assertEquals(1, first.size());
    TestVolume.put(files, two, "file", new byte[1]);
    files.rename(two, TestVolume.name("file"), two, TestVolume.name("new"), 0);
    List<Long> second = lockedAt(List.of("rename"));
    assertEquals(1, second.size());

    assertTrue(!first.equals(second), "these two directories share a lock: use others");
    files.rename(two, TestVolume.name("new"), one, TestVolume.name("file"), 0);
    List<Long> there = lockedAt(List.of("rename"));
    files.rename(one, TestVolume.name("file"), two, TestVolume.name("new"), 0);
    List<Long> back = lockedAt(List.of("rename"));
    assertEquals(2, there.size());
    assertEquals(there, there.stream().sorted().toList());
    assertEquals(there, back, "not in one order: two nodes could wait for each other for ever");
    assertTrue(there.containsAll(first) && there.containsAll(second));

    // What others make in it meanwhile has a temporary name.
    files.removeDirectory(VirtualFilesystem.ROOT, TestVolume.name("one"));
    List<Long> apart = lockedAt(List.of("rename", "unlink", "rmdir"));
    assertEquals(2, apart.size());
    assertTrue(apart.containsAll(first));
    assertEquals(apart, apart.stream().sorted().toList());

    TestVolume.put(files, two, "free again", new byte[1]);
    files.link(files.lookup(two, TestVolume.name("new")).id(), two, TestVolume.name("link"));
    assertEquals(List.of(), store.takeNameChanges());
    store.root().unlink(TestVolume.name("lease"));
    assertEquals(List.of(), lockedAt(List.of("unlink")));
  }

  @Test
  void isLockedWhileADirectoryInItGetsItsNameOrIsReplaced() throws Exception {
    EncryptedFilesystem files = mount(FUSE, true);
    long parent = makeDirectory(files, "parent");
    long other = makeDirectory(files, "other");
    TestVolume.put(files, other, "file", new byte[1]);
    store.takeNameChanges();
    files.makeDirectory(parent, TestVolume.name("new"), 0755);
    List<Long> making = lockedAt(List.of("rename"));
    assertEquals(1, making.size());
    long inner = files.makeDirectory(parent, TestVolume.name(LONG), 0755).id();
    assertEquals(making, lockedAt(List.of("rename")));
    files.makeDirectory(inner, TestVolume.name("deep"), 0755);
    List<Long> lockOfInner = lockedAt(List.of("rename"));
    files.removeDirectory(inner, TestVolume.name("deep"));
    store.takeNameChanges();

    files.rename(
        VirtualFilesystem.ROOT, TestVolume.name("other"), parent, TestVolume.name(LONG), 0);
    List<Long> replacing = lockedAt(List.of("rename", "rename", "unlink", "rmdir"));
    assertEquals(3, replacing.size());
    assertTrue(replacing.containsAll(making) && replacing.containsAll(lockOfInner));
    assertEquals(replacing, replacing.stream().sorted().toList());
    store.root().unlink(TestVolume.name("lease"));
    assertEquals(List.of(), lockedAt(List.of("unlink")));
  }

  @Test
  void isLockedWhileALinkOfTheWrongFileIsTakenBack() throws Exception {
    EncryptedFilesystem files = mount(FUSE, true);
    long parent = makeDirectory(files, "parent");
    var shared = EncryptedFilesystem.Options.defaults().withShared(true);
    var other = new EncryptedFilesystem(store, format, shared, null);
    long seenByOther = TestVolume.find(other, "parent").id();
    int takenBack = 0;
    boolean overtaken = true;
    for (int call = 1; overtaken; call++) {
      long source = TestVolume.put(files, parent, "source", new byte[1]);
      TestVolume.put(files, parent, "new", new byte[2]);
      store.takeNameChanges();
      store.beforeCall(call, () -> replace(other, seenByOther));
      try {
        files.link(source, parent, TestVolume.name("link"));
      } catch (ErrnoException e) {
        assertEquals(Errno.ESTALE, e.errno());
      }
      overtaken = store.isOtherDone();
      for (NameChange each : store.takeNameChanges()) {
        if (each.call().equals("unlink")) {
          takenBack++;
          assertEquals(1, each.locks().size());
        }
      }
      for (String each : TestVolume.names(files, parent)) {
        files.unlink(parent, TestVolume.name(each));
      }
    }
    assertTrue(takenBack > 0);
  }

  private static void replace(VirtualFilesystem files, long in) {
    try {
      files.rename(in, TestVolume.name("new"), in, TestVolume.name("source"), 0);
    } catch (ErrnoException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {CEPH, NFS})
  void isLockedElsewhereOnlyForALongName(long type) throws Exception {
    EncryptedFilesystem files = mount(type, true);
    long one = makeDirectory(files, "one");
    TestVolume.put(files, one, "file", new byte[1]);
    TestVolume.put(files, one, LONG, new byte[1]);
    store.takeNameChanges();

    files.rename(one, TestVolume.name("file"), VirtualFilesystem.ROOT, TestVolume.name("file"), 0);
    assertEquals(List.of(), lockedAt(List.of("rename")));
    files.unlink(VirtualFilesystem.ROOT, TestVolume.name("file"));
    assertEquals(List.of(), lockedAt(List.of("unlink")));
    files.unlink(one, TestVolume.name(LONG));
    assertEquals(1, lockedAt(List.of("unlink", "unlink")).size());
    files.removeDirectory(VirtualFilesystem.ROOT, TestVolume.name("one"));
    assertEquals(List.of(), lockedAt(List.of("rename", "unlink", "rmdir")));
  }

  @Test
  void isNotLockedInAnExclusiveMount() throws Exception {
    EncryptedFilesystem files = mount(FUSE, false);
    TestVolume.put(files, VirtualFilesystem.ROOT, LONG, new byte[1]);
    files.unlink(VirtualFilesystem.ROOT, TestVolume.name(LONG));
    assertEquals(List.of(), lockedAt(List.of("unlink", "unlink")));
  }
}
