package io.coffer.vfs;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import io.coffer.vfs.Inode.Location;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Remembers what this process made and no sync has made durable yet: directories with their context
 * files, and sidecars of long names. Making a directory does not wait for the disk; the first sync
 * of anything beneath it does, before it returns.
 *
 * <p>What a sync of a directory promises to keep must be readable: so before a directory is synced,
 * the contexts of the new directories in it are, and their own entries, from the bottom up. Since
 * that pulls in everything new below, all that is pending is made durable at once; with more than a
 * few pieces by one sync of the whole filesystem, which costs less than a sync for each.
 *
 * <p>An entry made by another thread while its directory is being synced may become durable before
 * its context; it is made so right after, but a crash in that instant can leave it without.
 *
 * <p>Thread-safe; no lock is held while the disk works.
 */
final class Durability {
  /** From this many pieces on, the whole filesystem is synced at once. */
  private static final int MANY = 16;

  /** Inodes kept for this purpose; with more, the filesystem is synced without being asked to. */
  private static final int MOST_PENDING = 65_536;

  private final byte @Nullable [] contextName;
  private final StoreDirectory root;
  private final DirectoryCache cache;
  private final InodeTable table;
  private final LinkedHashSet<Inode> directories = new LinkedHashSet<>();
  private final Map<Inode, Set<String>> sidecars = new HashMap<>();
  private int sidecarCount;
  private volatile boolean anything;

  /** Counts what was made and synced, to tell which came first. */
  private final AtomicLong clock = new AtomicLong();

  Durability(
      byte @Nullable [] contextName, StoreDirectory root, DirectoryCache cache, InodeTable table) {
    this.contextName = contextName;
    this.root = root;
    this.cache = cache;
    this.table = table;
  }

  boolean isAnythingPending() {
    return anything;
  }

  /** Something that is no directory was made here: nobody counts on it yet. */
  void made(Inode inode) {
    inode.durabilityTime = clock.incrementAndGet();
  }

  /** A file was synced: from now on it is counted on. */
  static void synced(Inode file) {
    file.durabilityTime = 0;
  }

  /**
   * To be called before something gets a name, another or one more, in a directory. What has been
   * synced, or was there before us, must not depend on a context or a sidecar that a power failure
   * can still take while it leaves the new name: these are made durable first.
   *
   * @param moved what gets the name; null if it is not known, and so not made here
   * @param from where it had a name so far
   * @param newSidecar the new name is long, and its sidecar may have been made just now
   */
  void beforeNaming(
      @Nullable Inode moved, @Nullable Inode from, Inode to, byte @Nullable [] newSidecar)
      throws ErrnoException {
    if (moved != null && !isCountedOn(moved, from)) {
      return;
    }
    if (newSidecar != null) {
      syncFile(to, newSidecar);
    }
    if (leadsThroughNew(to)) {
      flush(to);
    }
  }

  private synchronized boolean isCountedOn(Inode inode, @Nullable Inode parent) {
    if (inode.isDirectory()) {
      // A sync of anything in it would have made it durable.
      return !directories.contains(inode);
    }
    long made = inode.durabilityTime;
    return made == 0 || (parent != null && parent.durabilityTime > made);
  }

  private synchronized boolean leadsThroughNew(Inode directory) {
    int depth = 0;
    for (Inode each = directory; anything && depth < 100_000; depth++) {
      Location location = each.location;
      if (directories.contains(each) || (each != directory && sidecars.containsKey(each))) {
        return true;
      }
      if (location == null) {
        break;
      }
      each = location.parent();
    }
    return false;
  }

  /** A directory was made. */
  void madeDirectory(Inode directory) throws ErrnoException {
    synchronized (this) {
      if (table.hold(directory) && !directories.add(directory)) {
        table.release(directory);
      }
      anything = true;
    }
    limit();
  }

  /** A sidecar was made in a directory. */
  void madeSidecar(Inode directory, byte[] sidecarName) throws ErrnoException {
    synchronized (this) {
      Set<String> names = sidecars.get(directory);
      if (names == null) {
        if (!table.hold(directory)) {
          return;
        }
        names = new LinkedHashSet<>();
        sidecars.put(directory, names);
      }
      if (names.add(new String(sidecarName, StandardCharsets.ISO_8859_1))) {
        sidecarCount++;
      }
      anything = true;
    }
    limit();
  }

  /** A directory was removed: nothing of it is waited for. */
  synchronized void removedDirectory(Inode directory) {
    if (directories.remove(directory)) {
      table.release(directory);
    }
    Set<String> names = sidecars.remove(directory);
    if (names != null) {
      sidecarCount -= names.size();
      table.release(directory);
    }
  }

  /**
   * Makes the way to an object durable.
   *
   * @param entryToo its own directory entry in any case, not only if something on the way is new
   */
  void makeReachable(Inode inode, boolean entryToo) throws ErrnoException {
    Location location = inode.location;
    if (location == null) {
      return; // deleted, or never named: nothing leads there
    }
    if (entryToo || concerns(location.parent())) {
      syncDirectory(location.parent());
    }
  }

  /** Makes the entries of a directory durable, and what is needed to read them and get there. */
  void syncDirectory(Inode directory) throws ErrnoException {
    // Entries that come while the disk works may be kept or not, so they count as kept.
    directory.durabilityTime = Long.MAX_VALUE;
    try {
      syncEntries(directory);
    } finally {
      directory.durabilityTime = clock.incrementAndGet();
    }
  }

  private void syncEntries(Inode directory) throws ErrnoException {
    boolean synced = false;
    // Again if something new came in meanwhile, but not for ever beside a busy writer.
    for (int i = 0; i < 3 && concerns(directory); i++) {
      synced = true;
      flush(directory);
    }
    if (!synced) {
      try (DirectoryCache.Ref ref = cache.acquire(directory)) {
        ref.directory.sync();
      }
    }
  }

  /** Is anything pending on the way to a directory, in it, or right below it? */
  private boolean concerns(Inode directory) {
    if (!anything) {
      return false;
    }
    synchronized (this) {
      if (sidecars.containsKey(directory)) {
        return true;
      }
      int depth = 0;
      for (Inode each = directory; depth < 100_000; depth++) {
        if (directories.contains(each)) {
          return true;
        }
        Location location = each.location;
        if (location == null) {
          break;
        }
        each = location.parent();
      }
      for (Inode each : directories) {
        Location location = each.location;
        if (location != null && location.parent() == directory) {
          return true;
        }
      }
      return false;
    }
  }

  private void limit() throws ErrnoException {
    boolean full;
    synchronized (this) {
      full = directories.size() + sidecarCount > MOST_PENDING;
    }
    if (full) {
      flush(table.root());
    }
  }

  private record Sidecar(Inode directory, String name) {}

  private void flush(Inode alsoDirectory) throws ErrnoException {
    List<Inode> pending;
    var names = new ArrayList<Sidecar>();
    synchronized (this) {
      pending = new ArrayList<>(directories);
      sidecars.forEach(
          (directory, each) -> each.forEach(n -> names.add(new Sidecar(directory, n))));
    }
    if (pending.size() + names.size() > MANY) {
      root.syncFilesystem();
    } else {
      flushOneByOne(pending, names, alsoDirectory);
    }
    synchronized (this) {
      for (Inode each : pending) {
        if (directories.remove(each)) {
          table.release(each);
        }
      }
      for (Sidecar each : names) {
        Set<String> left = sidecars.get(each.directory);
        if (left != null && left.remove(each.name)) {
          sidecarCount--;
          if (left.isEmpty()) {
            sidecars.remove(each.directory);
            table.release(each.directory);
          }
        }
      }
      anything = !directories.isEmpty() || !sidecars.isEmpty();
    }
  }

  private void flushOneByOne(List<Inode> pending, List<Sidecar> names, Inode alsoDirectory)
      throws ErrnoException {
    // First what the small files hold, so that no entry leads to one without contents ...
    for (Inode each : pending) {
      if (contextName != null) {
        syncFile(each, contextName);
      }
    }
    for (Sidecar each : names) {
      syncFile(each.directory, each.name.getBytes(StandardCharsets.ISO_8859_1));
    }
    // ... then entries from the bottom up, so that no directory appears before its context.
    var touched = new LinkedHashSet<Inode>(pending);
    for (Inode each : pending) {
      Location location = each.location;
      if (location != null) {
        touched.add(location.parent());
      }
    }
    names.forEach(each -> touched.add(each.directory));
    touched.add(alsoDirectory);
    var bottomUp = new ArrayList<Inode>(touched);
    bottomUp.sort(Comparator.comparingInt(Durability::depth).reversed());
    for (Inode each : bottomUp) {
      try (DirectoryCache.Ref ref = cache.acquire(each)) {
        ref.directory.sync();
      } catch (ErrnoException e) {
        if (!isGone(e) || each == alsoDirectory) {
          throw e;
        }
      }
    }
  }

  private void syncFile(Inode directory, byte[] name) throws ErrnoException {
    try (DirectoryCache.Ref ref = cache.acquire(directory);
        StoreFile file =
            cache.withDescriptors(() -> ref.directory.openFile(name, Flags.O_RDONLY, 0))) {
      file.sync(false);
    } catch (ErrnoException e) {
      if (!isGone(e)) {
        throw e;
      }
    }
  }

  /** Removed meanwhile: then there is nothing to keep. */
  private static boolean isGone(ErrnoException e) {
    return e.errno() == Errno.ENOENT || e.errno() == Errno.ESTALE;
  }

  private static int depth(Inode inode) {
    int depth = 0;
    Location location = inode.location;
    while (location != null && depth < 100_000) {
      depth++;
      location = location.parent().location;
    }
    return depth;
  }
}
