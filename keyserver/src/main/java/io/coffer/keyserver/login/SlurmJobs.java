package io.coffer.keyserver.login;

import io.coffer.keyserver.box.Job;
import io.coffer.keyserver.box.ProblemException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * What Slurm's controller says about jobs, asked by scontrol(1) on the key server's machine.
 * Thread-safe.
 */
public final class SlurmJobs {
  private static final int MAX_OUTPUT_BYTES = 1 << 20;
  private static final int MAX_PROCESSES = 8;
  private static final long TIMEOUT_SECONDS = 15;

  private final String scontrol;
  private final Semaphore turns = new Semaphore(MAX_PROCESSES);

  /**
   * @param scontrol the program, by its path or as the PATH has it
   */
  public SlurmJobs(String scontrol) {
    this.scontrol = scontrol;
  }

  /**
   * A job.
   *
   * @throws ProblemException 401 if there is none, 503 if the controller does not answer
   */
  public Job ask(String id) throws ProblemException {
    if (!id.matches("[1-9][0-9]{0,9}")) {
      throw Refusal.of("this is no job of Slurm", "Send what SLURM_JOB_ID says in the job.");
    }
    Map<String, String> fields = fields(run("--oneliner", "show", "job", id));
    try {
      String user = fields.getOrDefault("UserId", "");
      String list = fields.getOrDefault("NodeList", "");
      List<String> nodes =
          list.isEmpty() || list.equals("(null)")
              ? List.of()
              : run("show", "hostnames", list).lines().map(SlurmJobs::shortName).toList();
      return new Job(
          id,
          Long.parseLong(user.substring(user.indexOf('(') + 1, user.length() - 1)),
          fields.getOrDefault("JobState", "").equals("RUNNING"),
          Integer.parseInt(fields.getOrDefault("Restarts", "0")),
          nodes);
    } catch (NumberFormatException | StringIndexOutOfBoundsException e) {
      throw Refusal.unavailable("what scontrol says is not understood");
    }
  }

  private static String shortName(String host) {
    int dot = host.indexOf('.');
    return (dot < 0 ? host : host.substring(0, dot)).toLowerCase(Locale.ROOT);
  }

  private static Map<String, String> fields(String line) {
    Map<String, String> fields = new HashMap<>();
    for (String word : line.split("\\s+", -1)) {
      int equals = word.indexOf('=');
      if (equals > 0) {
        // The first of a name: a user chooses what comes later, such as the command.
        fields.putIfAbsent(word.substring(0, equals), word.substring(equals + 1));
      }
    }
    return fields;
  }

  private String run(String... arguments) throws ProblemException {
    List<String> command = new java.util.ArrayList<>(List.of(scontrol));
    command.addAll(List.of(arguments));
    Process process = null;
    boolean turn = false;
    try {
      turn = turns.tryAcquire(TIMEOUT_SECONDS, TimeUnit.SECONDS);
      if (!turn) {
        throw Refusal.unavailable("Slurm is asked about too many jobs");
      }
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.getOutputStream().close();
      String output =
          new String(process.getInputStream().readNBytes(MAX_OUTPUT_BYTES), StandardCharsets.UTF_8);
      if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        throw Refusal.unavailable("Slurm does not answer");
      }
      if (process.exitValue() != 0) {
        if (output.contains("Invalid job id")) {
          throw Refusal.of("Slurm knows no such job", "A ticket is good only while its job runs.");
        }
        throw Refusal.unavailable("Slurm does not answer");
      }
      return output;
    } catch (IOException e) {
      throw Refusal.unavailable("scontrol cannot be run on the key server");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Refusal.unavailable("the server is stopping");
    } finally {
      if (process != null) {
        process.destroyForcibly();
      }
      if (turn) {
        turns.release();
      }
    }
  }
}
