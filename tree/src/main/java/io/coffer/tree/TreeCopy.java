package io.coffer.tree;

import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Timestamp;
import io.coffer.vfs.VirtualFilesystem;
import io.coffer.vfs.VirtualFilesystem.AttributeChanges;
import io.coffer.vfs.VirtualFilesystem.Created;
import io.coffer.vfs.VirtualFilesystem.Entry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Copies a whole tree from one filesystem to another, without a mount: contents with their holes,
 * modes, times to the nanosecond, owners (as root), hard links, symbolic links, extended attributes
 * and ACLs, special files (as root). Several files at once.
 *
 * <p>A file appears under its name only when it is whole: it is written under a part name and then
 * renamed. A copy that was interrupted can be done again; files that are there with the same size
 * and modification time are not copied twice. What is already in the target and not in the source
 * stays.
 */
public final class TreeCopy {
  private static final int PIECE_BYTES = 1 << 20;
  private static final String PART_PREFIX = ".coffer-part.";

  /** Hears of the copy's course; may be called by any thread. */
  public interface Listener {
    void progress(long files, long bytes);

    /** Something could not be copied; the rest goes on. */
    void failed(String path, String reason);
  }

  /**
   * What was done.
   *
   * @param files regular files that were written
   * @param unchanged regular files that were there already
   * @param others links, special files and directories
   * @param bytes of contents that were written
   * @param failures what could not be copied
   */
  public record Summary(long files, long unchanged, long others, long bytes, long failures) {}

  private record ObjectKey(long device, long inode) {}

  /** A directory whose mode and times are set when everything in it is done. */
  private record Unfinished(long target, String path, FileStatus status) {}

  private final VirtualFilesystem source;
  private final VirtualFilesystem target;
  private final Listener listener;
  private final boolean asRoot = Credentials.effectiveUid() == 0;
  private final AtomicLong files = new AtomicLong();
  private final AtomicLong unchanged = new AtomicLong();
  private final AtomicLong others = new AtomicLong();
  private final AtomicLong bytes = new AtomicLong();
  private final AtomicLong failures = new AtomicLong();
  private final Map<ObjectKey, Long> hardLinks = new HashMap<>();
  private final List<Unfinished> directories = new ArrayList<>();

  private TreeCopy(VirtualFilesystem source, VirtualFilesystem target, Listener listener) {
    this.source = source;
    this.target = target;
    this.listener = listener;
  }

  /** Copies everything below the root of one filesystem to below the root of another. */
  public static Summary run(VirtualFilesystem source, VirtualFilesystem target, Listener listener)
      throws InterruptedException {
    return new TreeCopy(source, target, listener).run();
  }

  private Summary run() throws InterruptedException {
    try {
      FileStatus root = source.status(VirtualFilesystem.ROOT, 0);
      directories.add(new Unfinished(VirtualFilesystem.ROOT, "/", root));
    } catch (ErrnoException e) {
      fail("/", e);
    }
    int threads = Math.max(2, Runtime.getRuntime().availableProcessors());
    try (ExecutorService copiers = Executors.newFixedThreadPool(threads)) {
      directory(
          VirtualFilesystem.ROOT, VirtualFilesystem.ROOT, "", copiers, new Semaphore(8 * threads));
    }
    for (Unfinished each : directories.reversed()) {
      try {
        setTimes(each.target, each.status);
      } catch (ErrnoException e) {
        fail(each.path, e);
      }
      if (each.target != VirtualFilesystem.ROOT) {
        target.forget(each.target, 1);
      }
    }
    hardLinks.values().forEach(id -> target.forget(id, 1));
    return new Summary(files.get(), unchanged.get(), others.get(), bytes.get(), failures.get());
  }

  private void fail(String path, ErrnoException e) {
    failures.incrementAndGet();
    listener.failed(path, e.getMessage());
  }

  private record Item(byte[] name, Entry entry) {}

  private void directory(
      long from, long to, String path, ExecutorService copiers, Semaphore pending)
      throws InterruptedException {
    List<Item> items;
    try {
      copyXattrs(from, to, path.isEmpty() ? "/" : path);
      items = itemsOf(from);
    } catch (ErrnoException e) {
      fail(path.isEmpty() ? "/" : path, e);
      return;
    }
    for (Item item : items) {
      String itemPath = path + "/" + CheckReport.text(item.name);
      FileStatus status = item.entry.status();
      boolean handedOver = false;
      try {
        if (status.isDirectory()) {
          subdirectory(item, to, itemPath, copiers, pending);
        } else if (status.isRegular() && status.links() == 1) {
          pending.acquire();
          handedOver = true;
          copiers.execute(() -> {
            try {
              target.forget(file(item, to, itemPath), 1);
            } catch (ErrnoException e) {
              fail(itemPath, e);
            } catch (RuntimeException e) {
              failures.incrementAndGet();
              listener.failed(itemPath, e.toString());
            } finally {
              source.forget(item.entry.id(), 1);
              pending.release();
            }
          });
        } else {
          linked(item, to, itemPath);
        }
      } catch (ErrnoException e) {
        fail(itemPath, e);
      } finally {
        if (!handedOver) {
          source.forget(item.entry.id(), 1);
        }
      }
    }
  }

  private List<Item> itemsOf(long directory) throws ErrnoException {
    var items = new ArrayList<Item>();
    long handle = source.openDirectory(directory);
    try {
      long[] cookie = {0};
      boolean[] more = {true};
      while (more[0]) {
        more[0] = false;
        source.list(
            handle,
            cookie[0],
            true,
            (name, inode, type, next, entry) -> {
              cookie[0] = next;
              more[0] = true;
              if (entry != null) {
                items.add(new Item(name, entry));
              }
              return true;
            });
      }
      return items;
    } catch (ErrnoException e) {
      items.forEach(item -> source.forget(item.entry.id(), 1));
      throw e;
    } finally {
      source.releaseDirectory(handle);
    }
  }

  private void subdirectory(
      Item item, long parent, String path, ExecutorService copiers, Semaphore pending)
      throws ErrnoException, InterruptedException {
    FileStatus status = item.entry.status();
    Entry made;
    try {
      // Writable for us until its contents are there.
      made = target.makeDirectory(parent, item.name, 0700);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EEXIST) {
        throw e;
      }
      made = target.lookup(parent, item.name);
      if (!made.status().isDirectory()) {
        target.forget(made.id(), 1);
        throw new ErrnoException(Errno.EEXIST, "something else of this name is there");
      }
    }
    others.incrementAndGet();
    directories.add(new Unfinished(made.id(), path, status));
    if (!asRoot && (made.status().mode() & 0700) != 0700) {
      // An earlier copy finished it, and its owner may not write to it.
      target.setAttributes(made.id(), 0, new AttributeChanges(0700, null, null, null, null, null));
    }
    directory(item.entry.id(), made.id(), path, copiers, pending);
  }

  /** Anything but a directory or a file with a single name; a second name becomes a hard link. */
  private void linked(Item item, long parent, String path) throws ErrnoException {
    FileStatus status = item.entry.status();
    var key = new ObjectKey(status.device(), status.inode());
    if (status.links() > 1) {
      Long known = hardLinks.get(key);
      if (known != null) {
        linkAgain(known, parent, item.name);
        return;
      }
    }
    long made = status.isRegular() ? file(item, parent, path) : other(item, parent, path);
    if (status.links() > 1) {
      hardLinks.put(key, made);
    } else {
      target.forget(made, 1);
    }
  }

  private void linkAgain(long id, long parent, byte[] name) throws ErrnoException {
    byte[] part = partName(name);
    removeIfThere(parent, part);
    target.forget(target.link(id, parent, part).id(), 1);
    target.rename(parent, part, parent, name, 0);
    // Renaming one hard link onto another of the same file does nothing at all.
    removeIfThere(parent, part);
    others.incrementAndGet();
  }

  private void removeIfThere(long parent, byte[] name) throws ErrnoException {
    try {
      target.unlink(parent, name);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT) {
        throw e;
      }
    }
  }

  /** A symbolic link, FIFO, socket or device. */
  private long other(Item item, long parent, String path) throws ErrnoException {
    FileStatus status = item.entry.status();
    byte[] part = partName(item.name);
    removeIfThere(parent, part);
    Entry made =
        status.isSymlink()
            ? target.symlink(parent, part, source.readLink(item.entry.id()))
            : target.makeNode(parent, part, status.mode(), status.specialDevice());
    boolean done = false;
    try {
      finish(item.entry.id(), made.id(), 0, status, path);
      target.rename(parent, part, parent, item.name, 0);
      done = true;
    } finally {
      if (!done) {
        discard(made.id(), parent, part);
      }
    }
    others.incrementAndGet();
    return made.id();
  }

  /** Copies a regular file unless it is there; returns its id in the target. */
  private long file(Item item, long parent, String path) throws ErrnoException {
    FileStatus status = item.entry.status();
    try {
      Entry there = target.lookup(parent, item.name);
      FileStatus known = there.status();
      if (known.isRegular()
          && known.size() == status.size()
          && known.modified().equals(status.modified())) {
        finish(item.entry.id(), there.id(), 0, status, path);
        unchanged.incrementAndGet();
        return there.id();
      }
      target.forget(there.id(), 1);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT) {
        throw e;
      }
    }
    byte[] part = partName(item.name);
    removeIfThere(parent, part);
    long from = source.open(item.entry.id(), Flags.O_RDONLY);
    try {
      Created made = target.create(parent, part, Flags.O_RDWR | Flags.O_EXCL, 0600);
      boolean done = false;
      try {
        fill(item, from, made, path);
        target.rename(parent, part, parent, item.name, 0);
        done = true;
      } finally {
        if (!done) {
          discard(made.entry().id(), parent, part);
        }
      }
      files.incrementAndGet();
      listener.progress(files.get() + unchanged.get(), bytes.get());
      return made.entry().id();
    } finally {
      source.release(from);
    }
  }

  private void fill(Item item, long from, Created made, String path) throws ErrnoException {
    FileStatus status = item.entry.status();
    try {
      contents(from, made.handle(), status.size());
      target.setAttributes(
          made.entry().id(),
          made.handle(),
          new AttributeChanges(null, null, null, status.size(), null, null));
      finish(item.entry.id(), made.entry().id(), made.handle(), status, path);
    } finally {
      target.release(made.handle());
    }
  }

  /** Takes back what could not be finished; its name is free again, as far as that can be had. */
  private void discard(long id, long parent, byte[] part) {
    try {
      target.unlink(parent, part);
    } catch (ErrnoException ignored) {
      // What made the copy fail is reported; a part that stays is overwritten by the next copy.
    }
    target.forget(id, 1);
  }

  private void contents(long from, long to, long size) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(PIECE_BYTES, 4096);
      long offset = 0;
      while (offset < size) {
        long hole;
        try {
          offset = source.seek(from, offset, Flags.SEEK_DATA);
          hole = source.seek(from, offset, Flags.SEEK_HOLE);
        } catch (ErrnoException e) {
          if (e.errno() == Errno.ENXIO) {
            return;
          }
          throw e;
        }
        while (offset < hole) {
          int count =
              source.read(from, offset, buffer, 0, (int) Math.min(PIECE_BYTES, hole - offset));
          if (count == 0) {
            return;
          }
          write(to, offset, buffer, count);
          offset += count;
          listener.progress(files.get() + unchanged.get(), bytes.addAndGet(count));
        }
      }
    }
  }

  private void write(long to, long offset, MemorySegment buffer, int count) throws ErrnoException {
    int done = 0;
    while (done < count) {
      int written = target.write(to, offset + done, buffer, done, count - done);
      if (written == 0) {
        throw new ErrnoException(Errno.ENOSPC);
      }
      done += written;
    }
  }

  /** Owner, mode, attributes and times, in an order in which none undoes another. */
  private void finish(long from, long to, long handle, FileStatus status, String path)
      throws ErrnoException {
    if (asRoot) {
      target.setAttributes(
          to, handle, new AttributeChanges(null, status.uid(), status.gid(), null, null, null));
    }
    if (!status.isSymlink()) {
      copyXattrs(from, to, path);
      target.setAttributes(
          to,
          handle,
          new AttributeChanges(status.mode() & Flags.PERMISSIONS, null, null, null, null, null));
    }
    target.setAttributes(
        to,
        handle,
        new AttributeChanges(null, null, null, null, status.accessed(), status.modified()));
  }

  private void setTimes(long to, FileStatus status) throws ErrnoException {
    if (asRoot) {
      target.setAttributes(
          to, 0, new AttributeChanges(null, status.uid(), status.gid(), null, null, null));
    }
    Timestamp accessed = status.accessed();
    target.setAttributes(
        to,
        0,
        new AttributeChanges(
            status.mode() & Flags.PERMISSIONS, null, null, null, accessed, status.modified()));
  }

  /**
   * Makes the attributes the same. One that the target cannot keep (security labels of another
   * machine, say) is reported, and the file is copied without it.
   */
  private void copyXattrs(long from, long to, String path) throws ErrnoException {
    List<byte[]> wanted = xattrNames(source, from);
    for (byte[] name : wanted) {
      try {
        target.setXattr(to, name, source.getXattr(from, name), 0);
      } catch (ErrnoException e) {
        if (e.errno() != Errno.ENODATA) {
          fail(path, new ErrnoException(e.errno(), "attribute " + CheckReport.text(name)));
        }
      }
    }
    // What a directory's default ACL gave, or an earlier copy left, is not the source's.
    for (byte[] name : xattrNames(target, to)) {
      if (isUsers(name) && wanted.stream().noneMatch(other -> Arrays.equals(other, name))) {
        target.removeXattr(to, name);
      }
    }
  }

  private static boolean isUsers(byte[] name) {
    String text = new String(name, StandardCharsets.ISO_8859_1);
    return text.startsWith("user.") || text.startsWith("system.posix_acl_");
  }

  private static List<byte[]> xattrNames(VirtualFilesystem filesystem, long id)
      throws ErrnoException {
    byte[] list;
    try {
      list = filesystem.listXattrs(id);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.EOPNOTSUPP) {
        return List.of();
      }
      throw e;
    }
    var names = new ArrayList<byte[]>();
    int start = 0;
    for (int i = 0; i < list.length; i++) {
      if (list[i] == 0) {
        names.add(Arrays.copyOfRange(list, start, i));
        start = i + 1;
      }
    }
    return names;
  }

  /**
   * The same for the same name, so that a repeated copy overwrites what an interrupted one left.
   */
  private static byte[] partName(byte[] name) {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(name);
      String digits = HexFormat.of().formatHex(hash, 0, 12);
      return (PART_PREFIX + digits).getBytes(StandardCharsets.US_ASCII);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }
}
