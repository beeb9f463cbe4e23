package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import io.coffer.vfs.VirtualFilesystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer encrypt}: copies a plain tree into a volume, without a mount. */
@Command(
    name = "encrypt",
    sortOptions = false,
    description = {
      "Copy the plain tree SRC into the volume in DIR, without a mount: for machines that have no"
          + " FUSE.",
      "",
      "Copies contents with their holes, times, modes, links, attributes, and as root owners. Done"
          + " again after an interruption, it goes on where it was; files of the same size and"
          + " time are not copied twice. The volume may be mounted meanwhile, if it is so with"
          + " --shared."
    },
    footer = {
      "",
      "Example:",
      "  coffer init secret.coffer && coffer encrypt results secret.coffer"
    })
final class EncryptCommand extends BaseCommand {
  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The configuration is FILE instead of inside DIR.")
  private @Nullable Path config;

  @Mixin private KeyOptions keys = new KeyOptions();

  @Parameters(index = "0", paramLabel = "SRC", description = "The plain tree.")
  private Path source = Path.of(".");

  @Parameters(index = "1", paramLabel = "DIR", description = "The volume.")
  private Path directory = Path.of(".");

  EncryptCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    keys.check();
    if (!Files.isDirectory(source)) {
      throw new CommandException(
          ExitCode.USAGE,
          source + (Files.exists(source) ? " is not a directory" : " does not exist"));
    }
    GocryptfsVolume volume = Volumes.open(directory, config, false);
    if (directory.toRealPath().startsWith(source.toRealPath())) {
      throw new CommandException(
          ExitCode.USAGE, "the volume " + directory + " is inside " + source + " itself");
    }
    try (SecretBytes masterKey = keys.unlock(volume, ui);
        OpenVolume from = OpenVolume.plain(source);
        OpenVolume to = OpenVolume.encrypted(directory, volume.config(), masterKey, true);
        VirtualFilesystem clear = from.reader();
        VirtualFilesystem copy = to.writer(directory)) {
      return TreeTransfer.run(clear, copy, "encrypted", ui);
    }
  }
}
