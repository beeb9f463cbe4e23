package io.coffer.bench;

import io.coffer.cli.ExitCode;
import io.coffer.cli.ExtraCommand;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code coffer bench}: the comparison from the command line. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = {
      "Measure Coffer beside the plain directory and every other encrypting filesystem that this"
          + " machine has.",
      "",
      "The systems are measured in turn, several rounds, each on a volume of its own below the"
          + " store directory; all data is checked after mounting again. Nothing is left behind."
          + " Emptying the kernel's caches and loop devices need root."
    },
    footer = {
      "",
      "Exit code: 0, or 11 if a Coffer volume failed or nothing could be measured.",
      "",
      "Examples:",
      "  coffer bench --list",
      "  coffer bench --peers plain,coffer,gocryptfs --rounds 3 --html report.html",
      "  coffer bench --store /scratch/me --tests stream,random --size 4G"
    })
public final class BenchCommand implements ExtraCommand {
  private static final int TREE_FILES = 22_000;
  private static final List<String> TESTS = List.of("stream", "tree", "small", "random");

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--peers",
      split = ",",
      paramLabel = "NAME",
      description = "Systems to measure, separated by commas (default: all that are installed).")
  private List<String> peerNames = new ArrayList<>();

  @Option(
      names = "--tests",
      split = ",",
      paramLabel = "NAME",
      description = "stream, tree, small, random (default: all of them).")
  private List<String> testNames = new ArrayList<>(TESTS);

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "5",
      description = "How often each system is measured (default: ${DEFAULT-VALUE}).")
  private int rounds;

  @Option(
      names = "--store",
      paramLabel = "DIR",
      description =
          "Where the volumes are kept meanwhile: the storage to measure. Default: /dev/shm, which"
              + " is memory, so that the software and not the disk is measured.")
  private @Nullable Path store;

  @Option(
      names = "--size",
      paramLabel = "SIZE",
      defaultValue = "1G",
      description = "Size of the large file, such as 256M or 4G (default: ${DEFAULT-VALUE}).")
  private String size = "1G";

  @Option(
      names = "--random-size",
      paramLabel = "SIZE",
      defaultValue = "256M",
      description = "Size of the file for random access (default: ${DEFAULT-VALUE}).")
  private String randomSize = "256M";

  @Option(
      names = "--small-files",
      paramLabel = "N",
      defaultValue = "10000",
      description = "How many small files (default: ${DEFAULT-VALUE}).")
  private int smallFiles;

  @Option(
      names = "--tree",
      paramLabel = "TAR",
      description =
          "A tar file with a source tree. Without it, a tree like that of a large C project is"
              + " made, the same each time.")
  private @Nullable Path tree;

  @Option(
      names = "--tree-files",
      paramLabel = "N",
      defaultValue = "" + TREE_FILES,
      description = "How many files a tree that is made has (default: ${DEFAULT-VALUE}).")
  private int treeFiles;

  @Option(
      names = "--time-limit",
      paramLabel = "SECONDS",
      defaultValue = "600",
      description = "A test that takes longer has failed (default: ${DEFAULT-VALUE}).")
  private long timeLimitSeconds;

  @Option(names = "--json", paramLabel = "FILE", description = "Write every value as JSON.")
  private @Nullable Path json;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "Write a report with charts, in one file.")
  private @Nullable Path html;

  @Option(
      names = "--coffer",
      paramLabel = "FILE",
      description = "Coffer's launcher (default: the one in use, else the one on the PATH).")
  private @Nullable Path coffer;

  @Option(
      names = "--list",
      description = "Only say which systems are known, and which of them can be measured here.")
  private boolean list;

  /** For {@link java.util.ServiceLoader}. */
  public BenchCommand() {}

  @Override
  public Integer call() throws IOException {
    Path launcher = launcher();
    boolean root = "root".equals(System.getProperty("user.name"));
    List<Peer> all = PeerCatalog.find(searchPath(), launcher, root);
    if (list) {
      for (Peer peer : all) {
        System.out.printf(
            "%-18s %-17s %s%n",
            peer.name(),
            peer.kind().title(),
            peer.unavailable() == null ? peer.description() : "missing: " + peer.unavailable());
      }
      return 0;
    }
    List<Peer> peers;
    try {
      peers = PeerCatalog.select(all, peerNames);
    } catch (IllegalArgumentException e) {
      throw wrong(e.getMessage());
    }
    Path storeParent = store == null ? defaultStore() : store;
    if (!Files.isDirectory(storeParent) || !Files.isWritable(storeParent)) {
      throw wrong("not a directory that can be written: " + storeParent);
    }
    checkOptions();
    Path storeRoot =
        Files.createTempDirectory(storeParent.toAbsolutePath().normalize(), "coffer-bench-");
    Path scratch = Files.createTempDirectory("coffer-bench-");
    var cleaned = new CountDownLatch(1);
    Results results =
        new Results(
            Machine.describe(storeRoot),
            Instant.now().truncatedTo(ChronoUnit.SECONDS),
            settings(),
            NativeIo.canDropCaches(),
            peers);
    Progress progress = new Progress(System.err, rounds, peers.size());
    try {
      List<Workload> workloads = workloads(scratch, storeRoot);
      try (Comparison comparison =
          new Comparison(
              results,
              workloads,
              rounds,
              storeRoot,
              scratch,
              launcher,
              imageBytes(),
              timeLimitSeconds,
              progress)) {
        Thread hook = new Thread(() -> cancelAndWait(comparison, cleaned));
        Runtime.getRuntime().addShutdownHook(hook);
        comparison.run();
        progress.clear();
        removeHook(hook);
      }
    } catch (MeasureException e) {
      throw wrong("the tree cannot be unpacked: " + e.getMessage());
    } finally {
      MountSession.deleteTree(storeRoot);
      MountSession.deleteTree(scratch);
      cleaned.countDown();
    }
    report(results);
    return exitCode(results);
  }

  private static void cancelAndWait(Comparison comparison, CountDownLatch cleaned) {
    comparison.cancel();
    try {
      if (!cleaned.await(30, TimeUnit.SECONDS)) {
        System.err.println("coffer bench: not everything could be removed");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void removeHook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      System.err.println("coffer bench: interrupted");
    }
  }

  private List<Workload> workloads(Path scratch, Path storeRoot)
      throws MeasureException, IOException {
    List<Workload> workloads = new ArrayList<>();
    for (String test : TESTS) {
      if (testNames.contains(test)) {
        workloads.add(
            switch (test) {
              case "stream" -> new StreamWorkload(bytes(size));
              case "tree" -> tree(scratch, storeRoot);
              case "small" -> new SmallFilesWorkload(smallFiles, scratch);
              default -> new RandomWorkload(bytes(randomSize), 20);
            });
      }
    }
    return workloads;
  }

  private Workload tree(Path scratch, Path storeRoot) throws MeasureException, IOException {
    Path tar = tree;
    if (tar == null) {
      tar = scratch.resolve("tree.tar");
      SourceTree.write(tar, treeFiles);
    }
    return new TreeWorkload(tar.toAbsolutePath(), storeRoot.resolve("tree"));
  }

  private void checkOptions() {
    if (testNames.isEmpty() || !TESTS.containsAll(testNames)) {
      throw wrong("--tests takes " + String.join(", ", TESTS));
    }
    if (rounds < 1 || smallFiles < 1 || treeFiles < 1 || timeLimitSeconds < 1) {
      throw wrong("counts must be at least 1");
    }
    if (tree != null && !Files.isReadable(tree)) {
      throw wrong("cannot read " + tree);
    }
    bytes(size);
    bytes(randomSize);
  }

  /** Twice what the tests write, since a filesystem needs some for itself. */
  private long imageBytes() throws IOException {
    long treeBytes = tree == null ? 16_384L * treeFiles : 2 * Files.size(tree);
    return 2 * (bytes(size) + bytes(randomSize) + treeBytes + 8192L * smallFiles) + (256L << 20);
  }

  private Map<String, String> settings() {
    Map<String, String> settings = new LinkedHashMap<>();
    settings.put("rounds", Integer.toString(rounds));
    settings.put("large file", size);
    settings.put(
        "tree", tree == null ? treeFiles + " files made" : String.valueOf(tree.getFileName()));
    settings.put("small files", Integer.toString(smallFiles));
    settings.put("file for random access", randomSize);
    return settings;
  }

  private void report(Results results) throws IOException {
    System.out.print(TextReport.render(results));
    if (json != null) {
      Files.writeString(json, JsonReport.render(results));
    }
    if (html != null) {
      Files.writeString(html, HtmlReport.render(results));
    }
  }

  private static int exitCode(Results results) {
    boolean cofferFailed =
        results.failures().stream()
            .anyMatch(failure ->
                results.peers().stream()
                    .anyMatch(
                        p -> p.kind() == Peer.Kind.COFFER && p.name().equals(failure.peer())));
    return (cofferFailed || results.samples().isEmpty() ? ExitCode.OTHER : ExitCode.OK).number();
  }

  private @Nullable Path launcher() {
    if (coffer != null) {
      if (!Files.isExecutable(coffer)) {
        throw wrong("not a program: " + coffer);
      }
      return coffer.toAbsolutePath();
    }
    String inUse = System.getProperty("coffer.launcher");
    return inUse != null ? Path.of(inUse) : PeerCatalog.which("coffer", searchPath());
  }

  private static String searchPath() {
    String path = System.getenv("PATH");
    return path == null ? "/usr/sbin:/usr/bin:/sbin:/bin" : path;
  }

  private static Path defaultStore() {
    Path memory = Path.of("/dev/shm");
    return Files.isWritable(memory) ? memory : Path.of(System.getProperty("java.io.tmpdir"));
  }

  /** Bytes of "16M" and the like; a whole number of MiB. */
  private long bytes(String text) {
    String upper = text.toUpperCase(Locale.ROOT);
    int shift = upper.endsWith("G") ? 30 : upper.endsWith("M") ? 20 : 0;
    try {
      long count = Long.parseLong(shift == 0 ? upper : upper.substring(0, upper.length() - 1));
      long bytes = Math.multiplyExact(count, 1L << shift);
      if (bytes > 0 && bytes % (1 << 20) == 0) {
        return bytes;
      }
    } catch (NumberFormatException | ArithmeticException e) {
      throw wrong("not a size: " + text);
    }
    throw wrong("a size must be a whole number of MiB: " + text);
  }

  private ParameterException wrong(@Nullable String message) {
    CommandSpec known = java.util.Objects.requireNonNull(spec);
    return new ParameterException(known.commandLine(), String.valueOf(message));
  }
}
