package io.coffer.vfs;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.store.StoreDirectory;
import io.coffer.vfs.Inode.Location;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * Finds the store's entry of an inode under the names it was last seen with. If none is right, a
 * rename of this process may be on its way: then once more while none runs (see {@link
 * DirectoryCache}). What is not found then was moved or removed by others: ESTALE, upon which the
 * kernel looks the path up again.
 */
final class Locator {
  /** Does something at a place where the object may be. */
  interface Attempt<T> {
    /** Null if the object there is another one. */
    @Nullable T at(StoreDirectory directory, byte[] name) throws ErrnoException;
  }

  private final StoreDirectory root;
  private final DirectoryCache cache;
  private final InodeTable table;
  private final ReentrantReadWriteLock renames;

  Locator(
      StoreDirectory root, DirectoryCache cache, InodeTable table, ReentrantReadWriteLock renames) {
    this.root = root;
    this.cache = cache;
    this.table = table;
    this.renames = renames;
  }

  /** Tries an inode's names; {@code attempt} checks what it finds with {@link Inode#is}. */
  <T> T find(Inode inode, Attempt<T> attempt) throws ErrnoException {
    if (Names.isRoot(inode)) {
      T result = attempt.at(root, StoreDirectory.SELF);
      if (result == null) {
        throw new ErrnoException(Errno.ESTALE);
      }
      return result;
    }
    if (table.isRemoved(inode)) {
      throw new ErrnoException(Errno.ESTALE);
    }
    T result = round(inode, attempt, false);
    if (result == null) {
      renames.writeLock().lock();
      try {
        result = round(inode, attempt, true);
      } finally {
        renames.writeLock().unlock();
      }
    }
    if (result == null) {
      throw new ErrnoException(Errno.ESTALE);
    }
    return result;
  }

  /** {@link #find} for operations that do not check themselves: the entry is looked at before. */
  <T> T findChecked(Inode inode, Attempt<T> operation) throws ErrnoException {
    return find(
        inode,
        (directory, name) ->
            inode.is(directory.status(name)) ? operation.at(directory, name) : null);
  }

  /** The store's status of an inode. */
  FileStatus status(Inode inode) throws ErrnoException {
    return find(
        inode,
        (directory, name) -> {
          FileStatus status = directory.status(name);
          return inode.is(status) ? status : null;
        });
  }

  private <T> @Nullable T round(Inode inode, Attempt<T> attempt, boolean last)
      throws ErrnoException {
    for (Location each = inode.location; each != null; each = each.next()) {
      try (DirectoryCache.Ref parent = cache.acquire(each.parent())) {
        T result = attempt.at(parent.directory, each.name());
        if (result != null) {
          return result;
        }
      } catch (ErrnoException e) {
        switch (e.errno()) {
          case Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP, Errno.ESTALE -> {}
          default -> throw e;
        }
      }
      if (last) {
        table.unnamed(inode, each.parent(), each.name());
      }
    }
    return null;
  }
}
