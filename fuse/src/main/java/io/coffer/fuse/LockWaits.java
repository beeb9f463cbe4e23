package io.coffer.fuse;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Requests that wait for somebody else's lock, each in a thread of its own that asks again and
 * again: a lock that the store holds for another node cannot be waited for in a way that an
 * interruption ends. The pause between two attempts grows from 1 to 25 ms.
 */
final class LockWaits {
  private static final System.Logger LOG = System.getLogger("io.coffer.fuse");
  private static final int LONGEST_PAUSE_MILLIS = 25;

  /** Interruptions that may have overtaken their request. */
  private static final int REMEMBERED = 64;

  interface Attempt {
    boolean succeeds() throws ErrnoException;
  }

  private final ReplyChannel channel;
  private final Map<Long, Thread> waiting = new ConcurrentHashMap<>();
  private final Map<Long, Boolean> early =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Boolean> eldest) {
          return size() > REMEMBERED;
        }
      };
  private volatile boolean closed;

  LockWaits(ReplyChannel channel) {
    this.channel = channel;
  }

  /** Tries until it succeeds or the request is interrupted, and sends the answer. */
  void start(long unique, Attempt attempt) {
    Thread thread =
        Thread.ofPlatform()
            .daemon()
            .name("fuse-lock-" + unique)
            .unstarted(() -> run(unique, attempt));
    waiting.put(unique, thread);
    synchronized (early) {
      if (early.remove(unique) != null) {
        thread.interrupt();
      }
    }
    thread.start();
  }

  /** The kernel wants the request to end. */
  void interrupt(long unique) {
    Thread thread = waiting.get(unique);
    if (thread != null) {
      thread.interrupt();
      return;
    }
    synchronized (early) {
      early.put(unique, true);
    }
    // It may have begun to wait between the two looks.
    thread = waiting.get(unique);
    if (thread != null) {
      thread.interrupt();
    }
  }

  void close() {
    closed = true;
    waiting.values().forEach(Thread::interrupt);
  }

  private void run(long unique, Attempt attempt) {
    int errno;
    try {
      errno = waitFor(attempt);
    } catch (ErrnoException e) {
      errno = e.errno();
    } catch (RuntimeException | Error e) {
      LOG.log(
          System.Logger.Level.ERROR,
          "waiting for a lock failed unexpectedly: {0}",
          e.getClass().getName());
      LOG.log(System.Logger.Level.DEBUG, "the failure", e);
      errno = Errno.EIO;
    }
    waiting.remove(unique);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment head = arena.allocate(Reply.HEADER_BYTES, 8);
      Reply.putHeader(head, Reply.HEADER_BYTES, -errno, unique);
      channel.send(head, Reply.HEADER_BYTES, head, 0);
    }
  }

  private int waitFor(Attempt attempt) throws ErrnoException {
    int pause = 1;
    while (!closed) {
      try {
        Thread.sleep(pause);
      } catch (InterruptedException e) {
        return Errno.EINTR;
      }
      if (attempt.succeeds()) {
        return 0;
      }
      pause = Math.min(LONGEST_PAUSE_MILLIS, pause * 2);
    }
    return Errno.EINTR;
  }
}
