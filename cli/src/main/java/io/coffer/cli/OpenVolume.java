package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.PlainFormat;
import io.coffer.format.VolumeFormat;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processes;
import io.coffer.store.LocalStore;
import io.coffer.store.Store;
import io.coffer.vfs.EncryptedFilesystem;
import java.nio.file.Path;

/** A store and the format that it is read by, for work without a mount. */
public final class OpenVolume implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.cli");

  private final LocalStore store;
  private final VolumeFormat format;

  private OpenVolume(LocalStore store, VolumeFormat format) {
    this.store = store;
    this.format = format;
    // Modes are given by what is copied.
    Processes.umask(0);
    try {
      Processes.forbidDumps();
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.WARNING, "keys may be in core files: {0}", e.getMessage());
    }
  }

  /** Opens an encrypted volume. The caller closes the key. */
  public static OpenVolume encrypted(
      Path directory, GocryptfsConfig config, SecretBytes masterKey, boolean longNames)
      throws ErrnoException {
    return new OpenVolume(
        LocalStore.open(directory), new GocryptfsFormat(config, masterKey, longNames));
  }

  /** Opens an ordinary directory. */
  static OpenVolume plain(Path directory) throws ErrnoException {
    return new OpenVolume(LocalStore.open(directory), new PlainFormat());
  }

  public Store store() {
    return store;
  }

  public VolumeFormat format() {
    return format;
  }

  /** The volume as a filesystem, which the caller closes first. */
  EncryptedFilesystem filesystem() throws ErrnoException {
    return new EncryptedFilesystem(store, format);
  }

  @Override
  public void close() throws ErrnoException {
    format.close();
    store.close();
  }
}
