package io.coffer.keyserver.batch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/**
 * Lets threads that want something done at the same time have it done together: one of them does it
 * for all who wait, in the order in which they came, while those who come later wait for the next
 * batch. Nobody waits longer than for the batch under way and those before its own; with a lock
 * that newcomers may snatch, some would wait for very long.
 *
 * <p>Thread-safe.
 */
public final class GroupCommit<T> {
  /** What is done with batches, by one thread at a time. */
  public interface Work<T> {
    /** May this one join a batch that is not empty? */
    boolean fits(List<T> batch, T next);

    /** Does it; how it ended for each of them, they are told by a way of their own. */
    void run(List<T> batch);
  }

  private static final class Waiting<T> {
    final T item;
    final Thread thread = Thread.currentThread();
    volatile boolean done;

    Waiting(T item) {
      this.item = item;
    }
  }

  private final Work<T> work;
  private final ConcurrentLinkedQueue<Waiting<T>> queue = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean busy = new AtomicBoolean();

  public GroupCommit(Work<T> work) {
    this.work = work;
  }

  /** Returns when a batch with this item has been run. Interrupts are kept for later. */
  public void run(T item) {
    Waiting<T> mine = new Waiting<>(item);
    queue.add(mine);
    boolean interrupted = false;
    while (!mine.done) {
      if (busy.compareAndSet(false, true)) {
        runBatch();
      } else {
        LockSupport.park(this);
        interrupted |= Thread.interrupted();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void runBatch() {
    List<Waiting<T>> batch = new ArrayList<>();
    try {
      List<T> items = new ArrayList<>();
      for (Waiting<T> next = queue.peek();
          next != null && (items.isEmpty() || work.fits(items, next.item));
          next = queue.peek()) {
        queue.remove();
        batch.add(next);
        items.add(next.item);
      }
      if (!items.isEmpty()) {
        work.run(items);
      }
    } finally {
      for (Waiting<T> each : batch) {
        each.done = true;
        LockSupport.unpark(each.thread);
      }
      busy.set(false);
      Waiting<T> next = queue.peek();
      if (next != null) {
        LockSupport.unpark(next.thread);
      }
    }
  }
}
