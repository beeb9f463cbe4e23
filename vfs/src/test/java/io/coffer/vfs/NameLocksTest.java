package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.format.gocryptfs.GocryptfsFormat;
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

    files.removeDirectory(VirtualFilesystem.ROOT, TestVolume.name("one"));
    assertEquals(1, lockedAt(List.of("rename", "unlink", "rmdir")).size());

    TestVolume.put(files, two, "free again", new byte[1]);
    files.link(files.lookup(two, TestVolume.name("new")).id(), two, TestVolume.name("link"));
    assertEquals(List.of(), store.takeNameChanges());
    store.root().unlink(TestVolume.name("lease"));
    assertEquals(List.of(), lockedAt(List.of("unlink")));
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
