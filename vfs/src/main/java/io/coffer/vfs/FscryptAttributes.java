package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.format.fscrypt.FscryptContext;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The two extended attributes that stored files and directories of fscrypt trees have, in the
 * layout of CephFS (fs/ceph/crypto.h): little-endian.
 *
 * <pre>
 * user.fscrypt.auth   4 version 1, 4 length 40, 40 context      files and directories
 * user.fscrypt.file   8 real size in bytes                      regular files
 * </pre>
 */
final class FscryptAttributes {
  /** Name of the attribute with the context. */
  static final byte[] CONTEXT = "user.fscrypt.auth".getBytes(StandardCharsets.US_ASCII);

  /** Name of the attribute with the real size. */
  static final byte[] SIZE = "user.fscrypt.file".getBytes(StandardCharsets.US_ASCII);

  private static final int VERSION = 1;
  private static final int HEADER_BYTES = 8;
  private static final int SIZE_BYTES = 8;

  private FscryptAttributes() {}

  /** Does an attribute of this name belong to the format? */
  static boolean isOne(byte[] name) {
    return Arrays.equals(name, CONTEXT) || Arrays.equals(name, SIZE);
  }

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

  /** The attribute's value for a context. */
  static byte[] context(FscryptContext context) {
    return ByteBuffer.allocate(HEADER_BYTES + FscryptContext.BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(VERSION)
        .putInt(FscryptContext.BYTES)
        .put(context.encode())
        .array();
  }

  /**
   * The context of an attribute's value.
   *
   * @throws FormatException if it is none
   */
  static FscryptContext context(byte[] value) throws FormatException {
    if (value.length < HEADER_BYTES) {
      throw new FormatException("the attribute with its encryption context is too short");
    }
    ByteBuffer bytes = ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.getInt() != VERSION || bytes.getInt() != value.length - HEADER_BYTES) {
      throw new FormatException("the attribute with its encryption context is damaged");
    }
    return FscryptContext.decode(Arrays.copyOfRange(value, HEADER_BYTES, value.length));
  }

  /** The attribute's value for a real size. */
  static byte[] size(long size) {
    return ByteBuffer.allocate(SIZE_BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(size).array();
  }

  /** The real size of an attribute's value; -1 if there is none or it is damaged. */
  static long size(byte @Nullable [] value) {
    if (value == null || value.length != SIZE_BYTES) {
      return -1;
    }
    return Math.max(-1, ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN).getLong());
  }
}
