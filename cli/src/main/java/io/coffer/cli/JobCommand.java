package io.coffer.cli;

import io.coffer.batch.AgentAddress;
import io.coffer.batch.AgentClient;
import io.coffer.batch.BatchException;
import io.coffer.batch.ServiceTicket;
import io.coffer.batch.SlurmStep;
import io.coffer.batch.TicketHolder;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
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
      "  revoke   make a ticket (TICKET, or all) worthless; its views close.",
      "           TICKET is the ticket, or its name in 'coffer agent list'",
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

  /** The variable by which the job carries its ticket. */
  static final String TICKET = "COFFER_TICKET";

  private static final String ALL = "all";

  /** So begins what MUNGE has sealed. */
  private static final String SEALED = "MUNGE:";

  /** The agent gives whole seconds, and takes a moment. */
  private static final Duration ROUNDING = Duration.ofMinutes(1);

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
      description =
          "With mount and run: how long the nodes may take (default "
              + JobStart.USUAL_TIMEOUT
              + ").")
  private Duration timeout = Durations.parse(JobStart.USUAL_TIMEOUT);

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
        case JobStart.NAME -> {
          return start().run(ui);
        }
        case "run" -> {
          return runCommand();
        }
        case "revoke" -> {
          Path service = keys.keyService();
          if (service != null) {
            KeyOptions.findKeyService().revokeTicket(service, revoked());
            return ExitCode.OK.number();
          }
          revoke(revoked());
        }
        default ->
            throw new CommandException(
                ExitCode.USAGE, "there is no action '" + action + "'", "coffer job --help");
      }
      return ExitCode.OK.number();
    } catch (BatchException e) {
      throw new CommandException(
          action.equals("run") ? ExitCode.JOB : ExitCode.AGENT, String.valueOf(e.getMessage()));
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
    if (Instant.parse(issued.until()).isBefore(Instant.now().plus(time).minus(ROUNDING))) {
      ui.err()
          .println(
              "  The agent holds the key for no longer; to change that, first: coffer agent remove "
                  + Shell.quote(directory.toRealPath().toString()));
    }
    ui.out().println(issued.text());
  }

  private String revoked() throws CommandException {
    if (words.size() != 1) {
      throw new CommandException(
          ExitCode.USAGE,
          "which ticket?",
          keys.keyService() == null
              ? "coffer agent list, then coffer job revoke TICKET, or coffer job revoke all"
              : "coffer job revoke --key-service FILE TICKET");
    }
    return words.getFirst();
  }

  /**
   * Has the agent revoke.
   *
   * @param word the ticket's name, the ticket itself, or all
   */
  private void revoke(String word) throws CommandException, BatchException {
    boolean all = word.equals(ALL);
    String id = all ? "" : word.startsWith(SEALED) ? TicketHolder.id(word) : word;
    int count = new AgentClient(AgentAddress.path()).revoke(id);
    if (count == 0 && !all) {
      throw new CommandException(
          ExitCode.AGENT,
          "the agent has no ticket " + id + " that is still good: nothing was revoked",
          "coffer agent list");
    }
    ui.err().println("coffer: revoked " + count + (count == 1 ? " ticket" : " tickets"));
  }

  private JobStart start() {
    return new JobStart(mountPoint, readOnly, timeout);
  }

  private int runCommand() throws CommandException, BatchException, IOException {
    if (words.isEmpty()) {
      throw new CommandException(ExitCode.USAGE, "which command?", "coffer job run -- COMMAND");
    }
    JobStart.Started started = start().start(true);
    SlurmStep step = started.step();
    Interruption.Cleanup cleanup = Interruption.onInterrupt(step::close);
    try (step;
        PrivateViews command = PrivateViews.start(true)) {
      return command.run(
          OwnWords.of(words).with("COFFER_VIEW", started.at().toString()), words.getFirst());
    } finally {
      cleanup.cancel();
    }
  }
}
