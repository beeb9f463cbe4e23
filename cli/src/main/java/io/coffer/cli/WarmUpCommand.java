package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import io.coffer.posix.Processes;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/**
 * A short run through everything that a user waits for, from which the launcher lets Java remember
 * what it has loaded (the ahead-of-time cache); not for users.
 */
@Command(name = WarmUpCommand.NAME, hidden = true)
final class WarmUpCommand extends BaseCommand {
  static final String NAME = "warm-up";

  @Parameters(paramLabel = "DIR", description = "An empty directory, which is left as it comes.")
  private Path directory = Path.of(".");

  WarmUpCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws VolumeException, IOException, CommandException {
    int mask = Processes.umask(022);
    try {
      warmUp();
    } finally {
      // What Java writes when it ends must not be writable for everybody.
      Processes.umask(mask);
    }
    return ExitCode.OK;
  }

  private void warmUp() throws VolumeException, IOException, CommandException {
    Path volume = Files.createDirectory(directory.resolve("volume"));
    Path view = Files.createDirectory(directory.resolve("view"));
    Path plain = Files.createDirectory(directory.resolve("plain"));
    Path passwordFile = directory.resolve("password");
    Files.writeString(passwordFile, "warm-up\n");
    Files.writeString(plain.resolve("file"), "x".repeat(10_000));
    Files.createDirectory(plain.resolve("directory"));
    Ui silent =
        new Ui(
            new ByteArrayInputStream(new byte[0]),
            new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8),
            new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8),
            false,
            false,
            false);
    String password = passwordFile.toString();
    for (List<String> line :
        List.of(
            List.of("--version"),
            List.of("mount", "--help"),
            List.of("nonsense"),
            List.of("init", "--scrypt-log-n", "10", "--password-file", password, volume.toString()),
            List.of("info", volume.toString()),
            List.of("encrypt", "--password-file", password, plain.toString(), volume.toString()),
            List.of("check", "--password-file", password, volume.toString()),
            List.of("unmount", view.toString()))) {
      CofferCommand.commandLine(silent).execute(line.toArray(new String[0]));
    }
    mount(volume, view);
  }

  /** What the daemon does; where there is no FUSE, only as far as it goes. */
  private void mount(Path volume, Path view) throws VolumeException, IOException, CommandException {
    GocryptfsVolume opened = GocryptfsVolume.open(volume, false);
    ByteArrayOutputStream pipe = new ByteArrayOutputStream();
    new ViewSpec(
            volume.toRealPath(),
            view.toRealPath(),
            "warm-up",
            "coffer",
            "coffer",
            opened.config().flags(),
            opened.config().longNameMax(),
            true,
            EnumSet.noneOf(ViewSpec.Switch.class),
            null,
            null,
            null,
            List.of(),
            List.of(),
            List.of())
        .write(new DataOutputStream(pipe));
    ViewSpec spec =
        ViewSpec.read(new DataInputStream(new ByteArrayInputStream(pipe.toByteArray())));
    try (SecretBytes password = SecretBytes.copyOf("warm-up".getBytes(StandardCharsets.US_ASCII));
        SecretBytes masterKey = opened.unlock(password)) {
      View mounted = View.mount(spec, masterKey);
      try {
        use(view);
      } finally {
        mounted.unmount();
      }
      mounted.awaitEnd();
    } catch (CommandException e) {
      ui.err().println("no mount: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void use(Path view) throws IOException {
    Path file = view.resolve("written");
    for (int i = 0; i < 200; i++) {
      Files.write(file, new byte[100_000]);
      Files.readAllBytes(file);
    }
    Path directory = Files.createDirectory(view.resolve("made"));
    Files.move(file, directory.resolve("moved"));
    Files.createSymbolicLink(view.resolve("link"), Path.of("made"));
    Files.readSymbolicLink(view.resolve("link"));
    try (var entries = Files.walk(view)) {
      entries.forEach(entry -> {});
    }
    Files.delete(directory.resolve("moved"));
    Files.delete(directory);
  }
}
