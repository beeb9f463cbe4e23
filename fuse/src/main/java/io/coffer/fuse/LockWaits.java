package io.coffer.fuse;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Requests that wait for somebody else's lock, each in a thread of its own that asks again and
 * again: a lock that the store holds for another node cannot be waited for in a way that an
 * interruption ends. The pause between two attempts grows from 1 to 25 ms.
 */
final class LockWaits {
  private static final int LONGEST_PAUSE_MILLIS = 25;

  /** Interruptions that may have overtaken their request. */
  private static final int REMEMBERED = 64;

  interface Attempt {
    boolean succeeds() throws ErrnoException;
  }

  private final Map<Long, Thread> waiting = new HashMap<>();
  private final Map<Long, Boolean> early =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Boolean> eldest) {
          return size() > REMEMBERED;
        }
      };
  private boolean closed;

  /**
   * Tries until it succeeds, in the calling thread.
   *
   * @throws ErrnoException EINTR if the request was interrupted, or why the attempt failed
   */
  void await(long unique, Attempt attempt) throws ErrnoException {
    synchronized (this) {
      if (closed || early.remove(unique) != null) {
        throw new ErrnoException(Errno.EINTR);
      }
      waiting.put(unique, Thread.currentThread());
    }
    try {
      int pause = 1;
      do {
        Thread.sleep(pause);
        pause = Math.min(LONGEST_PAUSE_MILLIS, pause * 2);
      } while (!attempt.succeeds());
    } catch (InterruptedException e) {
      throw new ErrnoException(Errno.EINTR);
    } finally {
      synchronized (this) {
        waiting.remove(unique);
        // One that came too late must not disturb what the thread does next.
        Thread.interrupted();
      }
    }
  }

  /** The kernel wants the request to end. */
  synchronized void interrupt(long unique) {
    Thread thread = waiting.get(unique);
    if (thread == null) {
      early.put(unique, true);
    } else {
      thread.interrupt();
    }
  }

  synchronized void close() {
    closed = true;
    waiting.values().forEach(Thread::interrupt);
  }
}
