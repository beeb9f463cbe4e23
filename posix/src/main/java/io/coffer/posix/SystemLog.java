package io.coffer.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;

/** The log of the system, by glibc's syslog(3). Where no log daemon runs, lines are lost. */
public final class SystemLog {
  public static final int ERROR = 3;
  public static final int WARNING = 4;
  public static final int INFO = 6;
  public static final int DEBUG = 7;

  private static final int LOG_PID = 1;
  private static final int LOG_DAEMON = 3 << 3;

  private final MethodHandle syslog;
  private final MemorySegment format;
  private final MemorySegment state;

  /** Opens the log. {@code identity} stands before each line, with the process id. */
  public SystemLog(String identity) {
    MethodHandle openlog = SystemCall.link("openlog");
    syslog = SystemCall.link("syslog");
    Arena arena = Arena.global();
    format = arena.allocateFrom("%s");
    state = arena.allocate(64, 8);
    try {
      long ignored =
          (long)
              openlog.invokeExact(
                  state,
                  // glibc keeps the pointer.
                  arena.allocateFrom(identity).address(),
                  (long) LOG_PID,
                  (long) LOG_DAEMON,
                  0L,
                  0L,
                  0L,
                  0L);
    } catch (Throwable e) {
      throw new AssertionError("openlog", e);
    }
  }

  /** Writes a line. */
  public synchronized void write(int priority, String line) {
    try (Arena arena = Arena.ofConfined()) {
      long ignored =
          (long)
              syslog.invokeExact(
                  state,
                  (long) priority,
                  format.address(),
                  arena.allocateFrom(line.replace('\0', '?'), StandardCharsets.UTF_8).address(),
                  0L,
                  0L,
                  0L,
                  0L);
    } catch (Throwable e) {
      throw new AssertionError("syslog", e);
    }
  }
}
