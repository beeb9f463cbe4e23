package io.coffer.vfs;

import io.coffer.format.NameCodec;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.store.StoreDirectory;
import io.coffer.vfs.Inode.Location;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * Open handles of directories, a bounded number of them, least recently used first to go. A
 * directory without a handle is reached from its nearest ancestor that has one, name by name, and
 * what was opened is compared with the inode that was meant.
 *
 * <p>A walk can miss because a rename of this process is on its way. It is then done again while no
 * rename runs: renames take the {@code renames} lock shared (and must not ask this cache for
 * anything while they hold it), the second walk takes it exclusively. What is missing then has been
 * moved or removed by somebody else: ESTALE.
 *
 * <p>Thread-safe. A handle in use is never closed.
 */
final class DirectoryCache {
  /** A directory's handle, counted: close it when done. */
  final class Ref implements AutoCloseable {
    final Inode inode;
    final StoreDirectory directory;
    private int users = 1;
    private boolean cached;

    /**
     * The codec of its names, where it may be kept no longer than this handle: with others at work
     * in the store, the directory may be removed and its number used for another one.
     */
    volatile @Nullable NameCodec codec;

    private Ref(Inode inode, StoreDirectory directory) {
      this.inode = inode;
      this.directory = directory;
    }

    @Override
    public void close() {
      giveBack(this);
    }
  }

  /** Steps of a walk; far beyond any real depth, so only a damaged chain has more. */
  private static final int MAX_DEPTH = 100_000;

  private final StoreDirectory rootDirectory;
  private final int capacity;
  private final ReentrantReadWriteLock renames;
  private final LinkedHashMap<Inode, Ref> handles = new LinkedHashMap<>(64, 0.75f, true);

  DirectoryCache(StoreDirectory rootDirectory, int capacity, ReentrantReadWriteLock renames) {
    this.rootDirectory = rootDirectory;
    this.capacity = capacity;
    this.renames = renames;
  }

  /**
   * The handle of a directory.
   *
   * @throws ErrnoException ESTALE if it is not where it was last seen; ENOTDIR if it is none
   */
  Ref acquire(Inode inode) throws ErrnoException {
    if (!inode.isDirectory()) {
      throw new ErrnoException(Errno.ENOTDIR);
    }
    Ref found = cached(inode);
    if (found == null) {
      found = walk(inode, true);
    }
    if (found == null) {
      renames.writeLock().lock();
      try {
        found = walk(inode, true);
      } finally {
        renames.writeLock().unlock();
      }
    }
    if (found == null) {
      throw new ErrnoException(Errno.ESTALE);
    }
    return found;
  }

  /** Runs something that needs a descriptor, again with an emptied cache if there was none left. */
  <T> T withDescriptors(Opening<T> opening) throws ErrnoException {
    try {
      return opening.open();
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EMFILE && e.errno() != Errno.ENFILE) {
        throw e;
      }
      shrink(0);
      return opening.open();
    }
  }

  /** Opens something on the store. */
  interface Opening<T> {
    T open() throws ErrnoException;
  }

  /** Closes the handle of a directory that is no longer known, or that the kernel forgot. */
  void drop(Inode inode) {
    Ref ref;
    synchronized (this) {
      ref = handles.get(inode);
      if (ref == null || ref.users > 0) {
        return; // giveBack() sees that the inode has gone
      }
      handles.remove(inode);
      ref.cached = false;
    }
    ref.directory.close();
  }

  /** Closes handles that are not in use until at most {@code target} are left. */
  void shrink(int target) {
    for (Ref each : evict(target)) {
      each.directory.close();
    }
  }

  synchronized int size() {
    return handles.size();
  }

  /**
   * The handle of a directory if it is open, wherever the directory is; it may have been removed.
   */
  synchronized @Nullable Ref cached(Inode inode) {
    Ref ref = handles.get(inode);
    if (ref != null) {
      ref.users++;
    }
    return ref;
  }

  private synchronized List<Ref> evict(int target) {
    if (handles.size() <= target) {
      return List.of();
    }
    var evicted = new ArrayList<Ref>();
    var each = handles.values().iterator();
    while (each.hasNext() && handles.size() > target) {
      Ref ref = each.next();
      if (ref.users == 0) {
        each.remove();
        ref.cached = false;
        evicted.add(ref);
      }
    }
    return evicted;
  }

  private void giveBack(Ref ref) {
    synchronized (this) {
      ref.users--;
      if (ref.users > 0 || Names.isRoot(ref.inode)) {
        return;
      }
      if (ref.cached) {
        if (!ref.inode.removed) {
          return;
        }
        handles.remove(ref.inode);
        ref.cached = false;
      }
    }
    ref.directory.close();
  }

  /** Opens the missing part of the chain; null if it is not as remembered. */
  private @Nullable Ref walk(Inode inode, boolean alternatives) throws ErrnoException {
    var missing = new ArrayDeque<Inode>();
    Ref at = null;
    for (Inode each = inode; at == null; ) {
      at = each.id() == VirtualFilesystem.ROOT ? new Ref(each, rootDirectory) : cached(each);
      if (at == null) {
        missing.push(each);
        Location location = each.location;
        if (location == null || missing.size() > MAX_DEPTH) {
          return null;
        }
        each = location.parent();
      }
    }
    while (!missing.isEmpty()) {
      Ref next;
      try (Ref parent = at) {
        next = openChild(parent, missing.pop(), alternatives);
      }
      if (next == null) {
        return null;
      }
      at = next;
    }
    return at;
  }

  private @Nullable Ref openChild(Ref parent, Inode child, boolean alternatives)
      throws ErrnoException {
    for (Location each = child.location; each != null; each = each.next()) {
      if (each.parent() == parent.inode) {
        StoreDirectory opened = openIfIs(parent.directory, each.name(), child);
        if (opened != null) {
          return insert(new Ref(child, opened));
        }
      } else if (alternatives) {
        // Seldom: two places were seen lately, and the newer one turned out wrong.
        Ref other = walk(each.parent(), false);
        if (other != null) {
          try (other) {
            StoreDirectory opened = openIfIs(other.directory, each.name(), child);
            if (opened != null) {
              return insert(new Ref(child, opened));
            }
          }
        }
      }
    }
    return null;
  }

  private @Nullable StoreDirectory openIfIs(StoreDirectory parent, byte[] name, Inode child)
      throws ErrnoException {
    StoreDirectory opened;
    try {
      opened = withDescriptors(() -> parent.openDirectory(name));
    } catch (ErrnoException e) {
      return switch (e.errno()) {
        case Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP, Errno.ESTALE -> null;
        default -> throw e;
      };
    }
    boolean right = false;
    try {
      FileStatus status = opened.status(StoreDirectory.SELF);
      right = child.is(status);
    } finally {
      if (!right) {
        opened.close();
      }
    }
    return right ? opened : null;
  }

  /** Puts a fresh handle into the cache, or takes the one that somebody else put there first. */
  private Ref insert(Ref fresh) {
    Ref used = fresh;
    synchronized (this) {
      Ref present = handles.get(fresh.inode);
      if (present != null) {
        present.users++;
        used = present;
      } else {
        handles.put(fresh.inode, fresh);
        fresh.cached = true;
      }
    }
    if (used != fresh) {
      fresh.directory.close();
    }
    shrink(capacity);
    return used;
  }
}
