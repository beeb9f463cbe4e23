package io.coffer.cli;

import io.coffer.batch.AgentAddress;
import io.coffer.batch.AgentClient;
import io.coffer.batch.BatchException;
import io.coffer.batch.LeftoverWatch;
import io.coffer.batch.ServiceTicket;
import io.coffer.batch.SlurmStep;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer job}: a view on all nodes of a Slurm job. */
@Command(
    name = "job",
    sortOptions = false,
    description = {
      "Open a volume on every node of a Slurm job, exactly as long as the job runs.",
      "",
      "ACTION is one of:",
      "  ticket   before submitting: print a ticket by which the job gets the key from your agent",
      "  mount    in the batch script: open the view on every node, and print where",
      "  run      in the batch script: open the view, run COMMAND, close the view",
      "  revoke   make a ticket (TICKET, or all) worthless; its views close",
      "",
      "The job carries the ticket in the variable COFFER_TICKET. There is no password and no key in"
          + " it: it is worthless to other users, on other nodes, in other jobs, a second time, and"
          + " after the job. The agent of the machine where it was made must go on running; with"
          + " --key-service FILE a key server issues and accepts the ticket instead."
    },
    footer = {
      "",
      "Examples:",
      "  export COFFER_TICKET=$(coffer job ticket --volume data.coffer --nodes 3 --time 2d)",
      "  sbatch script",
      "and in the script one of",
      "  VIEW=$(coffer job mount)",
      "  coffer job run -- srun sh -c './program $COFFER_VIEW/input'"
    })
final class JobCommand extends BaseCommand {
  static final String NAME = "job";

  /** What a holder prints when its view is usable; the name of its node follows. */
  private static final String READY = "coffer-ready ";

  private static final String TICKET = "COFFER_TICKET";

  @Parameters(index = "0", paramLabel = "ACTION", description = "What to do, see above.")
  private String action = "";

  @Parameters(
      index = "1..*",
      arity = "0..*",
      paramLabel = "COMMAND",
      description = "With run: the command and its arguments, after '--'. With revoke: the ticket.")
  private List<String> words = new ArrayList<>();

  @Option(
      names = "--volume",
      paramLabel = "DIR",
      description = "With ticket: the volume; the current directory if not given.")
  private Path directory = Path.of("");

  @Option(
      names = "--nodes",
      paramLabel = "N",
      description = "With ticket: on how many nodes it may be used (default 1).")
  private int nodes = 1;

  @Option(
      names = "--time",
      paramLabel = "TIME",
      converter = Durations.class,
      description = "With ticket: how long it is good, queue and job together (default 7d).")
  private Duration time = Duration.ofDays(7);

  @Option(
      names = "--at",
      paramLabel = "PATH",
      description =
          "With mount and run: where the view is, on every node; made if it is missing. A fresh"
              + " directory in /tmp if not given.")
  private @Nullable Path mountPoint;

  @Option(
      names = {"-r", "--read-only"},
      description = "With mount and run: allow no changes.")
  private boolean readOnly;

  @Option(
      names = "--timeout",
      paramLabel = "TIME",
      converter = Durations.class,
      description = "With mount and run: how long the nodes may take (default 2m).")
  private Duration timeout = Duration.ofMinutes(2);

  @Option(names = "--shared", hidden = true)
  private boolean sharedStorage;

  @Option(names = "--attached", hidden = true)
  private boolean attached;

  @Option(names = "--remove", hidden = true)
  private boolean remove;

  @Mixin private KeyOptions keys = new KeyOptions();

  JobCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() {
    throw new IllegalStateException("may end with a command's exit code");
  }

  @Override
  int runForCode() throws CommandException, VolumeException, IOException {
    try {
      switch (action) {
        case "ticket" -> ticket();
        case "mount" -> {
          Path at = place();
          SlurmStep.start(holder(at), timeout, READY, false).leave();
          ui.out().println(at);
        }
        case "run" -> {
          return runCommand();
        }
        case "hold" -> hold();
        case "revoke" -> {
          Path service = keys.keyService();
          if (service != null) {
            KeyOptions.findKeyService().revokeTicket(service, revoked());
            return ExitCode.OK.number();
          }
          int count =
              new AgentClient(AgentAddress.path()).revoke(words.isEmpty() ? "" : words.getFirst());
          ui.err().println("coffer: revoked " + count + (count == 1 ? " ticket" : " tickets"));
        }
        default ->
            throw new CommandException(
                ExitCode.USAGE, "there is no action '" + action + "'", "coffer job --help");
      }
      return ExitCode.OK.number();
    } catch (BatchException e) {
      throw new CommandException(
          action.equals("mount") || action.equals("run") ? ExitCode.JOB : ExitCode.AGENT,
          String.valueOf(e.getMessage()));
    }
  }

  private void ticket() throws CommandException, VolumeException, BatchException, IOException {
    keys.check();
    Path service = keys.keyService();
    if (service != null) {
      KeyService.Ticket issued =
          KeyOptions.findKeyService().ticket(service, ServiceTicket.user(), nodes, time);
      ui.err().println("coffer: ticket " + issued.id() + ", good until " + issued.until());
      ui.out().println(ServiceTicket.seal(issued.text(), directory.toRealPath()));
      return;
    }
    Path at = AgentAddress.path();
    AgentCommand.ensure(at);
    AgentClient agent = new AgentClient(at);
    String fingerprint = AgentClient.fingerprint(Volumes.open(directory, null, false).configFile());
    if (!agent.holds(fingerprint)) {
      AgentCommand.add(agent, directory, keys, time, ui);
    }
    AgentClient.Issued issued = agent.ticket(fingerprint, directory.toRealPath(), nodes, time);
    ui.err().println("coffer: ticket " + issued.id() + ", good until " + issued.until());
    ui.out().println(issued.text());
  }

  private String revoked() throws CommandException {
    if (words.size() != 1) {
      throw new CommandException(
          ExitCode.USAGE, "which ticket?", "coffer job revoke --key-service FILE TICKET");
    }
    return words.getFirst();
  }

  /** Where the view goes: a name that nobody can have taken before, unless one was given. */
  private Path place() throws BatchException {
    if (System.getenv(TICKET) == null) {
      throw new BatchException(
          "there is no ticket in " + TICKET + "; make one before submitting: coffer job ticket");
    }
    Path given = mountPoint;
    return given == null ? SlurmStep.freshPlace() : given.toAbsolutePath();
  }

  private List<String> holder(Path at) throws BatchException {
    List<String> command = new ArrayList<>(OwnProgram.command(NAME, "hold", "--at", at.toString()));
    if (mountPoint == null) {
      command.add("--remove");
    }
    if (readOnly) {
      command.add("--read-only");
    }
    if (SlurmStep.nodes() > 1) {
      command.add("--shared");
    }
    return command;
  }

  private int runCommand() throws CommandException, BatchException, IOException {
    if (words.isEmpty()) {
      throw new CommandException(ExitCode.USAGE, "which command?", "coffer job run -- COMMAND");
    }
    Path at = place();
    List<String> holder = holder(at);
    holder.add("--attached");
    SlurmStep step = SlurmStep.start(holder, timeout, READY, true);
    Interruption.Cleanup cleanup = Interruption.onInterrupt(step::close);
    try (step;
        PrivateViews command = PrivateViews.start(true)) {
      return command.run(OwnWords.of(words).with("COFFER_VIEW", at.toString()), words.getFirst());
    } finally {
      cleanup.cancel();
    }
  }

  // On each node.

  private void hold() throws CommandException, VolumeException, BatchException, IOException {
    String text = System.getenv(TICKET);
    Path at = mountPoint;
    if (text == null || at == null) {
      throw new CommandException(ExitCode.USAGE, "hold is not for users", "coffer job --help");
    }
    JobKey ticket = JobKey.open(text);
    boolean made = !Files.exists(at, LinkOption.NOFOLLOW_LINKS);
    // Before anything is made, for this process may be killed at any moment.
    LeftoverWatch watch = LeftoverWatch.start(at, made, remove);
    AtomicBoolean refused = new AtomicBoolean();
    try {
      if (made) {
        makePlace(at);
      }
      GocryptfsVolume volume = Volumes.open(ticket.volume(), null, false);
      View view;
      try (SecretBytes key = ticket.unlock(volume)) {
        MountPoint.require(ticket.volume(), at, false);
        view =
            View.mount(RunCommand.spec(ticket.volume(), at, volume, readOnly, sharedStorage), key);
      }
      Interruption.onInterrupt(() -> {
        // The process ends after this, wherever the other thread is.
        view.unmount();
        if (made) {
          removePlace(at);
        }
      });
      ui.out().println(READY + ticket.node());
      ui.out().flush();
      ticket.watch(reason -> {
        ui.err().println("coffer: " + reason + "; closing the view");
        refused.set(true);
        view.unmount();
      });
      if (attached) {
        Thread.ofPlatform().daemon().start(() -> closeAtEndOfInput(view));
      }
      view.awaitEnd();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      // The watch goes last: if this process is killed on the way, it removes the rest.
      if (made) {
        removePlace(at);
      }
      watch.close();
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
    view.unmount();
  }

  private static void makePlace(Path at) throws IOException {
    Files.createDirectories(
        at, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
  }

  private void removePlace(Path at) {
    try {
      Files.deleteIfExists(at);
      Path job = at.getParent();
      if (remove && job != null) {
        Files.deleteIfExists(job);
        Path fresh = job.getParent();
        if (fresh != null) {
          Files.deleteIfExists(fresh);
        }
      }
    } catch (IOException e) {
      System.getLogger("io.coffer.cli")
          .log(System.Logger.Level.DEBUG, "{0} stays: {1}", at, e.getMessage());
    }
  }
}
