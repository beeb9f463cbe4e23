package io.coffer.keys;

import io.coffer.crypto.Hkdf;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One way to master keys: a key of its own, wrapped under somebody's secret, which in turn wraps
 * any number of master keys. Immutable.
 *
 * @param id {@value #ID_BYTES} bytes in hex
 * @param kind what opens it
 * @param name what its owner calls it
 * @param cost of trying a secret; null for kinds that are not hashed
 * @param wrapped the protector's key under the secret; see {@link Wrapping}
 */
public record Protector(
    String id,
    ProtectorKind kind,
    String name,
    @Nullable Argon2Cost cost,
    byte[] salt,
    byte[] wrapped) {
  static final int ID_BYTES = 8;
  static final int SALT_BYTES = 16;
  private static final int KEY_BYTES = 32;
  private static final byte[] PURPOSE = "coffer protector".getBytes(StandardCharsets.US_ASCII);

  /** Throws IllegalArgumentException if kind and cost do not go together. */
  public Protector {
    if (kind.isHashed() != (cost != null)) {
      throw new IllegalArgumentException("a protector of the kind " + kind + " and its cost");
    }
  }

  /** A new one for a key; {@code secret} must be of its kind. */
  static Protector make(
      ProtectorKind kind, String name, Argon2Cost cost, ProtectorSecret secret, SecretBytes key) {
    String id = HexFormat.of().formatHex(RandomBytes.of(ID_BYTES));
    return of(id, kind, name, cost, secret, key);
  }

  private static Protector of(
      String id,
      ProtectorKind kind,
      String name,
      Argon2Cost cost,
      ProtectorSecret secret,
      SecretBytes key) {
    if (!secret.fits(kind)) {
      throw new IllegalArgumentException("no secret for a protector of the kind " + kind);
    }
    Argon2Cost used = kind.isHashed() ? cost : null;
    var bare = new Protector(id, kind, name, used, RandomBytes.of(SALT_BYTES), new byte[0]);
    try (SecretBytes wrapping = bare.wrappingKey(secret)) {
      byte[] wrapped = Wrapping.wrap(wrapping, bare.associated(), key);
      return new Protector(id, kind, name, used, bare.salt, wrapped);
    }
  }

  static SecretBytes newKey() {
    return SecretBytes.random(KEY_BYTES);
  }

  /** The same protector, of the same key, with another secret. */
  Protector withSecret(Argon2Cost newCost, ProtectorSecret secret, SecretBytes key) {
    return of(id, kind, name, newCost, secret, key);
  }

  /** The protector's key; null if the secret is wrong or is none for this kind. */
  @Nullable SecretBytes open(ProtectorSecret secret) {
    if (!secret.fits(kind)) {
      return null;
    }
    try (SecretBytes wrapping = wrappingKey(secret)) {
      SecretBytes key = Wrapping.unwrap(wrapping, associated(), wrapped);
      if (key != null && key.length() != KEY_BYTES) {
        key.close();
        return null;
      }
      return key;
    }
  }

  private SecretBytes wrappingKey(ProtectorSecret secret) {
    if (kind.isHashed()) {
      return Objects.requireNonNull(cost).hash(secret.bytes(), salt, KEY_BYTES);
    }
    return secret
        .bytes()
        .read(bytes -> SecretBytes.take(Hkdf.SHA512.derive(bytes, salt, PURPOSE, KEY_BYTES)));
  }

  /** What is wrapped with the key, so that none of it can be exchanged. */
  private byte[] associated() {
    String text = "coffer protector\0" + id + '\0' + kind.word() + '\0' + name + '\0';
    if (cost != null) {
      text += cost.memoryKib() + "\0" + cost.passes() + '\0' + cost.lanes() + '\0';
    }
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    byte[] all = Arrays.copyOf(bytes, bytes.length + salt.length);
    System.arraycopy(salt, 0, all, bytes.length, salt.length);
    return all;
  }
}
