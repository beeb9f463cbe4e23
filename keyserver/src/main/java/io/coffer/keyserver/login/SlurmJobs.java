package io.coffer.keyserver.login;

import io.coffer.keyserver.box.Job;
import io.coffer.keyserver.box.ProblemException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * What Slurm's controller says about jobs, asked by squeue(1) and scontrol(1) on the key server's
 * machine. Thread-safe.
 */
public final class SlurmJobs {
  private static final int MAX_OUTPUT_BYTES = 1 << 20;
  private static final int MAX_PROCESSES = 8;
  private static final long TIMEOUT_SECONDS = 15;

  /** Of a list of nodes; a longer one is not understood, rather than cut off. */
  private static final int MOST_CHARACTERS = 65_000;

  /**
   * The fields that squeue is asked for, with their widths. None of them is free text: among those
   * of scontrol is the name of the job, in which a user can write what looks like any other field.
   */
  private static final String FORMAT =
      "--Format=JobID:12,UserID:12,State:24,RestartCnt:12,NodeList:" + MOST_CHARACTERS;

  private final String scontrol;
  private final String squeue;
  private final Semaphore turns = new Semaphore(MAX_PROCESSES);

  /**
   * @param scontrol the program, by its path or as the PATH has it; squeue is beside it
   */
  public SlurmJobs(String scontrol) {
    this.scontrol = scontrol;
    squeue = scontrol.substring(0, scontrol.lastIndexOf('/') + 1) + "squeue";
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
    for (String line :
        run(squeue, "--noheader", "--states=all", "--jobs=" + id, FORMAT).lines().toList()) {
      // An array has a line for each of its jobs.
      List<String> words = List.of(line.strip().split("\\s+", -1));
      if (words.getFirst().equals(id)) {
        return of(words);
      }
    }
    throw unknown();
  }

  private Job of(List<String> words) throws ProblemException {
    String list = words.size() > 4 ? words.get(4) : "";
    try {
      if (words.size() >= 4 && list.length() < MOST_CHARACTERS) {
        return new Job(
            words.getFirst(),
            Long.parseLong(words.get(1)),
            words.get(2).equals("RUNNING"),
            Integer.parseInt(words.get(3)),
            list.isEmpty() || list.equals("(null)")
                ? List.of()
                : run(scontrol, "show", "hostnames", list)
                    .lines()
                    .map(SlurmJobs::shortName)
                    .toList());
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw Refusal.unavailable("what squeue says is not understood");
  }

  private static ProblemException unknown() {
    return Refusal.of("Slurm knows no such job", "A ticket is good only while its job runs.");
  }

  private static String shortName(String host) {
    int dot = host.indexOf('.');
    return (dot < 0 ? host : host.substring(0, dot)).toLowerCase(Locale.ROOT);
  }

  private String run(String... command) throws ProblemException {
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
          throw unknown();
        }
        throw Refusal.unavailable("Slurm does not answer");
      }
      return output;
    } catch (IOException e) {
      throw Refusal.unavailable("squeue or scontrol cannot be run on the key server");
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
