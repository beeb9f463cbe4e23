package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditCheck;
import io.coffer.keyserver.audit.AuditEvent;
import io.coffer.keyserver.audit.AuditException;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.box.LockBoxes;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.page.Desk;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.Share;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A server is sealed, and then knows no key, or open. It is opened by a passphrase or by as many
 * shares as the quorum needs, one after the other; shares that have been given are kept no longer
 * than {@link #SHARE_LIFETIME}. While it is open, one thread rewraps key-strings after rotations
 * and destroys keys whose grace is over. Thread-safe.
 */
final class ServerState implements AutoCloseable, Desk {
  static final Duration SHARE_LIFETIME = Duration.ofMinutes(10);
  private static final long IDLE_MILLIS = 60_000;
  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");

  private final Engine engine;
  private final AuditLog audit;
  private final AuditCheck auditCheck;
  private final Clock clock;
  private final Duration grace;
  private final HardwareSeals hardware;

  /** Requests hold it for reading; sealing takes it for writing, so that it waits for them. */
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();

  private @Nullable LockBoxes boxes;

  /** Guarded by lock. */
  private String openedBy = "";

  private volatile Consumer<String> listener = id -> {};
  private volatile boolean stopping;

  private final Object unsealing = new Object();
  private final Object waking = new Object();

  /** Somebody called while the thread was at work; guarded by waking. */
  private boolean woken;

  private final Map<Integer, Share> shares = new TreeMap<>();
  private long firstShareNanos;

  ServerState(Engine engine, AuditLog audit, HardwareSeals hardware, Clock clock, Duration grace) {
    this.engine = engine;
    this.audit = audit;
    this.hardware = hardware;
    this.auditCheck = new AuditCheck(audit, clock);
    this.clock = clock;
    this.grace = grace;
  }

  /** Tells of what other servers change, see {@link LockBoxes#listen}. */
  void listen(Consumer<String> newListener) {
    listener = newListener;
  }

  @Override
  public AuditLog audit() {
    return audit;
  }

  @Override
  public AuditCheck auditCheck() {
    return auditCheck;
  }

  @Override
  public Instant now() {
    return clock.instant();
  }

  @Override
  public List<String> servers() throws EngineException {
    return engine.servers();
  }

  @Override
  public boolean isSealed() {
    lock.readLock().lock();
    try {
      return boxes == null;
    } finally {
      lock.readLock().unlock();
    }
  }

  @Override
  public <R extends @Nullable Object> R use(Use<R> use)
      throws ProblemException, EngineException, JsonException {
    lock.readLock().lock();
    try {
      LockBoxes open = boxes;
      if (open == null) {
        throw new ProblemException(
            503,
            "the server is sealed",
            "Operators open it with 'coffer keyserver unseal', by the passphrase or their shares.");
      }
      open.sync();
      return use.with(open);
    } finally {
      lock.readLock().unlock();
    }
  }

  /** What the server was opened by; null while it is sealed. */
  @Nullable String openedBy() {
    lock.readLock().lock();
    try {
      return boxes == null ? null : openedBy;
    } finally {
      lock.readLock().unlock();
    }
  }

  /** The ways to open the server, by name and kind. */
  List<Seal.Slot> slots() throws EngineException {
    return Seal.load(engine).slots();
  }

  /** Opens the server with the passphrase. */
  void unseal(SecretBytes passphrase) throws SealException, EngineException {
    synchronized (unsealing) {
      requireSealed();
      try (Seal.Opened opened = Seal.load(engine).open(passphrase)) {
        open(opened);
      }
    }
  }

  /** Opens the server by its own TPM or token. */
  void unsealByHardware(Pins.Prompt prompt) throws SealException, IOException {
    synchronized (unsealing) {
      requireSealed();
      try (Seal.Opened opened = hardware.open(Seal.load(engine), prompt)) {
        open(opened);
      }
    }
  }

  /**
   * Takes a share, and opens the server if it was the last that is needed.
   *
   * @param share closed when it is no longer needed
   * @return how many are still needed
   */
  int unseal(Share share) throws SealException, EngineException {
    synchronized (unsealing) {
      requireSealed();
      Seal seal = Seal.load(engine);
      int threshold = seal.quorumOf(share).threshold();
      if (!shares.isEmpty()
          && (System.nanoTime() - firstShareNanos > SHARE_LIFETIME.toNanos()
              || shares.values().stream().anyMatch(s -> !s.set().equals(share.set())))) {
        forgetShares();
      }
      if (shares.isEmpty()) {
        firstShareNanos = System.nanoTime();
      }
      Share same = shares.putIfAbsent(share.number(), share);
      if (same != null) {
        share.close();
      }
      if (shares.size() < threshold) {
        return threshold - shares.size();
      }
      try (Seal.Opened opened = seal.open(shares.values().stream().limit(threshold).toList())) {
        open(opened);
        return 0;
      } finally {
        forgetShares();
      }
    }
  }

  private void forgetShares() {
    shares.values().forEach(Share::close);
    shares.clear();
  }

  private void requireSealed() throws SealException {
    if (!isSealed()) {
      throw new SealException("the server is open already");
    }
  }

  private void open(Seal.Opened seal) throws EngineException {
    LockBoxes opened = LockBoxes.open(engine, seal.root(), clock, grace);
    opened.listen(id -> {
      if (id.startsWith("rewrap/")) {
        // Whichever server was asked to rotate: the one whose turn it is does the work.
        wake();
      }
      listener.accept(id);
    });
    lock.writeLock().lock();
    try {
      boxes = opened;
      openedBy = seal.by().toString();
      stopping = false;
      Thread.ofVirtual().name("keyserver-worker").start(() -> work(opened));
    } finally {
      lock.writeLock().unlock();
    }
  }

  /** Wakes the thread that rewraps, after a rotation. */
  void wake() {
    synchronized (waking) {
      woken = true;
      waking.notifyAll();
    }
  }

  private boolean isOpenWith(LockBoxes opened) {
    lock.readLock().lock();
    try {
      return boxes == opened;
    } finally {
      lock.readLock().unlock();
    }
  }

  private void work(LockBoxes mine) {
    while (isOpenWith(mine)) {
      try {
        if (engine.hasTurn()) {
          audit.requireWritable();
          workOnce();
        }
        if (stopping) {
          return;
        }
      } catch (ProblemException | EngineException | JsonException | AuditException e) {
        LOG.log(System.Logger.Level.ERROR, "background work: {0}", e.getMessage());
      }
      try {
        synchronized (waking) {
          if (!woken) {
            waking.wait(IDLE_MILLIS);
          }
          woken = false;
        }
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private void workOnce() throws ProblemException, EngineException, JsonException, AuditException {
    for (String service : this.<List<String>>use(open -> open.services().unfinished())) {
      this.<@Nullable Void>use(open -> {
        open.services().rewrap(service, () -> stopping);
        return null;
      });
      if (stopping) {
        return;
      }
      log("master.rewrap", service);
    }
    int expired = this.<Integer>use(open -> open.secrets().expire());
    if (expired > 0) {
      log("secret.expire", expired + " secrets");
    }
    int purged = this.<Integer>use(open -> open.keys().purge());
    this.<Integer>use(open -> {
      open.transfers().purge();
      return open.tokens().purge() + open.tickets().purge();
    });
    if (purged > 0) {
      log("key.purge", purged + " keys");
    }
  }

  private void log(String action, String target) throws AuditException {
    audit.append(new AuditEvent("server", "", action, target, "granted", ""));
  }

  /** Forgets every key. */
  void seal() {
    stopping = true;
    lock.writeLock().lock();
    try {
      LockBoxes open = boxes;
      boxes = null;
      if (open != null) {
        open.close();
      }
    } finally {
      lock.writeLock().unlock();
    }
    wake();
  }

  @Override
  public void close() {
    seal();
    synchronized (unsealing) {
      forgetShares();
    }
  }
}
