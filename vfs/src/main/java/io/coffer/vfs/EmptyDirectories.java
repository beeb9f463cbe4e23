package io.coffer.vfs;

import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.EntryKind;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreListing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Removes directories that look empty but hold files of the format.
 *
 * <p>Such a directory is first renamed to a temporary name, looked at again, and only then taken
 * apart: a crash at any moment leaves either the whole directory with its context or a leftover
 * under a name that nobody sees and a check of the volume removes.
 */
final class EmptyDirectories {
  private final Encryption encryption;
  private final byte @Nullable [] contextName;
  private final Names names;
  private final DirectoryCache cache;

  EmptyDirectories(Encryption encryption, Names names, DirectoryCache cache) {
    this.encryption = encryption;
    this.contextName = encryption.directoryContextName();
    this.names = names;
    this.cache = cache;
  }

  /** An empty directory out of the way, to be removed or put back. */
  final class Aside implements AutoCloseable {
    private final StoreDirectory parent;
    private final byte[] name;
    private final byte[] temporary;
    private final StoreDirectory directory;
    private final NameCodec codec;
    private final int changedMode;

    private Aside(
        StoreDirectory parent,
        byte[] name,
        byte[] temporary,
        StoreDirectory directory,
        NameCodec codec,
        int changedMode) {
      this.parent = parent;
      this.name = name;
      this.temporary = temporary;
      this.directory = directory;
      this.codec = codec;
      this.changedMode = changedMode;
    }

    /** Removes it; if that fails it is back in its place. */
    void remove() throws ErrnoException {
      byte[] context = null;
      boolean removed = false;
      try {
        for (byte[] each : internals(directory, codec)) {
          if (contextName == null || !Arrays.equals(each, contextName)) {
            purge(directory, each, codec);
          }
        }
        if (contextName != null) {
          context = takeContext();
        }
        parent.removeDirectory(temporary);
        removed = true;
      } finally {
        if (!removed) {
          if (context != null && contextName != null) {
            names.writeSmallFile(directory, contextName, context);
          }
          putBack();
        }
      }
    }

    private byte @Nullable [] takeContext() throws ErrnoException {
      if (contextName == null) {
        return null;
      }
      try {
        byte[] context = names.readSmallFile(directory, contextName);
        directory.unlink(contextName);
        return context;
      } catch (ErrnoException e) {
        if (e.errno() == Errno.ENOENT) {
          return null;
        }
        throw e;
      }
    }

    /** Gives it its name again. */
    void putBack() throws ErrnoException {
      try {
        parent.renameNew(temporary, parent, name);
      } catch (ErrnoException e) {
        System.getLogger("io.coffer.vfs")
            .log(
                System.Logger.Level.WARNING,
                "a directory was left under the temporary name "
                    + DamageLog.printable(temporary)
                    + ", for its own name was taken meanwhile");
        throw e;
      }
      restoreMode(parent, name, changedMode);
    }

    @Override
    public void close() {
      directory.close();
    }
  }

  /**
   * Moves a directory aside if it is empty but for files of the format.
   *
   * @throws ErrnoException ENOTEMPTY if it is not
   */
  Aside moveAside(StoreDirectory parent, byte[] name, NameCodec codec) throws ErrnoException {
    FileStatus status = parent.status(name);
    if (!status.isDirectory()) {
      throw new ErrnoException(Errno.ENOTDIR);
    }
    StoreDirectory directory = cache.withDescriptors(() -> parent.openDirectory(name));
    int changedMode = -1;
    boolean done = false;
    try {
      try {
        internals(directory, codec);
      } catch (ErrnoException e) {
        if (e.errno() != Errno.EACCES) {
          throw e;
        }
        // Removing a directory takes no right on itself; its owner may lend us one.
        parent.changeMode(name, (status.mode() & Flags.PERMISSIONS) | 0700);
        changedMode = status.mode() & Flags.PERMISSIONS;
        internals(directory, codec);
      }
      if (changedMode < 0 && (status.mode() & 0300) != 0300) {
        try {
          directory.access(StoreDirectory.SELF, Flags.W_OK | Flags.X_OK);
        } catch (ErrnoException e) {
          parent.changeMode(name, (status.mode() & Flags.PERMISSIONS) | 0700);
          changedMode = status.mode() & Flags.PERMISSIONS;
        }
      }
      byte[] temporary = codec.newTemporaryName();
      parent.rename(name, parent, temporary, 0);
      var aside = new Aside(parent, name, temporary, directory, codec, changedMode);
      try {
        internals(directory, codec);
      } catch (ErrnoException e) {
        aside.putBack(); // something was made in it just now
        throw e;
      }
      done = true;
      return aside;
    } finally {
      if (!done) {
        directory.close();
        restoreMode(parent, name, changedMode);
      }
    }
  }

  private static void restoreMode(StoreDirectory parent, byte[] name, int mode) {
    if (mode >= 0) {
      try {
        parent.changeMode(name, mode);
      } catch (ErrnoException e) {
        // The owner keeps a few rights more on an own directory.
      }
    }
  }

  /**
   * The entries of a directory that has only files of the format.
   *
   * @throws ErrnoException ENOTEMPTY if it has others
   */
  private List<byte[]> internals(StoreDirectory directory, NameCodec codec) throws ErrnoException {
    var found = new ArrayList<byte[]>();
    NameCodec kinds = encryption.kinds(directory, codec);
    try (StoreListing listing = cache.withDescriptors(directory::list)) {
      while (listing.next()) {
        byte[] name = listing.name();
        if (name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'))) {
          continue;
        }
        if (kinds.kindOf(name) != EntryKind.INTERNAL) {
          throw new ErrnoException(Errno.ENOTEMPTY);
        }
        found.add(name);
      }
    }
    return found;
  }

  /** Removes a leftover: a sidecar without entry, or what a crash left under a temporary name. */
  void purge(StoreDirectory directory, byte[] name, NameCodec codec) throws ErrnoException {
    if (!directory.status(name).isDirectory()) {
      directory.unlink(name);
      return;
    }
    try (StoreDirectory inner = cache.withDescriptors(() -> directory.openDirectory(name))) {
      for (byte[] each : internals(inner, codec)) {
        purge(inner, each, codec);
      }
    }
    directory.removeDirectory(name);
  }
}
