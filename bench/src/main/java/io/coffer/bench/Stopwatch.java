package io.coffer.bench;

/** Times one step, with the processor time that it and the rest of the machine used meanwhile. */
final class Stopwatch {
  /**
   * What a step took.
   *
   * @param foreignLoad see {@link Sample}
   * @param cpuSeconds of this program and all it started: client and daemon
   * @param systemCpuSeconds of the whole machine
   */
  record Lap(double seconds, double foreignLoad, double cpuSeconds, double systemCpuSeconds) {}

  private static final int SELF = (int) ProcessHandle.current().pid();

  private final double family;
  private final double kernel;
  private final double busy;
  private final long start;

  private Stopwatch() {
    ProcessTable before = ProcessTable.read();
    family = before.familyCpuSeconds(SELF);
    kernel = before.kernelThreadCpuSeconds();
    busy = before.busySeconds();
    start = System.nanoTime();
  }

  static Stopwatch start() {
    return new Stopwatch();
  }

  Lap stop() {
    return stop((System.nanoTime() - start) / 1e9);
  }

  /** Ends a step that timed itself, so that its preparation does not count. */
  Lap stop(double seconds) {
    double wall = (System.nanoTime() - start) / 1e9;
    ProcessTable after = ProcessTable.read();
    double own = after.familyCpuSeconds(SELF) - family;
    double all = after.busySeconds() - busy;
    double others = all - own - (after.kernelThreadCpuSeconds() - kernel);
    double capacity = wall * Runtime.getRuntime().availableProcessors();
    // Clock ticks are 10 ms: in a shorter time than this, a share says nothing.
    double share = wall < 0.1 ? 0 : Math.clamp(others / capacity, 0, 1);
    return new Lap(seconds, share, own, all);
  }
}
