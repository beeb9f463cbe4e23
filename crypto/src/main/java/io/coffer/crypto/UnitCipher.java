package io.coffer.crypto;

import java.lang.foreign.MemorySegment;

/**
 * Enciphers the data units of one file: blocks of one size, numbered from 0, each of which depends
 * on its number and the key alone. Keeps lengths, and so has no authentication: whatever is
 * deciphered gives something. Thread-safe; allocates nothing once warm.
 *
 * <p>Works from one segment into another that does not overlap it.
 */
public interface UnitCipher extends AutoCloseable {
  /** Bytes of a unit. */
  int unitBytes();

  /** Enciphers {@code units} consecutive units, the first of which is number {@code firstUnit}. */
  void encrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units);

  /** Undoes {@link #encrypt}. */
  void decrypt(
      long firstUnit, MemorySegment in, long inPosition, MemorySegment out, long to, int units);

  /** Wipes the keys; using the cipher afterwards throws IllegalStateException. */
  @Override
  void close();
}
