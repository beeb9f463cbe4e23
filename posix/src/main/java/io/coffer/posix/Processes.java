package io.coffer.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * What a process says about itself to the kernel, and starting another one that inherits
 * descriptors.
 */
public final class Processes {
  private static final int PR_SET_DUMPABLE = 4;
  private static final int RLIMIT_CORE = 4;
  private static final int RLIMIT_NOFILE = 7;

  private Processes() {}

  /** No core dump of this process, and nobody but root may trace it or read its memory. */
  public static void forbidDumps() throws ErrnoException {
    SystemCall.call(Numbers.PRCTL, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
    setLimit(RLIMIT_CORE, 0, 0);
  }

  /**
   * Raises the number of descriptors that this process may have to what it is allowed to.
   *
   * @return the limit now
   */
  public static long raiseDescriptorLimit() throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    SystemCall.call(Numbers.PRLIMIT64, 0, RLIMIT_NOFILE, 0, b.address());
    long hard = b.getAtIndex(ValueLayout.JAVA_LONG, 1);
    long wanted = Long.compareUnsigned(hard, 1 << 20) > 0 ? 1 << 20 : hard;
    if (b.getAtIndex(ValueLayout.JAVA_LONG, 0) < wanted) {
      setLimit(RLIMIT_NOFILE, wanted, hard);
    }
    return wanted;
  }

  /** How many descriptors this process may have. */
  public static long descriptorLimit() throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    SystemCall.call(Numbers.PRLIMIT64, 0, RLIMIT_NOFILE, 0, b.address());
    return b.getAtIndex(ValueLayout.JAVA_LONG, 0);
  }

  private static void setLimit(int resource, long soft, long hard) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    b.setAtIndex(ValueLayout.JAVA_LONG, 0, soft);
    b.setAtIndex(ValueLayout.JAVA_LONG, 1, hard);
    SystemCall.call(Numbers.PRLIMIT64, 0, resource, b.address(), 0);
  }

  /** Sets the mask of permission bits that new files do not get; returns the one before. */
  public static int umask(int mask) {
    return (int) SystemCall.raw(Numbers.UMASK, mask, 0, 0, 0, 0, 0);
  }

  /** A session of its own, away from the terminal. */
  public static void newSession() throws ErrnoException {
    SystemCall.call(Numbers.SETSID, 0);
  }

  public static void changeDirectory(String path) throws ErrnoException {
    SystemCall.call(Numbers.CHDIR, Scratch.get().first(path.getBytes(StandardCharsets.UTF_8)));
  }

  public static void signal(long pid, int signal) throws ErrnoException {
    SystemCall.call(Numbers.KILL, pid, signal, 0);
  }

  /** Two connected sockets (AF_UNIX, SOCK_STREAM), inherited by processes that are started. */
  public static int[] socketPair() throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    SystemCall.call(Numbers.SOCKETPAIR, 1, 1, 0, b.address());
    return new int[] {b.getAtIndex(ValueLayout.JAVA_INT, 0), b.getAtIndex(ValueLayout.JAVA_INT, 1)};
  }

  /**
   * Waits for a descriptor that the other end sends (SCM_RIGHTS).
   *
   * @return the descriptor, or -1 if the other end closed without sending one
   */
  public static int receiveDescriptor(int socket) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(8);
      MemorySegment control = arena.allocate(64, 8);
      MemorySegment vector = arena.allocate(16, 8);
      vector.set(ValueLayout.JAVA_LONG, 0, data.address());
      vector.set(ValueLayout.JAVA_LONG, 8, 1);
      // struct msghdr: name, namelen, iov, iovlen, control, controllen, flags
      MemorySegment header = arena.allocate(56, 8);
      header.set(ValueLayout.JAVA_LONG, 16, vector.address());
      header.set(ValueLayout.JAVA_LONG, 24, 1);
      header.set(ValueLayout.JAVA_LONG, 32, control.address());
      header.set(ValueLayout.JAVA_LONG, 40, control.byteSize());
      long count =
          SystemCall.call(
              Numbers.RECVMSG, socket, header.address(), 0x40000000 /* MSG_CMSG_CLOEXEC */);
      // struct cmsghdr: length 8, level 4 (SOL_SOCKET 1), type 4 (SCM_RIGHTS 1), data
      if (count == 0
          || header.get(ValueLayout.JAVA_LONG, 40) < 20
          || control.get(ValueLayout.JAVA_INT, 12) != 1) {
        return -1;
      }
      return control.get(ValueLayout.JAVA_INT, 16);
    }
  }

  /**
   * Starts a program found on PATH (posix_spawnp(3)); it inherits every descriptor that is not
   * close-on-exec, which ProcessBuilder's children do not.
   *
   * @param additions to this process's environment
   * @return its process id, to be given to {@link #waitFor}
   */
  public static int spawn(List<String> command, Map<String, String> additions)
      throws ErrnoException {
    MethodHandle spawn = SystemCall.link("posix_spawnp");
    try (Arena arena = Arena.ofConfined()) {
      var environment = new java.util.TreeMap<>(System.getenv());
      environment.putAll(additions);
      var variables = new ArrayList<String>();
      environment.forEach((name, value) -> variables.add(name + "=" + value));
      MemorySegment pid = arena.allocate(8, 8);
      MemorySegment state = arena.allocate(64, 8);
      int error =
          (int)
              (long)
                  spawn.invokeExact(
                      state,
                      pid.address(),
                      arena.allocateFrom(command.getFirst()).address(),
                      0L,
                      0L,
                      strings(arena, command),
                      strings(arena, variables),
                      0L);
      if (error != 0) {
        throw new ErrnoException(error, command.getFirst());
      }
      return pid.get(ValueLayout.JAVA_INT, 0);
    } catch (ErrnoException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError("posix_spawnp", e);
    }
  }

  private static long strings(Arena arena, List<String> values) {
    MemorySegment array = arena.allocate(8L * (values.size() + 1), 8);
    for (int i = 0; i < values.size(); i++) {
      array.setAtIndex(ValueLayout.JAVA_LONG, i, arena.allocateFrom(values.get(i)).address());
    }
    return array.address();
  }

  /** Waits for a child; returns its exit code, or 128 + the signal that ended it. */
  public static int waitFor(int pid) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    SystemCall.call(Numbers.WAIT4, pid, b.address(), 0);
    int status = b.get(ValueLayout.JAVA_INT, 0);
    return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
  }
}
