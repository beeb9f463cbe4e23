package io.coffer.vfs;

import io.coffer.format.fscrypt.FscryptStoredAttributes;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import org.jspecify.annotations.Nullable;

/**
 * Reads and changes the attributes of {@link FscryptStoredAttributes} also for those who have no
 * right to, at that moment.
 */
final class FscryptAttributes {
  /** Name of the attribute with the context. */
  static final byte[] CONTEXT = FscryptStoredAttributes.contextName();

  /** Name of the attribute with the real size. */
  static final byte[] SIZE = FscryptStoredAttributes.sizeName();

  private FscryptAttributes() {}

  /**
   * The attribute of an open file. Reading one takes the right to read the file, even of somebody
   * who has it open: an owner without it lends it to us for the moment.
   */
  static byte @Nullable [] get(StoreFile file, byte[] name) throws ErrnoException {
    try {
      return file.getXattr(name);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EACCES) {
        throw e;
      }
      int mode = lend(file, 0400, e);
      try {
        return file.getXattr(name);
      } finally {
        file.changeMode(mode);
      }
    }
  }

  /** Changes the attribute of an open file, which likewise takes the right to write. */
  static void set(StoreFile file, byte[] name, byte[] value) throws ErrnoException {
    try {
      file.setXattr(name, value, 0);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EACCES) {
        throw e;
      }
      int mode = lend(file, 0200, e);
      try {
        file.setXattr(name, value, 0);
      } finally {
        file.changeMode(mode);
      }
    }
  }

  private static int lend(StoreFile file, int right, ErrnoException denied) throws ErrnoException {
    int mode = file.status().mode() & Flags.PERMISSIONS;
    try {
      file.changeMode(mode | right);
    } catch (ErrnoException e) {
      throw denied; // it is somebody else's
    }
    return mode;
  }

  /** The attribute of an entry, read likewise. */
  static byte @Nullable [] get(StoreDirectory directory, byte[] entry, byte[] name)
      throws ErrnoException {
    try {
      return directory.getXattr(entry, name);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EACCES) {
        throw e;
      }
      int mode = directory.status(entry).mode() & Flags.PERMISSIONS;
      try {
        directory.changeMode(entry, mode | 0400);
      } catch (ErrnoException again) {
        throw e; // it is somebody else's
      }
      try {
        return directory.getXattr(entry, name);
      } finally {
        directory.changeMode(entry, mode);
      }
    }
  }
}
