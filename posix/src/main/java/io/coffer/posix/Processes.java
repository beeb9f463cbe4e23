package io.coffer.posix;

import java.io.File;
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
  private static final int PR_SET_PDEATHSIG = 1;
  private static final int PR_SET_DUMPABLE = 4;
  private static final int PR_CAP_AMBIENT = 47;
  private static final int PR_CAP_AMBIENT_CLEAR_ALL = 4;
  private static final int SIGKILL = 9;
  private static final int RLIMIT_CORE = 4;
  private static final int RLIMIT_NOFILE = 7;

  private Processes() {}

  /**
   * No core dump of this process, and nobody but root may trace it or read its memory.
   *
   * <p>A change of user, if only for file access, sets what PR_SET_DUMPABLE says to
   * fs.suid_dumpable, and a limit of 0 does not keep the kernel from giving a dump to a program
   * that core_pattern(5) names. A limit of one byte does, and no file is written with it either.
   * Who has been given 0 may not raise it without privileges, but then may not change the user.
   */
  public static void forbidDumps() throws ErrnoException {
    SystemCall.call(Numbers.PRCTL, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
    try {
      setLimit(RLIMIT_CORE, 1, 1);
    } catch (ErrnoException e) {
      setLimit(RLIMIT_CORE, 0, 0);
    }
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
    return spawn(command, additions, 0);
  }

  /**
   * {@link #spawn(List, Map)} with another standard input.
   *
   * @param input the descriptor that the program gets as its standard input, 0 for this process's
   */
  public static int spawn(List<String> command, Map<String, String> additions, int input)
      throws ErrnoException {
    MethodHandle spawn = SystemCall.link("posix_spawnp");
    try (Arena arena = Arena.ofConfined()) {
      var environment = new java.util.TreeMap<>(System.getenv());
      environment.putAll(additions);
      var variables = new ArrayList<String>();
      environment.forEach((name, value) -> variables.add(name + "=" + value));
      MemorySegment pid = arena.allocate(8, 8);
      MemorySegment state = arena.allocate(64, 8);
      long actions = input == 0 ? 0 : actions(arena, state, input);
      int error =
          (int)
              (long)
                  spawn.invokeExact(
                      state,
                      pid.address(),
                      arena.allocateFrom(command.getFirst()).address(),
                      actions,
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

  /** A posix_spawn_file_actions_t (80 bytes in glibc, less in musl) that moves one descriptor. */
  private static long actions(Arena arena, MemorySegment state, int input) throws Throwable {
    long actions = arena.allocate(256, 8).address();
    long ignored =
        (long)
            SystemCall.link("posix_spawn_file_actions_init")
                .invokeExact(state, actions, 0L, 0L, 0L, 0L, 0L, 0L);
    // What it allocates, a few dozen bytes, stays: it is called once or twice in a process's life.
    ignored =
        (long)
            SystemCall.link("posix_spawn_file_actions_adddup2")
                .invokeExact(state, actions, (long) input, 0L, 0L, 0L, 0L, 0L);
    return actions;
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

  /**
   * Ends this process at once (exit_group(2)), without what Java does before: it would wait for 0.3
   * seconds for threads that are in a system call. No shutdown hook runs; what is buffered is lost.
   *
   * @param status the exit code
   */
  public static void end(int status) {
    SystemCall.raw(Numbers.EXIT_GROUP, status, 0, 0, 0, 0, 0);
  }

  /** This process's id. */
  public static int id() {
    return (int) SystemCall.raw(Numbers.GETPID, 0, 0, 0, 0, 0, 0);
  }

  /** The id of the process that started this one, or of whoever took it over. */
  public static int parent() {
    return (int) SystemCall.raw(Numbers.GETPPID, 0, 0, 0, 0, 0, 0);
  }

  /**
   * Has the kernel kill this process (SIGKILL) as soon as the thread that started it ends
   * (prctl(2), PR_SET_PDEATHSIG). Belongs to the calling thread, and stays with it over {@link
   * #execute}, unless that gives the process other rights.
   *
   * @param parent who started this process
   * @return false if that has ended already
   */
  public static boolean dieWith(int parent) throws ErrnoException {
    SystemCall.call(Numbers.PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
    return parent() == parent;
  }

  /**
   * Gives up the capabilities that a new program would keep (capabilities(7), "ambient set"). Of
   * the calling thread.
   */
  public static void clearAmbientCapabilities() throws ErrnoException {
    SystemCall.call(Numbers.PRCTL, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0);
  }

  /** Ignores a signal. What is started afterwards ignores it, too. */
  public static void ignore(int signal) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    // struct sigaction of the kernel: handler, flags, restorer, mask
    b.asSlice(0, 32).fill((byte) 0);
    b.setAtIndex(ValueLayout.JAVA_LONG, 0, 1 /* SIG_IGN */);
    SystemCall.call(Numbers.RT_SIGACTION, signal, b.address(), 0, 8, 0, 0);
  }

  /**
   * The signals that the calling thread does not get: bit N - 1 stands for signal N.
   *
   * @return the mask before
   */
  public static long blockSignals(long mask) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    b.setAtIndex(ValueLayout.JAVA_LONG, 0, mask);
    SystemCall.call(
        Numbers.RT_SIGPROCMASK, 2 /* SIG_SETMASK */, b.address(), b.address() + 8, 8, 0, 0);
    return b.getAtIndex(ValueLayout.JAVA_LONG, 1);
  }

  /** Whether a program that is started by this process inherits the descriptor. */
  public static void closeOnExecute(int descriptor, boolean close) throws ErrnoException {
    SystemCall.call(Numbers.FCNTL, descriptor, 2 /* F_SETFD */, close ? 1 : 0);
  }

  /** No program that is started by this process inherits what is open now, but 0 to 2. */
  public static void closeAllOnExecute() throws ErrnoException {
    try {
      SystemCall.call(Numbers.CLOSE_RANGE, 3, 0xffff_ffffL, 4 /* CLOSE_RANGE_CLOEXEC */);
    } catch (ErrnoException e) {
      // Linux before 5.11.
      String[] open = new File("/proc/self/fd").list();
      for (String each : open == null ? new String[0] : open) {
        int descriptor = Integer.parseInt(each);
        if (descriptor > 2) {
          closeIfOpen(descriptor);
        }
      }
    }
  }

  private static void closeIfOpen(int descriptor) throws ErrnoException {
    try {
      closeOnExecute(descriptor, true);
    } catch (ErrnoException e) {
      // The one by which the directory was listed is gone.
      if (e.errno() != Errno.EBADF) {
        throw e;
      }
    }
  }

  /** The same as {@link #closeOnExecute} would have set. */
  public static boolean isClosedOnExecute(int descriptor) throws ErrnoException {
    return (SystemCall.call(Numbers.FCNTL, descriptor, 1 /* F_GETFD */, 0) & 1) != 0;
  }

  /**
   * Becomes another program: same process, same descriptors but those that are closed on execute.
   * Returns only by an exception, and the virtual machine goes on.
   *
   * @param program a path
   * @param arguments with the name of the program as the first
   * @param environment as NAME=VALUE
   */
  public static void execute(byte[] program, List<byte[]> arguments, List<byte[]> environment)
      throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      SystemCall.call(
          Numbers.EXECVE,
          string(arena, program).address(),
          byteStrings(arena, arguments),
          byteStrings(arena, environment));
    }
  }

  private static MemorySegment string(Arena arena, byte[] value) {
    MemorySegment string = arena.allocate(value.length + 1L);
    MemorySegment.copy(value, 0, string, ValueLayout.JAVA_BYTE, 0, value.length);
    return string;
  }

  private static long byteStrings(Arena arena, List<byte[]> values) {
    MemorySegment array = arena.allocate(8L * (values.size() + 1), 8);
    for (int i = 0; i < values.size(); i++) {
      array.setAtIndex(ValueLayout.JAVA_LONG, i, string(arena, values.get(i)).address());
    }
    return array.address();
  }
}
