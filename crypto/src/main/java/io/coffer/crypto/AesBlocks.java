package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.HexFormat;
import javax.crypto.Cipher;

/**
 * AES of single blocks under one key (FIPS 197), for modes that are built of it: by the system's
 * libcrypto where it gives known answers, else by Java. Java's has to be loaded and compiled first,
 * while somebody waits for the names of a directory. Thread-safe.
 */
abstract sealed class AesBlocks implements AutoCloseable {
  static final int BLOCK = 16;

  /** The most blocks of one call. */
  static final int MOST_BLOCKS = 128;

  /** Libcrypto's ciphers by the length of their key; 0 where Java's is used. */
  private static final class Native128 {
    static final long CIPHER =
        find(
            16,
            "AES-128-ECB",
            "EVP_aes_128_ecb",
            "c9a516d4b973794a90544bf41bfdbe054ad5610f37f87d4a54b051b7fdddc73c014bb765d2dd62d160f57f65c3b3d17b");
  }

  private static final class Native256 {
    static final long CIPHER =
        find(
            32,
            "AES-256-ECB",
            "EVP_aes_256_ecb",
            "31bb63e93a0c06179392775b5a9c13bae9a746485b5417701f04faff674ebb4c102240e0430354046533b82cc4dd9a5b");
  }

  private static long find(int keyBytes, String name, String function, String expected) {
    long cipher = ContentCiphers.isNativeThere() ? LibCrypto.cipher(name, function) : 0;
    if (cipher == 0) {
      return 0;
    }
    byte[] plain = RuntimeCheck.pattern(3 * BLOCK, 7);
    byte[] encrypted = new byte[plain.length];
    byte[] decrypted = new byte[plain.length];
    WipeableKey key = new WipeableKey("AES", RuntimeCheck.pattern(keyBytes, 5), 0, keyBytes);
    try (AesBlocks tried = new ByLibCrypto(cipher, key)) {
      tried.encrypt(plain, plain.length, encrypted);
      tried.decrypt(encrypted, encrypted.length, decrypted);
      return HexFormat.of().formatHex(encrypted).equals(expected) && Arrays.equals(decrypted, plain)
          ? cipher
          : 0;
    } catch (IllegalStateException e) {
      return 0;
    }
  }

  /** {@code key}: 16 or 32 bytes, copied. */
  static AesBlocks of(byte[] key) {
    if (key.length != 16 && key.length != 32) {
      throw new IllegalArgumentException("AES key of " + key.length + " bytes");
    }
    WipeableKey own = new WipeableKey("AES", key, 0, key.length);
    long cipher = key.length == 16 ? Native128.CIPHER : Native256.CIPHER;
    return cipher == 0 ? new ByJava(own) : new ByLibCrypto(cipher, own);
  }

  /**
   * Enciphers each of the first blocks by itself.
   *
   * @param length at most {@value #MOST_BLOCKS} whole blocks, in bytes
   * @param out may be the same array
   * @throws IllegalStateException if the key has been wiped
   */
  abstract void encrypt(byte[] in, int length, byte[] out);

  /** Undoes {@link #encrypt}. */
  abstract void decrypt(byte[] in, int length, byte[] out);

  /** Wipes the key. */
  @Override
  public abstract void close();

  private static final class ByJava extends AesBlocks {
    private final WipeableKey key;

    @SuppressWarnings("ThreadLocalUsage") // one per key; a volume has one, and few are open
    private final ThreadLocal<Cipher> encryption;

    @SuppressWarnings("ThreadLocalUsage") // as above
    private final ThreadLocal<Cipher> decryption;

    ByJava(WipeableKey key) {
      this.key = key;
      encryption = ThreadLocal.withInitial(() -> cipher(Cipher.ENCRYPT_MODE));
      decryption = ThreadLocal.withInitial(() -> cipher(Cipher.DECRYPT_MODE));
    }

    private Cipher cipher(int mode) {
      return Jce.cipher("AES/ECB/NoPadding", mode, key, null);
    }

    @Override
    void encrypt(byte[] in, int length, byte[] out) {
      apply(encryption, in, length, out);
    }

    @Override
    void decrypt(byte[] in, int length, byte[] out) {
      apply(decryption, in, length, out);
    }

    private void apply(ThreadLocal<Cipher> cipher, byte[] in, int length, byte[] out) {
      if (key.isDestroyed()) {
        throw new IllegalStateException("the key has been wiped");
      }
      Jce.apply(cipher.get(), in, 0, length, out, 0);
    }

    @Override
    public void close() {
      key.destroy();
      encryption.remove();
      decryption.remove();
    }
  }

  private static final class ByLibCrypto extends AesBlocks {
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    private static final int LENGTH = BLOCK * MOST_BLOCKS;

    /** Of a thread: the blocks, and where libcrypto writes a length that nobody asks for. */
    private static final ThreadLocal<MemorySegment> MEMORY =
        ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(LENGTH + 8, BLOCK));

    private final WipeableKey key;
    private final EvpContexts encryption;
    private final EvpContexts decryption;

    ByLibCrypto(long cipher, WipeableKey key) {
      this.key = key;
      encryption = new EvpContexts(cipher, key, 0, LibCrypto.ENCRYPT);
      decryption = new EvpContexts(cipher, key, 0, LibCrypto.DECRYPT);
    }

    @Override
    void encrypt(byte[] in, int length, byte[] out) {
      apply(encryption, in, length, out);
    }

    @Override
    void decrypt(byte[] in, int length, byte[] out) {
      apply(decryption, in, length, out);
    }

    private void apply(EvpContexts contexts, byte[] in, int length, byte[] out) {
      if (key.isDestroyed()) {
        throw new IllegalStateException("the key has been wiped");
      }
      MemorySegment memory = MEMORY.get();
      long blocks = memory.address();
      MemorySegment.copy(in, 0, memory, BYTE, 0, length);
      long context = contexts.take();
      try {
        if (!LibCrypto.update(context, blocks, blocks + LENGTH, blocks, length)) {
          throw new IllegalStateException("libcrypto failed to compute AES");
        }
      } finally {
        contexts.give(context);
        Reference.reachabilityFence(memory);
      }
      MemorySegment.copy(memory, BYTE, 0, out, 0, length);
    }

    @Override
    public void close() {
      key.destroy();
      encryption.close();
      decryption.close();
    }
  }
}
