package io.coffer.tree;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.posix.Credentials;
import io.coffer.posix.Flags;
import io.coffer.posix.SystemCall;
import io.coffer.store.LocalStore;
import io.coffer.store.LockType;
import io.coffer.tree.Finding.Kind;
import io.coffer.tree.Finding.Severity;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("The check of a volume")
class VolumeCheckTest {
  private static final int BLOCK = 4096 + 32;
  private static final String LONG_NAME = "l".repeat(200);

  /** Takes this thread's rights over the files of others, which root has. */
  private static final int SETFSUID = System.getProperty("os.arch").equals("amd64") ? 122 : 151;

  @TempDir Path temporary;
  private StoredTree tree;

  @BeforeEach
  void make() throws Exception {
    tree = new StoredTree(volume("volume"), GocryptfsOptions.DEFAULT);
  }

  @AfterEach
  void close() {
    tree.close();
  }

  private Path volume(String name) throws IOException {
    return Files.createDirectory(temporary.resolve(name));
  }

  private static byte[] bytes(int count) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < count; i++) {
      bytes[i] = (byte) (i * 31 + 1);
    }
    return bytes;
  }

  private static void flip(Path file, int at) throws IOException {
    byte[] all = Files.readAllBytes(file);
    all[at] ^= 1;
    Files.write(file, all);
  }

  private static Path diriv(Path directory) {
    return directory.resolve("gocryptfs.diriv");
  }

  private static Path sidecar(Path entry) {
    return entry.resolveSibling(entry.getFileName() + ".name");
  }

  private void assertCleanAfterRepair() throws Exception {
    var after = tree.check(false);
    assertEquals(List.of(), after.findings());
    assertTrue(after.summary().isClean());
    assertEquals(0, gocryptfsFsck(tree.root), "gocryptfs -fsck agrees");
  }

  /** The exit code of the installed gocryptfs, or 0 where there is none. */
  private static int gocryptfsFsck(Path volume) throws Exception {
    Process process;
    try {
      process =
          new ProcessBuilder("gocryptfs", "-q", "-fsck", "-extpass", "echo test", volume.toString())
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
    } catch (IOException e) {
      System.err.println("SKIPPED: comparison with gocryptfs -fsck; it is not installed");
      return 0;
    }
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), "gocryptfs -fsck takes too long");
    return process.exitValue();
  }

  @ParameterizedTest
  @EnumSource
  void finds_nothing_in_a_sound_volume_and_counts_what_it_read(GocryptfsCipher cipher)
      throws Exception {
    try (var sound =
        new StoredTree(volume(cipher.name()), GocryptfsOptions.DEFAULT.withCipher(cipher))) {
      Path directory = sound.directory(sound.root, "dir");
      sound.file(directory, "a", bytes(10_000));
      sound.file(directory, LONG_NAME, bytes(4096));
      sound.file(sound.root, "empty", bytes(0));
      sound.file(sound.root, "large", bytes(1_000_001));
      sound.symlink(sound.root, "link", "dir/a");
      Files.write(sound.entry(sound.root, "header only"), sound.format.newFileHeader());
      var result = sound.check(false);
      assertEquals(List.of(), result.findings());
      assertEquals(new VolumeCheck.Summary(2, 5, 1, 0, 1_014_097, 0, 0, 0, 0), result.summary());
      assertTrue(result.summary().isClean());
    }
  }

  @Test
  void passes_over_holes_and_reads_what_is_behind_them() throws Exception {
    byte[] content = bytes(4096 * 3);
    Path file = tree.file(tree.root, "sparse", content);
    byte[] stored = Files.readAllBytes(file);
    long far = 1000L * BLOCK;
    try (var raw = FileChannel.open(file, StandardOpenOption.WRITE)) {
      // Block 1000 of another file's contents: a real block, but not of this place.
      raw.write(ByteBuffer.wrap(stored, 18, BLOCK), 18 + far);
    }
    var result = tree.check(false);
    assertEquals(Kind.DAMAGED_BLOCK, result.only().kind());
    assertTrue(result.only().explanation().startsWith("block 1000 "), result.only().explanation());
    assertTrue(result.summary().bytes() < 4_096_000, "holes are not read one by one");
  }

  @Nested
  @DisplayName("of contents")
  class Contents {
    @Test
    void waits_for_a_writer_that_is_in_the_middle_of_a_block() throws Exception {
      Path file = tree.file(tree.root, "f", bytes(20_000));
      byte[] whole = Files.readAllBytes(file);
      try (var store = LocalStore.open(tree.root);
          var writer =
              store
                  .root()
                  .openFile(file.getFileName().toString().getBytes(UTF_8), Flags.O_RDWR, 0);
          var threads = Executors.newSingleThreadExecutor()) {
        // The lock of block 2, by the protocol for shared storage.
        writer.lock(LockType.EXCLUSIVE, (1L << 62) + 1 + 2, 1);
        flip(file, 18 + 2 * BLOCK + 100);
        var check = threads.submit(() -> tree.check(false));
        assertThrows(
            TimeoutException.class,
            () -> check.get(500, TimeUnit.MILLISECONDS),
            "it does not wait");
        Files.write(file, whole);
        writer.tryLock(LockType.UNLOCK, (1L << 62) + 1 + 2, 1);
        var result = check.get(60, TimeUnit.SECONDS);
        assertEquals(List.of(), result.findings());
        assertEquals(20_000, result.summary().bytes());
      }
    }

    @Test
    void names_the_file_and_the_block_that_was_changed() throws Exception {
      Path directory = tree.directory(tree.root, "results");
      Path file = tree.file(directory, "run1.dat", bytes(20_000));
      flip(file, 18 + 2 * BLOCK + 100);
      var finding = tree.check(false).only();
      assertEquals(Kind.DAMAGED_BLOCK, finding.kind());
      assertEquals(Severity.ERROR, finding.severity());
      assertEquals("results/run1.dat", finding.plainPath());
      assertEquals(tree.root.relativize(file).toString(), finding.storedPath());
      assertTrue(
          finding.explanation().startsWith("block 2 (bytes 8192 to 12287)"), finding.explanation());
      assertFalse(finding.repairable());
      assertEquals(26, gocryptfsFsck(tree.root), "gocryptfs -fsck agrees");
    }

    @Test
    void goes_on_behind_a_damaged_block_and_joins_neighbours() throws Exception {
      Path file = tree.file(tree.root, "f", bytes(4096 * 300));
      for (int block : new int[] {3, 4, 5, 200}) {
        flip(file, 18 + block * BLOCK);
      }
      var findings = tree.check(false).findings();
      assertEquals(2, findings.size(), findings.toString());
      assertTrue(findings.get(0).explanation().startsWith("blocks 3 to 5 (bytes 12288 to 24575)"));
      assertTrue(findings.get(1).explanation().startsWith("block 200 "));
      assertEquals(296 * 4096L, tree.check(false).summary().bytes());
    }

    @Test
    void tells_swapped_blocks_a_foreign_header_and_a_cut_file() throws Exception {
      Path swapped = tree.file(tree.root, "swapped", bytes(8192));
      byte[] all = Files.readAllBytes(swapped);
      byte[] exchanged = all.clone();
      System.arraycopy(all, 18, exchanged, 18 + BLOCK, BLOCK);
      System.arraycopy(all, 18 + BLOCK, exchanged, 18, BLOCK);
      Files.write(swapped, exchanged);
      Path foreign = tree.file(tree.root, "foreign", bytes(4096 * 200));
      byte[] stored = Files.readAllBytes(foreign);
      System.arraycopy(tree.format.newFileHeader(), 0, stored, 0, 18);
      Files.write(foreign, stored);
      Path cut = tree.file(tree.root, "cut", bytes(5000));
      Files.write(cut, Arrays.copyOf(Files.readAllBytes(cut), 18 + BLOCK + 20));
      var result = tree.check(false);
      assertEquals(
          List.of("cut", "foreign", "swapped"),
          result.findings().stream().map(Finding::plainPath).sorted().toList());
      assertTrue(result.findings().stream().allMatch(f -> f.kind() == Kind.DAMAGED_BLOCK));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 17})
    void tells_a_file_shorter_than_its_header(int length) throws Exception {
      Path file = tree.file(tree.root, "short", bytes(100));
      Files.write(file, Arrays.copyOf(Files.readAllBytes(file), length));
      assertEquals(Kind.DAMAGED_HEADER, tree.check(false).only().kind());
    }

    @Test
    void tells_a_header_of_another_version_and_one_without_an_id() throws Exception {
      flip(tree.file(tree.root, "version", bytes(100)), 1);
      Path zero = tree.file(tree.root, "zero", bytes(100));
      byte[] all = Files.readAllBytes(zero);
      Arrays.fill(all, 2, 18, (byte) 0);
      Files.write(zero, all);
      assertEquals(List.of(Kind.DAMAGED_HEADER, Kind.DAMAGED_HEADER), tree.check(false).kinds());
    }

    @Test
    void tells_a_link_and_an_attribute_that_do_not_authenticate() throws Exception {
      Path link = tree.symlink(tree.root, "link", "somewhere");
      Path other = tree.symlink(tree.root, "other", "elsewhere");
      String target = Files.readSymbolicLink(link).toString();
      Files.delete(link);
      Files.createSymbolicLink(link, Path.of("A" + target.substring(1) + "A"));
      assertTrue(Files.isSymbolicLink(other));
      tree.file(tree.root, "f", bytes(10));
      try (var store = LocalStore.open(tree.root)) {
        byte[] stored = tree.format.sealXattrName("user.note".getBytes(UTF_8));
        byte[] entry = tree.entry(tree.root, "f").getFileName().toString().getBytes(UTF_8);
        assertTrue(stored != null);
        byte[] value = tree.format.sealXattrValue("private".getBytes(UTF_8));
        store.root().setXattr(entry, stored, value, 0);
        assertEquals(List.of(Kind.DAMAGED_SYMLINK), tree.check(false).kinds());
        value[20] ^= 1;
        store.root().setXattr(entry, stored, value, 0);
      }
      var result = tree.check(false);
      assertEquals(List.of(Kind.DAMAGED_SYMLINK, Kind.DAMAGED_XATTR), result.kinds());
      assertTrue(result.findings().toString().contains("attribute user.note"));
    }
  }

  @Nested
  @DisplayName("of names")
  class Names {
    @Test
    void tells_a_stored_name_that_is_none() throws Exception {
      Files.writeString(tree.root.resolve("README"), "put here by somebody");
      Path file = tree.file(tree.root, "f", bytes(5));
      Files.move(file, file.resolveSibling(file.getFileName().toString().replace('-', '_') + "A"));
      var result = tree.check(true);
      assertTrue(result.findings().stream().anyMatch(f -> f.storedPath().equals("README")));
      assertTrue(
          result.findings().stream().filter(f -> f.kind() == Kind.DAMAGED_NAME).count() == 2);
      assertTrue(result.findings().stream().allMatch(f -> f.plainPath() == null));
      assertTrue(Files.exists(tree.root.resolve("README")), "nothing of the user's is removed");
    }

    @Test
    void tells_a_long_name_without_its_sidecar_but_still_reads_the_contents() throws Exception {
      Path file = tree.file(tree.root, LONG_NAME, bytes(5000));
      Files.delete(sidecar(file));
      var result = tree.check(true);
      assertEquals(Kind.MISSING_SIDECAR, result.only().kind());
      assertNull(result.only().plainPath());
      assertEquals(5000, result.summary().bytes());
    }

    @Test
    void tells_a_sidecar_that_belongs_to_another_name() throws Exception {
      Path one = tree.file(tree.root, LONG_NAME, bytes(1));
      Path two = tree.file(tree.root, LONG_NAME + "2", bytes(1));
      Files.copy(sidecar(one), sidecar(two), StandardCopyOption.REPLACE_EXISTING);
      var finding = tree.check(false).only();
      assertEquals(Kind.DAMAGED_NAME, finding.kind());
      assertEquals(two.getFileName().toString(), finding.storedPath());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 300})
    void gives_a_new_name_where_a_power_failure_left_the_sidecar_blank(int zeros) throws Exception {
      Path file = tree.file(tree.root, LONG_NAME, bytes(5000));
      Path directory = tree.directory(tree.root, LONG_NAME + "d");
      tree.file(directory, "inside", bytes(20));
      tree.file(tree.root, "l".repeat(199), bytes(7));
      Files.write(sidecar(file), new byte[zeros]);
      Files.write(sidecar(directory), new byte[zeros]);
      var before = tree.check(false);
      assertEquals(List.of(Kind.DAMAGED_NAME, Kind.DAMAGED_NAME), before.kinds());
      assertTrue(before.findings().stream().allMatch(Finding::repairable));
      assertTrue(Files.exists(file));
      var repair = tree.check(true);
      assertEquals(2, repair.summary().repaired());
      assertEquals(5027, repair.summary().bytes(), "contents are all there");
      String fresh = "lost-name." + file.getFileName();
      assertTrue(Files.exists(tree.entry(tree.root, fresh)), fresh);
      assertFalse(Files.exists(sidecar(file)));
      assertCleanAfterRepair();
    }

    @Test
    void gives_a_new_name_where_the_store_cannot_rename_without_replacing() throws Exception {
      Path file = tree.file(tree.root, LONG_NAME, bytes(5000));
      Files.write(sidecar(file), new byte[0]);
      var repair = tree.check(true, WithoutFlags::of);
      assertEquals(1, repair.summary().repaired());
      String fresh = "lost-name." + file.getFileName();
      assertTrue(Files.exists(tree.entry(tree.root, fresh)), fresh);
      assertCleanAfterRepair();
    }

    @Test
    void removes_a_sidecar_without_an_entry_only_when_it_is_to_repair() throws Exception {
      Path file = tree.file(tree.root, LONG_NAME, bytes(1));
      Files.delete(file);
      var finding = tree.check(false).only();
      assertEquals(Kind.ORPHANED_SIDECAR, finding.kind());
      assertTrue(finding.repairable() && !finding.repaired());
      assertTrue(Files.exists(sidecar(file)));
      var repair = tree.check(true);
      assertTrue(repair.only().repaired());
      assertEquals(1, repair.summary().repaired());
      assertFalse(Files.exists(sidecar(file)));
      assertCleanAfterRepair();
    }

    @Test
    void finds_names_of_non_canonical_base64_in_a_volume_made_so() throws Exception {
      Path copy = temporary.resolve("malleable");
      copy(SampleVolumes.directory("broken/malleable_base64"), copy);
      try (var malleable = new StoredTree(copy)) {
        var result = malleable.check(false);
        assertFalse(result.summary().isClean());
        assertTrue(
            result.findings().stream()
                .anyMatch(f -> f.storedPath().equals("27AG8t-XZH7G9ou2OSD_zh")),
            result.findings().toString());
      }
    }
  }

  @Nested
  @DisplayName("of directories")
  class Directories {
    @ParameterizedTest
    @ValueSource(strings = {"missing", "empty", "short", "zero"})
    void gives_an_empty_directory_with_a_lost_iv_a_new_one(String damage) throws Exception {
      Path directory = tree.directory(tree.root, "made before the crash");
      tree.file(tree.root, "neighbour", bytes(10));
      damage(directory, damage);
      var before = tree.check(false);
      var finding = before.only();
      assertEquals(
          damage.equals("missing") ? Kind.MISSING_CONTEXT : Kind.DAMAGED_CONTEXT, finding.kind());
      assertTrue(finding.repairable());
      assertEquals("made before the crash", finding.plainPath());
      assertFalse(before.summary().isClean());
      var repair = tree.check(true);
      assertTrue(repair.only().repaired());
      assertTrue(repair.summary().isClean());
      assertEquals(16, Files.size(diriv(directory)));
      try (var entries = Files.list(directory)) {
        assertEquals(1, entries.count());
      }
      assertCleanAfterRepair();
    }

    private static void damage(Path directory, String damage) throws IOException {
      Files.delete(diriv(directory));
      switch (damage) {
        case "missing" -> {}
        case "empty" -> Files.write(diriv(directory), new byte[0]);
        case "short" -> Files.write(diriv(directory), bytes(15));
        default -> Files.write(diriv(directory), new byte[16]);
      }
    }

    @Test
    void never_touches_a_directory_with_a_lost_iv_that_holds_something() throws Exception {
      Path directory = tree.directory(tree.root, "d");
      Path file = tree.file(directory, "f", bytes(10));
      Path below = tree.directory(directory, "below");
      Path deep = tree.file(below, "deep", bytes(5000));
      flip(deep, 18 + BLOCK);
      Files.delete(diriv(directory));
      var result = tree.check(true);
      assertEquals(List.of(Kind.MISSING_CONTEXT, Kind.DAMAGED_BLOCK), result.kinds());
      assertFalse(result.findings().getFirst().repairable());
      assertEquals(4096 + 10, result.summary().bytes(), "contents are read all the same");
      assertFalse(Files.exists(diriv(directory)));
      assertTrue(Files.exists(file));
    }

    @ParameterizedTest
    @ValueSource(strings = {"empty", "zero"})
    void gives_new_names_in_a_directory_whose_iv_a_power_failure_left_blank(String damage)
        throws Exception {
      Path directory = tree.directory(tree.root, "d");
      Path file = tree.file(directory, "f", bytes(10));
      tree.file(directory, LONG_NAME, bytes(4096));
      Path below = tree.directory(directory, "below");
      tree.file(below, "deep", bytes(5000));
      damage(directory, damage);
      var before = tree.check(false);
      assertEquals(Kind.DAMAGED_CONTEXT, before.only().kind());
      assertTrue(before.only().repairable());
      assertTrue(Files.exists(file));
      var repair = tree.check(true);
      assertEquals(0, repair.summary().errors(), repair.findings().toString());
      assertEquals(10 + 4096 + 5000, repair.summary().bytes());
      String fresh = "lost-name." + file.getFileName();
      assertTrue(Files.exists(tree.entry(directory, fresh)), fresh);
      assertCleanAfterRepair();
    }

    @Test
    void another_iv_shows_in_each_name() throws Exception {
      Path directory = tree.directory(tree.root, "d");
      tree.file(directory, "one", bytes(10));
      tree.file(directory, "two", bytes(10));
      byte[] iv = Files.readAllBytes(diriv(directory));
      Files.write(diriv(directory), tree.format.newDirectoryContext());
      assertEquals(List.of(Kind.DAMAGED_NAME, Kind.DAMAGED_NAME), tree.check(true).kinds());
      Files.write(diriv(directory), iv);
      assertEquals(List.of(), tree.check(false).findings());
    }

    @Test
    void removes_what_a_crash_left_half_made_or_half_removed() throws Exception {
      var names = tree.format.names(Files.readAllBytes(diriv(tree.root)));
      Path directory =
          Files.createDirectory(tree.root.resolve(new String(names.newTemporaryName(), UTF_8)));
      Files.write(diriv(directory), bytes(16));
      Path file = tree.root.resolve(new String(names.newTemporaryName(), UTF_8));
      Files.write(file, bytes(16));
      Path removed = tree.root.resolve("gocryptfs.diriv.rmdir.12345");
      Files.write(removed, bytes(16));
      var before = tree.check(false);
      assertEquals(List.of(Kind.LEFTOVER_TEMPORARY), before.kinds().stream().distinct().toList());
      assertEquals(3, before.summary().notes());
      assertTrue(before.summary().isClean(), "leftovers are no errors");
      assertEquals(3, tree.check(true).summary().repaired());
      for (Path path : List.of(directory, file, removed)) {
        assertFalse(Files.exists(path), path.toString());
      }
      assertCleanAfterRepair();
    }

    @Test
    void keeps_a_half_made_directory_that_holds_entries() throws Exception {
      var names = tree.format.names(Files.readAllBytes(diriv(tree.root)));
      Path directory =
          Files.createDirectory(tree.root.resolve(new String(names.newTemporaryName(), UTF_8)));
      Files.write(diriv(directory), tree.format.newDirectoryContext());
      Path file = tree.file(directory, "precious", bytes(10));
      var result = tree.check(true);
      assertEquals(Kind.LEFTOVER_TEMPORARY, result.only().kind());
      assertFalse(result.only().repaired());
      assertTrue(Files.exists(file));
    }
  }

  @Test
  void tells_attributes_of_the_format_that_do_not_decrypt() throws Exception {
    Path file = tree.file(tree.root, "f", bytes(10));
    var attributes = Files.getFileAttributeView(file, UserDefinedFileAttributeView.class);
    try {
      attributes.write("of.somebody.else", ByteBuffer.wrap(bytes(3)));
    } catch (IOException e) {
      assumeTrue(false, "no extended attributes here: " + e);
    }
    assertEquals(List.of(), tree.check(false).findings());
    // Neither base64 nor a whole cipher block; then one that decodes, but to no name of ours.
    attributes.write("gocryptfs.!", ByteBuffer.wrap(bytes(40)));
    attributes.write("gocryptfs.AAAAAAAAAAAAAAAAAAAAAA", ByteBuffer.wrap(bytes(40)));
    byte[] name = tree.format.sealXattrName("user.note".getBytes(UTF_8));
    assertNotNull(name);
    attributes.write(
        new String(name, UTF_8).substring("user.".length()), ByteBuffer.wrap(bytes(40)));
    assertEquals(
        List.of(Kind.DAMAGED_XATTR, Kind.DAMAGED_XATTR, Kind.DAMAGED_XATTR),
        tree.check(false).kinds());
    assertNotEquals(0, gocryptfsFsckOrOne(tree.root), "gocryptfs -fsck agrees");
  }

  /** As {@link #gocryptfsFsck}, but something else than 0 where there is none. */
  private static int gocryptfsFsckOrOne(Path volume) throws Exception {
    return Files.isExecutable(Path.of("/usr/bin/gocryptfs")) ? gocryptfsFsck(volume) : 1;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"v0.9", "v1.1-aessiv", "v1.3", "v2.2-deterministic-names", "v2.2-xchacha"})
  void finds_volumes_of_released_versions_sound_and_changes_nothing(String name) throws Exception {
    Path copy = temporary.resolve("copy");
    copy(SampleVolumes.directory(name), copy);
    try (var volume = new StoredTree(copy)) {
      var result = volume.check(true);
      assertEquals(List.of(), result.findings());
      assertEquals(2, result.summary().symlinks());
      assertTrue(result.summary().files() >= 1);
      assertNotEquals(0, result.summary().bytes());
    }
    try (var files = Files.walk(copy)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        assertArrayEquals(
            Files.readAllBytes(SampleVolumes.directory(name).resolve(copy.relativize(file))),
            Files.readAllBytes(file));
      }
    }
  }

  @Test
  void finds_what_an_ordinary_user_may_not_read_and_says_it_was_skipped() throws Exception {
    tree.file(tree.root, "readable", bytes(20));
    Path secret = tree.file(tree.root, "secret", bytes(10));
    Files.setPosixFilePermissions(secret, Set.of());
    Files.setPosixFilePermissions(temporary, PosixFilePermissions.fromString("rwxr-xr-x"));
    boolean root = Credentials.effectiveUid() == 0;
    if (root) {
      SystemCall.raw(SETFSUID, 4711, 0, 0, 0, 0, 0);
    }
    StoredTree.Result result;
    try {
      result = tree.check(false);
    } finally {
      SystemCall.raw(SETFSUID, Credentials.effectiveUid(), 0, 0, 0, 0, 0);
    }
    assertEquals("secret", result.only().plainPath());
    assertEquals(20, result.summary().bytes());
    assertFalse(result.summary().isClean());
    assertEquals(Kind.UNREADABLE, result.only().kind());
    assertEquals(1, result.summary().skipped());
  }

  /**
   * Copies; where the volumes came without links, a file that holds a link's target becomes one.
   */
  private static void copy(Path from, Path to) throws IOException {
    try (var all = Files.walk(from)) {
      for (Path path : all.toList()) {
        Path copied = to.resolve(from.relativize(path).toString());
        String name = path.getFileName().toString();
        if (Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)
            && !name.startsWith("gocryptfs.")) {
          String content = Files.readString(path, ISO_8859_1);
          if (content.matches("[A-Za-z0-9_=-]+")) {
            Files.createSymbolicLink(copied, Path.of(content));
            continue;
          }
        }
        Files.copy(path, copied, LinkOption.NOFOLLOW_LINKS);
      }
    }
  }
}
