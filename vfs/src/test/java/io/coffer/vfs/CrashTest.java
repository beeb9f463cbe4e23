package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.coffer.format.NameCodec.EntryKind;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.Store;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreListing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Runs a script of everyday changes, ends it at each single change of the store in turn, and looks
 * at what is left: once as another process would find it, once as a power failure would leave it.
 */
@DisplayName("A crash at any moment")
class CrashTest {
  private static final String LONG = "l".repeat(200);
  private static final String LONGER = "m".repeat(250);

  /** A file whose contents a sync promised to keep, under one of these paths. */
  private record Promise(byte[] content, List<String> paths) {}

  /** The script, with what it has been promised so far. */
  private static final class Script {
    final VirtualFilesystem files;
    final Map<String, Promise> promises = new HashMap<>();

    Script(VirtualFilesystem files) {
      this.files = files;
    }

    long id(String path) throws ErrnoException {
      return TestVolume.find(files, path).id();
    }

    private static String parent(String path) {
      return path.contains("/") ? path.substring(0, path.lastIndexOf('/')) : "";
    }

    private static byte[] last(String path) {
      return TestVolume.name(path.substring(path.lastIndexOf('/') + 1));
    }

    void makeDirectory(String path) throws ErrnoException {
      files.makeDirectory(id(parent(path)), last(path), 0755);
    }

    void write(String path, byte[] content, boolean sync) throws ErrnoException {
      promises.remove(path);
      var created = files.create(id(parent(path)), last(path), Flags.O_RDWR | Flags.O_TRUNC, 0644);
      TestVolume.write(files, created.handle(), 0, content);
      if (sync) {
        files.sync(created.handle(), false);
        promises.put(path, new Promise(content, new ArrayList<>(List.of(path))));
      }
      files.release(created.handle());
    }

    void rename(String from, String to) throws ErrnoException {
      promises.remove(to);
      for (Promise each : promises.values()) {
        for (String path : List.copyOf(each.paths)) {
          if (path.equals(from) || path.startsWith(from + "/")) {
            each.paths.add(to + path.substring(from.length()));
          }
        }
      }
      files.rename(id(parent(from)), last(from), id(parent(to)), last(to), 0);
    }

    void unlink(String path) throws ErrnoException {
      promises.values().removeIf(each -> each.paths.contains(path));
      files.unlink(id(parent(path)), last(path));
    }

    /** Takes one of two names away. */
    void unlinkOne(String path, String other) throws ErrnoException {
      for (Promise each : promises.values()) {
        if (each.paths.contains(path)) {
          each.paths.add(other);
        }
      }
      files.unlink(id(parent(path)), last(path));
    }

    void removeDirectory(String path) throws ErrnoException {
      files.removeDirectory(id(parent(path)), last(path));
    }

    void link(String path, String name) throws ErrnoException {
      files.link(id(path), id(parent(name)), last(name));
    }

    void syncDirectory(String path) throws ErrnoException {
      long handle = files.openDirectory(id(path));
      files.syncDirectory(handle);
      files.releaseDirectory(handle);
    }

    void run() throws ErrnoException {
      byte[] data = new byte[9000];
      new Random(3).nextBytes(data);
      makeDirectory("a");
      makeDirectory("a/b");
      makeDirectory("a/b/c");
      makeDirectory("a/sibling");
      write("a/b/c/one", data, true);
      makeDirectory("a/" + LONG);
      write("a/" + LONG + "/" + LONGER, Arrays.copyOf(data, 5000), true);
      write("a/b/" + LONG, Arrays.copyOf(data, 100), false);
      rename("a/b/" + LONG, "a/b/short");
      rename("a/b/short", "a/" + LONGER);
      link("a/" + LONGER, "a/b/" + LONGER);
      unlink("a/" + LONGER);
      makeDirectory("d");
      makeDirectory("d/empty");
      rename("a/b", "d/empty");
      syncDirectory("d");
      makeDirectory("e");
      makeDirectory("e/" + LONGER);
      rename("e/" + LONGER, "e/f");
      removeDirectory("e/f");
      removeDirectory("e");
      write("top", data, true);
      write("top.new", Arrays.copyOf(data, 4096), true);
      rename("top.new", "top");
      files.symlink(id("d"), TestVolume.name(LONG), TestVolume.name("../top"));
      makeDirectory("g");
      makeDirectory("g/h");
      syncDirectory("");
      makeDirectory("g/h/i");
      write("g/h/i/deep", Arrays.copyOf(data, 1), true);
      for (int i = 0; i < 20; i++) {
        makeDirectory("g/many" + i);
      }
      write("g/many7/file", Arrays.copyOf(data, 4097), true);
      // What was synced must not come to depend on what was not.
      write("kept", Arrays.copyOf(data, 300), true);
      rename("kept", LONGER);
      write("h", Arrays.copyOf(data, 301), true);
      makeDirectory("new");
      rename("h", "new/h");
      rename("g/h", "new/" + LONG);
      write("one", Arrays.copyOf(data, 302), true);
      makeDirectory("newer");
      link("one", "newer/" + LONGER);
      unlinkOne("one", "newer/" + LONGER);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "deterministic", "plain"})
  @DisplayName("leaves every directory readable or absent, and every synced file whole")
  void losesNothingThatWasPromised(String names) throws Exception {
    GocryptfsOptions options =
        switch (names) {
          case "deterministic" -> TestVolume.OPTIONS.withDeterministicNames(true);
          case "plain" -> TestVolume.OPTIONS.withPlaintextNames(true);
          default -> TestVolume.OPTIONS;
        };
    try (GocryptfsFormat format = TestVolume.format(options)) {
      int crash = 1;
      while (crashesAt(crash, format)) {
        crash++;
      }
      assertTrue(crash > 60, "the script makes only " + crash + " changes");
    }
  }

  private static boolean crashesAt(int change, GocryptfsFormat format) throws Exception {
    var store = new MemoryStore();
    TestVolume.initialise(store.root(), format);
    var script = new Script(new EncryptedFilesystem(store, format));
    store.crashAt(change);
    try {
      script.run();
      return false;
    } catch (MemoryStore.Crash e) {
      String when = "change " + change;
      check(store.afterKill(), format, script, when + ", killed");
      check(store.afterPowerFailure(), format, script, when + ", power failed");
      checkPromises(
          store.afterPowerFailureWithJournal(), format, script, when + ", power failed, journal");
      return true;
    }
  }

  private static void check(Store store, GocryptfsFormat format, Script script, String when)
      throws Exception {
    checkStored(store.root(), format, true, when);
    try (var files = new EncryptedFilesystem(store, format)) {
      var seen = TestVolume.tree(files); // throws if a directory cannot be read
      checkPromises(files, script, when + " of " + new TreeSet<>(seen.keySet()));
      // And all of it can be removed, leftovers included.
      removeAll(files, VirtualFilesystem.ROOT, when);
      assertEquals(List.of(), List.copyOf(TestVolume.names(files, VirtualFilesystem.ROOT)), when);
    }
  }

  private static void checkPromises(Store store, GocryptfsFormat format, Script script, String when)
      throws Exception {
    try (var files = new EncryptedFilesystem(store, format)) {
      checkPromises(files, script, when);
    }
  }

  private static void checkPromises(EncryptedFilesystem files, Script script, String when)
      throws Exception {
    for (Promise each : script.promises.values()) {
      byte[] found = null;
      for (String path : each.paths) {
        try {
          found = TestVolume.contents(files, TestVolume.find(files, path).id());
        } catch (ErrnoException e) {
          assertTrue(
              e.errno() == Errno.ENOENT || e.errno() == Errno.EIO, when + ": " + path + ": " + e);
        }
        if (found != null) {
          break;
        }
      }
      assertNotNull(found, when + ": lost " + each.paths);
      assertArrayEquals(each.content, found, when + ": " + each.paths);
    }
  }

  /** Every stored entry that is meant to be seen has a name that can be decoded. */
  private static void checkStored(
      StoreDirectory directory, GocryptfsFormat format, boolean isRoot, String when)
      throws Exception {
    byte[] contextName = format.directoryContextName();
    byte[] context = {};
    if (contextName != null) {
      context = small(directory, contextName, when);
    }
    var codec = format.names(context);
    try (StoreListing listing = directory.list()) {
      while (listing.next()) {
        byte[] name = listing.name();
        EntryKind kind = codec.kindOf(name);
        if (kind == EntryKind.INTERNAL || (isRoot && format.isReservedInRoot(name))) {
          continue;
        }
        if (kind == EntryKind.LONG) {
          codec.decodeLong(name, small(directory, codec.sidecarOf(name), when));
        } else {
          codec.decode(name);
        }
        if (listing.type() == FileStatus.TYPE_DIRECTORY) {
          checkStored(directory.openDirectory(name), format, false, when);
        }
      }
    }
  }

  private static byte[] small(StoreDirectory directory, byte[] name, String when)
      throws ErrnoException {
    try (var arena = java.lang.foreign.Arena.ofConfined();
        var file = directory.openFile(name, Flags.O_RDONLY, 0)) {
      var buffer = arena.allocate(1000);
      int read = file.read(buffer, 0, 1000, 0);
      return buffer.asSlice(0, read).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    } catch (ErrnoException e) {
      return fail(when + ": " + new String(name, java.nio.charset.StandardCharsets.US_ASCII), e);
    }
  }

  private static void removeAll(VirtualFilesystem files, long id, String when)
      throws ErrnoException {
    for (String name : TestVolume.names(files, id)) {
      var entry = files.lookup(id, TestVolume.name(name));
      try {
        if (entry.status().isDirectory()) {
          removeAll(files, entry.id(), when);
          files.removeDirectory(id, TestVolume.name(name));
        } else {
          files.unlink(id, TestVolume.name(name));
        }
      } catch (ErrnoException e) {
        fail(when + ": cannot remove " + name, e);
      }
      files.forget(entry.id(), 1);
    }
  }
}
