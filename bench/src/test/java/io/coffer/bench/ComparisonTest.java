package io.coffer.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The comparison on real mounts in memory, with very little data. */
class ComparisonTest {
  private static final int SELF = (int) ProcessHandle.current().pid();

  private Path store = Path.of("");
  private Path scratch = Path.of("");

  @BeforeEach
  void makeDirectories() throws IOException {
    Path memory = Path.of("/dev/shm");
    store =
        Files.isWritable(memory)
            ? Files.createTempDirectory(memory, "coffer-bench-test-")
            : Files.createTempDirectory("coffer-bench-test-");
    scratch = Files.createTempDirectory("coffer-bench-test-");
  }

  @AfterEach
  void nothingIsLeftBehind() throws IOException {
    String mounts = Files.readString(Path.of("/proc/self/mounts"));
    assertFalse(mounts.contains(scratch.toString()), "still mounted:\n" + mounts);
    assertEquals(Set.of(), ProcessTable.read().descendants(SELF), "still running");
    MountSession.deleteTree(store);
    MountSession.deleteTree(scratch);
  }

  @Test
  void thePlainDirectoryAndGocryptfsGiveEveryMetricTheyCanAndVerifyTheirData() throws Exception {
    assumeTrue(PeerCatalog.which("gocryptfs", path()) != null, "gocryptfs is not installed");
    assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "no /dev/fuse");
    Results results = compare(known("plain", "gocryptfs"), 2, 120, allWorkloads());
    assertEquals(List.of(), results.failures());
    for (Metric metric : Metric.values()) {
      assertEquals(
          metric.group() != Metric.Group.COST,
          has(results, "plain", metric) && !isCpu(metric),
          "plain " + metric);
      assertTrue(has(results, "gocryptfs", metric), "gocryptfs " + metric);
    }
    Peer gocryptfs = results.peers().get(1);
    assertEquals(2, results.summary(gocryptfs, Metric.WRITE).orElseThrow().count());
    assertTrue(results.summary(gocryptfs, Metric.MEMORY).orElseThrow().min() > 5, "in MiB");
    assertTrue(results.summary(gocryptfs, Metric.MOUNT).orElseThrow().min() > 0.005, "in s");
    assertTrue(results.version(gocryptfs).startsWith("gocryptfs"));
    try (var left = Files.list(store)) {
      assertEquals(List.of(), left.toList());
    }
  }

  @Test
  void cofferGivesEveryMetricWithEachCipherAndVerifiesItsData() throws Exception {
    assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "no /dev/fuse");
    Path launcher = launcher();
    List<Peer> peers =
        PeerCatalog.select(
            PeerCatalog.find(path(), launcher, isRoot()), List.of("coffer", "coffer-aes-siv"));
    Results results = compare(peers, 1, 120, allWorkloads(), launcher);
    assertEquals(List.of(), results.failures());
    for (Peer peer : peers) {
      for (Metric metric : Metric.values()) {
        assertTrue(has(results, peer.name(), metric), peer.name() + " " + metric);
      }
    }
  }

  /** Starts Coffer from the classes under test. */
  private Path launcher() throws IOException {
    String classes =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path", ""));
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    Path launcher = scratch.resolve("coffer");
    Files.writeString(
        launcher,
        """
        #!/bin/sh
        exec "%s" --enable-native-access=ALL-UNNAMED -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \\
          -Dcoffer.launcher="%s" -cp "%s" io.coffer.cli.Main "$@"
        """
            .formatted(java, launcher, classes));
    Files.setPosixFilePermissions(launcher, PosixFilePermissions.fromString("rwxr-xr-x"));
    return launcher;
  }

  @Nested
  class ASystemThatFails {
    @Test
    void toStartIsARowWithItsOwnWordsAndDoesNotStopTheOthers() throws Exception {
      Peer broken = scripted(null, "echo first >&2; echo no such luck >&2; exit 3");
      List<Peer> peers = new ArrayList<>(List.of(broken));
      peers.addAll(known("plain"));
      Results results = compare(peers, 3, 30, List.of(new StreamWorkload(1 << 20)));
      assertEquals("no such luck", results.failures().getFirst().reason());
      assertEquals(2, results.failures().size(), "it is not tried a third time");
      assertTrue(has(results, "plain", Metric.WRITE));
    }

    @Test
    void toBecomeUsableIsEndedAfterTheTimeLimit() throws Exception {
      Peer sleeping = scripted(null, "sleep 1000");
      Results results = compare(List.of(sleeping), 1, 1, List.of(new StreamWorkload(1 << 20)));
      assertEquals("not usable after 1 s", results.failures().getFirst().reason());
    }

    @Test
    void toBeInstalledIsARow() throws Exception {
      Peer missing =
          new Peer(
              "x", Peer.Kind.ENCRYPTING, "", null, "x", false, null, "", List.of(), "x is missing");
      Results results = compare(List.of(missing), 1, 1, List.of(new StreamWorkload(1 << 20)));
      assertEquals(List.of(new Failure("x", 1, "start", "x is missing")), results.failures());
    }

    @Test
    void toKeepItsDataIsFoundOut() throws Exception {
      assumeTrue(isRoot(), "mounting a tmpfs needs root");
      Peer forgetful =
          new Peer(
              "forgetful",
              Peer.Kind.KERNEL,
              "a tmpfs of its own, empty each time",
              null,
              "mount -t tmpfs none \"$MNT\"",
              true,
              null,
              "",
              List.of(),
              null);
      Results results = compare(List.of(forgetful), 1, 60, allWorkloads());
      List<String> phases = results.failures().stream().map(Failure::phase).toList();
      assertEquals(List.of("stream", "tree", "small", "random"), phases);
    }

    @Test
    void toAnswerIsEndedAfterTheTimeLimit() throws Exception {
      assumeTrue(PeerCatalog.which("gocryptfs", path()) != null, "gocryptfs is not installed");
      assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "no /dev/fuse");
      Results results = compare(known("gocryptfs"), 1, 3, List.of(new StopsTheDaemon()));
      assertEquals("stop", results.failures().getFirst().phase());
      assertTrue(
          results.failures().stream().anyMatch(f -> f.reason().equals("no end after 3 s")),
          results.failures().toString());
    }
  }

  @Test
  void whatAnotherProgramStartedIsNotTaken() throws Exception {
    Process stranger = new ProcessBuilder("setsid", "sh", "-c", "sleep 60 & echo $!").start();
    String pid = stranger.inputReader().readLine();
    stranger.waitFor();
    try {
      assertFalse(
          ProcessTable.read().descendants((int) stranger.pid()).contains(Integer.valueOf(pid)));
    } finally {
      ProcessHandle.of(Long.parseLong(pid)).ifPresent(ProcessHandle::destroyForcibly);
      awaitEnd(Integer.parseInt(pid));
    }
  }

  /** Makes the daemon deaf, so that the next call hangs until somebody kills it. */
  private static final class StopsTheDaemon implements Workload {
    @Override
    public String name() {
      return "stop";
    }

    @Override
    public boolean remountsAfterRun() {
      return false;
    }

    @Override
    public void run(MountSession session, Recorder recorder) throws MeasureException, IOException {
      Path work = session.workDirectory();
      for (int pid : ProcessTable.read().descendants(SELF)) {
        session.tool().run("kill", "-STOP", Integer.toString(pid));
      }
      Files.writeString(work.resolve("file"), "never arrives");
    }

    @Override
    public void verify(MountSession session, Recorder recorder) {}
  }

  private List<Workload> allWorkloads() throws Exception {
    Path tar = scratch.resolve("tree.tar");
    SourceTree.write(tar, 60);
    return List.of(
        new StreamWorkload(4 << 20),
        new TreeWorkload(tar, scratch.resolve("reference")),
        new SmallFilesWorkload(50, scratch),
        new RandomWorkload(1 << 20, 10));
  }

  private Results compare(List<Peer> peers, int rounds, long limit, List<Workload> workloads)
      throws IOException {
    return compare(peers, rounds, limit, workloads, null);
  }

  private Results compare(
      List<Peer> peers, int rounds, long limit, List<Workload> workloads, @Nullable Path launcher)
      throws IOException {
    Results results = new Results(Machine.describe(store), Instant.now(), Map.of(), true, peers);
    var listener =
        new Comparison.Listener() {
          @Override
          public void step(int round, Peer peer, String what) {}

          @Override
          public void failed(Failure failure) {}
        };
    try (Comparison comparison =
        new Comparison(
            results, workloads, rounds, store, scratch, launcher, 64 << 20, limit, listener)) {
      comparison.run();
    }
    return results;
  }

  private static List<Peer> known(String... names) {
    return PeerCatalog.select(PeerCatalog.find(path(), null, isRoot()), List.of(names));
  }

  private static Peer scripted(@Nullable String init, String mount) {
    return new Peer(
        "scripted", Peer.Kind.ENCRYPTING, "", init, mount, false, null, "", List.of(), null);
  }

  private static boolean has(Results results, String name, Metric metric) {
    return results.samples().stream().anyMatch(s -> s.peer().equals(name) && s.metric() == metric);
  }

  private static boolean isCpu(Metric metric) {
    return metric.key().endsWith("-cpu");
  }

  private static void awaitEnd(int pid) throws InterruptedException {
    while (ProcessTable.read().isAlive(pid)) {
      NativeIo.reap(pid);
      Thread.sleep(5);
    }
  }

  private static boolean isRoot() {
    return "root".equals(System.getProperty("user.name"));
  }

  private static String path() {
    String path = System.getenv("PATH");
    return path == null ? "/usr/bin:/bin" : path;
  }
}
