package io.coffer.keyserver.box;

import io.coffer.crypto.Hkdf;
import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.crypto.SecretGcm;
import io.coffer.keyserver.record.IntegrityException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * The master keys of the services, while the server is open. In its service's record a master key
 * is wrapped once more, under a key derived from the root key: nonce 12 || AES-256-GCM || tag 16,
 * with {@code "coffer master 1" || 0 || service || 0 || version} as associated data. Thread-safe.
 */
final class Masters implements AutoCloseable {
  private static final int KEY_BYTES = 32;
  private static final int WRAPPED_BYTES = SecretGcm.OVERHEAD_BYTES + KEY_BYTES;

  private final SecretBytes wrapping;
  private final Map<String, SecretBytes> open = new HashMap<>();
  private boolean closed;

  Masters(SecretBytes root) {
    byte[] info = "coffer keyserver master wrapping key 1".getBytes(StandardCharsets.US_ASCII);
    wrapping = Hkdf.SHA256.derive(root, info, KEY_BYTES);
  }

  /** A new master key, wrapped. */
  byte[] create(String service, int version) {
    byte[] wrapped = new byte[WRAPPED_BYTES];
    RandomBytes.fill(wrapped, 0, SecretGcm.NONCE_BYTES);
    try (SecretBytes key = SecretBytes.random(KEY_BYTES)) {
      SecretGcm.seal(wrapping, associated(service, version), key, wrapped, 0);
    }
    return wrapped;
  }

  /** A copy of a master key, which the caller closes. */
  synchronized SecretBytes open(String service, int version, byte[] wrapped)
      throws IntegrityException {
    if (closed) {
      throw new IntegrityException("the server has been sealed");
    }
    String name = service + "/" + version;
    SecretBytes known = open.get(name);
    if (known == null) {
      known =
          wrapped.length == WRAPPED_BYTES
              ? SecretGcm.open(wrapping, associated(service, version), wrapped, 0)
              : null;
      if (known == null) {
        throw new IntegrityException("the master key " + name + " does not open");
      }
      open.put(name, known);
    }
    return known.copy();
  }

  private static byte[] associated(String service, int version) {
    return ("coffer master 1\0" + service + "\0" + version).getBytes(StandardCharsets.UTF_8);
  }

  /** Wipes every master key. */
  @Override
  public synchronized void close() {
    closed = true;
    wrapping.close();
    open.values().forEach(SecretBytes::close);
    open.clear();
  }
}
