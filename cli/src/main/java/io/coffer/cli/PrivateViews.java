package io.coffer.cli;

import io.coffer.batch.BatchException;
import io.coffer.batch.CommandLineWords;
import io.coffer.batch.ConfinedCommand;
import io.coffer.batch.Confinement;
import io.coffer.batch.LeftoverWatch;
import io.coffer.batch.MadePlace;
import io.coffer.crypto.SecretBytes;
import io.coffer.fuse.MountRequest;
import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The views of one command, served by this process as long as the command runs. */
final class PrivateViews implements AutoCloseable {
  /** As a shell has them. */
  private static final int NOT_FOUND = 127;

  private static final int NOT_STARTED = 126;

  /** How long the views may take to end; longer only if the command left processes behind. */
  private static final long GRACE_MILLIS = 2000;

  /** A view, and the directory that was made for it. */
  private record Held(View view, @Nullable MadePlace place) {}

  private final List<Held> views = new ArrayList<>();
  private final List<LeftoverWatch> watches = new ArrayList<>();
  private final Map<Path, MadePlace> made = new HashMap<>();
  private final String refusal;
  private final Interruption.Cleanup cleanup;
  private ConfinedCommand process;

  private PrivateViews(ConfinedCommand process, String refusal) {
    this.process = process;
    this.refusal = refusal;
    this.cleanup = Interruption.onInterrupt(this::takeAway);
  }

  /**
   * Starts the process that is going to be the command, as confined as it can be here.
   *
   * @param visible do not confine it
   */
  static PrivateViews start(boolean visible) throws CommandException {
    Confinement confinement =
        Credentials.effectiveUid() == 0 ? Confinement.MOUNT_NAMESPACE : Confinement.USER_NAMESPACE;
    String refusal = visible ? "--no-namespace was given" : confinement.refusal();
    if (!refusal.isEmpty()) {
      confinement = Confinement.NONE;
    }
    return new PrivateViews(process(confinement), refusal);
  }

  private static ConfinedCommand process(Confinement confinement) throws CommandException {
    try {
      return ConfinedCommand.start(confinement, OwnProgram.command(CommandProcess.NAME));
    } catch (BatchException e) {
      throw new CommandException(ExitCode.DAEMON, String.valueOf(e.getMessage()));
    }
  }

  /** A directory for a view, which nobody else can have made; removed in the end. */
  Path freshDirectory() throws IOException {
    String temporary = System.getenv("TMPDIR");
    Path parent = Path.of(temporary == null || temporary.isEmpty() ? "/tmp" : temporary);
    Path directory = Files.createTempDirectory(parent, "coffer-run.").toRealPath();
    made.put(directory, MadePlace.of(directory));
    return directory;
  }

  /** Mounts a view, inside the confinement if there is one. The caller closes the key. */
  void mount(ViewSpec spec, SecretBytes masterKey) throws CommandException {
    try {
      boolean confined = process.confinement() != Confinement.NONE;
      MadePlace place = made.get(spec.mountPoint());
      if (!confined || place != null) {
        watches.add(LeftoverWatch.start(spec.mountPoint(), place != null));
      }
      ViewSpec served = confined ? spec.servedAt(connect(spec)) : spec;
      views.add(new Held(View.mount(served, masterKey), place));
      if (place != null) {
        place.shut();
      }
    } catch (CommandException e) {
      if (e.exitCode() != ExitCode.FUSE || process.confinement() != Confinement.NONE) {
        throw e;
      }
      throw new CommandException(
          ExitCode.FUSE,
          "no view can be mounted here: not in a namespace of its own ("
              + refusal
              + "), and not by fusermount3: "
              + e.getMessage());
    } catch (BatchException e) {
      throw new CommandException(ExitCode.DAEMON, String.valueOf(e.getMessage()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CommandException(ExitCode.INTERRUPTED, "interrupted");
    }
  }

  private Path connect(ViewSpec spec) throws CommandException {
    MountRequest request =
        new MountRequest(
            spec.mountPoint(),
            spec.source(),
            spec.subtype(),
            spec.has(ViewSpec.Switch.READ_ONLY),
            false,
            false,
            false,
            false,
            true,
            List.of());
    try {
      return Path.of("/dev/fd/" + process.mount(request));
    } catch (BatchException e) {
      throw new CommandException(
          ExitCode.FUSE, String.valueOf(e.getMessage()), "coffer run --no-namespace ...");
    }
  }

  /**
   * Runs the command and takes the views away when it has ended.
   *
   * @return its exit code, or 128 + the signal that ended it
   */
  int run(CommandLineWords command, String name) throws CommandException {
    try {
      process.execute(command);
      cleanup.cancel();
      return process.waitFor();
    } catch (ErrnoException e) {
      Messages.failure(Ui.standard(), new CommandException(ExitCode.OTHER, cannotStart(name, e)));
      return e.errno() == Errno.ENOENT ? NOT_FOUND : NOT_STARTED;
    } catch (BatchException e) {
      throw new CommandException(ExitCode.DAEMON, String.valueOf(e.getMessage()));
    }
  }

  private static String cannotStart(String name, ErrnoException e) {
    return e.errno() == Errno.ENOENT
        ? name + ": command not found"
        : name + " cannot be started: " + e.getMessage();
  }

  @Override
  public void close() {
    cleanup.cancel();
    process.close();
    takeAway();
  }

  private void takeAway() {
    List<Thread> ending = new ArrayList<>();
    for (Held held : views) {
      View view = held.view();
      if (process.confinement() == Confinement.NONE) {
        view.unmount(held.place());
      }
      // In a namespace of their own they end with its last process.
      ending.add(
          Thread.ofPlatform()
              .daemon()
              .start(() -> {
                try {
                  view.awaitEnd();
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              }));
    }
    long deadline = System.nanoTime() + GRACE_MILLIS * 1_000_000;
    for (Thread each : ending) {
      try {
        each.join(Math.max(1, (deadline - System.nanoTime()) / 1_000_000));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    // The watches go last: if this process is killed on the way, they remove the rest.
    made.values().forEach(MadePlace::remove);
    watches.forEach(LeftoverWatch::close);
  }
}
