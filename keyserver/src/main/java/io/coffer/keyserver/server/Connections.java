package io.coffer.keyserver.server;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The connections of a listener, from the moment when they are accepted, so that those who send
 * nothing, or send it drop by drop, keep nobody out. (Helidon 4.4 has no timeout for TLS
 * handshakes, nor for requests that do not come; and it counts connections whose handshake failed
 * for ever, so that its own limit of connections must not be used.)
 *
 * <ul>
 *   <li>A connection is closed if its first request has not arrived within {@link
 *       Limits#greeting()}, TLS handshake included; a later one within {@link Limits#silence()} of
 *       the one before; a body within {@link Limits#bodyTime()}.
 *   <li>When three quarters of all connections are taken, the address that has most of them loses
 *       the one on which nothing has happened for longest. When all are taken, and the server is at
 *       work for each of them, no more are accepted.
 * </ul>
 *
 * <p>Thread-safe.
 */
final class Connections implements AutoCloseable {
  /** A body that comes too slowly is answered with 408 before its connection is closed. */
  private static final Duration GRACE = Duration.ofSeconds(1);

  private static final long SWEEP_MILLIS = 250;

  /** One connection. */
  static final class Held {
    private final Socket socket;
    private final InetAddress address;
    private volatile long since;
    private volatile long allowedNanos;

    private Held(Socket socket, Duration greeting) {
      this.socket = socket;
      this.address = socket.getInetAddress();
      expect(greeting);
    }

    /** The server is at work, however long that takes. */
    void work() {
      allowedNanos = Long.MAX_VALUE;
    }

    private void expect(Duration within) {
      since = System.nanoTime();
      allowedNanos = within.toNanos();
    }

    private boolean isSilent() {
      return allowedNanos != Long.MAX_VALUE;
    }

    private boolean isOverdue() {
      return System.nanoTime() - since > allowedNanos;
    }

    private void close() {
      try {
        socket.close();
      } catch (IOException e) {
        // Gone, one way or the other.
      }
    }
  }

  private final Limits limits;
  private final Map<SocketAddress, Held> held = new ConcurrentHashMap<>();
  private final Thread sweeper;

  Connections(Limits limits) {
    this.limits = limits;
    this.sweeper = Thread.ofVirtual().name("keyserver-connections").start(this::sweepAlways);
  }

  /** A connection was accepted. */
  void accepted(Socket socket) {
    SocketAddress peer = socket.getRemoteSocketAddress();
    if (peer == null || socket.getInetAddress() == null) {
      return; // closed again already
    }
    Held connection = new Held(socket, limits.greeting());
    held.put(peer, connection);
    if (held.size() > limits.connections() / 4 * 3) {
      makeRoom();
    }
    if (held.size() > limits.connections()) {
      connection.close();
      held.remove(peer, connection);
    }
  }

  /** The head of a request has arrived; what comes next, if anything, is its body. */
  @Nullable Held begin(SocketAddress peer, boolean hasBody) {
    Held connection = held.get(peer);
    if (connection != null) {
      if (hasBody) {
        connection.expect(limits.bodyTime().plus(GRACE));
      } else {
        connection.work();
      }
    }
    return connection;
  }

  /** The request was answered; another one may come. */
  void end(@Nullable Held connection) {
    if (connection != null) {
      connection.expect(limits.silence());
    }
  }

  private synchronized void makeRoom() {
    sweep();
    Map<InetAddress, Integer> counts = new HashMap<>();
    for (Held each : held.values()) {
      counts.merge(each.address, 1, Integer::sum);
    }
    while (held.size() > limits.connections() / 4 * 3) {
      var victim =
          held.entrySet().stream()
              .filter(entry -> entry.getValue().isSilent())
              .max(
                  Comparator.<Map.Entry<SocketAddress, Held>>comparingInt(
                          entry -> counts.getOrDefault(entry.getValue().address, 0))
                      .thenComparingLong(entry -> System.nanoTime() - entry.getValue().since))
              .orElse(null);
      if (victim == null) {
        return; // all of them are being served
      }
      victim.getValue().close();
      held.remove(victim.getKey(), victim.getValue());
      counts.merge(victim.getValue().address, -1, Integer::sum);
    }
  }

  private void sweep() {
    held.values()
        .removeIf(connection -> {
          if (connection.isOverdue()) {
            connection.close();
          }
          return connection.socket.isClosed();
        });
  }

  private void sweepAlways() {
    try {
      while (true) {
        Thread.sleep(SWEEP_MILLIS);
        sweep();
      }
    } catch (InterruptedException e) {
      // The server stops.
    }
  }

  @Override
  public void close() {
    sweeper.interrupt();
  }
}
