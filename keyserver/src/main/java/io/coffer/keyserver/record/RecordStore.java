package io.coffer.keyserver.record;

import io.coffer.crypto.Aead;
import io.coffer.crypto.AesGcm;
import io.coffer.crypto.Hkdf;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.batch.GroupCommit;
import io.coffer.keyserver.engine.ConflictException;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.Engine.Applied;
import io.coffer.keyserver.engine.Engine.Change;
import io.coffer.keyserver.engine.Engine.Entry;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.record.RecordIndex.Known;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * Records (an id, a version, content) in an engine that is not trusted.
 *
 * <p>Layout in the engine, integers big-endian:
 *
 * <pre>
 * key    "r" || hex(HMAC-SHA-256(name key, id), first 20 bytes)
 * value  version u64 || nonce 12 || AES-256-GCM(record key, id length u16 || id || content) || tag 16
 *        associated data: "coffer record 1" || 0 || key || version u64
 * key    "ledger"
 * value  the same form, of: sequence u64 || records u64 || sum 32
 * </pre>
 *
 * The engine therefore learns how many records there are and how long they are, and nothing else. A
 * record's version is the ledger's sequence number when it was written, so that no version is ever
 * used twice. The ledger's sum is, modulo 2^256, the sum over all records of HMAC-SHA-256(ledger
 * key, key || version): replacing, moving, rolling back, adding or removing any record without the
 * ledger is found when the store is opened, and while it is open also with the ledger, because the
 * open store remembers the version of every record. What remains to whoever controls the engine is
 * to roll back the whole store, between two runs; the audit log shows that.
 *
 * <p>Commits of several threads share one transaction of the engine.
 *
 * <p>Several servers may share the engine. Every transaction replaces the ledger, and only the one
 * that it was made from, so that the engine puts the transactions of all servers in one order. Each
 * server follows the others' by the engine's watch and compares every one of them with the ledger
 * that came with it. {@link #sync} makes sure that what was acknowledged anywhere before is known
 * here. Whether a transaction whose answer got lost was done, the watch tells.
 *
 * <p>Thread-safe.
 */
public final class RecordStore implements AutoCloseable {
  /** Longest content of a record. */
  public static final int MAX_CONTENT_BYTES = 512 << 10;

  /** A transaction is closed when it has grown to this; etcd takes 1.5 MiB. */
  private static final int MAX_BATCH_BYTES = 512 << 10;

  private static final String LEDGER = "ledger";
  private static final int NONCE_BYTES = 12;
  private static final int VERSION_BYTES = 8;
  private static final int LEDGER_BYTES = 48;
  private static final int SCAN_ENTRIES = 1000;
  private static final int MAX_CACHED = 20_000;
  private static final int MAX_CACHED_BYTES = 4096;
  private static final long PATIENCE_NANOS = Duration.ofSeconds(12).toNanos();
  private static final long NUDGE_NANOS = Duration.ofSeconds(2).toNanos();
  private static final int LONGEST_PAUSE_MILLIS = 40;
  private static final BigInteger MODULUS = BigInteger.ONE.shiftLeft(256);

  /** A record; the content is the caller's own array. */
  public record Stored(String id, long version, byte[] content) {}

  /**
   * One write of a transaction.
   *
   * @param content null deletes the record
   * @param expectedVersion the version it has now, 0 if it must not exist
   */
  public record Write(String id, byte @Nullable [] content, long expectedVersion) {}

  private static final class Pending {
    final List<Write> writes;
    long version;
    @Nullable EngineException failure;

    Pending(List<Write> writes) {
      this.writes = writes;
    }
  }

  private final Engine engine;
  private final Aead aead;
  private final SecretBytes nameKey;
  private final SecretBytes ledgerKey;
  private volatile RecordIndex index = new RecordIndex();

  /** Of a shared engine: which id a key of the engine stands for. Guarded by committing. */
  private final Map<String, String> ids = new HashMap<>();

  /** Of a shared engine: entries as they were read, still sealed, to spare the way to it. */
  private final Map<String, Entry> cached = new ConcurrentHashMap<>();

  private volatile Consumer<String> listener = id -> {};
  private Engine.@Nullable Watch watch;

  private final GroupCommit<Pending> batches = new GroupCommit<>(new Batches());

  private final ReentrantLock syncing = new ReentrantLock();
  private final AtomicLong syncsAsked = new AtomicLong();
  private long syncsCovered;

  /** Held by the thread that commits for all who wait. Guards the fields below. */
  private final ReentrantLock committing = new ReentrantLock();

  /** Signalled when the watch has brought something. */
  private final Condition followed = committing.newCondition();

  /** The ledgers of a transaction of ours of which it is not known whether it was done. */
  private final List<byte[]> attempts = new ArrayList<>();

  /** The revision of the one that was. */
  private long attemptDone;

  private long sequence;
  private BigInteger sum = BigInteger.ZERO;
  private long ledgerEngineVersion;
  private @Nullable String broken;

  private RecordStore(Engine engine, SecretBytes root) {
    this.engine = engine;
    try (SecretBytes recordKey = derive(root, "coffer keyserver record key 1")) {
      this.aead = recordKey.read(key -> new AesGcm(key, NONCE_BYTES));
    }
    this.nameKey = derive(root, "coffer keyserver name key 1");
    this.ledgerKey = derive(root, "coffer keyserver ledger key 1");
  }

  private static SecretBytes derive(SecretBytes root, String info) {
    return Hkdf.SHA256.derive(root, info.getBytes(StandardCharsets.US_ASCII), 32);
  }

  /** Makes an engine that holds no records into a store under a root key of 32 bytes. */
  public static RecordStore create(Engine engine, SecretBytes root) throws EngineException {
    RecordStore store = new RecordStore(engine, root);
    try {
      byte[] ledger = store.seal(LEDGER, 0, ledger(new Prepared()));
      engine.apply(List.of(Change.put(LEDGER, ledger, Engine.ABSENT)));
      store.load();
      return store;
    } catch (EngineException | RuntimeException e) {
      store.close();
      throw e;
    }
  }

  /**
   * Opens a store: reads every record and compares them with the ledger.
   *
   * @throws IntegrityException if anything but a rolled-back whole is found
   */
  public static RecordStore open(Engine engine, SecretBytes root) throws EngineException {
    RecordStore store = new RecordStore(engine, root);
    try {
      store.load();
      return store;
    } catch (EngineException | RuntimeException e) {
      store.close();
      throw e;
    }
  }

  /** Reads everything, and then follows what others write. */
  private void load() throws EngineException {
    committing.lock();
    try {
      read();
      if (engine.isShared() && broken == null) {
        if (watch != null) {
          watch.close();
        }
        watch = engine.watch(ledgerEngineVersion, this::follow, this::reload);
      }
    } finally {
      committing.unlock();
    }
  }

  /** Everything anew: the engine could not tell what has happened in between. */
  private void reload() {
    long end = System.nanoTime() + PATIENCE_NANOS;
    while (true) {
      committing.lock();
      try {
        if (broken != null) {
          return;
        }
        load();
        listener.accept("");
        followed.signalAll();
        return;
      } catch (IntegrityException e) {
        broken = String.valueOf(e.getMessage());
        return;
      } catch (EngineException e) {
        if (System.nanoTime() > end) {
          broken = "the store cannot be read any more; restart the server";
          return;
        }
      } finally {
        committing.unlock();
      }
    }
  }

  private void read() throws EngineException {
    Entry entry = engine.get(LEDGER);
    if (entry == null) {
      throw new IntegrityException("the store has lost its ledger; restore it from a backup");
    }
    ByteBuffer ledger = ByteBuffer.wrap(unseal(entry));
    if (ledger.remaining() != LEDGER_BYTES) {
      throw new IntegrityException("the store's ledger has a wrong length");
    }
    long newSequence = ledger.getLong();
    if (newSequence < sequence) {
      throw new IntegrityException("the store was rolled back while it was open");
    }
    long records = ledger.getLong();
    byte[] sumBytes = new byte[32];
    ledger.get(sumBytes);
    RecordIndex newIndex = new RecordIndex();
    Map<String, String> newIds = new HashMap<>();
    BigInteger newSum = BigInteger.ZERO;
    String after = "r";
    while (true) {
      List<Entry> entries = engine.range(after, SCAN_ENTRIES, entry.version());
      for (Entry each : entries) {
        after = each.key();
        if (!after.startsWith("r")) {
          continue;
        }
        Stored record = record(each);
        newIndex.put(record.id(), new Known(record.version(), each.version()));
        if (engine.isShared()) {
          newIds.put(after, record.id());
        }
        newSum = newSum.add(element(after, record.version())).mod(MODULUS);
      }
      if (entries.size() < SCAN_ENTRIES) {
        break;
      }
    }
    if (newIndex.size() != records || !newSum.equals(new BigInteger(1, sumBytes))) {
      throw new IntegrityException(
          "the store does not match its ledger: records were removed, added or rolled back;"
              + " restore it from a backup");
    }
    sequence = newSequence;
    sum = newSum;
    ledgerEngineVersion = entry.version();
    index = newIndex;
    cached.clear();
    ids.clear();
    ids.putAll(newIds);
  }

  /**
   * Tells of every record that another server has written or deleted, by its id; of the empty id if
   * any may have been. Called with a lock held: it must not use this store.
   */
  public void listen(Consumer<String> newListener) {
    listener = newListener;
  }

  /** A transaction that is in the engine, ours or another server's. */
  private void follow(Applied applied) {
    List<String> changed = new ArrayList<>();
    committing.lock();
    try {
      if (broken != null || applied.revision() <= ledgerEngineVersion) {
        return;
      }
      if (applied.changes().stream().anyMatch(change -> change.key().equals(LEDGER))) {
        absorb(applied, changed);
      } else if (applied.changes().stream().anyMatch(change -> change.key().startsWith("r"))) {
        throw new IntegrityException(
            "the store was changed by somebody who is no key server; restart to check it");
      }
    } catch (EngineException e) {
      broken = String.valueOf(e.getMessage());
    } finally {
      followed.signalAll();
      committing.unlock();
    }
    changed.forEach(listener);
  }

  private void absorb(Applied applied, List<String> changed) throws EngineException {
    BigInteger newSum = sum;
    long newSequence = -1;
    long records = -1;
    byte[] sumBytes = new byte[32];
    Map<String, Known> overlay = new HashMap<>();
    for (Change change : applied.changes()) {
      byte[] value = change.value();
      String key = change.key();
      if (key.equals(LEDGER) && value != null) {
        if (attempts.stream().anyMatch(attempt -> Arrays.equals(attempt, value))) {
          attemptDone = applied.revision();
        }
        ByteBuffer ledger = ByteBuffer.wrap(unseal(new Entry(key, value, applied.revision())));
        if (ledger.remaining() == LEDGER_BYTES) {
          newSequence = ledger.getLong();
          records = ledger.getLong();
          ledger.get(sumBytes);
        }
      } else if (key.startsWith("r")) {
        String id = ids.get(key);
        Known old = id == null ? null : index.get(id);
        if (old != null) {
          newSum = newSum.subtract(element(key, old.version()));
        }
        if (value != null) {
          Stored record = record(new Entry(key, value, applied.revision()));
          Arrays.fill(record.content(), (byte) 0);
          id = record.id();
          newSum = newSum.add(element(key, record.version()));
          overlay.put(id, new Known(record.version(), applied.revision()));
          ids.put(key, id);
        } else if (id != null) {
          overlay.put(id, new Known(0, Engine.ABSENT));
          ids.remove(key);
        }
        if (id != null) {
          changed.add(id);
        }
      }
    }
    newSum = newSum.mod(MODULUS);
    overlay.forEach((id, known) -> {
      if (known.version() == 0) {
        index.remove(id);
      } else {
        index.put(id, known);
      }
    });
    if (newSequence <= sequence
        || records != index.size()
        || !newSum.equals(new BigInteger(1, sumBytes))) {
      throw new IntegrityException(
          "a change in the store does not match its ledger; restart the server to check it");
    }
    sequence = newSequence;
    sum = newSum;
    ledgerEngineVersion = applied.revision();
  }

  /**
   * Makes sure that everything that was acknowledged by any server before this call is known here.
   * Those who call at the same time share one question to the engine.
   */
  public void sync() throws EngineException {
    if (!engine.isShared()) {
      return;
    }
    long mine = syncsAsked.incrementAndGet();
    syncing.lock();
    try {
      if (syncsCovered >= mine) {
        return;
      }
      long covers = syncsAsked.get();
      catchUp();
      syncsCovered = covers;
    } finally {
      syncing.unlock();
    }
  }

  private void catchUp() throws EngineException {
    long before;
    committing.lock();
    try {
      before = ledgerEngineVersion;
    } finally {
      committing.unlock();
    }
    Entry ledger = engine.get(LEDGER);
    if (ledger == null) {
      throw new IntegrityException("the store has lost its ledger; restore it from a backup");
    }
    committing.lock();
    try {
      if (ledger.version() < before && broken == null) {
        broken = "the store was rolled back while it was open; restart the server to check it";
      }
      long end = System.nanoTime() + PATIENCE_NANOS;
      while (broken == null && ledgerEngineVersion < ledger.version()) {
        long left = end - System.nanoTime();
        if (left <= 0) {
          throw new EngineException("the store's changes do not arrive here");
        }
        if (followed.awaitNanos(Math.min(left, NUDGE_NANOS)) <= 0 && watch != null) {
          watch.nudge();
        }
      }
      if (broken != null) {
        throw new IntegrityException(broken);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new EngineException("interrupted while waiting for the store", e);
    } finally {
      committing.unlock();
    }
  }

  /** How many records there are. */
  public int size() {
    return index.size();
  }

  /** The number of the last commit. */
  public long sequence() {
    committing.lock();
    try {
      return sequence;
    } finally {
      committing.unlock();
    }
  }

  /** Reads a record. */
  public Optional<Stored> get(String id) throws EngineException {
    while (true) {
      Known known = index.get(id);
      if (known == null) {
        return Optional.empty();
      }
      String key = key(id);
      Entry entry = cached.get(key);
      if (entry == null || storedVersion(entry) != known.version()) {
        entry = engine.get(key);
      }
      if (entry != null && storedVersion(entry) == known.version()) {
        keep(entry);
        return Optional.of(record(entry));
      }
      if (engine.isShared()) {
        // Another server's commit may have passed in between.
        sync();
      }
      // A commit may have passed in between; it is in the engine before it is in the index.
      committing.lock();
      try {
        if (known.equals(index.get(id))) {
          throw new IntegrityException(
              entry == null
                  ? "a record is missing from the store; restore it from a backup"
                  : "a record in the store is not the one last written; restore it from a backup");
        }
      } finally {
        committing.unlock();
      }
    }
  }

  private void keep(Entry entry) {
    if (engine.isShared() && entry.value().length <= MAX_CACHED_BYTES) {
      if (cached.size() >= MAX_CACHED) {
        cached.clear();
      }
      cached.put(entry.key(), entry);
    }
  }

  /**
   * Ids in their order.
   *
   * @param prefix what they begin with
   * @param after only ids above this one; empty for all
   */
  public List<String> ids(String prefix, String after, int limit) {
    return index.ids(prefix, after, limit);
  }

  /**
   * How many records a directory has, without counting them.
   *
   * @param directory what their ids have up to the last slash
   */
  public int count(String directory) {
    return index.count(directory);
  }

  /**
   * Writes all records, or none; durable when it returns.
   *
   * @return the version that the written records have
   * @throws ConflictException if a record does not have the version expected
   */
  public long commit(List<Write> writes) throws EngineException {
    Pending pending = new Pending(writes);
    batches.run(pending);
    EngineException failure = pending.failure;
    if (failure != null) {
      throw failure;
    }
    return pending.version;
  }

  private final class Batches implements GroupCommit.Work<Pending> {
    /** As many as one transaction takes, with the ledger. */
    @Override
    public boolean fits(List<Pending> batch, Pending next) {
      int changes = 1 + next.writes.size();
      long bytes = bytes(next);
      for (Pending pending : batch) {
        changes += pending.writes.size();
        bytes += bytes(pending);
      }
      return changes <= engine.maxChanges() && bytes <= MAX_BATCH_BYTES;
    }

    @Override
    public void run(List<Pending> batch) {
      committing.lock();
      try {
        commitBatch(batch);
      } finally {
        committing.unlock();
      }
    }

    private static long bytes(Pending pending) {
      long bytes = 0;
      for (Write write : pending.writes) {
        byte[] content = write.content();
        bytes += content == null ? 0 : content.length;
      }
      return bytes;
    }
  }

  /** What a batch comes to. */
  private static final class Prepared {
    final Map<String, Known> overlay = new HashMap<>();
    final Map<String, Change> changes = new LinkedHashMap<>();
    final List<Pending> accepted = new ArrayList<>();
    long sequence;
    BigInteger sum = BigInteger.ZERO;
    long records;
  }

  /** Commits those who may, together; afterwards each of them is done, well or not. */
  private void commitBatch(List<Pending> batch) {
    long end = System.nanoTime() + PATIENCE_NANOS;
    EngineException failure = null;
    attempts.clear();
    attemptDone = 0;
    try {
      for (int round = 0; failure == null; round++) {
        Prepared prepared = prepare(batch);
        if (prepared.accepted.isEmpty()) {
          break;
        }
        byte[] ledger = seal(LEDGER, prepared.sequence, ledger(prepared));
        List<Change> all = new ArrayList<>(prepared.changes.values());
        all.add(Change.put(LEDGER, ledger, ledgerEngineVersion));
        long revision = 0;
        try {
          if (all.size() > engine.maxChanges()) {
            throw new EngineException("a transaction of " + all.size() + " changes is too large");
          }
          revision =
              engine.isShared()
                  ? applyAmongOthers(all, ledger, round, end)
                  : applyOrFindApplied(all, prepared.sequence);
        } catch (EngineException e) {
          failure = e;
        }
        if (revision > 0) {
          settle(prepared, revision);
          break;
        }
      }
    } finally {
      for (Pending pending : batch) {
        if (pending.version == 0 && pending.failure == null) {
          pending.failure =
              failure == null ? new EngineException("the store failed in a write") : failure;
        }
      }
    }
  }

  private Prepared prepare(List<Pending> batch) {
    Prepared prepared = new Prepared();
    prepared.sequence = sequence;
    prepared.sum = sum;
    prepared.records = index.size();
    for (Pending pending : batch) {
      pending.failure = check(pending.writes, prepared.overlay);
      if (pending.failure != null) {
        continue;
      }
      prepared.accepted.add(pending);
      prepared.sequence++;
      for (Write write : pending.writes) {
        String key = key(write.id());
        Known old = known(write.id(), prepared.overlay);
        byte[] content = write.content();
        if (old.version() != 0) {
          prepared.sum = prepared.sum.subtract(element(key, old.version()));
          prepared.records--;
        }
        if (content != null) {
          prepared.sum = prepared.sum.add(element(key, prepared.sequence));
          prepared.records++;
        }
        prepared.overlay.put(
            write.id(), new Known(content == null ? 0 : prepared.sequence, old.engineVersion()));
        prepared.changes.put(
            key,
            new Change(
                key,
                content == null ? null : seal(key, prepared.sequence, plain(write.id(), content)),
                old.engineVersion()));
      }
    }
    prepared.sum = prepared.sum.mod(MODULUS);
    // Made and deleted within one batch: nothing for the engine to do.
    prepared
        .changes
        .values()
        .removeIf(c -> c.value() == null && c.expectedVersion() == Engine.ABSENT);
    return prepared;
  }

  /** The batch is in the engine; if the watch was faster, in the index, too. */
  private void settle(Prepared prepared, long revision) {
    long version = prepared.sequence - prepared.accepted.size();
    for (Pending pending : prepared.accepted) {
      pending.version = ++version;
    }
    if (revision <= ledgerEngineVersion) {
      return;
    }
    sequence = prepared.sequence;
    sum = prepared.sum;
    ledgerEngineVersion = revision;
    prepared.overlay.forEach((id, known) -> {
      if (known.version() == 0) {
        index.remove(id);
      } else {
        index.put(id, new Known(known.version(), revision));
      }
      if (engine.isShared()) {
        if (known.version() == 0) {
          ids.remove(key(id));
        } else {
          ids.put(key(id), id);
        }
      }
    });
  }

  /**
   * Applies a batch to an engine that others write to.
   *
   * @return the revision; 0 if it was not applied and has to be prepared anew
   */
  private long applyAmongOthers(List<Change> changes, byte[] ledger, int round, long end)
      throws EngineException {
    long before = ledgerEngineVersion;
    attempts.add(ledger);
    EngineException failure = null;
    try {
      return engine.apply(changes);
    } catch (ConflictException e) {
      // Said by the ledger below.
    } catch (EngineException e) {
      failure = e;
    }
    try {
      catchUp();
    } catch (IntegrityException e) {
      throw e;
    } catch (EngineException e) {
      throw failure == null ? e : failure;
    }
    if (attemptDone > 0) {
      return attemptDone;
    }
    if (ledgerEngineVersion != before) {
      // No earlier attempt can be applied any more: each expected the ledger of before.
      attempts.clear();
    } else if (failure == null) {
      broken = "the store was changed by somebody who is no key server; restart to check it";
      throw new IntegrityException(broken);
    }
    if (System.nanoTime() > end) {
      throw failure == null ? new EngineException("too many others write at the moment") : failure;
    }
    giveWay(round);
    return attemptDone;
  }

  /** Others follow and commit meanwhile: waiting lets go of the lock. */
  private void giveWay(int round) throws EngineException {
    long longest = Math.min(2L << Math.min(round, 10), LONGEST_PAUSE_MILLIS);
    long nanos = ThreadLocalRandom.current().nextLong(longest * 1_000_000);
    try {
      while (nanos > 0 && attemptDone == 0) {
        nanos = followed.awaitNanos(nanos);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new EngineException("interrupted while waiting for the store", e);
    }
  }

  /**
   * Applies a batch; if the engine fails, finds out from the ledger whether it did all the same.
   */
  private long applyOrFindApplied(List<Change> changes, long newSequence) throws EngineException {
    try {
      return engine.apply(changes);
    } catch (ConflictException e) {
      broken =
          "the store was changed by somebody else while this server had it open;"
              + " restart the server to check it";
      throw new IntegrityException(broken);
    } catch (EngineException e) {
      Entry entry;
      try {
        entry = engine.get(LEDGER);
      } catch (EngineException again) {
        broken = "the store failed in the middle of a write; restart the server to check it";
        e.addSuppressed(again);
        throw e;
      }
      if (entry != null && storedVersion(entry) == newSequence) {
        return entry.version();
      }
      throw e;
    }
  }

  private @Nullable EngineException check(List<Write> writes, Map<String, Known> overlay) {
    if (broken != null) {
      return new IntegrityException(broken);
    }
    for (Write write : writes) {
      if (known(write.id(), overlay).version() != write.expectedVersion()) {
        return new ConflictException("the record " + write.id() + " has changed");
      }
      byte[] content = write.content();
      if (content != null && content.length > MAX_CONTENT_BYTES) {
        return new EngineException("the record " + write.id() + " would be too long");
      }
    }
    return null;
  }

  private Known known(String id, Map<String, Known> overlay) {
    Known known = overlay.get(id);
    if (known == null) {
      known = index.get(id);
    }
    return known == null ? new Known(0, Engine.ABSENT) : known;
  }

  private static byte[] ledger(Prepared prepared) {
    byte[] bytes = new byte[LEDGER_BYTES];
    ByteBuffer.wrap(bytes).putLong(prepared.sequence).putLong(prepared.records);
    byte[] sumBytes = prepared.sum.toByteArray();
    int length = Math.min(32, sumBytes.length);
    System.arraycopy(sumBytes, sumBytes.length - length, bytes, LEDGER_BYTES - length, length);
    return bytes;
  }

  private String key(String id) {
    return "r"
        + HexFormat.of()
            .formatHex(hmac(nameKey, id.getBytes(StandardCharsets.UTF_8), new byte[0]), 0, 20);
  }

  private BigInteger element(String key, long version) {
    return new BigInteger(
        1,
        hmac(
            ledgerKey,
            key.getBytes(StandardCharsets.US_ASCII),
            ByteBuffer.allocate(VERSION_BYTES).putLong(version).array()));
  }

  private static byte[] hmac(SecretBytes key, byte[] first, byte[] second) {
    return key.read(bytes -> {
      try {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(bytes, "HmacSHA256"));
        mac.update(first);
        return mac.doFinal(second);
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException("this Java runtime lacks HmacSHA256", e);
      }
    });
  }

  private static byte[] plain(String id, byte[] content) {
    byte[] name = id.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(2 + name.length + content.length)
        .putShort((short) name.length)
        .put(name)
        .put(content)
        .array();
  }

  private static byte[] associated(String key, long version) {
    byte[] domain = "coffer record 1\0".getBytes(StandardCharsets.US_ASCII);
    byte[] name = key.getBytes(StandardCharsets.US_ASCII);
    return ByteBuffer.allocate(domain.length + name.length + VERSION_BYTES)
        .put(domain)
        .put(name)
        .putLong(version)
        .array();
  }

  private byte[] seal(String key, long version, byte[] plain) {
    byte[] value = new byte[VERSION_BYTES + aead.overheadBytes() + plain.length];
    ByteBuffer.wrap(value).putLong(version);
    RandomBytes.fill(value, VERSION_BYTES, NONCE_BYTES);
    aead.seal(associated(key, version), plain, 0, plain.length, value, VERSION_BYTES);
    Arrays.fill(plain, (byte) 0);
    return value;
  }

  private static long storedVersion(Entry entry) {
    return entry.value().length < VERSION_BYTES ? -1 : ByteBuffer.wrap(entry.value()).getLong();
  }

  private byte[] unseal(Entry entry) throws IntegrityException {
    byte[] value = entry.value();
    int sealed = value.length - VERSION_BYTES;
    if (sealed >= aead.overheadBytes()) {
      byte[] plain = new byte[sealed - aead.overheadBytes()];
      if (aead.open(
          associated(entry.key(), storedVersion(entry)), value, VERSION_BYTES, sealed, plain, 0)) {
        return plain;
      }
    }
    throw new IntegrityException(
        "a record in the store is damaged or was moved; restore it from a backup");
  }

  private Stored record(Entry entry) throws IntegrityException {
    byte[] plain = unseal(entry);
    try {
      int idBytes = plain.length < 2 ? Integer.MAX_VALUE : ByteBuffer.wrap(plain).getShort();
      if (idBytes < 0 || idBytes > plain.length - 2) {
        throw new IntegrityException("a record in the store has no id");
      }
      return new Stored(
          new String(plain, 2, idBytes, StandardCharsets.UTF_8),
          storedVersion(entry),
          Arrays.copyOfRange(plain, 2 + idBytes, plain.length));
    } finally {
      Arrays.fill(plain, (byte) 0);
    }
  }

  /** Wipes the keys; the engine stays open. */
  @Override
  public void close() {
    committing.lock();
    try {
      broken = "the store is closed";
      if (watch != null) {
        watch.close();
      }
      followed.signalAll();
      aead.close();
      nameKey.close();
      ledgerKey.close();
    } finally {
      committing.unlock();
    }
  }
}
