package io.coffer.batch;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processes;
import io.coffer.posix.Terminals;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Hands the signals that this process gets on to the command that it runs. Those that the terminal
 * sends (Ctrl-C) reach the command anyway, since it is in the same group, and are not sent twice.
 *
 * <p>The JDK's only way to handle a signal is {@code sun.misc.Signal} of the module
 * jdk.unsupported, which the compiler warns of in a way that cannot be suppressed; hence the
 * reflection.
 */
final class CallerSignals {
  private static final System.Logger LOG = System.getLogger("io.coffer.batch");
  private static final int SIGINT = 2;
  private static final int SIGQUIT = 3;
  private static final List<String> NAMES =
      List.of("HUP", "INT", "USR1", "USR2", "ALRM", "TERM", "URG");

  private CallerSignals() {}

  /**
   * The signals that the caller blocks, bit N - 1 for signal N. Java's threads block signals of
   * their own; the first thread, which Java does not use, has still the mask that the process was
   * started with.
   */
  static long blocked() throws IOException {
    try (var lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("SigBlk:"))
          .mapToLong(line -> Long.parseUnsignedLong(line.substring(7).strip(), 16))
          .findFirst()
          .orElse(0);
    }
  }

  /** From now on the command gets them. */
  static void forwardTo(int pid) {
    for (String name : NAMES) {
      handle(name, pid);
    }
    try {
      // Java's own answer is a list of its threads on standard output.
      Processes.ignore(SIGQUIT);
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.DEBUG, "SIGQUIT: {0}", e.getMessage());
    }
  }

  private static void handle(String name, int pid) {
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object one = signal.getConstructor(String.class).newInstance(name);
      int number = (int) signal.getMethod("getNumber").invoke(one);
      Object forward =
          Proxy.newProxyInstance(
              CallerSignals.class.getClassLoader(),
              new Class<?>[] {handler},
              (proxy, method, arguments) -> {
                switch (method.getName()) {
                  case "handle" -> forward(number, pid);
                  case "hashCode" -> {
                    return number;
                  }
                  case "equals" -> {
                    return false;
                  }
                  default -> {}
                }
                return null;
              });
      signal.getMethod("handle", signal, handler).invoke(null, one, forward);
    } catch (ReflectiveOperationException e) {
      LOG.log(System.Logger.Level.DEBUG, "SIG{0} is not handed on: {1}", name, e);
    }
  }

  private static void forward(int signal, int pid) {
    if (signal == SIGINT && Terminals.isInForeground()) {
      return;
    }
    try {
      Processes.signal(pid, signal);
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.DEBUG, "the command has ended: {0}", e.getMessage());
    }
  }
}
