package io.coffer.tree;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.coffer.format.fscrypt.FscryptStoredName;
import io.coffer.keys.FscryptVolume;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Timestamp;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Writes a stored tree, as it lies on the store, to a tar archive: ciphertext, with contexts and
 * real sizes as extended attributes and the files of long names beside their entries. It needs no
 * key. {@link TreeImport} restores it; so does any tar that keeps extended attributes.
 *
 * <p>Nobody should write to the tree meanwhile. A file that changes while it is read ends the
 * export, for its real size might not fit its contents.
 */
public final class TreeExport {
  private static final int CHUNK_BYTES = 1 << 20;
  private static final int METADATA_MODE = 0644;

  /** Hears how far it is. */
  public interface Listener {
    /** So much is done. */
    void progress(long files, long bytes);

    /** Something that an archive cannot hold is left out. */
    void skipped(String path, String why);
  }

  private final TarWriter tar;
  private final Listener listener;
  private final MemorySegment buffer;
  private final byte[] chunk = new byte[CHUNK_BYTES];
  private final Map<List<Long>, byte[]> firstNames = new HashMap<>();
  private long files;
  private long bytes;

  private TreeExport(OutputStream out, Listener listener, Arena arena) {
    this.tar = new TarWriter(out);
    this.listener = listener;
    this.buffer = arena.allocate(CHUNK_BYTES, 4096);
  }

  /**
   * Exports a directory.
   *
   * @param metadata what the volume keeps of its keys; put before the tree if it is not null
   * @param parent where the directory is
   * @param name its stored name
   * @param out flushed, not closed
   * @throws IOException also with an errno of the store; what was written then has no seal
   */
  public static void run(
      byte @Nullable [] metadata,
      StoreDirectory parent,
      byte[] name,
      OutputStream out,
      Listener listener)
      throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      var export = new TreeExport(out, listener, arena);
      if (metadata != null) {
        export.metadata(metadata, parent.status(name).modified());
      }
      export.entry(parent, name, name);
      export.tar.finish();
    }
  }

  private void metadata(byte[] json, Timestamp modified) throws IOException {
    byte[] name = FscryptVolume.FILE_NAME.getBytes(UTF_8);
    char type = TarEntry.TYPE_FILE;
    tar.begin(
        new TarEntry(name, type, METADATA_MODE, 0, 0, 0, modified, null, json.length, Map.of()));
    tar.contents(json, json.length);
  }

  private static byte[] join(byte[] directory, byte[] name) {
    byte[] path = Arrays.copyOf(directory, directory.length + 1 + name.length);
    path[directory.length] = '/';
    System.arraycopy(name, 0, path, directory.length + 1, name.length);
    return path;
  }

  private void entry(StoreDirectory parent, byte[] name, byte[] path) throws IOException {
    FileStatus status = parent.status(name);
    switch (status.type()) {
      case FileStatus.TYPE_DIRECTORY -> {
        tar.begin(of(parent, name, path, status, TarEntry.TYPE_DIRECTORY));
        try (StoreDirectory directory = parent.openDirectory(name)) {
          for (byte[] each : namesIn(directory)) {
            entry(directory, each, join(path, each));
          }
        }
      }
      case FileStatus.TYPE_REGULAR -> file(parent, name, path, status);
      case FileStatus.TYPE_SYMLINK ->
          tar.begin(
              with(of(parent, name, path, status, TarEntry.TYPE_SYMLINK), parent.readLink(name)));
      case FileStatus.TYPE_FIFO -> tar.begin(of(parent, name, path, status, TarEntry.TYPE_FIFO));
      case FileStatus.TYPE_CHARACTER_DEVICE ->
          tar.begin(of(parent, name, path, status, TarEntry.TYPE_CHARACTER_DEVICE));
      case FileStatus.TYPE_BLOCK_DEVICE ->
          tar.begin(of(parent, name, path, status, TarEntry.TYPE_BLOCK_DEVICE));
      default -> listener.skipped(CheckReport.text(path), "a socket has no place in an archive");
    }
    listener.progress(++files, bytes);
  }

  private static List<byte[]> namesIn(StoreDirectory directory) throws ErrnoException {
    var names = new ArrayList<byte[]>();
    try (var listing = directory.list()) {
      while (listing.next()) {
        byte[] name = listing.name();
        boolean dots = name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'));
        String text = new String(name, UTF_8);
        if (!dots
            && !FscryptStoredName.isTemporary(name)
            && !text.startsWith(FscryptVolume.FILE_NAME + ".")) {
          names.add(name);
        }
      }
    }
    names.sort(Arrays::compareUnsigned);
    return names;
  }

  private static TarEntry of(
      StoreDirectory parent, byte[] name, byte[] path, FileStatus status, char type)
      throws ErrnoException {
    boolean hasXattrs = status.isRegular() || status.isDirectory();
    return new TarEntry(
        path,
        type,
        status.mode() & Flags.PERMISSIONS,
        status.uid(),
        status.gid(),
        status.specialDevice(),
        status.modified(),
        null,
        status.isRegular() ? status.size() : 0,
        hasXattrs ? xattrs(parent, name) : Map.of());
  }

  private static TarEntry with(TarEntry entry, byte[] target) {
    return new TarEntry(
        entry.path(),
        entry.type(),
        entry.mode(),
        entry.uid(),
        entry.gid(),
        0,
        entry.modified(),
        target,
        0,
        Map.of());
  }

  private static Map<String, byte[]> xattrs(StoreDirectory parent, byte[] name)
      throws ErrnoException {
    var xattrs = new LinkedHashMap<String, byte[]>();
    byte[] list;
    try {
      list = parent.listXattrs(name);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.EOPNOTSUPP) {
        return xattrs;
      }
      throw e;
    }
    int start = 0;
    for (int i = 0; i < list.length; i++) {
      if (list[i] == 0) {
        byte[] attribute = Arrays.copyOfRange(list, start, i);
        String text = new String(attribute, UTF_8);
        byte[] value = isKept(text) ? parent.getXattr(name, attribute) : null;
        if (value != null) {
          xattrs.put(text, value);
        }
        start = i + 1;
      }
    }
    return xattrs;
  }

  /** Those that whoever may restore a tree may set; access lists as the kernel has them. */
  static boolean isKept(String xattr) {
    return xattr.startsWith("user.")
        || xattr.equals("system.posix_acl_access")
        || xattr.equals("system.posix_acl_default");
  }

  private void file(StoreDirectory parent, byte[] name, byte[] path, FileStatus status)
      throws IOException {
    if (status.links() > 1) {
      byte[] first = firstNames.putIfAbsent(List.of(status.device(), status.inode()), path);
      if (first != null) {
        TarEntry link = of(parent, name, path, status, TarEntry.TYPE_HARD_LINK);
        tar.begin(with(link, first));
        return;
      }
    }
    try (StoreFile file = parent.openFile(name, Flags.O_RDONLY, 0)) {
      FileStatus before = file.status();
      SparseMap holes = holes(file, before);
      tar.begin(of(parent, name, path, before, TarEntry.TYPE_FILE), holes);
      if (holes == null) {
        data(file, 0, before.size(), path);
      } else {
        for (SparseMap.Piece each : holes.pieces()) {
          data(file, each.offset(), each.length(), path);
        }
      }
      FileStatus after = file.status();
      if (after.size() != before.size()
          || !after.modified().equals(before.modified())
          || !after.changed().equals(before.changed())) {
        throw changed(path);
      }
    }
  }

  private void data(StoreFile file, long from, long length, byte[] path) throws IOException {
    long at = from;
    while (at < from + length) {
      int wanted = (int) Math.min(CHUNK_BYTES, from + length - at);
      int read = file.read(buffer, 0, wanted, at);
      if (read < wanted) {
        throw changed(path);
      }
      MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, chunk, 0, read);
      tar.contents(chunk, read);
      at += read;
      bytes += read;
      listener.progress(files, bytes);
    }
  }

  /** Where a file with holes has data; null if it has none, or the store does not tell. */
  private static @Nullable SparseMap holes(StoreFile file, FileStatus status)
      throws ErrnoException {
    long size = status.size();
    if (status.blocks() * TarEntry.BLOCK_BYTES >= size) {
      return null;
    }
    var pieces = new ArrayList<SparseMap.Piece>();
    long end = 0;
    while (end < size) {
      long start;
      try {
        start = file.seek(end, Flags.SEEK_DATA);
        end = Math.min(size, file.seek(start, Flags.SEEK_HOLE));
      } catch (ErrnoException e) {
        if (e.errno() == Errno.ENXIO) {
          break; // nothing but a hole is left
        }
        if (e.errno() == Errno.EINVAL || e.errno() == Errno.EOPNOTSUPP) {
          return null;
        }
        throw e;
      }
      if (start >= size || pieces.size() == SparseMap.MOST_PIECES - 1) {
        return null; // it changes just now, or is all holes; then as a whole
      }
      pieces.add(new SparseMap.Piece(start, end - start));
    }
    if (end < size) {
      pieces.add(new SparseMap.Piece(size, 0));
    }
    return new SparseMap(size, pieces);
  }

  private static IOException changed(byte[] path) {
    return new IOException(
        CheckReport.text(path) + " was changed while it was read; nobody may write meanwhile");
  }
}
