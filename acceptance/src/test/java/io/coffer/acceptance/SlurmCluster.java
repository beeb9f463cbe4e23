package io.coffer.acceptance;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A Slurm cluster of three nodes on this machine, each with its own host name, mount table, /tmp
 * and munged. See slurm-cluster.sh.
 */
final class SlurmCluster implements AutoCloseable {
  static final List<String> NODES = List.of("n1", "n2", "n3");

  private static final Set<String> ENDED =
      Set.of(
          "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "UNKNOWN");

  private final Path directory;
  private final Path script;
  private int nextJob = 1;

  private SlurmCluster(Path directory, Path script) {
    this.directory = directory;
    this.script = script;
  }

  /** Starts it in a directory of an area, or ends the test as skipped. */
  static SlurmCluster start(Area area) {
    Tools.needRoot();
    Tools.need("slurmctld", "slurmd", "sbatch", "srun", "munged", "munge", "nsenter", "runuser");
    if (Reactor.root().startsWith("/tmp")) {
      Tools.skip("the nodes have a /tmp of their own and would not see " + Reactor.root());
    }
    Path directory = area.directory("slurm");
    Path script = area.path().resolve("slurm-cluster.sh");
    try (InputStream text = SlurmCluster.class.getResourceAsStream("slurm-cluster.sh")) {
      if (text == null) {
        throw new IllegalStateException("slurm-cluster.sh is missing");
      }
      Files.copy(text, script);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    var cluster = new SlurmCluster(directory, script);
    Outcome up = Command.of("bash", script, "up", directory, freePorts()).run();
    if (up.exit() != 0) {
      cluster.close();
      Tools.skip("no Slurm cluster can be started here: " + up);
    }
    return cluster;
  }

  /** The first of four neighbouring ports that nobody uses. */
  static int freePorts() {
    for (int first = 17_817; first < 20_000; first += 4) {
      if (IntStream.range(first, first + 4).allMatch(SlurmCluster::isFree)) {
        return first;
      }
    }
    throw new IllegalStateException("no free ports");
  }

  private static boolean isFree(int port) {
    try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
      return socket.isBound();
    } catch (IOException e) {
      return false;
    }
  }

  /** A file or directory of the cluster's own. */
  Path path(String name) {
    return directory.resolve(name);
  }

  /** What programs need in their environment to use this cluster and no other. */
  Command in(Command command) {
    return command
        .env("SLURM_CONF", path("slurm.conf"))
        .env("COFFER_MUNGE_SOCKET", path("munge/munge.sock"))
        .env("COFFER_AGENT_SOCK", path("agent/socket"));
  }

  /** Starts an agent that knows the nodes by name. */
  void startAgent() {
    Command.of("install", "-d", "-m", "700", path("agent")).ok();
    in(Command.of(
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            "mount --bind \"$0\" /etc/hosts && exec \"$@\"",
            path("hosts"),
            Reactor.coffer()))
        .and("agent", "start", "--listen", "127.0.0.1", "--renewal", "2s")
        .ok();
  }

  /** A job's number. */
  String submit(String ticket, String body, String... options) {
    try {
      Path file = Files.createTempFile(directory, "job", ".sh");
      Files.writeString(file, "#!/bin/bash\n" + body);
      String job =
          in(Command.of("sbatch", "--parsable", "--output=" + path("out.%j"), "--open-mode=append"))
              .and("--nodes=3", "--ntasks=6", "--requeue", List.of(options), file)
              .env("COFFER_TICKET", ticket)
              .env("coffer", Reactor.coffer())
              .ok()
              .out()
              .strip();
      nextJob = Math.max(nextJob, Integer.parseInt(job) + 1);
      return job;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** As the controller has it; UNKNOWN if it has forgotten the job, "?" if it does not answer. */
  String state(String job) {
    Outcome asked = in(Command.of("scontrol", "--oneliner", "show", "job", job)).run();
    if (asked.exit() != 0) {
      return asked.all().contains("Invalid job id") ? "UNKNOWN" : "?";
    }
    return asked.out().replaceFirst("(?s).*JobState=(\\w+).*", "$1");
  }

  /** Waits until all nodes are free for a job. */
  void awaitIdle() {
    Command idle = in(Command.of("sinfo", "-h", "-N", "-o", "%N %t"));
    if (!Mounted.waitUntil(
        Duration.ofMinutes(2),
        () -> idle.run().out().lines().filter(line -> line.endsWith(" idle")).count() == 3)) {
      throw new AssertionError(
          "the nodes do not become idle: "
              + idle.run()
              + in(Command.of("scontrol", "show", "nodes")).run());
    }
  }

  /** From now on the epilog is in force that sites are recommended to have. */
  void useEpilog() {
    try {
      Files.writeString(path("epilog.on"), "");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What the epilog had to take away: job, node and place, one line each. */
  List<String> takenByEpilog() {
    try {
      return Files.exists(path("log/epilog")) ? Files.readAllLines(path("log/epilog")) : List.of();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** SIGKILL for {@code controller}, or for the slurmd of a node. */
  void kill(String who) {
    Command.of("bash", script, "kill", directory, who).ok();
  }

  /** Starts what was killed. */
  void startAgain(String who) {
    in(Command.of("bash", script, "again", directory, who, nextJob)).ok();
  }

  /**
   * Starts those daemons again that are not there, takes nodes back that Slurm has shut out, and
   * cancels jobs that have ended, which a controller that was killed before it had saved that
   * believes to run for ever.
   */
  List<String> mend() {
    List<String> mended = new ArrayList<>();
    for (String who : List.of("controller", "n1", "n2", "n3")) {
      if (!isAlive(who)) {
        startAgain(who);
        mended.add(who + " started again");
      }
    }
    in(Command.of("squeue", "-h", "-o", "%i"))
        .run()
        .out()
        .lines()
        .forEach(job -> {
          in(Command.of("scancel", job)).run();
          mended.add("cancelled, since it has ended: job " + job);
        });
    in(Command.of("sinfo", "-h", "-N", "-o", "%N %T %E"))
        .run()
        .out()
        .lines()
        .filter(line -> line.contains(" drain") || line.contains(" down"))
        .forEach(line -> {
          in(Command.of("scontrol", "update", "NodeName=" + line.replaceFirst(" .*", "")))
              .and("State=RESUME")
              .run();
          mended.add("taken back: " + line);
        });
    return mended;
  }

  private boolean isAlive(String who) {
    try {
      String name = who.equals("controller") ? "slurmctld" : "slurmd." + who;
      long pid = Long.parseLong(Files.readString(path("run/" + name + ".pid")).strip());
      return ProcessHandle.of(pid).isPresent();
    } catch (IOException e) {
      return false;
    }
  }

  /** Runs a command on a node, outside of any job. */
  Command on(String node) {
    try {
      return in(Command.of("nsenter", "--mount", "--uts", "--target", pid(node), "--"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The processes that hold the views of a job; not one that tries an old ticket elsewhere. */
  List<ProcessHandle> holders(String job) {
    return processes(job).entrySet().stream()
        .filter(each -> each.getValue().contains("io.coffer.cli.Main job hold --at /tmp/coffer."))
        .map(each -> ProcessHandle.of(each.getKey()))
        .flatMap(Optional::stream)
        .toList();
  }

  /** All processes of this cluster, those of its users included. */
  Map<Long, String> everyProcess() {
    Map<Long, String> all = new HashMap<>(processesWith(""));
    try (Stream<Path> files = Files.list(path("run"))) {
      files
          .filter(file -> file.toString().endsWith(".pid"))
          .forEach(file -> {
            try {
              all.put(Long.valueOf(Files.readString(file).strip()), file.toString());
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          });
      return all;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Waits until a job has ended, and tells how. */
  String awaitEnd(String job) {
    if (!ends(job, Duration.ofMinutes(3))) {
      throw new AssertionError("job " + job + " does not end: " + state(job) + ", " + output(job));
    }
    return state(job);
  }

  /** Has a job ended, or does it within this time? */
  boolean ends(String job, Duration time) {
    return Mounted.waitUntil(time, () -> ENDED.contains(state(job)));
  }

  /** What a job has printed. */
  String output(String job) {
    try {
      return Files.readString(path("out." + job), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      return "";
    }
  }

  /** Waits until a job has printed something. */
  void awaitOutput(String job, String text) {
    if (!Mounted.waitUntil(
            Duration.ofMinutes(2), () -> output(job).contains(text) || ENDED.contains(state(job)))
        || !output(job).contains(text)) {
      throw new AssertionError("job " + job + " does not say " + text + ": " + output(job));
    }
  }

  /** The views of a job that a node shows. It may show others, of when the cluster was started. */
  List<String> views(String node, String job) {
    try (Stream<String> lines =
        Files.lines(Path.of("/proc", pid(node), "mounts"), StandardCharsets.ISO_8859_1)) {
      return lines
          .filter(line -> line.contains(" fuse.coffer ") && line.contains(".job." + job + " "))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String pid(String node) throws IOException {
    return Files.readString(path("run/slurmd." + node + ".pid")).strip();
  }

  /** Processes of a job, and what they are. */
  Map<Long, String> processes(String job) {
    return processesWith("SLURM_JOB_ID=" + job + "\0");
  }

  /** Those of this cluster's jobs and users that have something in their environment. */
  private Map<Long, String> processesWith(String variable) {
    String own = "\0SLURM_CONF=" + path("slurm.conf") + "\0";
    return ProcessHandle.allProcesses()
        .filter(each -> {
          String environment = environment(each.pid());
          return environment.contains("\0" + variable) && environment.contains(own);
        })
        .collect(
            Collectors.toMap(ProcessHandle::pid, each -> each.info().commandLine().orElse("?")));
  }

  private static String environment(long pid) {
    try {
      return "\0"
          + new String(
              Files.readAllBytes(Path.of("/proc/" + pid + "/environ")),
              StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      return "";
    }
  }

  /** What is left of a job: views, processes, mount points. */
  List<String> leftovers(String job) {
    List<String> left = new ArrayList<>();
    for (String node : NODES) {
      views(node, job).forEach(line -> left.add(node + ": " + line));
      temporary(node).stream()
          .filter(each -> each.endsWith(".job." + job))
          .forEach(each -> left.add(node + ": /tmp/" + each));
    }
    processes(job).forEach((pid, command) -> left.add(pid + " " + command));
    return left;
  }

  /** What is in a node's /tmp. */
  List<String> temporary(String node) {
    try (Stream<Path> files = Files.list(path("tmp." + node))) {
      return files.map(each -> each.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    Command.of("bash", script, "down", directory).run();
    // What a failed test left: jobs' processes, and Slurm's own that look after them.
    processesWith("")
        .keySet()
        .forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
  }
}
