package io.coffer.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** When threads run: the policies of sched(7). Thread-safe. */
public final class Scheduling {
  private static final int SCHED_OTHER = 0;
  private static final int SCHED_IDLE = 5;

  private Scheduling() {}

  /**
   * A thread is to run only where nobody else wants the processor (SCHED_IDLE). Whoever has no
   * privileges cannot take that back. Threads that it starts inherit it.
   */
  public static void runOnlyIfIdle(int thread) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    b.set(ValueLayout.JAVA_INT, 0, 0);
    SystemCall.call(Numbers.SCHED_SETSCHEDULER, thread, SCHED_IDLE, b.address());
  }

  /**
   * A thread may run on these processors, and as any other one if this process is allowed to say so
   * (CAP_SYS_NICE, or RLIMIT_NICE). As far as it goes; failures are not told.
   */
  public static void runAnywhere(int thread, byte[] processors) {
    MemorySegment b = Scratch.get().buffer();
    b.set(ValueLayout.JAVA_INT, 0, 0);
    SystemCall.raw(Numbers.SCHED_SETSCHEDULER, thread, SCHED_OTHER, b.address(), 0, 0, 0);
    MemorySegment.copy(processors, 0, b, ValueLayout.JAVA_BYTE, 0, processors.length);
    SystemCall.raw(Numbers.SCHED_SETAFFINITY, thread, processors.length, b.address(), 0, 0, 0);
  }
}
