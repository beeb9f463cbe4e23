package io.coffer.vfs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.fscrypt.ContentsMode;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.format.fscrypt.NamesMode;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.LocalStore;
import io.coffer.store.Store;
import io.coffer.vfs.PolicyFilesystem.KeyStatus;
import io.coffer.vfs.VirtualFilesystem.AttributeChanges;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

@DisplayName("A volume with fscrypt policies")
class PolicyFilesystemTest {
  private static final int UID = 0;
  private static final long ROOT = VirtualFilesystem.ROOT;
  private static final String LONG = "n".repeat(200);

  private Path path = Path.of("/");
  private Store store = new MemoryStore();
  private PolicyFilesystem files = open();
  private byte[] identifier = {};

  private PolicyFilesystem open() {
    try {
      return new PolicyFilesystem(store, EncryptedFilesystem.Options.defaults(), null);
    } catch (ErrnoException e) {
      throw new AssertionError(e);
    }
  }

  static SecretBytes key(int seed) {
    byte[] raw = new byte[64];
    for (int i = 0; i < raw.length; i++) {
      raw[i] = (byte) (seed + i);
    }
    return SecretBytes.take(raw);
  }

  static FscryptPolicy policy(byte[] identifier) {
    return new FscryptPolicy(ContentsMode.AES_256_XTS, NamesMode.AES_256_CTS, 32, 12, identifier);
  }

  @BeforeEach
  void makeVolume() throws IOException {
    path = TestVolume.onTmpfs();
    store = LocalStore.open(path);
    files = open();
    identifier = unlock(1);
    files.makeDirectory(ROOT, bytes("tree"), 0755);
    files.setPolicy(UID, bytes("tree"), policy(identifier));
  }

  @AfterEach
  void remove() throws ErrnoException {
    files.close();
    store.close();
    TestVolume.delete(path);
  }

  private byte[] unlock(int seed) throws ErrnoException {
    try (SecretBytes key = key(seed)) {
      return files.unlock(UID, key);
    }
  }

  private void lock() throws ErrnoException {
    files.lock(UID, identifier, false, true);
  }

  private void remount() throws ErrnoException {
    files.close();
    files = open();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  private long id(String at) throws ErrnoException {
    return TestVolume.find(files, at).id();
  }

  private FileStatus status(String at) throws ErrnoException {
    return TestVolume.find(files, at).status();
  }

  private void put(String directory, String name, byte[] content) throws ErrnoException {
    TestVolume.put(files, id(directory), name, content);
  }

  private byte[] get(String at) throws ErrnoException {
    return TestVolume.contents(files, id(at));
  }

  private static byte[] random(int length) {
    byte[] bytes = new byte[length];
    new Random(length).nextBytes(bytes);
    return bytes;
  }

  private static void assertErrno(int errno, Executable operation) {
    assertEquals(errno, assertThrows(ErrnoException.class, operation).errno());
  }

  /** The only entry of a stored directory that is no sidecar. */
  private static Path only(Path directory) throws IOException {
    List<Path> all = new ArrayList<>();
    try (var entries = Files.newDirectoryStream(directory)) {
      for (Path each : entries) {
        if (!each.toString().endsWith(".name")) {
          all.add(each);
        }
      }
    }
    assertEquals(1, all.size(), all.toString());
    return all.getFirst();
  }

  private static UserDefinedFileAttributeView attributes(Path file) {
    return Files.getFileAttributeView(file, UserDefinedFileAttributeView.class);
  }

  @Test
  void aFileIsReadAsItWasWrittenAndTheStoreHasWholeUnitsOfSomethingElse() throws IOException {
    byte[] content = random(5000);
    put("tree", "file", content);
    assertArrayEquals(content, get("tree/file"));
    assertEquals(5000, status("tree/file").size());
    remount();
    unlock(1);
    assertArrayEquals(content, get("tree/file"));
    Path stored = only(path.resolve("tree"));
    assertEquals(8192, Files.size(stored));
    assertFalse(stored.toString().contains("file"));
    byte[] there = Files.readAllBytes(stored);
    assertFalse(Arrays.equals(content, 0, 16, there, 0, 16));
    assertEquals(
        new TreeSet<>(List.of("fscrypt.auth", "fscrypt.file")),
        new TreeSet<>(attributes(stored).list()));
    assertEquals(48, attributes(stored).size("fscrypt.auth"));
    assertEquals(8, attributes(stored).size("fscrypt.file"));
  }

  @Test
  void attributesOfTheFormatAreHiddenAndCannotBeChanged() throws IOException {
    put("tree", "file", random(10));
    long file = id("tree/file");
    files.setXattr(file, bytes("user.mine"), bytes("value"), 0);
    assertArrayEquals(bytes("user.mine\0"), files.listXattrs(file));
    assertErrno(Errno.ENODATA, () -> files.getXattr(file, bytes("user.fscrypt.auth")));
    assertErrno(Errno.EPERM, () -> files.setXattr(file, bytes("user.fscrypt.file"), bytes("x"), 0));
    assertErrno(Errno.EPERM, () -> files.removeXattr(file, bytes("user.fscrypt.auth")));
  }

  @Test
  void plainDirectoriesBesideItStayPlain() throws IOException {
    put("", "plain", bytes("text"));
    files.makeDirectory(ROOT, bytes("dir"), 0755);
    put("dir", "inner", bytes("more"));
    assertEquals("text", Files.readString(path.resolve("plain")));
    assertEquals("more", Files.readString(path.resolve("dir/inner")));
    assertArrayEquals(bytes("text"), get("plain"));
    assertNull(files.tree(bytes("dir")).policy());
    assertEquals(policy(identifier), files.tree(bytes("tree")).policy());
  }

  @Test
  void subdirectoriesLinksAndSpecialFilesInheritThePolicy() throws IOException {
    files.makeDirectory(id("tree"), bytes("sub"), 0700);
    put("tree/sub", LONG, random(100));
    files.symlink(id("tree/sub"), bytes("link"), bytes("../some/target"));
    files.makeNode(id("tree/sub"), bytes("pipe"), FileStatus.TYPE_FIFO | 0600, 0);
    files.makeNode(id("tree/sub"), bytes("regular"), FileStatus.TYPE_REGULAR | 0640, 0);
    assertEquals(policy(identifier), files.tree(bytes("tree/sub")).policy());
    remount();
    unlock(1);
    assertArrayEquals(random(100), get("tree/sub/" + LONG));
    assertArrayEquals(bytes("../some/target"), files.readLink(id("tree/sub/link")));
    assertEquals("../some/target".length(), status("tree/sub/link").size());
    assertEquals(FileStatus.TYPE_FIFO, status("tree/sub/pipe").type());
    assertEquals(FileStatus.TYPE_REGULAR | 0640, status("tree/sub/regular").mode());
    assertArrayEquals(new byte[0], get("tree/sub/regular"));
    assertEquals(
        new TreeSet<>(List.of(LONG, "link", "pipe", "regular")),
        TestVolume.names(files, id("tree/sub")));
  }

  @Test
  void namesOfAnyLengthAreKeptAndTheSameNameDiffersInTwoDirectories() throws IOException {
    files.makeDirectory(id("tree"), bytes("a"), 0755);
    files.makeDirectory(id("tree"), bytes("b"), 0755);
    var names = new TreeSet<String>();
    for (int length : new int[] {1, 3, 15, 16, 17, 32, 100, 148, 149, 150, 254, 255}) {
      names.add("x".repeat(length));
      put("tree/a", "x".repeat(length), new byte[0]);
    }
    put("tree/b", "x", new byte[0]);
    assertEquals(names, TestVolume.names(files, id("tree/a")));
    assertErrno(Errno.ENAMETOOLONG, () -> put("tree/a", "x".repeat(256), new byte[0]));
    byte[] one = files.encryptPath(bytes("tree/a/x"));
    byte[] two = files.encryptPath(bytes("tree/b/x"));
    assertNotEquals(
        new String(one, UTF_8).split("/", -1)[2], new String(two, UTF_8).split("/", -1)[2]);
    for (String each : names) {
      files.unlink(id("tree/a"), bytes(each));
    }
    files.removeDirectory(id("tree"), bytes("a"));
    assertEquals(new TreeSet<>(List.of("b")), TestVolume.names(files, id("tree")));
  }

  @Nested
  @DisplayName("sets a policy")
  class SettingAPolicy {
    private void set(String directory, FscryptPolicy policy) throws ErrnoException {
      files.setPolicy(UID, bytes(directory), policy);
    }

    @Test
    void againWithoutComplaintButNoOther() throws ErrnoException {
      set("tree", policy(identifier));
      byte[] other = unlock(2);
      assertErrno(Errno.EEXIST, () -> set("tree", policy(other)));
    }

    @Test
    void onlyOnAnEmptyDirectory() throws ErrnoException {
      files.makeDirectory(ROOT, bytes("full"), 0755);
      put("full", "file", new byte[0]);
      assertErrno(Errno.ENOTEMPTY, () -> set("full", policy(identifier)));
      assertErrno(Errno.ENOTDIR, () -> set("full/file", policy(identifier)));
      assertErrno(Errno.EPERM, () -> set("", policy(identifier)));
    }

    @Test
    void onlyOfAKeyThatIsThereAndOnOnesOwnDirectory() throws ErrnoException {
      files.makeDirectory(ROOT, bytes("other"), 0755);
      assertErrno(Errno.ENOKEY, () -> set("other", policy(new byte[16])));
      assertErrno(Errno.EACCES, () -> files.setPolicy(1234, bytes("other"), policy(identifier)));
      long other = id("other");
      files.setAttributes(other, 0, new AttributeChanges(null, 1234, null, null, null, null));
      assertErrno(Errno.ENOKEY, () -> files.setPolicy(1234, bytes("other"), policy(identifier)));
      try (SecretBytes key = key(1)) {
        files.unlock(1234, key);
      }
      files.setPolicy(1234, bytes("other"), policy(identifier));
    }
  }

  @Nested
  @DisplayName("whose tree is locked")
  class Locked {
    private final byte[] content = random(4100);

    @BeforeEach
    void fillAndLock() throws ErrnoException {
      put("tree", "file", content);
      put("tree", LONG, content);
      put("tree", LONG + "x", content);
      files.makeDirectory(id("tree"), bytes("dir"), 0755);
      put("tree/dir", "inner", content);
      files.symlink(id("tree"), bytes("link"), bytes("target"));
      lock();
    }

    private String typed(int type, long size) throws ErrnoException {
      for (String each : TestVolume.names(files, id("tree"))) {
        FileStatus status = status("tree/" + each);
        if (status.type() == type && (size < 0 || status.size() == size)) {
          return each;
        }
      }
      throw new AssertionError("none");
    }

    @Test
    void showsOtherNamesAsManyAndTheirStatus() throws ErrnoException {
      var names = TestVolume.names(files, id("tree"));
      assertEquals(5, names.size());
      assertFalse(names.contains("file"));
      for (String each : names) {
        assertTrue(each.length() <= 252, each);
        assertTrue(each.chars().allMatch(c -> c < 128 && c != '/'), each);
      }
      assertEquals(4100, status("tree/" + typed(FileStatus.TYPE_REGULAR, -1)).size());
      assertEquals(KeyStatus.ABSENT, files.tree(bytes("tree")).status());
      assertErrno(Errno.ENOENT, () -> status("tree/file"));
    }

    @Test
    void showsLinksInAnotherForm() throws ErrnoException {
      String link = typed(FileStatus.TYPE_SYMLINK, -1);
      byte[] target = files.readLink(id("tree/" + link));
      assertFalse(Arrays.equals(bytes("target"), target));
      assertEquals(target.length, status("tree/" + link).size());
      unlock(1);
      assertArrayEquals(bytes("target"), files.readLink(id("tree/link")));
      assertEquals(6, status("tree/link").size());
    }

    @Test
    void letsNobodyIn() throws ErrnoException {
      long tree = id("tree");
      String file = typed(FileStatus.TYPE_REGULAR, -1);
      long id = id("tree/" + file);
      assertErrno(Errno.ENOKEY, () -> files.open(id, Flags.O_RDONLY));
      assertErrno(Errno.ENOKEY, () -> files.create(tree, bytes("new"), Flags.O_RDWR, 0644));
      assertErrno(Errno.ENOKEY, () -> files.createTemporary(tree, Flags.O_RDWR, 0644));
      assertErrno(Errno.ENOKEY, () -> files.makeDirectory(tree, bytes("new"), 0755));
      assertErrno(Errno.ENOKEY, () -> files.symlink(tree, bytes("new"), bytes("x")));
      assertErrno(
          Errno.ENOKEY, () -> files.makeNode(tree, bytes("new"), FileStatus.TYPE_FIFO | 0600, 0));
      assertErrno(Errno.ENOKEY, () -> files.link(id, tree, bytes("new")));
      assertErrno(Errno.ENOKEY, () -> files.rename(tree, bytes(file), tree, bytes("new"), 0));
      assertErrno(Errno.ENOKEY, () -> files.rename(tree, bytes(file), ROOT, bytes("new"), 0));
      assertErrno(
          Errno.ENOKEY,
          () -> files.setAttributes(id, 0, new AttributeChanges(null, null, null, 0L, null, null)));
      assertErrno(
          Errno.ENOKEY,
          () ->
              files.setAttributes(id, 0, new AttributeChanges(0600, null, null, null, null, null)));
      assertEquals(5, TestVolume.names(files, tree).size());
    }

    @Test
    void canBeRemoved() throws ErrnoException {
      removeAll(id("tree"));
      files.removeDirectory(ROOT, bytes("tree"));
      assertEquals(new TreeSet<>(), TestVolume.names(files, ROOT));
    }

    private void removeAll(long directory) throws ErrnoException {
      for (String each : TestVolume.names(files, directory)) {
        var entry = files.lookup(directory, bytes(each));
        if (entry.status().isDirectory()) {
          removeAll(entry.id());
          files.removeDirectory(directory, bytes(each));
        } else {
          files.unlink(directory, bytes(each));
        }
      }
    }

    @Test
    void isAsBeforeWhenItIsUnlocked() throws ErrnoException {
      unlock(1);
      assertArrayEquals(content, get("tree/file"));
      assertArrayEquals(content, get("tree/" + LONG));
      assertArrayEquals(content, get("tree/" + LONG + "x"));
      assertArrayEquals(content, get("tree/dir/inner"));
    }
  }

  @Nested
  @DisplayName("when it is locked while files are open")
  class LockedInUse {
    @Test
    void refusesThemAndTellsWhich() throws ErrnoException {
      put("tree", "file", random(9000));
      long handle = files.open(id("tree/file"), Flags.O_RDWR);
      var locked = files.lock(UID, identifier, false, true);
      assertEquals(List.of("tree/file"), locked.busyFiles());
      assertErrno(Errno.ENOKEY, () -> TestVolume.read(files, handle, 0, 10));
      assertErrno(Errno.ENOKEY, () -> TestVolume.write(files, handle, 0, random(10)));
      unlock(1);
      assertArrayEquals(random(9000), get("tree/file"));
      files.release(handle);
    }

    @Test
    void leavesThemInUseIfThatIsWanted() throws ErrnoException {
      put("tree", "file", random(9000));
      put("tree", "second", random(20));
      long handle = files.open(id("tree/file"), Flags.O_RDWR);
      long second = id("tree/second");
      var locked = files.lock(UID, identifier, false, false);
      assertEquals(List.of("tree/file"), locked.busyFiles());
      assertArrayEquals(random(9000), TestVolume.read(files, handle, 0, 9000));
      assertEquals(7, TestVolume.write(files, handle, 0, random(7)));
      assertErrno(Errno.ENOKEY, () -> files.open(second, Flags.O_RDONLY));
      assertEquals(KeyStatus.INCOMPLETELY_REMOVED, files.tree(bytes("tree")).status());
      assertEquals(KeyStatus.INCOMPLETELY_REMOVED, files.keys().getFirst().status());
      files.release(handle);
      assertEquals(KeyStatus.ABSENT, files.tree(bytes("tree")).status());
      assertErrno(Errno.ENOKEY, () -> files.lock(UID, identifier, false, false));
    }

    @Test
    void keepsItOpenForOtherUsersWhoClaimTheKey() throws ErrnoException {
      put("tree", "file", random(90));
      try (SecretBytes key = key(1)) {
        files.unlock(1000, key);
        files.unlock(1000, key);
      }
      assertTrue(files.lock(UID, identifier, false, true).otherUsers());
      assertArrayEquals(random(90), get("tree/file"));
      assertErrno(Errno.ENOKEY, () -> files.lock(UID, identifier, false, true));
      assertFalse(files.lock(1000, identifier, false, true).otherUsers());
      assertErrno(Errno.ENOENT, () -> get("tree/file"));
    }

    @Test
    @DisplayName("lets a user give up his own keys alone, and bring no more than 200 (generic/581)")
    void leavesTheKeysOfOthers() throws ErrnoException {
      byte[] hers = null;
      try (SecretBytes key = key(2)) {
        hers = files.unlock(1001, key);
      }
      byte[] other = hers;
      assertErrno(Errno.ENOKEY, () -> files.lock(1000, other, false, true));
      assertErrno(Errno.ENOKEY, () -> files.lock(1000, identifier, false, true));
      assertEquals(2, files.keys().size());
      byte[] raw = new byte[64];
      for (int i = 0; i < KeyRing.MOST_KEYS; i++) {
        raw[0] = (byte) i;
        files.unlock(1000, raw.clone());
      }
      raw[1] = 1;
      assertErrno(Errno.EDQUOT, () -> files.unlock(1000, raw.clone()));
      // Neither a claim of his own again, nor anybody else is in the way of it.
      raw[1] = 0;
      files.unlock(1000, raw.clone());
      raw[1] = 1;
      files.unlock(1001, raw.clone());
      files.unlock(UID, raw.clone());
    }

    @Test
    @DisplayName("never takes a child of its parent's policy for another's (generic/440)")
    void childrenStayOfTheirParentsPolicy() throws ErrnoException {
      long tree = id("tree");
      long directory = files.makeDirectory(tree, bytes("dir"), 0755).id();
      put("tree/dir", "file", random(90));
      // The parent remembered with its key and the child looked up without, and the other way.
      lock();
      long handle = files.openDirectory(directory);
      files.releaseDirectory(handle);
      for (String each : TestVolume.names(files, tree)) {
        files.status(files.lookup(tree, bytes(each)).id(), 0);
      }
      unlock(1);
      assertArrayEquals(random(90), get("tree/dir/file"));
      remount();
      assertEquals(1, TestVolume.names(files, id("tree")).size());
      long child =
          files.lookup(id("tree"), bytes(TestVolume.names(files, id("tree")).first())).id();
      unlock(1);
      assertEquals(List.of("file"), List.copyOf(TestVolume.names(files, child)));
      assertArrayEquals(random(90), get("tree/dir/file"));
    }

    @Test
    void tellsTheCacheWhatToForget() throws ErrnoException {
      put("tree", "file", random(90));
      long file = id("tree/file");
      List<String> forgotten = new ArrayList<>();
      files.setCache(
          new PolicyFilesystem.Cache() {
            @Override
            public void forgetContents(long id) {
              forgotten.add("contents " + id);
            }

            @Override
            public void forgetName(long parent, byte[] name) {
              forgotten.add("name " + new String(name, UTF_8));
            }
          });
      lock();
      assertEquals(List.of("name file", "contents " + id("tree"), "contents " + file), forgotten);
    }
  }

  @Nested
  @DisplayName("between trees")
  class BetweenTrees {
    @BeforeEach
    void makeSecondTree() throws ErrnoException {
      files.makeDirectory(ROOT, bytes("second"), 0755);
      files.setPolicy(UID, bytes("second"), policy(unlock(2)));
      files.makeDirectory(ROOT, bytes("plain"), 0755);
      files.makeDirectory(ROOT, bytes("same"), 0755);
      files.setPolicy(UID, bytes("same"), policy(identifier));
      put("tree", "file", random(50));
      put("plain", "file", random(50));
    }

    private void assertCannotGo(String from, String to) throws ErrnoException {
      long source = id(from);
      long target = id(to);
      long file = id(from + "/file");
      assertErrno(
          Errno.EXDEV, () -> files.rename(source, bytes("file"), target, bytes("moved"), 0));
      assertErrno(Errno.EXDEV, () -> files.link(file, target, bytes("linked")));
    }

    @Test
    void nothingIsMovedOrLinked() throws ErrnoException {
      assertCannotGo("tree", "second");
      assertCannotGo("tree", "plain");
      assertCannotGo("plain", "tree");
      put("second", "file", random(50));
      long tree = id("tree");
      long second = id("second");
      assertErrno(
          Errno.EXDEV,
          () -> files.rename(tree, bytes("file"), second, bytes("file"), Flags.RENAME_EXCHANGE));
    }

    @Test
    void ofOnePolicyEverythingIs() throws ErrnoException {
      files.rename(id("tree"), bytes("file"), id("same"), bytes("moved"), 0);
      assertArrayEquals(random(50), get("same/moved"));
      files.link(id("same/moved"), id("tree"), bytes("back"));
      assertArrayEquals(random(50), get("tree/back"));
    }

    @Test
    void aWholeTreeMovesAmongPlainDirectories() throws ErrnoException {
      files.rename(ROOT, bytes("tree"), id("plain"), bytes("inside"), 0);
      assertArrayEquals(random(50), get("plain/inside/file"));
    }
  }

  @Nested
  @DisplayName("changed by somebody who knows nothing of it")
  class Damaged {
    private Path stored = Path.of("/");

    @BeforeEach
    void makeFile() throws IOException {
      put("tree", "file", random(5000));
      stored = only(path.resolve("tree"));
      remount();
      unlock(1);
    }

    private void assertUnusable(int errno) throws ErrnoException {
      long file = id("tree/file");
      assertErrno(errno, () -> files.open(file, Flags.O_RDONLY));
    }

    @Test
    void refusesASizeThatIsNoMultipleOfTheUnit() throws IOException {
      try (var channel = Files.newByteChannel(stored, java.nio.file.StandardOpenOption.WRITE)) {
        channel.truncate(5001);
      }
      assertUnusable(Errno.EIO);
    }

    @Test
    void refusesARealSizeBeyondTheStoredOne() throws IOException {
      try (var channel = Files.newByteChannel(stored, java.nio.file.StandardOpenOption.WRITE)) {
        channel.truncate(4096);
      }
      assertUnusable(Errno.EIO);
    }

    @Test
    void refusesAFileWithoutContextOrSize() throws IOException {
      attributes(stored).delete("fscrypt.file");
      assertUnusable(Errno.EIO);
      attributes(stored).delete("fscrypt.auth");
      assertUnusable(Errno.EIO);
    }

    @Test
    void finishesADirectoryThatGotNoContextAndIsEmptyButNoOther() throws IOException {
      files.makeDirectory(id("tree"), bytes("below"), 0755);
      Path below;
      try (var entries = Files.list(path.resolve("tree"))) {
        below = entries.filter(Files::isDirectory).findFirst().orElseThrow();
      }
      remount();
      unlock(1);
      attributes(below).delete("fscrypt.auth");
      put("tree/below", "file", random(10));
      remount();
      unlock(1);
      assertArrayEquals(random(10), get("tree/below/file"));
      attributes(below).delete("fscrypt.auth");
      remount();
      unlock(1);
      long id = id("tree/below");
      assertErrno(Errno.EIO, () -> TestVolume.names(files, id));
      assertFalse(attributes(below).list().contains("fscrypt.auth"));
    }

    @Test
    void refusesAFileOfAnotherPolicy() throws IOException {
      files.makeDirectory(ROOT, bytes("second"), 0755);
      files.setPolicy(UID, bytes("second"), policy(unlock(2)));
      put("second", "file", random(10));
      byte[] foreign = new byte[48];
      attributes(only(path.resolve("second")))
          .read("fscrypt.auth", java.nio.ByteBuffer.wrap(foreign));
      attributes(stored).write("fscrypt.auth", java.nio.ByteBuffer.wrap(foreign));
      assertUnusable(Errno.EPERM);
    }
  }

  @Nested
  @DisplayName("reads the attributes of a file")
  class Attributes {
    private final MemoryStore memory = new MemoryStore();

    private int contextReads() {
      return memory.attributeReads(FscryptAttributes.CONTEXT);
    }

    private int sizeReads() {
      return memory.attributeReads(FscryptAttributes.SIZE);
    }

    private PolicyFilesystem openMemory(boolean first) throws ErrnoException {
      var volume = new PolicyFilesystem(memory, EncryptedFilesystem.Options.defaults(), null);
      try (SecretBytes key = key(1)) {
        byte[] master = volume.unlock(UID, key);
        if (first) {
          volume.makeDirectory(ROOT, bytes("tree"), 0755);
          volume.setPolicy(UID, bytes("tree"), policy(master));
        }
      }
      return volume;
    }

    @Test
    @DisplayName("not at all while it is made and written (sanity-sec 49)")
    void notWhileItIsMade() throws ErrnoException {
      try (PolicyFilesystem volume = openMemory(true)) {
        long tree = TestVolume.find(volume, "tree").id();
        TestVolume.put(volume, tree, "first", random(10));
        int contexts = contextReads();
        int sizes = sizeReads();
        var made = volume.create(tree, bytes("file"), Flags.O_RDWR | Flags.O_EXCL, 0644);
        for (int i = 0; i < 10; i++) {
          TestVolume.write(volume, made.handle(), i * 1000L, random(1000));
          assertEquals((i + 1) * 1000L, volume.status(made.entry().id(), made.handle()).size());
        }
        assertEquals(1000, TestVolume.read(volume, made.handle(), 9000, 5000).length);
        volume.release(made.handle());
        assertEquals(contexts, contextReads());
        assertEquals(sizes, sizeReads());
      }
    }

    @Test
    @DisplayName("once when it is opened, however much is read and written then (sanity-sec 49)")
    void onceWhenItIsOpened() throws ErrnoException {
      try (PolicyFilesystem volume = openMemory(true)) {
        TestVolume.put(volume, TestVolume.find(volume, "tree").id(), "file", random(5000));
      }
      try (PolicyFilesystem volume = openMemory(false)) {
        long file = TestVolume.find(volume, "tree/file").id();
        int contexts = contextReads();
        int sizes = sizeReads();
        long handle = volume.open(file, Flags.O_RDWR);
        for (int i = 0; i < 10; i++) {
          TestVolume.write(volume, handle, 5000 + i * 1000L, random(1000));
          assertEquals(random(1000).length, TestVolume.read(volume, handle, 2000, 1000).length);
        }
        volume.release(handle);
        assertEquals(contexts + 1, contextReads());
        assertEquals(sizes + 1, sizeReads());
      }
    }
  }

  @Test
  @DisplayName(
      "keeps what a file grows by while a strict lock waits and the tree is unlocked again")
  void growsBetweenALockAndAnUnlock() throws ErrnoException {
    put("tree", "file", random(100));
    long file = id("tree/file");
    long before = files.open(file, Flags.O_RDWR);
    byte[] wanted = random(20_000);
    files.setCache(
        new PolicyFilesystem.Cache() {
          @Override
          public void forgetContents(long id) {}

          @Override
          public void forgetName(long parent, byte[] name) {}

          @Override
          public void finishWrites(List<Long> ids) {
            try {
              writePart(before, 0);
              unlock(1);
              long after = files.open(file, Flags.O_RDWR);
              for (int at = 1000; at < wanted.length; at += 1000) {
                writePart(at % 2000 == 0 ? before : after, at);
              }
              files.release(after);
            } catch (ErrnoException e) {
              throw new AssertionError(e);
            }
          }

          private void writePart(long handle, int at) throws ErrnoException {
            TestVolume.write(files, handle, at, Arrays.copyOfRange(wanted, at, at + 1000));
          }
        });
    files.lock(UID, identifier, false, true);
    files.release(before);
    assertArrayEquals(wanted, get("tree/file"));
    remount();
    unlock(1);
    assertArrayEquals(wanted, get("tree/file"));
  }

  @Test
  @DisplayName("finds long names that a locked tree has shown without searching for each (435)")
  void longNoKeyNamesAreRemembered() throws ErrnoException {
    var memory = new MemoryStore();
    try (var volume = new PolicyFilesystem(memory, EncryptedFilesystem.Options.defaults(), null)) {
      byte[] master;
      try (SecretBytes key = key(1)) {
        master = volume.unlock(UID, key);
      }
      long tree = volume.makeDirectory(ROOT, bytes("tree"), 0755).id();
      volume.setPolicy(UID, bytes("tree"), policy(master));
      for (int i = 0; i < 40; i++) {
        TestVolume.put(volume, tree, LONG + i, new byte[] {1});
      }
      volume.lock(UID, master, false, true);
      var names = TestVolume.names(volume, tree);
      assertEquals(40, names.size());
      int before = memory.listings();
      for (String each : names) {
        volume.unlink(tree, bytes(each));
      }
      assertEquals(before, memory.listings());
      assertErrno(Errno.ENOENT, () -> volume.lookup(tree, bytes(names.iterator().next())));
      assertEquals(0, TestVolume.names(volume, tree).size());
    }
  }

  @Test
  void theIdentifierIsTheKernels() {
    try (SecretBytes raw = key(1);
        var key = new FscryptMasterKey(raw)) {
      assertEquals(
          "69b2f6edeee720cce0577937eb8a6751", java.util.HexFormat.of().formatHex(key.identifier()));
    }
  }
}
