package io.coffer.crypto;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;

/**
 * AES-128 in CBC mode with ESSIV: the initialisation vector of a unit is its number, 16 bytes
 * little-endian, enciphered with AES-256 under the SHA-256 of the key.
 */
public final class AesCbcEssiv implements UnitCipher {
  private static final int BLOCK = 16;
  private static final int KEY_BYTES = 16;
  private static final int LARGEST_UNIT = 65536;
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final VarHandle LONG_LE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final ThreadLocal<Work> WORK = ThreadLocal.withInitial(Work::new);

  /** Arrays of one thread. */
  private static final class Work {
    private final byte[] in = new byte[LARGEST_UNIT];
    private final byte[] out = new byte[LARGEST_UNIT];
    private final byte[] unit = new byte[BLOCK];
    private final byte[] vector = new byte[BLOCK];
  }

  private final int unitBytes;
  private final CipherPool vectors;
  private final CipherPool encryption;
  private final CipherPool decryption;

  /**
   * @param key 16 bytes, copied
   * @param unitBytes a power of two from 512 to 65536
   */
  public AesCbcEssiv(byte[] key, int unitBytes) {
    if (key.length != KEY_BYTES) {
      throw new IllegalArgumentException("AES-128 key of " + key.length + " bytes");
    }
    if (Integer.bitCount(unitBytes) != 1 || unitBytes < 512 || unitBytes > LARGEST_UNIT) {
      throw new IllegalArgumentException("CBC unit of " + unitBytes + " bytes");
    }
    this.unitBytes = unitBytes;
    byte[] salt = sha256(key);
    vectors = CipherPool.ofBlocks(Cipher.ENCRYPT_MODE, salt, 0, salt.length);
    Arrays.fill(salt, (byte) 0);
    encryption = pool(Cipher.ENCRYPT_MODE, key);
    decryption = pool(Cipher.DECRYPT_MODE, key);
  }

  /** CBC from a vector of zeros: the unit's own is added to its first block by hand. */
  private static CipherPool pool(int mode, byte[] key) {
    return new CipherPool(
        "AES/CBC/NoPadding",
        mode,
        new WipeableKey("AES", key, 0, key.length),
        new IvParameterSpec(new byte[BLOCK]));
  }

  private static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime lacks SHA-256", e);
    }
  }

  @Override
  public int unitBytes() {
    return unitBytes;
  }

  @Override
  public void encrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units) {
    Work work = WORK.get();
    Cipher cipher = encryption.take();
    try {
      for (int i = 0; i < units; i++) {
        long offset = (long) i * unitBytes;
        makeVector(work, firstUnit + i);
        MemorySegment.copy(in, BYTE, inPosition + offset, work.in, 0, unitBytes);
        addVector(work.vector, work.in);
        Jce.apply(cipher, work.in, 0, unitBytes, work.out, 0);
        MemorySegment.copy(work.out, 0, out, BYTE, to + offset, unitBytes);
      }
    } finally {
      encryption.give(cipher);
    }
  }

  @Override
  public void decrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units) {
    Work work = WORK.get();
    Cipher cipher = decryption.take();
    try {
      for (int i = 0; i < units; i++) {
        long offset = (long) i * unitBytes;
        makeVector(work, firstUnit + i);
        MemorySegment.copy(in, BYTE, inPosition + offset, work.in, 0, unitBytes);
        Jce.apply(cipher, work.in, 0, unitBytes, work.out, 0);
        addVector(work.vector, work.out);
        MemorySegment.copy(work.out, 0, out, BYTE, to + offset, unitBytes);
      }
    } finally {
      decryption.give(cipher);
    }
  }

  private void makeVector(Work work, long unit) {
    LONG_LE.set(work.unit, 0, unit); // the high word is always 0
    Cipher cipher = vectors.take();
    try {
      Jce.apply(cipher, work.unit, 0, BLOCK, work.vector, 0);
    } finally {
      vectors.give(cipher);
    }
  }

  private static void addVector(byte[] vector, byte[] unit) {
    LONG_LE.set(unit, 0, (long) LONG_LE.get(unit, 0) ^ (long) LONG_LE.get(vector, 0));
    LONG_LE.set(unit, 8, (long) LONG_LE.get(unit, 8) ^ (long) LONG_LE.get(vector, 8));
  }

  @Override
  public void close() {
    vectors.close();
    encryption.close();
    decryption.close();
  }
}
