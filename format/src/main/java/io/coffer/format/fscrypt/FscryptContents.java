package io.coffer.format.fscrypt;

import io.coffer.crypto.UnitCipher;
import io.coffer.format.BlockException;
import io.coffer.format.ContentCipher;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The contents of one file: data units of one size (4096 bytes unless the policy says otherwise),
 * each enciphered alone under its number. A last unit that is not full is padded with zeros, so
 * that the stored file has whole units; its real size must be kept elsewhere.
 *
 * <p>A stored unit of zeros is a hole and opens as zeros; that a real one is all zeros is as likely
 * as guessing a key 256 times over. There is no integrity: whatever is stored opens as something.
 *
 * <p>Allocates nothing once warm. Closing wipes the file's key; using it afterwards throws
 * IllegalStateException.
 */
public final class FscryptContents implements ContentCipher, AutoCloseable {
  private static final int LARGEST_UNIT = 65536;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final MemorySegment ZEROS =
      MemorySegment.ofArray(new byte[LARGEST_UNIT]).asReadOnly();
  private static final ThreadLocal<MemorySegment> LAST_UNIT =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(LARGEST_UNIT, Long.BYTES));

  private final UnitCipher cipher;
  private final int unitBytes;

  FscryptContents(UnitCipher cipher) {
    this.cipher = cipher;
    this.unitBytes = cipher.unitBytes();
  }

  /** Bytes of a data unit. */
  public int unitBytes() {
    return unitBytes;
  }

  /**
   * Seals consecutive units, all full but possibly the last, which is padded with zeros.
   *
   * @return stored bytes written: {@code plainBytes} rounded up to whole units
   */
  @Override
  public int seal(
      long firstBlock,
      MemorySegment plain,
      long plainPosition,
      int plainBytes,
      MemorySegment stored,
      long storedPosition) {
    int rest = plainBytes & unitBytes - 1;
    int whole = plainBytes - rest;
    int units = whole / unitBytes;
    if (units > 0) {
      cipher.encrypt(firstBlock, plain, plainPosition, stored, storedPosition, units);
    }
    if (rest == 0) {
      return whole;
    }
    MemorySegment last = LAST_UNIT.get();
    MemorySegment.copy(plain, plainPosition + whole, last, 0, rest);
    MemorySegment.copy(ZEROS, 0, last, rest, unitBytes - rest);
    cipher.encrypt(firstBlock + units, last, 0, stored, storedPosition + whole, 1);
    MemorySegment.copy(ZEROS, 0, last, 0, rest);
    return whole + unitBytes;
  }

  /**
   * Opens consecutive stored units.
   *
   * @return {@code storedBytes}: whole units, of which the caller takes what the real size has
   * @throws BlockException if the last unit is not whole; the units before it have been written
   */
  @Override
  public int open(
      long firstBlock,
      MemorySegment stored,
      long storedPosition,
      int storedBytes,
      MemorySegment plain,
      long plainPosition)
      throws BlockException {
    int rest = storedBytes & unitBytes - 1;
    int units = storedBytes / unitBytes;
    int unit = 0;
    while (unit < units) {
      boolean isHole = isHole(stored, storedPosition, unit);
      int end = unit + 1;
      while (end < units && isHole(stored, storedPosition, end) == isHole) {
        end++;
      }
      long offset = (long) unit * unitBytes;
      if (isHole) {
        for (int i = unit; i < end; i++) {
          MemorySegment.copy(ZEROS, 0, plain, plainPosition + (long) i * unitBytes, unitBytes);
        }
      } else {
        cipher.decrypt(
            firstBlock + unit,
            stored,
            storedPosition + offset,
            plain,
            plainPosition + offset,
            end - unit);
      }
      unit = end;
    }
    if (rest != 0) {
      throw new BlockException(
          "the last data unit has " + rest + " bytes instead of " + unitBytes,
          firstBlock + units,
          storedBytes - rest);
    }
    return storedBytes;
  }

  /** Nearly every unit is told from a hole by its first word. */
  private boolean isHole(MemorySegment stored, long storedPosition, int unit) {
    long from = storedPosition + (long) unit * unitBytes;
    return stored.get(LONG, from) == 0
        && MemorySegment.mismatch(stored, from, from + unitBytes, ZEROS, 0, unitBytes) < 0;
  }

  /** Wipes the file's key. */
  @Override
  public void close() {
    cipher.close();
  }
}
