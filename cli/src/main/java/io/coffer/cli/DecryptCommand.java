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

/** {@code coffer decrypt}: copies a volume into a plain tree, without a mount. */
@Command(
    name = "decrypt",
    sortOptions = false,
    description = {
      "Copy everything in the volume in DIR decrypted to DST, without a mount: for machines that"
          + " have no FUSE.",
      "",
      "Others may write to the volume meanwhile; a file that changes while it is copied is copied"
          + " as it was at some moment or other, block by block.",
      "",
      "DST is made if it is missing. Done again after an interruption, it goes on where it was."
    },
    footer = {"", "Example:", "  coffer decrypt secret.coffer /scratch/clear"})
final class DecryptCommand extends BaseCommand {
  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The configuration is FILE instead of inside DIR.")
  private @Nullable Path config;

  @Mixin private KeyOptions keys = new KeyOptions();

  @Parameters(index = "0", paramLabel = "DIR", description = "The volume.")
  private Path directory = Path.of(".");

  @Parameters(index = "1", paramLabel = "DST", description = "Where the plain tree shall be.")
  private Path target = Path.of(".");

  DecryptCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    keys.check();
    GocryptfsVolume volume = Volumes.open(directory, config, false);
    if (Files.exists(target) && !Files.isDirectory(target)) {
      throw new CommandException(ExitCode.USAGE, target + " is not a directory");
    }
    Path absolute = target.toAbsolutePath().normalize();
    if (absolute.startsWith(directory.toRealPath())) {
      throw new CommandException(
          ExitCode.USAGE, target + " is inside the volume " + directory + " itself");
    }
    try (SecretBytes masterKey = keys.unlock(volume, ui)) {
      Files.createDirectories(target);
      try (OpenVolume from = OpenVolume.encrypted(directory, volume.config(), masterKey, true);
          OpenVolume to = OpenVolume.plain(target);
          VirtualFilesystem clear = from.reader();
          VirtualFilesystem copy = to.writer(target)) {
        return TreeTransfer.run(clear, copy, "decrypted", ui);
      }
    }
  }
}
