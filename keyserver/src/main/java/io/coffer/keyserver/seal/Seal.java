package io.coffer.keyserver.seal;

import io.coffer.crypto.AesGcm;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.Scrypt;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.Engine.Change;
import io.coffer.keyserver.engine.Engine.Entry;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The sealed root key of a key server: 32 random bytes, from which the keys of its records are
 * derived, wrapped once for every way to open it (a slot). A slot is a passphrase, or a quorum of
 * shares. The seal lies in the engine under the key {@code seal}, as JSON:
 *
 * <pre>
 * {"format": 1, "id": UUID, "slots": [
 *   {"name", "kind": "passphrase", "log_n", "salt": base64, "wrapped": base64},
 *   {"name", "kind": "quorum", "set", "threshold", "shares", "wrapped": base64}]}
 * </pre>
 *
 * {@code wrapped} is nonce 12 || AES-256-GCM(slot key, root key) || tag 16, and its associated data
 * is {@code "coffer seal 1" || 0 || id/name/kind/parameters}. The slot key is scrypt(passphrase,
 * salt, N=2^log_n, r=8, p=1), or a random key that Shamir's scheme splits.
 *
 * <p>Immutable; a change gives a new seal, which {@link #store} writes.
 */
public final class Seal {
  /** Cost of a passphrase: 2^16 with r=8 takes 64 MiB and about a quarter of a second. */
  public static final int DEFAULT_LOG_N = 16;

  private static final String KEY = "seal";
  private static final int MIN_LOG_N = 10;
  private static final int MAX_LOG_N = 20; // 1 GiB; a forged seal must not exhaust memory
  private static final int ROOT_BYTES = 32;
  private static final int NONCE_BYTES = 12;
  private static final int WRAPPED_BYTES = NONCE_BYTES + ROOT_BYTES + 16;

  /**
   * One way to open the seal.
   *
   * @param logN for a passphrase
   * @param salt for a passphrase
   * @param set for a quorum
   */
  public record Slot(
      String name,
      String kind,
      int logN,
      byte[] salt,
      String set,
      int threshold,
      int shares,
      byte[] wrapped) {
    private String parameters() {
      return kind.equals("passphrase")
          ? logN + "/" + HexFormat.of().formatHex(salt)
          : set + "/" + threshold + "/" + shares;
    }
  }

  /** A seal changed by a new quorum, with the shares to hand out. */
  public record NewQuorum(Seal seal, List<Share> shares) {}

  private final String id;
  private final List<Slot> slots;
  private final long engineVersion;

  private Seal(String id, List<Slot> slots, long engineVersion) {
    this.id = id;
    this.slots = List.copyOf(slots);
    this.engineVersion = engineVersion;
  }

  /** A new seal, which nothing opens yet. */
  public static Seal empty() {
    return new Seal(UUID.randomUUID().toString(), List.of(), Engine.ABSENT);
  }

  /** A new root key. */
  public static SecretBytes newRoot() {
    return SecretBytes.random(ROOT_BYTES);
  }

  /** Does an engine hold a seal, that is: has it been initialised? */
  public static boolean exists(Engine engine) throws EngineException {
    return engine.get(KEY) != null;
  }

  /** Reads the seal from an engine. */
  public static Seal load(Engine engine) throws EngineException {
    Entry entry = engine.get(KEY);
    if (entry == null) {
      throw new EngineException(
          "the store has not been initialised; run 'coffer keyserver init' first");
    }
    try {
      JsonObject json = JsonObject.parse(entry.value(), Set.of("salt", "wrapped"));
      json.integer("format", 1, 1);
      List<Slot> slots = new ArrayList<>();
      for (JsonObject each : json.objects("slots")) {
        Slot slot = slot(each);
        if (slot.wrapped().length != WRAPPED_BYTES) {
          throw new JsonException("'wrapped' has a wrong length");
        }
        slots.add(slot);
      }
      return new Seal(json.string("id"), slots, entry.version());
    } catch (JsonException e) {
      throw new EngineException("the seal is damaged (" + e.getMessage() + ")", e);
    }
  }

  private static Slot slot(JsonObject json) throws JsonException {
    String kind = json.string("kind");
    return switch (kind) {
      case "passphrase" ->
          new Slot(
              json.string("name"),
              kind,
              (int) json.integer("log_n", MIN_LOG_N, MAX_LOG_N),
              json.bytes("salt"),
              "",
              0,
              0,
              json.bytes("wrapped"));
      case "quorum" ->
          new Slot(
              json.string("name"),
              kind,
              0,
              new byte[0],
              json.string("set"),
              (int) json.integer("threshold", 1, Shamir.MAX_SHARES),
              (int) json.integer("shares", 1, Shamir.MAX_SHARES),
              json.bytes("wrapped"));
      default -> throw new JsonException("unknown kind of slot");
    };
  }

  /** Writes the seal in place of the one it was made from. */
  public Seal store(Engine engine) throws EngineException {
    if (slots.isEmpty()) {
      throw new IllegalStateException("a seal that nothing opens");
    }
    List<JsonObject> list = new ArrayList<>();
    for (Slot slot : slots) {
      JsonObject json = new JsonObject().put("name", slot.name()).put("kind", slot.kind());
      if (slot.kind().equals("passphrase")) {
        json.put("log_n", slot.logN()).put("salt", slot.salt());
      } else {
        json.put("set", slot.set()).put("threshold", slot.threshold()).put("shares", slot.shares());
      }
      list.add(json.put("wrapped", slot.wrapped()));
    }
    byte[] value = new JsonObject().put("format", 1).put("id", id).put("slots", list).toBytes();
    return new Seal(id, slots, engine.apply(List.of(Change.put(KEY, value, engineVersion))));
  }

  /** The ways to open it. */
  public List<Slot> slots() {
    return slots;
  }

  /**
   * Adds a passphrase.
   *
   * @throws SealException if the name is taken or the passphrase too short
   */
  public Seal withPassphrase(SecretBytes root, String name, SecretBytes passphrase, int logN)
      throws SealException {
    if (passphrase.length() < 8) {
      throw new SealException("the passphrase is too short; use at least 8 characters");
    }
    requireFree(name);
    if (logN < MIN_LOG_N || logN > MAX_LOG_N) {
      throw new IllegalArgumentException("scrypt cost 2^" + logN);
    }
    byte[] salt = RandomBytes.of(32);
    Slot open = new Slot(name, "passphrase", logN, salt, "", 0, 0, new byte[0]);
    try (SecretBytes key = passphraseKey(open, passphrase)) {
      return with(wrap(open, key, root));
    }
  }

  /**
   * Adds a quorum: any {@code threshold} of {@code shares} operators open the seal together.
   *
   * @throws SealException if the name is taken or the numbers make no sense
   */
  public NewQuorum withQuorum(SecretBytes root, String name, int threshold, int shares)
      throws SealException {
    requireFree(name);
    if (threshold < 2 || threshold > shares || shares > Shamir.MAX_SHARES) {
      throw new SealException(
          "a quorum needs at least 2 shares and at most as many as there are, for example 3/5");
    }
    String set = HexFormat.of().formatHex(RandomBytes.of(4));
    Slot open = new Slot(name, "quorum", 0, new byte[0], set, threshold, shares, new byte[0]);
    try (SecretBytes key = SecretBytes.random(ROOT_BYTES)) {
      Seal seal = with(wrap(open, key, root));
      List<Share> handOut =
          key.read(bytes ->
              Shamir.split(bytes, threshold, shares).stream()
                  .map(point -> new Share(set, threshold, point))
                  .toList());
      return new NewQuorum(seal, handOut);
    }
  }

  /** Removes a slot, but not the last. */
  public Seal without(String name) throws SealException {
    List<Slot> rest = slots.stream().filter(s -> !s.name().equals(name)).toList();
    if (rest.size() == slots.size()) {
      throw new SealException("the seal has no slot '" + name + "'");
    }
    if (rest.isEmpty()) {
      throw new SealException("'" + name + "' is the only way to open the seal; add another first");
    }
    return new Seal(id, rest, engineVersion);
  }

  /** Opens the root key with a passphrase. */
  public SecretBytes open(SecretBytes passphrase) throws SealException {
    boolean any = false;
    for (Slot slot : slots) {
      if (slot.kind().equals("passphrase")) {
        any = true;
        try (SecretBytes key = passphraseKey(slot, passphrase)) {
          SecretBytes root = unwrap(slot, key);
          if (root != null) {
            return root;
          }
        }
      }
    }
    throw new SealException(
        any
            ? "the passphrase is wrong"
            : "this server is not opened by a passphrase but by a quorum; give shares");
  }

  /** The quorum that a share belongs to. */
  public Slot quorumOf(Share share) throws SealException {
    return slots.stream()
        .filter(s -> s.kind().equals("quorum") && s.set().equals(share.set()))
        .findFirst()
        .orElseThrow(
            () -> new SealException("the share belongs to another server or an old quorum"));
  }

  /** Opens the root key with a quorum of shares of one set, with different numbers. */
  public SecretBytes open(List<Share> shares) throws SealException {
    Slot slot = quorumOf(shares.getFirst());
    if (shares.size() < slot.threshold()
        || shares.stream().anyMatch(s -> !s.set().equals(slot.set()))
        || shares.stream().mapToInt(Share::number).distinct().count() != shares.size()) {
      throw new SealException(slot.threshold() + " different shares are needed");
    }
    try (SecretBytes key =
        SecretBytes.take(Shamir.combine(shares.stream().map(Share::point).toList()))) {
      SecretBytes root = unwrap(slot, key);
      if (root == null) {
        throw new SealException("the shares do not fit together; one of them is forged");
      }
      return root;
    }
  }

  private void requireFree(String name) throws SealException {
    if (!name.matches("[a-z0-9][a-z0-9._-]{0,63}")) {
      throw new SealException("'" + name + "' cannot be the name of a slot");
    }
    if (slots.stream().anyMatch(s -> s.name().equals(name))) {
      throw new SealException("the seal has a slot '" + name + "' already");
    }
  }

  private Seal with(Slot slot) {
    List<Slot> all = new ArrayList<>(slots);
    all.add(slot);
    return new Seal(id, all, engineVersion);
  }

  private static SecretBytes passphraseKey(Slot slot, SecretBytes passphrase) {
    return Scrypt.hash(passphrase, slot.salt(), 1L << slot.logN(), 8, 1, ROOT_BYTES);
  }

  private byte[] associated(Slot slot) {
    return ("coffer seal 1\0" + id + "/" + slot.name() + "/" + slot.kind() + "/")
        .concat(slot.parameters())
        .getBytes(StandardCharsets.UTF_8);
  }

  private Slot wrap(Slot slot, SecretBytes key, SecretBytes root) {
    byte[] wrapped = new byte[WRAPPED_BYTES];
    RandomBytes.fill(wrapped, 0, NONCE_BYTES);
    try (AesGcm aead = key.read(bytes -> new AesGcm(bytes, NONCE_BYTES))) {
      root.read(bytes -> aead.seal(associated(slot), bytes, 0, bytes.length, wrapped, 0));
    }
    return new Slot(
        slot.name(),
        slot.kind(),
        slot.logN(),
        slot.salt(),
        slot.set(),
        slot.threshold(),
        slot.shares(),
        wrapped);
  }

  private @Nullable SecretBytes unwrap(Slot slot, SecretBytes key) {
    byte[] root = new byte[ROOT_BYTES];
    try (AesGcm aead = key.read(bytes -> new AesGcm(bytes, NONCE_BYTES))) {
      return aead.open(associated(slot), slot.wrapped(), 0, WRAPPED_BYTES, root, 0)
          ? SecretBytes.take(root)
          : null;
    }
  }
}
