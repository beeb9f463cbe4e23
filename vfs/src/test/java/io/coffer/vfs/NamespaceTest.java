package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.LockType;
import io.coffer.vfs.VirtualFilesystem.Entry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Random;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("Names and inodes")
class NamespaceTest {
  private static final String LONG = "n".repeat(220);

  private Path directory;
  private TestVolume volume;

  @BeforeEach
  void create() throws Exception {
    directory = TestVolume.onTmpfs();
    volume = TestVolume.create(directory, TestVolume.OPTIONS);
  }

  @AfterEach
  void remove() throws Exception {
    volume.close();
    TestVolume.delete(directory);
  }

  private static int errnoOf(Callable<?> refused) {
    return assertThrows(ErrnoException.class, refused::call).errno();
  }

  private interface Action {
    void run() throws Exception;
  }

  private static int errnoOf(Action refused) {
    return assertThrows(ErrnoException.class, refused::run).errno();
  }

  // A model: directories are maps, files are numbers.

  @ParameterizedTest
  @ValueSource(strings = {"", "deterministic", "plain", "longNameMax"})
  @DisplayName("are those of a tree of maps, whatever is done to them")
  void areThoseOfAModel(String kind) throws Exception {
    GocryptfsOptions options =
        switch (kind) {
          case "deterministic" -> TestVolume.OPTIONS.withDeterministicNames(true);
          case "plain" -> TestVolume.OPTIONS.withPlaintextNames(true);
          case "longNameMax" -> TestVolume.OPTIONS.withLongNameMax(62);
          default -> TestVolume.OPTIONS;
        };
    long seed = System.nanoTime();
    var random = new Random(seed);
    Path own = TestVolume.onTmpfs();
    try {
      var model = new TreeMap<String, Long>(); // path -> 0 for a directory, else the file
      try (var tree = TestVolume.create(own, options)) {
        for (int step = 0; step < 2500; step++) {
          String at = "seed " + seed + ", step " + step;
          step(tree.files, model, random, at);
          if (step % 250 == 0) {
            assertSame(model, tree.files, at);
          }
        }
        assertSame(model, tree.files, "seed " + seed);
        checkSidecars(own);
      }
      try (var again = TestVolume.open(own, options)) {
        assertSame(model, again.files, "opened again, seed " + seed);
      }
    } finally {
      TestVolume.delete(own);
    }
  }

  private static void assertSame(SortedMap<String, Long> model, VirtualFilesystem files, String at)
      throws ErrnoException {
    var missing = new TreeSet<>(paths(model));
    var found = TestVolume.tree(files).keySet();
    var surplus = new TreeSet<>(found);
    surplus.removeAll(missing);
    missing.removeAll(found);
    assertEquals("missing [], surplus []", "missing " + missing + ", surplus " + surplus, at);
  }

  private static SortedSet<String> paths(SortedMap<String, Long> model) {
    var paths = new TreeSet<String>();
    model.forEach((path, number) -> paths.add(number == 0 ? path + "/" : path));
    return paths;
  }

  private static String parent(String path) {
    return path.contains("/") ? path.substring(0, path.lastIndexOf('/')) : "";
  }

  private static byte[] last(String path) {
    return TestVolume.name(path.substring(path.lastIndexOf('/') + 1));
  }

  private static String place(NavigableMap<String, Long> model, Random random) {
    var directories = new ArrayList<String>(List.of(""));
    model.forEach((path, number) -> {
      if (number == 0 && path.chars().filter(c -> c == '/').count() < 4) {
        directories.add(path + "/");
      }
    });
    String name = "name" + random.nextInt(6);
    if (random.nextInt(3) == 0) {
      name = name + "x".repeat(random.nextInt(60, 250 - name.length()));
    }
    return directories.get(random.nextInt(directories.size())) + name;
  }

  private static String any(NavigableMap<String, Long> model, Random random) {
    if (model.isEmpty() || random.nextInt(10) == 0) {
      return place(model, random);
    }
    var all = new ArrayList<>(model.keySet());
    return all.get(random.nextInt(all.size()));
  }

  private static boolean hasChildren(NavigableMap<String, Long> model, String path) {
    String next = model.ceilingKey(path + "/");
    return next != null && next.startsWith(path + "/");
  }

  private static void step(
      VirtualFilesystem files, NavigableMap<String, Long> model, Random random, String at)
      throws ErrnoException {
    int expected = 0;
    int errno = 0;
    String what = "";
    try {
      switch (random.nextInt(7)) {
        case 0, 1 -> {
          String path = place(model, random);
          what = "create " + path;
          expected = model.containsKey(path) ? Errno.EEXIST : 0;
          var made =
              files.create(
                  TestVolume.find(files, parent(path)).id(),
                  last(path),
                  Flags.O_RDWR | Flags.O_EXCL,
                  0600);
          files.release(made.handle());
          model.put(path, made.entry().status().inode());
        }
        case 2 -> {
          String path = place(model, random);
          what = "mkdir " + path;
          expected = model.containsKey(path) ? Errno.EEXIST : 0;
          files.makeDirectory(TestVolume.find(files, parent(path)).id(), last(path), 0700);
          model.put(path, 0L);
        }
        case 3 -> {
          String path = any(model, random);
          what = "unlink " + path;
          Boolean isDirectory = isDirectory(model, path);
          expected = isDirectory == null ? Errno.ENOENT : isDirectory ? Errno.EISDIR : 0;
          files.unlink(TestVolume.find(files, parent(path)).id(), last(path));
          model.remove(path);
        }
        case 4 -> {
          String path = any(model, random);
          what = "rmdir " + path;
          Boolean isDirectory = isDirectory(model, path);
          expected =
              isDirectory == null
                  ? Errno.ENOENT
                  : !isDirectory ? Errno.ENOTDIR : hasChildren(model, path) ? Errno.ENOTEMPTY : 0;
          files.removeDirectory(TestVolume.find(files, parent(path)).id(), last(path));
          model.remove(path);
        }
        case 5 -> {
          String from = any(model, random);
          String to = random.nextBoolean() ? any(model, random) : place(model, random);
          boolean exchange = random.nextInt(4) == 0;
          what = "rename " + from + " to " + to + (exchange ? ", exchanging" : "");
          expected = renameError(model, from, to, exchange);
          files.rename(
              TestVolume.find(files, parent(from)).id(),
              last(from),
              TestVolume.find(files, parent(to)).id(),
              last(to),
              exchange ? Flags.RENAME_EXCHANGE : 0);
          move(model, from, to, exchange);
        }
        default -> {
          String from = any(model, random);
          String to = place(model, random);
          what = "link " + from + " to " + to;
          Boolean isDirectory = isDirectory(model, from);
          expected =
              isDirectory == null
                  ? Errno.ENOENT
                  : isDirectory ? Errno.EPERM : model.containsKey(to) ? Errno.EEXIST : 0;
          Entry source = TestVolume.find(files, from);
          Entry made = files.link(source.id(), TestVolume.find(files, parent(to)).id(), last(to));
          assertEquals(source.id(), made.id(), at + ": " + what);
          model.put(to, Objects.requireNonNull(model.get(from)));
        }
      }
    } catch (ErrnoException e) {
      errno = e.errno();
    }
    assertEquals(Errno.describe(expected), Errno.describe(errno), at + ": " + what);
  }

  private static @Nullable Boolean isDirectory(SortedMap<String, Long> model, String path) {
    Long number = model.get(path);
    return number == null ? null : number == 0;
  }

  private static int renameError(
      NavigableMap<String, Long> model, String from, String to, boolean exchange) {
    Boolean source = isDirectory(model, from);
    Boolean target = isDirectory(model, to);
    if (source == null) {
      return Errno.ENOENT;
    }
    if (exchange && target == null) {
      return Errno.ENOENT;
    }
    if (to.startsWith(from + "/")) {
      return Errno.EINVAL;
    }
    if (from.startsWith(to + "/")) {
      return exchange ? Errno.EINVAL : Errno.ENOTEMPTY;
    }
    if (exchange || target == null || from.equals(to)) {
      return 0;
    }
    if (source && !target) {
      return Errno.ENOTDIR;
    }
    if (!source && target) {
      return Errno.EISDIR;
    }
    return target && hasChildren(model, to) ? Errno.ENOTEMPTY : 0;
  }

  private static void move(
      NavigableMap<String, Long> model, String from, String to, boolean exchange) {
    Long target = model.get(to);
    if (from.equals(to)
        || (!exchange && target != null && target.equals(model.get(from)) && target != 0)) {
      return; // two links of one file: rename(2) does nothing
    }
    var moved = take(model, from);
    var back = take(model, to);
    moved.forEach((rest, number) -> model.put(to + rest, number));
    if (exchange) {
      back.forEach((rest, number) -> model.put(from + rest, number));
    }
  }

  private static SortedMap<String, Long> take(NavigableMap<String, Long> model, String path) {
    var taken = new TreeMap<String, Long>();
    model.forEach((each, number) -> {
      if (each.equals(path) || each.startsWith(path + "/")) {
        taken.put(each.substring(path.length()), number);
      }
    });
    taken.keySet().forEach(rest -> model.remove(path + rest));
    return taken;
  }

  /** Every sidecar has its entry and every long entry its sidecar; no temporaries are left. */
  private static void checkSidecars(Path root) throws IOException {
    try (var all = Files.walk(root)) {
      for (Path each : all.toList()) {
        String name = String.valueOf(each.getFileName());
        if (name.startsWith("gocryptfs.longname.") && name.endsWith(".name")) {
          Path entry = each.resolveSibling(name.substring(0, name.length() - 5));
          assertTrue(Files.exists(entry), "orphaned " + each);
        } else if (name.startsWith("gocryptfs.longname.")) {
          assertTrue(Files.exists(each.resolveSibling(name + ".name")), "nameless " + each);
        } else {
          assertTrue(
              !name.startsWith("gocryptfs.") || name.equals("gocryptfs.diriv"), "left: " + each);
        }
      }
    }
  }

  @Test
  @DisplayName("are one inode for all hard links, also when the name it was found by goes")
  void followHardLinks() throws Exception {
    long id = volume.put(1, "a", new byte[] {1, 2});
    Entry b = volume.files.link(id, 1, TestVolume.name("b"));
    assertEquals(id, b.id());
    assertEquals(2, b.status().links());
    volume.files.unlink(1, TestVolume.name("b"));
    assertArrayEquals(new byte[] {1, 2}, TestVolume.contents(volume.files, id));
    volume.files.link(id, 1, TestVolume.name(LONG));
    volume.files.unlink(1, TestVolume.name("a"));
    assertArrayEquals(new byte[] {1, 2}, TestVolume.contents(volume.files, id));
    assertEquals(1, volume.files.status(id, 0).links());
    // Renaming one link of a file to another does nothing, and both keep their long names.
    volume.files.link(id, 1, TestVolume.name(LONG + "2"));
    volume.files.rename(1, TestVolume.name(LONG), 1, TestVolume.name(LONG + "2"), 0);
    assertEquals(List.of(LONG, LONG + "2"), List.copyOf(TestVolume.names(volume.files, 1)));
    checkSidecars(directory);
  }

  @Test
  @DisplayName("serve an open file whose name is gone")
  void serveOpenUnlinkedFiles() throws Exception {
    var made = volume.files.create(1, TestVolume.name("f"), Flags.O_RDWR, 0600);
    long id = made.entry().id();
    volume.files.unlink(1, TestVolume.name("f"));
    TestVolume.write(volume.files, made.handle(), 0, new byte[5000]);
    assertEquals(5000, volume.files.status(id, 0).size());
    assertEquals(0, volume.files.status(id, 0).links());
    volume.files.setAttributes(id, 0, ContentsTest.size(10));
    assertEquals(10, TestVolume.read(volume.files, made.handle(), 0, 100).length);
    volume.files.setXattr(id, TestVolume.name("user.x"), new byte[] {1}, 0);
    assertArrayEquals(new byte[] {1}, volume.files.getXattr(id, TestVolume.name("user.x")));
    volume.files.sync(made.handle(), false);
    volume.files.release(made.handle());
    assertEquals(Errno.ESTALE, errnoOf(() -> volume.files.status(id, 0)));
  }

  @Test
  @DisplayName("give a name to a file that was made without")
  void nameTemporaryFiles() throws Exception {
    var made = volume.files.createTemporary(1, Flags.O_RDWR, 0600);
    TestVolume.write(volume.files, made.handle(), 0, new byte[] {7});
    Entry named = volume.files.link(made.entry().id(), 1, TestVolume.name(LONG));
    assertEquals(made.entry().id(), named.id());
    volume.files.release(made.handle());
    assertArrayEquals(
        new byte[] {7}, TestVolume.contents(volume.files, volume.lookup(1, LONG).id()));
  }

  @Test
  @DisplayName("tell a new file from a deleted one with the same number")
  void noticeReuse() throws Exception {
    var ids = new TreeMap<Long, Long>();
    for (int i = 0; i < 200; i++) {
      Entry made =
          volume.files.makeNode(1, TestVolume.name("f" + i), FileStatus.TYPE_REGULAR | 0600, 0);
      Long before = ids.put(made.status().inode(), made.id());
      if (before != null) {
        assertNotEquals(before, made.id(), "inode " + made.status().inode());
        assertEquals(Errno.ESTALE, errnoOf(() -> volume.files.status(before, 0)));
      }
      volume.files.unlink(1, TestVolume.name("f" + i));
    }
  }

  @Test
  @DisplayName("of 50,000 entries are listed once each, in pieces")
  void listLargeDirectories() throws Exception {
    int count = 50_000;
    for (int i = 0; i < count; i++) {
      Entry made =
          volume.files.makeNode(1, TestVolume.name("f" + i), FileStatus.TYPE_REGULAR | 0600, 0);
      volume.files.forget(made.id(), 1);
    }
    assertEquals(count, TestVolume.names(volume.files, 1).size());
    assertEquals(1, volume.files.knownInodes());
  }

  @Test
  @DisplayName("hold no descriptors once they are forgotten")
  void holdNoDescriptors() throws Exception {
    long before = descriptors();
    var owed = new ArrayList<Entry>();
    for (int i = 0; i < 400; i++) {
      Entry made = volume.files.makeDirectory(1, TestVolume.name("d" + i), 0700);
      owed.add(made);
      long file = volume.put(made.id(), "f", new byte[10]);
      TestVolume.contents(volume.files, file);
      volume.files.forget(file, 1);
    }
    long handle = volume.files.openDirectory(1);
    volume.files.syncDirectory(handle);
    volume.files.releaseDirectory(handle);
    assertTrue(descriptors() - before <= 260, "more than the cache may hold");
    owed.forEach(each -> volume.files.forget(each.id(), 1));
    assertEquals(before, descriptors());
    assertEquals(1, volume.files.knownInodes());
  }

  private static long descriptors() throws IOException {
    try (var open = Files.list(Path.of("/proc/self/fd"))) {
      return open.count();
    }
  }

  @Test
  @DisplayName("of the format are neither seen nor made")
  void hideTheFormat() throws Exception {
    volume.files.makeDirectory(1, TestVolume.name("gocryptfs.diriv"), 0700);
    volume.put(1, "gocryptfs.conf", new byte[1]);
    Files.write(directory.resolve("gocryptfs.conf"), new byte[1]);
    assertEquals(
        List.of("gocryptfs.conf", "gocryptfs.diriv"),
        List.copyOf(TestVolume.names(volume.files, 1)));
    assertEquals(
        Errno.ENAMETOOLONG, errnoOf(() -> volume.files.makeDirectory(1, new byte[256], 0700)));
    Path own = TestVolume.onTmpfs();
    try (var plain = TestVolume.create(own, TestVolume.OPTIONS.withPlaintextNames(true))) {
      assertEquals(Errno.EPERM, errnoOf(() -> plain.put(1, "gocryptfs.conf", new byte[1])));
      assertEquals(Errno.ENOENT, errnoOf(() -> plain.lookup(1, "gocryptfs.conf")));
    } finally {
      TestVolume.delete(own);
    }
  }

  @Test
  @DisplayName("that cannot be decoded are left out; a directory without context is an error")
  void reportDamage() throws Exception {
    volume.put(1, "good", new byte[1]);
    Files.write(directory.resolve("not-a-name"), new byte[1]);
    assertEquals(List.of("good"), List.copyOf(TestVolume.names(volume.files, 1)));
    for (int length : new int[] {0, 5, 16}) {
      Entry made = volume.files.makeDirectory(1, TestVolume.name("d" + length), 0700);
      Path context = volume.stored("d" + length).resolve("gocryptfs.diriv");
      Files.delete(context);
      Files.write(context, new byte[length]);
      assertEquals(Errno.EIO, errnoOf(() -> volume.files.openDirectory(made.id())));
      assertEquals(Errno.EIO, errnoOf(() -> volume.lookup(made.id(), "x")));
      volume.files.removeDirectory(1, TestVolume.name("d" + length));
    }
  }

  @Test
  @DisplayName("of symbolic links and extended attributes are sealed in the store")
  void sealTargetsAndAttributes() throws Exception {
    Entry link = volume.files.symlink(1, TestVolume.name("l"), TestVolume.name("some/target"));
    assertEquals(11, link.status().size());
    assertArrayEquals(TestVolume.name("some/target"), volume.files.readLink(link.id()));
    assertNotEquals("some/target", Files.readSymbolicLink(volume.stored("l")).toString());
    long id = volume.put(1, "f", new byte[1]);
    assertEquals(
        Errno.ENODATA, errnoOf(() -> volume.files.getXattr(id, TestVolume.name("user.a"))));
    volume.files.setXattr(id, TestVolume.name("user.a"), TestVolume.name("value"), 0);
    volume.files.setXattr(id, TestVolume.name("user.empty"), new byte[0], 0);
    assertArrayEquals(
        TestVolume.name("value"), volume.files.getXattr(id, TestVolume.name("user.a")));
    assertEquals(0, volume.files.getXattr(id, TestVolume.name("user.empty")).length);
    assertEquals(18, volume.files.listXattrs(id).length);
    volume.files.removeXattr(id, TestVolume.name("user.a"));
    assertEquals(11, volume.files.listXattrs(id).length);
    assertEquals(
        Errno.EOPNOTSUPP,
        errnoOf(() -> volume.files.getXattr(id, TestVolume.name("security.capability"))));
  }

  @Test
  @DisplayName("are the same in both directions for tools that work on the stored tree")
  void translatePaths() throws Exception {
    Entry d = volume.files.makeDirectory(1, TestVolume.name(LONG), 0700);
    volume.put(d.id(), "f", new byte[1]);
    byte[] plain = TestVolume.name(LONG + "/f");
    byte[] stored = volume.files.encryptPath(plain);
    assertTrue(Files.exists(directory.resolve(new String(stored, StandardCharsets.US_ASCII))));
    assertArrayEquals(plain, volume.files.decryptPath(stored));
    assertEquals(
        Errno.ENOENT, errnoOf(() -> volume.files.encryptPath(TestVolume.name("no/thing"))));
  }

  @Test
  @DisplayName("refuse every change on a read-only view")
  void respectReadOnly() throws Exception {
    volume.put(1, "f", new byte[1]);
    try (var view =
        TestVolume.open(
            directory,
            TestVolume.OPTIONS,
            EncryptedFilesystem.Options.defaults().withReadOnly(true))) {
      long id = view.lookup(1, "f").id();
      assertEquals(1, TestVolume.contents(view.files, id).length);
      assertEquals(Errno.EROFS, errnoOf(() -> view.put(1, "g", new byte[1])));
      assertEquals(Errno.EROFS, errnoOf(() -> view.files.open(id, Flags.O_RDWR)));
      assertEquals(Errno.EROFS, errnoOf(() -> view.files.unlink(1, TestVolume.name("f"))));
      assertEquals(
          Errno.EROFS, errnoOf(() -> view.files.setAttributes(id, 0, ContentsTest.size(0))));
      assertEquals(
          Errno.EROFS,
          errnoOf(() -> view.files.rename(1, TestVolume.name("f"), 1, TestVolume.name("g"), 0)));
    }
  }

  @Test
  @DisplayName("carry POSIX locks by owner and flock by handle")
  void carryLocks() throws Exception {
    var made = volume.files.create(1, TestVolume.name("f"), Flags.O_RDWR, 0600);
    long one = made.handle();
    long two = volume.files.open(made.entry().id(), Flags.O_RDWR);
    var files = volume.files;
    assertTrue(files.tryLock(one, 100, LockType.EXCLUSIVE, 0, 10));
    assertTrue(files.tryLock(two, 100, LockType.EXCLUSIVE, 5, 10), "an owner's own lock");
    assertTrue(!files.tryLock(two, 200, LockType.SHARED, 9, 1));
    var inTheWay = files.testLock(two, 200, LockType.SHARED, 0, 0);
    assertTrue(inTheWay != null && inTheWay.type() == LockType.EXCLUSIVE);
    assertTrue(files.tryLock(two, 200, LockType.EXCLUSIVE, 15, 0));
    files.flush(one, 100);
    assertTrue(files.tryLock(two, 200, LockType.EXCLUSIVE, 0, 0));
    assertTrue(files.tryFlock(one, LockType.EXCLUSIVE));
    assertTrue(!files.tryFlock(two, LockType.SHARED));
    files.release(one);
    assertTrue(files.tryFlock(two, LockType.SHARED));
    files.release(two);
  }

  @Test
  @DisplayName("are found beside storms of renames and removals")
  void surviveStorms() throws Exception {
    // Small cache: directories are reached by walking all the time.
    volume.close();
    volume =
        TestVolume.open(
            directory, TestVolume.OPTIONS, new EncryptedFilesystem.Options(false, false, false, 8));
    var files = volume.files;
    Entry a = files.makeDirectory(1, TestVolume.name("a"), 0700);
    Entry b = files.makeDirectory(a.id(), TestVolume.name("b"), 0700);
    long file = volume.put(b.id(), "file", new byte[5000]);
    var stop = new AtomicBoolean();
    try (var threads = Executors.newFixedThreadPool(6)) {
      var results = new ArrayList<Future<?>>();
      results.add(
          threads.submit(() -> {
            for (int i = 0; i < 3000; i++) {
              String from = i % 2 == 0 ? "a" : LONG;
              String to = i % 2 == 0 ? LONG : "a";
              files.rename(1, TestVolume.name(from), 1, TestVolume.name(to), 0);
            }
            stop.set(true);
            return null;
          }));
      for (int i = 0; i < 3; i++) {
        results.add(
            threads.submit(() -> {
              while (!stop.get()) {
                assertEquals(5000, TestVolume.contents(files, file).length);
                assertEquals(5000, files.status(file, 0).size());
              }
              return null;
            }));
      }
      for (int i = 0; i < 2; i++) {
        String own = "own" + i;
        results.add(
            threads.submit(() -> {
              Entry base = files.makeDirectory(b.id(), TestVolume.name(own), 0700);
              while (!stop.get()) {
                for (int j = 0; j < 12; j++) {
                  Entry made = files.makeDirectory(base.id(), TestVolume.name(LONG + j), 0700);
                  long inner = volume.put(made.id(), LONG, new byte[10]);
                  files.unlink(made.id(), TestVolume.name(LONG));
                  files.removeDirectory(base.id(), TestVolume.name(LONG + j));
                  files.forget(inner, 1);
                  files.forget(made.id(), 1);
                }
              }
              return null;
            }));
      }
      for (Future<?> each : results) {
        each.get();
      }
    }
    checkSidecars(directory);
  }
}
