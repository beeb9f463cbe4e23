package io.coffer.cli;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * What SIGINT, SIGTERM and SIGHUP do: the cleanups that are registered run, the last first, and the
 * process ends with {@link ExitCode#INTERRUPTED}. The virtual machine handles these signals as a
 * shutdown; a shutdown that comes from {@link #exit} runs nothing. Thread-safe.
 */
public final class Interruption {
  private static final Interruption INSTANCE = new Interruption();

  private final Deque<Cleanup> cleanups = new ArrayDeque<>();
  private boolean hooked;
  private volatile boolean exiting;

  private Interruption() {}

  /** Something to do on interruption, until it is cancelled. */
  public static final class Cleanup {
    private final Runnable action;

    private Cleanup(Runnable action) {
      this.action = action;
    }

    /** Forgets it. */
    public void cancel() {
      INSTANCE.remove(this);
    }
  }

  /** Registers a cleanup. It runs in a thread of its own while the others go on. */
  public static Cleanup onInterrupt(Runnable action) {
    return INSTANCE.add(action);
  }

  /** Ends the process in the ordinary way. */
  static void exit(int status) {
    INSTANCE.exiting = true;
    System.exit(status);
  }

  private synchronized Cleanup add(Runnable action) {
    if (!hooked) {
      Runtime.getRuntime().addShutdownHook(new Thread(this::interrupted, "interruption"));
      hooked = true;
    }
    Cleanup cleanup = new Cleanup(action);
    cleanups.push(cleanup);
    return cleanup;
  }

  private synchronized void remove(Cleanup cleanup) {
    cleanups.remove(cleanup);
  }

  private synchronized Cleanup[] take() {
    Cleanup[] all = cleanups.toArray(new Cleanup[0]);
    cleanups.clear();
    return all;
  }

  private void interrupted() {
    if (exiting) {
      return;
    }
    for (Cleanup cleanup : take()) {
      cleanup.action.run();
    }
    Runtime.getRuntime().halt(ExitCode.INTERRUPTED.number());
  }
}
