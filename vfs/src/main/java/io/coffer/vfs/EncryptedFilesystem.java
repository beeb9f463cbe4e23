package io.coffer.vfs;

import io.coffer.format.VolumeFormat;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Flags;
import io.coffer.store.FileLock;
import io.coffer.store.LockType;
import io.coffer.store.Store;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The plain view of an encrypted tree: any {@link VolumeFormat} over any {@link Store}.
 *
 * <p>What holds whatever happens to this process, at any moment:
 *
 * <ul>
 *   <li>A directory has its name only together with its context, and loses the context only after
 *       its name.
 *   <li>The sidecar of a long name is there before the entry and goes after it.
 *   <li>After {@link #sync} the contents of a file are durable, and so are the contexts, sidecars
 *       and entries on the way to it that this process made; after {@link #syncDirectory} every
 *       directory in it that this process made can be read.
 *   <li>A write that the store refuses leaves no block that cannot be read: what was there is put
 *       back. Only a crash in the middle of a single block's overwriting can tear that block, and
 *       only in a range that was being written.
 *   <li>Leftovers of a crash have names of kind INTERNAL: nobody sees them, none is needed.
 * </ul>
 *
 * <p>No descriptor is held for a known inode: only for open files and directories, for lock owners,
 * and a bounded number for directories lately used. Thread-safe.
 */
public final class EncryptedFilesystem implements VirtualFilesystem, PathTranslator {
  /**
   * How the view behaves.
   *
   * @param readOnly everything that would change the store is EROFS
   * @param fileCapabilities give and take the attribute security.capability, which otherwise is
   *     EOPNOTSUPP (the kernel asks for it before each write)
   * @param shared other nodes change the store too, by the protocol of docs/shared-storage.md;
   *     without it, nobody else may write to the store at all
   * @param directoryHandles most descriptors kept open for directories that nobody has open
   */
  public record Options(
      boolean readOnly, boolean fileCapabilities, boolean shared, int directoryHandles) {
    private static final int MOST_DIRECTORY_HANDLES = 256;

    /** The usual: writable, without capabilities, a quarter of the descriptors but at most 256. */
    public static Options defaults() {
      return new Options(
          false, false, false, Math.clamp(descriptorLimit() / 4, 8, MOST_DIRECTORY_HANDLES));
    }

    /** The same, read-only or not. */
    public Options withReadOnly(boolean newReadOnly) {
      return new Options(newReadOnly, fileCapabilities, shared, directoryHandles);
    }

    /** The same, with or without security.capability. */
    public Options withFileCapabilities(boolean newFileCapabilities) {
      return new Options(readOnly, newFileCapabilities, shared, directoryHandles);
    }

    /** The same, with the store shared with other nodes or not. */
    public Options withShared(boolean newShared) {
      return new Options(readOnly, fileCapabilities, newShared, directoryHandles);
    }

    /** RLIMIT_NOFILE as proc(5) tells it. */
    private static long descriptorLimit() {
      try (Stream<String> lines = Files.lines(Path.of("/proc/self/limits"))) {
        return lines
            .filter(line -> line.startsWith("Max open files"))
            .map(line -> line.substring("Max open files".length()).strip().split("\\s+", 2)[0])
            .filter(limit -> !limit.equals("unlimited"))
            .mapToLong(Long::parseLong)
            .findFirst()
            .orElse(Long.MAX_VALUE);
      } catch (IOException | RuntimeException e) {
        return 1024; // the usual soft limit
      }
    }
  }

  private static final int NAME_MAX = 255;

  private final Volume volume;
  private final Namespace namespace;
  private final Attributes attributes;

  /**
   * Opens a view.
   *
   * @param store closed by whoever opened it, after this
   * @param format the opened volume; closed by whoever opened it, after this
   * @throws ErrnoException if the store's root cannot be looked at
   */
  public EncryptedFilesystem(Store store, VolumeFormat format, Options options)
      throws ErrnoException {
    this(store, format, options, null);
  }

  /**
   * Opens a view of a volume for which there is a lease.
   *
   * @param lease closed by whoever took it, after this; null if there is none
   */
  public EncryptedFilesystem(
      Store store, VolumeFormat format, Options options, @Nullable VolumeLease lease)
      throws ErrnoException {
    this(new Volume(store.root(), format, options, lease, null));
  }

  EncryptedFilesystem(Volume volume) {
    this.volume = volume;
    namespace = new Namespace(volume);
    attributes = new Attributes(volume);
  }

  /** {@link #EncryptedFilesystem(Store, VolumeFormat, Options)} with the usual options. */
  public EncryptedFilesystem(Store store, VolumeFormat format) throws ErrnoException {
    this(store, format, Options.defaults());
  }

  /** How many inodes are known, the root included. */
  int knownInodes() {
    return volume.table.size();
  }

  private Inode directory(long id) throws ErrnoException {
    Inode inode = volume.inode(id);
    if (!inode.isDirectory()) {
      throw new ErrnoException(Errno.ENOTDIR);
    }
    return inode;
  }

  private OpenFile file(long handle) throws ErrnoException {
    if (volume.handles.get(handle) instanceof OpenFile open) {
      return open;
    }
    throw new ErrnoException(Errno.EBADF);
  }

  private OpenFile writableFile(long handle) throws ErrnoException {
    OpenFile open = file(handle);
    if (!open.writable()) {
      throw new ErrnoException(Errno.EBADF);
    }
    return open;
  }

  // Names.

  @Override
  public Entry lookup(long parent, byte[] name) throws ErrnoException {
    return namespace.lookup(directory(parent), name);
  }

  @Override
  public void forget(long id, long count) {
    volume.table.forget(id, count);
  }

  @Override
  public byte[] readLink(long id) throws ErrnoException {
    Inode inode = volume.inode(id);
    if (inode.type != FileStatus.TYPE_SYMLINK) {
      throw new ErrnoException(Errno.EINVAL);
    }
    return namespace.readLink(inode);
  }

  @Override
  public Entry symlink(long parent, byte[] name, byte[] target) throws ErrnoException {
    return namespace.symlink(directory(parent), name, target);
  }

  @Override
  public Entry makeNode(long parent, byte[] name, int mode, long device) throws ErrnoException {
    return namespace.makeNode(directory(parent), name, mode, device);
  }

  @Override
  public Entry makeDirectory(long parent, byte[] name, int mode) throws ErrnoException {
    return namespace.makeDirectory(directory(parent), name, mode & Flags.PERMISSIONS);
  }

  @Override
  public void unlink(long parent, byte[] name) throws ErrnoException {
    namespace.unlink(directory(parent), name);
  }

  @Override
  public void removeDirectory(long parent, byte[] name) throws ErrnoException {
    namespace.removeDirectory(directory(parent), name);
  }

  @Override
  public void rename(long parent, byte[] name, long newParent, byte[] newName, int flags)
      throws ErrnoException {
    namespace.rename(directory(parent), name, directory(newParent), newName, flags);
  }

  @Override
  public Entry link(long id, long newParent, byte[] newName) throws ErrnoException {
    return namespace.link(volume.inode(id), directory(newParent), newName);
  }

  // Status and attributes.

  @Override
  public FileStatus status(long id, long handle) throws ErrnoException {
    return attributes.status(volume.inode(id));
  }

  @Override
  public FileStatus setAttributes(long id, long handle, AttributeChanges changes)
      throws ErrnoException {
    volume.checkWritable();
    Inode inode = volume.inode(id);
    Long size = changes.size();
    if (size != null) {
      truncate(inode, handle, size);
    }
    // Times that come with a handle are the kernel's, for data that has been taken.
    attributes.change(
        inode, changes, handle != 0 && volume.handles.get(handle) instanceof OpenFile);
    return attributes.status(inode);
  }

  private void truncate(Inode inode, long handle, long size) throws ErrnoException {
    if (!inode.isRegular()) {
      throw new ErrnoException(inode.isDirectory() ? Errno.EISDIR : Errno.EINVAL);
    }
    if (handle != 0) {
      OpenFile open = file(handle);
      if (open.writable() && open.state().inode == inode) {
        open.state().contents().truncate(open.state(), open.file(), size);
        return;
      }
    }
    FileState state = volume.acquireState(inode);
    try (StoreFile stored = openStored(state, true)) {
      useContents(state, stored).truncate(state, stored, size);
    } finally {
      volume.releaseState(state);
    }
  }

  @Override
  public void access(long id, int mask) throws ErrnoException {
    attributes.access(volume.inode(id), mask);
  }

  @Override
  public byte[] getXattr(long id, byte[] name) throws ErrnoException {
    return attributes.get(volume.inode(id), name);
  }

  @Override
  public void setXattr(long id, byte[] name, byte[] value, int flags) throws ErrnoException {
    attributes.set(volume.inode(id), name, value, flags);
  }

  @Override
  public byte[] listXattrs(long id) throws ErrnoException {
    return attributes.list(volume.inode(id));
  }

  @Override
  public void removeXattr(long id, byte[] name) throws ErrnoException {
    attributes.remove(volume.inode(id), name);
  }

  @Override
  public FilesystemStatus filesystemStatus(long id) throws ErrnoException {
    FilesystemStatus stored = volume.root.filesystemStatus();
    return new FilesystemStatus(
        stored.type(),
        stored.blockBytes(),
        stored.fragmentBytes(),
        stored.blocks(),
        stored.freeBlocks(),
        stored.availableBlocks(),
        stored.files(),
        stored.freeFiles(),
        NAME_MAX,
        stored.flags());
  }

  // Open files.

  @Override
  public long open(long id, int flags) throws ErrnoException {
    Inode inode = volume.inode(id);
    if (!inode.isRegular()) {
      throw new ErrnoException(inode.isDirectory() ? Errno.EISDIR : Errno.ENXIO);
    }
    boolean truncate = (flags & Flags.O_TRUNC) != 0;
    boolean writable = (flags & Flags.O_ACCMODE) != Flags.O_RDONLY;
    if (writable || truncate) {
      volume.checkWritable();
    }
    FileState state = volume.acquireState(inode);
    StoreFile stored = null;
    boolean done = false;
    try {
      stored = openStored(state, writable || truncate);
      FileContents contents = useContents(state, stored);
      if (truncate) {
        contents.truncate(state, stored, 0);
      }
      done = true;
      return addHandle(state, stored, writable, flags);
    } finally {
      if (!done) {
        if (stored != null) {
          stored.close();
        }
        volume.releaseState(state);
      }
    }
  }

  /** Finds out how the file's contents are stored, and that they may be looked at. */
  private FileContents useContents(FileState state, StoreFile stored) throws ErrnoException {
    return useContents(state, volume.encryption.contents(state, stored));
  }

  private static FileContents useContents(FileState state, FileContents contents) {
    if (state.knownContents() == null) {
      state.setContents(contents);
    }
    return contents;
  }

  private long addHandle(FileState state, StoreFile stored, boolean writable, int openFlags) {
    // Where nobody else writes the kernel knows the end, and sends the right offset.
    boolean appending = volume.options.shared() && (openFlags & Flags.O_APPEND) != 0;
    OpenHandle handle =
        volume.handles.add(id -> new OpenFile(id, state, stored, writable, appending));
    state.add((OpenFile) handle);
    return handle.id();
  }

  /**
   * Opens the stored file. For writing it is opened for reading too, since a block is changed by
   * reading, sealing and writing it; O_APPEND and O_DIRECT do not fit sealed blocks and stay here.
   */
  private StoreFile openStored(FileState state, boolean writable) throws ErrnoException {
    Inode inode = state.inode;
    int flags = writable ? Flags.O_RDWR : Flags.O_RDONLY;
    try {
      return volume.locator.find(
          inode,
          (directory, name) -> {
            StoreFile opened = openReadable(directory, name, flags);
            boolean right = false;
            try {
              right = inode.is(opened.firstStatus());
              if (right && volume.weakCache) {
                opened.forgetCached(0, 0); // what others closed must be seen now
              }
            } finally {
              if (!right) {
                opened.close();
              }
            }
            return right ? opened : null;
          });
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ESTALE) {
        throw e;
      }
      StoreFile again =
          state.withAnyHandle(
              false, file -> volume.cache.withDescriptors(() -> file.reopen(flags)));
      if (again == null) {
        throw e;
      }
      return again;
    }
  }

  private StoreFile openReadable(StoreDirectory directory, byte[] name, int flags)
      throws ErrnoException {
    try {
      return volume.cache.withDescriptors(() -> directory.openFile(name, flags, 0));
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EACCES || flags != Flags.O_RDWR) {
        throw e;
      }
      FileStatus status = directory.status(name);
      if (!status.isRegular() || (status.mode() & 0600) != 0200) {
        throw e;
      }
      // Its owner may write but not read it: lend the right for the moment of opening.
      int mode = status.mode() & Flags.PERMISSIONS;
      directory.changeMode(name, mode | 0400);
      try {
        return volume.cache.withDescriptors(() -> directory.openFile(name, flags, 0));
      } finally {
        directory.changeMode(name, mode);
      }
    }
  }

  @Override
  public Created create(long parent, byte[] name, int flags, int mode) throws ErrnoException {
    boolean writable = (flags & Flags.O_ACCMODE) != Flags.O_RDONLY;
    boolean truncate = (flags & Flags.O_TRUNC) != 0;
    int storeFlags =
        Flags.O_CREAT
            | (flags & Flags.O_EXCL)
            | (writable || truncate ? Flags.O_RDWR : Flags.O_RDONLY);
    var made = namespace.create(directory(parent), name, storeFlags, mode & Flags.PERMISSIONS);
    Created created = opened(made, flags, true);
    if (truncate && made.entry().status().size() > 0) {
      try {
        OpenFile open = file(created.handle());
        open.state().contents().truncate(open.state(), open.file(), 0);
      } catch (ErrnoException e) {
        release(created.handle());
        forget(created.entry().id(), 1);
        throw e;
      }
      Entry entry = made.entry();
      return new Created(
          new Entry(entry.id(), entry.generation(), entry.status().withSize(0)), created.handle());
    }
    return created;
  }

  @Override
  public Created createTemporary(long parent, int flags, int mode) throws ErrnoException {
    var made =
        namespace.createTemporary(
            directory(parent), Flags.O_RDWR | (flags & Flags.O_EXCL), mode & Flags.PERMISSIONS);
    return opened(made, flags, false);
  }

  private Created opened(Namespace.CreatedFile made, int flags, boolean entryPending)
      throws ErrnoException {
    FileState state;
    try {
      state = volume.acquireState(volume.inode(made.entry().id()));
    } catch (ErrnoException e) {
      made.file().close();
      throw e;
    }
    if (entryPending) {
      state.entryPending = true;
    }
    if (made.entry().status().size() == 0) {
      volume.durability.made(state.inode);
    }
    boolean usable = false;
    try {
      boolean untouched = volume.opens() == made.opensBefore() + 1;
      useContents(state, volume.encryption.contents(state, made.made(), untouched));
      usable = true;
    } finally {
      if (!usable) {
        made.file().close();
        volume.releaseState(state);
        forget(made.entry().id(), 1);
      }
    }
    boolean writable = (flags & Flags.O_ACCMODE) != Flags.O_RDONLY;
    return new Created(made.entry(), addHandle(state, made.file(), writable, flags));
  }

  @Override
  public int read(long handle, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    OpenFile open = file(handle);
    return open.state().contents().read(open.state(), open.file(), offset, to, position, length);
  }

  @Override
  public int write(long handle, long offset, MemorySegment from, long position, int length)
      throws ErrnoException {
    OpenFile open = writableFile(handle);
    FileState state = open.state();
    long at = open.appending() ? Contents.AT_END : offset;
    FileContents contents = state.contents();
    while (true) {
      try {
        return contents.write(state, open.file(), at, from, position, length);
      } catch (ErrnoException e) {
        // Refused as a whole. If its key has come back meanwhile, the file has others by now.
        FileContents present = state.contents();
        if (e.errno() != Errno.ENOKEY || present.equals(contents)) {
          throw e;
        }
        contents = present;
      }
    }
  }

  @Override
  public void flush(long handle, long lockOwner) throws ErrnoException {
    file(handle).state().locks.releaseAll(lockOwner);
  }

  @Override
  public void sync(long handle, boolean dataOnly) throws ErrnoException {
    if (volume.handles.get(handle) instanceof OpenDirectory) {
      syncDirectory(handle);
      return;
    }
    OpenFile open = file(handle);
    FileState state = open.state();
    boolean entry = state.entryPending;
    open.file().sync(dataOnly);
    volume.durability.makeReachable(state.inode, entry);
    state.entryPending = false;
    Durability.synced(state.inode);
  }

  @Override
  public void release(long handle) {
    if (volume.handles.get(handle) instanceof OpenFile
        && volume.handles.remove(handle) instanceof OpenFile open) {
      end(open);
    }
  }

  private void end(OpenFile open) {
    FileState state = open.state();
    if (state.remove(open)) {
      state.locks.releaseAll();
    }
    open.close();
    volume.releaseState(state);
  }

  @Override
  public void allocate(long handle, int mode, long offset, long length) throws ErrnoException {
    OpenFile open = writableFile(handle);
    open.state().contents().allocate(open.state(), open.file(), mode, offset, length);
  }

  @Override
  public long seek(long handle, long offset, int whence) throws ErrnoException {
    OpenFile open = file(handle);
    return open.state().contents().seek(open.state(), open.file(), offset, whence);
  }

  @Override
  public long copyRange(long from, long fromOffset, long to, long toOffset, long length)
      throws ErrnoException {
    OpenFile source = file(from);
    OpenFile target = writableFile(to);
    if (source.state().contents() instanceof Contents contents
        && target.state().contents() == contents) {
      return contents.copy(
          source.state(),
          source.file(),
          fromOffset,
          target.state(),
          target.file(),
          toOffset,
          length);
    }
    throw new ErrnoException(Errno.EXDEV); // upon which the kernel reads and writes
  }

  // Locks.

  @Override
  public @Nullable FileLock testLock(
      long handle, long owner, LockType type, long start, long length) throws ErrnoException {
    OpenFile open = file(handle);
    return open.state().locks.testLock(open.file(), owner, type, start, length);
  }

  @Override
  public boolean tryLock(long handle, long owner, LockType type, long start, long length)
      throws ErrnoException {
    OpenFile open = file(handle);
    return open.state()
        .locks
        .tryLock(
            flags -> volume.cache.withDescriptors(() -> open.file().reopen(flags)),
            owner,
            type,
            start,
            length);
  }

  @Override
  public boolean tryFlock(long handle, LockType type) throws ErrnoException {
    return file(handle).file().tryFlock(type);
  }

  // Open directories.

  @Override
  public long openDirectory(long id) throws ErrnoException {
    Inode inode = directory(id);
    if (!volume.table.hold(inode)) {
      throw new ErrnoException(Errno.ESTALE);
    }
    OpenDirectory opened;
    boolean done = false;
    try {
      var listing = namespace.listing(inode);
      opened = (OpenDirectory) volume.handles.add(h -> new OpenDirectory(h, inode, listing));
      done = true;
    } finally {
      if (!done) {
        volume.table.release(inode);
      }
    }
    return opened.id();
  }

  private OpenDirectory openedDirectory(long handle) throws ErrnoException {
    if (volume.handles.get(handle) instanceof OpenDirectory open) {
      return open;
    }
    throw new ErrnoException(Errno.EBADF);
  }

  @Override
  public void list(long handle, long cookie, boolean lookup, EntrySink sink) throws ErrnoException {
    namespace.list(openedDirectory(handle), cookie, lookup, sink);
  }

  @Override
  public void syncDirectory(long handle) throws ErrnoException {
    Inode inode = openedDirectory(handle).inode;
    volume.durability.syncDirectory(inode);
    volume.durability.makeReachable(inode, false);
  }

  @Override
  public void releaseDirectory(long handle) {
    if (volume.handles.get(handle) instanceof OpenDirectory
        && volume.handles.remove(handle) instanceof OpenDirectory open) {
      open.close();
      volume.table.release(open.inode);
    }
  }

  // Paths.

  @Override
  public byte[] encryptPath(byte[] plain) throws ErrnoException {
    return namespace.translate(plain, true);
  }

  @Override
  public byte[] decryptPath(byte[] stored) throws ErrnoException {
    return namespace.translate(stored, false);
  }

  @Override
  public void close() {
    for (OpenHandle each : volume.handles.all()) {
      switch (each) {
        case OpenFile open -> release(open.id());
        case OpenDirectory open -> releaseDirectory(open.id());
      }
    }
    volume.cache.shrink(0);
  }
}
