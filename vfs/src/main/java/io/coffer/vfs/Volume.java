package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.VolumeFormat;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.store.StoreDirectory;
import java.util.ArrayDeque;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/** What the operations on one mounted volume share. */
final class Volume {
  /** f_type of statfs(2), linux/magic.h. */
  private static final long FUSE = 0x65735546L;

  /**
   * Filesystems (f_type of statfs(2)) whose page cache may be older than a lock that was just
   * granted. On others the lock, or the cluster's own protocol, makes it current.
   */
  private static final Set<Long> WEAK_CACHES =
      Set.of(
          FUSE, // ceph-fuse learns of changes a little later
          0x01021997L, // 9P
          0xFF534D42L, // CIFS
          0xFE534D42L); // SMB 2

  final VolumeFormat format;
  final StoreDirectory root;
  final EncryptedFilesystem.Options options;

  /** Shared by renames, exclusive for whoever must see none on its way; see DirectoryCache. */
  final ReentrantReadWriteLock renames = new ReentrantReadWriteLock();

  final DamageLog damage = new DamageLog();
  final boolean weakCache;
  final DirectoryCache cache;
  final InodeTable table;
  final Names names;
  final Locator locator;
  final Durability durability;
  final Encryption encryption;
  final SlotTable<OpenHandle> handles = new SlotTable<>();
  private final AtomicLong opens = new AtomicLong();

  /**
   * @param lease locks directories for other nodes; null without
   * @param keys those of the trees' policies; null if the whole volume has one format
   */
  Volume(
      StoreDirectory root,
      VolumeFormat format,
      EncryptedFilesystem.Options options,
      @Nullable VolumeLease lease,
      @Nullable KeyRing keys)
      throws ErrnoException {
    this.format = format;
    this.root = root;
    this.options = options;
    long type = root.filesystemStatus().type();
    weakCache = options.shared() && WEAK_CACHES.contains(type);
    cache = new DirectoryCache(root, options.directoryHandles(), renames);
    table = new InodeTable(root.status(StoreDirectory.SELF), cache::drop);
    names = new Names(options.shared(), lease, type == FUSE, cache, damage);
    var contents = new Contents(format, options, weakCache, damage, this::pathForMessages);
    encryption =
        keys == null
            ? new UniformEncryption(format, options.shared(), names, cache, damage, contents)
            : new PolicyEncryption(this, keys, contents);
    names.use(encryption);
    locator = new Locator(root, cache, table, renames);
    durability = new Durability(encryption.directoryContextName(), root, cache, table);
  }

  /** The inode of an id; ESTALE if it is not, or no longer, known. */
  Inode inode(long id) throws ErrnoException {
    Inode inode = table.get(id);
    if (inode == null) {
      throw new ErrnoException(Errno.ESTALE);
    }
    return inode;
  }

  /** EROFS on a view that may not change anything. */
  void checkWritable() throws ErrnoException {
    if (options.readOnly()) {
      throw new ErrnoException(Errno.EROFS);
    }
  }

  /**
   * How often the contents of some file were about to be used. A file that was made between two
   * equal values has not been touched by anybody.
   */
  long opens() {
    return opens.get();
  }

  /** The shared state of a regular file, made if this is the first user. */
  FileState acquireState(Inode inode) throws ErrnoException {
    opens.incrementAndGet();
    if (!table.hold(inode)) {
      throw new ErrnoException(Errno.ESTALE);
    }
    synchronized (inode) {
      FileState state = inode.state instanceof FileState known ? known : new FileState(inode);
      inode.state = state;
      state.users++;
      return state;
    }
  }

  void releaseState(FileState state) {
    synchronized (state.inode) {
      state.users--;
      if (state.users == 0) {
        state.inode.state = null;
        state.close();
      }
    }
    table.release(state.inode);
  }

  /**
   * Does something with any open handle of a file: right even if the file has no name any more.
   *
   * @return null if the file is not open
   */
  <T> @Nullable T withOpenHandle(Inode inode, FileState.Use<T> use) throws ErrnoException {
    return inode.state instanceof FileState state ? state.withAnyHandle(false, use) : null;
  }

  /** The plain form of a status that the store gave at a place. */
  FileStatus plainStatus(Inode inode, FileStatus stored, StoreDirectory directory, byte[] name) {
    return switch (stored.type()) {
      case FileStatus.TYPE_REGULAR ->
          plainFileStatus(inode, stored, attribute -> directory.getXattr(name, attribute));
      case FileStatus.TYPE_SYMLINK -> {
        int length = targetLength(inode, directory, name);
        yield length < 0 ? stored : stored.withSize(length);
      }
      default -> stored;
    };
  }

  /** The plain form of a regular file's status; a file that is open is asked between writes. */
  FileStatus plainFileStatus(
      Inode inode, FileStatus stored, Encryption.AttributeReader attributes) {
    try {
      FileStatus settled = openStatus(inode);
      if (settled != null) {
        return settled;
      }
    } catch (ErrnoException e) {
      // What the store said is right but for a write under way.
    }
    try {
      return stored.withSize(encryption.plainSize(stored, attributes));
    } catch (ErrnoException e) {
      return stored; // gone meanwhile, or opening it tells what is wrong
    }
  }

  /** The plain status of an open file, not in the middle of a write; null if it is not open. */
  @Nullable FileStatus openStatus(Inode inode) throws ErrnoException {
    if (!(inode.state instanceof FileState state)) {
      return null;
    }
    long stamp = state.content.readLock();
    try {
      return state.withAnyHandle(
          false,
          file -> {
            FileStatus status = file.status();
            FileContents contents = state.knownContents();
            long known = contents == null ? -1 : contents.knownSize();
            return status.withSize(
                known >= 0 ? known : encryption.plainSize(status, file::getXattr));
          });
    } finally {
      state.content.unlockRead(stamp);
    }
  }

  /** Length of a link's target, remembered since a link never changes; -1 if it is damaged. */
  private int targetLength(Inode inode, StoreDirectory directory, byte[] name) {
    if (inode.state instanceof Integer known) {
      return known;
    }
    try {
      int length = encryption.openTarget(inode, directory.readLink(name)).length;
      inode.state = length;
      return length;
    } catch (FormatException | ErrnoException e) {
      return -1; // readLink tells; the link can still be seen and removed
    }
  }

  /** The plain path of an object as far as its names can be decoded, for log lines. */
  String pathForMessages(Inode inode) {
    var parts = new ArrayDeque<String>();
    int depth = 0;
    for (Inode each = inode; !Names.isRoot(each) && depth < 256; depth++) {
      Inode.Location location = each.location;
      if (location == null) {
        parts.push("(deleted)");
        break;
      }
      try (DirectoryCache.Ref parent = cache.acquire(location.parent())) {
        NameCodec codec = names.codec(parent);
        byte[] plain = names.decode(parent, codec, location.name());
        parts.push(DamageLog.printable(plain == null ? location.name() : plain));
      } catch (ErrnoException e) {
        return Names.storedPath(inode) + " (stored name)";
      }
      each = location.parent();
    }
    return parts.isEmpty() ? "/" : String.join("/", parts);
  }
}
