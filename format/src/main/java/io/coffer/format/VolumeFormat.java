package io.coffer.format;

import org.jspecify.annotations.Nullable;

/**
 * An opened volume's format: everything that the filesystem must know to turn plain into stored and
 * back. Holds derived keys; {@link #close} wipes them, and nothing made from it may be used after.
 *
 * <p>Thread-safe, and so is everything that it makes.
 */
public interface VolumeFormat extends AutoCloseable {
  /** Offset arithmetic of file contents. */
  ContentLayout layout();

  /**
   * Name of the file in each directory, the root included, that keeps the directory's context; null
   * if directories of this format have none.
   */
  byte @Nullable [] directoryContextName();

  /** A fresh random context for a new directory; empty if directories have none. */
  byte[] newDirectoryContext();

  /**
   * The codec of the names in one directory.
   *
   * @param directoryContext what {@link #newDirectoryContext} made
   * @throws FormatException if the context is damaged (length, all zero)
   */
  NameCodec names(byte[] directoryContext) throws FormatException;

  /** Is this stored name in the root directory the volume's own (its configuration)? */
  boolean isReservedInRoot(byte[] storedName);

  /**
   * Name of the file in the root directory in which mounts of the volume find each other; reserved
   * there. Null if volumes of this format have no place for one.
   */
  default byte @Nullable [] lockFileName() {
    return null;
  }

  /** May no plain entry of this name be made in the root (plain names, configuration's name)? */
  boolean isForbiddenInRoot(byte[] plainName);

  /** A fresh header, {@link ContentLayout#headerBytes} long, for a new file's contents. */
  byte[] newFileHeader();

  /**
   * The cipher of one file's contents.
   *
   * @param header the first {@link ContentLayout#headerBytes} bytes of the stored file
   * @throws FormatException if the header is damaged or of another version
   */
  ContentCipher contents(byte[] header) throws FormatException;

  /** The stored form of a symbolic link's target. */
  byte[] sealSymlink(byte[] target);

  /**
   * A symbolic link's target.
   *
   * @throws FormatException if the stored form does not authenticate or decode
   */
  byte[] openSymlink(byte[] stored) throws FormatException;

  /**
   * Has a stored attribute a name that only this format gives? If {@link #openXattrName} does not
   * open it all the same, it is damaged.
   */
  default boolean isOwnXattr(byte[] stored) {
    return false;
  }

  /** The stored name of an extended attribute; null if the attribute is kept as it is. */
  byte @Nullable [] sealXattrName(byte[] name);

  /**
   * The plain name of a stored extended attribute; null if it is not one that this format sealed
   * and must not be shown. Attributes kept as they are (POSIX ACLs) are returned unchanged.
   */
  byte @Nullable [] openXattrName(byte[] stored);

  /** The stored value of a sealed attribute. */
  byte[] sealXattrValue(byte[] value);

  byte[] openXattrValue(byte[] stored) throws FormatException;

  @Override
  void close();
}
