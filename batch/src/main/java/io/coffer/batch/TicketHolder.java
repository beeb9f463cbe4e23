package io.coffer.batch;

import io.coffer.crypto.SecretBytes;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyPair;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;

/** A node of a job that has a ticket: gets the key, and later leave to go on. */
public final class TicketHolder {
  private static final int TIMEOUT_MILLIS = 30_000;
  private static final int KEY_BYTES = 32;

  private final Ticket ticket;
  private final String job;
  private final String node;
  private final String restarts;
  private Duration renewal = Duration.ofMinutes(1);

  private TicketHolder(Ticket ticket, String job, String node, String restarts) {
    this.ticket = ticket;
    this.job = job;
    this.node = node;
    this.restarts = restarts;
  }

  /** A key together with the fingerprint of the configuration that it belongs to. */
  public record Grant(SecretBytes key, String fingerprint) implements AutoCloseable {
    @Override
    public void close() {
      key.close();
    }
  }

  /**
   * What is in a ticket, of whichever kind, as a job carries it. That it is old by MUNGE's measure,
   * an hour, says nothing: who issued it knows how long it is good.
   */
  public static String unseal(String ticket) throws BatchException {
    return Munge.open(ticket.strip()).payload();
  }

  /**
   * The name by which an agent knows its ticket.
   *
   * @param ticket as a job carries it
   */
  public static String id(String ticket) throws BatchException {
    return Ticket.parse(unseal(ticket)).id();
  }

  /**
   * Opens an agent's ticket inside a job, which the environment tells of.
   *
   * @param payload what {@link #unseal} says
   */
  public static TicketHolder open(String payload) throws BatchException {
    String job = System.getenv("SLURM_JOB_ID");
    String node = System.getenv("SLURMD_NODENAME");
    if (job == null || node == null) {
      throw new BatchException("a ticket is good only inside a job of Slurm");
    }
    return new TicketHolder(
        Ticket.parse(payload), job, node, System.getenv().getOrDefault("SLURM_RESTART_COUNT", "0"));
  }

  /**
   * Goes through what a node and an agent do with a key, between two ends in this process: for the
   * launcher, which lets Java remember what it has loaded.
   */
  public static void rehearse() throws BatchException, IOException {
    Munge.run(List.of("true"), "");
    KeyPair agent = Handover.newKeyPair();
    KeyPair node = Handover.newKeyPair();
    byte[] secret = new byte[KEY_BYTES];
    Ticket ticket =
        Ticket.parse(
            new Ticket("id", secret, "localhost", 1, agent.getPublic().getEncoded(), "/").toText());
    byte[] sealed =
        Handover.seal(
            agent.getPrivate(), node.getPublic().getEncoded(), secret, ticket.id(), secret);
    byte[] code = Base64.getEncoder().encode(Handover.code(secret, ticket.id()));
    try (ServerSocket listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        Socket asking = new Socket(listening.getInetAddress(), listening.getLocalPort());
        Socket answering = listening.accept()) {
      DataOutputStream question = new DataOutputStream(asking.getOutputStream());
      Wire.write(question, code);
      question.flush();
      Wire.read(new DataInputStream(answering.getInputStream()));
      DataOutputStream answer = new DataOutputStream(answering.getOutputStream());
      answer.writeByte(0);
      Wire.write(answer, sealed);
      answer.flush();
      DataInputStream in = new DataInputStream(asking.getInputStream());
      in.readByte();
      byte[] opened =
          Handover.open(
              node.getPrivate(), ticket.agentKey(), ticket.secret(), ticket.id(), Wire.read(in));
      Arrays.fill(opened, (byte) 0);
    }
  }

  /** The volume that it is for. */
  public Path volume() {
    return Path.of(ticket.volume());
  }

  /** The node that this is. */
  public String node() {
    return node;
  }

  /** How often {@link #renew} is to be called. */
  public Duration renewal() {
    return renewal;
  }

  /** Gets the key; works once on each node. */
  public Grant claim() throws BatchException, IOException {
    KeyPair keys = Handover.newKeyPair();
    String request =
        request("claim", Base64.getEncoder().encodeToString(keys.getPublic().getEncoded()));
    byte[] plain =
        Handover.open(keys.getPrivate(), ticket.agentKey(), ticket.secret(), request, ask(request));
    try {
      if (plain.length != 2 * KEY_BYTES) {
        throw new BatchException("the agent answers in a way that is not known");
      }
      return new Grant(
          SecretBytes.take(Arrays.copyOf(plain, KEY_BYTES)),
          HexFormat.of().formatHex(plain, KEY_BYTES, 2 * KEY_BYTES));
    } finally {
      Arrays.fill(plain, (byte) 0);
    }
  }

  /**
   * Asks for leave to go on.
   *
   * @throws BatchException if it is refused: the job is over or the ticket was revoked
   * @throws IOException if the agent cannot be reached
   */
  public void renew() throws BatchException, IOException {
    ask(request("renew", ""));
  }

  private String request(String what, String key) {
    return String.join("\n", what, ticket.id(), job, node, restarts, key);
  }

  private byte[] ask(String request) throws BatchException, IOException {
    String code = Base64.getEncoder().encodeToString(Handover.code(ticket.secret(), request));
    byte[] credential = Munge.seal(request + "\n" + code).getBytes(StandardCharsets.US_ASCII);
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(ticket.host(), ticket.port()), TIMEOUT_MILLIS);
      socket.setSoTimeout(TIMEOUT_MILLIS);
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      Wire.write(out, credential);
      out.flush();
      DataInputStream in = new DataInputStream(socket.getInputStream());
      if (in.readByte() != 0) {
        throw new BatchException(in.readUTF());
      }
      byte[] answer = Wire.read(in);
      renewal = Duration.ofMillis(Math.max(100, in.readLong()));
      return answer;
    }
  }
}
