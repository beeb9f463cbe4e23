package io.coffer.vfs;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.store.LocalStore;
import io.coffer.store.Store;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import io.coffer.vfs.VirtualFilesystem.Entry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** A gocryptfs volume in a directory, and short forms of what tests do with it. */
final class TestVolume implements AutoCloseable {
  static final GocryptfsOptions OPTIONS = GocryptfsOptions.DEFAULT.withScryptLogN(10);

  private static final byte[] KEY = new byte[GocryptfsConfig.MASTER_KEY_BYTES];

  static {
    java.util.Arrays.fill(KEY, (byte) 7);
  }

  final Path path;
  final Store store;
  final GocryptfsFormat format;
  final EncryptedFilesystem files;

  private TestVolume(Path path, Store store, GocryptfsFormat format, EncryptedFilesystem files) {
    this.path = path;
    this.store = store;
    this.format = format;
    this.files = files;
  }

  static GocryptfsFormat format(GocryptfsOptions options) {
    try (SecretBytes password = SecretBytes.copyOf(new byte[] {'t'});
        SecretBytes key = SecretBytes.copyOf(KEY)) {
      return new GocryptfsFormat(GocryptfsConfig.create(options, password, key), key, true);
    }
  }

  /** A new, empty volume in an empty directory. */
  static TestVolume create(Path path, GocryptfsOptions options) throws ErrnoException {
    Store store = LocalStore.open(path);
    GocryptfsFormat format = format(options);
    initialise(store.root(), format);
    return new TestVolume(path, store, format, new EncryptedFilesystem(store, format));
  }

  static TestVolume open(Path path, GocryptfsOptions options) throws ErrnoException {
    return open(path, options, EncryptedFilesystem.Options.defaults());
  }

  static TestVolume open(Path path, GocryptfsOptions options, EncryptedFilesystem.Options behaviour)
      throws ErrnoException {
    Store store = LocalStore.open(path);
    GocryptfsFormat format = format(options);
    return new TestVolume(path, store, format, new EncryptedFilesystem(store, format, behaviour));
  }

  static void initialise(StoreDirectory root, GocryptfsFormat format) throws ErrnoException {
    byte[] name = format.directoryContextName();
    if (name != null) {
      byte[] context = format.newDirectoryContext();
      try (Arena arena = Arena.ofConfined();
          StoreFile file =
              root.openFile(name, Flags.O_WRONLY | Flags.O_CREAT | Flags.O_EXCL, 0444)) {
        MemorySegment bytes = arena.allocate(context.length);
        bytes.copyFrom(MemorySegment.ofArray(context));
        file.write(bytes, 0, context.length, 0);
        file.sync(false);
      }
      root.sync();
    }
  }

  @Override
  public void close() throws ErrnoException {
    files.close();
    format.close();
    store.close();
  }

  /** A directory on tmpfs. */
  static Path onTmpfs() throws IOException {
    return Files.createTempDirectory(Path.of("/dev/shm"), "coffer-vfs-");
  }

  static void delete(Path tree) {
    try {
      Files.walkFileTree(
          tree,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              Files.delete(file);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(
                Path directory, @org.jspecify.annotations.Nullable IOException e)
                throws IOException {
              Files.delete(directory);
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  // Short forms.

  static byte[] name(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  Entry lookup(long parent, String name) throws ErrnoException {
    return files.lookup(parent, name(name));
  }

  /** Looks a path up from the root, with "/" between names. */
  Entry find(String path) throws ErrnoException {
    return find(files, path);
  }

  static Entry find(VirtualFilesystem files, String path) throws ErrnoException {
    Entry at = new Entry(VirtualFilesystem.ROOT, 0, files.status(VirtualFilesystem.ROOT, 0));
    for (String part : path.split("/", -1)) {
      if (!part.isEmpty()) {
        at = files.lookup(at.id(), name(part));
      }
    }
    return at;
  }

  long create(long parent, String name) throws ErrnoException {
    return files.create(parent, name(name), Flags.O_RDWR | Flags.O_EXCL, 0644).handle();
  }

  /** Makes a file with contents and closes it; returns its id. */
  long put(long parent, String name, byte[] content) throws ErrnoException {
    return put(files, parent, name, content);
  }

  static long put(VirtualFilesystem files, long parent, String name, byte[] content)
      throws ErrnoException {
    var created = files.create(parent, name(name), Flags.O_RDWR, 0644);
    try {
      write(files, created.handle(), 0, content);
    } finally {
      files.release(created.handle());
    }
    return created.entry().id();
  }

  static int write(VirtualFilesystem files, long handle, long offset, byte[] bytes)
      throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocate(Math.max(1, bytes.length));
      MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, bytes.length);
      return files.write(handle, offset, segment, 0, bytes.length);
    }
  }

  static byte[] read(VirtualFilesystem files, long handle, long offset, int length)
      throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocate(Math.max(1, length));
      int read = files.read(handle, offset, segment, 0, length);
      return segment.asSlice(0, read).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  /** The whole contents of a file. */
  static byte[] contents(VirtualFilesystem files, long id) throws ErrnoException {
    long handle = files.open(id, Flags.O_RDONLY);
    try {
      var all = new ByteArrayOutputStream();
      while (true) {
        byte[] part = read(files, handle, all.size(), 1 << 20);
        if (part.length == 0) {
          return all.toByteArray();
        }
        all.writeBytes(part);
      }
    } finally {
      files.release(handle);
    }
  }

  /** The names in a directory, "." and ".." left out, sorted. */
  static SortedSet<String> names(VirtualFilesystem files, long id) throws ErrnoException {
    var names = new TreeSet<String>();
    long handle = files.openDirectory(id);
    try {
      long[] cookie = {0};
      while (true) {
        int[] count = {0};
        files.list(
            handle,
            cookie[0],
            false,
            (name, inode, type, next, entry) -> {
              if (count[0] == 50) {
                return false;
              }
              count[0]++;
              cookie[0] = next;
              String text = new String(name, StandardCharsets.UTF_8);
              if (!text.equals(".") && !text.equals("..")) {
                names.add(text);
              }
              return true;
            });
        if (count[0] == 0) {
          return names;
        }
      }
    } finally {
      files.releaseDirectory(handle);
    }
  }

  /** Every path of a tree, directories with a slash at their end, with the sizes of files. */
  static SortedMap<String, Long> tree(VirtualFilesystem files) throws ErrnoException {
    var found = new TreeMap<String, Long>();
    addTree(files, VirtualFilesystem.ROOT, "", found);
    return found;
  }

  private static void addTree(
      VirtualFilesystem files, long id, String prefix, SortedMap<String, Long> found)
      throws ErrnoException {
    for (String name : names(files, id)) {
      Entry entry = files.lookup(id, name(name));
      if (entry.status().isDirectory()) {
        found.put(prefix + name + "/", 0L);
        addTree(files, entry.id(), prefix + name + "/", found);
      } else {
        found.put(prefix + name, entry.status().size());
      }
      files.forget(entry.id(), 1);
    }
  }

  /** Where a plain path is stored. */
  Path stored(String plain) throws ErrnoException {
    return path.resolve(new String(files.encryptPath(name(plain)), StandardCharsets.US_ASCII));
  }

  /** Names in a stored directory. */
  static List<String> stored(Path directory) throws IOException {
    var names = new ArrayList<String>();
    try (var entries = Files.newDirectoryStream(directory)) {
      entries.forEach(each -> names.add(String.valueOf(each.getFileName())));
    }
    names.sort(null);
    return names;
  }
}
