package io.coffer.cli;

import io.coffer.batch.BatchException;
import io.coffer.batch.JobLeftovers;
import io.coffer.batch.LeftoverWatch;
import io.coffer.batch.TicketHolder;
import io.coffer.crypto.Scrypt;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.FeatureFlag;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Processes;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
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
import java.util.Set;
import org.jspecify.annotations.Nullable;
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
  private static final int LISTINGS = 4;
  private static final int HASHES = 10;

  /** What "ls -l" asks of each file. */
  private static final byte[][] ATTRIBUTES = {
    "security.selinux".getBytes(StandardCharsets.US_ASCII),
    "system.posix_acl_access".getBytes(StandardCharsets.US_ASCII)
  };

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
      execute(silent, line);
    }
    hashPasswords();
    beInJob(view);
    // With a process of its own behind the view, so that what starts one is remembered, too.
    execute(
        silent, List.of("mount", "--password-file", password, volume.toString(), view.toString()));
    execute(silent, List.of("unmount", view.toString()));
    Preparation.run();
    Daemon.rehearse();
    mount(volume, view);
    String trees = Files.createDirectory(directory.resolve("trees")).toString();
    execute(silent, List.of("init", "--format", "fscrypt", "--password-file", password, trees));
    mountTrees(Path.of(trees), view, silent, password);
    LogSink.useSystemLog("coffer");
  }

  private static void execute(Ui silent, List<String> line) {
    CofferCommand.commandLine(silent).execute(line.toArray(new String[0]));
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

  private void mount(Path volume, Path view) throws VolumeException, IOException {
    GocryptfsVolume opened = GocryptfsVolume.open(volume, false);
    try (SecretBytes password = SecretBytes.copyOf("warm-up".getBytes(StandardCharsets.US_ASCII));
        SecretBytes masterKey = opened.unlock(password)) {
      List<FeatureFlag> features = opened.config().flags();
      int longNameMax = opened.config().longNameMax();
      Set<ViewSpec.Switch> switches = EnumSet.noneOf(ViewSpec.Switch.class);
      serve(request(volume, view, features, longNameMax, switches, masterKey), () -> use(view));
    }
  }

  private void mountTrees(Path volume, Path view, Ui silent, String password) throws IOException {
    Path tree = view.resolve("tree");
    serve(
        request(volume, view, List.of(), 0, EnumSet.of(ViewSpec.Switch.POLICIES), null),
        () -> {
          String path = tree.toString();
          execute(silent, List.of("unlock", "--password-file", password, view.toString()));
          Files.createDirectory(tree);
          execute(silent, List.of("policy", "set", path));
          use(tree);
          execute(silent, List.of("status", path));
          execute(silent, List.of("lock", path));
        });
  }

  /** A view as it comes to the process behind it. */
  private static DaemonChannel.Request request(
      Path volume,
      Path view,
      List<FeatureFlag> features,
      int longNameMax,
      Set<ViewSpec.Switch> switches,
      @Nullable SecretBytes masterKey)
      throws IOException {
    ByteArrayOutputStream pipe = new ByteArrayOutputStream();
    DaemonChannel.send(
        new ViewSpec(
            volume.toRealPath(),
            view.toRealPath(),
            "warm-up",
            "coffer",
            "coffer",
            features,
            longNameMax,
            true,
            switches,
            null,
            null,
            null,
            List.of(),
            List.of(),
            List.of()),
        masterKey,
        pipe);
    DaemonChannel.Request request =
        DaemonChannel.receive(new ByteArrayInputStream(pipe.toByteArray()));
    if (request == null) {
      throw new IOException("the request is incomplete");
    }
    return request;
  }

  private interface Use {
    void run() throws IOException;
  }

  /** What the daemon does; where there is no FUSE, only as far as it goes. */
  private void serve(DaemonChannel.Request request, Use use) throws IOException {
    try (SecretBytes masterKey = request.masterKey()) {
      View mounted = View.mount(request.spec(), masterKey);
      mounted.unmountOnInterrupt();
      try {
        use.run();
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
    for (int i = 0; i < LISTINGS; i++) {
      list(view, i);
    }
    List<Path> all;
    try (var entries = Files.walk(view)) {
      all = new ArrayList<>(entries.skip(1).toList());
    }
    for (Path each : all.reversed()) {
      Files.delete(each);
    }
  }

  /** As "ls -lR" does; a directory that has changed is listed by the daemon again. */
  private static void list(Path view, int round) throws IOException {
    List<Path> all;
    try (var entries = Files.walk(view)) {
      all = entries.toList();
    }
    for (Path each : all) {
      if (Files.isDirectory(each)) {
        Files.createFile(each.resolve("more" + round));
      } else {
        byte[] name = each.toString().getBytes(StandardCharsets.UTF_8);
        for (byte[] attribute : ATTRIBUTES) {
          try {
            Linux.getXattr(Flags.AT_FDCWD, name, attribute);
          } catch (ErrnoException e) {
            // A store without such attributes; the daemon has been asked, which is what counts.
            return;
          }
        }
      }
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
