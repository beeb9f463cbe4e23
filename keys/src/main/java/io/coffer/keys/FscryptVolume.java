package io.coffer.keys;

import io.coffer.crypto.Hkdf;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.keys.VolumeException.Problem;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a volume with fscrypt policies keeps in its root directory: protectors, and the master keys
 * that they give. Immutable; a change returns another one.
 *
 * <p>A protector has a key of its own, wrapped under a secret. A master key is wrapped by each of
 * its protectors' keys, so that any of them alone gives it, and one may give many. All that is kept
 * of a master key is authenticated with the key itself: who has not got it can add no protector to
 * it and exchange none. docs/formats.md has the layout of the file, {@value #FILE_NAME}.
 */
public final class FscryptVolume {
  /** The metadata's name in the volume's root directory. */
  public static final String FILE_NAME = "coffer-fscrypt.json";

  /** Bytes of a new master key, as many as the kernel takes. */
  public static final int MASTER_KEY_BYTES = FscryptMasterKey.MAX_BYTES;

  /** The largest metadata, in bytes. */
  public static final int MOST_BYTES = 1 << 20;

  private static final int MOST_NAME_CHARACTERS = 200;
  private static final int MAC_BYTES = 32;
  private static final String PERMISSIONS = "rw-r--r--";

  /**
   * A master key, wrapped by a protector.
   *
   * @param protector its id
   * @param wrapped the master key under the protector's key; see {@link Wrapping}
   */
  record Grant(String protector, byte[] wrapped) {}

  /**
   * A master key.
   *
   * @param identifier what policies name it by, in hex
   * @param grants each alone gives the key
   * @param mac under the key itself
   */
  public record Key(String identifier, List<Grant> grants, byte[] mac) {
    /** Copies. */
    public Key {
      grants = List.copyOf(grants);
    }

    /** Does this protector give the key? */
    public boolean isGivenBy(Protector protector) {
      return grants.stream().anyMatch(grant -> grant.protector.equals(protector.id()));
    }
  }

  private final Argon2Cost cost;
  private final List<Protector> protectors;
  private final List<Key> keys;

  /** What was read, to notice that somebody else has changed it since; null if it is new. */
  private final byte @Nullable [] source;

  FscryptVolume(
      Argon2Cost cost, List<Protector> protectors, List<Key> keys, byte @Nullable [] source) {
    this.cost = cost;
    this.protectors = List.copyOf(protectors);
    this.keys = List.copyOf(keys);
    this.source = source;
  }

  /**
   * A volume without any key.
   *
   * @param cost of trying any passphrase of the volume
   */
  public static FscryptVolume empty(Argon2Cost cost) {
    return new FscryptVolume(cost, List.of(), List.of(), null);
  }

  private FscryptVolume with(List<Protector> newProtectors, List<Key> newKeys) {
    return new FscryptVolume(cost, newProtectors, newKeys, source);
  }

  // The file.

  /** Is there a volume with fscrypt policies in this directory? */
  public static boolean isIn(Path directory) {
    return Files.exists(directory.resolve(FILE_NAME), LinkOption.NOFOLLOW_LINKS);
  }

  /** Name of the file of leases, in the volume's root directory. */
  public static byte[] lockFileName() {
    return (FILE_NAME + ".lock").getBytes(StandardCharsets.US_ASCII);
  }

  /** The metadata's file of the volume in a directory. */
  public static Path file(Path directory) {
    return directory.resolve(FILE_NAME);
  }

  /** Reads the metadata of the volume in a directory. */
  public static FscryptVolume open(Path directory) throws VolumeException {
    try {
      return parse(Files.readAllBytes(file(directory)));
    } catch (IOException e) {
      throw new VolumeException(
          Problem.CONFIG_UNREADABLE, "cannot read " + file(directory) + ": " + e.getMessage());
    }
  }

  /**
   * The metadata of its bytes.
   *
   * @throws VolumeException CONFIG_DAMAGED, UNKNOWN_FEATURE, or SCRYPT_PARAMETERS if hashing would
   *     be too weak or take too much memory
   */
  public static FscryptVolume parse(byte[] json) throws VolumeException {
    return FscryptVolumeJson.parse(json);
  }

  /** The metadata's bytes. */
  public byte[] toJson() {
    return FscryptVolumeJson.format(this);
  }

  /** Writes the metadata of a new volume into an empty directory. */
  public void create(Path directory) throws VolumeException {
    try (var entries = Files.newDirectoryStream(directory)) {
      if (entries.iterator().hasNext()) {
        throw new VolumeException(
            isIn(directory) ? Problem.VOLUME_EXISTS : Problem.DIRECTORY_NOT_EMPTY,
            isIn(directory)
                ? directory + " is a volume already"
                : directory + " is not empty; a new volume must be alone in its directory");
      }
      AtomicFile.create(file(directory), toJson(), PERMISSIONS);
    } catch (FileAlreadyExistsException e) {
      throw new VolumeException(Problem.VOLUME_EXISTS, directory + " is a volume already");
    } catch (IOException e) {
      throw unwritable(directory, e);
    }
  }

  /**
   * Replaces the metadata of a volume.
   *
   * @throws VolumeException WRITE_FAILED also if somebody changed it since it was read
   */
  public void replace(Path directory) throws VolumeException {
    Path file = file(directory);
    try {
      if (source == null) {
        AtomicFile.replace(file, toJson());
      } else {
        AtomicFile.replace(file, source, toJson());
      }
    } catch (FileAlreadyExistsException e) {
      throw new VolumeException(
          Problem.WRITE_FAILED,
          "another process is changing "
              + file
              + "; if there is none, one was killed while it did: remove "
              + e.getFile(),
          "coffer check --repair " + directory,
          e);
    } catch (IOException e) {
      throw unwritable(directory, e);
    }
  }

  private static VolumeException unwritable(Path directory, IOException e) {
    return new VolumeException(
        Problem.WRITE_FAILED, "cannot write " + file(directory) + ": " + e.getMessage(), null, e);
  }

  // What there is.

  /** What it costs to try a passphrase of this volume. */
  public Argon2Cost cost() {
    return cost;
  }

  /** The protectors. */
  public List<Protector> protectors() {
    return protectors;
  }

  /** The master keys. */
  public List<Key> keys() {
    return keys;
  }

  /** The key of an identifier in hex, or null. */
  public @Nullable Key key(String identifier) {
    return keys.stream()
        .filter(key -> key.identifier().equals(identifier))
        .findFirst()
        .orElse(null);
  }

  /** The protectors of a key. */
  public List<Protector> protectorsOf(Key key) {
    return protectors.stream().filter(key::isGivenBy).toList();
  }

  /** The keys that a protector gives. */
  public List<Key> keysOf(Protector protector) {
    return keys.stream().filter(key -> key.isGivenBy(protector)).toList();
  }

  /**
   * The protector of an id or of a name.
   *
   * @throws VolumeException NO_PROTECTOR if there is none, or if more than one has the name
   */
  public Protector protector(String idOrName) throws VolumeException {
    List<Protector> found =
        protectors.stream()
            .filter(each -> each.id().equals(idOrName) || each.name().equals(idOrName))
            .toList();
    if (found.size() == 1) {
      return found.getFirst();
    }
    throw new VolumeException(
        Problem.NO_PROTECTOR,
        found.isEmpty()
            ? "the volume has no protector " + idOrName
            : "the volume has several protectors called " + idOrName + "; choose one by its id");
  }

  // Opening.

  /** A master key that was opened; the caller closes it. */
  public record OpenKey(String identifier, SecretBytes masterKey) implements AutoCloseable {
    @Override
    public void close() {
      masterKey.close();
    }
  }

  /**
   * The master keys that a secret opens. To try a passphrase takes time for each protector, so that
   * no others are tried once one is open.
   *
   * @param identifier in hex, of the only key that is wanted; null for all
   * @param protector id or name of the only protector to try; null for all
   * @return at least one
   * @throws VolumeException WRONG_PASSWORD if it opens none, CONFIG_DAMAGED if somebody without the
   *     key changed what is kept of it
   */
  public List<OpenKey> unlock(
      @Nullable String identifier, @Nullable String protector, ProtectorSecret secret)
      throws VolumeException {
    if (keys.isEmpty() || (identifier != null && key(identifier) == null)) {
      throw new VolumeException(
          Problem.NOT_A_VOLUME,
          identifier == null
              ? "the volume has no key"
              : "the volume has no protector for the key " + identifier);
    }
    List<Protector> tried = protector == null ? protectors : List.of(protector(protector));
    for (Protector each : tried) {
      List<Key> wanted =
          keysOf(each).stream()
              .filter(key -> identifier == null || identifier.equals(key.identifier()))
              .toList();
      if (!wanted.isEmpty()) {
        try (SecretBytes protectorKey = each.open(secret)) {
          if (protectorKey != null) {
            return unwrap(each, protectorKey, wanted);
          }
        }
      }
    }
    throw new VolumeException(
        Problem.WRONG_PASSWORD, "no protector is opened by this password or key");
  }

  private List<OpenKey> unwrap(Protector protector, SecretBytes protectorKey, List<Key> wanted)
      throws VolumeException {
    var opened = new ArrayList<OpenKey>();
    boolean complete = false;
    try {
      for (Key key : wanted) {
        opened.add(new OpenKey(key.identifier(), unwrap(protector, protectorKey, key)));
      }
      complete = true;
      return opened;
    } finally {
      if (!complete) {
        opened.forEach(OpenKey::close);
      }
    }
  }

  private SecretBytes unwrap(Protector protector, SecretBytes protectorKey, Key key)
      throws VolumeException {
    for (Grant grant : key.grants) {
      if (grant.protector.equals(protector.id())) {
        byte[] associated = associated(key.identifier, protector.id());
        SecretBytes masterKey = Wrapping.unwrap(protectorKey, associated, grant.wrapped);
        if (masterKey != null) {
          if (identifierOf(masterKey).equals(key.identifier)
              && MessageDigest.isEqual(key.mac, mac(key.identifier, key.grants, masterKey))) {
            return masterKey;
          }
          masterKey.close();
        }
      }
    }
    throw new VolumeException(
        Problem.CONFIG_DAMAGED,
        FILE_NAME
            + " was changed by somebody who has not the key "
            + key.identifier
            + ": put back a copy of it");
  }

  /** The identifier of a master key, in hex. */
  public static String identifierOf(SecretBytes masterKey) {
    try (var key = new FscryptMasterKey(masterKey)) {
      return HexFormat.of().formatHex(key.identifier());
    }
  }

  private static byte[] associated(String identifier, String protector) {
    return ("coffer policy key\0" + identifier + '\0' + protector)
        .getBytes(StandardCharsets.US_ASCII);
  }

  /** Authenticates what is kept of a master key, with a function of it that nothing else uses. */
  private byte[] mac(String identifier, List<Grant> grants, SecretBytes masterKey) {
    var all = new ByteArrayOutputStream();
    String head = "coffer fscrypt metadata\0" + identifier + '\0';
    head += cost.memoryKib() + "\0" + cost.passes() + '\0' + cost.lanes() + '\0';
    all.writeBytes(head.getBytes(StandardCharsets.US_ASCII));
    for (Grant grant : grants) {
      String each = grant.protector + '\0' + HexFormat.of().formatHex(grant.wrapped) + '\0';
      all.writeBytes(each.getBytes(StandardCharsets.US_ASCII));
    }
    return masterKey.read(
        bytes -> Hkdf.SHA512.derive(bytes, new byte[0], all.toByteArray(), MAC_BYTES));
  }

  // Changing.

  /**
   * The volume with one more protector, which gives these master keys; they need not be known
   * before.
   *
   * @param name what its owner calls it
   */
  public FscryptVolume withProtector(
      ProtectorKind kind, String name, ProtectorSecret secret, List<SecretBytes> masterKeys)
      throws VolumeException {
    checkName(name);
    try (SecretBytes protectorKey = Protector.newKey()) {
      Protector made = Protector.make(kind, name, cost, secret, protectorKey);
      List<Protector> all = Stream.concat(protectors.stream(), Stream.of(made)).toList();
      return with(all, keys).withGrants(made, protectorKey, masterKeys);
    }
  }

  private void checkName(String name) throws VolumeException {
    if (name.isBlank()
        || name.length() > MOST_NAME_CHARACTERS
        || name.codePoints().anyMatch(Character::isISOControl)) {
      throw new VolumeException(
          Problem.NO_PROTECTOR,
          "a protector's name has 1 to " + MOST_NAME_CHARACTERS + " printable characters");
    }
    if (protectors.stream().anyMatch(each -> each.name().equals(name))) {
      throw new VolumeException(
          Problem.NO_PROTECTOR, "the volume has a protector called " + name + " already");
    }
  }

  /**
   * The volume in which a protector that there is gives more master keys.
   *
   * @throws VolumeException WRONG_PASSWORD if the secret is not the protector's
   */
  public FscryptVolume withKeys(
      Protector protector, ProtectorSecret secret, List<SecretBytes> masterKeys)
      throws VolumeException {
    try (SecretBytes protectorKey = opened(protector, secret)) {
      return withGrants(protector, protectorKey, masterKeys);
    }
  }

  private static SecretBytes opened(Protector protector, ProtectorSecret secret)
      throws VolumeException {
    SecretBytes key = protector.open(secret);
    if (key == null) {
      throw new VolumeException(
          Problem.WRONG_PASSWORD,
          "the protector " + protector.name() + " is not opened by this password or key");
    }
    return key;
  }

  private FscryptVolume withGrants(
      Protector protector, SecretBytes protectorKey, List<SecretBytes> masterKeys) {
    var all = new ArrayList<>(keys);
    for (SecretBytes masterKey : masterKeys) {
      String identifier = identifierOf(masterKey);
      byte[] associated = associated(identifier, protector.id());
      var grant = new Grant(protector.id(), Wrapping.wrap(protectorKey, associated, masterKey));
      int known = indexOf(all, identifier);
      var grants = new ArrayList<Grant>();
      if (known >= 0) {
        grants.addAll(all.get(known).grants);
        grants.removeIf(each -> each.protector.equals(protector.id()));
      }
      grants.add(grant);
      var key = new Key(identifier, grants, mac(identifier, grants, masterKey));
      if (known >= 0) {
        all.set(known, key);
      } else {
        all.add(key);
      }
    }
    return with(protectors, all);
  }

  private static int indexOf(List<Key> keys, String identifier) {
    for (int i = 0; i < keys.size(); i++) {
      if (keys.get(i).identifier.equals(identifier)) {
        return i;
      }
    }
    return -1;
  }

  /**
   * The volume in which a protector gives some master keys no more; if none is left that it gives,
   * it is gone. Who has an old copy of the metadata and the protector's secret still has the keys.
   *
   * @param masterKeys of keys that the protector gives
   * @throws VolumeException LAST_PROTECTOR if no other gives one of the keys
   */
  public FscryptVolume withoutProtector(Protector protector, List<SecretBytes> masterKeys)
      throws VolumeException {
    var all = new ArrayList<>(keys);
    for (SecretBytes masterKey : masterKeys) {
      String identifier = identifierOf(masterKey);
      int at = indexOf(all, identifier);
      List<Grant> grants =
          all.get(at).grants.stream()
              .filter(each -> !each.protector.equals(protector.id()))
              .toList();
      if (grants.isEmpty()) {
        throw new VolumeException(
            Problem.LAST_PROTECTOR,
            protector.name()
                + " is the only protector of the key "
                + identifier
                + ": without it nobody could open the directories of that key again; add another"
                + " one first",
            "coffer protector add --help",
            null);
      }
      all.set(at, new Key(identifier, grants, mac(identifier, grants, masterKey)));
    }
    Set<String> used = new HashSet<>();
    all.forEach(key -> key.grants.forEach(grant -> used.add(grant.protector)));
    List<Protector> left =
        protectors.stream()
            .filter(each -> !each.id().equals(protector.id()) || used.contains(each.id()))
            .toList();
    return with(left, all);
  }

  /**
   * The volume in which a protector is opened by another secret of its kind. Its master keys are
   * not needed.
   *
   * @throws VolumeException WRONG_PASSWORD if {@code present} does not open it
   */
  public FscryptVolume withSecret(
      Protector protector, ProtectorSecret present, ProtectorSecret fresh) throws VolumeException {
    try (SecretBytes protectorKey = opened(protector, present)) {
      Protector changed = protector.withSecret(cost, fresh, protectorKey);
      return with(
          protectors.stream()
              .map(each -> each.id().equals(protector.id()) ? changed : each)
              .toList(),
          keys);
    }
  }
}
