package io.coffer.format;

/**
 * Where plain bytes lie in the stored file: {@code header || block_0 || block_1 ...}, each block
 * {@code blockBytes} of plain text plus {@code overheadBytes}, the last one shorter. Pure
 * arithmetic; an empty file is stored as an empty file.
 *
 * @param headerBytes length of the header, 0 if there is none
 * @param blockBytes plain bytes of a full block, a power of two
 * @param overheadBytes stored bytes that a block has beyond its plain ones (nonce, tag)
 */
public record ContentLayout(int headerBytes, int blockBytes, int overheadBytes) {
  public ContentLayout {
    if (Integer.bitCount(blockBytes) != 1 || headerBytes < 0 || overheadBytes < 0) {
      throw new IllegalArgumentException("block size must be a power of two, the rest positive");
    }
  }

  /** Stored bytes of a full block. */
  public int storedBlockBytes() {
    return blockBytes + overheadBytes;
  }

  /** The block that holds the plain byte at {@code offset}. */
  public long blockAt(long offset) {
    return offset / blockBytes;
  }

  /** Plain offset at which a block begins. */
  public long plainOffset(long block) {
    return block * blockBytes;
  }

  /** Stored offset at which a block begins. */
  public long storedOffset(long block) {
    return headerBytes + block * storedBlockBytes();
  }

  /** Blocks that it takes to hold {@code plainBytes}. */
  public long blocksFor(long plainBytes) {
    return plainBytes / blockBytes + (plainBytes % blockBytes == 0 ? 0 : 1);
  }

  /** Size of the stored file for a plain size. */
  public long storedSize(long plainSize) {
    return plainSize == 0 ? 0 : headerBytes + plainSize + blocksFor(plainSize) * overheadBytes;
  }

  /**
   * Plain size for the size of a stored file. A last block too short to hold a byte counts as one
   * byte (so that reading it fails, instead of the file looking shorter); a file of a header alone
   * is empty.
   */
  public long plainSize(long storedSize) {
    if (storedSize <= headerBytes) {
      return 0;
    }
    long body = storedSize - headerBytes;
    long full = body / storedBlockBytes();
    long rest = body % storedBlockBytes();
    if (rest == 0) {
      return full * blockBytes;
    }
    return full * blockBytes + Math.max(1, rest - overheadBytes);
  }

  /** The largest plain file whose stored form still fits a signed 64-bit size. */
  public long maxPlainSize() {
    return plainSize(Long.MAX_VALUE - 2L * storedBlockBytes()) / blockBytes * blockBytes;
  }
}
