package io.coffer.tree;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.coffer.format.FormatException;
import io.coffer.format.fscrypt.FscryptStoredName;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Timestamp;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Restores a tree that {@link TreeExport} wrote. It is built under a temporary name, which no
 * mounted view shows, and gets its name when the whole archive was read and its digest is right.
 *
 * <p>The archive may come from anybody. Nothing is made outside the one directory: paths must be
 * below the archive's first directory, every component is opened without following links, and what
 * is there already is never replaced.
 */
public final class TreeImport implements AutoCloseable {
  private static final int CHUNK_BYTES = 1 << 20;
  private static final int HOLE_BYTES = 4096;
  private static final int MOST_DEPTH = 4096;

  /**
   * What was restored.
   *
   * @param metadata what the volume kept of its keys, if the archive has it before the tree
   */
  public record Imported(byte[] name, byte @Nullable [] metadata) {}

  /** A directory being filled, by its name in its parent. */
  private record Level(byte[] name, StoreDirectory directory) {}

  /** What a directory gets when nothing is added to it any more. */
  private record Finish(List<byte[]> path, TarEntry entry) {}

  private final TarReader tar;
  private final StoreDirectory into;
  private final TreeExport.Listener listener;
  private final boolean privileged = Credentials.effectiveUid() == 0;
  private final Arena arena = Arena.ofConfined();
  private final MemorySegment buffer = arena.allocate(CHUNK_BYTES, 4096);
  private final byte[] chunk = new byte[CHUNK_BYTES];
  private final Deque<Level> levels = new ArrayDeque<>();
  private final List<Finish> finishes = new ArrayList<>();
  private long files;
  private long bytes;

  private TreeImport(InputStream in, StoreDirectory into, TreeExport.Listener listener) {
    this.tar = new TarReader(in);
    this.into = into;
    this.listener = listener;
  }

  /**
   * Restores a tree.
   *
   * @param into where
   * @param newName what to call it, or null for its name in the archive
   * @throws FormatException if the archive is damaged, not whole, or tries something
   * @throws IOException also with an errno of the store, EEXIST if the name is taken
   */
  public static Imported run(
      InputStream in, StoreDirectory into, byte @Nullable [] newName, TreeExport.Listener listener)
      throws IOException, FormatException {
    try (var running = new TreeImport(in, into, listener)) {
      return running.run(newName);
    }
  }

  private Imported run(byte @Nullable [] newName) throws IOException, FormatException {
    byte[] temporary = FscryptStoredName.newTemporary();
    into.makeDirectory(temporary, 0700);
    boolean done = false;
    try (StoreDirectory workshop = into.openDirectory(temporary)) {
      TarEntry first = tar.next();
      byte[] metadata = null;
      if (first != null && Arrays.equals(first.path(), FscryptVolume.FILE_NAME.getBytes(UTF_8))) {
        metadata = small(first);
        first = tar.next();
      }
      if (first == null || first.type() != TarEntry.TYPE_DIRECTORY) {
        throw refused("it does not begin with a directory");
      }
      List<byte[]> path = split(first.path());
      if (path.size() != 1) {
        throw refused("it does not begin with one directory");
      }
      byte[] top = path.getFirst();
      byte[] name = newName == null ? top : newName;
      checkFree(name);
      restore(workshop, first, top);
      if (!tar.isSealed()) {
        throw refused("it is not whole, for it ends without its digest");
      }
      closeLevels(0);
      finishDirectories(workshop);
      into.syncFilesystem();
      giveName(workshop, top, name);
      into.removeDirectory(temporary);
      into.sync();
      done = true;
      return new Imported(name, metadata);
    } finally {
      if (!done) {
        closeLevels(0);
        removeTree(into, temporary);
      }
    }
  }

  private static FormatException refused(String why) {
    return new FormatException("the archive is refused: " + why);
  }

  private void giveName(StoreDirectory workshop, byte[] top, byte[] name) throws ErrnoException {
    if (workshop.renameNewAtOnce(top, into, name)) {
      return;
    }
    // The store has no such flag (NFS, ceph-fuse). What is renamed over the directory made here
    // replaces that one alone, for it replaces nothing but an empty directory.
    into.makeDirectory(name, 0700);
    boolean done = false;
    try {
      workshop.rename(top, into, name, 0);
      done = true;
    } finally {
      if (!done) {
        try {
          into.removeDirectory(name);
        } catch (ErrnoException e) {
          // Somebody else uses it by now.
        }
      }
    }
  }

  private void checkFree(byte[] name) throws ErrnoException {
    if (into.has(name)) {
      throw new ErrnoException(Errno.EEXIST, CheckReport.text(name) + " is there already");
    }
  }

  private byte[] small(TarEntry entry) throws IOException, FormatException {
    if (entry.type() != TarEntry.TYPE_FILE || entry.size() > FscryptVolume.MOST_BYTES) {
      throw refused("its metadata is none");
    }
    var all = new ByteArrayOutputStream();
    for (int read = tar.read(chunk, CHUNK_BYTES); read > 0; read = tar.read(chunk, CHUNK_BYTES)) {
      all.write(chunk, 0, read);
    }
    byte[] metadata = all.toByteArray();
    try {
      FscryptVolume.parse(metadata);
    } catch (VolumeException e) {
      throw refused(e.getMessage());
    }
    return metadata;
  }

  // Paths.

  /** The components of a path that leads nowhere else. */
  private static List<byte[]> split(byte[] path) throws FormatException {
    var components = new ArrayList<byte[]>();
    int start = 0;
    for (int i = 0; i <= path.length; i++) {
      if (i == path.length || path[i] == '/') {
        byte[] component = Arrays.copyOfRange(path, start, i);
        boolean dots =
            component.length > 0
                && component.length < 3
                && component[0] == '.'
                && component[component.length - 1] == '.';
        if (component.length == 0 || dots) {
          throw refused("the path " + CheckReport.text(path) + " leads out of it");
        }
        components.add(component);
        start = i + 1;
      }
    }
    for (byte each : path) {
      if (each == 0) {
        throw refused("a path has a NUL");
      }
    }
    if (components.size() > MOST_DEPTH) {
      throw refused("a path is too deep");
    }
    return components;
  }

  private static List<byte[]> below(byte[] top, byte[] path) throws FormatException {
    List<byte[]> components = split(path);
    if (!Arrays.equals(components.getFirst(), top)) {
      throw refused("the path " + CheckReport.text(path) + " leads out of it");
    }
    return components;
  }

  /**
   * The directory in which a path's last component is. It stays open until another is asked for.
   */
  private StoreDirectory parent(StoreDirectory workshop, List<byte[]> path) throws ErrnoException {
    int same = 0;
    for (Level level : levels) {
      if (same == path.size() - 1 || !Arrays.equals(level.name, path.get(same))) {
        break;
      }
      same++;
    }
    closeLevels(same);
    StoreDirectory at = levels.isEmpty() ? workshop : levels.getLast().directory;
    for (byte[] name : path.subList(same, path.size() - 1)) {
      at = at.openDirectory(name);
      levels.addLast(new Level(name, at));
    }
    return at;
  }

  private void closeLevels(int keep) {
    while (levels.size() > keep) {
      levels.removeLast().directory.close();
    }
  }

  // Entries.

  private void restore(StoreDirectory workshop, TarEntry first, byte[] top)
      throws IOException, FormatException {
    for (TarEntry entry = first; entry != null; entry = tar.next()) {
      List<byte[]> path = below(top, entry.path());
      StoreDirectory parent = parent(workshop, path);
      byte[] name = path.getLast();
      try {
        make(workshop, parent, name, path, entry, top);
      } catch (ErrnoException e) {
        throw new ErrnoException(e.errno(), CheckReport.text(entry.path()) + ": " + e.getMessage());
      }
      listener.progress(++files, bytes);
    }
  }

  private void make(
      StoreDirectory workshop,
      StoreDirectory parent,
      byte[] name,
      List<byte[]> path,
      TarEntry entry,
      byte[] top)
      throws IOException, FormatException {
    byte[] target = entry.target();
    switch (entry.type()) {
      case TarEntry.TYPE_DIRECTORY -> {
        parent.makeDirectory(name, 0700);
        for (Map.Entry<String, byte[]> each : kept(entry)) {
          parent.setXattr(name, each.getKey().getBytes(UTF_8), each.getValue(), 0);
        }
        finishes.add(new Finish(path, entry));
      }
      case TarEntry.TYPE_FILE -> file(parent, name, entry);
      case TarEntry.TYPE_HARD_LINK -> {
        if (target == null) {
          throw refused("a link leads nowhere");
        }
        List<byte[]> linked = below(top, target);
        // The directory of the new name must not be closed when that of the old one is opened.
        try (StoreDirectory here = parent.openDirectory(StoreDirectory.SELF)) {
          StoreDirectory there = parent(workshop, linked);
          if (!there.status(linked.getLast()).isRegular()) {
            throw refused("a hard link leads to something that is no file");
          }
          there.link(linked.getLast(), here, name);
        }
      }
      case TarEntry.TYPE_SYMLINK -> {
        if (target == null || target.length == 0) {
          throw refused("a link leads nowhere");
        }
        parent.symlink(target, name);
        own(parent, name, entry);
        parent.changeTimes(name, Timestamp.OMIT, entry.modified());
      }
      case TarEntry.TYPE_FIFO -> node(parent, name, entry, FileStatus.TYPE_FIFO);
      case TarEntry.TYPE_CHARACTER_DEVICE ->
          node(parent, name, entry, FileStatus.TYPE_CHARACTER_DEVICE);
      case TarEntry.TYPE_BLOCK_DEVICE -> node(parent, name, entry, FileStatus.TYPE_BLOCK_DEVICE);
      default -> throw refused("it has an entry of the type '" + entry.type() + "'");
    }
  }

  private static List<Map.Entry<String, byte[]>> kept(TarEntry entry) throws FormatException {
    for (String name : entry.xattrs().keySet()) {
      if (!TreeExport.isKept(name)) {
        throw refused("it sets the attribute " + CheckReport.text(name.getBytes(UTF_8)));
      }
    }
    return List.copyOf(entry.xattrs().entrySet());
  }

  private void own(StoreDirectory parent, byte[] name, TarEntry entry) throws ErrnoException {
    if (privileged) {
      parent.changeOwner(name, entry.uid(), entry.gid());
    }
  }

  private void node(StoreDirectory parent, byte[] name, TarEntry entry, int type)
      throws ErrnoException {
    parent.makeNode(name, type | 0600, entry.device());
    own(parent, name, entry);
    parent.changeMode(name, entry.mode());
    parent.changeTimes(name, Timestamp.OMIT, entry.modified());
  }

  private void file(StoreDirectory parent, byte[] name, TarEntry entry)
      throws IOException, FormatException {
    int flags = Flags.O_WRONLY | Flags.O_CREAT | Flags.O_EXCL;
    try (StoreFile file = parent.openFile(name, flags, 0600)) {
      SparseMap holes = tar.holes();
      if (holes == null) {
        data(file, 0, entry.size());
      } else {
        for (SparseMap.Piece each : holes.pieces()) {
          data(file, each.offset(), each.length());
        }
      }
      file.truncate(entry.size());
      for (Map.Entry<String, byte[]> each : kept(entry)) {
        file.setXattr(each.getKey().getBytes(UTF_8), each.getValue(), 0);
      }
      if (privileged) {
        file.changeOwner(entry.uid(), entry.gid());
      }
      file.changeMode(entry.mode());
      file.changeTimes(Timestamp.OMIT, entry.modified());
    }
  }

  private void data(StoreFile file, long from, long length) throws IOException, FormatException {
    long at = from;
    while (at < from + length) {
      int read = tar.read(chunk, (int) Math.min(CHUNK_BYTES, from + length - at));
      if (read == 0) {
        throw refused("the data of a file is not whole");
      }
      write(file, at, read);
      at += read;
      bytes += read;
      listener.progress(files, bytes);
    }
  }

  /** Writes what was read, without what is zero: a stored unit of zeros is a hole. */
  private void write(StoreFile file, long offset, int length) throws ErrnoException {
    MemorySegment.copy(chunk, 0, buffer, ValueLayout.JAVA_BYTE, 0, length);
    int from = 0;
    while (from < length) {
      int to = from;
      while (to < length && !isZero(to, Math.min(length, to + HOLE_BYTES))) {
        to = Math.min(length, to + HOLE_BYTES);
      }
      int done = from;
      while (done < to) {
        int some = file.write(buffer, done, to - done, offset + done);
        if (some <= 0) {
          throw new ErrnoException(Errno.ENOSPC);
        }
        done += some;
      }
      from = Math.min(length, to + HOLE_BYTES);
    }
  }

  private boolean isZero(int from, int to) {
    for (int i = from; i < to; i++) {
      if (chunk[i] != 0) {
        return false;
      }
    }
    return true;
  }

  /** Children first, for what a directory gets may keep us from changing what is in it. */
  private void finishDirectories(StoreDirectory workshop) throws ErrnoException {
    for (Finish each : finishes.reversed()) {
      StoreDirectory parent = parent(workshop, each.path);
      byte[] name = each.path.getLast();
      own(parent, name, each.entry);
      parent.changeMode(name, each.entry.mode());
      parent.changeTimes(name, Timestamp.OMIT, each.entry.modified());
    }
    closeLevels(0);
  }

  private void removeTree(StoreDirectory parent, byte[] name) {
    try {
      if (!parent.status(name).isDirectory()) {
        parent.unlink(name);
        return;
      }
      parent.changeMode(name, 0700);
      var inside = new ArrayList<byte[]>();
      try (StoreDirectory directory = parent.openDirectory(name)) {
        try (var listing = directory.list()) {
          while (listing.next()) {
            byte[] each = listing.name();
            if (!new String(each, UTF_8).matches("\\.\\.?")) {
              inside.add(each);
            }
          }
        }
        inside.forEach(each -> removeTree(directory, each));
      }
      parent.removeDirectory(name);
    } catch (ErrnoException e) {
      listener.skipped(
          CheckReport.text(name), "what was restored cannot be removed: " + e.getMessage());
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
