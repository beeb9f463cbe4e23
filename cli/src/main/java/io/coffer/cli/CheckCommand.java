package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.ProtectorSecret;
import io.coffer.keys.VolumeException;
import io.coffer.posix.ErrnoException;
import io.coffer.store.LocalStore;
import io.coffer.store.Store;
import io.coffer.tree.Finding;
import io.coffer.tree.FscryptCheck;
import io.coffer.tree.VolumeCheck;
import io.coffer.vfs.VolumeLease;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.JsonGenerator;

/** {@code coffer check}: reads a whole volume. */
@Command(
    name = "check",
    sortOptions = false,
    description = {
      "Read everything in the volume in DIR and tell what is damaged: names, links, attributes and"
          + " every block.",
      "",
      "In a volume of the format fscrypt, whose contents are not authenticated, contexts, sizes,"
          + " names and links are looked at. That needs no password; with --password-file or"
          + " --password-command names are deciphered too.",
      "",
      "Changes nothing without --repair. Others may write to the volume meanwhile; what is being"
          + " made or removed at that moment may at most lead to a note. With --repair nobody may:"
          + " it is refused while the volume is mounted for writing."
    },
    footer = {
      "",
      "Exit code: 0 if everything can be read, 26 if something cannot.",
      "",
      "Examples:",
      "  coffer check secret.coffer",
      "  coffer check --repair secret.coffer",
      "  coffer check --json --password-file ~/.pw secret.coffer"
    })
final class CheckCommand extends BaseCommand {
  @Option(
      names = "--repair",
      description =
          "Mend what can be mended without losing anything: what a crash left half-made, empty"
              + " directories that have lost their context, names that a power failure took before"
              + " they were synced (their entries are called lost-name.*) and, in the format"
              + " fscrypt, sizes that do not fit the contents that are there.")
  private boolean repair;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The configuration is FILE instead of inside DIR.")
  private @Nullable Path config;

  @Mixin private KeyOptions keys = new KeyOptions();

  @Parameters(paramLabel = "DIR", description = "The volume.")
  private Path directory = Path.of(".");

  CheckCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    keys.check();
    List<Finding> findings = new ArrayList<>();
    VolumeCheck.Summary summary;
    boolean trees = config == null && FscryptVolume.isIn(directory);
    try (Progress progress = new Progress(ui, "checked")) {
      VolumeCheck.Listener listener =
          new VolumeCheck.Listener() {
            @Override
            public void found(Finding finding) {
              if (json) {
                findings.add(finding);
              } else {
                progress.clear();
                print(finding);
              }
            }

            @Override
            public void progress(long files, long bytes) {
              progress.update(files, bytes);
            }
          };
      summary = trees ? checkTrees(listener) : checkVolume(listener);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return ExitCode.INTERRUPTED;
    }
    if (json) {
      printJson(findings, summary);
    } else {
      // Contents of an fscrypt file cannot be authenticated, and are not read.
      print(
          summary,
          trees ? "contexts, names and sizes" : Progress.size(summary.bytes()) + " of contents");
    }
    return summary.isClean() ? ExitCode.OK : ExitCode.CHECK_FAILED;
  }

  private VolumeCheck.Summary checkVolume(VolumeCheck.Listener listener)
      throws CommandException, VolumeException, IOException, InterruptedException {
    GocryptfsVolume volume = Volumes.open(directory, config, false);
    try (SecretBytes masterKey = keys.unlock(volume, ui);
        OpenVolume open = OpenVolume.encrypted(directory, volume.config(), masterKey, true);
        var _ = repair ? alone(open.store(), open.format().lockFileName()) : null) {
      return VolumeCheck.run(open.store(), open.format(), repair, listener);
    }
  }

  /** A volume with policies needs no key; given one, its names are deciphered. */
  private VolumeCheck.Summary checkTrees(VolumeCheck.Listener listener)
      throws CommandException, VolumeException, IOException {
    FscryptVolume volume = FscryptVolume.open(directory);
    List<FscryptMasterKey> opened = new ArrayList<>();
    try (LocalStore store = LocalStore.open(directory);
        var _ = repair ? alone(store, FscryptVolume.lockFileName()) : null) {
      if (keys.hasPassword()) {
        try (var secret = ProtectorSecret.typed(keys.password(ui.typedPassword("Password: ")))) {
          for (FscryptVolume.OpenKey each : volume.unlock(null, null, secret)) {
            try (each) {
              opened.add(new FscryptMasterKey(each.masterKey()));
            }
          }
        }
      }
      return FscryptCheck.run(store, volume, opened, repair, listener);
    } finally {
      opened.forEach(FscryptMasterKey::close);
    }
  }

  /** The volume for this process alone; null where nothing can be locked or written. */
  private @Nullable VolumeLease alone(Store store, byte @Nullable [] lockFile)
      throws CommandException {
    try {
      return VolumeLease.take(store, lockFile, true);
    } catch (VolumeLease.HeldException e) {
      throw new CommandException(
          ExitCode.VOLUME_DIRECTORY,
          directory
              + " is mounted by "
              + e.holder().text()
              + ", and --repair would take what is being made there for something left: unmount it"
              + " there, or check without --repair");
    } catch (ErrnoException e) {
      return null; // who cannot write here cannot repair either, and says so where it matters
    }
  }

  private static String word(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private void print(Finding finding) {
    String plain = finding.plainPath();
    ui.out()
        .println(
            (finding.repaired() ? "repaired" : word(finding.severity()))
                + ": "
                + (plain == null ? "" : plain + " ")
                + "("
                + finding.storedPath()
                + "): "
                + finding.explanation()
                + (finding.repairable() && !finding.repaired() ? " (--repair mends it)" : ""));
  }

  private void print(VolumeCheck.Summary s, String what) {
    ui.out()
        .printf(
            "Checked %d directories, %d files, %d links, %d others; %s.%n",
            s.directories(), s.files(), s.symlinks(), s.others(), what);
    if (s.isClean() && s.notes() == 0 && s.repaired() == 0) {
      ui.out().println("No problems.");
    } else {
      ui.out()
          .printf(
              "%d errors, %d skipped, %d notes, %d repaired.%n",
              s.errors(), s.skipped(), s.notes(), s.repaired());
    }
  }

  private void printJson(List<Finding> findings, VolumeCheck.Summary s) {
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartObject();
      g.writeBooleanProperty("clean", s.isClean());
      g.writeNumberProperty("directories", s.directories());
      g.writeNumberProperty("files", s.files());
      g.writeNumberProperty("symlinks", s.symlinks());
      g.writeNumberProperty("others", s.others());
      g.writeNumberProperty("bytes", s.bytes());
      g.writeNumberProperty("errors", s.errors());
      g.writeNumberProperty("skipped", s.skipped());
      g.writeNumberProperty("notes", s.notes());
      g.writeNumberProperty("repaired", s.repaired());
      g.writeArrayPropertyStart("findings");
      for (Finding finding : findings) {
        g.writeStartObject();
        g.writeStringProperty("severity", word(finding.severity()));
        g.writeStringProperty("kind", word(finding.kind()));
        g.writeStringProperty("storedPath", finding.storedPath());
        if (finding.plainPath() != null) {
          g.writeStringProperty("path", finding.plainPath());
        }
        g.writeStringProperty("explanation", finding.explanation());
        g.writeBooleanProperty("repairable", finding.repairable());
        g.writeBooleanProperty("repaired", finding.repaired());
        g.writeEndObject();
      }
      g.writeEndArray();
      g.writeEndObject();
    }
    ui.out().println();
  }
}
