package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.fscrypt.FscryptContext;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import org.jspecify.annotations.Nullable;

/**
 * How the objects of a volume are stored: all alike, or each tree by a policy of its own. Tells it
 * to the operations on names and files, which are the same for both. Thread-safe.
 */
interface Encryption {
  /** Reads extended attributes of one object of the store; null if it has none of that name. */
  interface AttributeReader {
    byte @Nullable [] get(byte[] attribute) throws ErrnoException;
  }

  /**
   * A regular file of the store, open.
   *
   * @param context of a file that was made with it just now; null if there is none, or if the file
   *     may have been there before
   */
  record Made(StoreFile file, @Nullable FscryptContext context) {}

  /** Name of the file in each directory that keeps its context; null if there is none. */
  byte @Nullable [] directoryContextName();

  /** Is this stored name in the root directory the volume's own? */
  boolean isReservedInRoot(byte[] storedName);

  /** May no plain entry of this name be made in the root? */
  boolean isForbiddenInRoot(byte[] plainName);

  /** Does an extended attribute of this name belong to the format, and is not shown? */
  boolean isHiddenAttribute(byte[] name);

  /** The codec of a directory's names. */
  NameCodec names(DirectoryCache.Ref directory) throws ErrnoException;

  /** A codec that tells the kinds of the entries in a directory; it need not decode them. */
  NameCodec kinds(StoreDirectory directory, NameCodec parentCodec) throws ErrnoException;

  /** ENOKEY if nothing may be made or renamed in a directory. */
  void checkAddition(DirectoryCache.Ref directory) throws ErrnoException;

  /** ENOKEY if nothing but removal may be done to an object. */
  void checkChange(Inode inode) throws ErrnoException;

  /** EXDEV if an object may not get from one directory into another under its stored name there. */
  void checkMove(DirectoryCache.Ref from, byte[] storedName, DirectoryCache.Ref to)
      throws ErrnoException;

  /** EXDEV if an object may not get another name in a directory. */
  void checkLink(Inode inode, DirectoryCache.Ref to) throws ErrnoException;

  /** Do new directories in this one have a context, so that they are made aside? */
  boolean givesContext(DirectoryCache.Ref parent) throws ErrnoException;

  /** Gives a new directory its context. */
  void writeContext(DirectoryCache.Ref parent, StoreDirectory made) throws ErrnoException;

  /**
   * Opens a regular file of the store, making it with all that belongs to it if there is none.
   *
   * @param flags for the store, O_CREAT among them
   */
  Made create(DirectoryCache.Ref directory, byte[] storedName, int flags, int mode)
      throws ErrnoException;

  /** A file without a name, with all that belongs to it. */
  Made createTemporary(DirectoryCache.Ref directory, int flags, int mode) throws ErrnoException;

  /** The stored form of a symbolic link's target in a directory. */
  byte[] sealTarget(DirectoryCache.Ref directory, byte[] target) throws ErrnoException;

  /** A symbolic link's target. */
  byte[] openTarget(Inode link, byte[] stored) throws FormatException, ErrnoException;

  /** Plain size of a regular file. */
  long plainSize(FileStatus stored, AttributeReader attributes) throws ErrnoException;

  /**
   * The contents of a regular file that is being opened.
   *
   * @throws ErrnoException ENOKEY, or EIO or EPERM if it does not belong where it is
   */
  FileContents contents(FileState state, StoreFile file) throws ErrnoException;

  /**
   * {@link #contents(FileState, StoreFile)} of a file that was just made: what was written with it
   * is not read again.
   *
   * @param untouched nobody can have opened it since, so that it is empty
   */
  FileContents contents(FileState state, Made made, boolean untouched) throws ErrnoException;
}
