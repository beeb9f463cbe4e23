package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.EntryKind;
import io.coffer.format.NameCodec.StoredName;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Plain names to stored ones and back: reads a directory's context once, keeps the sidecars of long
 * names in step with their entries.
 *
 * <p>A sidecar exists whenever its entry does: it is made before the entry and removed after it,
 * both under a lock for the directory, so that one thread's removal cannot take the sidecar of
 * another thread's new entry. On shared storage that lock is one of the volume's lease too, and so
 * keeps out other nodes. Where no long name is concerned it is not taken, unless the store must be
 * spared two changes of one name at once. Thread-safe.
 */
final class Names {
  /** The kernel's longest name, NAME_MAX. */
  static final int MAX_NAME_BYTES = 255;

  private static final int PRIVATE_FILE_MODE = 0444;
  private static final int LARGEST_SMALL_FILE = 4096;
  private static final int CONTEXT_ATTEMPTS = 20;
  private static final int CONTEXT_PAUSE_MILLIS = 5;

  private final boolean shared;
  private final @Nullable VolumeLease lease;
  private final DirectoryCache cache;
  private final DamageLog damage;
  private @Nullable Encryption encryption;
  private final boolean oneChangeAtATime;
  private final ReentrantLock[] directoryLocks = new ReentrantLock[64];
  private final NameGuard unguarded = new NameGuard();

  /**
   * @param shared other nodes make and remove directories too
   * @param lease locks directories for other nodes; null without
   * @param inUserSpace the store is a filesystem in user space. ceph-fuse, of 16.2 and of 18.2 at
   *     least, never answers a lookup of a name again to which its node wanted to rename another
   *     that a second node removed in that instant. So no node takes a name away while another does
   *     in the same directory, a temporary one that is renamed neither.
   */
  Names(
      boolean shared,
      @Nullable VolumeLease lease,
      boolean inUserSpace,
      DirectoryCache cache,
      DamageLog damage) {
    this.shared = shared;
    this.lease = shared ? lease : null;
    this.cache = cache;
    this.damage = damage;
    oneChangeAtATime = inUserSpace && this.lease != null;
    Arrays.setAll(directoryLocks, i -> new ReentrantLock());
  }

  /** Once, before anything else: the encryption needs these names to read its files. */
  void use(Encryption volumeEncryption) {
    encryption = volumeEncryption;
  }

  /** The codec of a directory's names. */
  NameCodec codec(DirectoryCache.Ref directory) throws ErrnoException {
    return encryption().names(directory);
  }

  private Encryption encryption() {
    Encryption present = encryption;
    if (present == null) {
      throw new IllegalStateException("names are used before the volume is put together");
    }
    return present;
  }

  /** What is remembered of a directory. */
  static DirectoryState state(Inode directory) {
    synchronized (directory) {
      if (directory.state instanceof DirectoryState known) {
        return known;
      }
      var fresh = new DirectoryState();
      directory.state = fresh;
      return fresh;
    }
  }

  /**
   * Another node that removes a directory takes its context first, and puts it back if something
   * was made in it at the same time: so it may be missing for a moment.
   */
  byte[] readContext(StoreDirectory directory, byte[] contextName) throws ErrnoException {
    for (int looks = 1; shared; looks++) {
      try {
        return readSmallFile(directory, contextName);
      } catch (ErrnoException e) {
        if (e.errno() != Errno.ENOENT || directory.status(StoreDirectory.SELF).links() == 0) {
          throw e;
        }
      }
      if (!pauseForContext(looks)) {
        break;
      }
    }
    return readSmallFile(directory, contextName);
  }

  /** Waits a little before a context is looked for again; false after so many looks. */
  static boolean pauseForContext(int looks) {
    if (looks >= CONTEXT_ATTEMPTS) {
      return false;
    }
    try {
      Thread.sleep(CONTEXT_PAUSE_MILLIS);
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /**
   * The stored name of a plain one.
   *
   * @throws ErrnoException ENAMETOOLONG, or EPERM for a name that belongs to the format
   */
  StoredName encode(Inode directory, NameCodec codec, byte[] plain) throws ErrnoException {
    if (plain.length > MAX_NAME_BYTES) {
      throw new ErrnoException(Errno.ENAMETOOLONG);
    }
    if (plain.length == 0) {
      throw new ErrnoException(Errno.ENOENT);
    }
    if (plain[0] == '.' && (plain.length == 1 || (plain.length == 2 && plain[1] == '.'))) {
      throw new ErrnoException(Errno.EINVAL);
    }
    for (byte each : plain) {
      if (each == '/' || each == 0) {
        throw new ErrnoException(Errno.EINVAL);
      }
    }
    if (isRoot(directory) && encryption().isForbiddenInRoot(plain)) {
      throw new ErrnoException(Errno.EPERM);
    }
    StoredName stored;
    try {
      stored = codec.encode(plain);
    } catch (FormatException e) {
      // Without the key every name is refused that is not the no-key form of one.
      throw new ErrnoException(
          codec instanceof LockedNames ? Errno.ENOENT : Errno.ENAMETOOLONG, e.getMessage());
    }
    if (!stored.isLong() && codec.kindOf(stored.name()) == EntryKind.INTERNAL) {
      throw new ErrnoException(Errno.EPERM);
    }
    return stored;
  }

  /** The stored name of one that is only looked for: names that cannot exist are ENOENT. */
  StoredName encodeExisting(Inode directory, NameCodec codec, byte[] plain) throws ErrnoException {
    try {
      return encode(directory, codec, plain);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.EPERM) {
        throw new ErrnoException(Errno.ENOENT);
      }
      throw e;
    }
  }

  /** The plain name of a stored one; null if it is not to be shown, or cannot be decoded. */
  byte @Nullable [] decode(DirectoryCache.Ref directory, NameCodec codec, byte[] stored)
      throws ErrnoException {
    if (isRoot(directory.inode) && encryption().isReservedInRoot(stored)) {
      return null;
    }
    try {
      return switch (codec.kindOf(stored)) {
        case INTERNAL -> null;
        case PLAIN -> visible(codec.decode(stored));
        case LONG ->
            visible(
                codec.decodeLong(
                    stored, readSmallFile(directory.directory, codec.sidecarOf(stored))));
      };
    } catch (FormatException e) {
      reportBadName(directory.inode, stored, String.valueOf(e.getMessage()));
      return null;
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT) {
        throw e;
      }
      // The entry may just have been removed, its sidecar after it: then there is no fault.
      if (directory.directory.has(stored)) {
        reportBadName(directory.inode, stored, "the file with its long name is missing");
      }
      return null;
    }
  }

  private static byte[] visible(byte[] plain) throws FormatException {
    boolean dots = plain.length > 0 && plain[0] == '.';
    if (plain.length == 0
        || plain.length > MAX_NAME_BYTES
        || (dots && (plain.length == 1 || (plain.length == 2 && plain[1] == '.')))) {
      throw new FormatException("the name decrypts to one that no file can have");
    }
    for (byte each : plain) {
      if (each == '/' || each == 0) {
        throw new FormatException("the name decrypts to one that no file can have");
      }
    }
    return plain;
  }

  private void reportBadName(Inode directory, byte[] stored, String fault) {
    DirectoryState state = state(directory);
    if (!state.badNamesReported) {
      state.badNamesReported = true;
      damage.write(
          "directory "
              + storedPath(directory)
              + ": left out of its listing: entry "
              + DamageLog.printable(stored)
              + ": "
              + fault
              + " (further ones in this directory are left out silently)");
    }
  }

  /** Where an object was last seen in the store, relative to its root, for messages. */
  static String storedPath(Inode inode) {
    var path = new StringBuilder();
    int depth = 0;
    for (Inode each = inode; !isRoot(each) && depth < 256; depth++) {
      Inode.Location location = each.location;
      if (location == null) {
        return path.isEmpty() ? "(deleted)" : "(deleted)/" + path;
      }
      path.insert(0, DamageLog.printable(location.name()) + (path.isEmpty() ? "" : "/"));
      each = location.parent();
    }
    return path.isEmpty() ? "/" : path.toString();
  }

  static boolean isRoot(Inode inode) {
    return inode.id() == VirtualFilesystem.ROOT;
  }

  // Sidecars of long names.

  /**
   * Held over the change of an entry and its sidecar. A thread may take one again for a directory
   * for which it holds one.
   */
  final class NameGuard implements AutoCloseable {
    private final int[] stripes;
    private final VolumeLease.@Nullable Held[] held;
    private int taken;

    /** Of nothing. */
    private NameGuard() {
      stripes = new int[0];
      held = new VolumeLease.Held[0];
    }

    /**
     * @param directories inode numbers; all guards take the lower stripes first
     */
    private NameGuard(long... directories) throws ErrnoException {
      stripes = stripes(directories);
      held = new VolumeLease.Held[stripes.length];
      boolean done = false;
      try {
        while (taken < stripes.length) {
          ReentrantLock lock = directoryLocks[stripes[taken]];
          lock.lock();
          taken++;
          if (lease != null && lock.getHoldCount() == 1) {
            held[taken - 1] = lease.directoryLock(stripes[taken - 1]);
          }
        }
        done = true;
      } finally {
        if (!done) {
          close();
        }
      }
    }

    /** In ascending order, each once. */
    private int[] stripes(long[] directories) {
      int[] all = new int[directories.length];
      for (int i = 0; i < all.length; i++) {
        all[i] = Long.hashCode(directories[i] * 0x9E3779B97F4A7C15L) & (directoryLocks.length - 1);
      }
      Arrays.sort(all);
      int distinct = 0;
      for (int each : all) {
        if (distinct == 0 || all[distinct - 1] != each) {
          all[distinct++] = each;
        }
      }
      return Arrays.copyOf(all, distinct);
    }

    @Override
    public void close() {
      while (taken > 0) {
        taken--;
        VolumeLease.Held each = held[taken];
        if (each != null) {
          each.close();
        }
        directoryLocks[stripes[taken]].unlock();
      }
    }
  }

  /** To be held while an entry is made. */
  NameGuard guardMaking(Inode directory, StoredName name) throws ErrnoException {
    return name.isLong() ? new NameGuard(directory.number) : unguarded;
  }

  /** To be held while an entry is removed. */
  NameGuard guardRemoving(Inode directory, StoredName name) throws ErrnoException {
    return oneChangeAtATime || name.isLong() ? new NameGuard(directory.number) : unguarded;
  }

  /** To be held while a temporary name is taken away, or one that was given a moment ago. */
  NameGuard guardTemporary(Inode directory) throws ErrnoException {
    return oneChangeAtATime ? new NameGuard(directory.number) : unguarded;
  }

  /**
   * To be held while a directory is removed together with what lies in it under temporary names.
   *
   * @param removed its inode number
   */
  NameGuard guardTakingApart(Inode directory, StoredName name, long removed) throws ErrnoException {
    return oneChangeAtATime
        ? new NameGuard(directory.number, removed)
        : guardRemoving(directory, name);
  }

  /** To be held while an entry gets another name, and may replace an empty directory. */
  NameGuard guardMoving(
      DirectoryCache.Ref from, StoredName name, DirectoryCache.Ref to, StoredName name2)
      throws ErrnoException {
    long one = from.inode.number;
    long two = to.inode.number;
    if (oneChangeAtATime) {
      FileStatus replaced = statusIfThere(to.directory, name2.name());
      return replaced != null && replaced.isDirectory()
          ? new NameGuard(one, two, replaced.inode())
          : new NameGuard(one, two);
    }
    return name.isLong() || name2.isLong() ? new NameGuard(one, two) : unguarded;
  }

  /**
   * Makes sure that the sidecar of a name is there and whole; nothing to do for short names.
   *
   * @return true if it was made now
   */
  boolean makeSidecar(StoreDirectory directory, NameCodec codec, StoredName name)
      throws ErrnoException {
    byte[] sidecar = name.sidecarName();
    byte[] content = name.sidecarContent();
    if (sidecar == null || content == null) {
      return false;
    }
    try {
      writeSmallFile(directory, sidecar, content);
      return true;
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EEXIST) {
        throw e;
      }
    }
    if (Arrays.equals(readSmallFile(directory, sidecar), content)) {
      return false;
    }
    // A crash left it without its contents. Content follows from the name: put it in place whole.
    byte[] temporary = codec.newTemporaryName();
    writeSmallFile(directory, temporary, content);
    directory.rename(temporary, directory, sidecar, 0);
    return false;
  }

  /** The entry has been made: its sidecar must still be there, whoever else is at work here. */
  void keepSidecar(StoreDirectory directory, StoredName name) throws ErrnoException {
    byte[] sidecar = name.sidecarName();
    byte[] content = name.sidecarContent();
    if (sidecar != null && content != null && !directory.has(sidecar)) {
      try {
        writeSmallFile(directory, sidecar, content);
      } catch (ErrnoException e) {
        if (e.errno() != Errno.EEXIST) {
          throw e;
        }
      }
    }
  }

  /** Removes the sidecar of a name unless its entry exists. */
  void removeSidecar(StoreDirectory directory, StoredName name) {
    byte[] sidecar = name.sidecarName();
    if (sidecar == null) {
      return;
    }
    try {
      if (!directory.has(name.name())) {
        directory.unlink(sidecar);
      }
    } catch (ErrnoException e) {
      // Left behind, it does no harm: it belongs to no entry, and a check of the volume removes it.
    }
  }

  // Small files of the format.

  /** Writes a new file whole; what was begun is removed if that fails. EEXIST if there is one. */
  void writeSmallFile(StoreDirectory directory, byte[] name, byte[] content) throws ErrnoException {
    boolean whole = false;
    StoreFile file =
        cache.withDescriptors(() ->
            directory.openFile(
                name, Flags.O_WRONLY | Flags.O_CREAT | Flags.O_EXCL, PRIVATE_FILE_MODE));
    try (file) {
      MemorySegment buffer = IoBuffers.get().small(LARGEST_SMALL_FILE);
      MemorySegment.copy(content, 0, buffer, ValueLayout.JAVA_BYTE, 0, content.length);
      if (file.write(buffer, 0, content.length, 0) != content.length) {
        throw new ErrnoException(Errno.ENOSPC);
      }
      whole = true;
      // Filesystems that write data long after entries would else lose it in a power failure of
      // the next half minute, and with it the name or directory that depends on it.
      file.startSync();
    } finally {
      if (!whole) {
        try {
          directory.unlink(name);
        } catch (ErrnoException e) {
          // The first failure is the one to tell; what is left counts as damaged and is replaced.
        }
      }
    }
  }

  /** Reads a file of the format, of which more than 4096 bytes are never wanted. */
  byte[] readSmallFile(StoreDirectory directory, byte[] name) throws ErrnoException {
    try (StoreFile file =
        cache.withDescriptors(() -> directory.openFile(name, Flags.O_RDONLY, 0))) {
      MemorySegment buffer = IoBuffers.get().small(LARGEST_SMALL_FILE);
      int read = file.read(buffer, 0, LARGEST_SMALL_FILE, 0);
      return buffer.asSlice(0, read).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  private static @Nullable FileStatus statusIfThere(StoreDirectory directory, byte[] name)
      throws ErrnoException {
    try {
      return directory.status(name);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        return null;
      }
      throw e;
    }
  }
}
