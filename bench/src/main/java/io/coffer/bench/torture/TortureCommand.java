package io.coffer.bench.torture;

import io.coffer.cli.ExitCode;
import io.coffer.cli.ExtraCommand;
import java.io.File;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code coffer torture}: many nodes at one volume, from the command line. */
@Command(
    name = "torture",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Find out whether many nodes can write to one volume on this storage and lose nothing.",
      "",
      "Makes a volume below DIR, mounts it several times, each time by a process of its own in a"
          + " mount namespace of its own, and lets several writers on each mount at the same files:"
          + " unaligned ranges, appends, truncations, locks, names. Nodes are killed on the way."
          + " Every byte tells who wrote it; what is read, and what is there at the end, is"
          + " compared with what may be there. Needs root. Takes its volume away again."
    },
    footer = {
      "",
      "Exit code: 0 if nothing was lost, 26 if something was, 11 if it could not run.",
      "",
      "Examples:",
      "  coffer torture --time 30m /scratch/me",
      "  coffer torture /mnt/ceph-client-1/t /mnt/ceph-client-2/t    two clients of one storage",
      "  coffer torture --tool gocryptfs --kill-every 0 /scratch/me",
      "  coffer torture --unshared /scratch/me       what the protocol is for: this must lose"
    })
public final class TortureCommand implements ExtraCommand {
  private static final String PASSWORD = "torture";

  @Spec private @Nullable CommandSpec spec;

  @Parameters(
      arity = "1..*",
      paramLabel = "DIR",
      description =
          "A directory on the storage; several are the same directory, seen by several clients.")
  private List<Path> directories = new ArrayList<>();

  @Option(
      names = "--nodes",
      paramLabel = "N",
      defaultValue = "4",
      description = "How many mounts (default: ${DEFAULT-VALUE}).")
  private int nodeCount;

  @Option(
      names = "--writers",
      paramLabel = "N",
      defaultValue = "3",
      description = "Writers on each mount (default: ${DEFAULT-VALUE}).")
  private int writers;

  @Option(
      names = "--time",
      paramLabel = "TIME",
      defaultValue = "60s",
      description = "For how long, such as 30s or 10m (default: ${DEFAULT-VALUE}).")
  private String time = "60s";

  @Option(
      names = "--kill-every",
      paramLabel = "TIME",
      defaultValue = "10s",
      description =
          "Kill a node about so often with SIGKILL, and mount it again; 0s for never (default:"
              + " ${DEFAULT-VALUE}).")
  private String killEvery = "10s";

  @Option(
      names = "--files",
      paramLabel = "N",
      defaultValue = "3",
      description = "How many files all write to (default: ${DEFAULT-VALUE}).")
  private int files;

  @Option(
      names = "--size",
      paramLabel = "BYTES",
      defaultValue = "200000",
      description = "Size of one of them (default: ${DEFAULT-VALUE}).")
  private int size;

  @Option(names = "--no-truncations", description = "Never cut a file that others write to.")
  private boolean withoutTruncations;

  @Option(names = "--direct-io", description = "Mount with --direct-io.")
  private boolean directIo;

  @Option(
      names = "--unshared",
      description = {
        "Mount without saying that others write too, as 'gocryptfs' without -sharedstorage does."
            + " Then writes are lost; a torture that finds nothing would prove nothing."
      })
  private boolean unshared;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Choose the same operations as another run with this seed.")
  private @Nullable Long seed;

  @Option(
      names = "--tool",
      paramLabel = "NAME",
      defaultValue = "coffer",
      description = "What is tortured: coffer, or gocryptfs -sharedstorage (default: coffer).")
  private String tool = "coffer";

  @Option(
      names = "--format",
      paramLabel = "NAME",
      defaultValue = "gocryptfs",
      description =
          "Format of Coffer's volume: gocryptfs, or fscrypt, in which the size of a file is kept"
              + " apart from its blocks (default: ${DEFAULT-VALUE}).")
  private String format = "gocryptfs";

  @Option(
      names = "--coffer",
      paramLabel = "FILE",
      description = "Coffer's launcher (default: the one in use).")
  private @Nullable Path coffer;

  @Option(names = "--keep", description = "Leave the volume and the logs there.")
  private boolean keep;

  /** For {@link java.util.ServiceLoader}. */
  public TortureCommand() {}

  @Override
  public Integer call() throws IOException {
    check();
    long chosenSeed = seed == null ? System.nanoTime() & 0xffffff : seed;
    Path scratch = Files.createTempDirectory("coffer-torture-");
    Path first = directories.getFirst().toAbsolutePath().normalize();
    String name = "coffer-torture-" + Long.toHexString(System.nanoTime());
    Path volume = Files.createDirectory(first.resolve(name));
    Path password = Files.writeString(scratch.resolve("password"), PASSWORD + "\n");
    var findings = new Findings(System.out);
    List<Node> all = new ArrayList<>();
    try {
      make(volume, password, scratch);
      for (int i = 0; i <= nodeCount; i++) {
        Path store = directories.get(i % directories.size()).toAbsolutePath().resolve(name);
        Path point = Files.createDirectory(scratch.resolve("node" + i));
        all.add(
            new Node(
                i,
                point,
                scratch.resolve("node" + i + ".log"),
                mount(store, password, point, scratch)));
      }
      System.out.printf(
          "%s%s on %s: %d nodes with %d writers each, seed %d%n",
          format.equals("fscrypt") ? "coffer (fscrypt)" : tool,
          unshared ? ", unshared," : "",
          first,
          nodeCount,
          writers,
          chosenSeed);
      var plan =
          new Torture.Plan(
              writers,
              duration(time),
              duration(killEvery),
              files,
              size / FileModel.CELL * FileModel.CELL,
              !withoutTruncations,
              chosenSeed);
      List<Node> nodes = all.subList(0, nodeCount);
      new Torture(plan, nodes, all.getLast(), findings, System.out).run();
      verify(volume, password, scratch, findings);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return ExitCode.INTERRUPTED.number();
    } finally {
      all.forEach(Node::close);
      if (!keep) {
        delete(volume);
        delete(scratch);
      } else {
        System.out.println("kept: " + volume + " and " + scratch);
      }
    }
    findings.kinds().forEach((kind, count) -> System.out.printf("  %8d  WRONG: %s%n", count, kind));
    System.out.println(findings.count() == 0 ? "Nothing was lost." : "Something was lost.");
    return findings.count() == 0 ? ExitCode.OK.number() : ExitCode.CHECK_FAILED.number();
  }

  private void check() {
    if (!tool.equals("coffer") && !tool.equals("gocryptfs")) {
      throw wrong("--tool is coffer or gocryptfs, not '" + tool + "'");
    }
    if (!format.equals("gocryptfs") && !format.equals("fscrypt")) {
      throw wrong("--format is gocryptfs or fscrypt, not '" + format + "'");
    }
    if (format.equals("fscrypt") && (unshared || !tool.equals("coffer"))) {
      throw wrong("--format fscrypt is for volumes that Coffer mounts as shared");
    }
    if (nodeCount < 1 || writers < 1 || files < 1 || size < 10_000) {
      throw wrong("one node, one writer, one file of 10000 bytes are the least");
    }
    if (!"root".equals(System.getProperty("user.name"))) {
      throw wrong("mount namespaces need root");
    }
    for (Path each : directories) {
      if (!Files.isDirectory(each)) {
        throw wrong("not a directory: " + each);
      }
    }
    duration(time);
    duration(killEvery);
  }

  private static final java.util.regex.Pattern TIME =
      java.util.regex.Pattern.compile("(\\d{1,6})(ms|s|m|h)");

  private Duration duration(String text) {
    var matcher = TIME.matcher(text.equals("0") ? "0s" : text);
    if (!matcher.matches()) {
      throw wrong("'" + text + "' is not a time such as 30s or 10m");
    }
    long count = Long.parseLong(matcher.group(1));
    return switch (matcher.group(2)) {
      case "ms" -> Duration.ofMillis(count);
      case "s" -> Duration.ofSeconds(count);
      case "m" -> Duration.ofMinutes(count);
      default -> Duration.ofHours(count);
    };
  }

  private ParameterException wrong(String message) {
    if (spec == null) {
      throw new IllegalStateException("not called by the command line");
    }
    return new ParameterException(spec.commandLine(), message);
  }

  private String launcher() {
    String own = System.getProperty("coffer.launcher");
    return coffer != null ? coffer.toAbsolutePath().toString() : own != null ? own : "coffer";
  }

  private void make(Path volume, Path password, Path scratch)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    if (tool.equals("gocryptfs")) {
      command.addAll(List.of("gocryptfs", "-init", "-q", "-scryptn=10", "-passfile=" + password));
    } else {
      command.addAll(List.of(launcher(), "init", "--password-file=" + password));
      command.addAll(
          format.equals("fscrypt")
              ? List.of("--format=fscrypt", "--argon2-memory=8", "--argon2-passes=1")
              : List.of("--scrypt-log-n=10"));
    }
    command.add(volume.toString());
    if (run(command, scratch.resolve("init.log")) != 0) {
      throw new IOException(
          "no volume could be made: " + Files.readString(scratch.resolve("init.log")).strip());
    }
  }

  private List<String> mount(Path store, Path password, Path point, Path scratch)
      throws IOException {
    if (tool.equals("gocryptfs") || unshared) {
      String program = tool.equals("gocryptfs") ? "gocryptfs" : compatibleCommand(scratch);
      List<String> command = new ArrayList<>(List.of(program, "-fg", "-q"));
      if (!unshared) {
        command.add("-sharedstorage");
      }
      command.addAll(List.of("-passfile=" + password, store.toString(), point.toString()));
      return command;
    }
    List<String> command =
        new ArrayList<>(List.of(launcher(), "mount", "--foreground", "--shared"));
    if (directIo) {
      command.add("--direct-io");
    }
    // With policies, everything in it is encrypted with a key that is no secret.
    command.add(
        format.equals("fscrypt") ? "--test-dummy-encryption" : "--password-file=" + password);
    command.addAll(List.of(store.toString(), point.toString()));
    return command;
  }

  /** Coffer under the name by which it takes gocryptfs's command line. */
  private String compatibleCommand(Path scratch) throws IOException {
    Path link = scratch.resolve("gocryptfs");
    if (!Files.exists(link)) {
      Files.createSymbolicLink(link, Path.of(launcher()));
    }
    return link.toString();
  }

  /** The volume's own check: nothing is damaged but what a death tore. */
  private void verify(Path volume, Path password, Path scratch, Findings findings)
      throws IOException, InterruptedException {
    Path log = scratch.resolve("check.log");
    List<String> command =
        tool.equals("coffer")
            ? List.of(launcher(), "check", "--password-file=" + password, volume.toString())
            : List.of("gocryptfs", "-fsck", "-passfile=" + password, volume.toString());
    int status = run(command, log);
    boolean torn =
        findings.operations().keySet().stream().anyMatch(kind -> kind.contains("torn by a death"));
    if (status != 0 && !(torn && status == ExitCode.CHECK_FAILED.number())) {
      String said = Files.readString(log).strip();
      findings.wrong(
          "check", "exit " + status + ": " + said.substring(Math.max(0, said.length() - 600)));
    }
  }

  private static int run(List<String> command, Path log) throws IOException, InterruptedException {
    return new ProcessBuilder(command)
        .redirectInput(new File("/dev/null"))
        .redirectErrorStream(true)
        .redirectOutput(log.toFile())
        .start()
        .waitFor();
  }

  private static void delete(Path tree) throws IOException {
    Files.walkFileTree(
        tree,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException e)
              throws IOException {
            Files.delete(directory);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
