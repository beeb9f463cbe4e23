package io.coffer.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Who this process is, and for whom the calling thread acts on filesystems. The thread's ids are
 * changed by raw system calls, so that no other thread notices.
 */
public final class Credentials {
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
   * Lets the calling thread act on filesystems as somebody else, with no more rights than they
   * have, until {@link #actAsSelf}. Needs CAP_SETUID and CAP_SETGID.
   */
  public static void actAs(int uid, int gid, int[] groups) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    int count = (int) Math.min(groups.length, b.byteSize() / 4);
    MemorySegment.copy(groups, 0, b, ValueLayout.JAVA_INT, 0, count);
    SystemCall.call(Numbers.SETGROUPS, count, b.address(), 0);
    SystemCall.raw(Numbers.SETFSGID, gid, 0, 0, 0, 0, 0);
    SystemCall.raw(Numbers.SETFSUID, uid, 0, 0, 0, 0, 0);
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
