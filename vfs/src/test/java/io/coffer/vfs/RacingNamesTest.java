package io.coffer.vfs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Two nodes without a lease, and so without locks for directories; each of one's calls on the store
 * is overtaken by the other.
 */
@DisplayName("A name that two nodes make at once")
class RacingNamesTest {
  private static final byte[] NAME = "name".getBytes(UTF_8);
  private static final byte[] SOURCE = "source".getBytes(UTF_8);
  private static final byte[] INSIDE = "inside".getBytes(UTF_8);

  private final GocryptfsFormat gocryptfs = TestVolume.format(TestVolume.OPTIONS);

  enum Format {
    GOCRYPTFS,
    FSCRYPT
  }

  /** Ways to make a name. */
  private enum Way {
    FILE(FileStatus.TYPE_REGULAR),
    DIRECTORY(FileStatus.TYPE_DIRECTORY),
    DIRECTORY_OF_OTHERS(FileStatus.TYPE_DIRECTORY),
    SYMLINK(FileStatus.TYPE_SYMLINK),
    LINK(FileStatus.TYPE_REGULAR),
    PIPE(FileStatus.TYPE_FIFO),
    FILE_BY_MKNOD(FileStatus.TYPE_REGULAR);

    private final int type;

    Way(int type) {
      this.type = type;
    }

    private void make(VirtualFilesystem node, long in) throws ErrnoException {
      switch (this) {
        case FILE ->
            node.release(node.create(in, NAME, Flags.O_RDWR | Flags.O_EXCL, 0644).handle());
        case DIRECTORY -> node.makeDirectory(in, NAME, 0755);
        case DIRECTORY_OF_OTHERS -> node.makeDirectory(in, NAME, 0055);
        case SYMLINK -> node.symlink(in, NAME, "target".getBytes(UTF_8));
        case LINK -> node.link(node.lookup(in, SOURCE).id(), in, NAME);
        case PIPE -> node.makeNode(in, NAME, FileStatus.TYPE_FIFO | 0644, 0);
        case FILE_BY_MKNOD -> node.makeNode(in, NAME, FileStatus.TYPE_REGULAR | 0644, 0);
      }
    }

    private boolean isMadeBy(VirtualFilesystem node, long in) {
      try {
        make(node, in);
        return true;
      } catch (ErrnoException e) {
        assertEquals(Errno.EEXIST, e.errno(), this + ": " + e.getMessage());
        return false;
      }
    }
  }

  @AfterEach
  void close() {
    gocryptfs.close();
  }

  private VirtualFilesystem mount(MemoryStore store, Format format, boolean readOnly)
      throws ErrnoException {
    var options = EncryptedFilesystem.Options.defaults().withShared(true).withReadOnly(readOnly);
    if (format == Format.GOCRYPTFS) {
      return new EncryptedFilesystem(store, gocryptfs, options, null);
    }
    var files = new PolicyFilesystem(store, options, null);
    unlock(files);
    return files;
  }

  private static byte[] unlock(PolicyFilesystem files) throws ErrnoException {
    try (SecretBytes key = PolicyFilesystemTest.key(1)) {
      return files.unlock(0, key);
    }
  }

  /** With a directory "tree" in which is a file. */
  private MemoryStore volume(Format format, boolean lacksFlags) throws ErrnoException {
    var store = new MemoryStore();
    if (lacksFlags) {
      store.lackFlags();
    }
    if (format == Format.GOCRYPTFS) {
      TestVolume.initialise(store.root(), gocryptfs);
    }
    try (VirtualFilesystem files = mount(store, format, false)) {
      byte[] tree = "tree".getBytes(UTF_8);
      long id = files.makeDirectory(VirtualFilesystem.ROOT, tree, 0755).id();
      if (files instanceof PolicyFilesystem policies) {
        policies.setPolicy(0, tree, PolicyFilesystemTest.policy(unlock(policies)));
      }
      TestVolume.put(files, id, "source", new byte[10]);
    }
    return store;
  }

  private static long tree(VirtualFilesystem files) throws ErrnoException {
    return TestVolume.find(files, "tree").id();
  }

  @ParameterizedTest
  @CsvSource({"GOCRYPTFS, false", "GOCRYPTFS, true", "FSCRYPT, false", "FSCRYPT, true"})
  void isMadeByOneOfThem(Format format, boolean lacksFlags) throws ErrnoException {
    int overtaken = 0;
    for (Way first : Way.values()) {
      for (Way second : Way.values()) {
        int call = 1;
        while (race(format, lacksFlags, first, second, call, true)) {
          race(format, lacksFlags, first, second, call, false);
          call++;
          overtaken++;
        }
      }
    }
    assertTrue(overtaken > 100, "hardly anything was overtaken");
  }

  /**
   * Tries one order.
   *
   * @param uses the second puts something into what it made, if it can
   * @return false if the first made the name in fewer calls
   */
  private boolean race(
      Format format, boolean lacksFlags, Way first, Way second, int call, boolean uses)
      throws ErrnoException {
    String race = first + " overtaken before call " + call + " by " + second;
    MemoryStore store = volume(format, lacksFlags);
    try (VirtualFilesystem one = mount(store, format, false);
        VirtualFilesystem two = mount(store, format, false)) {
      long treeOfOne = tree(one);
      long treeOfTwo = tree(two);
      var winners = new ArrayList<Way>();
      store.beforeCall(
          call,
          () -> {
            if (second.isMadeBy(two, treeOfTwo)) {
              winners.add(second);
            }
            if (uses) {
              use(two, race);
            }
          });
      if (first.isMadeBy(one, treeOfOne)) {
        winners.add(first);
      }
      if (!store.isOtherDone()) {
        return false;
      }
      assertEquals(1, winners.size(), race + ": made by " + winners);
      for (VirtualFilesystem each : List.of(one, two)) {
        assertEquals(
            winners.getFirst().type, TestVolume.find(each, "tree/name").status().type(), race);
        use(each, race);
        assertEquals(List.of("name", "source"), List.copyOf(TestVolume.names(each, tree(each))));
      }
      if (winners.getFirst().type == FileStatus.TYPE_DIRECTORY) {
        Way made = winners.getFirst();
        assertEquals(
            made == Way.DIRECTORY ? 0755 : 0055,
            TestVolume.find(one, "tree/name").status().mode() & Flags.PERMISSIONS,
            race);
        one.unlink(TestVolume.find(one, "tree/name").id(), INSIDE);
        one.removeDirectory(tree(one), NAME);
      } else {
        one.unlink(tree(one), NAME);
      }
      assertEquals(List.of("source"), List.copyOf(TestVolume.names(two, tree(two))), race);
      return true;
    }
  }

  /** If it is a directory, something is in it from now on, which others must find again. */
  private static void use(VirtualFilesystem node, String race) {
    try {
      VirtualFilesystem.Entry entry = TestVolume.find(node, "tree/name");
      if (entry.status().isDirectory()) {
        if (!TestVolume.names(node, entry.id()).contains("inside")) {
          TestVolume.put(node, entry.id(), "inside", INSIDE);
        }
        assertArrayEquals(
            INSIDE,
            TestVolume.contents(node, TestVolume.find(node, "tree/name/inside").id()),
            race);
      }
    } catch (ErrnoException e) {
      throw new AssertionError(race, e);
    }
  }

  @ParameterizedTest
  @EnumSource(Format.class)
  void isWholeOrNotThereIfItsMakerDies(Format format) throws ErrnoException {
    int unfinished = 0;
    for (int change = 1; ; change++) {
      MemoryStore store = volume(format, true);
      boolean died = false;
      VirtualFilesystem one = mount(store, format, false);
      long tree = tree(one);
      store.crashAt(change);
      try {
        Way.DIRECTORY.make(one, tree);
      } catch (MemoryStore.Crash e) {
        died = true;
      }
      MemoryStore left = store.afterKill();
      left.lackFlags();
      try (VirtualFilesystem two = mount(left, format, false);
          VirtualFilesystem three = mount(left, format, false)) {
        boolean there = TestVolume.names(three, tree(three)).contains("name");
        if (there && died) {
          unfinished++;
          readsOnly(left, format);
        }
        assertEquals(!there, Way.DIRECTORY.isMadeBy(two, tree(two)), "change " + change);
        use(three, "change " + change);
        use(two, "change " + change);
      }
      if (!died) {
        break;
      }
    }
    assertEquals(format == Format.FSCRYPT ? 1 : 0, unfinished);
  }

  /** A mount that must not write cannot finish it, and does not show what may change. */
  private void readsOnly(MemoryStore store, Format format) throws ErrnoException {
    try (VirtualFilesystem reader = mount(store, format, true)) {
      long id = TestVolume.find(reader, "tree/name").id();
      assertEquals(
          Errno.EIO,
          assertThrows(ErrnoException.class, () -> TestVolume.names(reader, id)).errno());
    }
  }
}
