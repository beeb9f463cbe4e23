package io.coffer.bench.torture;

import java.util.concurrent.atomic.AtomicLong;

/**
 * One order of all beginnings and ends. All workers live in one process, so that of two operations
 * it is known whether one ended before the other began.
 */
final class Clock {
  static final long NEVER = Long.MAX_VALUE;

  private final AtomicLong ticks = new AtomicLong();

  long tick() {
    return ticks.incrementAndGet();
  }
}
