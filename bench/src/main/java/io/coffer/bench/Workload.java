package io.coffer.bench;

import java.io.IOException;

/**
 * One kind of use that is measured. What is left on the filesystem by {@link #run} is checked by
 * {@link #verify} after the filesystem was unmounted and mounted again.
 */
interface Workload {
  /** What {@code --tests} takes. */
  String name();

  /** Whether the filesystem is mounted afresh after {@link #run}, before anything else happens. */
  boolean remountsAfterRun();

  /** Measures, and leaves data behind for {@link #verify}. */
  void run(MountSession session, Recorder recorder) throws MeasureException, IOException;

  /** Checks the data on a fresh mount, measures what needs one, and removes the data. */
  void verify(MountSession session, Recorder recorder) throws MeasureException, IOException;

  /** Takes the measured values of one system in one round. */
  interface Recorder {
    void record(Metric metric, double value, Stopwatch.Lap lap);

    /** Says what goes on now. */
    void step(String what);
  }
}
