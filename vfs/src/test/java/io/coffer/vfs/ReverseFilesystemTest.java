package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.LocalStore;
import io.coffer.store.Store;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import io.coffer.store.StoreListing;
import io.coffer.vfs.VirtualFilesystem.Entry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("The encrypted view of a plain tree")
class ReverseFilesystemTest {
  private static final int READ_BYTES = 100_000;

  @TempDir Path temporary;
  private Path tree;

  @BeforeEach
  void makeTree() throws Exception {
    tree = Files.createDirectory(temporary.resolve("tree"));
  }

  @Nested
  @DisplayName("beside gocryptfs -reverse")
  class BesideGocryptfs {
    @ParameterizedTest
    @DisplayName("has the same names, sizes, targets and bytes")
    @ValueSource(strings = {"", "-deterministic-names", "-plaintextnames", "-longnamemax=100"})
    void isTheSame(String option) throws Exception {
      GocryptfsMount.assumeInstalled();
      long seed = System.nanoTime();
      // Of hard links gocryptfs 2.3 shows now the one path's bytes, now the other's.
      fill(seed, false);
      List<String> options = new ArrayList<>(List.of("-init", "-reverse", "-scryptn=10"));
      if (!option.isEmpty()) {
        options.add(option);
      }
      GocryptfsMount.gocryptfs(tree, options.toArray(String[]::new));
      Map<String, String> theirs;
      try (var mount = GocryptfsMount.mount(tree, temporary.resolve("mnt"), "-reverse");
          Store store = LocalStore.open(mount.path())) {
        theirs = walk(store);
      }
      Map<String, String> ours;
      try (View view = view(ReverseOptions.DEFAULT)) {
        ours = walk(view.filesystem);
      }
      assertTrue(theirs.size() > 40, () -> "entries of the tree: " + theirs.size());
      // gocryptfs 2.3 does not show extended attributes in reverse.
      assertSame(withoutAttributes(theirs), withoutAttributes(ours), seed);
    }

    @Test
    @DisplayName("is the same for a configuration that gocryptfs 1.1 wrote")
    void isTheSameWithoutHkdf() throws Exception {
      GocryptfsMount.assumeInstalled();
      copySample("v1.1-reverse");
      Map<String, String> theirs;
      try (var mount = GocryptfsMount.mount("test", tree, temporary.resolve("mnt"), "-reverse");
          Store store = LocalStore.open(mount.path())) {
        theirs = walk(store);
      }
      GocryptfsVolume volume = GocryptfsVolume.open(tree, true);
      try (SecretBytes password = SecretBytes.copyOf(ascii("test"));
          SecretBytes masterKey = volume.unlock(password);
          View view =
              new View(
                  LocalStore.open(tree), volume.format(masterKey, true), ReverseOptions.DEFAULT)) {
        assertSame(theirs, walk(view.filesystem), 0);
      }
    }

    private void copySample(String name) throws Exception {
      String given = System.getProperty("coffer.shared", System.getenv("COFFER_SHARED"));
      Path shared = given == null ? Path.of("../../shared") : Path.of(given);
      Path sample = shared.resolve("volumes").resolve(name);
      if (!Files.isDirectory(sample)) {
        System.err.println("SKIPPED: no sample volume " + sample + "; set COFFER_SHARED");
      }
      assumeTrue(Files.isDirectory(sample), "no sample volume " + sample);
      try (Stream<Path> files = Files.list(sample)) {
        for (Path file : files.toList()) {
          Files.copy(file, tree.resolve(file.getFileName()));
        }
      }
    }

    @Test
    @DisplayName("is a volume that gocryptfs mounts, with every file as it was")
    void mountsAsAVolume() throws Exception {
      GocryptfsMount.assumeInstalled();
      fill(1, true);
      create(GocryptfsOptions.DEFAULT);
      Path copy = Files.createDirectory(temporary.resolve("copy"));
      try (View view = view(ReverseOptions.DEFAULT);
          Store store = LocalStore.open(copy)) {
        copy(view.filesystem, VirtualFilesystem.ROOT, store.root());
      }
      GocryptfsMount.gocryptfs(copy, "-fsck");
      Files.delete(tree.resolve(".gocryptfs.reverse.conf"));
      try (var mount = GocryptfsMount.mount(copy, temporary.resolve("mnt"), "-ro");
          Store decrypted = LocalStore.open(mount.path());
          Store original = LocalStore.open(tree)) {
        assertSame(walk(original), walk(decrypted), 1);
      }
    }
  }

  @Test
  @DisplayName("gives the bytes that are known of a file of 10000 zeros")
  void givesKnownBytes() throws Exception {
    Files.createDirectories(tree.resolve("dir1/dir2"));
    Files.write(tree.resolve("dir1/dir2/file"), new byte[10000]);
    byte[] key =
        "2290a7f4-3e1908fb-b006f7d9-261bdaf1-4b72bc38-3b24956c-db7d8a8d-d996076a"
            .getBytes(StandardCharsets.US_ASCII);
    try (SecretBytes masterKey = io.coffer.keys.MasterKeyText.parse(key);
        SecretBytes password = password()) {
      GocryptfsVolume.create(tree, null, true, options(), password, masterKey);
    }
    try (View view = view(ReverseOptions.DEFAULT)) {
      long file = VirtualFilesystem.ROOT;
      for (String name :
          List.of("zOsW1-BUX54hC2hmhu2EOw", "4ZqrpGQdw5r07KR1qw2ZeQ", "tfCm9Sp9J_Dvc-jD7J6p8g")) {
        file = view.filesystem.lookup(file, ascii(name)).id();
      }
      byte[] md5 = MessageDigest.getInstance("MD5").digest(read(view.filesystem, file));
      assertEquals("9818501d214c5eb42ca2472caf6c82a1", HexFormat.of().formatHex(md5));
      long directory = VirtualFilesystem.ROOT;
      for (String dots : List.of("D8VwRPqWW8x7M5OEoMs0Eg", "kkmARPseVj4XQFW-EL42-w")) {
        assertErrno(Errno.ENOENT, () -> view.filesystem.lookup(directory, ascii(dots)));
      }
      byte[] iv = read(view.filesystem, lookup(view, "gocryptfs.diriv").id());
      assertEquals("a8f7bac432ddc1cb3dc74e684d6ae48b", HexFormat.of().formatHex(iv));
    }
  }

  @Test
  @DisplayName("can be read at any offset with any length")
  void readsAnyRange() throws Exception {
    Random random = new Random(7);
    byte[] content = new byte[30_000];
    random.nextBytes(content);
    Files.write(tree.resolve("file"), content);
    create(GocryptfsOptions.DEFAULT.withPlaintextNames(true));
    try (View view = view(ReverseOptions.DEFAULT);
        Arena arena = Arena.ofConfined()) {
      long id = lookup(view, "file").id();
      byte[] whole = read(view.filesystem, id);
      long handle = view.filesystem.open(id, Flags.O_RDONLY);
      MemorySegment buffer = arena.allocate(40_000);
      for (int i = 0; i < 2000; i++) {
        int offset = random.nextInt(whole.length + 100);
        int length = i % 2 == 0 ? random.nextInt(40_000) : random.nextInt(40);
        int bytes = view.filesystem.read(handle, offset, buffer, 0, length);
        int expected = Math.max(0, Math.min(length, whole.length - offset));
        assertEquals(expected, bytes);
        for (int b = 0; b < bytes; b += 1 + bytes / 50) {
          assertEquals(whole[offset + b], buffer.get(ValueLayout.JAVA_BYTE, b));
        }
      }
      view.filesystem.release(handle);
    }
  }

  @Test
  @DisplayName("shows all hard links of a file with the same bytes and number")
  void hardLinksAgree() throws Exception {
    Files.writeString(tree.resolve("a"), "content");
    Files.createLink(tree.resolve("b"), tree.resolve("a"));
    create(GocryptfsOptions.DEFAULT.withPlaintextNames(true));
    try (View view = view(ReverseOptions.DEFAULT)) {
      Entry a = lookup(view, "a");
      Entry b = lookup(view, "b");
      assertEquals(a.status().inode(), b.status().inode());
      assertArrayEquals(read(view.filesystem, b.id()), read(view.filesystem, a.id()));
    }
  }

  @Test
  @DisplayName("shows a file that was replaced or moved as what it is now")
  void followsChanges() throws Exception {
    Files.createDirectory(tree.resolve("one"));
    Files.writeString(tree.resolve("one/file"), "content");
    create(GocryptfsOptions.DEFAULT.withPlaintextNames(true));
    try (View view = view(ReverseOptions.DEFAULT)) {
      long one = lookup(view, "one").id();
      long file = view.filesystem.lookup(one, ascii("file")).id();
      byte[] before = read(view.filesystem, file);
      Files.move(tree.resolve("one"), tree.resolve("two"));
      assertErrno(Errno.ENOENT, () -> view.filesystem.status(file, 0));
      long two = lookup(view, "two").id();
      assertNotEquals(one, two);
      long moved = view.filesystem.lookup(two, ascii("file")).id();
      assertFalse(java.util.Arrays.equals(before, read(view.filesystem, moved)));
    }
  }

  @Test
  @DisplayName("refuses every change")
  void refusesChanges() throws Exception {
    Files.writeString(tree.resolve("file"), "content");
    create(GocryptfsOptions.DEFAULT.withPlaintextNames(true));
    try (View view = view(ReverseOptions.DEFAULT)) {
      VirtualFilesystem fs = view.filesystem;
      long id = lookup(view, "file").id();
      assertErrno(Errno.EROFS, () -> fs.open(id, Flags.O_RDWR));
      assertErrno(Errno.EROFS, () -> fs.unlink(VirtualFilesystem.ROOT, ascii("file")));
      assertErrno(Errno.EROFS, () -> fs.makeDirectory(VirtualFilesystem.ROOT, ascii("d"), 0755));
      assertErrno(Errno.EROFS, () -> fs.access(id, Flags.W_OK));
    }
    assertEquals("content", Files.readString(tree.resolve("file")));
  }

  @Test
  @DisplayName("translates paths there and back, through long names")
  void translatesPaths() throws Exception {
    String longName = "x".repeat(255);
    Files.createDirectories(tree.resolve("a").resolve(longName).resolve("b"));
    create(GocryptfsOptions.DEFAULT);
    try (View view = view(ReverseOptions.DEFAULT)) {
      for (String path : List.of("", "a", "a/" + longName, "a/" + longName + "/b")) {
        byte[] stored = view.filesystem.encryptPath(ascii(path));
        assertEquals(path, latin(view.filesystem.decryptPath(stored)));
        if (!path.isEmpty()) {
          assertTrue(find(view.filesystem, latin(stored)).status().isDirectory());
        }
      }
      byte[] iv = ascii("gocryptfs.diriv");
      assertErrno(Errno.ENOENT, () -> view.filesystem.decryptPath(iv));
      assertErrno(Errno.ENOENT, () -> view.filesystem.decryptPath(ascii("not base64")));
    }
  }

  @Test
  @DisplayName("forgets what the kernel forgot")
  void forgets() throws Exception {
    Files.createDirectories(tree.resolve("a/b"));
    create(GocryptfsOptions.DEFAULT.withPlaintextNames(true));
    try (View view = view(ReverseOptions.DEFAULT)) {
      long a = lookup(view, "a").id();
      long b = view.filesystem.lookup(a, ascii("b")).id();
      view.filesystem.forget(a, 1);
      assertEquals(FileStatus.TYPE_DIRECTORY, view.filesystem.status(b, 0).type());
      view.filesystem.forget(b, 1);
      assertErrno(Errno.ESTALE, () -> view.filesystem.status(a, 0));
      assertErrno(Errno.ESTALE, () -> view.filesystem.status(b, 0));
    }
  }

  @Nested
  @DisplayName("with patterns of what to leave out")
  class WithPatterns {
    @Test
    @DisplayName("neither lists nor finds what they match, nor its long name")
    void hides() throws Exception {
      String longName = "cache" + "x".repeat(240);
      Files.createDirectories(tree.resolve("keep/tmp"));
      Files.writeString(tree.resolve("keep/tmp/file"), "x");
      Files.writeString(tree.resolve("keep/a.mp3"), "x");
      Files.writeString(tree.resolve("keep/a.txt"), "x");
      Files.writeString(tree.resolve(longName), "x");
      create(GocryptfsOptions.DEFAULT.withDeterministicNames(true));
      Map<String, String> all;
      try (View view = view(ReverseOptions.DEFAULT)) {
        all = walk(view.filesystem);
      }
      ExcludePatterns patterns =
          ExcludePatterns.of(List.of("keep/tmp"), List.of("*.mp3", "cache*"));
      try (View view = view(new ReverseOptions(patterns, false, true))) {
        Map<String, String> some = walk(view.filesystem);
        // The configuration, the directory and a.txt.
        assertEquals(3, some.size(), some::toString);
        assertTrue(all.keySet().containsAll(some.keySet()));
        TreeSet<String> hidden = new TreeSet<>(all.keySet());
        hidden.removeAll(some.keySet());
        assertEquals(5, hidden.size(), hidden::toString);
        for (String path : hidden) {
          assertErrno(Errno.ENOENT, () -> find(view.filesystem, path));
        }
      }
    }
  }

  // The tree.

  private void fill(long seed, boolean links) throws Exception {
    Random random = new Random(seed);
    try (LocalStore store = LocalStore.open(tree)) {
      fill(random, store.root(), 0, links);
    }
  }

  private static void fill(Random random, StoreDirectory directory, int depth, boolean links)
      throws Exception {
    int[] sizes = {0, 1, 17, 4095, 4096, 4097, 10_000, 130_000, random.nextInt(300_000)};
    byte[] first = {};
    for (int size : sizes) {
      byte[] name = name(random);
      first = name;
      byte[] content = new byte[size];
      if (random.nextInt(4) != 0) {
        random.nextBytes(content);
      }
      try (StoreFile file = directory.openFile(name, Flags.O_RDWR | Flags.O_CREAT, 0644);
          Arena arena = Arena.ofConfined()) {
        MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, content);
        file.write(bytes, 0, size, 0);
        if (random.nextBoolean()) {
          file.truncate(size + random.nextInt(20_000));
        }
        file.setXattr(ascii("user.empty"), new byte[0], 0);
        byte[] value = new byte[1 + random.nextInt(500)];
        random.nextBytes(value);
        file.setXattr(ascii("user." + random.nextInt()), value, 0);
      }
    }
    if (links) {
      directory.link(first, directory, name(random));
    }
    directory.symlink(ascii("../target"), name(random));
    directory.symlink(ascii("t".repeat(1 + random.nextInt(2000))), name(random));
    directory.makeNode(name(random), FileStatus.TYPE_FIFO | 0600, 0);
    for (int i = 0; depth < 2 && i < 2; i++) {
      byte[] name = name(random);
      directory.makeDirectory(name, 0755);
      try (StoreDirectory inside = directory.openDirectory(name)) {
        fill(random, inside, depth + 1, links);
      }
    }
  }

  /** Names of all lengths and bytes. */
  private static byte[] name(Random random) {
    byte[] name =
        new byte[random.nextBoolean() ? 8 + random.nextInt(20) : 60 + random.nextInt(196)];
    for (int i = 0; i < name.length; i++) {
      do {
        name[i] = (byte) (1 + random.nextInt(255));
      } while (name[i] == '/');
    }
    return name;
  }

  // Walks.

  private static Map<String, String> walk(Store store) throws Exception {
    Map<String, String> entries = new TreeMap<>();
    walk(store.root(), "", entries);
    return entries;
  }

  private static void walk(StoreDirectory directory, String path, Map<String, String> entries)
      throws Exception {
    TreeSet<String> names = new TreeSet<>();
    try (StoreListing listing = directory.list()) {
      while (listing.next()) {
        names.add(latin(listing.name()));
      }
    }
    names.removeAll(List.of(".", ".."));
    for (String each : names) {
      byte[] name = each.getBytes(StandardCharsets.ISO_8859_1);
      FileStatus status = directory.status(name);
      StringBuilder text = new StringBuilder(describe(status));
      if (status.isSymlink()) {
        text.append(' ').append(latin(directory.readLink(name)));
      }
      if (status.isRegular()) {
        try (StoreFile file = directory.openFile(name, Flags.O_RDONLY, 0)) {
          text.append(' ').append(digest((to, offset) -> file.read(to, 0, READ_BYTES, offset)));
          text.append(xattrs(file.listXattrs(), file::getXattr));
        }
      }
      entries.put(path + each, text.toString());
      if (status.isDirectory()) {
        try (StoreDirectory inside = directory.openDirectory(name)) {
          walk(inside, path + each + "/", entries);
        }
      }
    }
  }

  private static Map<String, String> walk(VirtualFilesystem filesystem) throws Exception {
    Map<String, String> entries = new TreeMap<>();
    walk(filesystem, VirtualFilesystem.ROOT, "", entries);
    return entries;
  }

  private static void walk(
      VirtualFilesystem filesystem, long directory, String path, Map<String, String> entries)
      throws Exception {
    for (String each : names(filesystem, directory)) {
      Entry entry = filesystem.lookup(directory, each.getBytes(StandardCharsets.ISO_8859_1));
      FileStatus status = entry.status();
      assertEquals(status, filesystem.status(entry.id(), 0));
      StringBuilder text = new StringBuilder(describe(status));
      if (status.isSymlink()) {
        text.append(' ').append(latin(filesystem.readLink(entry.id())));
      }
      if (status.isRegular()) {
        long handle = filesystem.open(entry.id(), Flags.O_RDONLY);
        text.append(' ')
            .append(digest((to, offset) -> filesystem.read(handle, offset, to, 0, READ_BYTES)));
        filesystem.release(handle);
        text.append(
            xattrs(
                filesystem.listXattrs(entry.id()),
                attribute -> filesystem.getXattr(entry.id(), attribute)));
      }
      entries.put(path + each, text.toString());
      if (status.isDirectory()) {
        walk(filesystem, entry.id(), path + each + "/", entries);
      }
      filesystem.forget(entry.id(), 1);
    }
  }

  private static Set<String> names(VirtualFilesystem filesystem, long directory) throws Exception {
    TreeSet<String> names = new TreeSet<>();
    long handle = filesystem.openDirectory(directory);
    // Takes a few at a time, as a kernel with a small buffer does.
    long[] cookie = {0};
    int before;
    do {
      before = names.size();
      int[] room = {3};
      filesystem.list(
          handle,
          cookie[0],
          false,
          (name, inode, type, next, entry) -> {
            if (room[0]-- == 0) {
              return false;
            }
            assertTrue(names.add(latin(name)), () -> latin(name) + " is listed twice");
            cookie[0] = next;
            return true;
          });
    } while (names.size() > before);
    filesystem.releaseDirectory(handle);
    names.removeAll(List.of(".", ".."));
    return names;
  }

  private static String describe(FileStatus status) {
    return Integer.toOctalString(status.mode())
        + (status.isDirectory() ? "" : " " + status.size())
        + " "
        + status.uid()
        + ":"
        + status.gid();
  }

  private interface Source {
    int read(MemorySegment to, long offset) throws Exception;
  }

  private static String digest(Source source) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(READ_BYTES);
      long offset = 0;
      for (int some = source.read(buffer, 0); some > 0; some = source.read(buffer, offset)) {
        digest.update(buffer.asSlice(0, some).toArray(ValueLayout.JAVA_BYTE));
        offset += some;
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private interface Attributes {
    byte @org.jspecify.annotations.Nullable [] get(byte[] name) throws Exception;
  }

  private static String xattrs(byte[] names, Attributes attributes) throws Exception {
    StringBuilder text = new StringBuilder();
    for (String name : new TreeSet<>(Stream.of(latin(names).split("\0")).toList())) {
      if (name.startsWith("user.")) {
        byte[] value = attributes.get(name.getBytes(StandardCharsets.ISO_8859_1));
        text.append(' ').append(name).append('=').append(HexFormat.of().formatHex(value));
      }
    }
    return text.toString();
  }

  private static byte[] read(VirtualFilesystem filesystem, long id) throws Exception {
    long handle = filesystem.open(id, Flags.O_RDONLY);
    try (Arena arena = Arena.ofConfined()) {
      int size = (int) filesystem.status(id, handle).size();
      MemorySegment buffer = arena.allocate(size + 1L);
      assertEquals(size, filesystem.read(handle, 0, buffer, 0, size + 1));
      return buffer.asSlice(0, size).toArray(ValueLayout.JAVA_BYTE);
    } finally {
      filesystem.release(handle);
    }
  }

  private static void copy(VirtualFilesystem filesystem, long from, StoreDirectory to)
      throws Exception {
    for (String each : names(filesystem, from)) {
      byte[] name = each.getBytes(StandardCharsets.ISO_8859_1);
      Entry entry = filesystem.lookup(from, name);
      switch (entry.status().type()) {
        case FileStatus.TYPE_DIRECTORY -> {
          to.makeDirectory(name, 0755);
          try (StoreDirectory inside = to.openDirectory(name)) {
            copy(filesystem, entry.id(), inside);
          }
        }
        case FileStatus.TYPE_SYMLINK -> to.symlink(filesystem.readLink(entry.id()), name);
        case FileStatus.TYPE_REGULAR -> {
          byte[] content = read(filesystem, entry.id());
          int flags = Flags.O_RDWR | Flags.O_CREAT;
          int mode = entry.status().mode() & Flags.PERMISSIONS;
          try (StoreFile file = to.openFile(name, flags, mode);
              Arena arena = Arena.ofConfined()) {
            file.write(arena.allocateFrom(ValueLayout.JAVA_BYTE, content), 0, content.length, 0);
            for (String attribute : latin(filesystem.listXattrs(entry.id())).split("\0", -1)) {
              if (attribute.startsWith("user.")) {
                byte[] value = filesystem.getXattr(entry.id(), ascii(attribute));
                file.setXattr(ascii(attribute), value, 0);
              }
            }
          }
        }
        default -> to.makeNode(name, entry.status().mode(), 0);
      }
    }
  }

  private static Entry find(VirtualFilesystem filesystem, String path) throws Exception {
    long id = VirtualFilesystem.ROOT;
    Entry entry = null;
    for (String name : path.split("/", -1)) {
      entry = filesystem.lookup(id, name.getBytes(StandardCharsets.ISO_8859_1));
      id = entry.id();
    }
    return Objects.requireNonNull(entry);
  }

  // The view.

  private static final class View implements AutoCloseable {
    final Store store;
    final GocryptfsFormat format;
    final ReverseFilesystem filesystem;

    View(Store store, GocryptfsFormat format, ReverseOptions options) throws Exception {
      this.store = store;
      this.format = format;
      filesystem = new ReverseFilesystem(store, format, options);
    }

    @Override
    public void close() throws ErrnoException {
      filesystem.close();
      format.close();
      store.close();
    }
  }

  private static GocryptfsOptions options() {
    return GocryptfsOptions.DEFAULT.withScryptLogN(10);
  }

  private void create(GocryptfsOptions options) throws Exception {
    try (SecretBytes password = password()) {
      GocryptfsVolume.create(tree, null, true, options.withScryptLogN(10), password, null);
    }
  }

  private View view(ReverseOptions options) throws Exception {
    GocryptfsVolume volume = GocryptfsVolume.open(tree, true);
    try (SecretBytes password = password();
        SecretBytes masterKey = volume.unlock(password)) {
      return new View(LocalStore.open(tree), volume.format(masterKey, true), options);
    }
  }

  private static SecretBytes password() {
    return SecretBytes.copyOf(GocryptfsMount.PASSWORD.getBytes(StandardCharsets.UTF_8));
  }

  private static Entry lookup(View view, String name) throws Exception {
    return view.filesystem.lookup(VirtualFilesystem.ROOT, ascii(name));
  }

  private interface Attempt {
    void run() throws Exception;
  }

  private static void assertErrno(int errno, Attempt attempt) {
    ErrnoException e = assertThrows(ErrnoException.class, attempt::run);
    assertEquals(errno, e.errno(), e.getMessage());
  }

  private static Map<String, String> withoutAttributes(Map<String, String> entries) {
    Map<String, String> result = new TreeMap<>(entries);
    result.replaceAll((path, text) -> text.replaceAll(" user\\..*", ""));
    return result;
  }

  private static void assertSame(Map<String, String> expected, Map<String, String> got, long seed) {
    TreeSet<String> paths = new TreeSet<>(expected.keySet());
    paths.addAll(got.keySet());
    List<String> differences =
        paths.stream()
            .filter(path -> !Objects.equals(expected.get(path), got.get(path)))
            .map(path -> path + ": " + expected.get(path) + " and " + got.get(path))
            .map(text -> text.length() < 600 ? text : text.substring(0, 600))
            .limit(5)
            .toList();
    assertEquals(List.of(), differences, "tree made with seed " + seed);
  }

  private static String latin(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
