package io.coffer.batch;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A step of the job that this process is in, with one task on every node, each of which holds a
 * view and says so when it is usable. The step ends with the job, whatever happens to the batch
 * script, since Slurm sees to that.
 */
public final class SlurmStep implements AutoCloseable {
  private static final int GRACE_SECONDS = 30;

  private final Process srun;

  private SlurmStep(Process srun) {
    this.srun = srun;
  }

  /** How many nodes the job has. */
  public static int nodes() throws BatchException {
    String count = System.getenv("SLURM_JOB_NUM_NODES");
    if (count == null || System.getenv("SLURM_JOB_ID") == null) {
      throw new BatchException("this is no job of Slurm; elsewhere use 'coffer run'");
    }
    try {
      return Integer.parseInt(count);
    } catch (NumberFormatException e) {
      throw new BatchException("SLURM_JOB_NUM_NODES is " + count);
    }
  }

  /** The {@linkplain JobLeftovers#freshPlace place} for a view of this job. */
  public static Path freshPlace() throws BatchException {
    nodes();
    return JobLeftovers.freshPlace(System.getenv("SLURM_JOB_ID"));
  }

  /**
   * Starts the step and waits until all of its tasks are ready.
   *
   * @param command what each task runs
   * @param ready the beginning of the line that a task prints when it is ready
   * @param attached the tasks' input ends with {@link #close} or with this process, by which they
   *     know that they shall end; Slurm would kill them without asking
   */
  public static SlurmStep start(
      List<String> command, Duration timeout, String ready, boolean attached)
      throws BatchException {
    int nodes = nodes();
    List<String> words =
        new ArrayList<>(
            List.of(
                "srun",
                "--overlap",
                "--nodes=" + nodes,
                "--ntasks=" + nodes,
                "--ntasks-per-node=1",
                "--cpus-per-task=1",
                "--mpi=none",
                attached ? "--input=all" : "--input=none",
                "--quiet",
                "--kill-on-bad-exit=1",
                "--job-name=coffer-view"));
    words.addAll(command);
    ProcessBuilder builder =
        new ProcessBuilder(words)
            .redirectInput(attached ? Redirect.PIPE : Redirect.from(new File("/dev/null")))
            .redirectError(Redirect.INHERIT);
    builder.environment().put("COFFER_BUILD", "never");
    try {
      SlurmStep step = new SlurmStep(builder.start());
      step.awaitReady(nodes, timeout, ready);
      return step;
    } catch (IOException e) {
      throw new BatchException("srun cannot be run: " + e.getMessage());
    }
  }

  private void awaitReady(int nodes, Duration timeout, String ready) throws BatchException {
    CompletableFuture<Integer> count = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon()
        .start(() -> {
          // Not closed: the reader belongs to the process.
          BufferedReader lines =
              new BufferedReader(
                  new InputStreamReader(srun.getInputStream(), StandardCharsets.UTF_8));
          int seen = 0;
          try {
            String line;
            while (seen < nodes && (line = lines.readLine()) != null) {
              seen += line.startsWith(ready) ? 1 : 0;
            }
          } catch (IOException e) {
            // It has ended; what was seen is what there is.
          }
          count.complete(seen);
        });
    try {
      int seen = count.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
      if (seen == nodes) {
        return;
      }
      close();
      throw new BatchException(
          "the view came up on " + seen + " of " + nodes + " nodes; the reason stands above");
    } catch (TimeoutException e) {
      srun.destroy();
      throw new BatchException("the view did not come up on all nodes in time");
    } catch (InterruptedException | ExecutionException e) {
      close();
      throw new BatchException("interrupted");
    }
  }

  /** Lets the step go on without this process, until the job ends. */
  public void leave() {
    // srun belongs to the job; its output ended with the last line that was waited for.
  }

  /** Ends the step: the views are closed on all nodes. */
  @Override
  public void close() {
    try {
      srun.getOutputStream().close();
      if (!srun.waitFor(GRACE_SECONDS, TimeUnit.SECONDS)) {
        srun.destroy();
      }
    } catch (IOException e) {
      srun.destroy();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
