package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.PasswordSource;
import io.coffer.keys.VolumeException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer passwd}: gives a volume another password. */
@Command(
    name = "passwd",
    sortOptions = false,
    description = {
      "Change the password of the volume in DIR.",
      "",
      "The master key stays the same: whoever had the old password and a copy of the old"
          + " configuration can still open the volume. With --master-key the old password is not"
          + " needed, and the old configuration is kept as gocryptfs.conf.bak."
    },
    footer = {
      "",
      "Examples:",
      "  coffer passwd secret.coffer",
      "  coffer passwd --master-key stdin secret.coffer       after a lost password"
    })
final class PasswdCommand extends BaseCommand {
  @Mixin private KeyOptions keys = new KeyOptions();

  @Option(
      names = "--new-password-file",
      paramLabel = "FILE",
      description = "Take the new password from the first line of FILE.")
  private List<Path> newPasswordFiles = new ArrayList<>();

  @Option(
      names = "--scrypt-log-n",
      paramLabel = "N",
      description = "Cost of trying the new password, 10 to 28; as before if not given.")
  private @Nullable Integer scryptLogN;

  @Option(names = "--reverse", description = "DIR is a plain tree that is shown encrypted.")
  private boolean reverse;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The configuration is FILE instead of inside DIR.")
  private @Nullable Path config;

  @Parameters(paramLabel = "DIR", description = "The volume.")
  private Path directory = Path.of(".");

  PasswdCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException {
    keys.check();
    if (scryptLogN != null && (scryptLogN < 10 || scryptLogN > 28)) {
      throw new CommandException(
          ExitCode.USAGE, "--scrypt-log-n must be 10 to 28, not " + scryptLogN);
    }
    if (config == null && FscryptVolume.isIn(directory)) {
      throw new CommandException(
          ExitCode.LOAD_CONFIG,
          directory + " is a volume of the format fscrypt, whose protectors are changed one by one",
          "coffer protector change " + Shell.quote(directory.toString()) + " PROTECTOR");
    }
    GocryptfsVolume volume = Volumes.open(directory, config, reverse);
    try (SecretBytes masterKey = keys.unlock(volume, ui);
        SecretBytes password = newPassword().read()) {
      if (keys.hasMasterKey()) {
        Path backup = volume.backUp();
        ui.err()
            .println(
                "coffer: the old configuration is kept as "
                    + backup
                    + "; remove it once the new password has opened the volume");
      }
      if (scryptLogN == null) {
        volume.changePassword(masterKey, password);
      } else {
        volume.changePassword(masterKey, password, scryptLogN);
      }
    }
    ui.err().println("coffer: the password of " + directory + " has been changed");
    return ExitCode.OK;
  }

  private PasswordSource newPassword() {
    return newPasswordFiles.isEmpty()
        ? ui.newPassword("New password: ")
        : PasswordSource.files(newPasswordFiles);
  }
}
