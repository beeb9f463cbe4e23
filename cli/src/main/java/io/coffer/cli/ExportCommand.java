package io.coffer.cli;

import io.coffer.format.fscrypt.FscryptStoredAttributes;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import io.coffer.store.LocalStore;
import io.coffer.store.StoreDirectory;
import io.coffer.tree.TreeExport;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer export}: a backup without the key. */
@Command(
    name = "export",
    sortOptions = false,
    description = {
      "Write the encrypted directory DIR, as it is stored, to the tar archive OUT. Needs no key: a"
          + " backup can be made, moved and restored by somebody who cannot read it.",
      "",
      "DIR is an encrypted directory or a whole volume of the format fscrypt, on the store or in a"
          + " mounted view, locked or not. Nobody should write to it meanwhile. The archive also"
          + " holds the volume's wrapped keys, so that its passwords open what coffer import"
          + " restores. OUT appears when it is whole; '-' is standard output. Any tar lists the"
          + " archive, and one that keeps extended attributes can restore it too."
    },
    footer = {
      "",
      "Examples:",
      "  coffer export /lustre/lab/project project.tar",
      "  coffer export view/project - | ssh archive 'cat > project.tar'"
    })
final class ExportCommand extends BaseCommand {
  @Option(
      names = "--no-keys",
      description = "Leave out the volume's wrapped keys; then only the master key opens it.")
  private boolean noKeys;

  @Parameters(index = "0", paramLabel = "DIR", description = "The encrypted directory.")
  private Path directory = Path.of(".");

  @Parameters(index = "1", paramLabel = "OUT", description = "The archive; '-' is standard output.")
  private Path out = Path.of("-");

  ExportCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    if (!Files.isDirectory(directory)) {
      throw new CommandException(ExitCode.USAGE, directory + " is not a directory");
    }
    Path stored = PolicyVolume.stored(directory).toRealPath();
    Path parent = stored.getParent();
    Path name = stored.getFileName();
    if (parent == null || name == null || !(FscryptVolume.isIn(stored) || isEncrypted(stored))) {
      throw new CommandException(
          ExitCode.USAGE,
          directory
              + " is not encrypted: give a directory with a policy, or a whole volume of the format"
              + " fscrypt",
          "coffer export --help");
    }
    byte[] metadata = metadata(stored);
    try (LocalStore store = LocalStore.open(parent)) {
      if (out.toString().equals("-")) {
        if (ui.outIsTerminal()) {
          throw new CommandException(
              ExitCode.USAGE, "an archive is not written to a terminal; redirect it");
        }
        write(metadata, store.root(), name, new BufferedOutputStream(ui.out(), 1 << 16));
        if (ui.out().checkError()) {
          throw new CommandException(ExitCode.OTHER, "standard output takes no more");
        }
      } else {
        writeFile(metadata, store.root(), name);
      }
    }
    return ExitCode.OK;
  }

  static boolean isEncrypted(Path stored) throws IOException {
    try (LocalStore store = LocalStore.open(stored)) {
      return store.root().getXattr(StoreDirectory.SELF, FscryptStoredAttributes.contextName())
          != null;
    }
  }

  private byte @Nullable [] metadata(Path stored) throws VolumeException, IOException {
    if (noKeys || FscryptVolume.isIn(stored)) {
      return null; // that of a whole volume is in its place
    }
    PolicyVolume around = PolicyVolume.around(stored);
    return around == null ? null : Files.readAllBytes(FscryptVolume.file(around.directory()));
  }

  private void writeFile(byte @Nullable [] metadata, StoreDirectory parent, Path name)
      throws CommandException, IOException {
    if (Files.exists(out, LinkOption.NOFOLLOW_LINKS)) {
      throw new CommandException(ExitCode.USAGE, out + " is there already");
    }
    Path part = out.resolveSibling(out.getFileName() + ".part");
    boolean done = false;
    try (FileChannel channel =
        FileChannel.open(
            part,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING)) {
      var stream = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
      write(metadata, parent, name, stream);
      channel.force(true);
      Files.move(part, out);
      done = true;
    } finally {
      if (!done) {
        Files.deleteIfExists(part);
      }
    }
  }

  private void write(
      byte @Nullable [] metadata, StoreDirectory parent, Path name, OutputStream stream)
      throws IOException {
    try (Progress progress = new Progress(ui, "exported")) {
      TreeExport.run(
          metadata,
          parent,
          name.toString().getBytes(StandardCharsets.UTF_8),
          stream,
          new TransferListener(ui, progress));
    }
  }
}
