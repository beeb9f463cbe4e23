package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/** {@code coffer job} on a real Slurm of three nodes. */
@DisplayName("A job on three nodes of Slurm")
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class SlurmTest {
  private static final int RECORD = 47_001;

  private static final Area AREA = Area.onDisk();
  private static final Volume VOLUME = Volume.in(AREA, "v");
  private static SlurmCluster cluster;

  @BeforeAll
  static void start() {
    try {
      cluster = AREA.own(SlurmCluster.start(AREA));
      VOLUME.init(Volume.Program.COFFER);
      cluster.startAgent();
    } catch (RuntimeException | Error e) {
      AREA.close();
      throw e;
    }
  }

  @AfterAll
  static void stop() {
    if (cluster != null) {
      cluster.in(Command.coffer("agent", "stop")).run();
    }
    AREA.close();
  }

  private static String ticket() {
    return cluster
        .in(Command.coffer("job", "ticket", "--volume", VOLUME.stored(), "--nodes", "3"))
        .and("--time", "1h", "--password-file", VOLUME.password())
        .ok()
        .out()
        .strip();
  }

  private static void assertNothingLeft(String job) {
    assertTrue(
        Mounted.waitUntil(Duration.ofSeconds(30), () -> cluster.leftovers(job).isEmpty()),
        () -> "left of job " + job + ": " + cluster.leftovers(job) + "\n" + cluster.output(job));
  }

  /** In the batch script: opens the view, says so, and does something. */
  private static String script(String then) {
    return "VIEW=$($coffer job mount) || exit 99\nexport VIEW\necho mounted\n" + then;
  }

  @Test
  @Order(1)
  void reads_and_writes_in_every_task_of_every_step() {
    String used = ticket();
    String job =
        cluster.submit(
            used,
            script(
                """
                srun --overlap bash -c '
                  echo "$SLURMD_NODENAME" >$VIEW/$SLURM_PROCID
                  head -c %1$d /dev/zero | tr "\\0" $SLURM_PROCID \
                    | dd of=$VIEW/shared bs=%1$d seek=$SLURM_PROCID conv=notrunc status=none'
                srun --overlap bash -c '
                  echo "task $SLURM_PROCID: $(cat $VIEW/[0-5] | sort | uniq -c | tr -s "\\n " " ")"
                  echo "file $(tr -s 0-5 <$VIEW/shared) of $(stat -c %%s $VIEW/shared)"'
                """
                    .formatted(RECORD)));
    assertEquals("COMPLETED", cluster.awaitEnd(job), () -> cluster.output(job));
    String output = cluster.output(job);
    for (int task = 0; task < 6; task++) {
      assertTrue(output.contains("task " + task + ":  2 n1 2 n2 2 n3"), output);
    }
    assertEquals(6, output.split("file 012345 of " + 6 * RECORD, -1).length - 1, output);
    assertNothingLeft(job);
    String thief = cluster.submit(used, script("cat $VIEW/0"));
    assertEquals("FAILED", cluster.awaitEnd(thief), () -> cluster.output(thief));
    assertFalse(cluster.output(thief).contains("mounted"), () -> cluster.output(thief));
    assertNothingLeft(thief);
  }

  @Test
  @Order(2)
  void leaves_nothing_when_it_fails_is_cancelled_requeued_or_loses_a_view() {
    String failing = cluster.submit(ticket(), script("ls $VIEW >/dev/null; exit 3"));
    assertEquals("FAILED", cluster.awaitEnd(failing), () -> cluster.output(failing));
    assertTrue(cluster.output(failing).contains("mounted"), () -> cluster.output(failing));
    assertNothingLeft(failing);

    String revoked = ticket();
    String cancelled =
        cluster.submit(revoked, script("srun --overlap sh -c 'cd $VIEW; sleep 600'"));
    cluster.awaitOutput(cancelled, "mounted");
    for (String node : SlurmCluster.NODES) {
      List<String> views = cluster.views(node, cancelled);
      assertEquals(1, views.size(), () -> node + ": " + views);
    }
    cluster.in(Command.coffer("job", "revoke", "nobody-s")).run().expectExit(40);
    cluster.in(Command.coffer("job", "revoke", revoked)).ok().errHas("revoked 1 ticket");
    assertTrue(
        Mounted.waitUntil(
            Duration.ofSeconds(60),
            () ->
                SlurmCluster.NODES.stream()
                    .allMatch(node -> cluster.views(node, cancelled).isEmpty())),
        () -> "views stay when their ticket is revoked: " + cluster.leftovers(cancelled));
    cluster.in(Command.of("scancel", cancelled)).ok();
    assertEquals("CANCELLED", cluster.awaitEnd(cancelled));
    assertNothingLeft(cancelled);

    String requeued =
        cluster.submit(
            ticket(), script("[ \"${SLURM_RESTART_COUNT:-0}\" = 1 ] && exit 0; sleep 600"));
    cluster.awaitOutput(requeued, "mounted");
    cluster.in(Command.of("scontrol", "requeue", requeued)).ok();
    // Held for a while, so that what the first run left has time to go.
    String killed = cluster.submit(ticket(), script("sleep 600"));
    cluster.awaitOutput(killed, "mounted");
    long holder =
        cluster.processes(killed).entrySet().stream()
            .filter(each -> each.getValue().contains("io.coffer.cli.Main job hold"))
            .mapToLong(java.util.Map.Entry::getKey)
            .findFirst()
            .orElseThrow();
    ProcessHandle.of(holder).orElseThrow().destroyForcibly();
    assertTrue(
        Mounted.waitUntil(
            Duration.ofSeconds(60),
            () ->
                SlurmCluster.NODES.stream()
                    .allMatch(node -> cluster.views(node, killed).isEmpty())),
        () -> "a view whose neighbour was killed stays: " + cluster.leftovers(killed));
    cluster.in(Command.of("scancel", killed)).ok();
    assertEquals("CANCELLED", cluster.awaitEnd(killed));
    assertNothingLeft(killed);
    // Slurm starts what was requeued two minutes later, if nobody says otherwise.
    cluster.in(Command.of("scancel", requeued)).ok();
    cluster.awaitEnd(requeued);
    assertNothingLeft(requeued);
  }

  @Test
  @Order(3)
  void brings_no_secret_to_the_scheduler() throws Exception {
    Path crashes = Files.createDirectory(cluster.path("crashes"));
    Path cores = Files.createDirectory(cluster.path("cores"));
    String job =
        cluster.submit(
            ticket(),
            "ulimit -c unlimited && echo may dump core\n"
                + script(
                    """
                    cd %s && sh -c 'cat "$VIEW"/*; kill -ABRT $$'
                    env; scontrol show job $SLURM_JOB_ID; cat /proc/[1-9]*/cmdline
                    printf '\\nlooked\\n'
                    sleep 600
                    """
                        .formatted(cores)),
            "--chdir=" + crashes);
    cluster.awaitOutput(job, "\nlooked\n");
    assertEquals(3, cluster.holders(job).size());
    String signal = "ABRT";
    for (ProcessHandle holder : cluster.holders(job)) {
      Command.of("kill", "-" + signal, holder.pid()).run();
      signal = signal.equals("ABRT") ? "SEGV" : "ABRT";
    }
    assertTrue(
        Mounted.waitUntil(Duration.ofSeconds(60), () -> cluster.holders(job).isEmpty()),
        () -> "still there: " + cluster.holders(job));
    assertEquals(List.of(), filesBelow(crashes), "a view that crashes leaves no file");
    if (cluster.output(job).contains("may dump core")
        && Files.readString(Path.of("/proc/sys/kernel/core_pattern")).startsWith("core")) {
      assertFalse(filesBelow(cores).isEmpty(), "core files were to be written here");
    }
    byte[] key = masterKey();
    List<String> secrets =
        List.of(
            Volume.PASSWORD,
            HexFormat.of().formatHex(key),
            Base64.getEncoder().encodeToString(key),
            new String(key, StandardCharsets.ISO_8859_1));
    cluster.in(Command.of("scontrol", "reconfigure")).ok();
    List<Path> files = filesBelow(cluster.path(""));
    assertTrue(files.size() > 10, "the state of the scheduler was not found");
    for (Path file : files) {
      String content = content(file);
      for (String secret : secrets) {
        assertFalse(content.contains(secret), "a secret in " + file);
      }
    }
    assertNotEquals("", cluster.output(job));
    cluster.in(Command.of("scancel", job)).ok();
    cluster.awaitEnd(job);
    assertNothingLeft(job);
  }

  @Test
  @Order(4)
  void believes_nothing_that_the_name_of_a_job_says() {
    String used = ticket();
    // As scontrol prints it, this job runs for ever, and had a second run that may have the key.
    String first =
        cluster.submit(
            used,
            script(""),
            "--job-name=x UserId=root(0) JobState=RUNNING Restarts=7 NodeList=n[1-3]");
    assertEquals("COMPLETED", cluster.awaitEnd(first), () -> cluster.output(first));
    String second =
        cluster.submit(
            used,
            """
            $coffer job hold --at /tmp/stolen && echo mounted
            SLURM_JOB_ID=%s SLURM_RESTART_COUNT=7 timeout 60 $coffer job hold --at /tmp/stolen
            [ $? = 40 ] || echo mounted
            """
                .formatted(first));
    cluster.awaitEnd(second);
    assertTrue(cluster.output(second).contains("belongs to job " + first), cluster.output(second));
    assertTrue(cluster.output(second).contains("is not running"), cluster.output(second));
    assertFalse(cluster.output(second).contains("mounted"), cluster.output(second));
    assertNothingLeft(first);
    assertNothingLeft(second);
  }

  @Test
  @Order(5)
  void runs_the_batch_scripts_that_guides_for_gocryptfs_print() {
    SlurmGuides guides = new SlurmGuides(cluster);
    guides.passwordByMunge();
    guides.passwordByProgram();
    guides.unmountedByTrap();
  }

  /** Two jobs, or as many as the property {@code coffer.test.jobs} says; 100 take half an hour. */
  @Test
  @Order(4)
  void leaves_nothing_whatever_ends_it() throws Exception {
    new SlurmEndings(
            cluster, SlurmTest::ticket, masterKey(), Long.getLong("coffer.test.seed", 20_260_101L))
        .run(Integer.getInteger("coffer.test.jobs", 1));
  }

  @Test
  @Order(6)
  void opens_by_a_ticket_of_a_key_service() {
    Tools.need("curl");
    try (SlurmKeyService service = new SlurmKeyService(cluster, AREA)) {
      service.opensOnEveryNode();
      service.closesWhenRevoked();
    }
  }

  private static byte[] masterKey() throws Exception {
    try (SecretBytes password =
            SecretBytes.copyOf(Volume.PASSWORD.getBytes(StandardCharsets.UTF_8));
        SecretBytes master = GocryptfsVolume.open(VOLUME.stored(), false).unlock(password)) {
      return master.read(bytes -> bytes.clone());
    }
  }

  /** Not by Files.walk, which fails when a file goes while it looks: the scheduler goes on. */
  private static List<Path> filesBelow(Path directory) throws IOException {
    List<Path> files = new ArrayList<>();
    Files.walkFileTree(
        directory,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (attributes.isRegularFile()) {
              files.add(file);
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path left, @Nullable IOException e) {
            return FileVisitResult.CONTINUE;
          }
        });
    return files;
  }

  private static String content(Path file) {
    try {
      return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      return ""; // written and removed meanwhile
    }
  }
}
