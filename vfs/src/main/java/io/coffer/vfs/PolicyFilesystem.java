package io.coffer.vfs;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.NameCodec;
import io.coffer.format.PlainFormat;
import io.coffer.format.fscrypt.ContentsMode;
import io.coffer.format.fscrypt.FscryptContext;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.format.fscrypt.FscryptStoredAttributes;
import io.coffer.format.fscrypt.NamesMode;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Flags;
import io.coffer.store.FileLock;
import io.coffer.store.LockType;
import io.coffer.store.Store;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreListing;
import io.coffer.vfs.DirectoryState.Tree;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;

/**
 * A volume with policies of fscrypt: plain directories, and trees with different policies, each
 * locked or unlocked. Keys come and go while it is in use.
 *
 * <p>What a tree shows while its key is not there is what the kernel's fscrypt shows: no-key names,
 * status and links; entries can be removed. Everything else is ENOKEY.
 *
 * <p>Thread-safe.
 */
public final class PolicyFilesystem implements VirtualFilesystem, PathTranslator {
  /**
   * Whoever keeps what this filesystem answered, and must let go of it when a tree is locked or
   * unlocked. Called without any lock; may write back what it still has to write.
   */
  public interface Cache {
    /** Contents, status and target of an inode; of a directory, its listing. */
    void forgetContents(long id);

    /** What a name in a directory leads to. */
    void forgetName(long parent, byte[] name);

    /**
     * Files take no more writes ({@link VirtualFilesystem#takesWrites}). Returns when nothing that
     * was accepted before is still to be written.
     */
    default void finishWrites(List<Long> ids) {}
  }

  /** What has become of a key. */
  public enum KeyStatus {
    ABSENT,
    PRESENT,
    /** Nobody claims it any more, but files that were opened with it are still in use. */
    INCOMPLETELY_REMOVED
  }

  /**
   * A key and its use.
   *
   * @param identifier 16 bytes
   * @param users who claims it
   * @param busyFiles plain paths of open files that use it
   */
  public record KeyState(
      byte[] identifier, KeyStatus status, List<Integer> users, List<String> busyFiles) {}

  /**
   * What a lock has done.
   *
   * @param otherUsers others still claim the key, so that nothing was locked
   * @param busyFiles plain paths of files that were open
   */
  public record Locked(boolean otherUsers, List<String> busyFiles) {}

  /**
   * Which tree an object is in.
   *
   * @param policy null in a tree without policy
   */
  public record TreeState(@Nullable FscryptPolicy policy, KeyStatus status) {
    /** Has it a policy? */
    public boolean isEncrypted() {
      return policy != null;
    }

    private FscryptPolicy known() {
      if (policy == null) {
        throw new IllegalStateException("a tree without policy");
      }
      return policy;
    }

    /** Name of the contents mode. */
    public String contents() {
      return known().contents().name();
    }

    /** Name of the names mode. */
    public String names() {
      return known().names().name();
    }

    /** To what names are padded. */
    public int padding() {
      return known().padding();
    }

    /** Bytes of a data unit. */
    public int dataUnitBytes() {
      return known().dataUnitBytes();
    }

    /** Identifier of the master key. */
    public byte[] identifier() {
      return known().masterKeyIdentifier();
    }
  }

  private static final Cache NOBODY =
      new Cache() {
        @Override
        public void forgetContents(long id) {}

        @Override
        public void forgetName(long parent, byte[] name) {}
      };

  private final Volume volume;
  private final KeyRing keys = new KeyRing();
  private final PolicyEncryption policies;
  private final EncryptedFilesystem files;

  /** Shared by operations on names, exclusive for whoever makes keys come or go. */
  private final StampedLock keyChange = new StampedLock();

  private final Use use = new Use();

  private volatile Cache cache = NOBODY;

  /**
   * Opens a view; all trees are locked.
   *
   * @param store closed by whoever opened it, after this
   * @param lease closed by whoever took it, after this; null if there is none
   * @throws ErrnoException if the store's root cannot be looked at
   */
  public PolicyFilesystem(
      Store store, EncryptedFilesystem.Options options, @Nullable VolumeLease lease)
      throws ErrnoException {
    volume = new Volume(store.root(), new PlainFormat(), options, lease, keys);
    if (!(volume.encryption instanceof PolicyEncryption encryption)) {
      throw new IllegalStateException("a volume with keys has policies");
    }
    policies = encryption;
    files = new EncryptedFilesystem(volume);
  }

  /** Tells who is to be told of what must be forgotten. */
  public void setCache(Cache newCache) {
    cache = newCache;
  }

  /** Keeps keys from coming and going until it is closed. Not within another one. */
  private Use use() {
    keyChange.readLock();
    return use;
  }

  /** The one object of its kind: requests are many. */
  private final class Use implements AutoCloseable {
    @Override
    public void close() {
      keyChange.tryUnlockRead();
    }
  }

  // Keys.

  /**
   * A user brings a key and claims it.
   *
   * @param raw 16 to 64 bytes; the caller closes it
   * @return its identifier
   * @throws IllegalArgumentException if it is shorter or longer
   * @throws ErrnoException EDQUOT if the user, who is not root, claims 200 keys already
   */
  public byte[] unlock(int user, SecretBytes raw) throws ErrnoException {
    var key = new FscryptMasterKey(raw);
    byte[] identifier = key.identifier();
    List<Known> known = List.of();
    long stamp = keyChange.writeLock();
    try {
      if (keys.users(identifier).isEmpty()) {
        known = known(identifier);
      }
      if (keys.claim(user, key)) {
        forgetDerived(identifier);
      }
    } finally {
      keyChange.unlockWrite(stamp);
    }
    // Names that were looked up without the key stand for nothing any more.
    forget(known);
    return identifier;
  }

  /**
   * {@link #unlock(int, SecretBytes)} with a key that is overwritten with zeros.
   *
   * @throws ErrnoException EINVAL if it is shorter or longer
   */
  public byte[] unlock(int user, byte[] raw) throws ErrnoException {
    try (SecretBytes key = SecretBytes.take(raw)) {
      return unlock(user, key);
    } catch (IllegalArgumentException e) {
      throw new ErrnoException(Errno.EINVAL, e.getMessage());
    }
  }

  /**
   * A user gives up a key. If nobody claims it any more, its trees are locked: what the cache has
   * still to write is written, caches are told to forget, and keys are wiped.
   *
   * @param everybody nobody's claim counts any more
   * @param strict files that are open cannot be read or written from now on; else they can until
   *     they are closed
   * @throws ErrnoException ENOKEY if the user does not claim it
   */
  public Locked lock(int user, byte[] identifier, boolean everybody, boolean strict)
      throws ErrnoException {
    List<Known> known;
    List<FileState> open;
    List<String> busy = new ArrayList<>();
    long stamp = keyChange.writeLock();
    try {
      List<Integer> users = keys.users(identifier);
      open = openFiles(identifier);
      if (users.isEmpty() ? open.isEmpty() : !everybody && !users.contains(user)) {
        throw new ErrnoException(Errno.ENOKEY);
      }
      known = known(identifier);
      open.forEach(each -> busy.add(volume.pathForMessages(each.inode)));
      if (!users.isEmpty() && !keys.release(user, identifier, everybody)) {
        return new Locked(true, List.of());
      }
      forgetDerived(identifier);
    } finally {
      keyChange.unlockWrite(stamp);
    }
    // Open files keep a key of their own, with which what is still unwritten gets written.
    forget(known);
    if (strict) {
      endUse(open);
    }
    return new Locked(false, busy);
  }

  /** Takes the keys from open files, and loses nothing that was accepted for them. */
  private void endUse(List<FileState> open) {
    var ended = new IdentityHashMap<UnitContents, FileState>();
    for (FileState each : open) {
      if (each.knownContents() instanceof UnitContents contents) {
        contents.end();
        ended.put(contents, each);
      }
    }
    cache.finishWrites(ended.values().stream().map(each -> each.inode.id()).toList());
    ended.forEach(UnitContents::revoke);
    // Again, for what was read in between.
    ended.values().forEach(each -> cache.forgetContents(each.inode.id()));
  }

  /** An inode whose name, contents, target or listing depend on a key. */
  private final class Known {
    final Inode inode;
    final long parent;
    final byte @Nullable [] name;

    Known(Inode inode, long parent, byte @Nullable [] name) {
      this.inode = inode;
      this.parent = parent;
      this.name = name;
    }

    void forgetName() {
      if (name != null) {
        cache.forgetName(parent, name);
      }
    }
  }

  /**
   * Names first: the kernel lets nobody look up or list in a directory while it forgets a name
   * there, so what was answered before the key changed has arrived by then and goes, too.
   */
  private void forget(List<Known> known) {
    known.forEach(Known::forgetName);
    known.forEach(each -> cache.forgetContents(each.inode.id()));
  }

  /** What is known of the trees of a key, under the names that they show now. */
  private List<Known> known(byte[] identifier) {
    var known = new ArrayList<Known>();
    for (Inode inode : volume.table.all()) {
      Inode.Location location = inode.location;
      if (location == null || !isIn(location.parent(), identifier)) {
        if (inode.isDirectory() && isIn(inode, identifier)) {
          known.add(new Known(inode, 0, null)); // the topmost of a tree: its own name stays
        }
        continue;
      }
      for (Inode.Location each = location; each != null; each = each.next()) {
        known.add(new Known(inode, each.parent().id(), shown(each)));
      }
    }
    return known;
  }

  private byte @Nullable [] shown(Inode.Location location) {
    try (DirectoryCache.Ref parent = volume.cache.acquire(location.parent())) {
      NameCodec codec = volume.names.codec(parent);
      return volume.names.decode(parent, codec, location.name());
    } catch (ErrnoException e) {
      return null; // gone: so will be what the kernel knows
    }
  }

  private static boolean isIn(Inode directory, byte[] identifier) {
    return directory.state instanceof DirectoryState state
        && state.tree != null
        && uses(state.tree.context(), identifier);
  }

  private static boolean uses(@Nullable FscryptContext context, byte[] identifier) {
    return context != null && Arrays.equals(context.policy().masterKeyIdentifier(), identifier);
  }

  /** What was derived from a key, or learnt without it, goes. Keys held exclusively. */
  private void forgetDerived(byte[] identifier) {
    for (Inode inode : volume.table.all()) {
      if (inode.state instanceof DirectoryState state && isIn(inode, identifier)) {
        NameCodec codec = state.codec;
        state.codec = null;
        if (codec instanceof AutoCloseable names) {
          closeQuietly(names);
        }
      } else if (inode.type == FileStatus.TYPE_SYMLINK) {
        Inode.Location location = inode.location;
        if (location != null && isIn(location.parent(), identifier)) {
          inode.state = null; // the length of its target
        }
      }
    }
  }

  private static void closeQuietly(AutoCloseable names) {
    try {
      names.close();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private List<FileState> openFiles(byte[] identifier) {
    var open = new ArrayList<FileState>();
    for (OpenHandle each : volume.handles.all()) {
      if (each instanceof OpenFile file
          && file.state().knownContents() instanceof UnitContents contents
          && !contents.isRevoked()
          && uses(contents.context(), identifier)
          && !open.contains(file.state())) {
        open.add(file.state());
      }
    }
    return open;
  }

  /** The keys that are there, and those that open files still have. */
  public List<KeyState> keys() {
    var result = new ArrayList<KeyState>();
    try (Use _ = use()) {
      List<KeyRing.Present> present = keys.all();
      for (KeyRing.Present each : present) {
        result.add(
            new KeyState(
                each.identifier(), KeyStatus.PRESENT, each.users(), busy(each.identifier())));
      }
      for (OpenHandle each : volume.handles.all()) {
        if (each instanceof OpenFile file
            && file.state().knownContents() instanceof UnitContents contents
            && !contents.isRevoked()) {
          byte[] identifier = contents.context().policy().masterKeyIdentifier();
          if (result.stream().noneMatch(one -> Arrays.equals(one.identifier(), identifier))) {
            result.add(
                new KeyState(
                    identifier, KeyStatus.INCOMPLETELY_REMOVED, List.of(), busy(identifier)));
          }
        }
      }
    }
    return result;
  }

  private List<String> busy(byte[] identifier) {
    return openFiles(identifier).stream()
        .map(state -> volume.pathForMessages(state.inode))
        .toList();
  }

  private KeyStatus status(byte[] identifier) {
    if (!keys.users(identifier).isEmpty()) {
      return KeyStatus.PRESENT;
    }
    return openFiles(identifier).isEmpty() ? KeyStatus.ABSENT : KeyStatus.INCOMPLETELY_REMOVED;
  }

  // Policies.

  private interface At<T> {
    T at(Inode inode) throws ErrnoException;
  }

  /** Walks down a path as it is shown, and does something there. */
  private <T> T at(byte[] path, At<T> operation) throws ErrnoException {
    var owed = new ArrayList<Long>();
    try {
      long id = ROOT;
      int start = 0;
      while (start < path.length) {
        int end = start;
        while (end < path.length && path[end] != '/') {
          end++;
        }
        if (end > start) {
          id = files.lookup(id, Arrays.copyOfRange(path, start, end)).id();
          owed.add(id);
        }
        start = end + 1;
      }
      return operation.at(volume.inode(id));
    } finally {
      owed.forEach(each -> files.forget(each, 1));
    }
  }

  /**
   * Which tree an object is in.
   *
   * @param path plain or no-key names from the root, without a leading slash
   */
  public TreeState tree(byte[] path) throws ErrnoException {
    try (Use _ = use()) {
      return at(
          path,
          inode -> {
            Inode.Location location = inode.location;
            FscryptContext context = null;
            if (inode.isDirectory()) {
              context = policies.tree(inode).context();
            } else if (location != null) {
              context = policies.tree(location.parent()).context();
            }
            return context == null
                ? new TreeState(null, KeyStatus.ABSENT)
                : new TreeState(context.policy(), status(context.policy().masterKeyIdentifier()));
          });
    }
  }

  /**
   * Gives a policy to an empty directory. The same again is no error.
   *
   * @param user must own the directory and claim the key, unless it is 0
   * @throws ErrnoException EEXIST if it has another, ENOTEMPTY, ENOTDIR, EACCES if it is somebody
   *     else's, ENOKEY, EPERM for the root, EROFS
   */
  public void setPolicy(int user, byte[] path, FscryptPolicy policy) throws ErrnoException {
    volume.checkWritable();
    if (path.length == 0) {
      throw new ErrnoException(Errno.EPERM, "the root of a volume has no policy");
    }
    long stamp = keyChange.writeLock();
    try {
      at(
          path,
          inode -> {
            setPolicy(user, inode, policy);
            return true;
          });
    } finally {
      keyChange.unlockWrite(stamp);
    }
  }

  /**
   * {@link #setPolicy(int, byte[], FscryptPolicy)} with modes by their names.
   *
   * @throws ErrnoException also EINVAL for modes that there are not, or that do not go together
   */
  public void setPolicy(
      int user, byte[] path, String contents, String names, int padding, byte[] identifier)
      throws ErrnoException {
    FscryptPolicy policy;
    try {
      policy =
          new FscryptPolicy(
              ContentsMode.valueOf(contents),
              NamesMode.valueOf(names),
              padding,
              FscryptPolicy.DEFAULT_LOG2_DATA_UNIT_SIZE,
              identifier);
    } catch (IllegalArgumentException e) {
      throw new ErrnoException(Errno.EINVAL, e.getMessage());
    }
    setPolicy(user, path, policy);
  }

  /**
   * Can this store keep what the format needs?
   *
   * @throws ErrnoException EOPNOTSUPP if it has no user attributes; the message says so
   */
  public static void checkStore(Store store) throws ErrnoException {
    StoreDirectory root = store.root();
    try {
      root.setXattr(StoreDirectory.SELF, PROBE, new byte[] {1}, 0);
      root.removeXattr(StoreDirectory.SELF, PROBE);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.EOPNOTSUPP || e.errno() == Errno.ENOSYS) {
        throw new ErrnoException(
            Errno.EOPNOTSUPP,
            store.description()
                + " is on a filesystem without user extended attributes, where encryption contexts"
                + " and real sizes cannot be kept");
      }
      throw e;
    }
  }

  private static final byte[] PROBE =
      "user.fscrypt.probe".getBytes(java.nio.charset.StandardCharsets.US_ASCII);

  private void setPolicy(int user, Inode inode, FscryptPolicy policy) throws ErrnoException {
    if (!inode.isDirectory()) {
      throw new ErrnoException(Errno.ENOTDIR);
    }
    try (DirectoryCache.Ref directory = volume.cache.acquire(inode)) {
      if (user != 0 && directory.directory.status(StoreDirectory.SELF).uid() != user) {
        throw new ErrnoException(Errno.EACCES);
      }
      Tree tree = policies.tree(directory);
      if (tree.context() != null) {
        if (tree.context().policy().equals(policy)) {
          return;
        }
        throw new ErrnoException(Errno.EEXIST);
      }
      if (keys.find(policy) == null
          || (user != 0 && !keys.users(policy.masterKeyIdentifier()).contains(user))) {
        throw new ErrnoException(Errno.ENOKEY);
      }
      try (StoreListing listing = directory.directory.list()) {
        while (listing.next()) {
          byte[] name = listing.name();
          boolean dots =
              name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'));
          if (!dots && !(Names.isRoot(inode) && policies.isReservedInRoot(name))) {
            throw new ErrnoException(Errno.ENOTEMPTY);
          }
        }
      }
      FscryptContext context = FscryptContext.of(policy);
      // Not over one that another node gave it in that instant.
      directory.directory.setXattr(
          StoreDirectory.SELF,
          FscryptAttributes.CONTEXT,
          FscryptStoredAttributes.context(context),
          Flags.XATTR_CREATE);
      directory.directory.sync();
      DirectoryState state = Names.state(inode);
      state.tree = new Tree(context);
      state.codec = null;
    }
  }

  /**
   * Gives the root a policy, so that everything in the volume is encrypted, with a key that is no
   * secret; to test programs (the kernel's mount option test_dummy_encryption).
   *
   * @throws ErrnoException ENOTEMPTY if the root has entries and not this policy
   */
  public void encryptEverythingForTests() throws ErrnoException {
    volume.checkWritable();
    byte[] raw = new byte[FscryptMasterKey.MAX_BYTES];
    Arrays.fill(raw, (byte) 0x7e);
    byte[] identifier = unlock(0, raw);
    var policy =
        new FscryptPolicy(
            ContentsMode.AES_256_XTS,
            NamesMode.AES_256_CTS,
            TEST_PADDING,
            FscryptPolicy.DEFAULT_LOG2_DATA_UNIT_SIZE,
            identifier);
    long stamp = keyChange.writeLock();
    try {
      setPolicy(0, volume.table.root(), policy);
    } finally {
      keyChange.unlockWrite(stamp);
    }
  }

  private static final int TEST_PADDING = 32;

  @Override
  public boolean namesMayChange(long directory) {
    try {
      Inode inode = volume.inode(directory);
      return inode.isDirectory() && policies.isLocked(inode);
    } catch (ErrnoException e) {
      return true;
    }
  }

  @Override
  public boolean nameMayChange(long directory, Entry entry) {
    return namesMayChange(directory)
        || (!entry.status().isDirectory() && entry.status().links() >= InodeTable.MAX_LOCATIONS);
  }

  @Override
  public boolean takesWrites(long id) {
    try {
      return !(volume.inode(id).state instanceof FileState state
          && state.knownContents() instanceof UnitContents contents
          && !contents.isUsable());
    } catch (ErrnoException e) {
      return true;
    }
  }

  // Everything else: the filesystem, while no key comes or goes.

  @Override
  public Entry lookup(long parent, byte[] name) throws ErrnoException {
    try (Use _ = use()) {
      return files.lookup(parent, name);
    }
  }

  @Override
  public void forget(long id, long count) {
    files.forget(id, count);
  }

  @Override
  public FileStatus status(long id, long handle) throws ErrnoException {
    try (Use _ = use()) {
      return files.status(id, handle);
    }
  }

  @Override
  public FileStatus setAttributes(long id, long handle, AttributeChanges changes)
      throws ErrnoException {
    try (Use _ = use()) {
      return files.setAttributes(id, handle, changes);
    }
  }

  @Override
  public byte[] readLink(long id) throws ErrnoException {
    try (Use _ = use()) {
      return files.readLink(id);
    }
  }

  @Override
  public Entry symlink(long parent, byte[] name, byte[] target) throws ErrnoException {
    try (Use _ = use()) {
      return files.symlink(parent, name, target);
    }
  }

  @Override
  public Entry makeNode(long parent, byte[] name, int mode, long device) throws ErrnoException {
    try (Use _ = use()) {
      return files.makeNode(parent, name, mode, device);
    }
  }

  @Override
  public Entry makeDirectory(long parent, byte[] name, int mode) throws ErrnoException {
    try (Use _ = use()) {
      return files.makeDirectory(parent, name, mode);
    }
  }

  @Override
  public void unlink(long parent, byte[] name) throws ErrnoException {
    try (Use _ = use()) {
      files.unlink(parent, name);
    }
  }

  @Override
  public void removeDirectory(long parent, byte[] name) throws ErrnoException {
    try (Use _ = use()) {
      files.removeDirectory(parent, name);
    }
  }

  @Override
  public void rename(long parent, byte[] name, long newParent, byte[] newName, int flags)
      throws ErrnoException {
    try (Use _ = use()) {
      files.rename(parent, name, newParent, newName, flags);
    }
  }

  @Override
  public Entry link(long id, long newParent, byte[] newName) throws ErrnoException {
    try (Use _ = use()) {
      return files.link(id, newParent, newName);
    }
  }

  @Override
  public long open(long id, int flags) throws ErrnoException {
    try (Use _ = use()) {
      return files.open(id, flags);
    }
  }

  @Override
  public Created create(long parent, byte[] name, int flags, int mode) throws ErrnoException {
    try (Use _ = use()) {
      return files.create(parent, name, flags, mode);
    }
  }

  @Override
  public Created createTemporary(long parent, int flags, int mode) throws ErrnoException {
    try (Use _ = use()) {
      return files.createTemporary(parent, flags, mode);
    }
  }

  @Override
  public int read(long handle, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    return files.read(handle, offset, to, position, length);
  }

  @Override
  public int write(long handle, long offset, MemorySegment from, long position, int length)
      throws ErrnoException {
    return files.write(handle, offset, from, position, length);
  }

  @Override
  public void flush(long handle, long lockOwner) throws ErrnoException {
    files.flush(handle, lockOwner);
  }

  @Override
  public void sync(long handle, boolean dataOnly) throws ErrnoException {
    files.sync(handle, dataOnly);
  }

  @Override
  public void release(long handle) {
    files.release(handle);
  }

  @Override
  public void allocate(long handle, int mode, long offset, long length) throws ErrnoException {
    files.allocate(handle, mode, offset, length);
  }

  @Override
  public long seek(long handle, long offset, int whence) throws ErrnoException {
    return files.seek(handle, offset, whence);
  }

  @Override
  public long copyRange(long from, long fromOffset, long to, long toOffset, long length)
      throws ErrnoException {
    return files.copyRange(from, fromOffset, to, toOffset, length);
  }

  @Override
  public long openDirectory(long id) throws ErrnoException {
    try (Use _ = use()) {
      return files.openDirectory(id);
    }
  }

  @Override
  public void list(long handle, long cookie, boolean lookup, EntrySink sink) throws ErrnoException {
    try (Use _ = use()) {
      files.list(handle, cookie, lookup, sink);
    }
  }

  @Override
  public void syncDirectory(long handle) throws ErrnoException {
    files.syncDirectory(handle);
  }

  @Override
  public void releaseDirectory(long handle) {
    files.releaseDirectory(handle);
  }

  @Override
  public FilesystemStatus filesystemStatus(long id) throws ErrnoException {
    return files.filesystemStatus(id);
  }

  @Override
  public void access(long id, int mask) throws ErrnoException {
    files.access(id, mask);
  }

  @Override
  public byte[] getXattr(long id, byte[] name) throws ErrnoException {
    return files.getXattr(id, name);
  }

  @Override
  public void setXattr(long id, byte[] name, byte[] value, int flags) throws ErrnoException {
    try (Use _ = use()) {
      files.setXattr(id, name, value, flags);
    }
  }

  @Override
  public byte[] listXattrs(long id) throws ErrnoException {
    return files.listXattrs(id);
  }

  @Override
  public void removeXattr(long id, byte[] name) throws ErrnoException {
    try (Use _ = use()) {
      files.removeXattr(id, name);
    }
  }

  @Override
  public @Nullable FileLock testLock(
      long handle, long owner, LockType type, long start, long length) throws ErrnoException {
    return files.testLock(handle, owner, type, start, length);
  }

  @Override
  public boolean tryLock(long handle, long owner, LockType type, long start, long length)
      throws ErrnoException {
    return files.tryLock(handle, owner, type, start, length);
  }

  @Override
  public boolean tryFlock(long handle, LockType type) throws ErrnoException {
    return files.tryFlock(handle, type);
  }

  @Override
  public byte[] encryptPath(byte[] plain) throws ErrnoException {
    try (Use _ = use()) {
      return files.encryptPath(plain);
    }
  }

  @Override
  public byte[] decryptPath(byte[] stored) throws ErrnoException {
    try (Use _ = use()) {
      return files.decryptPath(stored);
    }
  }

  @Override
  public void close() {
    files.close();
    long stamp = keyChange.writeLock();
    try {
      for (KeyRing.Present each : keys.all()) {
        forgetDerived(each.identifier());
      }
      keys.close();
    } finally {
      keyChange.unlockWrite(stamp);
    }
  }
}
