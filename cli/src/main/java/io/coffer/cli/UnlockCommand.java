package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
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
      "Examples:",
      "  coffer unlock view/project",
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
    TreeClient.Tree tree = client.tree();
    String wanted = tree.identifier();
    Path keyFile = protector.keyFile();
    if (keyFile != null) {
      try (SecretBytes key = ProtectorOptions.readKey(keyFile)) {
        String identifier = client.unlock(key);
        if (wanted != null && !wanted.equals(identifier)) {
          client.lock(identifier, false, false);
          throw new CommandException(
              ExitCode.MASTER_KEY, keyFile + " holds another key than that of " + directory);
        }
      }
      return ExitCode.OK;
    }
    unlock(client, client.volume(), wanted);
    return ExitCode.OK;
  }

  private void unlock(TreeClient client, FscryptVolume volume, @Nullable String wanted)
      throws CommandException, VolumeException, IOException {
    try (SecretBytes password = protector.password("Password: ", ui)) {
      unlock(client, volume, wanted, password);
    }
  }

  /** Unlocks what a password opens. */
  static void unlock(
      TreeClient client, FscryptVolume volume, @Nullable String wanted, SecretBytes password)
      throws CommandException, VolumeException, IOException {
    for (SecretBytes key : volume.unlock(wanted, password)) {
      try (key) {
        client.unlock(key);
      }
    }
  }
}
