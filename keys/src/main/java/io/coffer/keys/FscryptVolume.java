package io.coffer.keys;

import io.coffer.crypto.AesGcm;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.Scrypt;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.keys.VolumeException.Problem;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * What a volume with fscrypt policies keeps in its root directory: master keys, each wrapped by one
 * or more protectors. Immutable; a change returns a new one.
 *
 * <p>The file {@value #FILE_NAME} is JSON:
 *
 * <pre>
 * {"format": "fscrypt", "version": 1, "keys": [
 *   {"identifier": 16 bytes in hex, "protectors": [
 *     {"id": 8 bytes in hex, "name": text, "n": scrypt's N, "r": R, "p": P,
 *      "salt": base64, "wrapped": base64}]}]}
 * </pre>
 *
 * <p>{@code wrapped} is AES-256-GCM of the master key, {@code nonce 12 || ciphertext || tag 16},
 * under scrypt of the password or of the contents of a key file. The associated data are the
 * protector's and key's ids, the name and the parameters, so that none can be exchanged.
 */
public final class FscryptVolume {
  /** The metadata's name in the volume's root directory. */
  public static final String FILE_NAME = "coffer-fscrypt.json";

  /** Bytes of a new master key, as many as the kernel takes. */
  public static final int MASTER_KEY_BYTES = FscryptMasterKey.MAX_BYTES;

  /** log2 N of scrypt for new protectors: 64 MiB and about a quarter of a second. */
  public static final int DEFAULT_LOG_N = 16;

  /** The largest metadata, in bytes. */
  public static final int MOST_BYTES = 1 << 20;

  private static final int MIN_LOG_N = 10;
  private static final int MAX_LOG_N = 24;
  private static final int R = 8;
  private static final int P = 1;
  private static final int MOST_R = 64;
  private static final int MOST_P = 64;
  private static final int VERSION = 1;
  private static final int SALT_BYTES = 32;
  private static final int ID_BYTES = 8;
  private static final int NONCE_BYTES = 12;
  private static final int WRAPPING_BYTES = 32;
  private static final String PERMISSIONS = "rw-r--r--";
  private static final JsonFactory JSON = new JsonFactory();

  /**
   * One way to a master key.
   *
   * @param id 8 bytes in hex
   * @param name what its owner calls it
   */
  public record Protector(
      String id, String name, long n, int r, int p, byte[] salt, byte[] wrapped) {
    private byte[] associated(String identifier) {
      var text = "coffer fscrypt\0" + identifier + '\0' + id + '\0' + name + '\0';
      text += n + "\0" + r + '\0' + p + '\0';
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      byte[] all = Arrays.copyOf(bytes, bytes.length + salt.length);
      System.arraycopy(salt, 0, all, bytes.length, salt.length);
      return all;
    }
  }

  /**
   * A master key.
   *
   * @param identifier what policies name it by, in hex
   * @param protectors each alone gives the key
   */
  public record Key(String identifier, List<Protector> protectors) {
    /** Copies. */
    public Key {
      protectors = List.copyOf(protectors);
    }
  }

  private final List<Key> keys;

  private FscryptVolume(List<Key> keys) {
    this.keys = List.copyOf(keys);
  }

  /** A volume without any key. */
  public static FscryptVolume empty() {
    return new FscryptVolume(List.of());
  }

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
      throw new VolumeException(
          Problem.WRITE_FAILED, "cannot write " + file(directory) + ": " + e.getMessage());
    }
  }

  /** Replaces the metadata of a volume. */
  public void replace(Path directory) throws VolumeException {
    try {
      AtomicFile.replace(file(directory), toJson());
    } catch (IOException e) {
      throw new VolumeException(
          Problem.WRITE_FAILED, "cannot write " + file(directory) + ": " + e.getMessage());
    }
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

  /**
   * The volume with one more protector for a master key, which need not be known before.
   *
   * @param name what its owner calls it
   * @param password or the contents of a key file
   */
  public FscryptVolume withProtector(
      SecretBytes masterKey, String name, SecretBytes password, int logN) {
    if (logN < MIN_LOG_N || logN > MAX_LOG_N) {
      throw new IllegalArgumentException(
          "log2 of scrypt's N must be " + MIN_LOG_N + " to " + MAX_LOG_N + ", not " + logN);
    }
    String identifier;
    try (var key = new FscryptMasterKey(masterKey)) {
      identifier = HexFormat.of().formatHex(key.identifier());
    }
    String id = HexFormat.of().formatHex(RandomBytes.of(ID_BYTES));
    var bare = new Protector(id, name, 1L << logN, R, P, RandomBytes.of(SALT_BYTES), new byte[0]);
    byte[] wrapped = wrap(bare, identifier, masterKey, password);
    var protector = new Protector(id, name, bare.n, R, P, bare.salt, wrapped);
    var all = new ArrayList<Key>();
    boolean known = false;
    for (Key each : keys) {
      if (each.identifier().equals(identifier)) {
        known = true;
        var protectors = new ArrayList<>(each.protectors());
        protectors.add(protector);
        all.add(new Key(identifier, protectors));
      } else {
        all.add(each);
      }
    }
    if (!known) {
      all.add(new Key(identifier, List.of(protector)));
    }
    return new FscryptVolume(all);
  }

  private static byte[] wrap(
      Protector protector, String identifier, SecretBytes masterKey, SecretBytes password) {
    try (SecretBytes wrapping = hash(protector, password)) {
      return wrapping.read(key -> {
        try (var aead = new AesGcm(key, NONCE_BYTES)) {
          return masterKey.read(plain -> {
            byte[] sealed =
                Arrays.copyOf(RandomBytes.of(NONCE_BYTES), plain.length + aead.overheadBytes());
            aead.seal(protector.associated(identifier), plain, 0, plain.length, sealed, 0);
            return sealed;
          });
        }
      });
    }
  }

  private static SecretBytes hash(Protector protector, SecretBytes password) {
    return Scrypt.hash(
        password, protector.salt, protector.n, protector.r, protector.p, WRAPPING_BYTES);
  }

  /**
   * The master keys that a password opens.
   *
   * @param identifier in hex, of the only key that is wanted; null for all
   * @return at least one; the caller closes them
   * @throws VolumeException WRONG_PASSWORD if it opens none
   */
  public List<SecretBytes> unlock(@Nullable String identifier, SecretBytes password)
      throws VolumeException {
    var opened = new ArrayList<SecretBytes>();
    boolean any = false;
    for (Key key : keys) {
      if (identifier == null || identifier.equals(key.identifier())) {
        any = true;
        for (Protector protector : key.protectors()) {
          SecretBytes masterKey = unwrap(protector, key.identifier(), password);
          if (masterKey != null) {
            opened.add(masterKey);
            break;
          }
        }
      }
    }
    if (!any) {
      throw new VolumeException(
          Problem.NOT_A_VOLUME,
          identifier == null
              ? "the volume has no key"
              : "the volume has no protector for the key " + identifier);
    }
    if (opened.isEmpty()) {
      throw new VolumeException(Problem.WRONG_PASSWORD, "the password is wrong");
    }
    return opened;
  }

  private static @Nullable SecretBytes unwrap(
      Protector protector, String identifier, SecretBytes password) {
    int length = protector.wrapped.length - NONCE_BYTES - 16;
    if (length < FscryptMasterKey.MIN_BYTES || length > FscryptMasterKey.MAX_BYTES) {
      return null;
    }
    try (SecretBytes wrapping = hash(protector, password)) {
      SecretBytes masterKey =
          wrapping.read(key -> {
            byte[] plain = new byte[length];
            try (var aead = new AesGcm(key, NONCE_BYTES)) {
              byte[] wrapped = protector.wrapped;
              return aead.open(
                      protector.associated(identifier), wrapped, 0, wrapped.length, plain, 0)
                  ? SecretBytes.take(plain)
                  : null;
            }
          });
      if (masterKey == null) {
        return null;
      }
      try (var key = new FscryptMasterKey(masterKey)) {
        if (HexFormat.of().formatHex(key.identifier()).equals(identifier)) {
          return masterKey;
        }
      }
      masterKey.close();
      return null;
    }
  }

  // JSON.

  /** The metadata's bytes. */
  public byte[] toJson() {
    var out = new ByteArrayOutputStream();
    Base64.Encoder base64 = Base64.getEncoder();
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), out)) {
      json.writeStartObject();
      json.writeStringProperty("format", "fscrypt");
      json.writeNumberProperty("version", VERSION);
      json.writeArrayPropertyStart("keys");
      for (Key key : keys) {
        json.writeStartObject();
        json.writeStringProperty("identifier", key.identifier());
        json.writeArrayPropertyStart("protectors");
        for (Protector each : key.protectors()) {
          json.writeStartObject();
          json.writeStringProperty("id", each.id);
          json.writeStringProperty("name", each.name);
          json.writeNumberProperty("n", each.n);
          json.writeNumberProperty("r", each.r);
          json.writeNumberProperty("p", each.p);
          json.writeStringProperty("salt", base64.encodeToString(each.salt));
          json.writeStringProperty("wrapped", base64.encodeToString(each.wrapped));
          json.writeEndObject();
        }
        json.writeEndArray();
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeEndObject();
    }
    out.write('\n');
    return out.toByteArray();
  }

  /**
   * The metadata of its bytes.
   *
   * @throws VolumeException CONFIG_DAMAGED, or SCRYPT_PARAMETERS if hashing would be too weak or
   *     take too much memory
   */
  public static FscryptVolume parse(byte[] json) throws VolumeException {
    if (json.length > MOST_BYTES) {
      throw damaged("it has " + json.length + " bytes, too many");
    }
    var keys = new ArrayList<Key>();
    try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), json)) {
      expect(parser.nextToken(), JsonToken.START_OBJECT);
      boolean versionSeen = false;
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = parser.currentName();
        parser.nextToken();
        switch (name) {
          case "format" -> {
            if (!"fscrypt".equals(parser.getString())) {
              throw damaged("its format is not fscrypt");
            }
          }
          case "version" -> {
            if (parser.getIntValue() != VERSION) {
              throw new VolumeException(
                  Problem.UNKNOWN_FEATURE,
                  FILE_NAME + " has version " + parser.getIntValue() + "; only 1 is supported");
            }
            versionSeen = true;
          }
          case "keys" -> {
            expect(parser.currentToken(), JsonToken.START_ARRAY);
            while (parser.nextToken() != JsonToken.END_ARRAY) {
              keys.add(readKey(parser));
            }
          }
          default -> parser.skipChildren();
        }
      }
      if (!versionSeen || parser.nextToken() != null) {
        throw damaged("it has no version, or something after its end");
      }
    } catch (JacksonException | IllegalArgumentException e) {
      throw damaged("it is not the JSON that it should be");
    }
    return new FscryptVolume(keys);
  }

  private static Key readKey(JsonParser parser) throws VolumeException {
    expect(parser.currentToken(), JsonToken.START_OBJECT);
    String identifier = "";
    var protectors = new ArrayList<Protector>();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "identifier" -> identifier = hex(parser, FscryptPolicy.IDENTIFIER_BYTES);
        case "protectors" -> {
          expect(parser.currentToken(), JsonToken.START_ARRAY);
          while (parser.nextToken() != JsonToken.END_ARRAY) {
            protectors.add(readProtector(parser));
          }
        }
        default -> parser.skipChildren();
      }
    }
    if (identifier.isEmpty()) {
      throw damaged("a key has no identifier");
    }
    return new Key(identifier, protectors);
  }

  private static Protector readProtector(JsonParser parser) throws VolumeException {
    expect(parser.currentToken(), JsonToken.START_OBJECT);
    String id = "";
    String called = "";
    long n = 0;
    int r = 0;
    int p = 0;
    byte[] salt = {};
    byte[] wrapped = {};
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      if (value == JsonToken.START_ARRAY || value == JsonToken.START_OBJECT) {
        throw damaged("a protector has a member " + name);
      }
      switch (name) {
        case "id" -> id = hex(parser, ID_BYTES);
        case "name" -> called = text(parser);
        case "n" -> n = parser.getLongValue();
        case "r" -> r = parser.getIntValue();
        case "p" -> p = parser.getIntValue();
        case "salt" -> salt = Base64.getDecoder().decode(text(parser));
        case "wrapped" -> wrapped = Base64.getDecoder().decode(text(parser));
        default -> {}
      }
    }
    if (n < 1L << MIN_LOG_N
        || n > 1L << MAX_LOG_N
        || Long.bitCount(n) != 1
        || r < R
        || r > MOST_R
        || p < 1
        || p > MOST_P
        || salt.length < SALT_BYTES) {
      throw new VolumeException(
          Problem.SCRYPT_PARAMETERS,
          "a protector in " + FILE_NAME + " asks for password hashing that is refused");
    }
    return new Protector(id, called, n, r, p, salt, wrapped);
  }

  private static String text(JsonParser parser) throws VolumeException {
    String text = parser.currentToken() == JsonToken.VALUE_STRING ? parser.getString() : null;
    if (text == null) {
      throw damaged("a text is missing");
    }
    return text;
  }

  private static String hex(JsonParser parser, int bytes) throws VolumeException {
    String text = text(parser);
    if (HexFormat.of().parseHex(text).length != bytes) {
      throw damaged("an identifier has not " + bytes + " bytes");
    }
    return text;
  }

  private static void expect(@Nullable JsonToken found, JsonToken wanted) throws VolumeException {
    if (found != wanted) {
      throw damaged("it is not the JSON that it should be");
    }
  }

  private static VolumeException damaged(String why) {
    return new VolumeException(Problem.CONFIG_DAMAGED, FILE_NAME + " is damaged: " + why);
  }
}
