package io.coffer.format;

import java.lang.foreign.MemorySegment;

/**
 * Seals and opens the blocks of one file. Stateless but for keys; thread-safe. Works on native
 * memory, from one segment into another that does not overlap it.
 */
public interface ContentCipher {
  /**
   * Seals consecutive blocks, all full but possibly the last.
   *
   * @param firstBlock index of the first block
   * @param plainBytes at least 1
   * @return stored bytes written to {@code stored} at {@code storedPosition}
   */
  int seal(
      long firstBlock,
      MemorySegment plain,
      long plainPosition,
      int plainBytes,
      MemorySegment stored,
      long storedPosition);

  /**
   * Opens consecutive stored blocks, all full but possibly the last. A full stored block of zeros
   * is a hole and gives zeros.
   *
   * @return plain bytes written to {@code plain} at {@code plainPosition}
   * @throws BlockException for the first block that does not authenticate; the blocks before it
   *     have been written, nothing of it or after it
   */
  int open(
      long firstBlock,
      MemorySegment stored,
      long storedPosition,
      int storedBytes,
      MemorySegment plain,
      long plainPosition)
      throws BlockException;
}
