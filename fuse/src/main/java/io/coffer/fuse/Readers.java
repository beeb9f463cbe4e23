package io.coffer.fuse;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * The threads that read requests, as few at a time as the work asks for.
 *
 * <p>The kernel wakes the thread that has waited longest. With several of them a client that asks
 * one thing after the other therefore wakes another one each time, often on another processor,
 * which has to leave its sleep first and finds its caches cold: that may cost several times what
 * the request itself does. So one thread waits, as long as it keeps up and is near its client.
 * Another one joins
 *
 * <ul>
 *   <li>before a request is handled that takes long by its nature, or is one of many reads and
 *       writes in a row and there is no {@link NearReader} for its client ({@link #received}),
 *   <li>when several clients ask at once and often find the queue filled ({@link #handled}),
 *   <li>when a request is not done after some milliseconds and nobody waits for the next: a thread
 *       of its own looks for that while there is anything to do, so that a handler that hangs holds
 *       up nobody else,
 *   <li>for the next {@value #FAR_LASTS} requests, when most of the last {@value #GAPS} came long
 *       after the answer before, and a {@link NearReader} cannot be had, which else takes over:
 *       then client and thread are on different processors that both fall asleep in between, and
 *       the scheduler leaves them where they are. Two threads that take turns break this up to a
 *       part: each wakes the client on the processor that the other has left.
 * </ul>
 *
 * and leaves when it has not been needed for a while. A thread that has left is kept for the next
 * time.
 *
 * <p>Safe for use by many threads.
 */
final class Readers {
  private static final System.Logger LOG = System.getLogger("io.coffer.fuse");

  /** How long a request may take until somebody else waits for the next. */
  private static final long STUCK_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  /** How long a reader stays that nobody would miss. */
  private static final long STAYS_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  /** After so many looks at which nothing had happened, the watch sleeps until it is woken. */
  private static final int IDLE_LOOKS = 100;

  /** One in so many requests is followed by a look at the queue. */
  private static final int LOOK_EVERY = 8;

  /** Of the last eight looks, so many must have found a queue, and one client after another. */
  private static final int CROWDED = 3;

  /** A request that comes so long after the answer before has woken a processor. */
  private static final long FAR_NANOS = TimeUnit.MICROSECONDS.toNanos(25);

  /** After so long, nobody has asked for anything. */
  private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  /** So many gaps between answer and request are looked at together. */
  private static final int GAPS = 64;

  /** So many of them must have been long. */
  private static final int MANY_GAPS = 40;

  /** For so many requests two threads wait, then it is seen again how far one of them is. */
  private static final int FAR_LASTS = 8192;

  private final int most;
  private final Runnable body;
  private final BooleanSupplier queued;
  private final NearReader near;
  private final Runnable nearBody;
  private final AtomicInteger waiting = new AtomicInteger();
  private final AtomicInteger threads = new AtomicInteger();
  private final ReentrantLock lock = new ReentrantLock();
  private final ArrayDeque<Condition> resting = new ArrayDeque<>();
  private final Thread watch =
      Thread.ofPlatform().daemon().name("fuse-watch").unstarted(this::watch);
  private final AtomicLong received = new AtomicLong();
  private final AtomicInteger active = new AtomicInteger();

  /** What the near reader would start, which must not begin as it is. */
  private final Queue<Thread> toStart = new ConcurrentLinkedQueue<>();

  private volatile boolean isOneMissing;
  private volatile long neededAt = System.nanoTime();
  private volatile boolean watching = true;
  private volatile boolean stopping;

  // How many requests have been handled, the last looks, one bit each, and who asked last. Several
  // threads count without a lock: a look more or less does not matter.
  private int handled;
  private int seen;
  private int lastClient;

  /** So many requests in a row came from the same client. */
  private int inRow;

  private long answeredAt = System.nanoTime();
  private int gaps;
  private int longGaps;

  /** For so many requests more two threads are to wait. */
  private int far;

  /**
   * @param most most threads at once
   * @param body what each thread does: {@link #mayRead}, read, {@link #received}, handle, {@link
   *     #handled}, again and again, and {@link #left} at the end
   * @param queued whether requests wait to be read
   * @param nearBody the same for {@link #near}, from {@link NearReader#begun} to {@link #nearLeft}
   */
  Readers(int most, Runnable body, BooleanSupplier queued, Runnable nearBody) {
    this.most = most;
    this.body = body;
    this.queued = queued;
    this.nearBody = nearBody;
    this.near = new NearReader(this::beginNear, queued, this::join);
  }

  /** The one beside its client. */
  NearReader near() {
    return near;
  }

  void start() {
    join();
    watch.start();
  }

  /** How many threads wait for requests or handle them. */
  int active() {
    return active.get();
  }

  /**
   * A reader is about to wait for a request; if it is not needed, it rests here first.
   *
   * @return false if there is nothing more to read
   */
  boolean mayRead() {
    int least = far > 0 ? 2 : 1;
    if (near.isOn()) {
      rest();
    } else if (active.get() > least
        && waiting.get() >= least
        && System.nanoTime() - neededAt > STAYS_NANOS) {
      rest();
    }
    waiting.incrementAndGet();
    return !stopping;
  }

  /**
   * A reader has stopped waiting.
   *
   * @param takesLong with a request that keeps it busy
   * @param isOneOfMany with one of many small reads and writes in a row: of one client that waits
   *     for each, or of several
   */
  void received(boolean takesLong, boolean isOneOfMany) {
    received.incrementAndGet();
    boolean alone = waiting.decrementAndGet() == 0;
    lookHowFar();
    if (takesLong || (isOneOfMany && !(alone && inRow >= GAPS && goNear(lastClient)))) {
      neededAt = System.nanoTime();
      if (alone) {
        join();
      }
    }
    if (alone && !watching) {
      callWatch();
    }
  }

  /** The near reader has got a request of this thread. */
  void receivedNear(int client, boolean takesLong) {
    received.incrementAndGet();
    if (takesLong) {
      join();
    } else {
      long gap = System.nanoTime() - answeredAt;
      near.received(client, gap > FAR_NANOS && gap < PAUSE_NANOS);
    }
  }

  /** The near reader is to take over, if it can. */
  boolean goNear(int client) {
    boolean entered = near.enter(client);
    callWatch();
    return entered;
  }

  private void callWatch() {
    watching = true;
    LockSupport.unpark(watch);
  }

  /** From the near reader: starts a thread that is to run as any other. */
  void startOrdinary(Thread thread) {
    toStart.add(thread);
    callWatch();
  }

  private boolean beginNear() {
    if (stopping || most < 2) {
      return false;
    }
    threads.incrementAndGet();
    try {
      Thread.ofPlatform().name("fuse-near").start(nearBody);
      return true;
    } catch (OutOfMemoryError e) {
      threads.decrementAndGet();
      return false;
    }
  }

  private void lookHowFar() {
    if (far > 0) {
      far--;
    } else if (active.get() == 1) {
      long gap = System.nanoTime() - answeredAt;
      if (gap < PAUSE_NANOS) {
        if (gap > FAR_NANOS) {
          longGaps++;
        }
        if (++gaps >= GAPS) {
          if (longGaps >= MANY_GAPS) {
            if (!goNear(lastClient)) {
              far = FAR_LASTS;
              join();
            }
          }
          gaps = 0;
          longGaps = 0;
        }
      }
    }
  }

  /**
   * A reader has handled a request of this caller. That something lies in the queue says nothing by
   * itself: on the same processor, a client that gets its answer goes on first and has asked the
   * next thing before this thread can look.
   */
  void handled(Caller caller) {
    int client = caller.pid();
    boolean another;
    if (client == 0) {
      // The kernel itself, or a process of a container that cannot be seen from here.
      another = caller.uid() != 0;
    } else {
      another = client != lastClient;
      lastClient = client;
      inRow = another ? 0 : inRow + 1;
    }
    if (++handled % LOOK_EVERY == 0) {
      seen = (seen << 1 | (another && queued.getAsBoolean() ? 1 : 0)) & 0xff;
      if (Integer.bitCount(seen) >= CROWDED) {
        seen = 0;
        neededAt = System.nanoTime();
        join();
      }
    }
    answeredAt = System.nanoTime();
  }

  /** No reader is to read any more; those that rest, end. */
  void stop() {
    stopping = true;
    near.stop();
    LockSupport.unpark(watch);
    lock.lock();
    try {
      active.addAndGet(resting.size());
      resting.forEach(Condition::signal);
      resting.clear();
    } finally {
      lock.unlock();
    }
  }

  /** A thread ends. Is it the last one? */
  boolean left() {
    if (active.decrementAndGet() == 0 && threads.get() > 1) {
      // It died of an error; one of those that rest takes its place.
      join();
    }
    return threads.decrementAndGet() == 0;
  }

  /** The near reader ends. Is it the last one? */
  boolean nearLeft() {
    near.stop();
    join();
    return threads.decrementAndGet() == 0;
  }

  private void rest() {
    lock.lock();
    try {
      if (stopping || (active.get() <= 1 && !near.isOn())) {
        return;
      }
      Condition mine = lock.newCondition();
      // The one that came last is woken first: its stack and buffers are warm.
      resting.push(mine);
      active.decrementAndGet();
      while (resting.contains(mine)) {
        mine.awaitUninterruptibly();
      }
    } finally {
      lock.unlock();
    }
  }

  /** One thread more waits for requests, unless all of them do; the near one no longer. */
  private void join() {
    near.leave(false);
    if (active.get() >= most) {
      return;
    }
    lock.lock();
    try {
      if (stopping || active.get() >= most) {
        return;
      }
      Condition other = resting.poll();
      if (other != null) {
        active.incrementAndGet();
        other.signal();
        return;
      }
      if (near.isMe()) {
        isOneMissing = true;
        callWatch();
        return;
      }
      int number = threads.incrementAndGet();
      active.incrementAndGet();
      try {
        Thread.ofPlatform().name("fuse-" + number).start(body);
      } catch (OutOfMemoryError e) {
        // No more threads for this process: those that run go on, more slowly.
        threads.decrementAndGet();
        active.decrementAndGet();
        LOG.log(System.Logger.Level.WARNING, "no further thread: {0}", e.getMessage());
      }
    } finally {
      lock.unlock();
    }
  }

  private void startWhatIsToBe() {
    for (Thread thread = toStart.poll(); thread != null; thread = toStart.poll()) {
      try {
        thread.start();
      } catch (OutOfMemoryError e) {
        LOG.log(System.Logger.Level.ERROR, "a request gets no thread: {0}", e.getMessage());
      }
    }
    if (isOneMissing) {
      isOneMissing = false;
      join();
    }
  }

  private void watch() {
    long before = received.get();
    int idle = 0;
    while (!stopping) {
      if (idle < IDLE_LOOKS) {
        LockSupport.parkNanos(this, STUCK_NANOS);
      } else {
        watching = false;
        // A request that came in between has seen that the watch was up.
        if (received.get() == before) {
          LockSupport.park(this);
        }
        watching = true;
        idle = 0;
      }
      startWhatIsToBe();
      long now = received.get();
      if (near.looksSlow(now)) {
        join();
      } else if (now != before || near.isOn()) {
        idle = 0;
      } else if (waiting.get() > 0) {
        idle++;
      } else {
        neededAt = System.nanoTime();
        join();
      }
      before = now;
    }
  }
}
