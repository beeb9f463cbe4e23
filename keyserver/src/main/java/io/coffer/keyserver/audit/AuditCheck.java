package io.coffer.keyserver.audit;

import java.io.IOException;
import java.time.Clock;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * Verifies a log that is being written, one run at a time, and remembers how the last run ended. A
 * log is verified when it is opened, so that there is always a result. Thread-safe.
 */
public final class AuditCheck {
  /**
   * How a run ended.
   *
   * @param end up to which entry the log was looked at
   * @param damage what is wrong; null if nothing is
   */
  public record Result(Instant time, AuditLog.Head end, @Nullable String damage) {}

  private final AuditLog log;
  private final Clock clock;
  private boolean running;
  private Result last;

  /** For a log that was opened, and so verified, just now. */
  public AuditCheck(AuditLog log, Clock clock) {
    this.log = log;
    this.clock = clock;
    this.last = new Result(clock.instant(), log.head(), null);
  }

  public synchronized Result last() {
    return last;
  }

  public synchronized boolean isRunning() {
    return running;
  }

  /** Begins to verify all of the log, unless that is under way. */
  public synchronized void start() {
    if (!running) {
      running = true;
      Thread.ofVirtual().name("audit-check").start(this::run);
    }
  }

  private void run() {
    AuditLog.Head end = log.head();
    String damage = "it could not be verified";
    try {
      log.verifyUpTo(end);
      damage = null;
    } catch (IOException e) {
      damage = String.valueOf(e.getMessage());
    } finally {
      synchronized (this) {
        last = new Result(clock.instant(), end, damage);
        running = false;
      }
    }
  }
}
