package io.coffer.cli;

import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
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
    client.setPolicy(identifier(client), contentsMode, namesMode, padding);
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

  private String identifier(TreeClient client)
      throws CommandException, VolumeException, IOException {
    if (key != null) {
      return key;
    }
    List<FscryptVolume.Key> all = client.volume().keys();
    if (all.size() == 1) {
      return all.getFirst().identifier();
    }
    throw new CommandException(
        ExitCode.USAGE,
        all.isEmpty() ? "the volume has no key" : "the volume has several keys: choose with --key",
        "coffer keys " + Shell.quote(directory.toString()));
  }
}
