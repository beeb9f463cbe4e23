package io.coffer.cli;

import io.coffer.batch.CommandLineWords;
import io.coffer.cli.ViewSpec.Switch;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer run}: a view that lives as long as one command. */
@Command(
    name = "run",
    sortOptions = false,
    description = {
      "Run COMMAND with a view of a volume that only it sees, and that ends with it.",
      "",
      "The view is mounted in a namespace of its own: other processes, also your own, do not see"
          + " it. COMMAND has your user, environment, terminal and signals, and the variable"
          + " COFFER_VIEW says where the view is (COFFER_VIEW_2 and so on for further volumes)."
          + " When COMMAND ends, or this process does, in whatever way, the view, its keys and the"
          + " other of the two are gone.",
      "",
      "Where neither root nor user namespaces are at hand, the view is mounted by fusermount3,"
          + " and your other processes see it."
    },
    footer = {
      "",
      "Exit code: that of COMMAND, 128 + N if signal N ended it, 127 if it was not found, 126 if it"
          + " could not be started; before it starts, as below.",
      "",
      "Examples:",
      "  coffer run --volume secret.coffer -- bash",
      "  coffer run --volume secret.coffer --at ~/secret -- make -C ~/secret",
      "  coffer run --volume data --read-only sh -c 'wc -l $COFFER_VIEW/*.csv'"
    })
final class RunCommand extends BaseCommand {
  static final String NAME = "run";

  @Option(
      names = "--volume",
      paramLabel = "DIR",
      description = "The volume; the current directory if not given. Can be given more than once.")
  private List<Path> directories = new ArrayList<>();

  @Option(
      names = "--at",
      paramLabel = "PATH",
      description =
          "An empty directory for the view; a fresh one if not given. The second belongs to the"
              + " second volume, and so on.")
  private List<Path> mountPoints = new ArrayList<>();

  @Option(
      names = {"-r", "--read-only"},
      description = "Allow no changes.")
  private boolean readOnly;

  @Option(
      names = {"--shared", "--shared-storage"},
      description =
          "Other nodes change the volume at the same time, the same files included: see"
              + " coffer-mount. Found out by itself where the store tells.")
  private boolean sharedStorage;

  @Option(names = "--chdir", description = "Start COMMAND inside the (first) view.")
  private boolean inside;

  @Option(
      names = "--no-namespace",
      description = "Mount where your other processes see the view, too.")
  private boolean noNamespace;

  @Mixin private KeyOptions keys = new KeyOptions();

  @Parameters(
      index = "0..*",
      arity = "1..*",
      paramLabel = "COMMAND",
      description = "The command and its arguments.")
  private List<String> command = new ArrayList<>();

  RunCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() {
    throw new IllegalStateException("ends with the command's exit code");
  }

  @Override
  int runForCode() throws CommandException, VolumeException, IOException {
    keys.check();
    if (directories.isEmpty()) {
      directories.add(Path.of(""));
    }
    if (mountPoints.size() > directories.size()) {
      throw new CommandException(
          ExitCode.USAGE, "there are more --at than volumes", "coffer run --help");
    }
    List<GocryptfsVolume> volumes = new ArrayList<>();
    for (int i = 0; i < directories.size(); i++) {
      volumes.add(Volumes.open(directories.get(i), null, false));
      if (i < mountPoints.size()) {
        MountPoint.require(directories.get(i), mountPoints.get(i), false);
      }
    }
    try (PrivateViews views = PrivateViews.start(noNamespace)) {
      CommandLineWords words = OwnWords.of(command);
      for (int i = 0; i < volumes.size(); i++) {
        Path at = i < mountPoints.size() ? mountPoints.get(i).toRealPath() : views.freshDirectory();
        try (SecretBytes masterKey = keys.unlock(volumes.get(i), ui)) {
          views.mount(spec(directories.get(i), at, volumes.get(i)), masterKey);
        }
        words = words.with(i == 0 ? "COFFER_VIEW" : "COFFER_VIEW_" + (i + 1), at.toString());
        if (i == 0 && inside) {
          words = words.startedIn(at.toString().getBytes(StandardCharsets.UTF_8));
        }
      }
      return views.run(words, command.getFirst());
    }
  }

  private ViewSpec spec(Path directory, Path at, GocryptfsVolume volume) throws IOException {
    return spec(directory, at, volume, readOnly, sharedStorage);
  }

  /** A view of an ordinary kind. */
  static ViewSpec spec(
      Path directory, Path at, GocryptfsVolume volume, boolean readOnly, boolean sharedStorage)
      throws IOException {
    Set<Switch> switches = EnumSet.noneOf(Switch.class);
    if (readOnly || MountPoint.isReadOnly(directory)) {
      switches.add(Switch.READ_ONLY);
    }
    if (sharedStorage) {
      switches.add(Switch.SHARED);
    }
    Path real = directory.toRealPath();
    return new ViewSpec(
        real,
        at,
        real.toString(),
        "coffer",
        "coffer",
        volume.config().flags(),
        volume.config().longNameMax(),
        true,
        switches,
        null,
        null,
        null,
        List.of(),
        List.of(),
        List.of());
  }
}
