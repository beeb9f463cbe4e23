package io.coffer.bench.torture;

import java.io.PrintStream;
import java.util.Map;
import java.util.TreeMap;

/** What went wrong, and how much was done. Thread-safe. */
final class Findings {
  private static final int SHOWN = 20;

  private final PrintStream out;
  private final Map<String, Long> wrong = new TreeMap<>();
  private final Map<String, Long> done = new TreeMap<>();
  private long count;

  Findings(PrintStream out) {
    this.out = out;
  }

  /** Something that must not be. */
  synchronized void wrong(String kind, String what) {
    wrong.merge(kind, 1L, Long::sum);
    if (++count <= SHOWN) {
      out.println("  " + kind + ": " + what);
    }
  }

  synchronized void done(String kind) {
    done.merge(kind, 1L, Long::sum);
  }

  synchronized long count() {
    return count;
  }

  /** Operations by kind. */
  synchronized Map<String, Long> operations() {
    return new TreeMap<>(done);
  }

  /** Findings by kind. */
  synchronized Map<String, Long> kinds() {
    return new TreeMap<>(wrong);
  }
}
