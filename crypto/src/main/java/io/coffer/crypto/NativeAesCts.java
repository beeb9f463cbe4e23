package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.Arrays;

/**
 * {@link AesCbcCts} by libcrypto's CBC. Each directory has a key of its own: the JDK's cipher has
 * to be looked up and to expand the key for each, in code that is not compiled yet when a tree is
 * first gone through.
 *
 * <p>The key is expanded for each string, which takes libcrypto a part of a microsecond. What would
 * be kept for thousands of directories would leave the allocator holes that nothing fits into.
 */
final class NativeAesCts implements StringCipher {
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final int BLOCK = 16;

  /** A symbolic link's target, the longest string there is, has fewer bytes. */
  private static final int MOST_BYTES = 4096;

  // Where in a thread's memory is what.
  private static final int DATA = 0;
  private static final int VECTOR = MOST_BYTES;
  private static final int KEY = VECTOR + BLOCK;
  private static final int EXPANDED = KEY + 32;
  private static final int ALL_BYTES = EXPANDED + LibCrypto.EXPANDED_AES_KEY_BYTES;

  private static final ThreadLocal<MemorySegment> MEMORY =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(ALL_BYTES, BLOCK));

  private final WipeableKey key;

  /** {@code key}: 16 or 32 bytes, copied. */
  NativeAesCts(byte[] key) {
    this.key = new WipeableKey("AES", key, 0, key.length);
  }

  @Override
  public byte[] encrypt(byte[] plain) {
    int last = lastBlock(plain);
    byte[] chain = chain(LibCrypto.ENCRYPT, Arrays.copyOf(plain, last + BLOCK));
    if (last == 0) {
      return chain;
    }
    byte[] encrypted = new byte[plain.length];
    int before = last - BLOCK;
    System.arraycopy(chain, 0, encrypted, 0, before);
    System.arraycopy(chain, last, encrypted, before, BLOCK);
    System.arraycopy(chain, before, encrypted, last, plain.length - last);
    return encrypted;
  }

  @Override
  public byte[] decrypt(byte[] encrypted) {
    int last = lastBlock(encrypted);
    if (last == 0) {
      return chain(LibCrypto.DECRYPT, encrypted);
    }
    byte[] chain = new byte[last + BLOCK];
    int before = last - BLOCK;
    int rest = encrypted.length - last;
    System.arraycopy(encrypted, 0, chain, 0, before);
    System.arraycopy(encrypted, before, chain, last, BLOCK);
    System.arraycopy(encrypted, last, chain, before, rest);
    if (rest == BLOCK) {
      return chain(LibCrypto.DECRYPT, chain);
    }
    // The last block is that of the rest padded with zeros, added to the block before: where the
    // zeros were it holds the end of that block, which is not in the string.
    byte[] sum = chain(LibCrypto.DECRYPT, Arrays.copyOfRange(chain, last, last + BLOCK));
    System.arraycopy(sum, rest, chain, before + rest, BLOCK - rest);
    return Arrays.copyOf(chain(LibCrypto.DECRYPT, chain), encrypted.length);
  }

  private static int lastBlock(byte[] string) {
    if (string.length < MIN_BYTES || string.length > MOST_BYTES) {
      throw new IllegalArgumentException("CTS input of " + string.length + " bytes");
    }
    return (string.length - 1) / BLOCK * BLOCK;
  }

  /** CBC of whole blocks, from a vector of zeros. */
  private byte[] chain(int direction, byte[] in) {
    byte[] bytes = key.getEncoded();
    byte[] out = new byte[in.length];
    MemorySegment memory = MEMORY.get();
    long base = memory.address();
    try {
      MemorySegment.copy(in, 0, memory, BYTE, DATA, in.length);
      MemorySegment.copy(bytes, 0, memory, BYTE, KEY, bytes.length);
      LibCrypto.expandAesKey(base + KEY, bytes.length, base + EXPANDED, direction);
      LibCrypto.aesCbc(base + DATA, in.length, base + EXPANDED, base + VECTOR, direction);
      MemorySegment.copy(memory, BYTE, DATA, out, 0, in.length);
    } finally {
      memory.asSlice(VECTOR).fill((byte) 0);
      Arrays.fill(bytes, (byte) 0);
      Reference.reachabilityFence(memory);
    }
    return out;
  }

  @Override
  public void close() {
    key.destroy();
  }
}
