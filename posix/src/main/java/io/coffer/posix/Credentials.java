package io.coffer.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Who this process is, and for whom the calling thread acts on filesystems. The thread's ids are
 * changed by raw system calls, so that no other thread notices.
 */
public final class Credentials {
  private static final int CAPABILITY_VERSION_3 = 0x20080522;
  private static final int CAP_DAC_OVERRIDE = 1 << 1;
  private static final int CAP_DAC_READ_SEARCH = 1 << 2;

  private Credentials() {}

  public static int uid() {
    return (int) SystemCall.raw(Numbers.GETUID, 0, 0, 0, 0, 0, 0);
  }

  public static int gid() {
    return (int) SystemCall.raw(Numbers.GETGID, 0, 0, 0, 0, 0, 0);
  }

  public static int effectiveUid() {
    return (int) SystemCall.raw(Numbers.GETEUID, 0, 0, 0, 0, 0, 0);
  }

  /** The kernel's id of the calling thread. */
  public static int threadId() {
    return (int) SystemCall.raw(Numbers.GETTID, 0, 0, 0, 0, 0, 0);
  }

  /**
   * Lets the calling thread make things on filesystems as somebody else, who then owns them and
   * whose quota they count for, until {@link #actAsSelf}. The thread may still reach what that user
   * may not (CAP_DAC_OVERRIDE): whether the user may do it, the kernel has checked before it asked.
   * Needs CAP_SETUID and CAP_SETGID. A thread that is started meanwhile begins with the same ids
   * and keeps them: start none.
   */
  public static void actAs(int uid, int gid, int[] groups) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    int count = (int) Math.min(groups.length, b.byteSize() / 4);
    MemorySegment.copy(groups, 0, b, ValueLayout.JAVA_INT, 0, count);
    SystemCall.call(Numbers.SETGROUPS, count, b.address(), 0);
    SystemCall.raw(Numbers.SETFSGID, gid, 0, 0, 0, 0, 0);
    SystemCall.raw(Numbers.SETFSUID, uid, 0, 0, 0, 0, 0);
    // setfsuid(2) has just taken the capabilities that concern files from the effective set.
    b.set(ValueLayout.JAVA_INT, 0, CAPABILITY_VERSION_3);
    b.set(ValueLayout.JAVA_INT, 4, 0);
    if (SystemCall.raw(Numbers.CAPGET, b.address(), b.address() + 8, 0, 0, 0, 0) == 0) {
      int permitted = b.get(ValueLayout.JAVA_INT, 12);
      int wanted = (CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH) & permitted;
      b.set(ValueLayout.JAVA_INT, 8, b.get(ValueLayout.JAVA_INT, 8) | wanted);
      SystemCall.raw(Numbers.CAPSET, b.address(), b.address() + 8, 0, 0, 0, 0);
    }
  }

  /** Ends {@link #actAs}: root again, with the given groups of the process. */
  public static void actAsSelf(int[] groups) {
    SystemCall.raw(Numbers.SETFSUID, effectiveUid(), 0, 0, 0, 0, 0);
    SystemCall.raw(Numbers.SETFSGID, gid(), 0, 0, 0, 0, 0);
    MemorySegment b = Scratch.get().buffer();
    MemorySegment.copy(groups, 0, b, ValueLayout.JAVA_INT, 0, groups.length);
    SystemCall.raw(Numbers.SETGROUPS, groups.length, b.address(), 0, 0, 0, 0);
  }
}
