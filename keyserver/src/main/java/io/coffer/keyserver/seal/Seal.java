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
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The sealed root key of a key server: 32 random bytes, from which the keys of its records are
 * derived, wrapped once for every way to open it (a slot, which operators call a seal). The seal
 * lies in the engine under the key {@code seal}, as JSON:
 *
 * <pre>
 * {"format": 1, "id": UUID, "slots": [
 *   {"name", "kind": "passphrase", "log_n", "salt": base64, "wrapped": base64},
 *   {"name", "kind": "quorum", "set", "threshold", "shares", "wrapped": base64},
 *   {"name", "kind": "tpm", ..., "wrapped": base64},
 *   {"name", "kind": "pkcs11", ..., "wrapped": base64}]}
 * </pre>
 *
 * {@code wrapped} is nonce 12 || AES-256-GCM(slot key, root key) || tag 16, and its associated data
 * is {@code "coffer seal 1" || 0 || id/name/kind/parameters}. The slot key is scrypt(passphrase,
 * salt, N=2^log_n, r=8, p=1), a random key that Shamir's scheme splits, or one that a TPM or a
 * token keeps ({@link Way}).
 *
 * <p>Immutable; a change gives a new seal, which {@link #store} writes.
 */
public final class Seal {
  /** Cost of a passphrase: 2^16 with r=8 takes 64 MiB and about a quarter of a second. */
  public static final int DEFAULT_LOG_N = 16;

  private static final String KEY = "seal";
  private static final Set<String> BINARY = binaryMembers();
  private static final int ROOT_BYTES = 32;
  private static final int NONCE_BYTES = 12;
  private static final int WRAPPED_BYTES = NONCE_BYTES + ROOT_BYTES + 16;

  /**
   * One way to open the seal.
   *
   * @param wrapped the root key
   */
  public record Slot(String name, Way way, byte[] wrapped) {
    /** What people call it. */
    @Override
    public String toString() {
      return name.equals(way.kind()) ? name : way.kind() + " '" + name + "'";
    }
  }

  /**
   * The root key, and what opened it.
   *
   * @param root closed with this
   */
  public record Opened(Slot by, SecretBytes root) implements AutoCloseable {
    @Override
    public void close() {
      root.close();
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
      JsonObject json = JsonObject.parse(entry.value(), BINARY);
      json.integer("format", 1, 1);
      List<Slot> slots = new ArrayList<>();
      for (JsonObject each : json.objects("slots")) {
        Slot slot = new Slot(each.string("name"), Way.read(each), each.bytes("wrapped"));
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

  /** Writes the seal in place of the one it was made from. */
  public Seal store(Engine engine) throws EngineException {
    if (slots.isEmpty()) {
      throw new IllegalStateException("a seal that nothing opens");
    }
    List<JsonObject> list = new ArrayList<>();
    for (Slot slot : slots) {
      JsonObject json = new JsonObject().put("name", slot.name()).put("kind", slot.way().kind());
      slot.way().write(json);
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
    if (logN < Way.MIN_LOG_N || logN > Way.MAX_LOG_N) {
      throw new IllegalArgumentException("scrypt cost 2^" + logN);
    }
    byte[] salt = RandomBytes.of(32);
    Way.Passphrase way = new Way.Passphrase(logN, salt);
    try (SecretBytes key = passphraseKey(way, passphrase)) {
      return with(wrap(name, way, key, root));
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
    Way way = new Way.Quorum(set, threshold, shares);
    try (SecretBytes key = SecretBytes.random(ROOT_BYTES)) {
      Seal seal = with(wrap(name, way, key, root));
      List<Share> handOut =
          key.read(bytes ->
              Shamir.split(bytes, threshold, shares).stream()
                  .map(point -> new Share(set, threshold, point))
                  .toList());
      return new NewQuorum(seal, handOut);
    }
  }

  /**
   * Adds a way whose slot key something else keeps: a TPM, or a token.
   *
   * @param key 32 bytes
   * @throws SealException if the name is taken
   */
  public Seal withKey(SecretBytes root, String name, Way way, SecretBytes key)
      throws SealException {
    requireFree(name);
    return with(wrap(name, way, key, root));
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
  public Opened open(SecretBytes passphrase) throws SealException {
    boolean any = false;
    for (Slot slot : slots) {
      if (slot.way() instanceof Way.Passphrase way) {
        any = true;
        try (SecretBytes key = passphraseKey(way, passphrase)) {
          SecretBytes root = unwrap(slot, key);
          if (root != null) {
            return new Opened(slot, root);
          }
        }
      }
    }
    throw any
        ? new SealException(
            "the passphrase is wrong",
            "Try again with the right one; 'coffer keyserver seals list DIR' shows what else opens"
                + " the server.")
        : new SealException(
            "this server is not opened by a passphrase",
            "'coffer keyserver seals list DIR' shows what opens it; give the shares of a quorum"
                + " with 'coffer keyserver unseal --share'.");
  }

  /** The quorum that a share belongs to. */
  public Way.Quorum quorumOf(Share share) throws SealException {
    return (Way.Quorum) slotOf(share).way();
  }

  private Slot slotOf(Share share) throws SealException {
    return slots.stream()
        .filter(s -> s.way() instanceof Way.Quorum way && way.set().equals(share.set()))
        .findFirst()
        .orElseThrow(() ->
            new SealException(
                "the share belongs to another server or an old quorum",
                "Give one of this server's present quorum; 'coffer keyserver seals list DIR' shows"
                    + " its name."));
  }

  /** Opens the root key with a quorum of shares of one set, with different numbers. */
  public Opened open(List<Share> shares) throws SealException {
    Slot slot = slotOf(shares.getFirst());
    Way.Quorum way = quorumOf(shares.getFirst());
    if (shares.size() < way.threshold()
        || shares.stream().anyMatch(s -> !s.set().equals(way.set()))
        || shares.stream().mapToInt(Share::number).distinct().count() != shares.size()) {
      throw new SealException(way.threshold() + " different shares are needed");
    }
    try (SecretBytes key =
        SecretBytes.take(Shamir.combine(shares.stream().map(Share::point).toList()))) {
      SecretBytes root = unwrap(slot, key);
      if (root == null) {
        throw new SealException(
            "the shares do not fit together; one of them is forged",
            "Give other shares: any that are enough open the server.");
      }
      return new Opened(slot, root);
    }
  }

  /** Opens the root key with the slot key that a TPM or a token gave out. */
  public Opened open(Slot slot, SecretBytes key) throws SealException {
    SecretBytes root = key.length() == ROOT_BYTES ? unwrap(slot, key) : null;
    if (root == null) {
      throw new SealException(
          "what the "
              + slot.way().kind()
              + " gave out does not open the seal: the seal was"
              + " tampered with; restore a backup of the store");
    }
    return new Opened(slot, root);
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

  private static Set<String> binaryMembers() {
    Set<String> names = new HashSet<>(Way.BINARY);
    names.add("wrapped");
    return Set.copyOf(names);
  }

  private static SecretBytes passphraseKey(Way.Passphrase way, SecretBytes passphrase) {
    return Scrypt.hash(passphrase, way.salt(), 1L << way.logN(), 8, 1, ROOT_BYTES);
  }

  private byte[] associated(String name, Way way) {
    return ("coffer seal 1\0" + id + "/" + name + "/" + way.kind() + "/")
        .concat(way.parameters())
        .getBytes(StandardCharsets.UTF_8);
  }

  private Slot wrap(String name, Way way, SecretBytes key, SecretBytes root) {
    byte[] wrapped = new byte[WRAPPED_BYTES];
    RandomBytes.fill(wrapped, 0, NONCE_BYTES);
    try (AesGcm aead = key.read(bytes -> new AesGcm(bytes, NONCE_BYTES))) {
      root.read(bytes -> aead.seal(associated(name, way), bytes, 0, bytes.length, wrapped, 0));
    }
    return new Slot(name, way, wrapped);
  }

  private @Nullable SecretBytes unwrap(Slot slot, SecretBytes key) {
    byte[] root = new byte[ROOT_BYTES];
    try (AesGcm aead = key.read(bytes -> new AesGcm(bytes, NONCE_BYTES))) {
      return aead.open(
              associated(slot.name(), slot.way()), slot.wrapped(), 0, WRAPPED_BYTES, root, 0)
          ? SecretBytes.take(root)
          : null;
    }
  }
}
