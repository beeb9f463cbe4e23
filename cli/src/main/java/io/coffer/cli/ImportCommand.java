package io.coffer.cli;

import io.coffer.format.FormatException;
import io.coffer.format.fscrypt.FscryptContext;
import io.coffer.keys.AtomicFile;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.store.LocalStore;
import io.coffer.tree.TreeImport;
import io.coffer.vfs.PolicyFilesystem;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer import}: restores what {@code coffer export} wrote. */
@Command(
    name = "import",
    sortOptions = false,
    description = {
      "Restore the encrypted directory in the archive IN, which coffer export wrote, into DIR."
          + " Needs no key.",
      "",
      "DIR is a directory of a volume of the format fscrypt that is not encrypted itself, on the"
          + " store or in a mounted view; or an empty or new directory, of which a volume is made"
          + " that the passwords of the exported one open. Nothing that is there is replaced. The"
          + " directory appears when all of the archive has been read and its digest is right;"
          + " until then it has a name that no view shows. '-' is standard input."
    },
    footer = {
      "",
      "Examples:",
      "  coffer import project.tar /backup/lab",
      "  coffer import --name project.old project.tar /lustre/lab",
      "  ssh archive cat project.tar | coffer import - /lustre/lab"
    })
final class ImportCommand extends BaseCommand {
  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "Restore it under this name instead of its own.")
  private @Nullable String name;

  @Parameters(index = "0", paramLabel = "IN", description = "The archive; '-' is standard input.")
  private Path in = Path.of("-");

  @Parameters(index = "1", paramLabel = "DIR", description = "Where to restore it.")
  private Path directory = Path.of(".");

  ImportCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, FormatException, IOException {
    if (name != null && (name.isEmpty() || name.contains("/") || name.matches("\\.\\.?"))) {
      throw new CommandException(ExitCode.USAGE, "'" + name + "' is no name for a directory");
    }
    boolean made = Files.notExists(directory);
    if (made) {
      Files.createDirectory(directory);
    }
    boolean done = false;
    try {
      restore(PolicyVolume.stored(directory));
      done = true;
    } finally {
      if (made && !done) {
        Files.deleteIfExists(directory);
      }
    }
    return ExitCode.OK;
  }

  private void restore(Path into)
      throws CommandException, VolumeException, FormatException, IOException {
    if (ExportCommand.isEncrypted(into)) {
      throw new CommandException(
          ExitCode.USAGE,
          directory + " is encrypted itself, and names in it are under its key; choose another");
    }
    PolicyVolume around = PolicyVolume.around(into);
    if (around == null && !isEmpty(into)) {
      throw new CommandException(
          ExitCode.VOLUME_DIRECTORY,
          directory + " is neither in a volume of the format fscrypt nor empty");
    }
    TreeImport.Imported imported;
    try (LocalStore store = LocalStore.open(into);
        Progress progress = new Progress(ui, "restored");
        InputStream stream = open()) {
      PolicyFilesystem.checkStore(store);
      imported =
          TreeImport.run(
              stream,
              store.root(),
              name == null ? null : name.getBytes(StandardCharsets.UTF_8),
              new TransferListener(ui, progress));
    } catch (ErrnoException e) {
      if (e.errno() == Errno.EEXIST) {
        throw new CommandException(
            ExitCode.OTHER, String.valueOf(e.getMessage()), "coffer import --name NAME ...");
      }
      throw e;
    }
    Path restored = into.resolve(new String(imported.name(), StandardCharsets.UTF_8));
    ui.err().println("coffer: restored " + restored);
    byte[] metadata = imported.metadata();
    if (around == null && metadata != null) {
      AtomicFile.create(FscryptVolume.file(into), metadata, "rw-r--r--");
      ui.err()
          .println("coffer: " + into + " is a volume now, opened by the passwords of the old one");
      ui.err().println("  Open it: coffer mount " + Shell.quote(into.toString()) + " MOUNTPOINT");
    } else {
      tellIfLocked(restored, around);
    }
  }

  private InputStream open() throws IOException {
    return new BufferedInputStream(
        in.toString().equals("-") ? ui.in() : Files.newInputStream(in), 1 << 16);
  }

  private static boolean isEmpty(Path into) throws IOException {
    try (Stream<Path> entries = Files.list(into)) {
      return entries.findAny().isEmpty();
    }
  }

  /** Says so if no protector of the volume opens what was restored. */
  private void tellIfLocked(Path restored, @Nullable PolicyVolume around)
      throws FormatException, IOException {
    StoredTreeEntry entry;
    try {
      entry = StoredTreeEntry.read(restored);
    } catch (CommandException e) {
      throw new FormatException(String.valueOf(e.getMessage()));
    }
    if (entry == null) {
      return;
    }
    FscryptContext context = entry.context();
    String key = HexFormat.of().formatHex(context.policy().masterKeyIdentifier());
    if (around == null || around.keys().key(key) == null) {
      ui.err()
          .println(
              "coffer: no protector here opens its key "
                  + key
                  + ": only the master key does (coffer unlock --key-file), or restore it into an"
                  + " empty directory");
    }
  }
}
