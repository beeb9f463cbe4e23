package io.coffer.tree;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.format.PlainFormat;
import io.coffer.format.VolumeFormat;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Timestamp;
import io.coffer.store.LocalStore;
import io.coffer.store.StoreDirectory;
import io.coffer.vfs.EncryptedFilesystem;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("A tree that is copied without a mount")
class TreeCopyTest {
  @TempDir Path temporary;
  private Path source;
  private Path target;
  private final List<String> failures = Collections.synchronizedList(new ArrayList<>());

  @BeforeEach
  void makeDirectories() throws Exception {
    source = Files.createDirectory(temporary.resolve("source"));
    target = Files.createDirectory(temporary.resolve("target"));
  }

  private StoredTree volume(GocryptfsOptions options) throws Exception {
    return new StoredTree(Files.createDirectory(temporary.resolve("volume")), options);
  }

  /** Copies from one stored tree to another, each seen through its format. */
  private TreeCopy.Summary copy(Path from, VolumeFormat fromFormat, Path to, VolumeFormat toFormat)
      throws Exception {
    failures.clear();
    try (var fromStore = LocalStore.open(from);
        var toStore = LocalStore.open(to);
        var fromFiles = new EncryptedFilesystem(fromStore, fromFormat);
        var toFiles = new EncryptedFilesystem(toStore, toFormat)) {
      return TreeCopy.run(
          fromFiles,
          toFiles,
          new TreeCopy.Listener() {
            @Override
            public void progress(long files, long bytes) {}

            @Override
            public void failed(String path, String reason) {
              failures.add(path + ": " + reason);
            }
          });
    }
  }

  private TreeCopy.Summary encrypt(StoredTree volume) throws Exception {
    return copy(source, new PlainFormat(), volume.root, volume.format);
  }

  private TreeCopy.Summary decrypt(StoredTree volume) throws Exception {
    return copy(volume.root, volume.format, target, new PlainFormat());
  }

  /** Everything that a copy must keep, one line for each path. */
  private static Map<String, String> describe(Path root) throws Exception {
    var lines = new TreeMap<String, String>();
    var names = new TreeMap<Long, String>();
    try (var store = LocalStore.open(root)) {
      describe(store.root(), "", lines, names);
    }
    return lines;
  }

  private static void describe(
      StoreDirectory directory, String path, Map<String, String> lines, Map<Long, String> names)
      throws Exception {
    lines.put(path + "/", line(directory, StoreDirectory.SELF, "directory"));
    var entries = new TreeSet<String>();
    try (var listing = directory.list()) {
      while (listing.next()) {
        entries.add(new String(listing.name(), ISO_8859_1));
      }
    }
    entries.remove(".");
    entries.remove("..");
    for (String entry : entries) {
      byte[] name = entry.getBytes(ISO_8859_1);
      FileStatus status = directory.status(name);
      String what =
          switch (status.type()) {
            case FileStatus.TYPE_DIRECTORY -> "";
            case FileStatus.TYPE_SYMLINK -> "-> " + new String(directory.readLink(name), UTF_8);
            case FileStatus.TYPE_REGULAR ->
                status.size()
                    + " bytes, same file as "
                    + names.computeIfAbsent(status.inode(), inode -> path + "/" + entry);
            default -> "device " + status.specialDevice();
          };
      if (status.isDirectory()) {
        try (var child = directory.openDirectory(name)) {
          describe(child, path + "/" + entry, lines, names);
        }
      } else {
        lines.put(path + "/" + entry, line(directory, name, what));
      }
    }
  }

  private static String line(StoreDirectory directory, byte[] name, String what)
      throws ErrnoException {
    FileStatus status = directory.status(name);
    var xattrs = new TreeSet<String>();
    if (!status.isSymlink()) {
      for (String attribute : new String(directory.listXattrs(name), UTF_8).split("\0", -1)) {
        byte[] value =
            attribute.isEmpty() ? null : directory.getXattr(name, attribute.getBytes(UTF_8));
        if (value != null) {
          xattrs.add(attribute + "=" + new String(value, ISO_8859_1));
        }
      }
    }
    return String.format(
        "%o %d:%d %s %s %s",
        status.mode(), status.uid(), status.gid(), status.modified(), what, xattrs);
  }

  private static void assertSameContents(Path one, Path two) throws IOException {
    try (var all = Files.walk(one)) {
      for (Path path :
          all.filter(p -> Files.isRegularFile(p, LinkOption.NOFOLLOW_LINKS)).toList()) {
        assertEquals(-1L, Files.mismatch(path, two.resolve(one.relativize(path))), "" + path);
      }
    }
  }

  private static byte[] name(String text) {
    return text.getBytes(UTF_8);
  }

  private static byte[] random(int length, long seed) {
    byte[] bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private void makeRichTree() throws Exception {
    try (var store = LocalStore.open(source)) {
      StoreDirectory root = store.root();
      root.makeDirectory(name("sub"), 0750);
      root.makeDirectory(name("empty"), 01777);
      Files.write(source.resolve("a"), random(100_000, 1));
      Files.write(source.resolve("zero"), new byte[0]);
      Files.write(source.resolve("sub/" + "n".repeat(255)), random(4096, 2));
      Files.createLink(source.resolve("sub/hard"), source.resolve("a"));
      Files.createSymbolicLink(source.resolve("link"), Path.of("sub/../a"));
      Files.createSymbolicLink(source.resolve("sub/dangling"), Path.of("/no/where"));
      root.makeNode(name("fifo"), FileStatus.TYPE_FIFO | 0640, 0);
      byte[] odd = {(byte) 0xff, (byte) 0xfe, '\n', '\\'};
      root.makeNode(odd, FileStatus.TYPE_REGULAR | 0604, 0);
      try (var file = new RandomAccessFile(source.resolve("sparse").toFile(), "rw")) {
        file.setLength(40L << 20);
        file.seek(20L << 20);
        file.write(random(70_000, 3));
      }
      root.setXattr(name("a"), name("user.note"), name("value"), 0);
      root.setXattr(name("a"), name("user.empty"), new byte[0], 0);
      root.setXattr(name("sub"), name("user.dir"), name("d"), 0);
      root.changeMode(name("a"), 04711);
      root.changeMode(name("zero"), 0000);
      if (Credentials.effectiveUid() == 0) {
        root.changeOwner(name("zero"), 4711, 4712);
        root.changeOwner(name("link"), 4711, 4712);
        root.changeOwner(name("empty"), 4711, -1);
        root.makeNode(name("null"), FileStatus.TYPE_CHARACTER_DEVICE | 0666, 0x103);
      }
      long seconds = 1_000_000_000;
      for (String entry : List.of("a", "zero", "link", "fifo", "sparse", "empty", "sub", ".")) {
        var time = new Timestamp(seconds, (int) (seconds % 999_999_937));
        root.changeTimes(name(entry), time, time);
        seconds += 86_461;
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void comes_back_exactly_as_it_was(GocryptfsCipher cipher) throws Exception {
    makeRichTree();
    try (var volume = volume(GocryptfsOptions.DEFAULT.withCipher(cipher))) {
      var summary = encrypt(volume);
      assertEquals(List.of(), failures);
      assertEquals(0, summary.failures());
      assertEquals(5, summary.files());
      var check = volume.check(false);
      assertEquals(List.of(), check.findings());
      decrypt(volume);
      assertEquals(List.of(), failures);
      assertEquals(describe(source), describe(target));
      assertSameContents(source, target);
    }
  }

  @Test
  void stays_sparse_on_both_sides() throws Exception {
    makeRichTree();
    try (var volume = volume(GocryptfsOptions.DEFAULT)) {
      encrypt(volume);
      decrypt(volume);
      long limit = 2_000_000 / 512;
      try (var plain = LocalStore.open(target);
          var stored = LocalStore.open(volume.root)) {
        assertTrue(plain.root().status(name("sparse")).blocks() < limit);
        byte[] name = name(volume.entry(volume.root, "sparse").getFileName().toString());
        assertTrue(stored.root().status(name).blocks() < limit);
      }
    }
  }

  @Test
  void is_not_copied_twice_and_what_changed_is_replaced() throws Exception {
    makeRichTree();
    try (var volume = volume(GocryptfsOptions.DEFAULT)) {
      encrypt(volume);
      var again = encrypt(volume);
      assertEquals(List.of(), failures);
      assertEquals(0, again.files());
      assertEquals(0, again.bytes());
      assertEquals(5, again.unchanged());
      Files.write(source.resolve("sub/" + "n".repeat(255)), random(5000, 9));
      assertEquals(1, encrypt(volume).files());
      decrypt(volume);
      assertEquals(describe(source), describe(target));
      assertSameContents(source, target);
      assertEquals(List.of(), volume.check(false).findings());
    }
  }

  @Test
  void is_completed_by_a_second_copy_after_an_interruption() throws Exception {
    makeRichTree();
    try (var volume = volume(GocryptfsOptions.DEFAULT)) {
      for (int i = 0; i < 60; i++) {
        Files.write(source.resolve("file" + i), random(50_000, i));
      }
      var copier =
          Thread.ofPlatform()
              .start(() -> {
                try (var fromStore = LocalStore.open(source);
                    var toStore = LocalStore.open(volume.root);
                    var from = new EncryptedFilesystem(fromStore, new PlainFormat());
                    var to = new EncryptedFilesystem(toStore, volume.format)) {
                  Thread me = Thread.currentThread();
                  TreeCopy.run(
                      from,
                      to,
                      new TreeCopy.Listener() {
                        @Override
                        public void progress(long files, long bytes) {
                          if (files >= 10) {
                            me.interrupt();
                          }
                        }

                        @Override
                        public void failed(String path, String reason) {
                          failures.add(path + ": " + reason);
                        }
                      });
                  failures.add("was not interrupted");
                } catch (InterruptedException expected) {
                  return;
                } catch (IOException e) {
                  failures.add(e.toString());
                }
              });
      copier.join();
      assertEquals(List.of(), failures);
      assertEquals(List.of(), volume.check(false).findings());
      var rest = encrypt(volume);
      assertEquals(List.of(), failures);
      assertTrue(rest.files() < 65, rest.toString());
      assertEquals(65, rest.files() + rest.unchanged());
      decrypt(volume);
      assertEquals(describe(source), describe(target));
      assertSameContents(source, target);
    }
  }

  @Test
  void loses_only_what_is_damaged_and_says_what() throws Exception {
    Files.write(source.resolve("good"), random(10_000, 1));
    Files.write(source.resolve("bad"), random(10_000, 2));
    try (var volume = volume(GocryptfsOptions.DEFAULT)) {
      encrypt(volume);
      Path stored = volume.entry(volume.root, "bad");
      byte[] all = Files.readAllBytes(stored);
      all[5000] ^= 1;
      Files.write(stored, all);
      var summary = decrypt(volume);
      assertEquals(1, summary.failures());
      assertEquals(1, failures.size());
      assertTrue(failures.getFirst().startsWith("/bad: EIO"), failures.toString());
      assertArrayEquals(random(10_000, 1), Files.readAllBytes(target.resolve("good")));
      try (var left = Files.list(target)) {
        assertEquals(1, left.count(), "no part of the damaged file is left");
      }
    }
  }

  @Test
  void does_not_take_over_what_a_default_acl_of_the_target_gives() throws Exception {
    Files.createDirectory(source.resolve("d"));
    Files.write(source.resolve("d/f"), random(10, 1));
    // Version 2, then tag, permissions and id of user::rwx, user:4711:rwx, group::r-x, mask, other
    byte[] acl = {
      2, 0, 0, 0, 1, 0, 7, 0, -1, -1, -1, -1, 2, 0, 7, 0, 0x67, 0x12, 0, 0, 4, 0, 5, 0, -1, -1, -1,
      -1, 16, 0, 7, 0, -1, -1, -1, -1, 32, 0, 0, 0, -1, -1, -1, -1
    };
    try (var store = LocalStore.open(source)) {
      try {
        store.root().setXattr(name("d"), name("system.posix_acl_default"), acl, 0);
      } catch (ErrnoException e) {
        assumeTrue(e.errno() != Errno.EOPNOTSUPP, "no ACLs on this filesystem");
        throw e;
      }
    }
    try (var volume = volume(GocryptfsOptions.DEFAULT)) {
      encrypt(volume);
      decrypt(volume);
      assertEquals(List.of(), failures);
      assertEquals(describe(source), describe(target));
      try (var store = LocalStore.open(target);
          var d = store.root().openDirectory(name("d"))) {
        assertArrayEquals(acl, store.root().getXattr(name("d"), name("system.posix_acl_default")));
        assertFalse(
            new String(d.listXattrs(name("f")), UTF_8).contains("acl"), "f had none before");
      }
    }
  }
}
