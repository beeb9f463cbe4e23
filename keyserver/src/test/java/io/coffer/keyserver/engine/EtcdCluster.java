package io.coffer.keyserver.engine;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;

/** A real etcd cluster on the loopback interface, whose members a test can kill and start again. */
public final class EtcdCluster implements AutoCloseable {
  private static final String HOST = "http://127.0.0.1:";

  /**
   * Certificates for a cluster that asks its clients for theirs, in PEM, each key beside it.
   *
   * @param authority who issued all of them
   * @param member shown by members, to clients and also, by their gateways, to themselves: it must
   *     be good for both
   * @param client shown by clients
   */
  public record Tls(Path authority, Path member, Path client) {}

  private final @Nullable Tls tls;

  private final Path directory;
  private final int[] clientPorts;
  private final int[] peerPorts;
  private final Process[] members;

  /** Starts one; skips the test where etcd is not installed. */
  public EtcdCluster(Path directory, int size) throws Exception {
    this(directory, size, null);
  }

  /**
   * Starts one; skips the test where etcd is not installed.
   *
   * @param tls for members that ask clients for a certificate; null for none
   */
  public EtcdCluster(Path directory, int size, @Nullable Tls tls) throws Exception {
    this.tls = tls;
    Assumptions.assumeTrue(
        Arrays.stream(System.getenv("PATH").split(":", -1))
            .anyMatch(place -> Files.isExecutable(Path.of(place, "etcd"))),
        "etcd is not installed");
    this.directory = Files.createDirectories(directory);
    int[] ports = freePorts(2 * size);
    clientPorts = Arrays.copyOf(ports, size);
    peerPorts = Arrays.copyOfRange(ports, size, 2 * size);
    members = new Process[size];
    for (int i = 0; i < size; i++) {
      start(i);
    }
    try {
      awaitReady();
    } catch (IOException e) {
      close();
      throw e;
    }
  }

  /**
   * A port that nobody listens on, and below those that the system gives to outgoing connections:
   * such a one could be taken while whoever has it is down.
   */
  public static int freePort() throws IOException {
    for (int i = 0; i < 1000; i++) {
      int port = ThreadLocalRandom.current().nextInt(10_000, 32_000);
      try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
        return socket.getLocalPort();
      } catch (BindException e) {
        // Another one, then.
      }
    }
    throw new IOException("no free port");
  }

  private static int[] freePorts(int count) throws IOException {
    Set<Integer> ports = new LinkedHashSet<>();
    while (ports.size() < count) {
      ports.add(freePort());
    }
    return ports.stream().mapToInt(Integer::intValue).toArray();
  }

  /** Starts a member, for the first time or again. */
  public void start(int i) throws IOException {
    String cluster =
        String.join(
            ",",
            IntStream.range(0, peerPorts.length)
                .mapToObj(n -> "m" + n + "=" + HOST + peerPorts[n])
                .toList());
    String clients = endpoint(i).toString();
    List<String> command = new ArrayList<>();
    if (tls != null) {
      command.addAll(
          List.of(
              "--client-cert-auth",
              "--trusted-ca-file=" + tls.authority(),
              "--cert-file=" + tls.member(),
              "--key-file=" + EtcdSettings.keyOf(tls.member())));
    }
    command.addAll(
        0,
        List.of(
            "etcd",
            "--name=m" + i,
            "--data-dir=" + directory.resolve("m" + i),
            "--listen-client-urls=" + clients,
            "--advertise-client-urls=" + clients,
            "--listen-peer-urls=" + HOST + peerPorts[i],
            "--initial-advertise-peer-urls=" + HOST + peerPorts[i],
            "--initial-cluster=" + cluster,
            "--initial-cluster-state=new",
            "--heartbeat-interval=100",
            "--election-timeout=1000"));
    members[i] =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(
                ProcessBuilder.Redirect.appendTo(directory.resolve("m" + i + ".log").toFile()))
            .start();
  }

  private void awaitReady() throws Exception {
    long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (true) {
      try (EtcdEngine engine = EtcdEngine.open(settings("/ready/"), "test")) {
        if (engine.servers().equals(List.of("test"))) {
          return;
        }
      } catch (IOException e) {
        if (System.nanoTime() > end) {
          throw e;
        }
      }
      Thread.sleep(100);
    }
  }

  /** Ends a member at once, as a power cut would. */
  public void kill(int i) throws InterruptedException {
    members[i].destroyForcibly().waitFor(20, TimeUnit.SECONDS);
  }

  public int size() {
    return members.length;
  }

  /** Where the clients' address of a member is. */
  public URI endpoint(int i) {
    String host = tls == null ? HOST : HOST.replace("http:", "https:");
    return URI.create(host + clientPorts[i]);
  }

  /** All members, and a prefix. */
  public EtcdSettings settings(String prefix) {
    return new EtcdSettings(
        IntStream.range(0, size()).mapToObj(this::endpoint).toList(),
        prefix,
        tls == null ? null : tls.authority(),
        tls == null ? null : tls.client());
  }

  /** The files of a member, which hold what it was given. */
  public Path data(int i) {
    return directory.resolve("m" + i);
  }

  @Override
  public void close() {
    for (Process member : members) {
      if (member != null) {
        member.destroyForcibly().onExit().join();
      }
    }
  }
}
