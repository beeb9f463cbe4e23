package io.coffer.format.fscrypt;

import io.coffer.crypto.Adiantum;
import io.coffer.crypto.UnitCipher;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Adiantum for contents: the tweak is the unit's number, little-endian, then with DIRECT_KEY the
 * file's nonce, then zeros.
 */
final class AdiantumUnits implements UnitCipher {
  private static final int LARGEST_UNIT = 65536;
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final VarHandle LONG_LE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final ThreadLocal<Work> WORK = ThreadLocal.withInitial(Work::new);

  /** Arrays of one thread. */
  private static final class Work {
    private final byte[] unit = new byte[LARGEST_UNIT];
    private final byte[] tweak = new byte[Adiantum.TWEAK_BYTES];
  }

  private final Adiantum cipher;
  private final byte[] tweak;
  private final int unitBytes;

  /** {@code tweak}: that of unit 0. */
  AdiantumUnits(byte[] key, byte[] tweak, int unitBytes) {
    this.cipher = new Adiantum(key);
    this.tweak = tweak.clone();
    this.unitBytes = unitBytes;
  }

  @Override
  public int unitBytes() {
    return unitBytes;
  }

  @Override
  public void encrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units) {
    transform(true, firstUnit, in, inPosition, out, to, units);
  }

  @Override
  public void decrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units) {
    transform(false, firstUnit, in, inPosition, out, to, units);
  }

  private void transform(
      boolean encrypting,
      long firstUnit,
      MemorySegment in,
      long inPosition,
      MemorySegment out,
      long to,
      int units) {
    Work work = WORK.get();
    System.arraycopy(tweak, 0, work.tweak, 0, tweak.length);
    for (int i = 0; i < units; i++) {
      long offset = (long) i * unitBytes;
      MemorySegment.copy(in, BYTE, inPosition + offset, work.unit, 0, unitBytes);
      LONG_LE.set(work.tweak, 0, firstUnit + i);
      if (encrypting) {
        cipher.encrypt(work.tweak, work.unit, 0, unitBytes);
      } else {
        cipher.decrypt(work.tweak, work.unit, 0, unitBytes);
      }
      MemorySegment.copy(work.unit, 0, out, BYTE, to + offset, unitBytes);
    }
  }

  @Override
  public void close() {
    cipher.close();
  }
}
