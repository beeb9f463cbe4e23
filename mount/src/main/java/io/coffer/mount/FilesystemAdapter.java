package io.coffer.mount;

import io.coffer.fuse.Caller;
import io.coffer.fuse.Filesystem;
import io.coffer.fuse.Session;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Timestamp;
import io.coffer.store.FileLock;
import io.coffer.store.LockType;
import io.coffer.vfs.PolicyFilesystem;
import io.coffer.vfs.VirtualFilesystem;
import io.coffer.vfs.VirtualFilesystem.AttributeChanges;
import io.coffer.vfs.VirtualFilesystem.Created;
import io.coffer.vfs.VirtualFilesystem.Entry;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Answers the kernel from a {@link VirtualFilesystem}: how long answers may be believed, which
 * cached contents are still good, what the caller's umask and privileges mean. Thread-safe.
 */
final class FilesystemAdapter implements Filesystem, PolicyFilesystem.Cache {
  private static final System.Logger LOG = System.getLogger("io.coffer.mount");
  private static final byte[] ACCESS_ACL =
      "system.posix_acl_access".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] DEFAULT_ACL =
      "system.posix_acl_default".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] SELINUX_LABEL =
      "security.selinux".getBytes(StandardCharsets.US_ASCII);

  private static final byte[] CAPABILITY =
      "security.capability".getBytes(StandardCharsets.US_ASCII);
  private static final int F_UNLCK = 2;

  /** For so long nothing must have come before all is taken to be here. */
  private static final Duration QUIET = Duration.ofMillis(30);

  /** Nobody's endless writing keeps a tree from being locked for longer. */
  private static final Duration LONGEST_ENDING = Duration.ofSeconds(20);

  private final VirtualFilesystem files;
  private final MountOptions options;
  private final CallerCredentials credentials;
  private final long entryNanos;
  private final long attributeNanos;
  private final long negativeNanos;
  private final CacheStamps stamps = new CacheStamps();
  private final HeldBackWrites heldBack = new HeldBackWrites();
  private final StalePages stalePages = new StalePages(this::dropPages);
  private final CacheUse cacheUse = new CacheUse(stalePages);
  private final AtomicBoolean closed = new AtomicBoolean();
  private final AtomicInteger openHandles = new AtomicInteger();
  private volatile @Nullable Session session;
  private volatile long lastUse = System.nanoTime();
  private volatile byte @Nullable [] controlPath;

  FilesystemAdapter(VirtualFilesystem files, MountOptions options, CallerCredentials credentials) {
    this.files = files;
    this.options = options;
    this.credentials = credentials;
    this.entryNanos = options.entryTimeout().toNanos();
    this.attributeNanos = options.attributeTimeout().toNanos();
    this.negativeNanos = options.negativeTimeout().toNanos();
  }

  /** Open files and directories. */
  int openHandles() {
    return openHandles.get();
  }

  /** {@link System#nanoTime} of the last operation. */
  long lastUse() {
    return lastUse;
  }

  @Override
  public void started(Session newSession) {
    session = newSession;
    lastUse = System.nanoTime();
    if (options.sharing().isShared() && newSession.mapsDirectFiles()) {
      stalePages.start();
    }
  }

  /** Every object tells by an attribute where its tree is controlled. */
  void setControlPath(byte[] path) {
    controlPath = path;
  }

  /**
   * The kernel forgets contents, listing, status and target of an inode, after writing what is
   * unwritten.
   */
  @Override
  public void forgetContents(long id) {
    stamps.forget(id);
    Session started = session;
    if (started != null) {
      try {
        started.invalidateInode(id, 0, 0);
      } catch (ErrnoException e) {
        LOG.log(System.Logger.Level.WARNING, "the kernel keeps contents: {0}", e.getMessage());
      }
    }
  }

  /** The kernel forgets what a name leads to. */
  @Override
  public void forgetName(long parent, byte[] name) {
    Session started = session;
    if (started != null) {
      try {
        started.invalidateEntry(parent, name);
      } catch (ErrnoException e) {
        LOG.log(System.Logger.Level.DEBUG, "the kernel keeps a name: {0}", e.getMessage());
      }
    }
  }

  /**
   * The kernel accepts no more writes to these files, since it has to ask before each, and what it
   * has accepted comes now. A call that was let in before may still be putting its bytes into the
   * cache, so this goes on until nothing has come for a while.
   */
  @Override
  public void finishWrites(List<Long> ids) {
    List<Long> written = ids.stream().filter(this::isHeldBack).toList();
    Session current = session;
    if (current == null || written.isEmpty()) {
      return;
    }
    long deadline = System.nanoTime() + LONGEST_ENDING.toNanos();
    heldBack.startEnding(written);
    try {
      for (long id : written) {
        current.invalidateStatus(id);
      }
      long before;
      do {
        before = heldBack.lateArrivals();
        Thread.sleep(QUIET);
        written.forEach(this::forgetContents);
      } while (heldBack.lateArrivals() != before && System.nanoTime() < deadline);
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.WARNING, "the kernel keeps a status: {0}", e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      heldBack.stopEnding(written);
    }
  }

  // Names.

  /** Names in a locked tree become others when it is unlocked: the kernel asks for them anew. */
  private EntryReply reply(long parent, Entry entry) {
    boolean lasting = !files.nameMayChange(parent, entry);
    long lastingAttributes = lasting ? attributeNanos(entry.id()) : 0;
    return new EntryReply(
        entry.id(),
        entry.generation(),
        shown(entry.status()),
        lasting ? entryNanos : 0,
        lastingAttributes);
  }

  /** How long a status is believed: not where the kernel is to ask before each write. */
  private long attributeNanos(long id) {
    return files.takesWrites(id) ? attributeNanos : 0;
  }

  private FileStatus shown(FileStatus s) {
    MountOptions.Owner owner = options.owner();
    if (owner == null) {
      return s;
    }
    return new FileStatus(
        s.device(),
        s.inode(),
        s.mode(),
        s.links(),
        owner.uid(),
        owner.gid(),
        s.specialDevice(),
        s.size(),
        s.blocks(),
        s.blockBytes(),
        s.accessed(),
        s.modified(),
        s.changed(),
        s.born());
  }

  private void used() {
    lastUse = System.nanoTime();
  }

  @Override
  public EntryReply lookup(Caller caller, long parent, byte[] name) throws ErrnoException {
    used();
    try {
      return reply(parent, files.lookup(parent, name));
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT && negativeNanos > 0 && !files.namesMayChange(parent)) {
        return EntryReply.missing(negativeNanos);
      }
      throw e;
    }
  }

  @Override
  public void forget(long id, long count) {
    stamps.forget(id);
    heldBack.forget(id);
    files.forget(id, count);
  }

  @Override
  public byte[] readLink(Caller caller, long id) throws ErrnoException {
    return files.readLink(id);
  }

  @Override
  public EntryReply symlink(Caller caller, long parent, byte[] name, byte[] target)
      throws ErrnoException {
    used();
    return reply(parent, credentials.as(caller, () -> files.symlink(parent, name, target)));
  }

  @Override
  public EntryReply makeNode(
      Caller caller, long parent, byte[] name, int mode, int umask, long device)
      throws ErrnoException {
    used();
    int masked = masked(parent, mode, umask);
    return reply(
        parent, credentials.as(caller, () -> files.makeNode(parent, name, masked, device)));
  }

  @Override
  public EntryReply makeDirectory(Caller caller, long parent, byte[] name, int mode, int umask)
      throws ErrnoException {
    used();
    int masked = masked(parent, mode, umask);
    return reply(parent, credentials.as(caller, () -> files.makeDirectory(parent, name, masked)));
  }

  /**
   * The mode without what the caller's umask forbids, except where the directory has a default ACL,
   * which then rules instead (the store applies it).
   */
  private int masked(long parent, int mode, int umask) {
    if (options.acl()) {
      try {
        if (files.getXattr(parent, DEFAULT_ACL).length > 0) {
          return mode;
        }
      } catch (ErrnoException e) {
        // No default ACL, or a store without ACLs.
        return mode & ~umask;
      }
    }
    return mode & ~umask;
  }

  @Override
  public void unlink(Caller caller, long parent, byte[] name) throws ErrnoException {
    used();
    files.unlink(parent, name);
  }

  @Override
  public void removeDirectory(Caller caller, long parent, byte[] name) throws ErrnoException {
    used();
    files.removeDirectory(parent, name);
  }

  @Override
  public void rename(
      Caller caller, long parent, byte[] name, long newParent, byte[] newName, int flags)
      throws ErrnoException {
    used();
    files.rename(parent, name, newParent, newName, flags);
  }

  @Override
  public EntryReply link(Caller caller, long id, long newParent, byte[] newName)
      throws ErrnoException {
    used();
    return reply(newParent, files.link(id, newParent, newName));
  }

  // Status.

  @Override
  public StatusReply status(Caller caller, long id, long handle) throws ErrnoException {
    if (handle != 0 && stamps.isWriter(handle)) {
      int errno = heldBack.takeError(id);
      if (errno != 0) {
        throw new ErrnoException(errno);
      }
      if (!files.takesWrites(id)) {
        throw new ErrnoException(Errno.ENOKEY);
      }
    }
    return new StatusReply(shown(files.status(id, handle)), attributeNanos(id));
  }

  @Override
  public StatusReply change(Caller caller, long id, StatusChange c) throws ErrnoException {
    used();
    Integer mode = c.mode();
    if (mode == null && c.killPrivileges()) {
      mode = withoutPrivileges(files.status(id, c.handle()));
    }
    FileStatus after =
        files.setAttributes(
            id,
            c.handle(),
            new AttributeChanges(mode, c.uid(), c.gid(), c.size(), c.accessed(), c.modified()));
    if (c.modified() != null) {
      heldBack.timeWasSaid(id);
    }
    changedHere(id);
    return new StatusReply(shown(after), attributeNanos(id));
  }

  /** The mode that remains when set-id bits have to go; null if they are not there. */
  private static @Nullable Integer withoutPrivileges(FileStatus status) {
    int mode = status.mode() & Flags.PERMISSIONS;
    int kept = mode & ~Flags.S_ISUID;
    if ((mode & 010) != 0) {
      // Without group execution the bit once meant mandatory locking and is no privilege.
      kept &= ~Flags.S_ISGID;
    }
    return kept == mode || !status.isRegular() ? null : (Integer) kept;
  }

  @Override
  public FilesystemStatus filesystemStatus(Caller caller, long id) throws ErrnoException {
    return files.filesystemStatus(id);
  }

  @Override
  public void access(Caller caller, long id, int mask) throws ErrnoException {
    credentials.as(
        caller,
        () -> {
          files.access(id, mask);
          return true;
        });
  }

  // Files.

  @Override
  public OpenReply open(Caller caller, long id, int flags) throws ErrnoException {
    used();
    long handle = files.open(id, flags);
    try {
      if ((flags & Flags.O_TRUNC) != 0 && caller.uid() != 0) {
        // The kernel leaves to us what O_TRUNC does (FUSE_ATOMIC_O_TRUNC).
        dropPrivileges(id, handle);
      }
      int reply = direct(id, handle, flags);
      if (reply == 0 && options.keepCache() && cacheIsGood(id, handle, flags)) {
        reply = OPEN_KEEP_CACHE;
      }
      openHandles.incrementAndGet();
      return new OpenReply(handle, reply);
    } catch (ErrnoException | RuntimeException e) {
      files.release(handle);
      throw e;
    }
  }

  /**
   * Files that go around the page cache: all, if the mode says so; those opened for appending where
   * others append too, for the kernel would put the bytes into its cache where it believes the end
   * to be, and hand over what does not begin with a page in two parts; and what {@link CacheUse}
   * says.
   */
  private int direct(long id, long handle, int openFlags) {
    SharingMode sharing = options.sharing();
    if (!sharing.isShared()) {
      return 0;
    }
    if (sharing.isDirect()) {
      return OPEN_DIRECT_IO | OPEN_PARALLEL_DIRECT_WRITES;
    }
    Session current = session;
    if (current != null && current.mapsDirectFiles()) {
      return cacheUse.opened(id, handle, openFlags);
    }
    return (openFlags & Flags.O_APPEND) != 0 ? OPEN_DIRECT_IO : 0;
  }

  /** The kernel's cache is not the worse for what the kernel itself has sent. */
  private void changedHere(long id) {
    if (options.alone()) {
      stamps.changedHere(id);
    }
  }

  private void dropPages(long id, long offset, long length) throws ErrnoException {
    Session current = session;
    if (current != null) {
      current.invalidateInode(id, offset, length);
    }
  }

  private boolean cacheIsGood(long id, long handle, int flags) throws ErrnoException {
    if ((flags & Flags.O_ACCMODE) != Flags.O_RDONLY) {
      stamps.writes(id, handle);
    }
    return stamps.opened(id, files.status(id, handle));
  }

  @Override
  public CreateReply create(Caller caller, long parent, byte[] name, int flags, int mode, int umask)
      throws ErrnoException {
    used();
    int masked = masked(parent, mode, umask);
    return created(
        parent, credentials.as(caller, () -> files.create(parent, name, flags, masked)), flags);
  }

  @Override
  public CreateReply createTemporary(Caller caller, long parent, int flags, int mode, int umask)
      throws ErrnoException {
    used();
    int masked = masked(parent, mode, umask);
    return created(
        parent, credentials.as(caller, () -> files.createTemporary(parent, flags, masked)), flags);
  }

  private CreateReply created(long parent, Created made, int flags) {
    openHandles.incrementAndGet();
    if (options.keepCache()) {
      stamps.writes(made.entry().id(), made.handle());
    }
    return new CreateReply(
        reply(parent, made.entry()),
        new OpenReply(made.handle(), direct(made.entry().id(), made.handle(), flags)));
  }

  @Override
  public int read(
      Caller caller, long id, long handle, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    return files.read(handle, offset, to, position, length);
  }

  @Override
  public int write(
      Caller caller,
      long id,
      long handle,
      long offset,
      MemorySegment from,
      long position,
      int length,
      boolean fromCache,
      boolean killPrivileges)
      throws ErrnoException {
    if (killPrivileges) {
      dropPrivileges(id, handle);
    }
    if (!fromCache) {
      int written = files.write(handle, offset, from, position, length);
      cacheUse.written(handle, offset, written);
      return written;
    }
    heldBack.arrived(id);
    changedHere(id);
    if (!heldBack.knowsTime(id)) {
      heldBack.setTime(id, files.status(id, handle).modified());
    }
    try {
      // The kernel takes a short answer for success here.
      int done = 0;
      while (done < length) {
        done += files.write(handle, offset + done, from, position + done, length - done);
      }
      return done;
    } catch (ErrnoException e) {
      tellNextWriter(id, e.errno());
      throw e;
    }
  }

  private void tellNextWriter(long id, int errno) throws ErrnoException {
    heldBack.failed(id, errno);
    Session current = session;
    if (current != null) {
      current.invalidateStatus(id);
    }
  }

  /** All data that the kernel held back has come. */
  private void dataIsHere(long id, long handle) throws ErrnoException {
    Timestamp modified = heldBack.takeTime(id);
    if (modified != null) {
      files.setAttributes(id, handle, new AttributeChanges(null, null, null, null, null, modified));
    }
  }

  private void dropPrivileges(long id, long handle) throws ErrnoException {
    Integer mode = withoutPrivileges(files.status(id, handle));
    if (mode != null) {
      files.setAttributes(id, handle, new AttributeChanges(mode, null, null, null, null, null));
    }
  }

  /**
   * A descriptor was closed. Where the kernel keeps locks itself, there is nothing to do: it has
   * sent what it held back, and {@link #release} does the rest. It does not ask again then.
   */
  @Override
  public void flush(Caller caller, long id, long handle, long lockOwner) throws ErrnoException {
    Session current = session;
    if (current != null && current.closesAlone()) {
      throw new ErrnoException(Errno.ENOSYS);
    }
    dataIsHere(id, handle);
    files.flush(handle, lockOwner);
    if (stamps.isWriter(handle)) {
      stamps.agreed(id, files.status(id, handle));
    }
  }

  @Override
  public void release(Caller caller, long id, long handle) throws ErrnoException {
    used();
    try {
      dataIsHere(id, handle);
    } finally {
      stamps.released(handle);
      cacheUse.released(handle);
      files.release(handle);
      openHandles.decrementAndGet();
    }
  }

  @Override
  public void sync(Caller caller, long id, long handle, boolean dataOnly) throws ErrnoException {
    dataIsHere(id, handle);
    files.sync(handle, dataOnly);
  }

  @Override
  public void allocate(Caller caller, long id, long handle, int mode, long offset, long length)
      throws ErrnoException {
    files.allocate(handle, mode, offset, length);
  }

  @Override
  public boolean isHeldBack(long id) {
    return options.alone() && stamps.isWritten(id);
  }

  @Override
  public long seek(Caller caller, long id, long handle, long offset, int whence)
      throws ErrnoException {
    return files.seek(handle, offset, whence);
  }

  @Override
  public long copyRange(
      Caller caller,
      long id,
      long handle,
      long offset,
      long targetId,
      long targetHandle,
      long targetOffset,
      long length)
      throws ErrnoException {
    return files.copyRange(handle, offset, targetHandle, targetOffset, length);
  }

  // Directories.

  @Override
  public OpenReply openDirectory(Caller caller, long id, int flags) throws ErrnoException {
    used();
    long handle = files.openDirectory(id);
    try {
      int reply = 0;
      if (options.alone() && !files.namesMayChange(id)) {
        reply = OPEN_CACHE_DIR;
        if (stamps.opened(id, files.status(id, 0))) {
          reply |= OPEN_KEEP_CACHE;
        }
      }
      openHandles.incrementAndGet();
      return new OpenReply(handle, reply);
    } catch (ErrnoException | RuntimeException e) {
      files.releaseDirectory(handle);
      throw e;
    }
  }

  @Override
  public void list(
      Caller caller, long id, long handle, long cookie, boolean plus, DirectorySink sink)
      throws ErrnoException {
    files.list(
        handle,
        cookie,
        plus,
        (name, inode, type, next, entry) ->
            sink.add(name, inode, type, next, entry == null ? null : reply(id, entry)));
  }

  @Override
  public void releaseDirectory(Caller caller, long id, long handle) {
    used();
    files.releaseDirectory(handle);
    openHandles.decrementAndGet();
  }

  @Override
  public void syncDirectory(Caller caller, long id, long handle, boolean dataOnly)
      throws ErrnoException {
    files.syncDirectory(handle);
  }

  // Extended attributes.

  @Override
  public byte[] getXattr(Caller caller, long id, byte[] name) throws ErrnoException {
    if (Arrays.equals(name, CAPABILITY) && !options.request().setUserId()) {
      // Asked for before every write; on a nosuid mount file capabilities mean nothing.
      throw new ErrnoException(Errno.ENODATA);
    }
    byte[] control = controlPath;
    if (control != null && TreeControl.isAttribute(name)) {
      return control.clone(); // overwritten once it has been sent
    }
    try {
      return files.getXattr(id, name);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENODATA && Arrays.equals(name, SELINUX_LABEL)) {
        // Where SELinux is at work it answers itself, and nobody asks here. Else "no label" has
        // "ls -l" ask the next file as well; that there are none here saves half of its questions.
        throw new ErrnoException(Errno.EOPNOTSUPP);
      }
      if (e.errno() == Errno.EOPNOTSUPP && options.acl() && isAcl(name)) {
        // The kernel would take the error for the result of its check of permissions.
        throw new ErrnoException(Errno.ENODATA);
      }
      throw e;
    }
  }

  private static boolean isAcl(byte[] name) {
    return Arrays.equals(name, ACCESS_ACL) || Arrays.equals(name, DEFAULT_ACL);
  }

  @Override
  public void setXattr(Caller caller, long id, byte[] name, byte[] value, int flags)
      throws ErrnoException {
    used();
    files.setXattr(id, name, value, flags);
  }

  @Override
  public byte[] listXattrs(Caller caller, long id) throws ErrnoException {
    return files.listXattrs(id);
  }

  @Override
  public void removeXattr(Caller caller, long id, byte[] name) throws ErrnoException {
    used();
    files.removeXattr(id, name);
  }

  // Locks. The protocol names the last byte, the store the length with 0 for "all the rest".

  private static long lengthOf(Lock lock) {
    return lock.end() == Long.MAX_VALUE ? 0 : lock.end() - lock.start() + 1;
  }

  private static LockType typeOf(int type) {
    return switch (type) {
      case 0 -> LockType.SHARED;
      case 1 -> LockType.EXCLUSIVE;
      default -> LockType.UNLOCK;
    };
  }

  @Override
  public @Nullable Lock testLock(Caller caller, long id, long handle, long owner, Lock wanted)
      throws ErrnoException {
    FileLock found =
        files.testLock(handle, owner, typeOf(wanted.type()), wanted.start(), lengthOf(wanted));
    if (found == null) {
      return null;
    }
    long end = found.length() == 0 ? Long.MAX_VALUE : found.start() + found.length() - 1;
    return new Lock(
        found.start(), end, found.type() == LockType.SHARED ? 0 : 1, Math.max(0, found.pid()));
  }

  @Override
  public boolean tryLock(Caller caller, long id, long handle, long owner, Lock wanted)
      throws ErrnoException {
    return files.tryLock(handle, owner, typeOf(wanted.type()), wanted.start(), lengthOf(wanted));
  }

  @Override
  public boolean tryFlock(Caller caller, long id, long handle, long owner, int type)
      throws ErrnoException {
    return files.tryFlock(handle, typeOf(type == 0 || type == 1 ? type : F_UNLCK));
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      stalePages.close();
      files.close();
    }
  }
}
