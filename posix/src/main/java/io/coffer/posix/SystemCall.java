package io.coffer.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The one gate to native code. Everything goes through calls of a single shape, seven 64-bit words
 * in and one out, because linking a shape costs milliseconds at start-up and linking it again costs
 * next to nothing. System calls go through {@code syscall(2)}, so that a call changes only the
 * calling thread (glibc's own setresuid would change all of them).
 *
 * <p>Pointers are passed as numbers. None of these calls is {@linkplain Linker.Option#critical
 * critical}: each may block, and a critical call that blocks holds up the whole virtual machine.
 * Thread-safe: errno is captured per thread.
 */
public final class SystemCall {
  /** All of memory, for reading and writing at an address that a call returned or was given. */
  public static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private static final Linker LINKER = Linker.nativeLinker();
  private static final FunctionDescriptor SHAPE =
      FunctionDescriptor.of(
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG,
          ValueLayout.JAVA_LONG);
  private static final StructLayout STATE = Linker.Option.captureStateLayout();
  private static final long ERRNO = offsetOf("errno");
  private static final MethodHandle SYSCALL = link("syscall");
  private static final ThreadLocal<MemorySegment> CAPTURED =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(STATE));

  private SystemCall() {}

  /**
   * Calls the kernel.
   *
   * @return the result, or the negated errno (-4095 to -1)
   */
  public static long raw(long number, long a, long b, long c, long d, long e, long f) {
    MemorySegment state = CAPTURED.get();
    long result;
    try {
      result = (long) SYSCALL.invokeExact(state, number, a, b, c, d, e, f);
    } catch (Throwable t) {
      throw new AssertionError("system call " + number, t);
    }
    return result == -1 ? -(long) state.get(ValueLayout.JAVA_INT, ERRNO) : result;
  }

  /**
   * Calls the kernel, again if a signal interrupted it.
   *
   * @return the result, zero or positive
   * @throws ErrnoException if the kernel refused
   */
  public static long call(long number, long a, long b, long c, long d, long e, long f)
      throws ErrnoException {
    long result;
    do {
      result = raw(number, a, b, c, d, e, f);
    } while (result == -Errno.EINTR);
    if (result < 0 && result >= -4095) {
      throw new ErrnoException((int) -result);
    }
    return result;
  }

  /** {@link #call(long, long, long, long, long, long, long)} with fewer words. */
  public static long call(long number, long a, long b, long c, long d) throws ErrnoException {
    return call(number, a, b, c, d, 0, 0);
  }

  /** {@link #call(long, long, long, long, long, long, long)} with fewer words. */
  public static long call(long number, long a, long b, long c) throws ErrnoException {
    return call(number, a, b, c, 0, 0, 0);
  }

  /** {@link #call(long, long, long, long, long, long, long)} with fewer words. */
  public static long call(long number, long a) throws ErrnoException {
    return call(number, a, 0, 0, 0, 0, 0);
  }

  /** By hand: paths of layouts are made of method handles, which take Java 10 ms at start-up. */
  private static long offsetOf(String member) {
    long offset = 0;
    for (MemoryLayout each : STATE.memberLayouts()) {
      if (each.name().orElse("").equals(member)) {
        return offset;
      }
      offset += each.byteSize();
    }
    throw new UnsatisfiedLinkError("Java does not capture " + member);
  }

  /**
   * Links a C function of up to seven integer or pointer arguments; missing ones are passed as 0.
   * The handle takes the capture segment and seven longs; see {@link #raw} for how it is called.
   */
  static MethodHandle link(String name) {
    MemorySegment address =
        LINKER
            .defaultLookup()
            .or(SymbolLookup.loaderLookup())
            .find(name)
            .orElseThrow(() -> new UnsatisfiedLinkError("no such C function: " + name));
    return LINKER.downcallHandle(address, SHAPE, Linker.Option.captureCallState("errno"));
  }
}
