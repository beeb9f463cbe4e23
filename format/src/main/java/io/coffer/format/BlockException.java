package io.coffer.format;

/** A block of a file does not authenticate, or cannot be one. */
public final class BlockException extends FormatException {
  private static final long serialVersionUID = 1L;

  private final long block;
  private final int plainBytesBefore;

  /**
   * @param block index of the first bad block
   * @param plainBytesBefore plain bytes of good blocks before it that were delivered
   */
  public BlockException(String message, long block, int plainBytesBefore) {
    super(message);
    this.block = block;
    this.plainBytesBefore = plainBytesBefore;
  }

  public long block() {
    return block;
  }

  public int plainBytesBefore() {
    return plainBytesBefore;
  }
}
