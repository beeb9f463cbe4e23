package io.coffer.keyserver.engine;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The engine that several servers share: an etcd cluster. Consensus, order and durability are
 * etcd's: a transaction of this engine is one of etcd's, with a comparison of the modification
 * revision for each entry; a read is linearizable; a watch is etcd's, resumed at another member
 * where it broke off.
 *
 * <p>Keys in etcd: {@code PREFIX data/KEY} for the entries; {@code PREFIX live/NAME}, under a
 * lease, for each server that runs; {@code PREFIX turn}, under the lease of the server that does
 * what one of them should be doing.
 */
public final class EtcdEngine implements Engine {
  /** What etcd says of a lease that ran out, after a pause of this server, say. */
  private static final String LEASE_GONE = "requested lease not found";

  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");
  private static final Set<String> BINARY = Set.of("key", "value");
  // etcd's default for --max-txn-ops.
  private static final int MAX_CHANGES = 128;
  private static final int PAGE = 100;
  private static final int MAX_LINE_BYTES = 4 << 20;
  private static final long RETRY_MILLIS = 100;
  private static final int LEASE_SECONDS = 10;
  private static final long KEEP_ALIVE_MILLIS = 2000;

  private final EtcdGateway etcd;
  private final String data;
  private final String live;
  private final String turn;
  private final @Nullable String name;
  private final List<Following> watches = new CopyOnWriteArrayList<>();
  private final Object waking = new Object();
  private volatile boolean closed;
  private volatile long lease;

  private EtcdEngine(EtcdSettings settings, @Nullable String name) throws IOException {
    this.etcd = new EtcdGateway(settings);
    this.data = settings.prefix() + "data/";
    this.live = settings.prefix() + "live/";
    this.turn = settings.prefix() + "turn";
    this.name = name;
  }

  /**
   * Connects.
   *
   * @param name under which this server lets the others know that it is alive; null for one that
   *     only reads or writes something and goes
   * @throws IOException if no member can be reached
   */
  public static EtcdEngine open(EtcdSettings settings, @Nullable String name) throws IOException {
    EtcdEngine engine = new EtcdEngine(settings, name);
    try {
      engine.get("seal");
      if (name != null) {
        engine.announce();
        Thread.ofVirtual().name("etcd-lease").start(engine::keepAlive);
      }
      return engine;
    } catch (IOException | RuntimeException e) {
      engine.close();
      throw e;
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  /** The first key after all that begin with this one. */
  private static byte[] end(String prefix) {
    byte[] end = bytes(prefix);
    end[end.length - 1]++;
    return end;
  }

  /** etcd writes 64-bit numbers as texts, and leaves out what is zero. */
  private static long number(JsonObject json, String member) throws JsonException {
    String text = json.optionalString(member);
    try {
      return text == null ? 0 : Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw new JsonException("'" + member + "' must be a number");
    }
  }

  private static EngineException malformed(JsonException e) {
    return new EngineException("an answer of etcd is not understood: " + e.getMessage(), e);
  }

  private Entry entry(JsonObject kv) throws JsonException {
    byte[] value = kv.has("value") ? kv.bytes("value") : new byte[0];
    return new Entry(
        new String(kv.bytes("key"), UTF_8).substring(data.length()),
        value,
        number(kv, "mod_revision"));
  }

  @Override
  public @Nullable Entry get(String key) throws EngineException {
    JsonObject request = new JsonObject().put("key", bytes(data + key));
    try {
      List<JsonObject> found = etcd.read("/v3/kv/range", request).objects("kvs");
      return found.isEmpty() ? null : entry(found.getFirst());
    } catch (JsonException e) {
      throw malformed(e);
    }
  }

  @Override
  public List<Entry> range(String after, int limit, long revision) throws EngineException {
    List<Entry> entries = new ArrayList<>();
    String last = after;
    while (entries.size() < limit) {
      int page = Math.min(PAGE, limit - entries.size());
      JsonObject request =
          new JsonObject()
              .put("key", bytes(data + last + (last.isEmpty() ? "" : "\0")))
              .put("range_end", end(data))
              .put("revision", Long.toString(revision))
              .put("limit", Integer.toString(page));
      try {
        List<JsonObject> found = etcd.read("/v3/kv/range", request).objects("kvs");
        for (JsonObject each : found) {
          entries.add(entry(each));
        }
        if (found.size() < page) {
          break;
        }
        last = entries.getLast().key();
      } catch (JsonException e) {
        throw malformed(e);
      }
    }
    return entries;
  }

  @Override
  public long apply(List<Change> changes) throws EngineException {
    if (changes.size() > MAX_CHANGES) {
      throw new EngineException("too many changes for one transaction of etcd");
    }
    List<JsonObject> compare = new ArrayList<>();
    List<JsonObject> success = new ArrayList<>();
    for (Change change : changes) {
      byte[] key = bytes(data + change.key());
      compare.add(
          new JsonObject()
              .put("key", key)
              .put("target", "MOD")
              .put("result", "EQUAL")
              .put("mod_revision", Long.toString(change.expectedVersion())));
      byte[] value = change.value();
      success.add(
          value == null
              ? new JsonObject().put("request_delete_range", new JsonObject().put("key", key))
              : new JsonObject()
                  .put("request_put", new JsonObject().put("key", key).put("value", value)));
    }
    JsonObject answer;
    try {
      answer =
          etcd.write(
              "/v3/kv/txn", new JsonObject().put("compare", compare).put("success", success));
    } catch (EngineException e) {
      long revision = revisionOf(changes);
      if (revision > 0) {
        return revision;
      }
      throw e;
    }
    try {
      if (!answer.bool("succeeded", false)) {
        throw new ConflictException("an entry in etcd has changed");
      }
      return number(answer.object("header"), "revision");
    } catch (JsonException e) {
      throw malformed(e);
    }
  }

  /**
   * The revision of a transaction whose answer was lost, if one of its values is there: no two are
   * the same, since each holds a nonce or a signature. Otherwise 0, which leaves it open.
   */
  private long revisionOf(List<Change> changes) throws EngineException {
    for (Change change : changes.reversed()) {
      byte[] value = change.value();
      if (value != null) {
        Entry entry = get(change.key());
        return entry != null && Arrays.equals(entry.value(), value) ? entry.version() : 0;
      }
    }
    return 0;
  }

  @Override
  public int maxChanges() {
    return MAX_CHANGES;
  }

  @Override
  public boolean isShared() {
    return true;
  }

  // --- watching ----------------------------------------------------------------------------------

  @Override
  public Watch watch(long after, Consumer<Applied> listener, Runnable lost) {
    Following following = new Following(after, listener, lost);
    watches.add(following);
    following.thread.start();
    return following;
  }

  /** One watch, which goes on at another member when the one it listens to is gone. */
  private final class Following implements Watch {
    private final Consumer<Applied> listener;
    private final Runnable lost;
    private final Thread thread = Thread.ofVirtual().name("etcd-watch").unstarted(this::run);
    private long seen;
    private volatile boolean ended;
    private volatile @Nullable InputStream stream;

    Following(long after, Consumer<Applied> listener, Runnable lost) {
      this.seen = after;
      this.listener = listener;
      this.lost = lost;
    }

    private void run() {
      URI member = etcd.next();
      while (!ended && !closed) {
        try {
          if (!follow(member)) {
            close();
            lost.run();
            return;
          }
        } catch (IOException | JsonException | RuntimeException e) {
          if (ended || closed) {
            return;
          }
          LOG.log(
              System.Logger.Level.DEBUG, "the watch at {0} has ended: {1}", member, e.getMessage());
        }
        member = etcd.next();
        synchronized (waking) {
          try {
            if (!ended && !closed) {
              waking.wait(RETRY_MILLIS);
            }
          } catch (InterruptedException e) {
            return;
          }
        }
      }
    }

    /** False if etcd has forgotten what comes next. */
    private boolean follow(URI member) throws IOException, JsonException {
      JsonObject create =
          new JsonObject()
              .put("key", bytes(data))
              .put("range_end", end(data))
              .put("start_revision", Long.toString(seen + 1));
      try (InputStream in =
          etcd.stream(member, "/v3/watch", new JsonObject().put("create_request", create))) {
        stream = in;
        byte[] line;
        InputStream lines = new BufferedInputStream(in, 1 << 16);
        while (!ended && (line = readLine(lines)) != null) {
          JsonObject message = JsonObject.parse(line, BINARY);
          if (message.has("error")) {
            throw new IOException("etcd ends the watch");
          }
          JsonObject result = message.object("result");
          if (number(result, "compact_revision") > 0) {
            return false;
          }
          if (result.bool("canceled", false)) {
            throw new IOException("etcd has cancelled the watch");
          }
          tell(result.objects("events"));
        }
        return true;
      } catch (LineTooLongException e) {
        return false;
      } finally {
        stream = null;
      }
    }

    private void tell(List<JsonObject> events) throws JsonException {
      List<Change> changes = new ArrayList<>();
      long revision = 0;
      for (JsonObject event : events) {
        JsonObject kv = event.object("kv");
        Entry entry = entry(kv);
        if (entry.version() != revision) {
          deliver(revision, changes);
          changes = new ArrayList<>();
          revision = entry.version();
        }
        boolean deleted = "DELETE".equals(event.optionalString("type"));
        changes.add(new Change(entry.key(), deleted ? null : entry.value(), 0));
      }
      deliver(revision, changes);
    }

    private void deliver(long revision, List<Change> changes) {
      if (revision > seen) {
        listener.accept(new Applied(revision, List.copyOf(changes)));
        seen = revision;
      }
    }

    @Override
    public void nudge() {
      InputStream in = stream;
      if (in != null) {
        try {
          in.close();
        } catch (IOException e) {
          LOG.log(System.Logger.Level.DEBUG, "while leaving a member: {0}", e.getMessage());
        }
      }
    }

    @Override
    public void close() {
      ended = true;
      watches.remove(this);
      nudge();
      wake();
    }
  }

  /** A line that nobody would parse; what it says can be read in another way. */
  private static final class LineTooLongException extends IOException {
    private static final long serialVersionUID = 1;
  }

  private static byte @Nullable [] readLine(InputStream in) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    int next;
    while ((next = in.read()) >= 0 && next != '\n') {
      line.write(next);
      if (line.size() > MAX_LINE_BYTES) {
        throw new LineTooLongException();
      }
    }
    return next < 0 ? null : line.toByteArray();
  }

  private void wake() {
    synchronized (waking) {
      waking.notifyAll();
    }
  }

  // --- leases ------------------------------------------------------------------------------------

  private void announce() throws EngineException {
    try {
      long granted =
          number(
              etcd.write(
                  "/v3/lease/grant", new JsonObject().put("TTL", Integer.toString(LEASE_SECONDS))),
              "ID");
      etcd.write(
          "/v3/kv/put",
          new JsonObject()
              .put("key", bytes(live + name))
              .put("value", bytes("1"))
              .put("lease", Long.toString(granted)));
      lease = granted;
    } catch (JsonException e) {
      throw malformed(e);
    }
  }

  private void keepAlive() {
    while (!closed) {
      synchronized (waking) {
        try {
          if (!closed) {
            waking.wait(KEEP_ALIVE_MILLIS);
          }
        } catch (InterruptedException e) {
          return;
        }
      }
      if (closed) {
        return;
      }
      try {
        JsonObject answer =
            etcd.read("/v3/lease/keepalive", new JsonObject().put("ID", Long.toString(lease)));
        if (number(answer.object("result"), "TTL") <= 0 && !closed) {
          announce();
        }
      } catch (EngineException | JsonException e) {
        LOG.log(System.Logger.Level.DEBUG, "the lease in etcd: {0}", e.getMessage());
      }
    }
  }

  @Override
  public boolean hasTurn() throws EngineException {
    long mine = lease;
    if (mine == 0) {
      return false;
    }
    byte[] key = bytes(turn);
    JsonObject request =
        new JsonObject()
            .put(
                "compare",
                List.of(
                    new JsonObject()
                        .put("key", key)
                        .put("target", "CREATE")
                        .put("result", "EQUAL")
                        .put("create_revision", "0")))
            .put(
                "success",
                List.of(
                    new JsonObject()
                        .put(
                            "request_put",
                            new JsonObject()
                                .put("key", key)
                                .put("value", bytes(Long.toString(mine)))
                                .put("lease", Long.toString(mine)))))
            .put(
                "failure",
                List.of(new JsonObject().put("request_range", new JsonObject().put("key", key))));
    JsonObject answer;
    try {
      answer = etcd.write("/v3/kv/txn", request);
    } catch (EngineException e) {
      if (String.valueOf(e.getMessage()).contains(LEASE_GONE)) {
        return false; // the next keep-alive takes a new one
      }
      throw e;
    }
    try {
      if (answer.bool("succeeded", false)) {
        return true;
      }
      List<JsonObject> holder =
          answer.objects("responses").getFirst().object("response_range").objects("kvs");
      return !holder.isEmpty()
          && new String(holder.getFirst().bytes("value"), US_ASCII).equals(Long.toString(mine));
    } catch (JsonException e) {
      throw malformed(e);
    }
  }

  @Override
  public List<String> servers() throws EngineException {
    JsonObject request =
        new JsonObject().put("key", bytes(live)).put("range_end", end(live)).put("keys_only", true);
    try {
      List<String> names = new ArrayList<>();
      for (JsonObject kv : etcd.read("/v3/kv/range", request).objects("kvs")) {
        names.add(new String(kv.bytes("key"), UTF_8).substring(live.length()));
      }
      return names;
    } catch (JsonException e) {
      throw malformed(e);
    }
  }

  // --- backups -----------------------------------------------------------------------------------

  /** Writes the entries as of one revision into the file of an embedded store. */
  @Override
  public void backUp(Path file) throws EngineException {
    Path parent = file.toAbsolutePath().getParent();
    Path scratch = null;
    try {
      scratch = Files.createTempDirectory(parent, ".backup");
      Path copy = scratch.resolve("store.db");
      try (SqliteEngine target = SqliteEngine.open(copy)) {
        Entry any = get("ledger");
        long revision = any == null ? 0 : any.version();
        String after = "";
        while (true) {
          List<Entry> entries = range(after, 1000, revision);
          if (entries.isEmpty()) {
            break;
          }
          target.apply(entries.stream().map(e -> Change.put(e.key(), e.value(), ABSENT)).toList());
          after = entries.getLast().key();
        }
        target.backUp(file);
      }
    } catch (EngineException e) {
      throw e;
    } catch (IOException e) {
      throw new EngineException("cannot write the copy " + file + ": " + e.getMessage(), e);
    } finally {
      removeAll(scratch);
    }
  }

  private static void removeAll(@Nullable Path directory) {
    if (directory == null) {
      return;
    }
    try (var files = Files.newDirectoryStream(directory)) {
      for (Path each : files) {
        Files.delete(each);
      }
      Files.delete(directory);
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "cannot remove {0}: {1}", directory, e.getMessage());
    }
  }

  /**
   * Fills the prefix, in which nothing may be, from an embedded store. The ledger goes in last:
   * what was interrupted does not open.
   *
   * @throws ConflictException if there is something
   */
  public void fill(Engine source) throws EngineException {
    if (!range("", 1, 0).isEmpty()) {
      throw new ConflictException(
          "etcd holds a store under this prefix already; name another prefix");
    }
    String after = "";
    List<Change> last = new ArrayList<>();
    while (true) {
      List<Entry> entries = source.range(after, MAX_CHANGES / 2, 0);
      if (entries.isEmpty()) {
        break;
      }
      after = entries.getLast().key();
      List<Change> changes = new ArrayList<>();
      for (Entry entry : entries) {
        boolean late = entry.key().equals("ledger") || entry.key().equals("seal");
        (late ? last : changes).add(Change.put(entry.key(), entry.value(), ABSENT));
      }
      if (!changes.isEmpty()) {
        apply(changes);
      }
    }
    apply(last);
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    wake();
    for (Following watch : watches) {
      watch.close();
    }
    long mine = lease;
    if (mine != 0) {
      try {
        etcd.write("/v3/lease/revoke", new JsonObject().put("ID", Long.toString(mine)));
      } catch (EngineException e) {
        // It ends by itself a few seconds later.
        LOG.log(System.Logger.Level.DEBUG, "the lease in etcd: {0}", e.getMessage());
      }
    }
    etcd.close();
  }
}
