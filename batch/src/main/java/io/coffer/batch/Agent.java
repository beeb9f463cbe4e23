package io.coffer.batch;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.Scrypt;
import io.coffer.crypto.SecretBytes;
import io.coffer.posix.Credentials;
import io.coffer.posix.LockedMemory;
import io.coffer.posix.Processes;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import jdk.net.ExtendedSocketOptions;
import org.jspecify.annotations.Nullable;

/**
 * A process of one user that holds the keys of volumes in locked memory, for a limited time, and
 * gives them to mounts of the same user on the same machine; and, for a ticket, to the nodes of one
 * job. Knows a volume by the SHA-256 of its configuration, so that it needs no path and notices a
 * changed one.
 *
 * <p>Requests on the local socket are a word ({@link DataOutputStream#writeUTF}) and its arguments;
 * the answer begins with a byte 0, or with 1 and a sentence. Requests of nodes come over TCP as a
 * MUNGE credential and are described at {@link #claim}.
 *
 * <p>Thread-safe: all that changes is changed under the lock of this object.
 */
public final class Agent {
  private static final System.Logger LOG = System.getLogger("io.coffer.batch");
  private static final int SCRYPT_N = 1 << 15;
  private static final int MOST_CLIENTS = 64;
  private static final int CLAIM_TIMEOUT_MILLIS = 20_000;
  private static final int MOST_CLAIM_CHARACTERS = 8192;

  /**
   * How an agent is set up.
   *
   * @param socket where it listens for this machine
   * @param host the name or address by which nodes reach it, or null for this machine's name
   * @param lifetime how long a key is held unless something else is asked for
   * @param renewal how often the holder of a view asks whether it may go on
   */
  public record Options(Path socket, @Nullable String host, Duration lifetime, Duration renewal) {}

  private static final class Entry {
    final String label;
    final Instant until;
    @Nullable LockedMemory key;
    byte @Nullable [] sealed;

    Entry(String label, Instant until, LockedMemory key) {
      this.label = label;
      this.until = until;
      this.key = key;
    }

    void wipe() {
      LockedMemory held = key;
      if (held != null) {
        held.close();
        key = null;
      }
      sealed = null;
    }
  }

  private static final class Issued {
    final Ticket ticket;
    final KeyPair keys;
    final String fingerprint;
    final int mostNodes;
    final Instant until;
    final Map<String, Integer> served = new LinkedHashMap<>();
    @Nullable String job;
    boolean revoked;

    Issued(Ticket ticket, KeyPair keys, String fingerprint, int mostNodes, Instant until) {
      this.ticket = ticket;
      this.keys = keys;
      this.fingerprint = fingerprint;
      this.mostNodes = mostNodes;
      this.until = until;
    }
  }

  private final Options options;
  private final ServerSocketChannel local;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Map<String, Issued> tickets = new LinkedHashMap<>();
  private final Semaphore clients = new Semaphore(MOST_CLIENTS);
  private byte @Nullable [] lockSalt;
  private @Nullable ServerSocket remote;

  private Agent(Options options, ServerSocketChannel local) {
    this.options = options;
    this.local = local;
  }

  /** Opens the socket; an agent that nobody answers for any more is replaced. */
  public static Agent open(Options options) throws BatchException {
    try {
      Processes.forbidDumps();
      AgentAddress.prepare(options.socket());
      var address = UnixDomainSocketAddress.of(options.socket());
      if (Files.exists(options.socket())) {
        try (var probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
          probe.connect(address);
          throw new BatchException("an agent is running already at " + options.socket());
        } catch (IOException e) {
          Files.delete(options.socket());
        }
      }
      var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
      server.bind(address);
      return new Agent(options, server);
    } catch (IOException e) {
      throw new BatchException(
          "the agent cannot listen at " + options.socket() + ": " + e.getMessage());
    }
  }

  /** Serves until it is told to stop. */
  public void serve() {
    Thread.ofPlatform().daemon().name("expiry").start(this::expire);
    while (local.isOpen()) {
      try {
        SocketChannel client = local.accept();
        Thread.ofPlatform().daemon().name("agent-client").start(() -> serve(client));
      } catch (ClosedChannelException e) {
        break;
      } catch (IOException e) {
        LOG.log(System.Logger.Level.WARNING, "agent: {0}", e.getMessage());
        break;
      }
    }
    stop();
  }

  /** Wipes all keys, forgets all tickets and stops listening. */
  public synchronized void stop() {
    entries.values().forEach(Entry::wipe);
    entries.clear();
    tickets.clear();
    try {
      local.close();
      Files.deleteIfExists(options.socket());
      ServerSocket listening = remote;
      if (listening != null) {
        listening.close();
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "agent: {0}", e.getMessage());
    }
  }

  private void expire() {
    try {
      while (local.isOpen()) {
        Thread.sleep(1000);
        synchronized (this) {
          Instant now = Instant.now();
          entries
              .values()
              .removeIf(entry -> {
                boolean over = now.isAfter(entry.until);
                if (over) {
                  entry.wipe();
                }
                return over;
              });
          tickets.values().removeIf(ticket -> now.isAfter(ticket.until));
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  // This machine.

  private void serve(SocketChannel client) {
    try (client) {
      var peer = client.getOption(ExtendedSocketOptions.SO_PEERCRED);
      if (!peer.user().equals(Files.getOwner(options.socket()))) {
        LOG.log(System.Logger.Level.WARNING, "agent: refused {0}", peer.user().getName());
        return;
      }
      DataInputStream in = new DataInputStream(Channels.newInputStream(client));
      DataOutputStream out =
          new DataOutputStream(new BufferedOutputStream(Channels.newOutputStream(client)));
      try {
        answer(in.readUTF(), in, out);
      } catch (BatchException e) {
        out.writeByte(1);
        out.writeUTF(String.valueOf(e.getMessage()));
      }
      out.flush();
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "agent client: {0}", e.getMessage());
    }
  }

  private void answer(String word, DataInputStream in, DataOutputStream out)
      throws IOException, BatchException {
    switch (word) {
      case "add" -> {
        add(in.readUTF(), in.readUTF(), in.readLong(), Wire.read(in));
        out.writeByte(0);
      }
      case "get" -> {
        byte[] key = get(in.readUTF());
        try {
          out.writeByte(0);
          Wire.write(out, key);
          out.flush();
        } finally {
          Arrays.fill(key, (byte) 0);
        }
      }
      case "holds" -> {
        boolean holds = holds(in.readUTF());
        out.writeByte(0);
        out.writeBoolean(holds);
      }
      case "list" -> {
        List<String> lines = list();
        out.writeByte(0);
        out.writeInt(lines.size());
        for (String line : lines) {
          out.writeUTF(line);
        }
      }
      case "remove" -> {
        int count = remove(in.readUTF());
        out.writeByte(0);
        out.writeInt(count);
      }
      case "lock" -> {
        lock(Wire.read(in));
        out.writeByte(0);
      }
      case "unlock" -> {
        unlock(Wire.read(in));
        out.writeByte(0);
      }
      case "ticket" -> {
        String text = issue(in.readUTF(), in.readUTF(), in.readInt(), in.readLong());
        out.writeByte(0);
        out.writeUTF(text);
      }
      case "revoke" -> {
        int count = revoke(in.readUTF());
        out.writeByte(0);
        out.writeInt(count);
      }
      case "stop" -> {
        out.writeByte(0);
        out.flush();
        stop();
      }
      default -> throw new BatchException("the agent does not know '" + word + "'");
    }
  }

  private synchronized void add(String fingerprint, String label, long seconds, byte[] key)
      throws BatchException, IOException {
    checkUnlocked();
    Duration lifetime = seconds > 0 ? Duration.ofSeconds(seconds) : options.lifetime();
    LockedMemory memory = LockedMemory.take(key);
    if (!memory.isLocked()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "memory cannot be locked (ulimit -l); the key of {0} may be swapped out",
          label);
    }
    Entry before = entries.put(fingerprint, new Entry(label, Instant.now().plus(lifetime), memory));
    if (before != null) {
      before.wipe();
    }
  }

  private synchronized boolean holds(String fingerprint) throws BatchException {
    checkUnlocked();
    Entry entry = entries.get(fingerprint);
    return entry != null && Instant.now().isBefore(entry.until);
  }

  private synchronized byte[] get(String fingerprint) throws BatchException {
    checkUnlocked();
    Entry entry = entries.get(fingerprint);
    LockedMemory key = entry == null ? null : entry.key;
    if (entry == null || key == null || Instant.now().isAfter(entry.until)) {
      throw new BatchException("the agent does not hold the key of this volume");
    }
    return key.copy();
  }

  private void checkUnlocked() throws BatchException {
    if (lockSalt != null) {
      throw new BatchException("the agent is locked");
    }
  }

  private synchronized List<String> list() {
    List<String> lines = new ArrayList<>();
    String locked = lockSalt == null ? "" : ", locked";
    entries
        .values()
        .forEach(
            entry -> lines.add("key     " + entry.label + " until " + at(entry.until) + locked));
    for (Issued each : tickets.values()) {
      String state =
          each.revoked
              ? "revoked"
              : each.job == null
                  ? "not used"
                  : "job " + each.job + " on " + String.join(",", each.served.keySet());
      lines.add(
          "ticket  "
              + each.ticket.id()
              + " for "
              + each.ticket.volume()
              + " until "
              + at(each.until)
              + ", "
              + state);
    }
    return lines;
  }

  private static String at(Instant time) {
    return Instant.ofEpochSecond(time.getEpochSecond()).toString();
  }

  private synchronized int remove(String fingerprint) {
    int count = 0;
    for (String each : List.copyOf(entries.keySet())) {
      if (fingerprint.isEmpty() || each.equals(fingerprint)) {
        Entry entry = entries.remove(each);
        if (entry != null) {
          entry.wipe();
          count++;
        }
      }
    }
    return count;
  }

  /** Seals the keys by a password and wipes them. */
  private synchronized void lock(byte[] password) throws BatchException {
    checkUnlocked();
    byte[] salt = RandomBytes.of(16);
    try (SecretBytes secret = SecretBytes.take(password);
        SecretBytes key = Scrypt.hash(secret, salt, SCRYPT_N, 8, 1, 32)) {
      for (Entry entry : entries.values()) {
        LockedMemory held = entry.key;
        if (held != null) {
          byte[] plain = held.copy();
          // A key of its own for each, since the nonce is always the same.
          byte[] own = key.read(bytes -> Handover.code(bytes, entry.label + entry.until));
          entry.sealed = Handover.seal(own, plain);
          Arrays.fill(plain, (byte) 0);
          Arrays.fill(own, (byte) 0);
          held.close();
          entry.key = null;
        }
      }
    }
    lockSalt = salt;
  }

  private synchronized void unlock(byte[] password) throws BatchException, IOException {
    byte[] salt = lockSalt;
    if (salt == null) {
      throw new BatchException("the agent is not locked");
    }
    try (SecretBytes secret = SecretBytes.take(password);
        SecretBytes key = Scrypt.hash(secret, salt, SCRYPT_N, 8, 1, 32)) {
      for (Entry entry : entries.values()) {
        byte[] sealed = entry.sealed;
        if (sealed != null) {
          byte[] own = key.read(bytes -> Handover.code(bytes, entry.label + entry.until));
          try {
            entry.key = LockedMemory.take(Handover.open(own, sealed));
          } catch (BatchException e) {
            throw new BatchException("the password is wrong; the agent stays locked");
          } finally {
            Arrays.fill(own, (byte) 0);
          }
          entry.sealed = null;
        }
      }
    }
    lockSalt = null;
  }

  // Tickets.

  private synchronized String issue(String fingerprint, String volume, int nodes, long seconds)
      throws BatchException, IOException {
    byte[] key = get(fingerprint);
    Arrays.fill(key, (byte) 0);
    Entry entry = entries.get(fingerprint);
    int port = listen();
    String host = options.host();
    KeyPair keys = Handover.newKeyPair();
    Ticket ticket =
        new Ticket(
            HexFormat.of().formatHex(RandomBytes.of(6)),
            RandomBytes.of(32),
            host == null ? InetAddress.getLocalHost().getCanonicalHostName() : host,
            port,
            keys.getPublic().getEncoded(),
            volume);
    Instant wanted = Instant.now().plusSeconds(seconds);
    Instant until = entry == null || wanted.isBefore(entry.until) ? wanted : entry.until;
    tickets.put(ticket.id(), new Issued(ticket, keys, fingerprint, nodes, until));
    return ticket.id() + "\n" + at(until) + "\n" + Munge.seal(ticket.toText());
  }

  private int listen() throws IOException {
    ServerSocket listening = remote;
    if (listening == null) {
      listening = new ServerSocket();
      String host = options.host();
      boolean loopback = host != null && InetAddress.getByName(host).isLoopbackAddress();
      listening.bind(loopback ? new InetSocketAddress(host, 0) : new InetSocketAddress(0));
      remote = listening;
      ServerSocket accepting = listening;
      Thread.ofPlatform().daemon().name("tickets").start(() -> acceptNodes(accepting));
    }
    return listening.getLocalPort();
  }

  private void acceptNodes(ServerSocket listening) {
    while (!listening.isClosed()) {
      try {
        Socket node = listening.accept();
        if (!clients.tryAcquire()) {
          node.close();
          continue;
        }
        Thread.ofPlatform()
            .daemon()
            .name("ticket-client")
            .start(() -> {
              try (node) {
                node.setSoTimeout(CLAIM_TIMEOUT_MILLIS);
                serve(node);
              } catch (IOException e) {
                LOG.log(System.Logger.Level.DEBUG, "ticket client: {0}", e.getMessage());
              } finally {
                clients.release();
              }
            });
      } catch (IOException e) {
        return;
      }
    }
  }

  private void serve(Socket node) throws IOException {
    DataInputStream in = new DataInputStream(node.getInputStream());
    DataOutputStream out = new DataOutputStream(node.getOutputStream());
    String credential = new String(Wire.read(in), StandardCharsets.US_ASCII);
    try {
      if (credential.length() > MOST_CLAIM_CHARACTERS) {
        throw new BatchException("the request is too long");
      }
      byte[] sealed = claim(credential);
      out.writeByte(0);
      Wire.write(out, sealed);
      out.writeLong(options.renewal().toMillis());
    } catch (BatchException e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "a ticket was refused to {0}: {1}",
          node.getRemoteSocketAddress(),
          e.getMessage());
      out.writeByte(1);
      out.writeUTF("the agent refuses the ticket: " + e.getMessage());
    }
    out.flush();
  }

  /**
   * Answers a request for a ticket's key, or for leave to go on. It is a fresh MUNGE credential of
   * this user with the lines {@code claim} or {@code renew}, ticket, job, node, how often the job
   * was restarted, the node's public key in base64 (empty for renew), and the {@linkplain
   * Handover#code code} over the lines before. Granted if all of this holds: the credential is of
   * this user, not expired, not seen before, and made on that very node; the code proves that the
   * sender has the ticket; the ticket is not revoked and not over; the controller says that the job
   * is this user's, runs, and has that node; the ticket is not bound to another job; the node has
   * not been served yet (renew: has been) since the job last started.
   *
   * @return the sealed key, or nothing for renew
   */
  private byte[] claim(String credential) throws BatchException {
    Munge.Opened opened = Munge.open(credential);
    if (opened.uid() != Credentials.effectiveUid()) {
      throw new BatchException("it is asked for by user " + opened.uid());
    }
    if (!opened.fresh()) {
      throw new BatchException("the request was seen before or is too old");
    }
    int last = opened.payload().lastIndexOf('\n');
    String request = opened.payload().substring(0, Math.max(0, last));
    List<String> lines = List.of(request.split("\n", -1));
    if (lines.size() != 6) {
      throw new BatchException("the request makes no sense");
    }
    boolean renew = lines.get(0).equals("renew");
    Issued issued = known(lines.get(1));
    String job = lines.get(2);
    String node = lines.get(3);
    byte[] nodeKey;
    try {
      byte[] code = Base64.getDecoder().decode(opened.payload().substring(last + 1));
      if (!MessageDigest.isEqual(code, Handover.code(issued.ticket.secret(), request))) {
        throw new BatchException("who asks does not have the ticket");
      }
      nodeKey = Base64.getDecoder().decode(lines.get(5));
    } catch (IllegalArgumentException e) {
      throw new BatchException("the request makes no sense");
    }
    // The controller is asked without holding the lock: it may take its time.
    SlurmJob now = SlurmJob.ask(job);
    if (now.uid() != opened.uid()) {
      throw new BatchException("job " + job + " is another user's");
    }
    if (!now.isRunning()) {
      throw new BatchException("job " + job + " is not running but " + now.state());
    }
    if (!now.nodes().contains(node)) {
      throw new BatchException("job " + job + " has no node " + node);
    }
    if (!SlurmJob.isHost(node, opened.host())) {
      throw new BatchException("the request for " + node + " comes from " + opened.host());
    }
    return renew
        ? renewed(issued, job, node, now.restarts())
        : granted(issued, job, node, now.restarts(), nodeKey, request);
  }

  private synchronized Issued known(String id) throws BatchException {
    Issued issued = tickets.get(id);
    if (issued == null || Instant.now().isAfter(issued.until)) {
      throw new BatchException("it is not known, or its time is over");
    }
    if (issued.revoked) {
      throw new BatchException("it has been revoked");
    }
    return issued;
  }

  private synchronized byte[] renewed(Issued issued, String job, String node, int restarts)
      throws BatchException {
    Integer served = issued.served.get(node);
    if (issued.revoked || !job.equals(issued.job) || served == null || served != restarts) {
      throw new BatchException("it was not given to " + node + " in this run of job " + job);
    }
    return new byte[0];
  }

  private synchronized byte[] granted(
      Issued issued, String job, String node, int restarts, byte[] nodeKey, String request)
      throws BatchException {
    String bound = issued.job;
    if (issued.revoked || (bound != null && !bound.equals(job))) {
      throw new BatchException("it belongs to job " + bound);
    }
    Integer served = issued.served.get(node);
    if (served != null && served >= restarts) {
      throw new BatchException("it has been used on " + node + " already");
    }
    if (served == null && issued.served.size() >= issued.mostNodes) {
      throw new BatchException("it is for " + issued.mostNodes + " nodes, which have been served");
    }
    byte[] key = get(issued.fingerprint);
    byte[] fingerprint = HexFormat.of().parseHex(issued.fingerprint);
    byte[] plain = Arrays.copyOf(key, key.length + fingerprint.length);
    System.arraycopy(fingerprint, 0, plain, key.length, fingerprint.length);
    try {
      byte[] sealed =
          Handover.seal(issued.keys.getPrivate(), nodeKey, issued.ticket.secret(), request, plain);
      issued.job = job;
      issued.served.put(node, restarts);
      LOG.log(
          System.Logger.Level.INFO,
          "ticket {0}: handed to {1} of job {2}",
          issued.ticket.id(),
          node,
          job);
      return sealed;
    } finally {
      Arrays.fill(key, (byte) 0);
      Arrays.fill(plain, (byte) 0);
    }
  }

  private synchronized int revoke(String id) {
    int count = 0;
    for (Issued each : tickets.values()) {
      if (!each.revoked && (id.isEmpty() || each.ticket.id().equals(id))) {
        each.revoked = true;
        count++;
      }
    }
    return count;
  }
}
