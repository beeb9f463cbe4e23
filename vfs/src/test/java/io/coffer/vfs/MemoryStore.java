package io.coffer.vfs;

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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A store in memory that knows what a disk would have kept. Contents of a file are kept by a sync
 * of that file, entries by a sync of that directory, everything by a sync of the filesystem; all
 * else is lost in a power failure: of a file that was never synced only its size is left.
 *
 * <p>Crashes on demand: the n-th change throws {@link Crash}, and so does every call after it. Not
 * thread-safe. Locks are always free, and remembered; nobody is denied anything. Extended
 * attributes are never lost.
 */
final class MemoryStore implements Store {
  /** The process has been killed, or the power has gone. */
  static final class Crash extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private static final class Node {
    final long inode;
    int mode;
    int links = 1;
    byte[] content = {};
    byte @Nullable [] syncedContent;
    boolean dirty = true;
    final TreeMap<String, byte[]> attributes = new TreeMap<>();
    TreeMap<String, Node> entries = new TreeMap<>();
    TreeMap<String, Node> syncedEntries = new TreeMap<>();

    Node(long inode, int mode) {
      this.inode = inode;
      this.mode = mode;
    }

    boolean isDirectory() {
      return (mode & FileStatus.TYPE_MASK) == FileStatus.TYPE_DIRECTORY;
    }
  }

  private final Node root;
  private long nextInode;
  private int changes;
  private int crashAt = Integer.MAX_VALUE;
  private int listings;
  private boolean crashed;
  private boolean movedAcross;
  private volatile @Nullable Pause pause;
  private final Map<String, Integer> attributeReads = new HashMap<>();
  private final List<Long> locks = new ArrayList<>();
  private final List<NameChange> nameChanges = new ArrayList<>();
  private long filesystemType;
  private boolean lacksFlags;
  private @Nullable Runnable other;
  private int otherAt;

  /**
   * A name that was taken away from what it named.
   *
   * @param call what did it
   * @param locks where locks of single bytes were held then, in the order in which they were taken
   */
  record NameChange(String call, List<Long> locks) {}

  MemoryStore() {
    root = new Node(2, FileStatus.TYPE_DIRECTORY | 0755);
    nextInode = 3;
  }

  private MemoryStore(Node root, long nextInode) {
    this.root = root;
    this.nextInode = nextInode;
  }

  /** What statfs(2) tells. */
  void setFilesystemType(long type) {
    filesystemType = type;
  }

  /** From now on without O_TMPFILE and without the flags of renameat2(2), as with ceph-fuse. */
  void lackFlags() {
    lacksFlags = true;
  }

  /** What another node does before the n-th call on directories from now on. */
  void beforeCall(int call, Runnable what) {
    otherAt = call;
    other = what;
  }

  /** Has it been done? */
  boolean isOtherDone() {
    return other == null;
  }

  private void otherNode() {
    Runnable now = other;
    if (now != null && --otherAt == 0) {
      other = null;
      now.run();
    }
  }

  /** All since this was last asked for. */
  List<NameChange> takeNameChanges() {
    List<NameChange> taken = List.copyOf(nameChanges);
    nameChanges.clear();
    return taken;
  }

  private void changeName(String call) {
    change();
    nameChanges.add(new NameChange(call, List.copyOf(locks)));
  }

  /** The n-th change from now on does not happen. */
  void crashAt(int change) {
    changes = 0;
    crashAt = change;
  }

  int changes() {
    return changes;
  }

  /** How often a directory was listed. */
  int listings() {
    return listings;
  }

  /** How often an extended attribute of this name was read, of whatever object. */
  int attributeReads(byte[] attribute) {
    return attributeReads.getOrDefault(text(attribute), 0);
  }

  /** What another process finds after this one was killed. */
  MemoryStore afterKill() {
    return new MemoryStore(copy(root, false, new IdentityHashMap<>()), nextInode);
  }

  /** What is there after a power failure. */
  MemoryStore afterPowerFailure() {
    return new MemoryStore(copy(root, true, new IdentityHashMap<>()), nextInode);
  }

  /**
   * What is there after a power failure on a filesystem with a journal that has just been written:
   * every entry, but contents only of what was synced.
   */
  MemoryStore afterPowerFailureWithJournal() {
    MemoryStore after = afterKill();
    losePower(root, after.root, new IdentityHashMap<>());
    return after;
  }

  private static void losePower(Node from, Node to, Map<Node, Node> seen) {
    if (seen.put(from, to) == null) {
      if (from.dirty) {
        byte[] synced = from.syncedContent;
        to.content = synced == null ? new byte[0] : synced.clone();
        to.syncedContent = to.content.clone();
      }
      from.entries.forEach((name, each) -> {
        Node copy = to.entries.get(name);
        if (copy != null) {
          losePower(each, copy, seen);
        }
      });
    }
  }

  private static Node copy(Node node, boolean syncedOnly, Map<Node, Node> copies) {
    Node known = copies.get(node);
    if (known != null) {
      return known;
    }
    Node copy = new Node(node.inode, node.mode);
    copies.put(node, copy);
    copy.links = node.links;
    copy.attributes.putAll(node.attributes);
    byte[] synced = node.syncedContent;
    if (!syncedOnly || !node.dirty) {
      copy.content = node.content.clone();
    } else {
      copy.content = synced == null ? new byte[node.content.length] : synced.clone();
    }
    (syncedOnly ? node.syncedEntries : node.entries)
        .forEach((name, each) -> copy.entries.put(name, copy(each, syncedOnly, copies)));
    copy.syncedEntries = new TreeMap<>(copy.entries);
    copy.syncedContent = copy.content.clone();
    copy.dirty = false;
    return copy;
  }

  /** The thread that makes the n-th change from now on waits before it. */
  Pause pauseAt(int change) {
    var made = new Pause(change);
    pause = made;
    return made;
  }

  /** A thread that waits before it changes something. */
  static final class Pause {
    private static final long LONGEST_SECONDS = 60;

    private final CountDownLatch reached = new CountDownLatch(1);
    private final CountDownLatch goOn = new CountDownLatch(1);
    private int left;

    private Pause(int change) {
      left = change;
    }

    private boolean isNow() {
      return --left == 0;
    }

    private void stop() {
      reached.countDown();
      await(goOn);
    }

    /** Returns when the thread waits. */
    void await() {
      await(reached);
    }

    /** Lets the thread go on. */
    void goOn() {
      goOn.countDown();
    }

    private static void await(CountDownLatch latch) {
      try {
        if (!latch.await(LONGEST_SECONDS, TimeUnit.SECONDS)) {
          throw new AssertionError("nobody comes");
        }
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  private void change() {
    check();
    Pause present = pause;
    if (present != null && present.isNow()) {
      pause = null;
      present.stop();
    }
    if (++changes >= crashAt) {
      crashed = true;
      throw new Crash();
    }
  }

  private void check() {
    if (crashed) {
      throw new Crash();
    }
  }

  private static void syncAll(Node node) {
    node.syncedContent = node.content.clone();
    node.dirty = false;
    node.syncedEntries = new TreeMap<>(node.entries);
    node.entries.values().forEach(MemoryStore::syncAll);
  }

  private static void syncEntries(Node node) {
    node.syncedEntries = new TreeMap<>(node.entries);
    node.entries.values().forEach(MemoryStore::syncEntries);
  }

  private static String text(byte[] name) {
    return new String(name, StandardCharsets.ISO_8859_1);
  }

  private FileStatus statusOf(Node node) {
    check();
    var time = new Timestamp(1, 0);
    return new FileStatus(
        1,
        node.inode,
        node.mode,
        node.links,
        0,
        0,
        0,
        node.content.length,
        (node.content.length + 511L) / 512,
        4096,
        time,
        time,
        time,
        new Timestamp(node.inode, 0));
  }

  private byte @Nullable [] getXattr(Node node, byte[] attribute) {
    check();
    attributeReads.merge(text(attribute), 1, Integer::sum);
    byte[] value = node.attributes.get(text(attribute));
    return value == null ? null : value.clone();
  }

  private void setXattr(Node node, byte[] attribute, byte[] value, int flags)
      throws ErrnoException {
    check();
    if ((flags & Flags.XATTR_CREATE) != 0 && node.attributes.containsKey(text(attribute))) {
      throw new ErrnoException(Errno.EEXIST);
    }
    change();
    node.attributes.put(text(attribute), value.clone());
  }

  @Override
  public StoreDirectory root() {
    return new Directory(root);
  }

  @Override
  public String description() {
    return "memory";
  }

  @Override
  public void close() {}

  private final class Directory implements StoreDirectory {
    private final Node node;

    Directory(Node node) {
      this.node = node;
    }

    private Node get(byte[] name) throws ErrnoException {
      check();
      if (Arrays.equals(name, SELF)) {
        return node;
      }
      Node found = node.entries.get(text(name));
      if (found == null) {
        throw new ErrnoException(Errno.ENOENT);
      }
      return found;
    }

    private void add(byte[] name, Node added) throws ErrnoException {
      check();
      if (node.links == 0) {
        throw new ErrnoException(Errno.ENOENT);
      }
      if (name.length > 255) {
        throw new ErrnoException(Errno.ENAMETOOLONG);
      }
      if (node.entries.containsKey(text(name))) {
        throw new ErrnoException(Errno.EEXIST);
      }
      change();
      node.entries.put(text(name), added);
    }

    @Override
    public FileStatus status(byte[] name) throws ErrnoException {
      otherNode();
      return statusOf(get(name));
    }

    @Override
    public StoreDirectory openDirectory(byte[] name) throws ErrnoException {
      otherNode();
      Node found = get(name);
      if (!found.isDirectory()) {
        throw new ErrnoException(Errno.ENOTDIR);
      }
      return new Directory(found);
    }

    @Override
    public StoreFile openFile(byte[] name, int flags, int mode) throws ErrnoException {
      otherNode();
      check();
      Node found = node.entries.get(text(name));
      if (found == null) {
        if ((flags & Flags.O_CREAT) == 0) {
          throw new ErrnoException(Errno.ENOENT);
        }
        found = new Node(nextInode++, FileStatus.TYPE_REGULAR | mode);
        add(name, found);
      } else if ((flags & Flags.O_EXCL) != 0) {
        throw new ErrnoException(Errno.EEXIST);
      } else if (found.isDirectory()) {
        throw new ErrnoException(Errno.EISDIR);
      }
      return new OpenedFile(found);
    }

    @Override
    public StoreFile openTemporary(int flags, int mode) throws ErrnoException {
      otherNode();
      if (lacksFlags) {
        throw new ErrnoException(Errno.EOPNOTSUPP);
      }
      change();
      Node made = new Node(nextInode++, FileStatus.TYPE_REGULAR | mode);
      made.links = 0;
      return new OpenedFile(made);
    }

    @Override
    public void makeDirectory(byte[] name, int mode) throws ErrnoException {
      otherNode();
      add(name, new Node(nextInode++, FileStatus.TYPE_DIRECTORY | mode));
    }

    @Override
    public void makeNode(byte[] name, int mode, long device) throws ErrnoException {
      otherNode();
      add(name, new Node(nextInode++, mode));
    }

    @Override
    public void symlink(byte[] target, byte[] name) throws ErrnoException {
      otherNode();
      Node made = new Node(nextInode++, FileStatus.TYPE_SYMLINK | 0777);
      made.content = target.clone();
      made.syncedContent = made.content;
      made.dirty = false;
      add(name, made);
    }

    @Override
    public byte[] readLink(byte[] name) throws ErrnoException {
      otherNode();
      return get(name).content.clone();
    }

    @Override
    public void link(byte[] name, StoreDirectory newDirectory, byte[] newName)
        throws ErrnoException {
      otherNode();
      Node found = get(name);
      ((Directory) newDirectory).add(newName, found);
      found.links++;
    }

    @Override
    public void unlink(byte[] name) throws ErrnoException {
      otherNode();
      Node found = get(name);
      if (found.isDirectory()) {
        throw new ErrnoException(Errno.EISDIR);
      }
      changeName("unlink");
      node.entries.remove(text(name));
      found.links--;
    }

    @Override
    public void removeDirectory(byte[] name) throws ErrnoException {
      otherNode();
      Node found = get(name);
      if (!found.isDirectory()) {
        throw new ErrnoException(Errno.ENOTDIR);
      }
      if (!found.entries.isEmpty()) {
        throw new ErrnoException(Errno.ENOTEMPTY);
      }
      changeName("rmdir");
      node.entries.remove(text(name));
      found.links = 0;
    }

    @Override
    public void rename(byte[] name, StoreDirectory newDirectory, byte[] newName, int flags)
        throws ErrnoException {
      otherNode();
      if (lacksFlags && flags != 0) {
        throw new ErrnoException(Errno.EINVAL);
      }
      Node moved = get(name);
      Directory to = (Directory) newDirectory;
      Node there = to.node.entries.get(text(newName));
      if ((flags & Flags.RENAME_EXCHANGE) != 0) {
        if (there == null) {
          throw new ErrnoException(Errno.ENOENT);
        }
        changeName("rename");
        node.entries.put(text(name), there);
        to.node.entries.put(text(newName), moved);
        return;
      }
      if (there != null) {
        if ((flags & Flags.RENAME_NOREPLACE) != 0) {
          throw new ErrnoException(Errno.EEXIST);
        }
        if (there == moved) {
          return;
        }
        if (there.isDirectory() && !moved.isDirectory()) {
          throw new ErrnoException(Errno.EISDIR);
        }
        if (!there.isDirectory() && moved.isDirectory()) {
          throw new ErrnoException(Errno.ENOTDIR);
        }
        if (!there.entries.isEmpty()) {
          throw new ErrnoException(Errno.ENOTEMPTY);
        }
      }
      changeName("rename");
      if (there != null) {
        there.links = there.isDirectory() ? 0 : there.links - 1;
      }
      node.entries.remove(text(name));
      to.node.entries.put(text(newName), moved);
      if (node != to.node) {
        movedAcross = true;
      }
    }

    @Override
    public void changeMode(byte[] name, int mode) throws ErrnoException {
      otherNode();
      Node found = get(name);
      change();
      found.mode = (found.mode & FileStatus.TYPE_MASK) | mode;
    }

    @Override
    public void changeOwner(byte[] name, int uid, int gid) {
      otherNode();
      change();
    }

    @Override
    public void changeTimes(byte[] name, Timestamp accessed, Timestamp modified) {
      otherNode();
      change();
    }

    @Override
    public byte @Nullable [] getXattr(byte[] name, byte[] attribute) throws ErrnoException {
      otherNode();
      return MemoryStore.this.getXattr(get(name), attribute);
    }

    @Override
    public void setXattr(byte[] name, byte[] attribute, byte[] value, int flags)
        throws ErrnoException {
      otherNode();
      MemoryStore.this.setXattr(get(name), attribute, value, flags);
    }

    @Override
    public byte[] listXattrs(byte[] name) throws ErrnoException {
      otherNode();
      throw new ErrnoException(Errno.EOPNOTSUPP);
    }

    @Override
    public void removeXattr(byte[] name, byte[] attribute) throws ErrnoException {
      otherNode();
      throw new ErrnoException(Errno.EOPNOTSUPP);
    }

    @Override
    public StoreListing list() {
      otherNode();
      listings++;
      check();
      return new Listing(node);
    }

    @Override
    public void access(byte[] name, int mask) throws ErrnoException {
      otherNode();
      get(name);
    }

    @Override
    public FilesystemStatus filesystemStatus() {
      return new FilesystemStatus(filesystemType, 4096, 4096, 1, 1, 1, 1, 1, 255, 0);
    }

    @Override
    public void sync() {
      change();
      if (movedAcross) {
        // A rename is one change of the journal: both sides are kept or none, and with them all
        // that came before.
        syncEntries(root);
        movedAcross = false;
      }
      node.syncedEntries = new TreeMap<>(node.entries);
    }

    @Override
    public void syncFilesystem() {
      change();
      syncAll(root);
    }

    @Override
    public void close() {}
  }

  private static final class Listing implements StoreListing {
    private final List<String> names;
    private final Map<String, Node> nodes;
    private int at = -1;

    Listing(Node directory) {
      nodes = new HashMap<>(directory.entries);
      names = new ArrayList<>(directory.entries.keySet());
    }

    @Override
    public boolean next() {
      return ++at < names.size();
    }

    @Override
    public byte[] name() {
      return names.get(at).getBytes(StandardCharsets.ISO_8859_1);
    }

    @Override
    public long inode() {
      return node().inode;
    }

    @Override
    public int type() {
      return node().mode & FileStatus.TYPE_MASK;
    }

    private Node node() {
      Node node = nodes.get(names.get(at));
      if (node == null) {
        throw new IllegalStateException();
      }
      return node;
    }

    @Override
    public long cookie() {
      return at + 1L;
    }

    @Override
    public void seek(long cookie) {
      at = (int) cookie - 1;
    }

    @Override
    public void close() {}
  }

  private final class OpenedFile implements StoreFile {
    private final Node node;

    OpenedFile(Node node) {
      this.node = node;
    }

    @Override
    public int read(MemorySegment to, long position, int length, long offset) {
      check();
      int count = (int) Math.max(0, Math.min(length, node.content.length - offset));
      if (count > 0) {
        MemorySegment.copy(node.content, (int) offset, to, ValueLayout.JAVA_BYTE, position, count);
      }
      return count;
    }

    @Override
    public int write(MemorySegment from, long position, int length, long offset) {
      change();
      node.dirty = true;
      int end = Math.toIntExact(offset + length);
      if (end > node.content.length) {
        node.content = Arrays.copyOf(node.content, end);
      }
      MemorySegment.copy(from, ValueLayout.JAVA_BYTE, position, node.content, (int) offset, length);
      return length;
    }

    @Override
    public FileStatus status() {
      return statusOf(node);
    }

    @Override
    public void truncate(long size) {
      change();
      node.dirty = true;
      node.content = Arrays.copyOf(node.content, Math.toIntExact(size));
    }

    @Override
    public void sync(boolean dataOnly) {
      change();
      node.syncedContent = node.content.clone();
      node.dirty = false;
    }

    @Override
    public void allocate(int mode, long offset, long length) throws ErrnoException {
      if ((mode & ~Flags.FALLOC_FL_KEEP_SIZE) == 0) {
        // Room has no meaning here; only the size can change.
        if (mode == 0 && offset + length > node.content.length) {
          truncate(offset + length);
        } else {
          change();
        }
        return;
      }
      if ((mode & Flags.FALLOC_FL_PUNCH_HOLE) == 0) {
        throw new ErrnoException(Errno.EOPNOTSUPP);
      }
      change();
      node.dirty = true;
      int from = (int) Math.min(offset, node.content.length);
      int to = (int) Math.min(offset + length, node.content.length);
      Arrays.fill(node.content, from, to, (byte) 0);
    }

    @Override
    public long seek(long offset, int whence) throws ErrnoException {
      if (offset >= node.content.length) {
        throw new ErrnoException(Errno.ENXIO);
      }
      return whence == Flags.SEEK_DATA ? offset : node.content.length;
    }

    @Override
    public void changeMode(int mode) {
      change();
      node.mode = (node.mode & FileStatus.TYPE_MASK) | mode;
    }

    @Override
    public void changeOwner(int uid, int gid) {
      change();
    }

    @Override
    public void changeTimes(Timestamp accessed, Timestamp modified) {
      change();
    }

    @Override
    public byte @Nullable [] getXattr(byte[] attribute) throws ErrnoException {
      return MemoryStore.this.getXattr(node, attribute);
    }

    @Override
    public void setXattr(byte[] attribute, byte[] value, int flags) throws ErrnoException {
      MemoryStore.this.setXattr(node, attribute, value, flags);
    }

    @Override
    public byte[] listXattrs() throws ErrnoException {
      throw new ErrnoException(Errno.EOPNOTSUPP);
    }

    @Override
    public void removeXattr(byte[] attribute) throws ErrnoException {
      throw new ErrnoException(Errno.EOPNOTSUPP);
    }

    @Override
    public void linkInto(StoreDirectory directory, byte[] name) throws ErrnoException {
      ((Directory) directory).add(name, node);
      node.links++;
    }

    @Override
    public StoreFile reopen(int flags) {
      check();
      return new OpenedFile(node);
    }

    @Override
    public boolean tryLock(LockType type, long start, long length) {
      lock(type, start, length);
      return true;
    }

    @Override
    public void lock(LockType type, long start, long length) {
      if (length == 1) {
        locks.remove(start);
        if (type != LockType.UNLOCK) {
          locks.add(start);
        }
      }
    }

    @Override
    public @Nullable FileLock testLock(LockType type, long start, long length) {
      return null;
    }

    @Override
    public boolean tryFlock(LockType type) {
      return true;
    }

    @Override
    public void close() {}
  }
}
