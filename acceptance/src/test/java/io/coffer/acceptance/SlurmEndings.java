package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * Jobs that end in all ways in which jobs end, one after the other, the place and moment chosen at
 * random. After each nothing is left of it, its ticket is worthless, and the next one works.
 */
final class SlurmEndings {
  private static final Duration NOTHING_LEFT = Duration.ofSeconds(60);
  private static final Duration STARTED_AGAIN = Duration.ofSeconds(90);
  private static final int CHUNK = 1 << 20;

  /** How a job ends. Those come first that no other test has. */
  private enum Ending {
    NODE_DAEMON_KILLED,
    REQUEUED,
    TIME_LIMIT,
    HOLDER_KILLED,
    CANCELLED,
    STEP_DAEMON_KILLED,
    CONTROLLER_KILLED,
    FAILING_COMMAND,
    NORMAL
  }

  private final SlurmCluster cluster;
  private final Supplier<String> tickets;
  private final byte[] key;
  private final Random random;
  private final Map<Ending, Integer> count = new EnumMap<>(Ending.class);
  private final Map<Ending, Integer> takenByEpilog = new EnumMap<>(Ending.class);
  private final Map<String, List<String>> before = new TreeMap<>();
  private int forgotten;
  private int heldBack;
  private String lastTicket = "";
  private String lastJob = "";
  private String currentJob = "";

  SlurmEndings(SlurmCluster cluster, Supplier<String> tickets, byte[] key, long seed) {
    this.cluster = cluster;
    this.tickets = tickets;
    this.key = key;
    random = new Random(seed);
  }

  /** Runs so many jobs, and one more that ends well. */
  void run(int jobs) {
    cluster.useEpilog();
    SlurmCluster.NODES.forEach(node -> before.put(node, cluster.temporary(node)));
    List<Ending> deck = new ArrayList<>();
    for (int i = 0; i < jobs; i++) {
      deck.add(Ending.values()[i % Ending.values().length]);
    }
    Collections.shuffle(deck, random);
    deck.add(Ending.NORMAL);
    List<Throwable> failures = new ArrayList<>();
    for (Ending ending : deck) {
      long start = System.nanoTime();
      String what = ending.toString();
      try {
        String job = one(ending);
        what += ", job " + job + ", " + cluster.state(job);
      } catch (AssertionError | RuntimeException e) {
        failures.add(e);
        what += ": " + e.getMessage();
        if (!currentJob.isEmpty()) {
          cluster.in(Command.of("scancel", currentJob)).run();
        }
      }
      System.out.printf("%s, %.1f s%n", what, (System.nanoTime() - start) / 1e9);
    }
    count.forEach((ending, number) ->
        System.out.printf(
            "%-20s %3d jobs, in %d of them the epilog had something to do%n",
            ending, number, takenByEpilog.getOrDefault(ending, 0)));
    System.out.printf("the controller had forgotten %d, and that %d ran%n", forgotten, heldBack);
    if (!failures.isEmpty()) {
      AssertionError all = new AssertionError(failures.size() + " of " + deck.size() + " jobs");
      failures.forEach(all::addSuppressed);
      throw all;
    }
  }

  private String one(Ending ending) {
    currentJob = "";
    cluster.mend().forEach(System.out::println);
    cluster.awaitIdle();
    String ticket = tickets.get();
    boolean early = random.nextInt(3) == 0 && ending.compareTo(Ending.FAILING_COMMAND) < 0;
    String job = cluster.submit(ticket, script(ending));
    currentJob = job;
    if (early && ending != Ending.REQUEUED && ending != Ending.TIME_LIMIT) {
      Mounted.sleep(random.nextInt(4000));
    } else {
      cluster.awaitOutput(job, "working");
    }
    end(ending, job);
    if (ending == Ending.CONTROLLER_KILLED && !cluster.ends(job, STARTED_AGAIN)) {
      // Killed before it had saved that the job runs, it has it wait, and shuts the node out on
      // which it finds the job ("Duplicate jobid"). An operator would cancel it.
      assertEquals("PENDING", cluster.state(job), () -> said(job));
      cluster.in(Command.of("scancel", job)).ok();
      heldBack++;
    }
    String state = cluster.awaitEnd(job);
    expected(ending, early, job, state);
    assertTrue(
        Mounted.waitUntil(
            NOTHING_LEFT,
            () -> cluster.leftovers(job).isEmpty() && temporaryDirectories().equals(before)),
        () ->
            ending
                + " left of job "
                + job
                + ": "
                + cluster.leftovers(job)
                + temporaryDirectories()
                + said(job));
    assertNoKeyInMemory(ending + " of job " + job);
    count.merge(ending, 1, Integer::sum);
    if (cluster.takenByEpilog().stream().anyMatch(line -> line.startsWith(job + " "))) {
      takenByEpilog.merge(ending, 1, Integer::sum);
    }
    String output = cluster.output(job);
    if (state.equals("UNKNOWN")) {
      forgotten++;
    }
    if (output.contains("working")) {
      assertFalse(output.contains("old ticket works"), said(job));
      lastTicket = ticket;
      lastJob = job;
    }
    return job;
  }

  /** The way in which it ends is as wanted, unless what was killed takes part in that. */
  private void expected(Ending ending, boolean early, String job, String state) {
    switch (ending) {
      case NORMAL, REQUEUED -> assertEquals("COMPLETED", state, () -> said(job));
      case FAILING_COMMAND -> assertEquals("FAILED", state, () -> said(job));
      case CANCELLED -> assertEquals("CANCELLED", state, () -> said(job));
      case TIME_LIMIT ->
          // A script that was about to start a step finds that it may not, and may fail of that.
          assertTrue(state.equals("TIMEOUT") || state.equals("FAILED"), () -> said(job));
      case HOLDER_KILLED, STEP_DAEMON_KILLED -> assertFalse(state.equals("COMPLETED") && !early);
      case NODE_DAEMON_KILLED, CONTROLLER_KILLED -> {
        // Slurm may lose it, cancel it or bring it to its end.
      }
    }
  }

  private String said(String job) {
    return "\njob " + job + " said: " + cluster.output(job);
  }

  private String script(Ending ending) {
    String end =
        switch (ending) {
          case NORMAL -> "";
          case FAILING_COMMAND -> "ls $VIEW/no-such-file\n";
          case REQUEUED -> "[ \"${SLURM_RESTART_COUNT:-0}\" = 1 ] || sleep 600\n";
          case NODE_DAEMON_KILLED, CONTROLLER_KILLED -> "sleep " + (1 + random.nextInt(8)) + "\n";
          default ->
              random.nextBoolean()
                  ? "sleep 600\n"
                  : "srun --overlap bash -c 'cd $VIEW; while echo; do sleep 0.1; done"
                      + " >busy.$SLURM_PROCID'\n";
        };
    String old =
        lastTicket.isEmpty()
            ? ""
            : """
            COFFER_TICKET=%s SLURM_JOB_ID=%s timeout 60 $coffer job hold --at /tmp/old
            [ $? = 40 ] || echo old ticket works
            """
                .formatted(lastTicket, random.nextBoolean() ? "$SLURM_JOB_ID" : lastJob);
    return """
    VIEW=$($coffer job mount) || exit 99
    export VIEW
    srun --overlap bash -c 'echo x >$VIEW/$SLURM_JOB_ID.$SLURM_PROCID' || exit 98
    srun --overlap bash -c 'cat $VIEW/$SLURM_JOB_ID.[0-5] | grep -c x' | grep -c 6
    """
        + old
        + "echo working ${SLURM_RESTART_COUNT:-0}\n"
        + end;
  }

  private void end(Ending ending, String job) {
    String node = SlurmCluster.NODES.get(random.nextInt(SlurmCluster.NODES.size()));
    switch (ending) {
      case NORMAL, FAILING_COMMAND -> {}
      case CANCELLED -> cluster.in(Command.of("scancel", job)).ok();
      case TIME_LIMIT -> {
        // Slurm refuses it for a job that has begun in this very second.
        Command now = cluster.in(Command.of("scontrol", "update", "JobId=" + job, "EndTime=now"));
        assertTrue(
            Mounted.waitUntil(Duration.ofSeconds(30), () -> now.run().exit() == 0),
            () -> "job " + job + " gets no other end: " + now.run());
      }
      case REQUEUED -> {
        cluster.in(Command.of("scontrol", "requeue", job)).ok();
        // Slurm would wait for two minutes, and only takes another time once it has cleaned up. It
        // refuses a run that starts in the same second in which the last one was ended.
        Command now =
            cluster.in(Command.of("scontrol", "update", "JobId=" + job, "StartTime=now+2"));
        assertTrue(
            Mounted.waitUntil(
                Duration.ofSeconds(90),
                () -> cluster.state(job).equals("PENDING") && now.run().exit() == 0),
            () -> "job " + job + " is not requeued: " + cluster.state(job));
        cluster.awaitOutput(job, "working 1");
      }
      case HOLDER_KILLED -> {
        List<ProcessHandle> holders = new ArrayList<>(cluster.holders(job));
        if (!holders.isEmpty() && random.nextBoolean()) {
          holders = List.of(holders.get(random.nextInt(holders.size())));
        }
        holders.forEach(ProcessHandle::destroyForcibly);
        Mounted.sleep(random.nextInt(3000));
        cluster.in(Command.of("scancel", job)).ok();
      }
      case STEP_DAEMON_KILLED -> {
        List<ProcessHandle> holders = cluster.holders(job);
        if (!holders.isEmpty()) {
          holders.get(random.nextInt(holders.size())).parent().stream()
              .filter(parent -> comm(parent.pid()).startsWith("slurmstepd"))
              .forEach(ProcessHandle::destroyForcibly);
        }
        Mounted.sleep(random.nextInt(3000));
        cluster.in(Command.of("scancel", job)).ok();
      }
      case NODE_DAEMON_KILLED -> killAndRestart(node);
      case CONTROLLER_KILLED -> killAndRestart("controller");
    }
  }

  /** Nothing else makes anything there while jobs run one after the other. */
  private Map<String, List<String>> temporaryDirectories() {
    Map<String, List<String>> now = new TreeMap<>();
    SlurmCluster.NODES.forEach(node -> now.put(node, cluster.temporary(node)));
    return now;
  }

  private void killAndRestart(String who) {
    cluster.kill(who);
    Mounted.sleep(random.nextInt(5000));
    cluster.startAgain(who);
  }

  private static String comm(long pid) {
    try {
      return Files.readString(Path.of("/proc/" + pid + "/comm")).strip();
    } catch (IOException e) {
      return "";
    }
  }

  /** In no process of the cluster but the agent, where it shows that this finds it. */
  private void assertNoKeyInMemory(String after) {
    boolean inAgent = false;
    for (Map.Entry<Long, String> process : cluster.everyProcess().entrySet()) {
      boolean agent = process.getValue().contains("io.coffer.cli.Main agent");
      boolean found = holds(process.getKey(), key);
      inAgent |= agent && found;
      assertFalse(found && !agent, () -> "the key is in memory after " + after + ": " + process);
    }
    assertTrue(inAgent, "the agent has lost the key, or this test cannot find it");
  }

  /** Are these bytes in the memory of a process? */
  static boolean holds(long pid, byte[] wanted) {
    String needle = new String(wanted, StandardCharsets.ISO_8859_1);
    Path directory = Path.of("/proc/" + pid);
    try (var memory = new RandomAccessFile(directory.resolve("mem").toFile(), "r")) {
      for (String line : Files.readAllLines(directory.resolve("maps"))) {
        String[] words = line.split(" +", -1);
        if (!words[1].startsWith("rw") || words[0].length() > 30) {
          continue;
        }
        int dash = words[0].indexOf('-');
        long at = Long.parseUnsignedLong(words[0].substring(0, dash), 16);
        long end = Long.parseUnsignedLong(words[0].substring(dash + 1), 16);
        byte[] chunk = new byte[CHUNK + wanted.length];
        while (at < end) {
          memory.seek(at);
          int read;
          try {
            read = memory.read(chunk, 0, (int) Math.min(chunk.length, end - at));
          } catch (IOException e) {
            break; // a page that is not there
          }
          if (read <= 0) {
            break;
          }
          if (new String(chunk, 0, read, StandardCharsets.ISO_8859_1).contains(needle)) {
            return true;
          }
          at += Math.min(CHUNK, read);
        }
      }
      return false;
    } catch (IOException e) {
      return false; // it has ended
    }
  }
}
