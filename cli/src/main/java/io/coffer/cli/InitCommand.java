package io.coffer.cli;

import io.coffer.keys.VolumeException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer init}: makes a volume. */
@Command(
    name = "init",
    sortOptions = false,
    description = {
      "Make a new encrypted volume in the empty directory DIR.",
      "",
      "Asks for a new password, and shows the master key once."
    },
    footer = {
      "",
      "Examples:",
      "  mkdir secret.coffer && coffer init secret.coffer",
      "  coffer init --password-file ~/.pw --content-cipher xchacha20-poly1305 secret.coffer",
      "  coffer init --format fscrypt shared  a key and a policy for each directory",
      "  coffer init --key-service https://keys.example:7450 --service hpc --owner project:lab"
          + " --certificate me.pem secret.coffer",
      "  coffer init --reverse ~/project      show ~/project encrypted, for backups"
    })
final class InitCommand extends BaseCommand {
  @Mixin private NewVolumeOptions volumeOptions = new NewVolumeOptions();

  @Option(
      names = "--reverse",
      description =
          "DIR is a plain tree that shall be shown encrypted, for backups; it may hold files."
              + " Contents are encrypted with aes-siv.")
  private boolean reverse;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "Keep the configuration in FILE instead of inside DIR.")
  private @Nullable Path config;

  @Mixin private KeyOptions keys = new KeyOptions();

  @Mixin private NewKeyOptions newKey = new NewKeyOptions();

  @Parameters(paramLabel = "DIR", description = "Where the volume shall be.")
  private Path directory = Path.of(".");

  InitCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException {
    if (volumeOptions.isFscrypt()) {
      if (reverse || config != null || keys.hasMasterKey()) {
        throw new CommandException(
            ExitCode.USAGE,
            "--reverse, --config and --master-key have no meaning with the format fscrypt");
      }
      newKey.apply(keys, directory, true, ui);
      keys.check();
      Volumes.makeWithPolicies(directory, volumeOptions.argon2Cost(), keys, ui);
      ui.err().println("coffer: made a new volume in " + directory);
      ui.err()
          .println("  Open it: coffer mount " + Shell.quote(directory.toString()) + " MOUNTPOINT");
      ui.err()
          .println(
              "  Encrypt a directory in it: coffer unlock "
                  + (keys.keyService() == null
                      ? ""
                      : "--key-service " + Shell.quote(keys.keyService().toString()) + " ")
                  + "MOUNTPOINT");
      ui.err().println("                             coffer policy set MOUNTPOINT/DIRECTORY");
      return ExitCode.OK;
    }
    newKey.apply(keys, directory, reverse, ui);
    Volumes.make(directory, config, reverse, volumeOptions.toOptions(reverse), keys, ui).close();
    ui.err().println("coffer: made a new volume in " + directory);
    ui.err()
        .println(
            "  Open it: coffer mount "
                + (reverse ? "--reverse " : "")
                + (config == null ? "" : "--config " + Shell.quote(config.toString()) + " ")
                + (keys.keyService() == null
                    ? ""
                    : "--key-service " + Shell.quote(keys.keyService().toString()) + " ")
                + Shell.quote(directory.toString())
                + " MOUNTPOINT");
    return ExitCode.OK;
  }
}
