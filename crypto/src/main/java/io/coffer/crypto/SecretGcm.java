package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * AES-GCM (NIST SP 800-38D) of a secret under a secret: {@code nonce 12 || ciphertext || tag 16},
 * as {@link AesGcm} has it. Both stay outside the heap where the system has a libcrypto: the
 * collector moves what lies on the heap whenever it likes, and leaves a copy that nobody can wipe.
 * Without one, the JDK's cipher is used, and they come onto the heap for that moment.
 *
 * <p>For keys, not for contents: each call sets the cipher up anew. Thread-safe.
 */
public final class SecretGcm {
  /** Length of the nonce. */
  public static final int NONCE_BYTES = 12;

  /** Bytes by which the sealed form is longer than the secret. */
  public static final int OVERHEAD_BYTES = NONCE_BYTES + 16;

  private static final int TAG_BYTES = OVERHEAD_BYTES - NONCE_BYTES;
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

  private SecretGcm() {}

  /**
   * Seals a secret under the nonce that already lies in {@code sealed} at {@code position}. A nonce
   * must never be used for two different secrets under one key.
   *
   * @param key 32 bytes, or 16
   */
  public static void seal(
      SecretBytes key, byte[] associated, SecretBytes secret, byte[] sealed, int position) {
    seal(ContentCiphers.nativeGcm(key.length()), key, associated, secret, sealed, position);
  }

  /**
   * @param cipher of libcrypto, or 0 for the JDK's
   */
  static void seal(
      long cipher,
      SecretBytes key,
      byte[] associated,
      SecretBytes secret,
      byte[] sealed,
      int position) {
    if (cipher == 0) {
      try (AesGcm aead = key.read(bytes -> new AesGcm(bytes, NONCE_BYTES))) {
        secret.read(bytes -> aead.seal(associated, bytes, 0, bytes.length, sealed, position));
      }
      return;
    }
    int bytes = secret.length();
    try (Message message = new Message(cipher, key, associated, LibCrypto.ENCRYPT);
        Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(OVERHEAD_BYTES + bytes);
      MemorySegment.copy(sealed, position, out, BYTE, 0, NONCE_BYTES);
      long tag = out.address() + NONCE_BYTES + bytes;
      boolean good =
          message.begin(out)
              && secret.lend(in -> message.update(out.address() + NONCE_BYTES, in.address(), bytes))
              && message.end(tag)
              && LibCrypto.control(message.context, LibCrypto.GET_TAG, TAG_BYTES, tag);
      if (!good) {
        throw new IllegalStateException("libcrypto failed to seal");
      }
      MemorySegment.copy(out, BYTE, 0, sealed, position, OVERHEAD_BYTES + bytes);
    }
  }

  /**
   * Opens what was sealed, from {@code position} to the end of the array.
   *
   * @param key 32 bytes, or 16
   * @return null if it does not authenticate or is too short
   */
  public static @Nullable SecretBytes open(
      SecretBytes key, byte[] associated, byte[] sealed, int position) {
    return open(ContentCiphers.nativeGcm(key.length()), key, associated, sealed, position);
  }

  /**
   * @param cipher of libcrypto, or 0 for the JDK's
   */
  static @Nullable SecretBytes open(
      long cipher, SecretBytes key, byte[] associated, byte[] sealed, int position) {
    int bytes = sealed.length - position - OVERHEAD_BYTES;
    if (bytes < 0) {
      return null;
    }
    if (cipher == 0) {
      byte[] plain = new byte[bytes];
      try (AesGcm aead = key.read(keyBytes -> new AesGcm(keyBytes, NONCE_BYTES))) {
        boolean good = aead.open(associated, sealed, position, sealed.length - position, plain, 0);
        return good ? SecretBytes.take(plain) : null;
      }
    }
    try (Message message = new Message(cipher, key, associated, LibCrypto.DECRYPT);
        Arena arena = Arena.ofConfined()) {
      MemorySegment in = arena.allocate(OVERHEAD_BYTES + bytes);
      MemorySegment.copy(sealed, position, in, BYTE, 0, OVERHEAD_BYTES + bytes);
      long tag = in.address() + NONCE_BYTES + bytes;
      return SecretBytes.written(
          bytes,
          out ->
              message.begin(in)
                  && message.update(out.address(), in.address() + NONCE_BYTES, bytes)
                  && LibCrypto.control(message.context, LibCrypto.SET_TAG, TAG_BYTES, tag)
                  && message.end(tag));
    }
  }

  /** One message through a context of libcrypto, which holds the key until it is freed. */
  private static final class Message implements AutoCloseable {
    private final Arena arena = Arena.ofConfined();
    private final long context = LibCrypto.newContext();
    private final MemorySegment length = arena.allocate(ValueLayout.JAVA_LONG);
    private final MemorySegment associated;
    private final int direction;
    private final boolean ready;

    Message(long cipher, SecretBytes key, byte[] associated, int direction) {
      this.associated = arena.allocateFrom(BYTE, associated);
      this.direction = direction;
      ready = key.lend(bytes -> LibCrypto.init(context, cipher, bytes.address(), 0, direction));
    }

    /** The nonce, 12 bytes, which is what the cipher takes unless it is told otherwise. */
    boolean begin(MemorySegment nonce) {
      return ready
          && LibCrypto.init(context, 0, 0, nonce.address(), direction)
          && update(0, associated.address(), (int) associated.byteSize());
    }

    boolean update(long out, long in, int bytes) {
      return bytes == 0 || LibCrypto.update(context, out, length.address(), in, bytes);
    }

    boolean end(long out) {
      return LibCrypto.end(context, out, length.address());
    }

    @Override
    public void close() {
      LibCrypto.free(context);
      arena.close();
    }
  }
}
