package io.coffer.batch;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processes;
import io.coffer.posix.SocketPairEnd;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A small process that outlives this one: if this one ends without {@link #close}, by SIGKILL or
 * for want of memory, it unmounts the dead view that everybody would find otherwise. It knows no
 * key. It is a shell, since nothing else is everywhere; it is in a session of its own, is nobody's
 * child, by which some schedulers find what they kill, and ignores the signals by which they ask a
 * job to end. A scheduler that kills a whole control group kills it, too: then the site's epilog
 * has to do it.
 *
 * <p>fusermount3's auto_unmount is meant for the same, and gives up if it looks at the view before
 * the kernel has noticed that the process is gone.
 */
public final class LeftoverWatch implements AutoCloseable {
  /**
   * Takes the view on $1 away, and the mount point unless $2 is {@code keep}. Root removes the
   * mount point in a mount namespace in which it is none, and by that the kernel unmounts the view
   * everywhere: no moment is left in which a program writes clear text into the directory beneath.
   * For others {@link MadePlace#shut} sees to that.
   */
  static final String TAKE_AWAY =
      """
      if [ "$2" != keep ] && [ "$(id -u)" = 0 ]; then
        unshare --mount -- sh -c 'umount -l "$1"; rmdir "$1"' coffer-watch "$1" && exit 0
      fi
      fusermount3 -uqz -- "$1" || fusermount -uqz -- "$1" || umount -l "$1"
      [ "$2" = keep ] || rmdir "$1"
      """;

  /** Standard input gives a line when all is well, and ends without one if not. */
  private static final String SCRIPT =
      """
      trap '' HUP INT TERM
      read -r line && exit 0
      """
          + TAKE_AWAY;

  private final int pid;
  private final SocketPairEnd socket;

  private LeftoverWatch(int pid, SocketPairEnd socket) {
    this.pid = pid;
    this.socket = socket;
  }

  /**
   * Starts watching over a view that is about to be mounted.
   *
   * @param remove remove the mount point, too
   */
  public static LeftoverWatch start(Path mountPoint, boolean remove) throws BatchException {
    try {
      int[] pair = Processes.socketPair();
      Processes.closeOnExecute(pair[0], true);
      Processes.closeOnExecute(pair[1], true);
      List<String> command =
          List.of(
              "setsid",
              "--fork",
              "sh",
              "-c",
              // Its output may be a pipe on whose end somebody waits.
              "exec >/dev/null 2>&1\n" + SCRIPT,
              "coffer-watch",
              mountPoint.toString(),
              remove ? "remove" : "keep");
      int pid = Processes.spawn(command, Map.of(), pair[1]);
      new SocketPairEnd(pair[1]).close();
      return new LeftoverWatch(pid, new SocketPairEnd(pair[0]));
    } catch (ErrnoException e) {
      throw new BatchException("cannot run setsid (package util-linux): " + e.getMessage());
    }
  }

  /** The view has been unmounted: nothing is left to watch over. */
  @Override
  public void close() {
    try {
      socket.output().write('\n');
      Processes.waitFor(pid);
    } catch (IOException e) {
      // It has ended already.
    }
    socket.close();
  }
}
