package io.coffer.keyserver.record;

import io.coffer.crypto.Aead;
import io.coffer.crypto.AesGcm;
import io.coffer.crypto.Hkdf;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.engine.ConflictException;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.Engine.Change;
import io.coffer.keyserver.engine.Engine.Entry;
import io.coffer.keyserver.engine.EngineException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.locks.ReentrantLock;
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
 * <p>Commits of several threads share one transaction of the engine. Thread-safe.
 */
public final class RecordStore implements AutoCloseable {
  /** Longest content of a record. */
  public static final int MAX_CONTENT_BYTES = 1 << 20;

  private static final String LEDGER = "ledger";
  private static final int NONCE_BYTES = 12;
  private static final int VERSION_BYTES = 8;
  private static final int LEDGER_BYTES = 48;
  private static final int SCAN_ENTRIES = 1000;
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

  private record Known(long version, long engineVersion) {}

  private static final class Pending {
    final List<Write> writes;
    boolean done;
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
  private final ConcurrentSkipListMap<String, Known> index = new ConcurrentSkipListMap<>();

  private final ArrayDeque<Pending> queue = new ArrayDeque<>();

  /** Held by the thread that commits for all who wait. Guards the four fields below. */
  private final ReentrantLock committing = new ReentrantLock();

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
      store.ledgerEngineVersion =
          engine.apply(
              List.of(Change.put(LEDGER, store.seal(LEDGER, 0, store.ledger()), Engine.ABSENT)));
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

  private void load() throws EngineException {
    Entry entry = engine.get(LEDGER);
    if (entry == null) {
      throw new IntegrityException("the store has lost its ledger; restore it from a backup");
    }
    ByteBuffer ledger = ByteBuffer.wrap(unseal(entry));
    if (ledger.remaining() != LEDGER_BYTES) {
      throw new IntegrityException("the store's ledger has a wrong length");
    }
    sequence = ledger.getLong();
    long records = ledger.getLong();
    byte[] sumBytes = new byte[32];
    ledger.get(sumBytes);
    ledgerEngineVersion = entry.version();
    String after = "r";
    while (true) {
      List<Entry> entries = engine.range(after, SCAN_ENTRIES);
      for (Entry each : entries) {
        after = each.key();
        if (!after.startsWith("r")) {
          continue;
        }
        Stored record = record(each);
        index.put(record.id(), new Known(record.version(), each.version()));
        sum = sum.add(element(after, record.version())).mod(MODULUS);
      }
      if (entries.size() < SCAN_ENTRIES) {
        break;
      }
    }
    if (index.size() != records || !sum.equals(new BigInteger(1, sumBytes))) {
      throw new IntegrityException(
          "the store does not match its ledger: records were removed, added or rolled back;"
              + " restore it from a backup");
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
      Entry entry = engine.get(key(id));
      if (entry != null && storedVersion(entry) == known.version()) {
        return Optional.of(record(entry));
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

  /**
   * Ids in their order.
   *
   * @param prefix what they begin with
   * @param after only ids above this one; empty for all
   */
  public List<String> ids(String prefix, String after, int limit) {
    List<String> found = new ArrayList<>();
    boolean first = after.compareTo(prefix) < 0;
    for (String id : index.tailMap(first ? prefix : after, first).keySet()) {
      if (!id.startsWith(prefix) || found.size() == limit) {
        break;
      }
      found.add(id);
    }
    return found;
  }

  /**
   * Writes all records, or none; durable when it returns.
   *
   * @return the version that the written records have
   * @throws ConflictException if a record does not have the version expected
   */
  public long commit(List<Write> writes) throws EngineException {
    Pending pending = new Pending(writes);
    synchronized (queue) {
      queue.add(pending);
    }
    committing.lock();
    try {
      if (!pending.done) {
        List<Pending> batch;
        synchronized (queue) {
          batch = new ArrayList<>(queue);
          queue.clear();
        }
        commitBatch(batch);
      }
    } finally {
      committing.unlock();
    }
    EngineException failure = pending.failure;
    if (failure != null) {
      throw failure;
    }
    return pending.version;
  }

  private void commitBatch(List<Pending> batch) {
    Map<String, Known> overlay = new HashMap<>();
    Map<String, Change> changes = new LinkedHashMap<>();
    List<Pending> accepted = new ArrayList<>();
    long newSequence = sequence;
    BigInteger newSum = sum;
    long newRecords = index.size();
    for (Pending pending : batch) {
      pending.done = true;
      EngineException refusal = check(pending.writes, overlay);
      if (refusal != null) {
        pending.failure = refusal;
        continue;
      }
      accepted.add(pending);
      pending.version = ++newSequence;
      for (Write write : pending.writes) {
        String key = key(write.id());
        Known old = known(write.id(), overlay);
        byte[] content = write.content();
        if (old.version() != 0) {
          newSum = newSum.subtract(element(key, old.version()));
          newRecords--;
        }
        if (content != null) {
          newSum = newSum.add(element(key, newSequence));
          newRecords++;
        }
        overlay.put(write.id(), new Known(content == null ? 0 : newSequence, old.engineVersion()));
        changes.put(
            key,
            new Change(
                key,
                content == null ? null : seal(key, newSequence, plain(write.id(), content)),
                old.engineVersion()));
      }
    }
    // Made and deleted within one batch: nothing for the engine to do.
    changes.values().removeIf(c -> c.value() == null && c.expectedVersion() == Engine.ABSENT);
    if (accepted.isEmpty()) {
      return;
    }
    long oldSequence = sequence;
    BigInteger oldSum = sum;
    sequence = newSequence;
    sum = newSum.mod(MODULUS);
    List<Change> all = new ArrayList<>(changes.values());
    all.add(Change.put(LEDGER, seal(LEDGER, newSequence, ledger(newRecords)), ledgerEngineVersion));
    try {
      long revision = applyOrFindApplied(all, newSequence);
      ledgerEngineVersion = revision;
      overlay.forEach((id, known) -> {
        if (known.version() == 0) {
          index.remove(id);
        } else {
          index.put(id, new Known(known.version(), revision));
        }
      });
    } catch (EngineException e) {
      sequence = oldSequence;
      sum = oldSum;
      for (Pending pending : accepted) {
        pending.failure = e;
      }
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

  private byte[] ledger() {
    return ledger(index.size());
  }

  private byte[] ledger(long records) {
    byte[] bytes = new byte[LEDGER_BYTES];
    ByteBuffer.wrap(bytes).putLong(sequence).putLong(records);
    byte[] sumBytes = sum.toByteArray();
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
      aead.close();
      nameKey.close();
      ledgerKey.close();
    } finally {
      committing.unlock();
    }
  }
}
