package io.coffer.mount;

import io.coffer.posix.ErrnoException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Has the kernel drop pages of files that were written around its cache, on a thread of its own:
 * the kernel waits for pages that are just being read, so that a thread which answers such reads
 * must not wait for it. Ranges of one file that wait are joined. Thread-safe.
 */
final class StalePages implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.mount");

  /** What it is doing ends when the connection to the kernel does. */
  private static final Duration LONGEST_END = Duration.ofSeconds(10);

  /** Drops pages. */
  interface Kernel {
    void drop(long id, long offset, long length) throws ErrnoException;
  }

  private record Range(long from, long to) {
    Range with(Range other) {
      return new Range(Math.min(from, other.from), Math.max(to, other.to));
    }
  }

  private final Kernel kernel;
  private final Map<Long, Range> waiting = new LinkedHashMap<>();
  private @Nullable Thread thread;
  private boolean closed;

  StalePages(Kernel kernel) {
    this.kernel = kernel;
  }

  /** To be called before the first {@link #add}, and not by a thread that handles requests. */
  synchronized void start() {
    thread = Thread.ofPlatform().daemon().name("stale-pages").start(this::run);
  }

  /** These bytes of a file have changed beneath the kernel's pages. */
  synchronized void add(long id, long offset, long length) {
    if (closed) {
      return;
    }
    waiting.merge(id, new Range(offset, offset + length), Range::with);
    notifyAll();
  }

  private void run() {
    while (true) {
      Map<Long, Range> now;
      synchronized (this) {
        while (waiting.isEmpty() && !closed) {
          try {
            wait();
          } catch (InterruptedException e) {
            return;
          }
        }
        if (closed) {
          return;
        }
        now = Map.copyOf(waiting);
        waiting.clear();
      }
      now.forEach(this::drop);
    }
  }

  private void drop(long id, Range range) {
    try {
      kernel.drop(id, range.from(), range.to() - range.from());
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.DEBUG, "the kernel keeps pages: {0}", e.getMessage());
    }
  }

  /** Ends; afterwards the kernel is not told anything more. */
  @Override
  public void close() {
    Thread running;
    synchronized (this) {
      closed = true;
      running = thread;
      notifyAll();
    }
    if (running != null) {
      try {
        running.join(LONGEST_END);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
