package io.coffer.mount;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Timestamp;
import io.coffer.store.FileLock;
import io.coffer.store.LockType;
import io.coffer.vfs.VirtualFilesystem;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * A directory shown as it is, without encryption: what the adapter does is then all there is to
 * see. Keeps an O_PATH descriptor for each known inode, which a test can afford.
 */
final class DirectFilesystem implements VirtualFilesystem {
  private record Key(long device, long inode) {}

  private static final class Known {
    final long id;
    final Key key;
    final int descriptor;
    long count;

    Known(long id, Key key, int descriptor) {
      this.id = id;
      this.key = key;
      this.descriptor = descriptor;
    }
  }

  private record LockKey(Key file, long owner) {}

  private final Map<Long, Known> byId = new HashMap<>();
  private final Map<Key, Known> byKey = new HashMap<>();
  private final Map<LockKey, Integer> lockDescriptors = new HashMap<>();
  private final Set<Long> handles = ConcurrentHashMap.newKeySet();
  private long nextId = ROOT;

  DirectFilesystem(Path root) throws ErrnoException {
    byte[] path = root.toString().getBytes(StandardCharsets.UTF_8);
    int descriptor = Linux.open(Flags.AT_FDCWD, path, Flags.O_PATH | Flags.O_DIRECTORY, 0);
    known(descriptor, Linux.status(descriptor)).count = Long.MAX_VALUE / 2;
  }

  private Known known(int descriptor, FileStatus status) {
    Key key = new Key(status.device(), status.inode());
    Known known = byKey.get(key);
    if (known == null) {
      known = new Known(nextId++, key, descriptor);
      byKey.put(key, known);
      byId.put(known.id, known);
    } else {
      Linux.close(descriptor);
    }
    return known;
  }

  private synchronized Known inode(long id) throws ErrnoException {
    Known known = byId.get(id);
    if (known == null) {
      throw new ErrnoException(Errno.ESTALE);
    }
    return known;
  }

  private int at(long id) throws ErrnoException {
    return inode(id).descriptor;
  }

  @Override
  public Entry lookup(long parent, byte[] name) throws ErrnoException {
    int descriptor = Linux.open(at(parent), name, Flags.O_PATH | Flags.O_NOFOLLOW, 0);
    FileStatus status = Linux.status(descriptor);
    synchronized (this) {
      Known known = known(descriptor, status);
      known.count++;
      return new Entry(known.id, 1, status);
    }
  }

  @Override
  public synchronized void forget(long id, long count) {
    Known known = byId.get(id);
    if (known != null) {
      known.count -= count;
      if (known.count <= 0) {
        byId.remove(id);
        byKey.remove(known.key);
        Linux.close(known.descriptor);
      }
    }
  }

  @Override
  public FileStatus status(long id, long handle) throws ErrnoException {
    return Linux.status(at(id));
  }

  @Override
  public FileStatus setAttributes(long id, long handle, AttributeChanges changes)
      throws ErrnoException {
    int descriptor = at(id);
    Long size = changes.size();
    if (size != null) {
      int file = handle != 0 ? (int) handle : Linux.reopen(descriptor, Flags.O_WRONLY);
      Linux.truncate(file, size);
      if (handle == 0) {
        Linux.close(file);
      }
    }
    Integer uid = changes.uid();
    Integer gid = changes.gid();
    if (uid != null || gid != null) {
      // By its own descriptor: a symbolic link must not be followed.
      changeOwner(descriptor, uid == null ? -1 : uid, gid == null ? -1 : gid);
    }
    byte[] path = ("/proc/self/fd/" + descriptor).getBytes(StandardCharsets.US_ASCII);
    Integer mode = changes.mode();
    if (mode != null) {
      int file = Linux.open(Flags.AT_FDCWD, path, Flags.O_RDONLY | Flags.O_NONBLOCK, 0);
      Linux.changeMode(file, mode);
      Linux.close(file);
    }
    Timestamp accessed = changes.accessed();
    Timestamp modified = changes.modified();
    if (accessed != null || modified != null) {
      int file = Linux.open(Flags.AT_FDCWD, path, Flags.O_RDONLY | Flags.O_NONBLOCK, 0);
      Linux.changeTimes(
          file,
          accessed == null ? Timestamp.OMIT : accessed,
          modified == null ? Timestamp.OMIT : modified);
      Linux.close(file);
    }
    return Linux.status(descriptor);
  }

  private static void changeOwner(int descriptor, int uid, int gid) throws ErrnoException {
    int file = Linux.reopen(descriptor, Flags.O_RDONLY | Flags.O_NONBLOCK);
    Linux.changeOwner(file, uid, gid);
    Linux.close(file);
  }

  @Override
  public byte[] readLink(long id) throws ErrnoException {
    return Linux.readLink(at(id), new byte[0]);
  }

  @Override
  public Entry symlink(long parent, byte[] name, byte[] target) throws ErrnoException {
    Linux.symlink(target, at(parent), name);
    return lookup(parent, name);
  }

  @Override
  public Entry makeNode(long parent, byte[] name, int mode, long device) throws ErrnoException {
    Linux.makeNode(at(parent), name, mode, device);
    return lookup(parent, name);
  }

  @Override
  public Entry makeDirectory(long parent, byte[] name, int mode) throws ErrnoException {
    Linux.makeDirectory(at(parent), name, mode);
    return lookup(parent, name);
  }

  @Override
  public void unlink(long parent, byte[] name) throws ErrnoException {
    Linux.unlink(at(parent), name);
  }

  @Override
  public void removeDirectory(long parent, byte[] name) throws ErrnoException {
    Linux.removeDirectory(at(parent), name);
  }

  @Override
  public void rename(long parent, byte[] name, long newParent, byte[] newName, int flags)
      throws ErrnoException {
    Linux.rename(at(parent), name, at(newParent), newName, flags);
  }

  @Override
  public Entry link(long id, long newParent, byte[] newName) throws ErrnoException {
    Linux.linkDescriptor(at(id), at(newParent), newName);
    return lookup(newParent, newName);
  }

  private long handle(int descriptor) {
    handles.add((long) descriptor);
    return descriptor;
  }

  /** Where the kernel holds back writes it reads what surrounds them, and appends by itself. */
  private static int readable(int flags) {
    boolean writes = (flags & Flags.O_ACCMODE) == Flags.O_WRONLY;
    return (writes ? (flags & ~Flags.O_ACCMODE) | Flags.O_RDWR : flags) & ~Flags.O_APPEND;
  }

  @Override
  public long open(long id, int flags) throws ErrnoException {
    return handle(Linux.reopen(at(id), readable(flags) & ~Flags.O_NOFOLLOW));
  }

  @Override
  public Created create(long parent, byte[] name, int flags, int mode) throws ErrnoException {
    int own = readable(flags) | Flags.O_CREAT | Flags.O_NOFOLLOW;
    int descriptor = Linux.open(at(parent), name, own, mode);
    return new Created(lookup(parent, name), handle(descriptor));
  }

  @Override
  public Created createTemporary(long parent, int flags, int mode) throws ErrnoException {
    int descriptor = Linux.reopen(at(parent), Flags.O_TMPFILE | Flags.O_RDWR);
    Linux.changeMode(descriptor, mode & Flags.PERMISSIONS);
    FileStatus status = Linux.status(descriptor);
    int path = Linux.reopen(descriptor, Flags.O_PATH);
    synchronized (this) {
      Known known = known(path, status);
      known.count++;
      return new Created(new Entry(known.id, 1, status), handle(descriptor));
    }
  }

  @Override
  public int read(long handle, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    return Linux.read((int) handle, to.address() + position, length, offset);
  }

  @Override
  public int write(long handle, long offset, MemorySegment from, long position, int length)
      throws ErrnoException {
    return Linux.write((int) handle, from.address() + position, length, offset);
  }

  @Override
  public synchronized void flush(long handle, long lockOwner) throws ErrnoException {
    Integer descriptor = lockDescriptors.remove(new LockKey(keyOf(handle), lockOwner));
    if (descriptor != null) {
      Linux.close(descriptor);
    }
  }

  private static Key keyOf(long handle) throws ErrnoException {
    FileStatus status = Linux.status((int) handle);
    return new Key(status.device(), status.inode());
  }

  @Override
  public void sync(long handle, boolean dataOnly) throws ErrnoException {
    Linux.sync((int) handle, dataOnly);
  }

  @Override
  public void release(long handle) {
    handles.remove(handle);
    Linux.close((int) handle);
  }

  @Override
  public void allocate(long handle, int mode, long offset, long length) throws ErrnoException {
    Linux.allocate((int) handle, mode, offset, length);
  }

  @Override
  public long seek(long handle, long offset, int whence) throws ErrnoException {
    return Linux.seek((int) handle, offset, whence);
  }

  @Override
  public long copyRange(long from, long fromOffset, long to, long toOffset, long length)
      throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(65536);
      int want = (int) Math.min(length, buffer.byteSize());
      int count = Linux.read((int) from, buffer.address(), want, fromOffset);
      return count == 0 ? 0 : Linux.write((int) to, buffer.address(), count, toOffset);
    }
  }

  @Override
  public long openDirectory(long id) throws ErrnoException {
    return handle(Linux.reopen(at(id), Flags.O_RDONLY | Flags.O_DIRECTORY));
  }

  @Override
  public void list(long handle, long cookie, boolean lookup, EntrySink sink) throws ErrnoException {
    int directory = (int) handle;
    FileStatus self = Linux.status(directory);
    long parent;
    synchronized (this) {
      Known known = byKey.get(new Key(self.device(), self.inode()));
      if (known == null) {
        throw new ErrnoException(Errno.ESTALE);
      }
      parent = known.id;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment b = arena.allocate(32768, 8);
      Linux.seek(directory, cookie, Flags.SEEK_SET);
      int filled = Linux.listEntries(directory, b.address(), 32768);
      while (filled > 0) {
        for (int p = 0; p < filled; ) {
          int record = Short.toUnsignedInt(b.get(ValueLayout.JAVA_SHORT, p + 16));
          byte[] name = b.getString(p + 19, StandardCharsets.ISO_8859_1).getBytes(LATIN_1);
          boolean dots = name[0] == '.' && name.length <= 2 && name[name.length - 1] == '.';
          Entry entry = lookup && !dots ? lookup(parent, name) : null;
          int type = (b.get(ValueLayout.JAVA_BYTE, p + 18) << 12) & FileStatus.TYPE_MASK;
          if (!sink.add(
              name,
              b.get(ValueLayout.JAVA_LONG, p),
              type,
              b.get(ValueLayout.JAVA_LONG, p + 8),
              entry)) {
            if (entry != null) {
              forget(entry.id(), 1);
            }
            return;
          }
          p += record;
        }
        filled = Linux.listEntries(directory, b.address(), 32768);
      }
    }
  }

  private static final java.nio.charset.Charset LATIN_1 = StandardCharsets.ISO_8859_1;

  @Override
  public void syncDirectory(long handle) throws ErrnoException {
    Linux.sync((int) handle, false);
  }

  @Override
  public void releaseDirectory(long handle) {
    release(handle);
  }

  @Override
  public FilesystemStatus filesystemStatus(long id) throws ErrnoException {
    return Linux.filesystemStatus(at(id));
  }

  @Override
  public void access(long id, int mask) throws ErrnoException {
    Linux.access(Flags.AT_FDCWD, procPath(id), mask);
  }

  private byte[] procPath(long id) throws ErrnoException {
    return ("/proc/self/fd/" + at(id)).getBytes(StandardCharsets.US_ASCII);
  }

  private int readable(long id) throws ErrnoException {
    if (Linux.status(at(id)).isSymlink()) {
      throw new ErrnoException(Errno.EOPNOTSUPP);
    }
    return Linux.reopen(at(id), Flags.O_RDONLY | Flags.O_NONBLOCK);
  }

  @Override
  public byte[] getXattr(long id, byte[] name) throws ErrnoException {
    int file = readable(id);
    try {
      byte[] value = Linux.getXattr(file, name);
      if (value == null) {
        throw new ErrnoException(Errno.ENODATA);
      }
      return value;
    } finally {
      Linux.close(file);
    }
  }

  @Override
  public void setXattr(long id, byte[] name, byte[] value, int flags) throws ErrnoException {
    int file = readable(id);
    try {
      Linux.setXattr(file, name, value, flags);
    } finally {
      Linux.close(file);
    }
  }

  @Override
  public byte[] listXattrs(long id) throws ErrnoException {
    int file = readable(id);
    try {
      return Linux.listXattrs(file);
    } finally {
      Linux.close(file);
    }
  }

  @Override
  public void removeXattr(long id, byte[] name) throws ErrnoException {
    int file = readable(id);
    try {
      Linux.removeXattr(file, name);
    } finally {
      Linux.close(file);
    }
  }

  /** Each owner has an open file description of its own, whose locks (OFD) are the owner's. */
  private synchronized int lockDescriptor(long handle, long owner) throws ErrnoException {
    LockKey key = new LockKey(keyOf(handle), owner);
    Integer known = lockDescriptors.get(key);
    if (known == null) {
      known = Linux.reopen((int) handle, Flags.O_RDWR);
      lockDescriptors.put(key, known);
    }
    return known;
  }

  /** F_RDLCK, F_WRLCK or F_UNLCK. */
  private static int number(LockType type) {
    return switch (type) {
      case SHARED -> 0;
      case EXCLUSIVE -> 1;
      case UNLOCK -> 2;
    };
  }

  @Override
  public @Nullable FileLock testLock(
      long handle, long owner, LockType type, long start, long length) throws ErrnoException {
    Linux.RangeLock found =
        Linux.testLock(lockDescriptor(handle, owner), number(type), start, length);
    return found == null
        ? null
        : new FileLock(
            found.type() == 0 ? LockType.SHARED : LockType.EXCLUSIVE,
            found.start(),
            found.length(),
            found.pid());
  }

  @Override
  public boolean tryLock(long handle, long owner, LockType type, long start, long length)
      throws ErrnoException {
    return Linux.tryLock(lockDescriptor(handle, owner), number(type), start, length);
  }

  @Override
  public boolean tryFlock(long handle, LockType type) throws ErrnoException {
    int operation =
        switch (type) {
          case SHARED -> 1;
          case EXCLUSIVE -> 2;
          case UNLOCK -> 8;
        };
    return Linux.tryFlock((int) handle, operation);
  }

  @Override
  public synchronized void close() {
    handles.forEach(handle -> Linux.close((int) (long) handle));
    byId.values().forEach(known -> Linux.close(known.descriptor));
    lockDescriptors.values().forEach(Linux::close);
  }
}
