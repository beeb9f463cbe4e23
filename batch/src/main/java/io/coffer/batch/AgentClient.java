package io.coffer.batch;

import io.coffer.crypto.SecretBytes;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Asks the user's {@link Agent}; see there for what is said. */
public final class AgentClient {
  private final Path socket;

  /** Asks the agent at a socket. */
  public AgentClient(Path socket) {
    this.socket = socket;
  }

  /**
   * A ticket as it was issued.
   *
   * @param id for listing and revoking
   * @param until when it ends, as ISO 8601
   * @param text what the job carries
   */
  public record Issued(String id, String until, String text) {}

  /** By what the agent knows a volume. */
  public static String fingerprint(Path configFile) throws IOException {
    try {
      return HexFormat.of()
          .formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(configFile)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  private interface Asking {
    void ask(DataOutputStream out) throws IOException;
  }

  private interface Hearing<T> {
    T hear(DataInputStream in) throws IOException;
  }

  private <T> T call(String word, Asking asking, Hearing<T> hearing) throws BatchException {
    AgentAddress.check(socket);
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      channel.connect(UnixDomainSocketAddress.of(socket));
      DataOutputStream out =
          new DataOutputStream(new BufferedOutputStream(Channels.newOutputStream(channel)));
      out.writeUTF(word);
      asking.ask(out);
      out.flush();
      DataInputStream in = new DataInputStream(Channels.newInputStream(channel));
      if (in.readByte() != 0) {
        throw new BatchException(in.readUTF());
      }
      return hearing.hear(in);
    } catch (IOException e) {
      throw new BatchException("no agent answers at " + socket);
    }
  }

  /** Gives it a key; a lifetime of null is the agent's own. */
  public void add(String fingerprint, String label, @Nullable Duration lifetime, SecretBytes key)
      throws BatchException {
    this.<Boolean>call(
        "add",
        out -> {
          out.writeUTF(fingerprint);
          out.writeUTF(label);
          out.writeLong(lifetime == null ? 0 : Math.max(1, lifetime.toSeconds()));
          key.<@Nullable Void, IOException>read(bytes -> {
            Wire.write(out, bytes);
            return null;
          });
        },
        in -> true);
  }

  /** The key of a volume; the caller closes it. */
  public SecretBytes get(String fingerprint) throws BatchException {
    return call("get", out -> out.writeUTF(fingerprint), in -> SecretBytes.take(Wire.read(in)));
  }

  /** Does it hold the key of a volume? */
  public boolean holds(String fingerprint) throws BatchException {
    return call("holds", out -> out.writeUTF(fingerprint), in -> in.readBoolean());
  }

  /** A line for each key and ticket. */
  public List<String> list() throws BatchException {
    return call(
        "list",
        out -> {},
        in -> {
          List<String> lines = new ArrayList<>();
          for (int i = in.readInt(); i > 0; i--) {
            lines.add(in.readUTF());
          }
          return lines;
        });
  }

  /** Has it forget the key of one volume, or with an empty fingerprint of all; how many. */
  public int remove(String fingerprint) throws BatchException {
    return call("remove", out -> out.writeUTF(fingerprint), in -> in.readInt());
  }

  /** Has it seal its keys by a password. */
  public void lock(SecretBytes password) throws BatchException {
    sendSecret("lock", password);
  }

  /** Has it open them again. */
  public void unlock(SecretBytes password) throws BatchException {
    sendSecret("unlock", password);
  }

  private void sendSecret(String word, SecretBytes secret) throws BatchException {
    this.<Boolean>call(
        word,
        out ->
            secret.<@Nullable Void, IOException>read(bytes -> {
              Wire.write(out, bytes);
              return null;
            }),
        in -> true);
  }

  /** A ticket for a job. */
  public Issued ticket(String fingerprint, Path volume, int nodes, Duration time)
      throws BatchException {
    String[] lines =
        call(
                "ticket",
                out -> {
                  out.writeUTF(fingerprint);
                  out.writeUTF(volume.toString());
                  out.writeInt(nodes);
                  out.writeLong(time.toSeconds());
                },
                in -> in.readUTF())
            .split("\n", 3);
    return new Issued(lines[0], lines[1], lines[2]);
  }

  /** Makes one ticket, or with an empty id all, worthless; how many were not yet. */
  public int revoke(String id) throws BatchException {
    return call("revoke", out -> out.writeUTF(id), in -> in.readInt());
  }

  /** Ends it. */
  public void stop() throws BatchException {
    this.<Boolean>call("stop", out -> {}, in -> true);
  }
}
