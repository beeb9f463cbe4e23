package io.coffer.fuse;

import io.coffer.posix.Credentials;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processors;
import io.coffer.posix.Scheduling;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A reader that runs on the processor of its client, while one client asks one thing after the
 * other.
 *
 * <p>The client sleeps while its request is handled, and the reader sleeps until the next one
 * comes; so both could share a processor, and none would have to be woken from its sleep. But the
 * kernel wakes a thread on another processor if its own has something to do and the other has not:
 * the client, while the reader that answers it still runs. Waking a processor takes 10 to 50 µs,
 * twice for each request, several times what most requests take. A processor that only runs threads
 * of the policy SCHED_IDLE counts as free, however (sched_idle_cpu in the kernel's
 * kernel/sched/fair.c, since Linux 5.4). So this reader has that policy and is bound to the
 * processor on which its client ran last: the client is woken there, goes on at once, and the
 * reader after it.
 *
 * <p>Such a thread gets next to nothing of a processor that others need as well. So it is tried
 * only for a client that would otherwise wait for processors to wake up, and given up again as soon
 * as it handles few requests, or somebody else asks, or data is moved ({@link #leave}, {@link
 * #looksSlow}); the ordinary readers take over. It never waits in read(2), where the kernel would
 * give it the next request even if it cannot run. Unprivileged threads cannot leave that policy
 * again, which is why it is a thread of its own, and those that a thread starts inherit policy and
 * processor, which is why it must not start any.
 *
 * <p>Safe for use by many threads.
 */
final class NearReader {
  /** Time between two looks. */
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  /** Who handles fewer requests in that time is not worth it, or cannot run. */
  private static final int FEW = 10;

  /** After having been given up, it is not tried again for so long. */
  private static final long SHORTEST_PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  /**
   * After it could not run; doubled each time up to this. Each attempt may hold up a client for
   * {@link #LOOK_NANOS}; and this process compiles its own code in its first second.
   */
  private static final long LONGEST_PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

  /** Having lasted so long, it has been worth it. */
  private static final long WORTH_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

  /** Most requests in a row that come late until it is seen whether the client has moved. */
  private static final int LONGEST_PATIENCE = 1024;

  private final BooleanSupplier begin;
  private final BooleanSupplier queued;
  private final Runnable takeOver;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private volatile boolean on;
  private volatile boolean stopping;

  /** Does the thread run as and where it is to, since it was entered last? */
  private volatile boolean settled;

  private volatile @Nullable Thread thread;
  private volatile int threadId;

  // Used with the lock held.
  private boolean hasBegun;
  private boolean impossible;
  private long enteredAt;
  private long notBefore = System.nanoTime();
  private long pause = SHORTEST_PAUSE_NANOS;

  /** Where this process may run. */
  private volatile byte[] anywhere = {};

  // Of who looks.
  private long lookedAt;
  private long receivedThen;

  /** The processor on which the client was seen last. */
  private volatile int place;

  // Of the thread itself.
  private int late;
  private int patience = 1;

  /**
   * @param begin starts the thread, which calls {@link #begun} first; false if that is impossible
   * @param queued whether requests wait to be read
   * @param takeOver has an ordinary reader go on, which calls {@link #leave}
   */
  NearReader(BooleanSupplier begin, BooleanSupplier queued, Runnable takeOver) {
    this.begin = begin;
    this.queued = queued;
    this.takeOver = takeOver;
  }

  /** Is it the one that reads? */
  boolean isOn() {
    return on;
  }

  /** Is this the calling thread? */
  boolean isMe() {
    return Thread.currentThread().equals(thread);
  }

  /**
   * It is to read from now on, beside this client.
   *
   * @param client a thread's id, 0 if it cannot be seen from here
   * @return false if it cannot, or has failed lately; true also if it has only just been left
   */
  boolean enter(int client) {
    lock.lock();
    try {
      if (on) {
        return true;
      }
      if (impossible || stopping || client == 0) {
        return false;
      }
      long now = System.nanoTime();
      if (now - notBefore < 0) {
        return notBefore - now <= SHORTEST_PAUSE_NANOS;
      }
      int processor = Processors.of(client);
      if (processor < 0) {
        return false;
      }
      if (!hasBegun) {
        hasBegun = begin.getAsBoolean();
        impossible = !hasBegun;
      }
      place = processor;
      settled = false;
      enteredAt = now;
      on = hasBegun;
      changed.signal();
      return on;
    } finally {
      lock.unlock();
    }
  }

  /** The thread has begun. */
  void begun() {
    thread = Thread.currentThread();
    threadId = Credentials.threadId();
    try {
      anywhere = Processors.allowed();
    } catch (ErrnoException e) {
      giveUp();
    }
  }

  /**
   * Waits until it is to read.
   *
   * @return false if it is to end
   */
  boolean mayRead() {
    if (!on) {
      lock.lock();
      try {
        while (!on && !stopping) {
          changed.awaitUninterruptibly();
        }
      } finally {
        lock.unlock();
      }
    }
    if (!settled && !stopping) {
      settled = true;
      patience = 1;
      settle();
    }
    return !stopping;
  }

  private void settle() {
    try {
      Scheduling.runOnlyIfIdle(threadId);
      Processors.runOn(Processors.only(place));
    } catch (ErrnoException e) {
      // Forbidden here, or the client runs where this process may not.
      giveUp();
    }
  }

  private void giveUp() {
    leave(true);
    takeOver.run();
  }

  /**
   * It has got a request.
   *
   * @param isLate it came long after the answer before: perhaps from another processor
   */
  void received(int client, boolean isLate) {
    if (!isLate) {
      late = 0;
      patience = 1;
    } else if (++late >= patience) {
      late = 0;
      int processor = Processors.of(client);
      if (processor >= 0 && processor != place) {
        place = processor;
        patience = 1;
        settle();
      } else {
        // It is busy itself between its requests.
        patience = Math.min(2 * patience, LONGEST_PATIENCE);
      }
    }
  }

  /**
   * The others take over; nothing if they have already.
   *
   * @param failed it is not to be tried again soon
   */
  void leave(boolean failed) {
    if (!on) {
      return;
    }
    lock.lock();
    try {
      if (!on) {
        return;
      }
      on = false;
      long now = System.nanoTime();
      if (!failed || now - enteredAt > WORTH_NANOS) {
        pause = SHORTEST_PAUSE_NANOS;
      }
      notBefore = now + pause;
      if (failed) {
        pause = Math.min(2 * pause, LONGEST_PAUSE_NANOS);
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Has it handled too little for some time? Then it is left, and if it cannot run, it is helped to
   * end what it does. For one thread, which calls it again and again.
   *
   * @param received how many requests there have been so far
   */
  boolean looksSlow(long received) {
    if (!on) {
      lookedAt = 0;
      return false;
    }
    long now = System.nanoTime();
    if (lookedAt == 0 || now - lookedAt < LOOK_NANOS) {
      if (lookedAt == 0) {
        lookedAt = now;
        receivedThen = received;
      }
      return false;
    }
    long handled = received - receivedThen;
    lookedAt = now;
    receivedThen = received;
    if (handled >= FEW) {
      return false;
    }
    boolean starved = queued.getAsBoolean();
    leave(starved || handled > 0);
    if (starved && anywhere.length > 0) {
      Scheduling.runAnywhere(threadId, anywhere);
    }
    return true;
  }

  void stop() {
    lock.lock();
    try {
      stopping = true;
      on = false;
      changed.signal();
    } finally {
      lock.unlock();
    }
  }
}
