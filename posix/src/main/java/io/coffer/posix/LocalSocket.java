package io.coffer.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/**
 * Stream sockets in the file system (unix(7)) whose server learns from the kernel who the client
 * is, which the JDK's tell only by name.
 */
public final class LocalSocket {
  private static final int AF_UNIX = 1;
  private static final int SOCK_STREAM = 1;
  private static final int SOCK_CLOEXEC = 02000000;
  private static final int SOL_SOCKET = 1;
  private static final int SO_PEERCRED = 17;
  private static final int SO_RCVTIMEO = 20;
  private static final int SO_SNDTIMEO = 21;
  private static final int SHUT_RDWR = 2;
  private static final int PATH_BYTES = 108;
  private static final int BACKLOG = 64;

  /** The process at the other end, when it connected (struct ucred). */
  public record Peer(int pid, int uid, int gid) {}

  private LocalSocket() {}

  /**
   * A socket that listens.
   *
   * @param path where no file is yet; at most 107 bytes
   * @return its descriptor, for {@link #accept} and {@link Linux#close}
   */
  public static int listen(String path) throws ErrnoException {
    byte[] bytes = path.getBytes(StandardCharsets.UTF_8);
    if (bytes.length >= PATH_BYTES) {
      throw new ErrnoException(Errno.ENAMETOOLONG);
    }
    int socket = (int) SystemCall.call(Numbers.SOCKET, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    boolean done = false;
    try {
      // struct sockaddr_un: sun_family 2, sun_path 108
      MemorySegment b = Scratch.get().buffer();
      b.set(ValueLayout.JAVA_SHORT, 0, (short) AF_UNIX);
      MemorySegment.copy(bytes, 0, b, ValueLayout.JAVA_BYTE, 2, bytes.length);
      b.set(ValueLayout.JAVA_BYTE, 2L + bytes.length, (byte) 0);
      SystemCall.call(Numbers.BIND, socket, b.address(), 2L + bytes.length + 1);
      SystemCall.call(Numbers.LISTEN, socket, BACKLOG, 0);
      done = true;
      return socket;
    } finally {
      if (!done) {
        Linux.close(socket);
      }
    }
  }

  /** Waits for the next client; EINVAL after {@link #shutdown}. Returns its descriptor. */
  public static int accept(int socket) throws ErrnoException {
    return (int) SystemCall.call(Numbers.ACCEPT4, socket, 0, 0, SOCK_CLOEXEC);
  }

  /** Nothing is read or written any more, and whoever waits in {@link #accept} returns. */
  public static void shutdown(int socket) throws ErrnoException {
    SystemCall.call(Numbers.SHUTDOWN, socket, SHUT_RDWR, 0);
  }

  /** Reads and writes fail with EAGAIN after so many seconds. */
  public static void limit(int socket, int seconds) throws ErrnoException {
    for (int option : new int[] {SO_RCVTIMEO, SO_SNDTIMEO}) {
      // struct timeval: tv_sec 8, tv_usec 8
      MemorySegment b = Scratch.get().buffer();
      b.set(ValueLayout.JAVA_LONG, 0, seconds);
      b.set(ValueLayout.JAVA_LONG, 8, 0);
      SystemCall.call(Numbers.SETSOCKOPT, socket, SOL_SOCKET, option, b.address(), 16, 0);
    }
  }

  /** Who is at the other end. */
  public static Peer peer(int socket) throws ErrnoException {
    // struct ucred: pid 4, uid 4, gid 4; its length behind it
    MemorySegment b = Scratch.get().buffer();
    b.set(ValueLayout.JAVA_INT, 12, 12);
    SystemCall.call(
        Numbers.GETSOCKOPT, socket, SOL_SOCKET, SO_PEERCRED, b.address(), b.address() + 12, 0);
    return new Peer(
        b.get(ValueLayout.JAVA_INT, 0),
        b.get(ValueLayout.JAVA_INT, 4),
        b.get(ValueLayout.JAVA_INT, 8));
  }
}
