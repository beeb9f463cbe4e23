package io.coffer.keyserver.wire;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.crypto.SecretGcm;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A key wrapped under a version of its service's master key, the only form in which keys are stored
 * and sent:
 *
 * <pre>
 * "CKS1" || master version u32 || nonce 12 || AES-256-GCM(master key, key) || tag 16
 * associated data: "coffer key-string 1" || 0 || {@link KeyName} || master version u32
 * </pre>
 *
 * Nonces are random: one master key must not wrap more than 2^32 key-strings.
 */
public final class KeyString {
  private static final byte[] MAGIC = "CKS1".getBytes(StandardCharsets.US_ASCII);
  private static final int HEAD_BYTES = 8;
  private static final int OVERHEAD_BYTES = HEAD_BYTES + SecretGcm.OVERHEAD_BYTES;

  private KeyString() {}

  /** Wraps a key. */
  public static byte[] wrap(SecretBytes master, int masterVersion, KeyName name, SecretBytes key) {
    byte[] wrapped = new byte[OVERHEAD_BYTES + key.length()];
    ByteBuffer.wrap(wrapped).put(MAGIC).putInt(masterVersion);
    RandomBytes.fill(wrapped, HEAD_BYTES, SecretGcm.NONCE_BYTES);
    SecretGcm.seal(master, associated(name, masterVersion), key, wrapped, HEAD_BYTES);
    return wrapped;
  }

  /** Under which version of the master key it is wrapped. */
  public static int masterVersion(byte[] wrapped) throws UnwrapException {
    if (wrapped.length <= OVERHEAD_BYTES
        || !java.util.Arrays.equals(wrapped, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
      throw new UnwrapException("this is no key-string");
    }
    return ByteBuffer.wrap(wrapped).getInt(MAGIC.length);
  }

  /**
   * Unwraps a key.
   *
   * @throws UnwrapException if it was not wrapped under this master key for this very name
   */
  public static SecretBytes unwrap(SecretBytes master, KeyName name, byte[] wrapped)
      throws UnwrapException {
    byte[] associated = associated(name, masterVersion(wrapped));
    SecretBytes key = SecretGcm.open(master, associated, wrapped, HEAD_BYTES);
    if (key == null) {
      throw new UnwrapException(
          "the key-string does not open: it is damaged, or was wrapped under another master key"
              + " or for another key, version or owner");
    }
    return key;
  }

  private static byte[] associated(KeyName name, int masterVersion) {
    byte[] bytes = name.associated("coffer key-string 1");
    return ByteBuffer.allocate(bytes.length + 4).put(bytes).putInt(masterVersion).array();
  }
}
