package io.coffer.vfs;

import io.coffer.format.ContentLayout;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.EntryKind;
import io.coffer.format.NameCodec.StoredName;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.ReverseView;
import io.coffer.format.gocryptfs.ReverseView.SealedFile;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Timestamp;
import io.coffer.store.FileLock;
import io.coffer.store.LockType;
import io.coffer.store.Store;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import io.coffer.store.StoreListing;
import io.coffer.vfs.ReverseNode.Kind;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A plain tree shown as the encrypted volume that it would be: for backups to a place that is not
 * trusted, by any tool that reads files. Read-only, every change is EROFS. The same tree always
 * gives the same bytes, so that a second backup copies only what changed.
 *
 * <p>Everything comes from the encrypted path (see {@link ReverseView}); hard links show what the
 * path gives that was opened first, or they would differ from each other. The tree is looked at
 * afresh for every request, component by component from its root, and symbolic links are not
 * followed.
 *
 * <p>Unlike other filesystems here, each hard link has an id of its own; their inode numbers agree.
 */
public final class ReverseFilesystem implements VirtualFilesystem, PathTranslator {
  private static final byte[] CONFIG_NAME = ascii(GocryptfsConfig.FILE_NAME);
  private static final byte[] PLAIN_CONFIG_NAME = ascii(GocryptfsConfig.REVERSE_FILE_NAME);
  private static final byte[] NOTHING = {};

  /** Mode of files that are not in the plain tree. */
  private static final int VIRTUAL_MODE = FileStatus.TYPE_REGULAR | 0444;

  /**
   * Files that are not in the plain tree are this much younger than what they belong to, so that
   * tools which go by times notice when a name or directory is another one now.
   */
  private static final long VIRTUAL_AGE_SECONDS = 10;

  private static final int XATTR_NAME_MAX = 255;
  private static final int PATH_MAX = 4096;

  /** Mount flag ST_RDONLY of statvfs(3). */
  private static final int READ_ONLY = 1;

  private static final ThreadLocal<Buffers> BUFFERS = ThreadLocal.withInitial(Buffers::new);

  private final Store store;
  private final GocryptfsFormat format;
  private final ReverseView view;
  private final ContentLayout layout;
  private final ReverseOptions options;
  private final byte @Nullable [] contextName;
  private final ReverseNode root;

  private final AtomicLong nextId = new AtomicLong(ROOT + 1);
  private final AtomicLong nextHandle = new AtomicLong(1);
  private final Map<Long, ReverseNode> nodes = new ConcurrentHashMap<>();
  private final Map<Long, Handle> handles = new ConcurrentHashMap<>();

  /** Encrypted path whose ciphertext all hard links of a file share. */
  private final Map<FileKey, byte[]> pathOfLinkedFile = new ConcurrentHashMap<>();

  private record FileKey(long device, long inode, @Nullable Timestamp born) {}

  /** An entry of a listing. */
  private record Listed(byte[] name, long inode, int type) {}

  private sealed interface Handle permits FileHandle, VirtualHandle, DirectoryHandle {
    ReverseNode node();
  }

  private record FileHandle(ReverseNode node, StoreFile file, SealedFile sealed)
      implements Handle {}

  private record VirtualHandle(ReverseNode node, byte[] content) implements Handle {}

  private static final class DirectoryHandle implements Handle {
    private final ReverseNode node;
    private @Nullable List<Listed> entries;

    DirectoryHandle(ReverseNode node) {
      this.node = node;
    }

    @Override
    public ReverseNode node() {
      return node;
    }
  }

  /** An open directory of the plain tree; the root's handle belongs to the store. */
  private record Opened(StoreDirectory directory, boolean owned) implements AutoCloseable {
    @Override
    public void close() {
      if (owned) {
        directory.close();
      }
    }
  }

  /** A thread's native memory for plain and sealed blocks. */
  private static final class Buffers {
    private MemorySegment plain = MemorySegment.NULL;
    private MemorySegment sealed = MemorySegment.NULL;

    void reserve(long plainBytes, long sealedBytes) {
      if (plain.byteSize() < plainBytes) {
        plain = Arena.ofAuto().allocate(plainBytes, 4096);
      }
      if (sealed.byteSize() < sealedBytes) {
        sealed = Arena.ofAuto().allocate(sealedBytes, 4096);
      }
    }
  }

  /**
   * Shows the tree of a store.
   *
   * @param format of a volume with AES-SIV; whoever made it closes it, after this
   */
  public ReverseFilesystem(Store store, GocryptfsFormat format, ReverseOptions options)
      throws ErrnoException {
    this.store = store;
    this.format = format;
    this.options = options;
    view = format.reverseView();
    layout = format.layout();
    contextName = format.directoryContextName();
    FileStatus status = store.root().status(StoreDirectory.SELF);
    root =
        new ReverseNode(
            ROOT,
            Kind.PLAIN,
            null,
            NOTHING,
            NOTHING,
            status.device(),
            status.inode(),
            status.type(),
            NOTHING);
    root.lookups = 1;
    nodes.put(ROOT, root);
  }

  // Nodes.

  private ReverseNode node(long id) throws ErrnoException {
    ReverseNode node = nodes.get(id);
    if (node == null) {
      throw new ErrnoException(Errno.ESTALE);
    }
    return node;
  }

  @Override
  public Entry lookup(long parent, byte[] name) throws ErrnoException {
    ReverseNode directory = node(parent);
    requireDirectory(directory);
    if (contextName != null && Arrays.equals(name, contextName)) {
      byte[] content = view.directoryContext(directory.storedPath());
      return enter(directory, Kind.CONTEXT, name, NOTHING, content, contextStatus(directory));
    }
    if (isOtherFilesystem(directory)) {
      throw new ErrnoException(Errno.ENOENT);
    }
    NameCodec names = names(directory);
    try (Opened opened = open(directory)) {
      if (isShownConfig(directory, name)) {
        FileStatus status = opened.directory.status(PLAIN_CONFIG_NAME);
        return enter(directory, Kind.CONFIG, name, PLAIN_CONFIG_NAME, NOTHING, status);
      }
      return switch (names.kindOf(name)) {
        case INTERNAL -> lookupSidecar(directory, opened.directory, names, name);
        case LONG -> {
          byte[] plain = findLong(opened.directory, names, name).name();
          yield lookupPlain(directory, opened.directory, name, plain);
        }
        case PLAIN -> lookupPlain(directory, opened.directory, name, decode(names, name));
      };
    }
  }

  private Entry lookupPlain(
      ReverseNode parent, StoreDirectory directory, byte[] stored, byte[] plain)
      throws ErrnoException {
    if (isHiddenConfig(parent, plain)) {
      throw new ErrnoException(Errno.ENOENT);
    }
    FileStatus status = directory.status(plain);
    if (isExcluded(parent, plain, status.isDirectory())) {
      throw new ErrnoException(Errno.ENOENT);
    }
    ReverseNode node = remember(parent, Kind.PLAIN, stored, plain, NOTHING, status);
    return new Entry(node.id, 0, shown(status, directory, plain));
  }

  private Entry lookupSidecar(
      ReverseNode parent, StoreDirectory directory, NameCodec names, byte[] stored)
      throws ErrnoException {
    String text = new String(stored, StandardCharsets.ISO_8859_1);
    String suffix = ".name";
    if (!text.endsWith(suffix)) {
      throw new ErrnoException(Errno.ENOENT);
    }
    byte[] longName = Arrays.copyOf(stored, stored.length - suffix.length());
    if (names.kindOf(longName) != EntryKind.LONG) {
      throw new ErrnoException(Errno.ENOENT);
    }
    PlainEntry found = findLong(directory, names, longName);
    FileStatus status = directory.status(found.name());
    if (isExcluded(parent, found.name(), status.isDirectory())) {
      throw new ErrnoException(Errno.ENOENT);
    }
    return enter(parent, Kind.SIDECAR, stored, found.name(), found.sidecar(), status);
  }

  /** Enters a file that is not in the plain tree, or the configuration. */
  private Entry enter(
      ReverseNode parent,
      Kind kind,
      byte[] stored,
      byte[] plain,
      byte[] content,
      FileStatus origin) {
    ReverseNode node = remember(parent, kind, stored, plain, content, origin);
    FileStatus status = kind == Kind.CONFIG ? origin : virtualStatus(origin, node);
    return new Entry(node.id, 0, status);
  }

  private synchronized ReverseNode remember(
      ReverseNode parent,
      Kind kind,
      byte[] stored,
      byte[] plain,
      byte[] content,
      FileStatus status) {
    String key = ReverseNode.key(stored);
    ReverseNode known = parent.children.get(key);
    if (known != null
        && known.kind == kind
        && known.device == status.device()
        && known.inode == status.inode()
        && known.type == status.type()
        && Arrays.equals(known.content, content)) {
      known.lookups++;
      return known;
    }
    ReverseNode node =
        new ReverseNode(
            nextId.getAndIncrement(),
            kind,
            parent,
            stored,
            plain,
            status.device(),
            status.inode(),
            status.type(),
            content);
    node.lookups = 1;
    parent.children.put(key, node);
    parent.references++; // is kept while a child is known
    nodes.put(node.id, node);
    return node;
  }

  @Override
  public synchronized void forget(long id, long count) {
    ReverseNode node = nodes.get(id);
    if (node != null && node != root) {
      node.lookups = Math.max(0, node.lookups - count);
      dropUnused(node);
    }
  }

  private synchronized void hold(ReverseNode node) {
    node.references++;
  }

  private synchronized void letGo(ReverseNode node) {
    node.references--;
    dropUnused(node);
  }

  /** Removes a node that nobody needs, and those above it that were kept for it alone. */
  private void dropUnused(ReverseNode node) {
    ReverseNode each = node;
    while (each != root && each.lookups == 0 && each.references == 0) {
      ReverseNode parent = each.parent;
      if (parent == null || !nodes.remove(each.id, each)) {
        return;
      }
      parent.children.remove(ReverseNode.key(each.storedName), each);
      parent.references--;
      each = parent;
    }
  }

  // The plain tree.

  private Opened open(ReverseNode directory) throws ErrnoException {
    return open(directory.fromRoot().stream().map(each -> each.plainName).toList());
  }

  /** Opens a directory of the plain tree, component by component. */
  private Opened open(List<byte[]> names) throws ErrnoException {
    Opened current = new Opened(store.root(), false);
    for (byte[] name : names) {
      StoreDirectory next;
      try (Opened above = current) {
        next = above.directory.openDirectory(name);
      }
      current = new Opened(next, true);
    }
    return current;
  }

  /** Opens the directory in which a node's plain entry is. */
  private Opened openParent(ReverseNode node) throws ErrnoException {
    ReverseNode parent = node.parent;
    return parent == null ? new Opened(store.root(), false) : open(parent);
  }

  /** Name of a node's plain entry in the directory that {@link #openParent} opens. */
  private static byte[] entryName(ReverseNode node) {
    return node.parent == null ? StoreDirectory.SELF : node.plainName;
  }

  private NameCodec names(ReverseNode directory) {
    return view.names(directory.storedPath());
  }

  private static byte[] decode(NameCodec names, byte[] stored) throws ErrnoException {
    try {
      return names.decode(stored);
    } catch (FormatException e) {
      throw new ErrnoException(Errno.ENOENT);
    }
  }

  private record PlainEntry(byte[] name, byte[] sidecar) {}

  /** The plain entry whose hashed name is given. */
  private static PlainEntry findLong(StoreDirectory directory, NameCodec names, byte[] longName)
      throws ErrnoException {
    try (StoreListing listing = directory.list()) {
      while (listing.next()) {
        byte[] plain = listing.name();
        if (isDots(plain)) {
          continue;
        }
        StoredName stored = encode(names, plain);
        if (stored != null && stored.isLong() && Arrays.equals(stored.name(), longName)) {
          byte[] sidecar = stored.sidecarContent();
          return new PlainEntry(plain, sidecar == null ? NOTHING : sidecar);
        }
      }
    }
    throw new ErrnoException(Errno.ENOENT);
  }

  private static @Nullable StoredName encode(NameCodec names, byte[] plain) {
    try {
      return names.encode(plain);
    } catch (FormatException e) {
      return null;
    }
  }

  private boolean isExcluded(ReverseNode parent, byte[] plain, boolean directory) {
    if (options.exclude().isEmpty()) {
      return false;
    }
    return options.exclude().excludes(append(parent.plainPath(), plain), directory);
  }

  private boolean isOtherFilesystem(ReverseNode directory) {
    return options.oneFilesystem() && directory.device != root.device;
  }

  /** Is this stored name that of the volume's configuration? */
  private boolean isShownConfig(ReverseNode directory, byte[] stored) {
    return directory == root && options.configInTree() && Arrays.equals(stored, CONFIG_NAME);
  }

  /**
   * Is this plain entry not to be seen as an ordinary one: the configuration, which has its own
   * name in the view, or (where names are plain) what would have that name?
   */
  private boolean isHiddenConfig(ReverseNode directory, byte[] plain) {
    return directory == root
        && options.configInTree()
        && (Arrays.equals(plain, PLAIN_CONFIG_NAME) || format.isForbiddenInRoot(plain));
  }

  private static boolean isDots(byte[] name) {
    return name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'));
  }

  private static void requireDirectory(ReverseNode node) throws ErrnoException {
    if (node.kind != Kind.PLAIN || node.type != FileStatus.TYPE_DIRECTORY) {
      throw new ErrnoException(Errno.ENOTDIR);
    }
  }

  // Status.

  @Override
  public FileStatus status(long id, long handle) throws ErrnoException {
    ReverseNode node = node(id);
    if (handle != 0 && handles.get(handle) instanceof FileHandle open && open.node == node) {
      FileStatus status = open.file.status();
      return node.kind == Kind.CONFIG ? status : status.withSize(layout.storedSize(status.size()));
    }
    try (Opened opened = openParent(node)) {
      return switch (node.kind) {
        case PLAIN -> {
          byte[] name = entryName(node);
          yield shown(opened.directory.status(name), opened.directory, name);
        }
        case CONFIG -> opened.directory.status(node.plainName);
        case SIDECAR -> virtualStatus(opened.directory.status(node.plainName), node);
        case CONTEXT -> virtualStatus(opened.directory.status(StoreDirectory.SELF), node);
      };
    }
  }

  private FileStatus contextStatus(ReverseNode directory) throws ErrnoException {
    try (Opened opened = open(directory)) {
      return opened.directory.status(StoreDirectory.SELF);
    }
  }

  /** A plain entry's status with the size of its encrypted form. */
  private FileStatus shown(FileStatus status, StoreDirectory directory, byte[] name)
      throws ErrnoException {
    if (status.isRegular()) {
      return status.withSize(layout.storedSize(status.size()));
    }
    if (status.isSymlink()) {
      // Some filesystems do not tell the length of a target.
      long length = status.size() > 0 ? status.size() : directory.readLink(name).length;
      return status.withSize(view.sealedSymlinkBytes(length));
    }
    return status;
  }

  private static FileStatus virtualStatus(FileStatus origin, ReverseNode node) {
    return new FileStatus(
        origin.device(),
        virtualInode(origin.inode(), node.kind, node.storedName),
        VIRTUAL_MODE,
        1,
        origin.uid(),
        origin.gid(),
        0,
        node.content.length,
        (node.content.length + 511) / 512,
        origin.blockBytes(),
        origin.accessed(),
        later(origin.modified()),
        later(origin.changed()),
        origin.born());
  }

  private static Timestamp later(Timestamp time) {
    return new Timestamp(time.seconds() + VIRTUAL_AGE_SECONDS, time.nanos());
  }

  /**
   * A number for a file that is not in the plain tree: far from those of real files, and always the
   * same.
   */
  private static long virtualInode(long inode, Kind kind, byte[] storedName) {
    // Hard links may have different long names.
    long name = kind == Kind.SIDECAR ? Arrays.hashCode(storedName) : 0;
    long mixed = (inode * 31 + name) * 0x9E3779B97F4A7C15L;
    return (mixed ^ (mixed >>> 29)) | Long.MIN_VALUE;
  }

  @Override
  public byte[] readLink(long id) throws ErrnoException {
    ReverseNode node = node(id);
    if (node.kind != Kind.PLAIN || node.type != FileStatus.TYPE_SYMLINK) {
      throw new ErrnoException(Errno.EINVAL);
    }
    try (Opened opened = openParent(node)) {
      byte[] target = opened.directory.readLink(entryName(node));
      byte[] sealed = view.sealSymlink(node.storedPath(), target);
      if (sealed.length >= PATH_MAX) {
        throw new ErrnoException(Errno.ENAMETOOLONG);
      }
      return sealed;
    }
  }

  // Files.

  @Override
  public long open(long id, int flags) throws ErrnoException {
    ReverseNode node = node(id);
    if ((flags & Flags.O_ACCMODE) != Flags.O_RDONLY || (flags & Flags.O_TRUNC) != 0) {
      throw readOnly();
    }
    if (node.type == FileStatus.TYPE_DIRECTORY && node.kind == Kind.PLAIN) {
      throw new ErrnoException(Errno.EISDIR);
    }
    Handle handle =
        switch (node.kind) {
          case PLAIN, CONFIG -> openPlain(node);
          case CONTEXT, SIDECAR -> new VirtualHandle(node, node.content);
        };
    hold(node);
    long number = nextHandle.getAndIncrement();
    handles.put(number, handle);
    return number;
  }

  private FileHandle openPlain(ReverseNode node) throws ErrnoException {
    try (Opened opened = openParent(node)) {
      StoreFile file = opened.directory.openFile(node.plainName, Flags.O_RDONLY, 0);
      try {
        return new FileHandle(node, file, view.file(sealingPath(node, file.status())));
      } catch (ErrnoException | RuntimeException e) {
        file.close();
        throw e;
      }
    }
  }

  /** The path that a file's ciphertext comes from: of several hard links, the first opened. */
  private byte[] sealingPath(ReverseNode node, FileStatus status) {
    byte[] path = node.storedPath();
    FileKey key = new FileKey(status.device(), status.inode(), status.born());
    byte[] known =
        status.links() > 1
            ? pathOfLinkedFile.putIfAbsent(key, path)
            : pathOfLinkedFile.get(key); // others may be gone by now
    return known == null ? path : known;
  }

  private Handle handle(long number) throws ErrnoException {
    Handle handle = handles.get(number);
    if (handle == null) {
      throw new ErrnoException(Errno.EBADF);
    }
    return handle;
  }

  @Override
  public int read(long handle, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    return switch (handle(handle)) {
      case VirtualHandle virtual -> {
        int from = (int) Math.min(offset, virtual.content.length);
        int some = Math.min(length, virtual.content.length - from);
        MemorySegment.copy(MemorySegment.ofArray(virtual.content), from, to, position, some);
        yield some;
      }
      case FileHandle file ->
          file.node.kind == Kind.CONFIG
              ? file.file.read(to, position, length, offset)
              : readSealed(file, offset, to, position, length);
      case DirectoryHandle directory -> throw new ErrnoException(Errno.EISDIR);
    };
  }

  /** Reads the plain blocks behind a range, seals them, and delivers the range. */
  private int readSealed(FileHandle file, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    if (length <= 0) {
      return 0;
    }
    int header = layout.headerBytes();
    int storedBlock = layout.storedBlockBytes();
    long end = offset + length;
    long firstBlock = Math.max(0, offset - header) / storedBlock;
    // At least one block, to tell an empty file, which has no header.
    long lastBlock = Math.max(0, end - header - 1) / storedBlock;
    int blocks = Math.toIntExact(lastBlock - firstBlock + 1);
    Buffers buffers = BUFFERS.get();
    buffers.reserve((long) blocks * layout.blockBytes(), (long) blocks * storedBlock);
    int plainBytes =
        file.file.read(
            buffers.plain, 0, blocks * layout.blockBytes(), layout.plainOffset(firstBlock));
    if (plainBytes == 0) {
      return 0;
    }
    int sealedBytes =
        file.sealed.cipher().seal(firstBlock, buffers.plain, 0, plainBytes, buffers.sealed, 0);
    int done = 0;
    if (offset < header) {
      done = (int) Math.min(length, header - offset);
      MemorySegment.copy(MemorySegment.ofArray(file.sealed.header()), offset, to, position, done);
    }
    long from = offset + done - layout.storedOffset(firstBlock);
    int some = (int) Math.max(0, Math.min(length - done, sealedBytes - from));
    if (some > 0) {
      MemorySegment.copy(buffers.sealed, from, to, position + done, some);
    }
    return done + some;
  }

  @Override
  public void release(long handle) {
    Handle closed = handles.remove(handle);
    if (closed != null) {
      if (closed instanceof FileHandle open) {
        open.file.close();
      }
      letGo(closed.node());
    }
  }

  @Override
  public void flush(long handle, long lockOwner) throws ErrnoException {
    handle(handle);
  }

  @Override
  public void sync(long handle, boolean dataOnly) throws ErrnoException {
    handle(handle);
  }

  /** The view has no holes: those of the plain file are encrypted like anything else. */
  @Override
  public long seek(long handle, long offset, int whence) throws ErrnoException {
    long size =
        switch (handle(handle)) {
          case VirtualHandle virtual -> virtual.content.length;
          case FileHandle file ->
              file.node.kind == Kind.CONFIG
                  ? file.file.status().size()
                  : layout.storedSize(file.file.status().size());
          case DirectoryHandle directory -> throw new ErrnoException(Errno.EINVAL);
        };
    if (offset < 0 || offset >= size) {
      throw new ErrnoException(Errno.ENXIO);
    }
    return whence == Flags.SEEK_DATA ? offset : size;
  }

  // Directories.

  @Override
  public long openDirectory(long id) throws ErrnoException {
    ReverseNode node = node(id);
    requireDirectory(node);
    open(node).close();
    hold(node);
    long number = nextHandle.getAndIncrement();
    handles.put(number, new DirectoryHandle(node));
    return number;
  }

  @Override
  public void list(long handle, long cookie, boolean lookup, EntrySink sink) throws ErrnoException {
    if (!(handle(handle) instanceof DirectoryHandle directory)) {
      throw new ErrnoException(Errno.ENOTDIR);
    }
    List<Listed> entries;
    synchronized (directory) {
      entries = directory.entries;
      if (entries == null || cookie == 0) {
        entries = entries(directory.node);
        directory.entries = entries;
      }
    }
    for (int i = (int) Math.min(cookie, entries.size()); i < entries.size(); i++) {
      Listed listed = entries.get(i);
      Entry entry = null;
      if (lookup && !isDots(listed.name)) {
        try {
          entry = lookup(directory.node.id, listed.name);
        } catch (ErrnoException e) {
          if (e.errno() == Errno.ENOENT) {
            continue;
          }
          throw e;
        }
      }
      if (!sink.add(listed.name, listed.inode, listed.type, i + 1L, entry)) {
        if (entry != null) {
          forget(entry.id(), 1);
        }
        return;
      }
    }
  }

  /** All entries of a directory at once: some of the plain ones stand for two. */
  private List<Listed> entries(ReverseNode directory) throws ErrnoException {
    NameCodec names = names(directory);
    List<Listed> entries = new ArrayList<>();
    try (Opened opened = open(directory);
        StoreListing listing = opened.directory.list()) {
      boolean hidden = isOtherFilesystem(directory);
      while (listing.next()) {
        byte[] plain = listing.name();
        int type = listing.type();
        if (isDots(plain)) {
          entries.add(new Listed(plain, listing.inode(), type));
        } else if (!hidden) {
          addPlain(directory, opened.directory, names, listing, entries);
        }
      }
      if (contextName != null) {
        long inode = opened.directory.status(StoreDirectory.SELF).inode();
        entries.add(
            new Listed(
                contextName,
                virtualInode(inode, Kind.CONTEXT, contextName),
                FileStatus.TYPE_REGULAR));
      }
    }
    return entries;
  }

  private void addPlain(
      ReverseNode directory,
      StoreDirectory opened,
      NameCodec names,
      StoreListing listing,
      List<Listed> entries)
      throws ErrnoException {
    byte[] plain = listing.name();
    if (isHiddenConfig(directory, plain)) {
      if (Arrays.equals(plain, PLAIN_CONFIG_NAME)) {
        entries.add(new Listed(CONFIG_NAME, listing.inode(), listing.type()));
      }
      return;
    }
    if (!options.exclude().isEmpty()
        && isExcluded(directory, plain, isDirectory(opened, listing))) {
      return;
    }
    StoredName stored = encode(names, plain);
    if (stored == null) {
      return;
    }
    entries.add(new Listed(stored.name(), listing.inode(), listing.type()));
    byte[] sidecar = stored.sidecarName();
    if (sidecar != null) {
      entries.add(
          new Listed(
              sidecar,
              virtualInode(listing.inode(), Kind.SIDECAR, sidecar),
              FileStatus.TYPE_REGULAR));
    }
  }

  private static boolean isDirectory(StoreDirectory directory, StoreListing listing)
      throws ErrnoException {
    if (listing.type() != 0) {
      return listing.type() == FileStatus.TYPE_DIRECTORY;
    }
    try {
      return directory.status(listing.name()).isDirectory();
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        return false;
      }
      throw e;
    }
  }

  @Override
  public void syncDirectory(long handle) throws ErrnoException {
    handle(handle);
  }

  @Override
  public void releaseDirectory(long handle) {
    release(handle);
  }

  // The rest of what can be read.

  @Override
  public FilesystemStatus filesystemStatus(long id) throws ErrnoException {
    FilesystemStatus status = store.root().filesystemStatus();
    return new FilesystemStatus(
        status.type(),
        status.blockBytes(),
        status.fragmentBytes(),
        status.blocks(),
        status.freeBlocks(),
        status.availableBlocks(),
        status.files(),
        status.freeFiles(),
        status.nameBytes(),
        status.flags() | READ_ONLY);
  }

  @Override
  public void access(long id, int mask) throws ErrnoException {
    ReverseNode node = node(id);
    if ((mask & Flags.W_OK) != 0) {
      throw readOnly();
    }
    if (node.kind == Kind.PLAIN || node.kind == Kind.CONFIG) {
      try (Opened opened = openParent(node)) {
        opened.directory.access(entryName(node), mask);
      }
    } else if ((mask & Flags.X_OK) != 0) {
      throw new ErrnoException(Errno.EACCES);
    }
  }

  @Override
  public byte[] getXattr(long id, byte[] name) throws ErrnoException {
    ReverseNode node = node(id);
    byte[] plainName = format.openXattrName(name);
    if (node.kind != Kind.PLAIN || plainName == null) {
      throw new ErrnoException(Errno.ENODATA);
    }
    try (Opened opened = openParent(node)) {
      byte[] value = opened.directory.getXattr(entryName(node), plainName);
      if (value == null) {
        throw new ErrnoException(Errno.ENODATA);
      }
      return format.sealXattrName(plainName) == null
          ? value
          : view.sealXattrValue(node.storedPath(), name, value);
    }
  }

  @Override
  public byte[] listXattrs(long id) throws ErrnoException {
    ReverseNode node = node(id);
    ByteArrayOutputStream names = new ByteArrayOutputStream();
    if (node.kind != Kind.PLAIN) {
      return NOTHING;
    }
    try (Opened opened = openParent(node)) {
      byte[] plain = opened.directory.listXattrs(entryName(node));
      int start = 0;
      for (int i = 0; i < plain.length; i++) {
        if (plain[i] == 0) {
          byte[] name = Arrays.copyOfRange(plain, start, i);
          byte[] sealed = name.length == 0 ? name : format.sealXattrName(name);
          byte[] shown = sealed == null ? name : sealed;
          if (shown.length > 0 && shown.length <= XATTR_NAME_MAX) {
            names.writeBytes(shown);
            names.write(0);
          }
          start = i + 1;
        }
      }
    }
    return names.toByteArray();
  }

  // Paths.

  /** Does not look at the tree: what a plain path is encrypted to does not depend on it. */
  @Override
  public byte[] encryptPath(byte[] plain) throws ErrnoException {
    byte[] stored = NOTHING;
    for (byte[] name : components(plain)) {
      StoredName encoded = encode(view.names(stored), name);
      if (encoded == null) {
        throw new ErrnoException(Errno.ENAMETOOLONG);
      }
      stored = append(stored, encoded.name());
    }
    return stored;
  }

  @Override
  public byte[] decryptPath(byte[] stored) throws ErrnoException {
    byte[] plain = NOTHING;
    byte[] storedAbove = NOTHING;
    for (byte[] name : components(stored)) {
      NameCodec names = view.names(storedAbove);
      byte[] decoded =
          switch (names.kindOf(name)) {
            case INTERNAL -> throw new ErrnoException(Errno.ENOENT);
            case PLAIN -> decode(names, name);
            case LONG -> {
              try (Opened opened = open(components(plain))) {
                yield findLong(opened.directory, names, name).name();
              }
            }
          };
      plain = append(plain, decoded);
      storedAbove = append(storedAbove, name);
    }
    return plain;
  }

  private static List<byte[]> components(byte[] path) {
    List<byte[]> components = new ArrayList<>();
    int start = 0;
    for (int i = 0; i <= path.length; i++) {
      if (i == path.length || path[i] == '/') {
        if (i > start) {
          components.add(Arrays.copyOfRange(path, start, i));
        }
        start = i + 1;
      }
    }
    return components;
  }

  private static byte[] append(byte[] path, byte[] name) {
    ByteArrayOutputStream longer = new ByteArrayOutputStream();
    longer.writeBytes(path);
    if (path.length > 0) {
      longer.write('/');
    }
    longer.writeBytes(name);
    return longer.toByteArray();
  }

  // Locks: nobody can write through the view, so that shared ones never meet another.

  @Override
  public @Nullable FileLock testLock(
      long handle, long owner, LockType type, long start, long length) throws ErrnoException {
    handle(handle);
    return null;
  }

  @Override
  public boolean tryLock(long handle, long owner, LockType type, long start, long length)
      throws ErrnoException {
    handle(handle);
    if (type == LockType.EXCLUSIVE) {
      throw new ErrnoException(Errno.EBADF);
    }
    return true;
  }

  @Override
  public boolean tryFlock(long handle, LockType type) throws ErrnoException {
    return !(handle(handle) instanceof FileHandle file) || file.file.tryFlock(type);
  }

  // What a read-only filesystem refuses.

  private static ErrnoException readOnly() {
    return new ErrnoException(Errno.EROFS);
  }

  @Override
  public FileStatus setAttributes(long id, long handle, AttributeChanges changes)
      throws ErrnoException {
    throw readOnly();
  }

  @Override
  public Entry symlink(long parent, byte[] name, byte[] target) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public Entry makeNode(long parent, byte[] name, int mode, long device) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public Entry makeDirectory(long parent, byte[] name, int mode) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public void unlink(long parent, byte[] name) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public void removeDirectory(long parent, byte[] name) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public void rename(long parent, byte[] name, long newParent, byte[] newName, int flags)
      throws ErrnoException {
    throw readOnly();
  }

  @Override
  public Entry link(long id, long newParent, byte[] newName) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public Created create(long parent, byte[] name, int flags, int mode) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public Created createTemporary(long parent, int flags, int mode) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public int write(long handle, long offset, MemorySegment from, long position, int length)
      throws ErrnoException {
    throw readOnly();
  }

  @Override
  public void allocate(long handle, int mode, long offset, long length) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public long copyRange(long from, long fromOffset, long to, long toOffset, long length)
      throws ErrnoException {
    throw readOnly();
  }

  @Override
  public void setXattr(long id, byte[] name, byte[] value, int flags) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public void removeXattr(long id, byte[] name) throws ErrnoException {
    throw readOnly();
  }

  @Override
  public void close() {
    for (Long number : List.copyOf(handles.keySet())) {
      release(number);
    }
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
