package io.coffer.keys;

import io.coffer.crypto.CtrHmacWrap;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.keys.FscryptVolume.OpenKey;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The metadata of the program fscrypt (github.com/google/fscrypt, metadata/metadata.proto), in the
 * directory {@code .fscrypt} at the root of a file system: a file for each protector and each
 * policy. Both are Protocol Buffers:
 *
 * <pre>
 * protectors/DESCRIPTOR  1 descriptor, 2 source (1 login, 2 passphrase, 3 raw key), 3 name,
 *                        4 costs (2 time, 3 memory in KiB, 4 parallelism, 5 not cut to 8 bits),
 *                        5 salt, 6 uid, 7 wrapped key
 * policies/DESCRIPTOR    1 descriptor, 2 options (1 padding, 2 contents, 3 names, 4 version),
 *                        3 (repeated) 1 protector's descriptor, 2 wrapped key
 * wrapped key            1 IV, 2 ciphertext, 3 MAC
 * </pre>
 *
 * <p>A policy's descriptor is its key's identifier in hex, that of a protector the first 8 bytes of
 * SHA-512(SHA-512(its key)). What is read may have been written by anybody.
 */
public final class FscryptToolMetadata {
  private static final String DIRECTORY = ".fscrypt";
  private static final int MOST_FILE_BYTES = 16_384;
  private static final int MOST_FILES = 10_000;
  private static final int SOURCE_PASSPHRASE = 2;
  private static final int SOURCE_RAW_KEY = 3;
  private static final int POLICY_VERSION = 2;
  private static final int CONTENTS_XTS = 1;
  private static final int NAMES_CTS = 4;
  private static final int PADDING = 32;
  private static final int HASH_BYTES = 32;
  private static final int MASTER_KEY_BYTES = 64;
  private static final String PERMISSIONS = "rw-------";

  /** What a secret has opened. The caller closes the keys. */
  public record Opened(String protectorName, ProtectorKind kind, List<OpenKey> keys) {}

  private record Wrapped(String protector, CtrHmacWrap key) {}

  private record Policy(String descriptor, List<Wrapped> keys) {}

  private FscryptToolMetadata() {}

  private static Path protectors(Path mount) {
    return mount.resolve(DIRECTORY).resolve("protectors");
  }

  private static Path policies(Path mount) {
    return mount.resolve(DIRECTORY).resolve("policies");
  }

  // Reading.

  /**
   * The master keys of version 2 that a secret opens.
   *
   * @param mount root of the file system
   * @throws VolumeException NOT_A_VOLUME if there is no metadata, WRONG_PASSWORD if the secret
   *     opens no protector that is there
   */
  public static Opened unlock(Path mount, ProtectorSecret secret) throws VolumeException {
    try {
      if (!Files.isDirectory(protectors(mount), LinkOption.NOFOLLOW_LINKS)) {
        throw new VolumeException(
            Problem.NOT_A_VOLUME,
            mount + " has no metadata of the program fscrypt (" + protectors(mount) + ")");
      }
      List<Policy> policies = new ArrayList<>();
      for (Path file : files(policies(mount))) {
        policies.add(policy(file));
      }
      for (Path file : files(protectors(mount))) {
        Opened opened = tryProtector(file, policies, secret);
        if (opened != null) {
          return opened;
        }
      }
    } catch (IOException e) {
      throw new VolumeException(
          Problem.CONFIG_UNREADABLE, "cannot read the metadata of fscrypt: " + e.getMessage());
    }
    throw new VolumeException(
        Problem.WRONG_PASSWORD, "no protector of fscrypt is opened by this password or key");
  }

  /** Files whose names are descriptors; links to other file systems are passed over. */
  private static List<Path> files(Path directory) throws IOException {
    try (Stream<Path> all = Files.list(directory)) {
      return all.filter(file -> file.getFileName().toString().matches("[0-9a-f]{16,32}"))
          .filter(file -> Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS))
          .sorted()
          .limit(MOST_FILES)
          .toList();
    }
  }

  private static byte[] read(Path file) throws IOException, VolumeException {
    try (InputStream in = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS)) {
      byte[] bytes = in.readNBytes(MOST_FILE_BYTES + 1);
      if (bytes.length > MOST_FILE_BYTES) {
        throw damaged(file);
      }
      return bytes;
    }
  }

  private static VolumeException damaged(Path file) {
    return new VolumeException(Problem.CONFIG_DAMAGED, file + " is damaged");
  }

  private static CtrHmacWrap wrapped(Protobuf message) {
    return new CtrHmacWrap(message.bytes(1), message.bytes(2), message.bytes(3));
  }

  private static Policy policy(Path file) throws IOException, VolumeException {
    try {
      Protobuf message = Protobuf.parse(read(file));
      var keys = new ArrayList<Wrapped>();
      for (byte[] each : message.all(3)) {
        Protobuf one = Protobuf.parse(each);
        keys.add(new Wrapped(one.text(1), wrapped(one.message(2))));
      }
      return new Policy(message.text(1), keys);
    } catch (IllegalArgumentException e) {
      throw damaged(file);
    }
  }

  private static @Nullable Opened tryProtector(
      Path file, List<Policy> policies, ProtectorSecret secret)
      throws IOException, VolumeException {
    Protobuf message;
    CtrHmacWrap wrapped;
    ProtectorKind kind;
    try {
      message = Protobuf.parse(read(file));
      wrapped = wrapped(message.message(7));
      kind =
          message.number(2) == SOURCE_RAW_KEY ? ProtectorKind.KEY_FILE : ProtectorKind.PASSPHRASE;
    } catch (IllegalArgumentException e) {
      throw damaged(file);
    }
    if (!secret.fits(kind)) {
      return null;
    }
    try (SecretBytes wrapping =
            kind == ProtectorKind.KEY_FILE ? secret.bytes().copy() : hash(file, message, secret);
        SecretBytes protectorKey = wrapped.unwrap(wrapping)) {
      if (protectorKey == null) {
        return null;
      }
      String name = message.text(3);
      List<OpenKey> keys = keys(policies, message.text(1), protectorKey);
      return new Opened(name.isBlank() ? message.text(1) : name, kind, keys);
    }
  }

  private static SecretBytes hash(Path file, Protobuf protector, ProtectorSecret secret)
      throws VolumeException {
    try {
      Protobuf costs = protector.message(4);
      long lanes = costs.number(4);
      var cost =
          new Argon2Cost(
              Math.toIntExact(costs.number(3)),
              Math.toIntExact(costs.number(2)),
              Math.toIntExact(costs.number(5) == 0 ? lanes & 0xff : lanes));
      return cost.hash(secret.bytes(), protector.bytes(5), HASH_BYTES);
    } catch (ArithmeticException | IllegalArgumentException e) {
      throw new VolumeException(
          Problem.SCRYPT_PARAMETERS,
          file + " asks for password hashing that is refused: " + e.getMessage());
    }
  }

  private static List<OpenKey> keys(
      List<Policy> policies, String protector, SecretBytes protectorKey) {
    var keys = new ArrayList<OpenKey>();
    for (Policy policy : policies) {
      for (Wrapped each : policy.keys) {
        if (each.protector.equals(protector)
            && policy.descriptor.length() == 2 * FscryptPolicy.IDENTIFIER_BYTES) {
          SecretBytes masterKey = each.key.unwrap(protectorKey);
          if (masterKey != null) {
            keys.add(new OpenKey(policy.descriptor, masterKey));
          }
        }
      }
    }
    keys.removeIf(key -> {
      boolean right =
          key.masterKey().length() == MASTER_KEY_BYTES
              && FscryptVolume.identifierOf(key.masterKey()).equals(key.identifier());
      if (!right) {
        key.close();
      }
      return !right;
    });
    return keys;
  }

  // Writing.

  /**
   * Writes a protector and a policy for each key, so that fscrypt unlocks directories of these
   * keys.
   *
   * @param mount root of a file system that {@code fscrypt setup} has prepared
   * @param kind PASSPHRASE or KEY_FILE
   * @param keys of 64 bytes
   * @return the protector's descriptor
   * @throws VolumeException VOLUME_EXISTS if there is a policy of one of the keys already
   */
  public static String write(
      Path mount,
      ProtectorKind kind,
      String name,
      Argon2Cost cost,
      ProtectorSecret secret,
      List<OpenKey> keys)
      throws VolumeException {
    for (OpenKey key : keys) {
      if (key.masterKey().length() != MASTER_KEY_BYTES) {
        throw new VolumeException(
            Problem.MASTER_KEY_MALFORMED,
            "fscrypt takes only master keys of 64 bytes, and "
                + key.identifier()
                + " has "
                + key.masterKey().length());
      }
      if (Files.exists(policies(mount).resolve(key.identifier()))) {
        throw new VolumeException(
            Problem.VOLUME_EXISTS,
            "fscrypt has a policy of the key " + key.identifier() + " there");
      }
    }
    if (!Files.isDirectory(protectors(mount)) || !Files.isDirectory(policies(mount))) {
      throw new VolumeException(
          Problem.NOT_A_VOLUME,
          mount + " has no metadata of the program fscrypt",
          "fscrypt setup " + mount,
          null);
    }
    try (SecretBytes protectorKey = SecretBytes.random(HASH_BYTES)) {
      String descriptor = descriptor(protectorKey);
      byte[] protector = protector(descriptor, kind, name, cost, secret, protectorKey);
      AtomicFile.create(protectors(mount).resolve(descriptor), protector, PERMISSIONS);
      for (OpenKey key : keys) {
        byte[] policy = policy(key, descriptor, protectorKey);
        AtomicFile.create(policies(mount).resolve(key.identifier()), policy, PERMISSIONS);
      }
      return descriptor;
    } catch (FileAlreadyExistsException e) {
      throw new VolumeException(Problem.VOLUME_EXISTS, e.getFile() + " is there already");
    } catch (IOException e) {
      throw new VolumeException(
          Problem.WRITE_FAILED, "cannot write the metadata of fscrypt: " + e.getMessage());
    }
  }

  private static String descriptor(SecretBytes key) {
    return key.read(bytes -> {
      try {
        MessageDigest digest = MessageDigest.getInstance("SHA-512");
        return HexFormat.of().formatHex(digest.digest(digest.digest(bytes)), 0, 8);
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException("this Java runtime lacks SHA-512", e);
      }
    });
  }

  private static Protobuf message(CtrHmacWrap wrapped) {
    return new Protobuf()
        .with(1, wrapped.iv())
        .with(2, wrapped.ciphertext())
        .with(3, wrapped.mac());
  }

  private static byte[] protector(
      String descriptor,
      ProtectorKind kind,
      String name,
      Argon2Cost cost,
      ProtectorSecret secret,
      SecretBytes protectorKey) {
    boolean raw = kind == ProtectorKind.KEY_FILE;
    var message =
        new Protobuf()
            .with(1, descriptor)
            .with(2, raw ? SOURCE_RAW_KEY : SOURCE_PASSPHRASE)
            .with(3, name);
    if (raw) {
      return message.with(7, message(CtrHmacWrap.wrap(secret.bytes(), protectorKey))).toBytes();
    }
    byte[] salt = RandomBytes.of(Protector.SALT_BYTES);
    try (SecretBytes wrapping = cost.hash(secret.bytes(), salt, HASH_BYTES)) {
      var costs =
          new Protobuf().with(2, cost.passes()).with(3, cost.memoryKib()).with(4, cost.lanes());
      return message
          .with(4, costs)
          .with(5, salt)
          .with(7, message(CtrHmacWrap.wrap(wrapping, protectorKey)))
          .toBytes();
    }
  }

  private static byte[] policy(OpenKey key, String protector, SecretBytes protectorKey) {
    var options =
        new Protobuf()
            .with(1, PADDING)
            .with(2, CONTENTS_XTS)
            .with(3, NAMES_CTS)
            .with(4, POLICY_VERSION);
    var wrapped =
        new Protobuf()
            .with(1, protector)
            .with(2, message(CtrHmacWrap.wrap(protectorKey, key.masterKey())));
    return new Protobuf().with(1, key.identifier()).with(2, options).with(3, wrapped).toBytes();
  }
}
