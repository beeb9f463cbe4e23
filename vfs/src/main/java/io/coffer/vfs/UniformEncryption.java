package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.VolumeFormat;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import org.jspecify.annotations.Nullable;

/** One {@link VolumeFormat} for the whole volume. */
final class UniformEncryption implements Encryption {
  private final VolumeFormat format;
  private final boolean shared;
  private final Names names;
  private final DirectoryCache cache;
  private final DamageLog damage;
  private final FileContents contents;
  private final @Nullable NameCodec commonCodec;

  UniformEncryption(
      VolumeFormat format,
      boolean shared,
      Names names,
      DirectoryCache cache,
      DamageLog damage,
      FileContents contents)
      throws ErrnoException {
    this.format = format;
    this.shared = shared;
    this.names = names;
    this.cache = cache;
    this.damage = damage;
    this.contents = contents;
    NameCodec common = null;
    if (format.directoryContextName() == null) {
      try {
        common = format.names(format.newDirectoryContext());
      } catch (FormatException e) {
        throw new ErrnoException(Errno.EIO, e.getMessage());
      }
    }
    commonCodec = common;
  }

  @Override
  public byte @Nullable [] directoryContextName() {
    return format.directoryContextName();
  }

  @Override
  public boolean isReservedInRoot(byte[] storedName) {
    return format.isReservedInRoot(storedName);
  }

  @Override
  public boolean isForbiddenInRoot(byte[] plainName) {
    return format.isForbiddenInRoot(plainName);
  }

  @Override
  public boolean isHiddenAttribute(byte[] name) {
    return false;
  }

  /** Read from the directory's context file at the first call. */
  @Override
  public NameCodec names(DirectoryCache.Ref directory) throws ErrnoException {
    if (commonCodec != null) {
      return commonCodec;
    }
    if (shared && !Names.isRoot(directory.inode)) {
      // Another node may make a directory anew under an inode number that was used before.
      NameCodec codec = directory.codec;
      if (codec == null) {
        codec = readCodec(directory);
        directory.codec = codec;
      }
      return codec;
    }
    DirectoryState state = Names.state(directory.inode);
    NameCodec codec = state.codec;
    if (codec == null) {
      codec = readCodec(directory);
      state.codec = codec;
    }
    return codec;
  }

  private NameCodec readCodec(DirectoryCache.Ref directory) throws ErrnoException {
    byte[] contextName = format.directoryContextName();
    if (contextName == null) {
      throw new IllegalStateException("directories of this format have no context");
    }
    String fault;
    try {
      return format.names(names.readContext(directory.directory, contextName));
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT) {
        throw e;
      }
      if (directory.directory.status(StoreDirectory.SELF).links() == 0) {
        throw e; // the directory itself is gone
      }
      fault = "it is missing";
    } catch (FormatException e) {
      fault = String.valueOf(e.getMessage());
    }
    if (damage.first(directory.inode, DamageLog.CONTEXT)) {
      damage.write(
          "directory "
              + Names.storedPath(directory.inode)
              + ": its names cannot be decrypted, for its context file "
              + DamageLog.printable(contextName)
              + " is damaged: "
              + fault);
    }
    throw new ErrnoException(Errno.EIO);
  }

  @Override
  public NameCodec kinds(StoreDirectory directory, NameCodec parentCodec) {
    return parentCodec;
  }

  @Override
  public void checkAddition(DirectoryCache.Ref directory) {}

  @Override
  public void checkChange(Inode inode) {}

  @Override
  public void checkMove(DirectoryCache.Ref from, byte[] storedName, DirectoryCache.Ref to) {}

  @Override
  public void checkLink(Inode inode, DirectoryCache.Ref to) {}

  @Override
  public boolean givesContext(DirectoryCache.Ref parent) {
    return format.directoryContextName() != null;
  }

  @Override
  public void writeContext(DirectoryCache.Ref parent, StoreDirectory made) throws ErrnoException {
    byte[] contextName = format.directoryContextName();
    if (contextName != null) {
      names.writeSmallFile(made, contextName, format.newDirectoryContext());
    }
  }

  @Override
  public Made create(DirectoryCache.Ref directory, byte[] storedName, int flags, int mode)
      throws ErrnoException {
    return new Made(
        cache.withDescriptors(() -> directory.directory.openFile(storedName, flags, mode)), null);
  }

  @Override
  public Made createTemporary(DirectoryCache.Ref directory, int flags, int mode)
      throws ErrnoException {
    return new Made(
        cache.withDescriptors(() -> directory.directory.openTemporary(flags, mode)), null);
  }

  @Override
  public byte[] sealTarget(DirectoryCache.Ref directory, byte[] target) {
    return format.sealSymlink(target);
  }

  @Override
  public byte[] openTarget(Inode link, byte[] stored) throws FormatException {
    return format.openSymlink(stored);
  }

  @Override
  public long plainSize(FileStatus stored, AttributeReader attributes) {
    return format.layout().plainSize(stored.size());
  }

  @Override
  public FileContents contents(FileState state, StoreFile file) {
    return contents;
  }

  @Override
  public FileContents contents(FileState state, Made made, boolean untouched) {
    return contents;
  }
}
