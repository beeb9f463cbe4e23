package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.keys.Argon2Cost;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.MasterKeyText;
import io.coffer.keys.ProtectorKind;
import io.coffer.keys.ProtectorSecret;
import io.coffer.keys.VolumeException;
import io.coffer.posix.ErrnoException;
import io.coffer.store.LocalStore;
import io.coffer.vfs.PolicyFilesystem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Finds volumes, and makes new ones together with what their owner must be told. */
final class Volumes {
  private Volumes() {}

  /** The volume in a directory, or with its configuration elsewhere. */
  static GocryptfsVolume open(Path directory, @Nullable Path config, boolean reverse)
      throws VolumeException {
    if (config == null && FscryptVolume.isIn(directory)) {
      throw new VolumeException(
          VolumeException.Problem.NOT_A_VOLUME,
          directory + " is a volume of the format fscrypt, on which this command does not work",
          "coffer mount " + Shell.quote(directory.toString()) + " MOUNTPOINT",
          null);
    }
    return config == null ? GocryptfsVolume.open(directory, reverse) : GocryptfsVolume.load(config);
  }

  /**
   * Makes a volume with a new password and shows its master key once.
   *
   * @return its master key; the caller closes it
   */
  static SecretBytes make(
      Path directory,
      @Nullable Path config,
      boolean reverse,
      GocryptfsOptions options,
      KeyOptions keys,
      Ui ui)
      throws VolumeException, CommandException {
    GocryptfsVolume.checkCreatable(directory, config, reverse);
    SecretBytes given = keys.givenMasterKey(ui);
    SecretBytes masterKey =
        given == null ? SecretBytes.random(GocryptfsConfig.MASTER_KEY_BYTES) : given;
    try (SecretBytes password = keys.password(ui.newPassword("New password: "))) {
      GocryptfsVolume.create(directory, config, reverse, options, password, masterKey);
      if (given == null) {
        showMasterKey(masterKey, ui);
      }
      return masterKey;
    } catch (VolumeException | RuntimeException e) {
      masterKey.close();
      throw e;
    }
  }

  /** Makes a volume with fscrypt policies and a first key. */
  static void makeWithPolicies(Path directory, Argon2Cost cost, KeyOptions keys, Ui ui)
      throws VolumeException, CommandException {
    if (!Files.isDirectory(directory)) {
      boolean missing = Files.notExists(directory);
      throw new CommandException(
          ExitCode.VOLUME_DIRECTORY,
          directory + (missing ? " does not exist" : " is not a directory"),
          missing ? "mkdir -p " + Shell.quote(directory.toString()) : null);
    }
    try (LocalStore store = LocalStore.open(directory)) {
      PolicyFilesystem.checkStore(store);
    } catch (ErrnoException e) {
      throw new CommandException(ExitCode.VOLUME_DIRECTORY, String.valueOf(e.getMessage()));
    }
    try (SecretBytes masterKey = SecretBytes.random(FscryptVolume.MASTER_KEY_BYTES);
        var password =
            ProtectorSecret.passphrase(keys.password(ui.newPassword("New password: ")))) {
      FscryptVolume.empty(cost)
          .withProtector(ProtectorKind.PASSPHRASE, "first", password, List.of(masterKey))
          .create(directory);
    }
  }

  private static void showMasterKey(SecretBytes masterKey, Ui ui) {
    if (!ui.outIsTerminal()) {
      ui.err().println("coffer: the master key is not shown, since this is no terminal");
      return;
    }
    ui.out().println();
    ui.out().println("The master key of this volume:");
    ui.out().println();
    writeMasterKey(masterKey, "    ", ui);
    ui.out().println();
    ui.out().println("It opens the volume without the password, and it is the only way in if the");
    ui.out().println("password is forgotten or gocryptfs.conf is lost. Write it down on paper and");
    ui.out().println("keep it apart from this machine. It is shown only now.");
    ui.out().println();
  }

  /** Writes the key in two lines of four groups. */
  static void writeMasterKey(SecretBytes masterKey, String indent, Ui ui) {
    byte[] text = MasterKeyText.format(masterKey);
    try {
      int half = text.length / 2 + 1;
      ui.out().print(indent);
      ui.out().write(text, 0, half);
      ui.out().println();
      ui.out().print(indent);
      ui.out().write(text, half, text.length - half);
      ui.out().println();
      ui.out().flush();
    } finally {
      Arrays.fill(text, (byte) 0);
    }
  }
}
