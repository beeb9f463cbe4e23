package io.coffer.cli;

import io.coffer.batch.Agent;
import io.coffer.batch.AgentAddress;
import io.coffer.batch.AgentClient;
import io.coffer.batch.BatchException;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Processes;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer agent}: keys in memory for a limited time. */
@Command(
    name = "agent",
    sortOptions = false,
    description = {
      "Keep the keys of volumes in memory for a while, so that a password is typed once.",
      "",
      "ACTION is one of:",
      "  start    start the agent in the background ('add' does so, too)",
      "  add      ask for the password of the volume in DIR and keep its key",
      "  list     show keys and tickets",
      "  remove   forget the key of DIR, or all keys",
      "  lock     seal the keys by a password until 'unlock'",
      "  unlock   open them again",
      "  stop     forget everything and end",
      "",
      "The agent is your own process on this machine; nobody else can talk to it, and its memory is"
          + " kept out of swap and core files. 'coffer mount --agent' and 'coffer run --agent' ask"
          + " it; so does every command where COFFER_AGENT_SOCK is set."
    },
    footer = {
      "",
      "Examples:",
      "  coffer agent add --lifetime 8h secret.coffer",
      "  coffer mount --agent secret.coffer secret",
      "  coffer agent lock"
    })
final class AgentCommand extends BaseCommand {
  static final String NAME = "agent";

  /** How long a key is held unless something else is asked for. */
  private static final Duration LIFETIME = Duration.ofHours(12);

  /** Set for the process in the background. */
  private static final String BACKGROUND = "COFFER_AGENT_BACKGROUND";

  @Parameters(index = "0", paramLabel = "ACTION", description = "What to do, see above.")
  private String action = "";

  @Parameters(index = "1", arity = "0..1", paramLabel = "DIR", description = "The volume.")
  private @Nullable Path directory;

  @Option(
      names = "--lifetime",
      paramLabel = "TIME",
      converter = Durations.class,
      description = "How long to keep a key, such as 30m, 8h or 7d (default 12h).")
  private @Nullable Duration lifetime;

  @Option(
      names = "--socket",
      paramLabel = "PATH",
      description =
          "Where the agent listens; else $COFFER_AGENT_SOCK, else coffer/agent in"
              + " $XDG_RUNTIME_DIR, else in /tmp/coffer-UID.")
  private @Nullable Path socket;

  @Option(
      names = "--listen",
      paramLabel = "HOST",
      description = "With start: the name by which the nodes of jobs reach this machine.")
  private @Nullable String host;

  @Option(
      names = "--renewal",
      paramLabel = "TIME",
      converter = Durations.class,
      description = "With start: how often the views of jobs ask whether they may go on (1m).")
  private Duration renewal = Duration.ofMinutes(1);

  @Option(names = "--foreground", description = "With start: do not go to the background.")
  private boolean foreground;

  @Mixin private KeyOptions keys = new KeyOptions();

  AgentCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    try {
      Path at = socket == null ? AgentAddress.path() : socket.toAbsolutePath();
      AgentClient agent = new AgentClient(at);
      switch (action) {
        case "start" -> {
          return start(at);
        }
        case "add" -> add(at);
        case "list" -> agent.list().forEach(ui.out()::println);
        case "remove" -> {
          Path volume = directory;
          int count =
              agent.remove(
                  volume == null
                      ? ""
                      : AgentClient.fingerprint(Volumes.open(volume, null, false).configFile()));
          ui.err().println("coffer: removed " + count + (count == 1 ? " key" : " keys"));
        }
        case "lock" -> {
          try (SecretBytes password = ui.newPassword("Password to unlock it: ").read()) {
            agent.lock(password);
          }
        }
        case "unlock" -> {
          try (SecretBytes password = ui.typedPassword("Password: ").read()) {
            agent.unlock(password);
          }
        }
        case "stop" -> agent.stop();
        default ->
            throw new CommandException(
                ExitCode.USAGE, "there is no action '" + action + "'", "coffer agent --help");
      }
      return ExitCode.OK;
    } catch (BatchException e) {
      throw failure(e);
    }
  }

  static CommandException failure(BatchException e) {
    return new CommandException(ExitCode.AGENT, String.valueOf(e.getMessage()));
  }

  private ExitCode start(Path at) throws CommandException, BatchException, IOException {
    if (!foreground) {
      startInBackground(at, host, renewal, lifetime);
      if (socket != null) {
        ui.out().println("export " + AgentAddress.VARIABLE + "=" + Shell.quote(at.toString()));
      }
      return ExitCode.OK;
    }
    Agent agent =
        Agent.open(new Agent.Options(at, host, lifetime == null ? LIFETIME : lifetime, renewal));
    Interruption.onInterrupt(agent::stop);
    ui.out().println("ready");
    ui.out().flush();
    if (System.getenv(BACKGROUND) != null) {
      leave();
    }
    agent.serve();
    return ExitCode.OK;
  }

  private static void leave() throws ErrnoException {
    try {
      Processes.newSession();
    } catch (ErrnoException e) {
      // Whoever started us made us the leader of a group.
    }
    Processes.changeDirectory("/");
    LogSink.useSystemLog("coffer-agent");
    int nothing =
        Linux.open(
            Flags.AT_FDCWD, "/dev/null".getBytes(StandardCharsets.US_ASCII), Flags.O_RDWR, 0);
    for (int descriptor = 0; descriptor <= 2; descriptor++) {
      Linux.duplicateTo(nothing, descriptor);
    }
    Linux.close(nothing);
  }

  private static void startInBackground(
      Path at, @Nullable String host, Duration renewal, @Nullable Duration lifetime)
      throws CommandException, IOException {
    List<String> command =
        new ArrayList<>(
            OwnProgram.command(
                NAME,
                "start",
                "--foreground",
                "--socket",
                at.toString(),
                "--renewal",
                renewal.toMillis() + "ms"));
    if (host != null) {
      command.addAll(List.of("--listen", host));
    }
    if (lifetime != null) {
      command.addAll(List.of("--lifetime", lifetime.toMillis() + "ms"));
    }
    ProcessBuilder builder = new ProcessBuilder(command).redirectError(Redirect.INHERIT);
    builder.redirectInput(Redirect.from(new java.io.File("/dev/null")));
    builder.environment().put(BACKGROUND, "1");
    builder.environment().put("COFFER_BUILD", "never");
    Process process = builder.start();
    if (process.getInputStream().read() < 0) {
      throw new CommandException(ExitCode.AGENT, "the agent has not started");
    }
  }

  private void add(Path at) throws CommandException, VolumeException, BatchException, IOException {
    Path volume = directory;
    if (volume == null) {
      throw new CommandException(ExitCode.USAGE, "which volume?", "coffer agent add DIR");
    }
    keys.check();
    ensure(at);
    add(new AgentClient(at), volume, keys, lifetime, ui);
  }

  /** Starts the agent if none runs. */
  static void ensure(Path at) throws CommandException, IOException {
    try {
      new AgentClient(at).list();
    } catch (BatchException e) {
      startInBackground(at, null, Duration.ofMinutes(1), null);
    }
  }

  /** Opens a volume and gives its key to the agent; its fingerprint. */
  static String add(
      AgentClient agent, Path directory, KeyOptions keys, @Nullable Duration lifetime, Ui ui)
      throws CommandException, VolumeException, BatchException, IOException {
    GocryptfsVolume volume = Volumes.open(directory, null, false);
    String fingerprint = AgentClient.fingerprint(volume.configFile());
    try (SecretBytes masterKey = keys.unlockByPassword(volume, ui)) {
      agent.add(fingerprint, directory.toRealPath().toString(), lifetime, masterKey);
    }
    return fingerprint;
  }
}
