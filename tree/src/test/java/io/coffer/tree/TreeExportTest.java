package io.coffer.tree;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.format.FormatException;
import io.coffer.format.fscrypt.NamesMode;
import io.coffer.keys.Argon2Cost;
import io.coffer.keys.FscryptVolume;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Timestamp;
import io.coffer.store.LocalStore;
import io.coffer.store.StoreDirectory;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("A tree that is exported and imported without its key")
class TreeExportTest {
  private static final String LONG = "l".repeat(200);
  private static final byte[] TEXT = "text ".repeat(2000).getBytes(UTF_8);
  private static final byte[] TOP = "tree".getBytes(UTF_8);

  @TempDir Path temporary;
  private Path source;
  private Path target;
  private final List<String> skipped = new ArrayList<>();

  @BeforeEach
  void fill() throws Exception {
    source = Files.createDirectory(temporary.resolve("source"));
    target = Files.createDirectory(temporary.resolve("target"));
    try (var tree = new PolicyTree(source)) {
      tree.encrypted("tree", 1, NamesMode.AES_256_HCTR2);
      tree.write("tree/file", 0, TEXT);
      tree.write("tree/sparse", 3 << 20, TEXT);
      tree.write("tree/empty", 0, new byte[0]);
      tree.makeDirectory("tree/" + LONG);
      tree.write("tree/" + LONG + "/" + LONG, 0, TEXT);
      tree.symlink("tree/link", "target of it");
      tree.files.link(
          tree.find("tree/file").id(), tree.find("tree").id(), "second".getBytes(UTF_8));
      tree.files.makeNode(tree.find("tree").id(), "pipe".getBytes(UTF_8), 0010600, 0);
      tree.files.setXattr(
          tree.find("tree/file").id(), "user.mine".getBytes(UTF_8), new byte[] {1, '\n', 0}, 0);
      Path file = tree.stored("tree/file");
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r-----"));
      Files.setLastModifiedTime(file, FileTime.from(Instant.ofEpochSecond(1_000_000_000, 7)));
      Path directory = tree.stored("tree/" + LONG);
      Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("r-xr-x---"));
      Files.setLastModifiedTime(directory, FileTime.from(Instant.ofEpochSecond(-5)));
    }
  }

  @AfterEach
  void letBeRemoved() throws IOException {
    try (Stream<Path> all = Files.walk(temporary)) {
      for (Path each : all.filter(p -> Files.isDirectory(p, LinkOption.NOFOLLOW_LINKS)).toList()) {
        Files.setPosixFilePermissions(each, PosixFilePermissions.fromString("rwx------"));
      }
    }
  }

  private TreeExport.Listener listener() {
    return new TreeExport.Listener() {
      @Override
      public void progress(long files, long bytes) {}

      @Override
      public void skipped(String path, String why) {
        skipped.add(path + why);
      }
    };
  }

  private byte[] export(byte... metadata) throws IOException {
    var out = new ByteArrayOutputStream();
    try (LocalStore store = LocalStore.open(source)) {
      TreeExport.run(metadata.length == 0 ? null : metadata, store.root(), TOP, out, listener());
    }
    return out.toByteArray();
  }

  private TreeImport.Imported restore(byte[] archive) throws IOException, FormatException {
    try (LocalStore store = LocalStore.open(target)) {
      return TreeImport.run(new ByteArrayInputStream(archive), store.root(), null, listener());
    }
  }

  private static void assertOpens(Path directory) throws Exception {
    try (var tree = new PolicyTree(directory)) {
      assertFalse(tree.list("tree").contains("file"));
      tree.unlock(1);
      assertEquals(
          List.of("empty", "file", "link", LONG, "pipe", "second", "sparse"), tree.list("tree"));
      assertArrayEquals(TEXT, tree.read("tree/file"));
      assertArrayEquals(TEXT, tree.read("tree/second"));
      assertArrayEquals(TEXT, tree.read("tree/" + LONG + "/" + LONG));
      byte[] sparse = tree.read("tree/sparse");
      assertArrayEquals(TEXT, Arrays.copyOfRange(sparse, 3 << 20, sparse.length));
      assertEquals("target of it", tree.readLink("tree/link"));
      assertEquals(2, tree.find("tree/file").status().links());
      assertEquals(0100440, tree.find("tree/file").status().mode());
      assertEquals(new Timestamp(1_000_000_000, 7), tree.find("tree/file").status().modified());
      assertEquals(0040550, tree.find("tree/" + LONG).status().mode());
      assertEquals(new Timestamp(-5, 0), tree.find("tree/" + LONG).status().modified());
      assertArrayEquals(
          new byte[] {1, '\n', 0},
          tree.files.getXattr(tree.find("tree/file").id(), "user.mine".getBytes(UTF_8)));
    }
  }

  private List<Path> inTarget() throws IOException {
    try (Stream<Path> all = Files.list(target)) {
      return all.toList();
    }
  }

  @Test
  void opensWithTheKeyWhereItWasRestored() throws Exception {
    byte[] json = FscryptVolume.empty(Argon2Cost.DEFAULT).toJson();
    TreeImport.Imported imported = restore(export(json));
    assertArrayEquals(TOP, imported.name());
    byte[] metadata = imported.metadata();
    assertNotNull(metadata);
    assertArrayEquals(json, metadata);
    assertEquals(1, inTarget().size());
    assertOpens(target);
    assertEquals(List.of(), skipped);
    try (var tree = new PolicyTree(target)) {
      tree.unlock(1);
      assertTrue(tree.find("tree/sparse").status().blocks() < 1000, "holes stay holes");
    }
  }

  @Test
  void replacesNothingWhereTheStoreCannotRenameWithoutReplacing() throws Exception {
    byte[] archive = export();
    Path taken = target.resolve("tree");
    try (LocalStore store = LocalStore.open(target)) {
      StoreDirectory root = WithoutFlags.of(store.root(), () -> Files.createDirectory(taken));
      assertEquals(Errno.EEXIST, assertImportFails(archive, root));
      assertEquals(List.of(taken), inTarget());
      Files.delete(taken);
      root = WithoutFlags.of(store.root(), () -> {});
      TreeImport.run(new ByteArrayInputStream(archive), root, null, listener());
      assertEquals(List.of(taken), inTarget());
      assertOpens(target);
      assertEquals(Errno.EEXIST, assertImportFails(archive, root));
      assertOpens(target);
    }
  }

  private int assertImportFails(byte[] archive, StoreDirectory root) {
    var in = new ByteArrayInputStream(archive);
    return assertThrows(ErrnoException.class, () -> TreeImport.run(in, root, null, listener()))
        .errno();
  }

  private Process tar(Object... args) throws IOException {
    List<String> line = new ArrayList<>(List.of("tar"));
    Arrays.stream(args).map(Object::toString).forEach(line::add);
    return new ProcessBuilder(line)
        .redirectErrorStream(true)
        .redirectOutput(temporary.resolve("tar.out").toFile())
        .start();
  }

  @Test
  void isListedByTarAndRestoredByOneThatKeepsAttributes() throws Exception {
    Path archive = Files.write(temporary.resolve("tree.tar"), export());
    Process list = tar("tf", archive);
    assertTrue(list.waitFor(60, TimeUnit.SECONDS));
    String listed = Files.readString(temporary.resolve("tar.out"));
    assertEquals(0, list.exitValue(), listed);
    assertTrue(listed.startsWith("tree/\ntree/"), listed);
    // Nine entries, two of them with the file of a long name; and no word of complaint.
    assertEquals(11, listed.lines().count(), listed);
    assertTrue(listed.lines().allMatch(line -> line.startsWith("tree/")), listed);
    Process restore = tar("--xattrs", "--xattrs-include=user.*", "-xpf", archive, "-C", target);
    assertTrue(restore.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, restore.exitValue(), Files.readString(temporary.resolve("tar.out")));
    assertOpens(target);
  }

  @Test
  @DisplayName("takes no room for holes, however large, here and with tar")
  void holesTakeNoRoom() throws Exception {
    long size = 10L << 30;
    try (var tree = new PolicyTree(source)) {
      tree.unlock(1);
      var change =
          new io.coffer.vfs.VirtualFilesystem.AttributeChanges(null, null, null, size, null, null);
      tree.files.setAttributes(tree.find("tree/sparse").id(), 0, change);
    }
    byte[] archive = export();
    assertTrue(archive.length < 100_000, "archive of " + archive.length + " bytes");
    restore(archive);
    assertHoles(size);
    Path file = Files.write(temporary.resolve("tree.tar"), archive);
    Path elsewhere = Files.createDirectory(target.resolve("elsewhere"));
    Process restore = tar("--xattrs", "--xattrs-include=user.*", "-xpf", file, "-C", elsewhere);
    assertTrue(restore.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, restore.exitValue(), Files.readString(temporary.resolve("tar.out")));
    target = elsewhere;
    assertHoles(size);
  }

  private void assertHoles(long size) throws Exception {
    try (var tree = new PolicyTree(target)) {
      tree.unlock(1);
      assertEquals(size, tree.find("tree/sparse").status().size());
      assertTrue(tree.find("tree/sparse").status().blocks() < 1000, "holes stay holes");
      byte[] found = new byte[TEXT.length];
      long handle = tree.files.open(tree.find("tree/sparse").id(), 0);
      try (var arena = java.lang.foreign.Arena.ofConfined()) {
        var buffer = arena.allocate(found.length);
        assertEquals(found.length, tree.files.read(handle, 3 << 20, buffer, 0, found.length));
        assertArrayEquals(TEXT, buffer.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE));
      } finally {
        tree.files.release(handle);
      }
    }
  }

  @Test
  void refusesAMapOfHolesThatDoesNotFit() throws Exception {
    assertEquals(5, map("2\n0\n3\n8\n2\n").dataBytes());
    for (String wrong :
        List.of(
            "", "x\n", "\n", "1\n0\n11\n", "2\n5\n1\n3\n1\n", "1\n9\n9\n", "999999\n", "-1\n")) {
      assertThrows(FormatException.class, () -> map(wrong), wrong);
    }
  }

  /** The map of a file of 10 bytes. */
  private static SparseMap map(String text) throws IOException, FormatException {
    var bytes = new ByteArrayInputStream(text.getBytes(UTF_8));
    return SparseMap.read(
        10,
        () -> {
          int next = bytes.read();
          if (next < 0) {
            throw new FormatException("it ends");
          }
          return (byte) next;
        });
  }

  @Test
  void isRefusedAndLeavesNothingWhereverTheArchiveEnds() throws Exception {
    byte[] archive = export();
    int end = archive.length;
    while (archive[end - 1] == 0) {
      end--;
    }
    Random random = new Random(1);
    List<Integer> lengths = new ArrayList<>(List.of(0, 1, 511, 512, end - 1, end + 511));
    for (int i = 0; i < 30; i++) {
      lengths.add(random.nextInt(end));
    }
    for (int length : lengths) {
      byte[] cut = Arrays.copyOf(archive, length);
      assertThrows(FormatException.class, () -> restore(cut), length + " bytes");
      assertEquals(List.of(), inTarget(), length + " bytes");
    }
    assertEquals(List.of(), skipped);
  }

  @Test
  void isRefusedAndLeavesNothingIfAnyByteWasChanged() throws Exception {
    byte[] archive = export();
    int end = archive.length;
    while (archive[end - 1] == 0) {
      end--;
    }
    Random random = new Random(2);
    for (int i = 0; i < 80; i++) {
      byte[] changed = archive.clone();
      // Half of them among headers and small files at the end.
      int at = i % 2 == 0 ? random.nextInt(end) : end - 1 - random.nextInt(8000);
      changed[at] ^= (byte) (1 << random.nextInt(8));
      assertThrows(Exception.class, () -> restore(changed), "byte " + at);
      assertEquals(List.of(), inTarget(), "byte " + at);
    }
    assertEquals(List.of(), skipped);
  }

  @Test
  void replacesNothing() throws Exception {
    byte[] archive = export();
    restore(archive);
    var e = assertThrows(ErrnoException.class, () -> restore(archive));
    assertEquals(Errno.EEXIST, e.errno());
    assertEquals(1, inTarget().size());
    assertOpens(target);
  }

  private static TarEntry entry(String path, char type, String linked, Map<String, byte[]> xattrs) {
    byte[] to = linked.isEmpty() ? null : linked.getBytes(UTF_8);
    return new TarEntry(
        path.getBytes(UTF_8), type, 0755, 0, 0, 0, new Timestamp(1, 0), to, 0, xattrs);
  }

  private static byte[] sealed(TarEntry... entries) throws IOException {
    var out = new ByteArrayOutputStream();
    var tar = new TarWriter(out);
    for (TarEntry each : entries) {
      tar.begin(each);
    }
    tar.finish();
    return out.toByteArray();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../escaped", "tree/../../escaped", "/escaped", "tree//escaped", "tree/./escaped",
        "escaped", "tree/link/escaped", "tree/..", "tree/none/escaped", "tree"
      })
  void doesNotLeaveItsDirectory(String path) throws Exception {
    TarEntry top = entry("tree", TarEntry.TYPE_DIRECTORY, "", Map.of());
    TarEntry link = entry("tree/link", TarEntry.TYPE_SYMLINK, temporary.toString(), Map.of());
    byte[] file = sealed(top, link, entry(path, TarEntry.TYPE_FILE, "", Map.of()));
    assertThrows(Exception.class, () -> restore(file));
    byte[] directory = sealed(top, link, entry(path, TarEntry.TYPE_DIRECTORY, "", Map.of()));
    assertThrows(Exception.class, () -> restore(directory));
    byte[] hard = sealed(top, link, entry("tree/hard", TarEntry.TYPE_HARD_LINK, path, Map.of()));
    assertThrows(Exception.class, () -> restore(hard));
    assertEquals(List.of(), inTarget());
    assertFalse(Files.exists(temporary.resolve("escaped")));
    assertEquals(List.of(), skipped);
  }

  @Test
  void setsNoAttributeThatGivesRights() throws Exception {
    Map<String, byte[]> evil = Map.of("security.capability", new byte[20]);
    byte[] archive =
        sealed(
            entry("tree", TarEntry.TYPE_DIRECTORY, "", Map.of()),
            entry("tree/file", TarEntry.TYPE_FILE, "", evil));
    assertThrows(FormatException.class, () -> restore(archive));
    assertEquals(List.of(), inTarget());
  }

  @Test
  void isWholeOnlyWithItsDigest() throws Exception {
    byte[] archive = sealed(entry("tree", TarEntry.TYPE_DIRECTORY, "", Map.of()));
    restore(archive);
    Files.delete(target.resolve("tree"));
    // A header, then the seal's header and record, then the end.
    byte[] without = Arrays.copyOf(Arrays.copyOf(archive, 512), archive.length);
    var e = assertThrows(FormatException.class, () -> restore(without));
    assertTrue(String.valueOf(e.getMessage()).contains("without its digest"), e.getMessage());
    assertEquals(List.of(), inTarget());
  }

  @Test
  void keepsLargeNumbersAndOddNames() throws Exception {
    byte[] path = {'t', '/', (byte) 0xff, '\n', '='};
    var entry =
        new TarEntry(
            path,
            TarEntry.TYPE_FILE,
            07777,
            -2,
            3_000_000,
            0,
            new Timestamp(-3, 999_999_999),
            null,
            0,
            Map.of("user.x", new byte[] {'\n', '=', 0}));
    var reader = new TarReader(new ByteArrayInputStream(sealed(entry)));
    TarEntry read = reader.next();
    assertNotNull(read);
    assertArrayEquals(path, read.path());
    assertEquals(-2, read.uid());
    assertEquals(3_000_000, read.gid());
    assertEquals(07777, read.mode());
    assertEquals(new Timestamp(-3, 999_999_999), read.modified());
    assertArrayEquals(new byte[] {'\n', '=', 0}, read.xattrs().get("user.x"));
    assertEquals(null, reader.next());
    assertTrue(reader.isSealed());
  }
}
