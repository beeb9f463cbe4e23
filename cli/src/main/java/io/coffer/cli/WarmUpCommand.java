package io.coffer.cli;

import io.coffer.batch.BatchException;
import io.coffer.batch.JobLeftovers;
import io.coffer.batch.LeftoverWatch;
import io.coffer.batch.TicketHolder;
import io.coffer.crypto.Scrypt;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Processes;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

  private static final int LARGE_BYTES = 128 * 1024;
  private static final int SMALL_BYTES = 4096;
  private static final int ALIGNMENT = 4096;
  private static final int PIECES = 6000;
  private static final int FILES = 2000;
  private static final int HASHES = 10;

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
    hashPasswords();
    beInJob(view);
    mount(volume, view);
  }

  /** Until the hash is compiled to the last level; every command that asks a password needs it. */
  private static void hashPasswords() {
    try (SecretBytes password = SecretBytes.copyOf(new byte[] {'x'})) {
      for (int i = 0; i < HASHES; i++) {
        Scrypt.hash(password, new byte[32], 1 << 14, 8, 1, 32).close();
      }
    }
  }

  /** What opens the view of a batch job, as far as it goes without one. */
  private void beInJob(Path view) throws IOException {
    try {
      TicketHolder.rehearse();
      LeftoverWatch.start(view, false).close();
      JobLeftovers.remove(view);
    } catch (BatchException e) {
      ui.err().println("no job: " + e.getMessage());
    }
    JobStart.of(new String[] {JobCommand.NAME, "mount", "--at", view.toString(), "-r"});
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

  /**
   * Enough of each operation that Java compiles its code to the last level: methods of which it
   * remembers that are compiled so at once the next time.
   */
  private static void use(Path view) throws IOException {
    Path file = view.resolve("written");
    transfer(file, LARGE_BYTES);
    transfer(file, SMALL_BYTES);
    for (int i = 0; i < FILES; i++) {
      Path made = Files.createDirectories(view.resolve("made" + i % 10)).resolve("file" + i);
      Files.write(made, new byte[i]);
      Files.readAllBytes(made);
      Files.move(made, view.resolve("made" + i % 10).resolve("moved" + i));
      if (i % 10 == 0) {
        Path link = Files.createSymbolicLink(view.resolve("link" + i), Path.of("made"));
        Files.readSymbolicLink(link);
        Files.delete(link);
      }
    }
    List<Path> all;
    try (var entries = Files.walk(view)) {
      all = new ArrayList<>(entries.skip(1).toList());
    }
    for (Path each : all.reversed()) {
      Files.delete(each);
    }
  }

  /** Past the kernel's cache, so that each piece is a request. */
  private static void transfer(Path path, int bytes) throws IOException {
    byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
    try (Arena arena = Arena.ofConfined()) {
      int file =
          Linux.open(Flags.AT_FDCWD, name, Flags.O_RDWR | Flags.O_CREAT | Flags.O_DIRECT, 0600);
      try {
        long piece = arena.allocate(bytes, ALIGNMENT).address();
        for (int i = 0; i < PIECES; i++) {
          long at = (long) i % 100 * bytes;
          Linux.write(file, piece, bytes, at);
          Linux.read(file, piece, bytes, at);
        }
      } finally {
        Linux.close(file);
      }
    } catch (ErrnoException e) {
      throw new IOException(e);
    }
  }
}
