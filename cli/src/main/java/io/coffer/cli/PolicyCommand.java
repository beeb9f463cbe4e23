package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.Protector;
import io.coffer.keys.ProtectorSecret;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer policy}: encrypts a directory from now on. */
@Command(
    name = "policy",
    sortOptions = false,
    description = {
      "With the ACTION set, encrypt everything that will be in the empty directory DIR of a"
          + " mounted view; with show, tell how it is encrypted.",
      "",
      "The volume must have the format fscrypt, and its key must be unlocked. Everything below DIR"
          + " inherits the policy, which cannot be changed any more."
    },
    footer = {
      "",
      "Examples:",
      "  coffer unlock view",
      "  mkdir view/project && coffer policy set view/project",
      "  coffer policy set --names aes-256-hctr2 view/other",
      "  coffer policy set --new-key --protector anna view/hers",
      "  coffer policy show view/project"
    })
final class PolicyCommand extends BaseCommand {
  @Option(
      names = "--contents",
      paramLabel = "MODE",
      description = "How contents are encrypted: aes-256-xts (default) or adiantum.")
  private String contents = "aes-256-xts";

  @Option(
      names = "--names",
      paramLabel = "MODE",
      description =
          "How names are encrypted: aes-256-cts (default with aes-256-xts), aes-256-hctr2 or"
              + " adiantum.")
  private @Nullable String names;

  @Option(
      names = "--padding",
      paramLabel = "N",
      description = "Names are padded to a multiple of 4, 8, 16 or 32 bytes (default 32).")
  private int padding = 32;

  @Option(
      names = "--key",
      paramLabel = "IDENTIFIER",
      description = "The master key, if the volume has more than one.")
  private @Nullable String key;

  @Option(
      names = "--new-key",
      description =
          "Make a new master key for DIR, which the password, command or key file given (or asked"
              + " for) opens from now on.")
  private boolean newKey;

  @Mixin private ProtectorOptions protector = new ProtectorOptions();

  @Parameters(index = "0", paramLabel = "ACTION", description = "set or show.")
  private String action = "show";

  @Parameters(index = "1", paramLabel = "DIR", description = "A directory of a mounted view.")
  private Path directory = Path.of(".");

  PolicyCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    TreeClient client = TreeClient.at(directory);
    if (action.equals("show")) {
      StatusCommand.print(client.tree(), directory, ui);
      return ExitCode.OK;
    }
    if (!action.equals("set")) {
      throw new CommandException(
          ExitCode.USAGE, "coffer policy can set or show, not '" + action + "'");
    }
    String contentsMode = mode(contents, List.of("aes-256-xts", "adiantum"));
    String namesMode =
        names == null
            ? contentsMode.equals("ADIANTUM") ? "ADIANTUM" : "AES_256_CTS"
            : mode(names, List.of("aes-256-cts", "aes-256-hctr2", "adiantum"));
    protector.check();
    if (!newKey && protector.isGiven()) {
      throw new CommandException(
          ExitCode.USAGE,
          "a protector, and what opens it, is for --new-key; a key that is there is unlocked"
              + " before its policy is set",
          "coffer unlock --help");
    }
    String identifier = newKey ? makeKey(client) : identifier(client);
    client.setPolicy(identifier, contentsMode, namesMode, padding);
    ui.err().println("coffer: everything in " + directory + " is encrypted from now on");
    return ExitCode.OK;
  }

  private static String mode(String text, List<String> known) throws CommandException {
    if (!known.contains(text.toLowerCase(Locale.ROOT))) {
      throw new CommandException(
          ExitCode.USAGE, "the mode '" + text + "' is not known; there are " + known);
    }
    return text.toUpperCase(Locale.ROOT).replace('-', '_');
  }

  /** Makes a master key, has a protector open it, and unlocks it. */
  private String makeKey(TreeClient client) throws CommandException, VolumeException, IOException {
    if (key != null) {
      throw new CommandException(
          ExitCode.USAGE, "--key and --new-key contradict each other", "coffer policy --help");
    }
    if (client.tree().encrypted()) {
      throw new CommandException(ExitCode.OTHER, directory + " has a policy already");
    }
    PolicyVolume volume = client.volume();
    Protector opener = opener(volume.keys());
    try (SecretBytes masterKey = SecretBytes.random(FscryptVolume.MASTER_KEY_BYTES);
        ProtectorSecret secret = protector.secret("Password of " + opener.name() + ": ", ui)) {
      volume.replace(volume.keys().withKeys(opener, secret, List.of(masterKey)));
      return client.unlock(masterKey);
    }
  }

  private Protector opener(FscryptVolume volume) throws CommandException, VolumeException {
    String chosen = protector.protector();
    if (chosen != null) {
      return volume.protector(chosen);
    }
    if (volume.protectors().size() == 1) {
      return volume.protectors().getFirst();
    }
    throw new CommandException(
        ExitCode.USAGE,
        "the volume has several protectors: choose with --protector which shall open the new key",
        "coffer protector list " + Shell.quote(directory.toString()));
  }

  private String identifier(TreeClient client)
      throws CommandException, VolumeException, IOException {
    if (key != null) {
      return key;
    }
    List<FscryptVolume.Key> all = client.volume().keys().keys();
    if (all.size() == 1) {
      return all.getFirst().identifier();
    }
    throw new CommandException(
        ExitCode.USAGE,
        all.isEmpty() ? "the volume has no key" : "the volume has several keys: choose with --key",
        "coffer keys " + Shell.quote(directory.toString()));
  }
}
