package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Timestamp;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import io.coffer.vfs.VirtualFilesystem.AttributeChanges;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Status, modes, owners, times and extended attributes. An open file is asked by its handle, which
 * is right even if the file has no name any more; everything else by its name.
 */
final class Attributes {
  private static final byte[] CAPABILITY =
      "security.capability".getBytes(StandardCharsets.US_ASCII);

  private static final int XATTR_NAME_MAX = 255;
  private static final long BARE_NANOS = 1_000_000_000;

  private final Volume volume;
  private final Object[] changeLocks = new Object[64];

  Attributes(Volume volume) {
    this.volume = volume;
    Arrays.setAll(changeLocks, _ -> new Object());
  }

  FileStatus status(Inode inode) throws ErrnoException {
    if (inode.isRegular()) {
      FileStatus open = volume.openStatus(inode);
      if (open != null) {
        return open;
      }
    }
    try {
      return volume.locator.find(
          inode,
          (directory, name) -> {
            FileStatus status = directory.status(name);
            return inode.is(status) ? volume.plainStatus(inode, status, directory, name) : null;
          });
    } catch (ErrnoException e) {
      FileStatus removed = e.errno() == Errno.ESTALE ? statusOfOpenDirectory(inode) : null;
      if (removed == null) {
        throw e;
      }
      return removed;
    }
  }

  /** A directory that was removed is still there for those who have it open. */
  private @Nullable FileStatus statusOfOpenDirectory(Inode inode) throws ErrnoException {
    if (!inode.isDirectory()) {
      return null;
    }
    try (DirectoryCache.Ref ref = volume.cache.cached(inode)) {
      return ref == null ? null : ref.directory.status(StoreDirectory.SELF);
    }
  }

  /**
   * Everything but the size.
   *
   * @param ofOpenFile the file is open; its times can be set even if it is in a locked tree
   */
  void change(Inode inode, AttributeChanges changes, boolean ofOpenFile) throws ErrnoException {
    Integer uid = changes.uid();
    Integer gid = changes.gid();
    Integer mode = changes.mode();
    boolean owner = uid != null || gid != null;
    boolean times = changes.accessed() != null || changes.modified() != null;
    if (!owner && mode == null && !times) {
      return;
    }
    if (!ofOpenFile || owner || mode != null) {
      volume.encryption.checkChange(inode);
    }
    int newUid = uid == null ? -1 : uid;
    int newGid = gid == null ? -1 : gid;
    Timestamp accessed = orOmit(changes.accessed());
    Timestamp modified = orOmit(changes.modified());
    Boolean done =
        volume.withOpenHandle(
            inode,
            file -> {
              if (owner) {
                file.changeOwner(newUid, newGid);
              }
              if (mode != null) {
                file.changeMode(mode & Flags.PERMISSIONS);
              }
              if (times) {
                file.changeTimes(accessed, modified);
              }
              return true;
            });
    if (done != null) {
      return;
    }
    volume.locator.findChecked(
        inode,
        (directory, name) -> {
          if (owner) {
            directory.changeOwner(name, newUid, newGid);
          }
          if (mode != null) {
            directory.changeMode(name, mode & Flags.PERMISSIONS);
          }
          if (times) {
            directory.changeTimes(name, accessed, modified);
          }
          return true;
        });
  }

  private static Timestamp orOmit(@Nullable Timestamp time) {
    return time == null ? Timestamp.OMIT : time;
  }

  void access(Inode inode, int mask) throws ErrnoException {
    if ((mask & Flags.W_OK) != 0
        && (inode.isRegular() || inode.isDirectory() || inode.type == FileStatus.TYPE_SYMLINK)) {
      volume.checkWritable();
    }
    volume.locator.findChecked(
        inode,
        (directory, name) -> {
          directory.access(name, mask);
          return true;
        });
  }

  // Extended attributes.

  /** One operation on the attributes of an open file, and the same by name. */
  private <T> T onXattrs(Inode inode, FileState.Use<T> open, Locator.Attempt<T> named)
      throws ErrnoException {
    T result = volume.withOpenHandle(inode, open);
    return result != null ? result : volume.locator.findChecked(inode, named);
  }

  byte[] get(Inode inode, byte[] name) throws ErrnoException {
    if (volume.encryption.isHiddenAttribute(name)) {
      throw new ErrnoException(Errno.ENODATA);
    }
    checkName(name);
    if (isBare(inode)) {
      throw new ErrnoException(Errno.ENODATA);
    }
    byte[] sealedName = storedName(name);
    byte[] storedName = sealedName == null ? name : sealedName;
    // Wrapped, since "there is none" and "not this object" are different answers.
    byte[][] found =
        this.<byte[][]>onXattrs(
            inode,
            file -> one(file.getXattr(storedName)),
            (directory, at) -> one(directory.getXattr(at, storedName)));
    if (found.length == 0) {
      throw new ErrnoException(Errno.ENODATA);
    }
    if (sealedName == null) {
      return found[0];
    }
    try {
      return volume.format.openXattrValue(found[0]);
    } catch (FormatException e) {
      if (volume.damage.first(inode, Arrays.hashCode(sealedName) | 1L << 62)) {
        volume.damage.write(
            "extended attribute of " + volume.pathForMessages(inode) + ": " + e.getMessage());
      }
      throw new ErrnoException(Errno.EIO);
    }
  }

  /**
   * Is it known to have no attribute at all? "ls -l" asks each file for a security label and for an
   * ACL, and few files have either: one question for all names saves the rest. The answer is
   * believed as long as the kernel believes a status that others might change.
   */
  private boolean isBare(Inode inode) {
    if (volume.options.shared()) {
      return false;
    }
    long until = inode.bareUntil;
    if (until == Inode.NOT_BARE) {
      return false;
    }
    if (until != 0 && System.nanoTime() - until < 0) {
      return true;
    }
    synchronized (changeLock(inode)) {
      boolean bare;
      try {
        bare = list(inode).length == 0;
      } catch (ErrnoException e) {
        return false; // whoever asks for one attribute is told better
      }
      inode.bareUntil = bare ? (System.nanoTime() + BARE_NANOS) | 2 : Inode.NOT_BARE;
      return bare;
    }
  }

  /** Held while attributes change, so that what was learned before is not noted after. */
  private Object changeLock(Inode inode) {
    return changeLocks[(int) inode.id() & (changeLocks.length - 1)];
  }

  private static byte[][] one(byte @Nullable [] value) {
    return value == null ? new byte[][] {} : new byte[][] {value};
  }

  void set(Inode inode, byte[] name, byte[] value, int flags) throws ErrnoException {
    volume.checkWritable();
    if (new String(name, StandardCharsets.ISO_8859_1).indexOf('.') == name.length - 1) {
      throw new ErrnoException(Errno.EINVAL); // a namespace ("user.") without a name in it
    }
    checkMayChange(inode, name);
    byte[] sealedName = storedName(name);
    byte[] storedName = sealedName == null ? name : sealedName;
    byte[] stored = sealedName == null ? value : volume.format.sealXattrValue(value);
    synchronized (changeLock(inode)) {
      inode.bareUntil = Inode.NOT_BARE;
      onXattrs(
          inode,
          file -> {
            file.setXattr(storedName, stored, flags);
            return true;
          },
          (directory, at) -> {
            directory.setXattr(at, storedName, stored, flags);
            return true;
          });
    }
  }

  private void checkMayChange(Inode inode, byte[] name) throws ErrnoException {
    if (volume.encryption.isHiddenAttribute(name)) {
      throw new ErrnoException(Errno.EPERM);
    }
    volume.encryption.checkChange(inode);
  }

  void remove(Inode inode, byte[] name) throws ErrnoException {
    volume.checkWritable();
    checkMayChange(inode, name);
    byte[] sealedName = storedName(name);
    byte[] storedName = sealedName == null ? name : sealedName;
    onXattrs(
        inode,
        file -> {
          file.removeXattr(storedName);
          return true;
        },
        (directory, at) -> {
          directory.removeXattr(at, storedName);
          return true;
        });
  }

  byte[] list(Inode inode) throws ErrnoException {
    byte[] stored = onXattrs(inode, StoreFile::listXattrs, StoreDirectory::listXattrs);
    var result = new ByteArrayOutputStream();
    int start = 0;
    for (int end = 0; end < stored.length; end++) {
      if (stored[end] == 0) {
        byte[] plain = volume.format.openXattrName(Arrays.copyOfRange(stored, start, end));
        if (plain != null && !volume.encryption.isHiddenAttribute(plain)) {
          result.writeBytes(plain);
          result.write(0);
        }
        start = end + 1;
      }
    }
    return result.toByteArray();
  }

  /** The stored name of an attribute; null if it is kept as it is. */
  private byte @Nullable [] storedName(byte[] name) throws ErrnoException {
    checkName(name);
    try {
      return volume.format.sealXattrName(name);
    } catch (IllegalArgumentException e) {
      throw new ErrnoException(Errno.ERANGE, e.getMessage());
    }
  }

  private void checkName(byte[] name) throws ErrnoException {
    if (!volume.options.fileCapabilities() && Arrays.equals(name, CAPABILITY)) {
      // The kernel asks for it before every write; without set-id programs it means nothing.
      throw new ErrnoException(Errno.EOPNOTSUPP);
    }
    if (name.length == 0 || name.length > XATTR_NAME_MAX) {
      throw new ErrnoException(Errno.ERANGE);
    }
  }
}
