package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.PlainFormat;
import io.coffer.format.VolumeFormat;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.mount.Sharing;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processes;
import io.coffer.store.LocalStore;
import io.coffer.store.Store;
import io.coffer.vfs.EncryptedFilesystem;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A store and the format that it is read by, for work without a mount. */
public final class OpenVolume implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.cli");

  private final LocalStore store;
  private final VolumeFormat format;
  private @Nullable Sharing sharing;

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

  /**
   * What is in it, for reading: others may write to it meanwhile, and what they are in the middle
   * of changing is waited for. The caller closes it first.
   */
  EncryptedFilesystem reader() throws ErrnoException {
    var options = EncryptedFilesystem.Options.defaults().withReadOnly(true).withShared(true);
    return new EncryptedFilesystem(store, format, options);
  }

  /**
   * The volume for writing, as a mount would have it: together with others who share it, but not
   * beside one who has it for himself alone. The caller closes it first.
   *
   * @param directory where the volume is
   * @throws CommandException if somebody has it for himself alone
   */
  EncryptedFilesystem writer(Path directory) throws ErrnoException, CommandException {
    try {
      Sharing decided =
          Sharing.decide(store, directory, format.lockFileName(), Sharing.Wish.AUTOMATIC, false);
      sharing = decided;
      var options = EncryptedFilesystem.Options.defaults().withShared(decided.mode().isShared());
      return new EncryptedFilesystem(store, format, options, decided.lease());
    } catch (Sharing.RefusedException e) {
      throw new CommandException(ExitCode.VOLUME_DIRECTORY, String.valueOf(e.getMessage()));
    }
  }

  @Override
  public void close() throws ErrnoException {
    if (sharing != null) {
      sharing.close();
    }
    format.close();
    store.close();
  }
}
