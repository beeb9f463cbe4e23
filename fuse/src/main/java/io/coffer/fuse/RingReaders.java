package io.coffer.fuse;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processors;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * The threads that get requests over io_uring. The kernel has a queue for each processor and puts a
 * request into that of the processor on which the client runs; each thread serves one queue, with
 * one {@linkplain RingExchange exchange} of its own.
 *
 * <p>Of the threads that wait the kernel takes the one that answered last. So a queue may have more
 * of them than it needs: whenever few are left that wait, another is added, up to a bound, and a
 * handler that hangs holds up nobody.
 *
 * <p>A thread runs on its queue's processor, where its client has just fallen asleep: no other
 * processor has to be woken, and what the client wrote is in the cache. Large transfers and
 * requests that come while others of the same queue are handled keep a processor busy, and the
 * thread that gets them may run anywhere until it has had only short ones for a while.
 *
 * <p>Safe for use by many threads.
 */
final class RingReaders {
  private static final System.Logger LOG = System.getLogger("io.coffer.fuse");

  /** A READ or WRITE of so much is worth another processor. */
  private static final int LONG_TRANSFER_BYTES = 64 * 1024;

  /** After so many short requests a thread returns to its queue's processor. */
  private static final int CALM = 32;

  /** Threads that are there from the beginning, over all processors and of each. */
  private static final int ENOUGH = 128;

  private static final int ENOUGH_OF_EACH = 16;

  /** So few that wait are reason to add one; at least so many are there. */
  private static final int SPARE = 2;

  /** Of each processor, when others keep the ones before busy. */
  private static final int MOST = 32;

  private final int device;
  private final int maxPayloadBytes;
  private final Consumer<RingExchange> handler;
  private final Runnable end;

  /** Asked for once: a thread that another one starts may run only where that one may. */
  private final byte[] anywhere;

  private final List<Queue> queues = new ArrayList<>();
  private final AtomicInteger running = new AtomicInteger();
  private volatile boolean stopping;

  /**
   * Reserves what is needed to serve each processor; the kernel does not know of it yet.
   *
   * @param maxPayloadBytes largest READ or WRITE, a multiple of the page size
   * @param handler handles the request of an exchange and answers it
   * @param end runs when the last thread has ended
   * @throws IOException if the processors are unknown
   * @throws ErrnoException if the kernel refuses a ring or memory; nothing is reserved then
   */
  RingReaders(int device, int maxPayloadBytes, Consumer<RingExchange> handler, Runnable end)
      throws IOException {
    this.device = device;
    this.maxPayloadBytes = maxPayloadBytes;
    this.handler = handler;
    this.end = end;
    this.anywhere = Processors.allowed();
    int processors = Processors.possible();
    try {
      for (int i = 0; i < processors; i++) {
        Queue queue = new Queue(i);
        queues.add(queue);
        queue.reserve(Math.clamp(ENOUGH / processors, SPARE, ENOUGH_OF_EACH));
      }
    } catch (ErrnoException e) {
      close();
      throw e;
    }
  }

  /** Gives back what was reserved; only if {@link #start} has not been called. */
  void close() {
    queues.forEach(queue -> queue.reserved.forEach(RingExchange::close));
  }

  /** Registers with the kernel, which sends requests as soon as each processor is served. */
  void start() {
    running.set(1);
    for (Queue queue : queues) {
      queue.reserved.forEach(queue::start);
    }
    left();
  }

  private void left() {
    if (running.decrementAndGet() == 0) {
      end.run();
    }
  }

  /** The threads of one processor. */
  private final class Queue implements RingExchange.StandIn {
    private final int processor;
    private final byte[] near;
    private final AtomicInteger threads = new AtomicInteger();
    private final AtomicInteger busy = new AtomicInteger();
    private final List<RingExchange> reserved = new ArrayList<>();

    Queue(int processor) {
      this.processor = processor;
      this.near = Processors.only(processor);
    }

    void reserve(int exchanges) throws ErrnoException {
      for (int i = 0; i < exchanges; i++) {
        reserved.add(new RingExchange(device, processor, maxPayloadBytes, this));
      }
    }

    void start(RingExchange exchange) {
      threads.incrementAndGet();
      running.incrementAndGet();
      Thread.ofPlatform()
          .name("fuse-ring-" + processor)
          .start(() -> {
            try (exchange) {
              serve(exchange);
            } catch (ErrnoException e) {
              LOG.log(System.Logger.Level.ERROR, "a ring failed: {0}", e.getMessage());
            } catch (RuntimeException | Error e) {
              LOG.log(System.Logger.Level.ERROR, "a ring's thread failed", e);
            } finally {
              threads.decrementAndGet();
              left();
            }
          });
    }

    private void serve(RingExchange exchange) throws ErrnoException {
      boolean mayBeNear = Processors.contains(anywhere, processor);
      boolean isNear = mayBeNear && move(near);
      int calm = 0;
      int result = exchange.register();
      while (result == 0) {
        int others = busy.getAndIncrement();
        growIfFewWait();
        if (others > 0 || exchange.transfers(LONG_TRANSFER_BYTES)) {
          calm = 0;
          if (isNear) {
            isNear = !move(anywhere);
          }
        } else if (mayBeNear && !isNear && ++calm >= CALM) {
          isNear = move(near);
          calm = 0;
        }
        handler.accept(exchange);
        busy.decrementAndGet();
        result = exchange.commitAndFetch();
      }
      stopping = true;
    }

    /** Not where the processor is absent or forbidden. */
    private boolean move(byte[] processors) {
      try {
        Processors.runOn(processors);
        return true;
      } catch (ErrnoException e) {
        return false;
      }
    }

    /**
     * In time: what comes while nobody waits is not given to a thread that registers later, but to
     * the first one that has an answer.
     */
    private void growIfFewWait() {
      int now = threads.get();
      if (now - busy.get() >= SPARE || now >= MOST || stopping) {
        return;
      }
      try {
        start(new RingExchange(device, processor, maxPayloadBytes, this));
      } catch (ErrnoException | OutOfMemoryError e) {
        // Those that there are go on, more slowly.
        LOG.log(System.Logger.Level.WARNING, "no further thread: {0}", e.getMessage());
      }
    }

    /** Whoever waits for somebody else's lock is not counted: there may be any number of them. */
    @Override
    public void leave() {
      threads.decrementAndGet();
      busy.decrementAndGet();
      growIfFewWait();
    }

    @Override
    public void comeBack() {
      busy.incrementAndGet();
      threads.incrementAndGet();
    }
  }
}
