package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.StoredName;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import io.coffer.store.StoreListing;
import io.coffer.vfs.VirtualFilesystem.Entry;
import io.coffer.vfs.VirtualFilesystem.EntrySink;
import org.jspecify.annotations.Nullable;

/**
 * Names and what they lead to: looking up, listing, making, renaming, linking, removing.
 *
 * <p>Order of changes, so that a crash between any two leaves nothing that cannot be read: a
 * sidecar before its entry and removed after it; a directory whole under a temporary name before
 * its own; an empty directory aside before it is taken apart.
 */
final class Namespace {
  private final Volume volume;
  private final Names names;
  private final DirectoryCache cache;
  private final InodeTable table;
  private final EmptyDirectories empties;

  /** The store was seen to have no RENAME_NOREPLACE. */
  private volatile boolean cannotRenameNew;

  Namespace(Volume volume) {
    this.volume = volume;
    this.names = volume.names;
    this.cache = volume.cache;
    this.table = volume.table;
    this.empties = new EmptyDirectories(volume.encryption, names, cache);
  }

  // Looking up.

  Entry lookup(Inode parent, byte[] name) throws ErrnoException {
    if (name.length == 1 && name[0] == '.') {
      return known(parent);
    }
    if (name.length == 2 && name[0] == '.' && name[1] == '.') {
      Inode.Location location = parent.location;
      return known(location == null ? parent : location.parent());
    }
    try (DirectoryCache.Ref directory = cache.acquire(parent)) {
      StoredName stored = names.encodeExisting(parent, names.codec(directory), name);
      return entry(directory, stored.name());
    }
  }

  private Entry known(Inode inode) throws ErrnoException {
    return volume.locator.find(
        inode,
        (directory, name) -> {
          long moves = table.moves();
          FileStatus status = directory.status(name);
          if (!inode.is(status)) {
            return null;
          }
          Inode.Location location = inode.location;
          Inode learnt =
              location == null
                  ? table.learnUnnamed(status)
                  : table.learn(status, location.parent(), location.name(), moves);
          return new Entry(learnt.id(), 0, status);
        });
  }

  /** Looks at an entry and counts a lookup of its inode. */
  private Entry entry(DirectoryCache.Ref directory, byte[] storedName) throws ErrnoException {
    long moves = table.moves();
    FileStatus status = directory.directory.status(storedName);
    Inode inode = table.learn(status, directory.inode, storedName, moves);
    return new Entry(
        inode.id(), 0, volume.plainStatus(inode, status, directory.directory, storedName));
  }

  private Entry newEntry(DirectoryCache.Ref directory, byte[] storedName) throws ErrnoException {
    Entry entry = entry(directory, storedName);
    volume.durability.made(volume.inode(entry.id()));
    return entry;
  }

  // Listing.

  /** Starts a listing. */
  StoreListing listing(Inode inode) throws ErrnoException {
    try (DirectoryCache.Ref directory = cache.acquire(inode)) {
      names.codec(directory); // a damaged directory is told now, not taken for an empty one
      return cache.withDescriptors(directory.directory::list);
    }
  }

  void list(OpenDirectory open, long cookie, boolean lookup, EntrySink sink) throws ErrnoException {
    try (DirectoryCache.Ref directory = cache.acquire(open.inode)) {
      NameCodec codec = names.codec(directory);
      synchronized (open) {
        if (open.isClosed()) {
          throw new ErrnoException(Errno.EBADF);
        }
        StoreListing listing = open.listing;
        if (cookie != open.position || cookie == 0) {
          listing.seek(cookie);
          open.position = cookie;
          open.entryWaiting = false;
        }
        while (open.entryWaiting || listing.next()) {
          open.entryWaiting = true;
          if (!give(directory, codec, listing, lookup, sink)) {
            return;
          }
          open.entryWaiting = false;
          open.position = listing.cookie();
        }
      }
    }
  }

  /** Gives the current entry to the sink if it is to be seen; false if there is no room. */
  private boolean give(
      DirectoryCache.Ref directory,
      NameCodec codec,
      StoreListing listing,
      boolean lookup,
      EntrySink sink)
      throws ErrnoException {
    byte[] stored = listing.name();
    if (stored[0] == '.' && (stored.length == 1 || (stored.length == 2 && stored[1] == '.'))) {
      return sink.add(stored, listing.inode(), FileStatus.TYPE_DIRECTORY, listing.cookie(), null);
    }
    byte[] plain = names.decode(directory, codec, stored);
    if (plain == null) {
      return true;
    }
    Entry entry = null;
    if (lookup) {
      try {
        entry = entry(directory, stored);
      } catch (ErrnoException e) {
        if (e.errno() == Errno.ENOENT) {
          return true;
        }
        throw e;
      }
    }
    int type = entry == null ? listing.type() : entry.status().type();
    boolean taken = sink.add(plain, listing.inode(), type, listing.cookie(), entry);
    if (!taken && entry != null) {
      table.forget(entry.id(), 1);
    }
    return taken;
  }

  // Making.

  /** Makes an entry in a directory under its stored name. */
  private interface Maker<T> {
    T make(StoreDirectory directory, byte[] name) throws ErrnoException;
  }

  /**
   * A file that was made, with its handle of the store.
   *
   * @param opensBefore {@link Volume#opens} before it could be found
   */
  record CreatedFile(Entry entry, Encryption.Made made, long opensBefore) {
    StoreFile file() {
      return made.file();
    }
  }

  private <T> T make(DirectoryCache.Ref directory, StoredName name, Maker<T> maker)
      throws ErrnoException {
    if (!name.isLong()) {
      return maker.make(directory.directory, name.name());
    }
    boolean made = false;
    try (var _ = names.guardMaking(directory.inode, name)) {
      boolean sidecar = false;
      try {
        sidecar = names.makeSidecar(directory.directory, names.codec(directory), name);
        T result = maker.make(directory.directory, name.name());
        names.keepSidecar(directory.directory, name);
        made = true;
        return result;
      } finally {
        if (sidecar && !made) {
          names.removeSidecar(directory.directory, name);
        }
      }
    } finally {
      byte[] sidecarName = name.sidecarName();
      if (made && sidecarName != null) {
        volume.durability.madeSidecar(directory.inode, sidecarName);
      }
    }
  }

  private StoredName encode(DirectoryCache.Ref directory, byte[] name) throws ErrnoException {
    volume.checkWritable();
    volume.encryption.checkAddition(directory);
    return names.encode(directory.inode, names.codec(directory), name);
  }

  Entry makeNode(Inode parent, byte[] name, int mode, long device) throws ErrnoException {
    try (DirectoryCache.Ref directory = cache.acquire(parent)) {
      StoredName stored = encode(directory, name);
      return make(
          directory,
          stored,
          (at, as) -> {
            if ((mode & FileStatus.TYPE_MASK) == FileStatus.TYPE_REGULAR) {
              int flags = Flags.O_RDWR | Flags.O_CREAT | Flags.O_EXCL;
              int permissions = mode & Flags.PERMISSIONS;
              volume.encryption.create(directory, as, flags, permissions).file().close();
            } else {
              at.makeNode(as, mode, device);
            }
            return newEntry(directory, as);
          });
    }
  }

  Entry symlink(Inode parent, byte[] name, byte[] target) throws ErrnoException {
    try (DirectoryCache.Ref directory = cache.acquire(parent)) {
      StoredName stored = encode(directory, name);
      byte[] sealed = volume.encryption.sealTarget(directory, target);
      return make(
          directory,
          stored,
          (at, as) -> {
            at.symlink(sealed, as);
            return newEntry(directory, as);
          });
    }
  }

  byte[] readLink(Inode inode) throws ErrnoException {
    byte[] stored = volume.locator.findChecked(inode, StoreDirectory::readLink);
    try {
      return volume.encryption.openTarget(inode, stored);
    } catch (FormatException e) {
      if (volume.damage.first(inode, DamageLog.TARGET)) {
        volume.damage.write(
            "symbolic link " + volume.pathForMessages(inode) + ": " + e.getMessage());
      }
      throw new ErrnoException(Errno.EIO);
    }
  }

  /** Opens a regular file, making it if there is none; {@code flags} for the store. */
  CreatedFile create(Inode parent, byte[] name, int flags, int mode) throws ErrnoException {
    try (DirectoryCache.Ref directory = cache.acquire(parent)) {
      StoredName stored = encode(directory, name);
      return make(
          directory,
          stored,
          (at, as) -> {
            long opens = volume.opens();
            Encryption.Made made = volume.encryption.create(directory, as, flags, mode);
            StoreFile file = made.file();
            boolean known = false;
            try {
              long moves = table.moves();
              FileStatus status = file.status();
              Inode inode = table.learn(status, parent, as, moves);
              known = true;
              return new CreatedFile(
                  new Entry(inode.id(), 0, volume.plainFileStatus(inode, status, file::getXattr)),
                  made,
                  opens);
            } finally {
              if (!known) {
                file.close();
              }
            }
          });
    }
  }

  /** A file without a name. */
  CreatedFile createTemporary(Inode parent, int flags, int mode) throws ErrnoException {
    volume.checkWritable();
    try (DirectoryCache.Ref directory = cache.acquire(parent)) {
      volume.encryption.checkAddition(directory);
      long opens = volume.opens();
      Encryption.Made made = volume.encryption.createTemporary(directory, flags, mode);
      StoreFile file = made.file();
      boolean known = false;
      try {
        FileStatus status = file.status();
        Inode inode = table.learnUnnamed(status);
        known = true;
        return new CreatedFile(
            new Entry(inode.id(), 0, volume.plainFileStatus(inode, status, file::getXattr)),
            made,
            opens);
      } finally {
        if (!known) {
          file.close();
        }
      }
    }
  }

  Entry makeDirectory(Inode parent, byte[] name, int mode) throws ErrnoException {
    Entry entry;
    try (DirectoryCache.Ref directory = cache.acquire(parent)) {
      StoredName stored = encode(directory, name);
      NameCodec codec = names.codec(directory);
      entry =
          make(
              directory,
              stored,
              (at, as) -> {
                if (volume.encryption.givesContext(directory)) {
                  makeWithContext(directory, as, mode, codec);
                } else {
                  at.makeDirectory(as, mode);
                }
                return entry(directory, as);
              });
    }
    volume.durability.madeDirectory(volume.inode(entry.id()));
    return entry;
  }

  private void makeWithContext(DirectoryCache.Ref in, byte[] name, int mode, NameCodec codec)
      throws ErrnoException {
    boolean holdsContext = volume.encryption.directoryContextName() != null;
    if ((!holdsContext && cannotRenameNew) || !makeWhole(in, name, mode, codec, holdsContext)) {
      cannotRenameNew = true;
      makeInPlace(in, name, mode);
    }
  }

  /**
   * Makes a directory that appears only with its context: it is made whole and then gets its name.
   *
   * @param holdsContext the context is a file in it, so that another directory never replaces it
   * @return false if the name might replace a directory of another node, and was not given
   */
  private boolean makeWhole(
      DirectoryCache.Ref in, byte[] name, int mode, NameCodec codec, boolean holdsContext)
      throws ErrnoException {
    StoreDirectory parent = in.directory;
    byte[] temporary = codec.newTemporaryName();
    parent.makeDirectory(temporary, mode | 0700);
    boolean done = false;
    try {
      try (StoreDirectory made = cache.withDescriptors(() -> parent.openDirectory(temporary))) {
        volume.encryption.writeContext(in, made);
      }
      takeOwnersRights(parent, temporary, mode);
      try (var _ = names.guardTemporary(in.inode)) {
        if (holdsContext) {
          parent.renameNew(temporary, parent, name);
          done = true;
        } else {
          done = parent.renameNewAtOnce(temporary, parent, name);
        }
      }
      return done;
    } finally {
      if (!done) {
        try (var _ = names.guardTemporary(in.inode)) {
          if ((mode & 0700) != 0700) {
            parent.changeMode(temporary, 0700);
          }
          empties.purge(parent, temporary, codec);
        } catch (ErrnoException e) {
          // Left under its temporary name, which nobody sees; a check of the volume removes it.
        }
      }
    }
  }

  /**
   * Makes a directory that gets its context, an attribute, right after its name: mkdir(2) is the
   * one thing that two nodes never both do, where a renaming could replace an empty directory.
   * Whoever finds it in between gives it its context: see {@link PolicyEncryption}.
   */
  private void makeInPlace(DirectoryCache.Ref in, byte[] name, int mode) throws ErrnoException {
    StoreDirectory parent = in.directory;
    parent.makeDirectory(name, mode | 0700);
    boolean done = false;
    try (StoreDirectory made = cache.withDescriptors(() -> parent.openDirectory(name))) {
      volume.encryption.writeContext(in, made);
      takeOwnersRights(made, StoreDirectory.SELF, mode);
      done = true;
    } finally {
      if (!done) {
        try (var _ = names.guardTemporary(in.inode)) {
          parent.removeDirectory(name);
        } catch (ErrnoException e) {
          // Somebody else has renamed or removed it, or has put something into it already.
        }
      }
    }
  }

  /** Everything else is as the store made it: an inherited group bit, an inherited ACL. */
  private static void takeOwnersRights(StoreDirectory at, byte[] name, int mode)
      throws ErrnoException {
    if ((mode & 0700) != 0700) {
      int actual = at.status(name).mode() & Flags.PERMISSIONS;
      at.changeMode(name, (actual & ~0700) | (mode & 0700));
    }
  }

  Entry link(Inode inode, Inode newParent, byte[] newName) throws ErrnoException {
    if (inode.isDirectory()) {
      throw new ErrnoException(Errno.EPERM);
    }
    try (DirectoryCache.Ref directory = cache.acquire(newParent)) {
      StoredName stored = encode(directory, newName);
      volume.encryption.checkLink(inode, directory);
      return make(
          directory,
          stored,
          (at, as) -> {
            Inode.Location location = inode.location;
            volume.durability.beforeNaming(
                inode,
                location == null ? null : location.parent(),
                newParent,
                stored.sidecarName());
            FileStatus status = linkAs(inode, directory, as);
            table.named(inode, newParent, as);
            Inode learnt = table.learn(status, newParent, as, table.moves());
            return new Entry(learnt.id(), 0, volume.plainStatus(learnt, status, at, as));
          });
    }
  }

  private FileStatus linkAs(Inode inode, DirectoryCache.Ref in, byte[] name) throws ErrnoException {
    StoreDirectory to = in.directory;
    if (inode.location != null) {
      try {
        FileStatus status =
            volume.locator.findChecked(
                inode,
                (directory, oldName) -> {
                  directory.link(oldName, to, name);
                  FileStatus linked = to.status(name);
                  if (inode.is(linked)) {
                    return linked;
                  }
                  takeBack(in, name, linked); // another file had taken the old name just then
                  return null;
                });
        return status;
      } catch (ErrnoException e) {
        if (e.errno() != Errno.ESTALE) {
          throw e;
        }
      }
    }
    FileStatus status =
        volume.withOpenHandle(
            inode,
            file -> {
              file.linkInto(to, name);
              return to.status(name);
            });
    if (status == null) {
      throw new ErrnoException(Errno.ESTALE);
    }
    return status;
  }

  /** Removes a link that was made of the wrong file, unless somebody else has done something. */
  private void takeBack(DirectoryCache.Ref in, byte[] name, FileStatus linked)
      throws ErrnoException {
    try (var _ = names.guardTemporary(in.inode)) {
      if (in.directory.status(name).inode() == linked.inode()) {
        in.directory.unlink(name);
      }
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT) {
        throw e;
      }
    }
  }

  // Removing.

  void unlink(Inode parent, byte[] name) throws ErrnoException {
    volume.checkWritable();
    try (DirectoryCache.Ref directory = cache.acquire(parent)) {
      StoredName stored = names.encodeExisting(parent, names.codec(directory), name);
      long events = table.events();
      try (var _ = names.guardRemoving(parent, stored)) {
        directory.directory.unlink(stored.name());
        if (!volume.options.shared()) {
          table.removed(parent, stored.name(), events);
        }
        names.removeSidecar(directory.directory, stored);
      }
    }
  }

  void removeDirectory(Inode parent, byte[] name) throws ErrnoException {
    volume.checkWritable();
    try (DirectoryCache.Ref directory = cache.acquire(parent)) {
      NameCodec codec = names.codec(directory);
      StoredName stored = names.encodeExisting(parent, codec, name);
      FileStatus status = directory.directory.status(stored.name());
      Inode removed = table.find(status);
      // While it is open the store gives its inode number to nobody else.
      try (var _ = removed == null ? null : cache.cached(removed)) {
        try (var _ = names.guardTakingApart(parent, stored, status.inode())) {
          if (!removePlainly(directory.directory, stored.name())) {
            try (var aside = empties.moveAside(directory.directory, stored.name(), codec)) {
              aside.remove();
            }
          }
          names.removeSidecar(directory.directory, stored);
        }
        forgetDirectory(removed, parent, stored.name());
      }
    }
  }

  /** Without contexts an empty directory is truly empty, unless something was left in it. */
  private boolean removePlainly(StoreDirectory parent, byte[] name) throws ErrnoException {
    if (volume.encryption.directoryContextName() != null) {
      return false;
    }
    try {
      parent.removeDirectory(name);
      return true;
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOTEMPTY || e.errno() == Errno.EEXIST) {
        return false;
      }
      throw e;
    }
  }

  private void forgetDirectory(@Nullable Inode removed, Inode parent, byte[] storedName) {
    if (removed != null) {
      volume.durability.removedDirectory(removed);
      table.deleted(removed, parent, storedName);
    }
  }

  // Renaming.

  void rename(Inode parent, byte[] name, Inode newParent, byte[] newName, int flags)
      throws ErrnoException {
    volume.checkWritable();
    try (DirectoryCache.Ref from = cache.acquire(parent);
        DirectoryCache.Ref to = cache.acquire(newParent)) {
      volume.encryption.checkAddition(from);
      volume.encryption.checkAddition(to);
      StoredName old = names.encodeExisting(parent, names.codec(from), name);
      NameCodec codec = names.codec(to);
      StoredName fresh = names.encode(newParent, codec, newName);
      boolean exchange = (flags & Flags.RENAME_EXCHANGE) != 0;
      volume.encryption.checkMove(from, old.name(), to);
      if (exchange) {
        volume.encryption.checkMove(to, fresh.name(), from);
      }
      try (var _ = names.guardMoving(from, old, to, fresh)) {
        boolean sidecar = false;
        boolean done = false;
        try {
          // An exchange leaves both names in use: no sidecar comes or goes.
          sidecar = !exchange && names.makeSidecar(to.directory, codec, fresh);
          keepCountedOn(from, old.name(), to, fresh, exchange);
          volume.renames.readLock().lock();
          try {
            renameStored(from, old.name(), to, fresh.name(), codec, flags);
            learnMove(from, old.name(), to, fresh.name(), exchange);
          } finally {
            volume.renames.readLock().unlock();
          }
          done = true;
          if (!exchange) {
            names.keepSidecar(to.directory, fresh);
            // Not if the old name still exists: a whiteout, or another link of the same file.
            names.removeSidecar(from.directory, old);
          }
        } finally {
          if (sidecar && !done) {
            names.removeSidecar(to.directory, fresh);
          }
        }
      }
      byte[] sidecarName = fresh.sidecarName();
      if (sidecarName != null && !exchange) {
        volume.durability.madeSidecar(newParent, sidecarName);
      }
    }
  }

  private void keepCountedOn(
      DirectoryCache.Ref from,
      byte[] old,
      DirectoryCache.Ref to,
      StoredName fresh,
      boolean exchange)
      throws ErrnoException {
    byte[] newSidecar = exchange ? null : fresh.sidecarName();
    if (newSidecar == null && (from.inode == to.inode || !volume.durability.isAnythingPending())) {
      return;
    }
    volume.durability.beforeNaming(knownAt(from.directory, old), from.inode, to.inode, newSidecar);
    if (exchange) {
      volume.durability.beforeNaming(
          knownAt(to.directory, fresh.name()), to.inode, from.inode, null);
    }
  }

  private void renameStored(
      DirectoryCache.Ref from,
      byte[] old,
      DirectoryCache.Ref to,
      byte[] fresh,
      NameCodec toCodec,
      int flags)
      throws ErrnoException {
    try {
      from.directory.rename(old, to.directory, fresh, flags);
      return;
    } catch (ErrnoException e) {
      boolean inTheWay = e.errno() == Errno.ENOTEMPTY || e.errno() == Errno.EEXIST;
      if (!inTheWay || flags != 0 || !to.directory.status(fresh).isDirectory()) {
        throw e;
      }
    }
    // The directory in the way may be empty but for its context.
    Inode replaced = table.find(to.directory.status(fresh));
    try (var aside = empties.moveAside(to.directory, fresh, toCodec)) {
      try {
        from.directory.rename(old, to.directory, fresh, 0);
      } catch (ErrnoException e) {
        aside.putBack();
        throw e;
      }
      forgetDirectory(replaced, to.inode, fresh);
      try {
        aside.remove();
      } catch (ErrnoException e) {
        // It is replaced as it should be; what is left of it has a temporary name.
      }
    }
  }

  /** Remembers where what was moved is now. */
  private void learnMove(
      DirectoryCache.Ref from, byte[] old, DirectoryCache.Ref to, byte[] fresh, boolean exchange) {
    Inode moved = knownAt(to.directory, fresh);
    if (moved != null) {
      table.moved(moved, from.inode, old, to.inode, fresh);
    }
    if (exchange) {
      Inode back = knownAt(from.directory, old);
      if (back != null) {
        table.moved(back, to.inode, fresh, from.inode, old);
      }
    }
  }

  private @Nullable Inode knownAt(StoreDirectory directory, byte[] name) {
    try {
      return table.find(directory.status(name));
    } catch (ErrnoException e) {
      return null; // gone again
    }
  }

  // Paths, for tools that work on the stored tree.

  byte[] translate(byte[] path, boolean encrypt) throws ErrnoException {
    var result = new java.io.ByteArrayOutputStream();
    Inode at = table.root();
    long owed = 0;
    try {
      int start = 0;
      while (start < path.length) {
        int end = start;
        while (end < path.length && path[end] != '/') {
          end++;
        }
        byte[] component = java.util.Arrays.copyOfRange(path, start, end);
        start = end + 1;
        if (component.length == 0) {
          throw new ErrnoException(Errno.EINVAL);
        }
        try (DirectoryCache.Ref directory = cache.acquire(at)) {
          NameCodec codec = names.codec(directory);
          byte[] stored;
          byte[] plain;
          if (encrypt) {
            plain = component;
            stored = names.encode(at, codec, plain).name();
          } else {
            stored = component;
            plain = decodeOrFail(directory, codec, stored);
          }
          if (result.size() > 0) {
            result.write('/');
          }
          result.writeBytes(encrypt ? stored : plain);
          if (start < path.length) {
            Entry next = entry(directory, stored);
            if (owed != 0) {
              table.forget(owed, 1);
            }
            owed = next.id();
            at = volume.inode(owed);
          }
        }
      }
    } finally {
      if (owed != 0) {
        table.forget(owed, 1);
      }
    }
    return result.toByteArray();
  }

  private byte[] decodeOrFail(DirectoryCache.Ref directory, NameCodec codec, byte[] stored)
      throws ErrnoException {
    byte[] plain = names.decode(directory, codec, stored);
    if (plain == null) {
      throw new ErrnoException(directory.directory.has(stored) ? Errno.EINVAL : Errno.ENOENT);
    }
    return plain;
  }
}
