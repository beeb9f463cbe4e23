package io.coffer.cli;

import io.coffer.batch.BatchException;
import io.coffer.batch.JobLeftovers;
import io.coffer.batch.LeftoverWatch;
import io.coffer.batch.MadePlace;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The process that holds the view of a job on one node ({@code coffer job hold}); a task of the
 * step that {@link JobCommand} starts, not for users. A job waits for it, so that it does without
 * the parser of the command line, which takes longer to start than a mount, and gets ready to mount
 * while the agent is asked for the key.
 */
final class JobHolder {
  /** The word that makes a process of {@link JobCommand} one. */
  static final String NAME = "hold";

  /** Begins the line that tells that the view is usable; the name of the node follows. */
  static final String READY = "coffer-ready ";

  private static final String READ_ONLY = "--read-only";
  private static final String SHARED = "--shared";
  private static final String ATTACHED = "--attached";

  private final Ui ui;
  private final Path at;
  private final boolean readOnly;
  private final boolean shared;
  private final boolean attached;
  private volatile @Nullable MadePlace place;

  private JobHolder(Ui ui, Path at, List<String> switches) {
    this.ui = ui;
    this.at = at;
    readOnly = switches.contains(READ_ONLY);
    shared = switches.contains(SHARED);
    attached = switches.contains(ATTACHED);
  }

  /**
   * The command that becomes one.
   *
   * @param at where the view is to be; a directory that is missing is made, and removed in the end
   * @param shared other nodes have the volume open, too
   * @param attached the view ends with the standard input
   */
  static List<String> command(Path at, boolean readOnly, boolean shared, boolean attached) {
    List<String> command =
        new ArrayList<>(OwnProgram.command(JobCommand.NAME, NAME, "--at", at.toString()));
    if (readOnly) {
      command.add(READ_ONLY);
    }
    if (shared) {
      command.add(SHARED);
    }
    if (attached) {
      command.add(ATTACHED);
    }
    return command;
  }

  /** Is it a command line for {@link #run}? */
  static boolean isMeant(String[] args) {
    return args.length > 1 && args[0].equals(JobCommand.NAME) && args[1].equals(NAME);
  }

  /** Holds the view until it is unmounted or may not be open any more; returns the exit code. */
  static int run(String[] args, Ui ui) {
    String ticket = System.getenv(JobCommand.TICKET);
    List<String> words = List.of(args);
    if (ticket == null || words.size() < 4 || !words.get(2).equals("--at")) {
      return Messages.failure(
          ui, new CommandException(ExitCode.USAGE, "hold is not for users", "coffer job --help"));
    }
    // While this process finds out what its ticket is, and the agent whether it is good.
    Thread.ofPlatform().daemon().start(View::prepare);
    try {
      new JobHolder(ui, Path.of(words.get(3)), words.subList(4, words.size())).hold(ticket);
      return ExitCode.OK.number();
    } catch (BatchException e) {
      return Messages.failure(
          ui, new CommandException(ExitCode.AGENT, String.valueOf(e.getMessage())));
    } catch (VolumeException e) {
      return Messages.failure(ui, CommandException.of(e));
    } catch (CommandException | IOException e) {
      return Messages.failure(ui, e);
    }
  }

  private void hold(String text)
      throws CommandException, VolumeException, BatchException, IOException {
    JobKey ticket = JobKey.open(text);
    GocryptfsVolume volume = Volumes.open(ticket.volume(), null, false);
    boolean made = !Files.exists(at, LinkOption.NOFOLLOW_LINKS);
    // Before anything is made, for this process may be killed at any moment.
    LeftoverWatch watch = LeftoverWatch.start(at, made);
    // Not before that: the watch would keep the pipe to a munge(1) that is being started open.
    AskedKey asked = AskedKey.of(ticket, volume);
    AtomicBoolean refused = new AtomicBoolean();
    try {
      MadePlace own = made ? MadePlace.make(at) : null;
      place = own;
      View view;
      try (SecretBytes key = asked.get()) {
        MountPoint.require(ticket.volume(), at, false);
        view = View.mount(RunCommand.spec(ticket.volume(), at, volume, readOnly, shared), key);
      }
      if (own != null) {
        own.shut();
      }
      Interruption.onInterrupt(() -> {
        // The process ends after this, wherever the other thread is.
        unmount(view);
      });
      ui.out().println(READY + ticket.node());
      ui.out().flush();
      ticket.watch(reason -> {
        ui.err().println("coffer: " + reason + "; closing the view");
        refused.set(true);
        unmount(view);
      });
      if (attached) {
        Thread.ofPlatform().daemon().start(() -> closeAtEndOfInput(view));
      }
      Thread.ofPlatform().daemon().start(() -> JobLeftovers.remove(at));
      view.awaitEnd();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      // The watch goes last: if this process is killed on the way, it removes the rest.
      removePlace();
      watch.close();
      asked.close();
      ticket.close();
    }
    if (refused.get()) {
      throw new CommandException(
          ExitCode.AGENT, "the view was closed: the ticket is not good any more");
    }
  }

  private void closeAtEndOfInput(View view) {
    try {
      while (ui.in().read() >= 0) {
        // Nothing is said; only the end matters.
      }
    } catch (IOException e) {
      // That is an end, too.
    }
    unmount(view);
  }

  private void unmount(View view) {
    view.unmount(place);
  }

  private void removePlace() {
    MadePlace own = place;
    if (own != null) {
      own.remove();
    }
  }
}
