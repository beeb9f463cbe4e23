package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.fscrypt.FscryptContext;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.format.fscrypt.FscryptNoKeyName;
import io.coffer.format.fscrypt.FscryptStoredAttributes;
import io.coffer.format.fscrypt.FscryptStoredName;
import io.coffer.format.fscrypt.FscryptSymlinks;
import io.coffer.keys.FscryptVolume;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import io.coffer.store.StoreListing;
import io.coffer.vfs.DirectoryState.Tree;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Trees with policies of fscrypt, beside trees without. A directory and a regular file have their
 * context in an attribute, a symbolic link within its target; special files have none.
 *
 * <p>A file never has a name without its context: it is made without a name (O_TMPFILE) or under a
 * temporary one. A directory has its context before its name where the store can rename without
 * replacing. Where it cannot, only mkdir(2) lets one node alone make a directory, and the context
 * comes after it: an empty directory without context, in a directory that has one, is one that is
 * just being made, or whose maker died. Whoever comes first gives it its context, with
 * XATTR_CREATE, and nobody puts anything into it before. So there is no lock, which a node might
 * not have, and nothing to repair.
 */
final class PolicyEncryption implements Encryption {
  private static final byte[] METADATA =
      FscryptVolume.FILE_NAME.getBytes(StandardCharsets.US_ASCII);

  private final Volume volume;
  private final KeyRing keys;
  private final Contents plainContents;
  private final LongNoKeyNames longNames = new LongNoKeyNames();

  PolicyEncryption(Volume volume, KeyRing keys, Contents plainContents) {
    this.volume = volume;
    this.keys = keys;
    this.plainContents = plainContents;
  }

  // Trees.

  /** The tree of a directory, read from its attribute at the first call. */
  Tree tree(DirectoryCache.Ref directory) throws ErrnoException {
    DirectoryState state = Names.state(directory.inode);
    Tree known = state.tree;
    if (known == null) {
      known = readTree(directory);
      state.tree = known;
    }
    return known;
  }

  Tree tree(Inode directory) throws ErrnoException {
    if (directory.state instanceof DirectoryState state && state.tree != null) {
      return state.tree;
    }
    try (DirectoryCache.Ref ref = volume.cache.acquire(directory)) {
      return tree(ref);
    }
  }

  private Tree readTree(DirectoryCache.Ref directory) throws ErrnoException {
    Inode inode = directory.inode;
    Inode.Location location = inode.location;
    Tree parent = location == null ? Tree.PLAIN : tree(location.parent());
    byte[] stored =
        FscryptAttributes.get(directory.directory, StoreDirectory.SELF, FscryptAttributes.CONTEXT);
    if (stored == null) {
      if (parent.context() == null) {
        return Tree.PLAIN;
      }
      stored = contextOfNew(directory.directory, parent.context());
      if (stored == null) {
        throw damaged(inode, "it has no encryption context, though its directory has one");
      }
    }
    Tree tree = new Tree(context(inode, stored, parent));
    if (parent.context() != null && !tree.isLike(parent)) {
      throw foreign(inode);
    }
    return tree;
  }

  /**
   * The context of a directory that had none just now; null if it has lost it.
   *
   * @param parent that of its directory
   */
  private byte @Nullable [] contextOfNew(StoreDirectory directory, FscryptContext parent)
      throws ErrnoException {
    boolean empty = isEmpty(directory);
    if (empty && !volume.options.readOnly()) {
      try {
        giveContext(directory, parent.child());
      } catch (ErrnoException e) {
        if (e.errno() != Errno.EACCES && e.errno() != Errno.EPERM && e.errno() != Errno.EROFS) {
          throw e;
        }
        // Its maker may.
      }
    }
    byte[] stored;
    int looks = 0;
    do {
      stored = FscryptAttributes.get(directory, StoreDirectory.SELF, FscryptAttributes.CONTEXT);
    } while (stored == null && empty && Names.pauseForContext(++looks));
    return stored;
  }

  private boolean isEmpty(StoreDirectory directory) throws ErrnoException {
    try (StoreListing listing = volume.cache.withDescriptors(directory::list)) {
      while (listing.next()) {
        byte[] name = listing.name();
        if (name[0] != '.' || (name.length > 1 && (name[1] != '.' || name.length > 2))) {
          return false;
        }
      }
      return true;
    }
  }

  /** Unless somebody else has given it one. */
  private static void giveContext(StoreDirectory directory, FscryptContext context)
      throws ErrnoException {
    try {
      directory.setXattr(
          StoreDirectory.SELF,
          FscryptAttributes.CONTEXT,
          FscryptStoredAttributes.context(context),
          Flags.XATTR_CREATE);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EEXIST) {
        throw e;
      }
    }
  }

  private FscryptContext context(Inode inode, byte[] stored, Tree parent) throws ErrnoException {
    try {
      return FscryptStoredAttributes.context(stored, parent.context());
    } catch (FormatException e) {
      throw damaged(inode, String.valueOf(e.getMessage()));
    }
  }

  private ErrnoException damaged(Inode inode, String fault) {
    if (volume.damage.first(inode, DamageLog.CONTEXT)) {
      volume.damage.write(volume.pathForMessages(inode) + ": " + fault);
    }
    return new ErrnoException(Errno.EIO);
  }

  private ErrnoException foreign(Inode inode) {
    if (volume.damage.first(inode, DamageLog.CONTEXT)) {
      volume.damage.write(
          volume.pathForMessages(inode) + ": its policy is not that of its directory");
    }
    return new ErrnoException(Errno.EPERM);
  }

  /** The tree that an object has its name from. */
  private Tree parentTree(Inode inode) throws ErrnoException {
    Inode.Location location = inode.location;
    return location == null ? Tree.PLAIN : tree(location.parent());
  }

  private boolean isLocked(Tree tree) {
    FscryptContext context = tree.context();
    return context != null && keys.find(context.policy()) == null;
  }

  /** Is the key of a directory not there, so that its names are shown in their no-key form? */
  boolean isLocked(Inode directory) throws ErrnoException {
    return isLocked(tree(directory));
  }

  private FscryptMasterKey key(FscryptContext context) throws ErrnoException {
    FscryptMasterKey key = keys.find(context.policy());
    if (key == null) {
      throw new ErrnoException(Errno.ENOKEY);
    }
    return key;
  }

  // Names.

  @Override
  public byte @Nullable [] directoryContextName() {
    return null;
  }

  @Override
  public boolean isReservedInRoot(byte[] storedName) {
    return Arrays.equals(storedName, METADATA) || isMetadataBeingWritten(storedName);
  }

  private static boolean isMetadataBeingWritten(byte[] name) {
    return name.length > METADATA.length
        && name[METADATA.length] == '.'
        && Arrays.equals(name, 0, METADATA.length, METADATA, 0, METADATA.length);
  }

  @Override
  public boolean isForbiddenInRoot(byte[] plainName) {
    return isReservedInRoot(plainName);
  }

  @Override
  public boolean isHiddenAttribute(byte[] name) {
    return FscryptStoredAttributes.isOne(name);
  }

  @Override
  public NameCodec names(DirectoryCache.Ref directory) throws ErrnoException {
    FscryptContext context = tree(directory).context();
    if (context == null) {
      return PlainTreeNames.INSTANCE;
    }
    FscryptMasterKey key = keys.find(context.policy());
    if (key == null) {
      return new LockedNames(new LockedDirectory(directory));
    }
    DirectoryState state = Names.state(directory.inode);
    NameCodec codec = state.codec;
    if (codec == null) {
      synchronized (state) {
        codec = state.codec;
        if (codec == null) {
          codec = key.names(context);
          state.codec = codec;
        }
      }
    }
    return codec;
  }

  /** Where the entries of a locked directory with long names are found. */
  private final class LockedDirectory implements LockedNames.Directory {
    private final DirectoryCache.Ref directory;

    LockedDirectory(DirectoryCache.Ref directory) {
      this.directory = directory;
    }

    @Override
    public LockedNames.@Nullable Found find(LockedNames.Filter filter) throws ErrnoException {
      return PolicyEncryption.this.find(directory.directory, filter);
    }

    @Override
    public void shown(FscryptNoKeyName name, byte[] end) {
      longNames.remember(directory.inode, name, end);
    }

    @Override
    public LockedNames.@Nullable Found recall(FscryptNoKeyName name, byte[] beginning)
        throws ErrnoException {
      byte[] end = longNames.end(directory.inode, name);
      if (end == null) {
        return null;
      }
      byte[] stored = Arrays.copyOf(beginning, beginning.length + end.length);
      System.arraycopy(end, 0, stored, beginning.length, end.length);
      try {
        byte[] ciphertext =
            volume.names.readSmallFile(directory.directory, FscryptStoredName.sidecarOf(stored));
        return name.matches(ciphertext) ? new LockedNames.Found(stored, ciphertext) : null;
      } catch (ErrnoException e) {
        if (e.errno() == Errno.ENOENT) {
          return null;
        }
        throw e;
      }
    }
  }

  private LockedNames.@Nullable Found find(StoreDirectory directory, LockedNames.Filter filter)
      throws ErrnoException {
    var kinds = new LockedNames(_ -> null);
    try (StoreListing listing = volume.cache.withDescriptors(directory::list)) {
      while (listing.next()) {
        byte[] name = listing.name();
        if (filter.mayBe(name)) {
          byte[] ciphertext = volume.names.readSmallFile(directory, kinds.sidecarOf(name));
          if (filter.is(ciphertext)) {
            return new LockedNames.Found(name, ciphertext);
          }
        }
      }
    }
    return null;
  }

  @Override
  public NameCodec kinds(StoreDirectory directory, NameCodec parentCodec) throws ErrnoException {
    byte[] context =
        FscryptAttributes.get(directory, StoreDirectory.SELF, FscryptAttributes.CONTEXT);
    return context == null ? PlainTreeNames.INSTANCE : new LockedNames(_ -> null);
  }

  @Override
  public void checkAddition(DirectoryCache.Ref directory) throws ErrnoException {
    Tree tree = tree(directory);
    if (tree.context() == null) {
      // Another node may have given it a policy, while it was empty.
      tree = readTree(directory);
      Names.state(directory.inode).tree = tree;
    }
    if (isLocked(tree)) {
      throw new ErrnoException(Errno.ENOKEY);
    }
  }

  @Override
  public void checkChange(Inode inode) throws ErrnoException {
    if (inode.state instanceof FileState open
        && open.knownContents() instanceof UnitContents contents
        && contents.isUsable()) {
      return; // locked or not, it is open with a key of its own
    }
    if (isLocked(inode.isDirectory() ? tree(inode) : parentTree(inode))) {
      throw new ErrnoException(Errno.ENOKEY);
    }
  }

  @Override
  public void checkMove(DirectoryCache.Ref from, byte[] storedName, DirectoryCache.Ref to)
      throws ErrnoException {
    Tree target = tree(to);
    if (tree(from).isLike(target)) {
      return;
    }
    FileStatus status = from.directory.status(storedName);
    boolean ownContext = status.isRegular() || status.isDirectory();
    byte[] stored =
        ownContext
            ? FscryptAttributes.get(from.directory, storedName, FscryptAttributes.CONTEXT)
            : null;
    // Into a tree without policy nothing encrypted is moved: it would lose its tree's protection.
    if (target.context() == null || !isLike(stored, target)) {
      throw new ErrnoException(Errno.EXDEV);
    }
  }

  private static boolean isLike(byte @Nullable [] stored, Tree tree) {
    try {
      return stored == null
          ? tree.context() == null
          : new Tree(FscryptStoredAttributes.context(stored)).isLike(tree);
    } catch (FormatException e) {
      return false;
    }
  }

  @Override
  public void checkLink(Inode inode, DirectoryCache.Ref to) throws ErrnoException {
    Tree target = tree(to);
    boolean same;
    if (inode.isRegular()) {
      byte[][] stored = volume.withOpenHandle(inode, file -> one(contextOf(file)));
      if (stored == null) {
        stored =
            volume.locator.findChecked(
                inode,
                (directory, name) ->
                    one(FscryptAttributes.get(directory, name, FscryptAttributes.CONTEXT)));
      }
      same = isLike(stored.length == 0 ? null : stored[0], target);
    } else {
      same = parentTree(inode).isLike(target);
    }
    if (!same) {
      throw new ErrnoException(Errno.EXDEV);
    }
  }

  private static byte[][] one(byte @Nullable [] value) {
    return value == null ? new byte[][] {} : new byte[][] {value};
  }

  private static byte @Nullable [] contextOf(StoreFile file) throws ErrnoException {
    return FscryptAttributes.get(file, FscryptAttributes.CONTEXT);
  }

  // Making.

  @Override
  public boolean givesContext(DirectoryCache.Ref parent) throws ErrnoException {
    return tree(parent).context() != null;
  }

  @Override
  public void writeContext(DirectoryCache.Ref parent, StoreDirectory made) throws ErrnoException {
    FscryptContext context = tree(parent).context();
    if (context != null) {
      giveContext(made, context.child());
    }
  }

  @Override
  public Made create(DirectoryCache.Ref directory, byte[] storedName, int flags, int mode)
      throws ErrnoException {
    FscryptContext context = tree(directory).context();
    StoreDirectory at = directory.directory;
    if (context == null) {
      return new Made(
          volume.cache.withDescriptors(() -> at.openFile(storedName, flags, mode)), null);
    }
    FscryptContext child = context.child();
    while (true) {
      ErrnoException refused;
      try {
        return new Made(make(at, storedName, child, mode), child);
      } catch (ErrnoException e) {
        refused = e;
      }
      if ((flags & Flags.O_EXCL) != 0) {
        throw refused;
      }
      // Seldom: the kernel has looked before. What is there can be opened where none can be made.
      try {
        int existing = flags & ~Flags.O_CREAT;
        return new Made(
            volume.cache.withDescriptors(() -> at.openFile(storedName, existing, 0)), null);
      } catch (ErrnoException e) {
        if (e.errno() != Errno.ENOENT) {
          throw e;
        }
        if (refused.errno() != Errno.EEXIST) {
          throw refused;
        }
        // Somebody else removed it in that instant.
      }
    }
  }

  /**
   * Makes a file; EEXIST if there is one of that name.
   *
   * @param context the file's own
   */
  private StoreFile make(StoreDirectory at, byte[] name, FscryptContext context, int mode)
      throws ErrnoException {
    StoreFile file;
    try {
      file = withAttributes(openTemporary(at, mode), context, mode);
    } catch (ErrnoException e) {
      if (!hasNoTemporaries(e)) {
        throw e;
      }
      return makeAside(at, name, context, mode);
    }
    boolean named = false;
    try {
      file.linkInto(at, name);
      named = true;
      return file;
    } finally {
      if (!named) {
        file.close();
      }
    }
  }

  private StoreFile openTemporary(StoreDirectory at, int mode) throws ErrnoException {
    return volume.cache.withDescriptors(() -> at.openTemporary(Flags.O_RDWR, mode | 0600));
  }

  /** Kernels before O_TMPFILE took it for the opening of a directory; some stores lack it. */
  private static boolean hasNoTemporaries(ErrnoException e) {
    return e.errno() == Errno.EOPNOTSUPP
        || e.errno() == Errno.EISDIR
        || e.errno() == Errno.ENOSYS
        || e.errno() == Errno.EINVAL;
  }

  private StoreFile makeAside(StoreDirectory at, byte[] name, FscryptContext context, int mode)
      throws ErrnoException {
    byte[] temporary = FscryptStoredName.newTemporary();
    int flags = Flags.O_RDWR | Flags.O_CREAT | Flags.O_EXCL;
    StoreFile file = volume.cache.withDescriptors(() -> at.openFile(temporary, flags, mode | 0600));
    boolean done = false;
    try {
      withAttributes(file, context, mode);
      giveName(at, temporary, name);
      done = true;
      return file;
    } finally {
      if (!done) {
        file.close();
        try {
          at.unlink(temporary);
        } catch (ErrnoException e) {
          // Left under its temporary name, which nobody sees.
        }
      }
    }
  }

  /**
   * By a link, which replaces nothing: a store that lacks O_TMPFILE mostly lacks RENAME_NOREPLACE,
   * too, and renaming replaces what another node has made in that instant.
   */
  private static void giveName(StoreDirectory at, byte[] temporary, byte[] name)
      throws ErrnoException {
    try {
      at.link(temporary, at, name);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EPERM && e.errno() != Errno.EOPNOTSUPP && e.errno() != Errno.ENOSYS) {
        throw e;
      }
      at.renameNew(temporary, at, name); // a store without hard links
      return;
    }
    try {
      at.unlink(temporary);
    } catch (ErrnoException e) {
      // Left under its temporary name, which nobody sees.
    }
  }

  /** Gives a new file what it must have before it has a name. */
  private static StoreFile withAttributes(StoreFile file, FscryptContext context, int mode)
      throws ErrnoException {
    boolean done = false;
    try {
      file.setXattr(FscryptAttributes.CONTEXT, FscryptStoredAttributes.context(context), 0);
      file.setXattr(FscryptAttributes.SIZE, FscryptStoredAttributes.size(0), 0);
      if ((mode & 0600) != 0600) {
        // Everything else is as the store made it: an inherited group, an inherited ACL.
        int actual = file.status().mode() & Flags.PERMISSIONS;
        file.changeMode((actual & ~0600) | (mode & 0600));
      }
      done = true;
      return file;
    } finally {
      if (!done) {
        file.close();
      }
    }
  }

  @Override
  public Made createTemporary(DirectoryCache.Ref directory, int flags, int mode)
      throws ErrnoException {
    FscryptContext context = tree(directory).context();
    if (context == null) {
      return new Made(
          volume.cache.withDescriptors(() -> directory.directory.openTemporary(flags, mode)), null);
    }
    StoreFile file =
        volume.cache.withDescriptors(() -> directory.directory.openTemporary(flags, mode | 0600));
    FscryptContext child = context.child();
    return new Made(withAttributes(file, child, mode), child);
  }

  // Symbolic links.

  @Override
  public byte[] sealTarget(DirectoryCache.Ref directory, byte[] target) throws ErrnoException {
    FscryptContext context = tree(directory).context();
    if (context == null) {
      return target;
    }
    try (FscryptSymlinks link = key(context).symlink(context.child())) {
      return link.encode(target);
    } catch (FormatException e) {
      throw new ErrnoException(Errno.ENAMETOOLONG, e.getMessage());
    }
  }

  @Override
  public byte[] openTarget(Inode link, byte[] stored) throws FormatException, ErrnoException {
    Tree tree = parentTree(link);
    if (tree.context() == null) {
      return stored;
    }
    FscryptSymlinks.Stored parsed = FscryptSymlinks.parse(stored);
    if (!new Tree(parsed.context()).isLike(tree)) {
      throw foreign(link);
    }
    FscryptMasterKey key = keys.find(parsed.context().policy());
    if (key == null) {
      return parsed.noKeyTarget();
    }
    try (FscryptSymlinks opened = key.symlink(parsed.context())) {
      return opened.decrypt(parsed.target());
    }
  }

  // Files.

  @Override
  public long plainSize(FileStatus stored, AttributeReader attributes) throws ErrnoException {
    if (stored.size() == 0) {
      return 0; // a file is never longer than what is stored of it
    }
    long size = FscryptStoredAttributes.size(attributes.get(FscryptAttributes.SIZE));
    return size < 0 ? stored.size() : size;
  }

  @Override
  public FileContents contents(FileState state, StoreFile file) throws ErrnoException {
    Inode inode = state.inode;
    Tree parent = parentTree(inode);
    byte[] stored = contextOf(file);
    if (stored == null) {
      if (isLocked(parent)) {
        throw new ErrnoException(Errno.ENOKEY);
      }
      if (parent.context() != null) {
        throw damaged(inode, "it has no encryption context, though its directory has one");
      }
      return plainContents;
    }
    FscryptContext context = context(inode, stored, parent);
    if (parent.context() != null && !new Tree(context).isLike(parent)) {
      throw foreign(inode);
    }
    FscryptMasterKey key = key(context);
    synchronized (state) {
      UnitContents before = state.knownContents() instanceof UnitContents known ? known : null;
      if (before != null && before.isUsable() && before.context().equals(context)) {
        before.check(file);
        return before;
      }
      UnitContents fresh = unitContents(inode, context, key, before);
      boolean sound = false;
      try {
        if (before == null) {
          fresh.checkFirst(file);
        } else {
          fresh.check(file);
        }
        sound = true;
        // At once, so that nobody makes another whose size is not the one that is written.
        state.setContents(fresh);
        return fresh;
      } finally {
        if (!sound) {
          fresh.close();
        }
      }
    }
  }

  private UnitContents unitContents(
      Inode inode, FscryptContext context, FscryptMasterKey key, @Nullable UnitContents before) {
    return new UnitContents(
        context,
        key.contents(context),
        before,
        volume.options.shared(),
        (place, fault) -> tell(inode, place, fault));
  }

  @Override
  public FileContents contents(FileState state, Made made, boolean untouched)
      throws ErrnoException {
    FscryptContext context = made.context();
    if (context != null) {
      FscryptMasterKey key = key(context);
      synchronized (state) {
        if (state.knownContents() == null) {
          UnitContents fresh = unitContents(state.inode, context, key, null);
          if (untouched) {
            fresh.isNew();
          }
          state.setContents(fresh);
          return fresh;
        }
      }
    }
    return contents(state, made.file());
  }

  private void tell(Inode inode, long place, String fault) {
    if (volume.damage.first(inode, place)) {
      volume.damage.write("file " + volume.pathForMessages(inode) + ": " + fault);
    }
  }
}
