package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.FscryptVolume.OpenKey;
import io.coffer.keys.ProtectorSecret;
import io.coffer.keys.VolumeException;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code coffer unlock}: gives a mounted view the key of a tree. */
@Command(
    name = "unlock",
    sortOptions = false,
    description = {
      "Unlock the encrypted directory DIR of a mounted view, and all others with the same key.",
      "",
      "If DIR is not encrypted itself, unlocks all keys that the password opens. Other users see"
          + " the files too, as far as permissions allow. The key is yours: it stays until you, and"
          + " everybody else who unlocked it, have locked it again."
    },
    footer = {
      "",
      "The password may also be recovery words, and the key file that of a protector; see coffer"
          + " protector. A wrong password is found out only after trying all protectors, which"
          + " takes a moment for each: --protector names the one.",
      "",
      "Examples:",
      "  coffer unlock view/project",
      "  coffer unlock --protector anna view/project",
      "  coffer unlock --password-file ~/.pw view",
      "  coffer unlock --key-file project.key view/project"
    })
final class UnlockCommand extends BaseCommand {
  @Mixin private ProtectorOptions protector = new ProtectorOptions();

  @Parameters(paramLabel = "DIR", description = "A directory of a mounted view.")
  private Path directory = Path.of(".");

  UnlockCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    protector.check();
    TreeClient client = TreeClient.at(directory);
    String wanted = client.tree().identifier();
    Path keyFile = protector.keyFile();
    if (keyFile != null) {
      try (SecretBytes key = ProtectorOptions.readKey(keyFile)) {
        unlock(client, wanted, keyFile, key);
      }
      return ExitCode.OK;
    }
    FscryptVolume volume = client.volume().keys();
    try (ProtectorSecret secret = protector.secret("Password: ", ui)) {
      unlock(client, volume.unlock(wanted, protector.protector(), secret));
    }
    return ExitCode.OK;
  }

  /** A file may open a protector, or be a master key itself. */
  private void unlock(TreeClient client, @Nullable String wanted, Path keyFile, SecretBytes key)
      throws CommandException, VolumeException, IOException {
    List<OpenKey> opened = List.of();
    try (ProtectorSecret secret = ProtectorSecret.ofRawKey(key)) {
      if (secret != null) {
        opened = client.volume().keys().unlock(wanted, protector.protector(), secret);
      }
    } catch (VolumeException e) {
      if (e.problem() != Problem.WRONG_PASSWORD && e.problem() != Problem.NOT_A_VOLUME) {
        throw e;
      }
    }
    if (!opened.isEmpty()) {
      unlock(client, opened);
      return;
    }
    String identifier = client.unlock(key);
    if (wanted != null && !wanted.equals(identifier)) {
      client.lock(identifier, false, false);
      throw new CommandException(
          ExitCode.MASTER_KEY, keyFile + " holds another key than that of " + directory);
    }
  }

  /** Gives keys to a view, and closes them. */
  static void unlock(TreeClient client, List<OpenKey> keys) throws CommandException, IOException {
    try {
      for (OpenKey key : keys) {
        client.unlock(key.masterKey());
      }
    } finally {
      keys.forEach(OpenKey::close);
    }
  }
}
