package io.coffer.keyserver.box;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.record.RecordStore;
import java.time.Clock;
import java.time.Duration;
import java.util.function.Consumer;

/** Everything that an open (unsealed) key server has: services, owners, endpoints and keys. */
public final class LockBoxes implements AutoCloseable {
  private final RecordStore store;
  private final Masters masters;
  private final Attestations attestations;
  private final Services services;
  private final Owners owners;
  private final Keys keys;
  private final Tokens tokens;
  private final Tickets tickets;
  private final Transfers transfers;
  private final Doors doors;
  private final Secrets secrets;
  private final Containers containers;
  private final Orders orders;

  private LockBoxes(RecordStore store, SecretBytes root, Clock clock, Duration grace) {
    this.store = store;
    this.masters = new Masters(root);
    Records records = new Records(store);
    this.attestations = new Attestations(records, clock);
    this.services = new Services(records, masters, attestations, clock);
    this.owners = new Owners(records, clock);
    this.keys = new Keys(records, services, owners, clock, grace);
    this.tokens = new Tokens(records, clock);
    this.tickets = new Tickets(records, tokens, clock);
    this.transfers = new Transfers(records, services, owners, keys);
    this.doors = new Doors(records, owners, services, clock);
    this.secrets = new Secrets(records, keys, new Shelf(records, owners, clock, "secret"));
    this.containers =
        new Containers(records, secrets, new Shelf(records, owners, clock, "container"));
    this.orders =
        new Orders(records, secrets, containers, new Shelf(records, owners, clock, "order"));
  }

  /** Makes the lock boxes of a new server. */
  public static void create(Engine engine, SecretBytes root, Clock clock)
      throws EngineException, ProblemException {
    RecordStore store = RecordStore.create(engine, root);
    try (LockBoxes boxes = new LockBoxes(store, root, clock, Duration.ZERO)) {
      boxes.services.makeBuiltIn();
    }
  }

  /**
   * Opens them with the root key, which the caller may close afterwards.
   *
   * @param grace how long a deleted key can be restored
   */
  public static LockBoxes open(Engine engine, SecretBytes root, Clock clock, Duration grace)
      throws EngineException {
    return new LockBoxes(RecordStore.open(engine, root), root, clock, grace);
  }

  public Services services() {
    return services;
  }

  public Attestations attestations() {
    return attestations;
  }

  public Owners owners() {
    return owners;
  }

  public Keys keys() {
    return keys;
  }

  public Tokens tokens() {
    return tokens;
  }

  public Tickets tickets() {
    return tickets;
  }

  public Transfers transfers() {
    return transfers;
  }

  /**
   * Makes sure that what any server has acknowledged before is known here; for one that is alone
   * does nothing.
   */
  public void sync() throws EngineException {
    store.sync();
  }

  /**
   * Tells of what other servers change: key/SERVICE/OWNER/ID and the like, as {@code Records} has
   * them; the empty text means that anything may have changed. The listener must not use the boxes.
   */
  public void listen(Consumer<String> listener) {
    store.listen(id -> {
      if (id.isEmpty()) {
        attestations.forgetAll();
      } else if (id.startsWith("endpoint/")) {
        attestations.forget(id.substring("endpoint/".length()));
      }
      listener.accept(id);
    });
  }

  public Doors doors() {
    return doors;
  }

  public Secrets secrets() {
    return secrets;
  }

  public Containers containers() {
    return containers;
  }

  public Orders orders() {
    return orders;
  }

  /** How many records there are, and the number of the last commit. */
  public long[] size() {
    return new long[] {store.size(), store.sequence()};
  }

  /** Wipes every key. */
  @Override
  public void close() {
    masters.close();
    store.close();
  }
}
