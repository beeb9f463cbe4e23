import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.LongStream;
import javax.net.SocketFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;

/**
 * Clients of OpenStack's Key Manager API that store secrets of 32 bytes, and then get the payloads
 * of what they have stored, comparing it:
 *
 * <pre>
 * java Load.java NAME URL TOKENS SECONDS CA|- CLIENTS...
 * </pre>
 *
 * TOKENS separates the clients' tokens by commas; "none" sends the headers that Barbican takes
 * without Keystone. For each number of clients it stores for SECONDS, and gets for SECONDS, after
 * twice that time with 16 clients which is not counted. Connections are kept where the server keeps
 * them. Prints rows of a table: requests a second that succeeded, the median and the 99th
 * percentile of their time, and how many failed.
 *
 * <p>It speaks HTTP on plain sockets: JDK's own client takes as much processor time as the server.
 */
final class Load {
  private static final byte[] SECRET = new byte[32];

  private Load() {}

  /** What one client has seen. */
  private static final class Seen {
    final LongStream.Builder nanos = LongStream.builder();
    int failed;
  }

  private record Answer(int status, byte[] body) {}

  /** One client with its connection. */
  private static final class Client implements AutoCloseable {
    final URI url;
    final String headers;
    final SocketFactory sockets;
    final List<String> stored;
    Socket socket;
    InputStream in;

    /**
     * @param stored the addresses of what all of them have stored, synchronized
     */
    Client(URI url, String token, SocketFactory sockets, List<String> stored) {
      this.url = url;
      this.stored = stored;
      this.sockets = sockets;
      this.headers =
          "Host: %s\r\n%s\r\n"
              .formatted(
                  url.getAuthority(),
                  token.equals("none")
                      ? "X-Project-Id: p1\r\nX-Roles: admin"
                      : "X-Auth-Token: " + token);
    }

    boolean store() throws IOException {
      String body =
          """
          {"name":"load","algorithm":"aes","bit_length":256,"secret_type":"symmetric",\
          "payload":"%s","payload_content_type":"application/octet-stream",\
          "payload_content_encoding":"base64"}\
          """
              .formatted(Base64.getEncoder().encodeToString(SECRET));
      Answer answer =
          ask(
              "POST /v1/secrets HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: "
                  + body.length()
                  + "\r\n",
              body);
      if (answer.status() != 201) {
        return false;
      }
      String text = new String(answer.body(), StandardCharsets.UTF_8);
      stored.add(text.replaceAll("(?s).*\"secret_ref\": ?\"[^\"]*(/v1/[^\"]*)\".*", "$1"));
      return true;
    }

    boolean get() throws IOException {
      String path = stored.get(ThreadLocalRandom.current().nextInt(stored.size()));
      Answer answer =
          ask("GET " + path + "/payload HTTP/1.1\r\nAccept: application/octet-stream\r\n", "");
      return answer.status() == 200 && Arrays.equals(answer.body(), SECRET);
    }

    private Answer ask(String start, String body) throws IOException {
      if (socket == null) {
        socket = sockets.createSocket(url.getHost(), url.getPort());
        socket.setTcpNoDelay(true);
        if (socket instanceof SSLSocket tls) {
          tls.startHandshake();
        }
        in = new BufferedInputStream(socket.getInputStream());
      }
      boolean kept = false;
      try {
        socket
            .getOutputStream()
            .write((start + headers + "\r\n" + body).getBytes(StandardCharsets.UTF_8));
        int status = Integer.parseInt(line().split(" ")[1]);
        int length = -1;
        kept = true;
        for (String header = line(); !header.isEmpty(); header = line()) {
          String[] pair = header.toLowerCase(Locale.ROOT).split(": *", 2);
          if (pair[0].equals("content-length")) {
            length = Integer.parseInt(pair[1].strip());
          } else if (pair[0].equals("connection") && pair[1].contains("close")) {
            kept = false;
          }
        }
        kept &= length >= 0;
        return new Answer(status, length >= 0 ? in.readNBytes(length) : in.readAllBytes());
      } catch (IOException e) {
        kept = false;
        throw e;
      } finally {
        if (!kept) {
          close();
        }
      }
    }

    private String line() throws IOException {
      StringBuilder line = new StringBuilder();
      for (int c = in.read(); c != '\n'; c = in.read()) {
        if (c < 0) {
          throw new EOFException("the server closed the connection");
        }
        line.append((char) c);
      }
      return line.toString().strip();
    }

    @Override
    public void close() throws IOException {
      if (socket != null) {
        socket.close();
        socket = null;
      }
    }
  }

  public static void main(String[] args) throws Exception {
    URI url = URI.create(args[1]);
    String[] tokens = args[2].split(",", -1);
    double seconds = Double.parseDouble(args[3]);
    SocketFactory sockets =
        args[4].equals("-") ? SocketFactory.getDefault() : trusting(Path.of(args[4]));
    run(url, tokens, sockets, 16, seconds);
    for (int i = 5; i < args.length; i++) {
      int clients = Integer.parseInt(args[i]);
      Seen[] seen = run(url, tokens, sockets, clients, seconds);
      System.out.printf(
          Locale.ROOT,
          "| %s | %d | %s | %s | %d |%n",
          args[0],
          clients,
          figures(seen[0], seconds),
          figures(seen[1], seconds),
          seen[0].failed + seen[1].failed);
    }
  }

  private static Seen[] run(
      URI url, String[] tokens, SocketFactory sockets, int clients, double seconds)
      throws InterruptedException, IOException {
    List<Client> all = new ArrayList<>();
    List<String> stored = Collections.synchronizedList(new ArrayList<>());
    for (int i = 0; i < clients; i++) {
      all.add(new Client(url, tokens[i % tokens.length], sockets, stored));
    }
    Seen[] seen = {phase(all, seconds, Client::store), phase(all, seconds, Client::get)};
    for (Client client : all) {
      client.close();
    }
    return seen;
  }

  private interface Request {
    boolean send(Client client) throws IOException;
  }

  private static Seen phase(List<Client> clients, double seconds, Request request)
      throws InterruptedException {
    long end = System.nanoTime() + (long) (seconds * 1e9);
    Seen[] seen = new Seen[clients.size()];
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < seen.length; i++) {
      Client client = clients.get(i);
      Seen mine = seen[i] = new Seen();
      threads.add(
          Thread.ofPlatform()
              .start(() -> {
                for (long begun = System.nanoTime(); begun < end; begun = System.nanoTime()) {
                  boolean good = false;
                  try {
                    good = request.send(client);
                  } catch (IOException e) {
                    // Counted below.
                  }
                  if (good) {
                    mine.nanos.add(System.nanoTime() - begun);
                  } else {
                    mine.failed++;
                  }
                }
              }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    Seen all = new Seen();
    for (Seen each : seen) {
      all.failed += each.failed;
      each.nanos.build().forEach(all.nanos::add);
    }
    return all;
  }

  private static String figures(Seen seen, double seconds) {
    long[] nanos = seen.nanos.build().sorted().toArray();
    return nanos.length == 0
        ? "0 | - | -"
        : String.format(
            Locale.ROOT,
            "%.0f | %.1f | %.1f",
            nanos.length / seconds,
            nanos[nanos.length / 2] / 1e6,
            nanos[(int) (nanos.length * 0.99)] / 1e6);
  }

  private static SSLSocketFactory trusting(Path file) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (InputStream in = Files.newInputStream(file)) {
      store.setCertificateEntry(
          "ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    factory.init(store);
    SSLContext context = SSLContext.getInstance("TLSv1.3");
    context.init(null, factory.getTrustManagers(), null);
    return context.getSocketFactory();
  }
}
