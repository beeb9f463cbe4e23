package io.coffer.cli;

import io.coffer.format.gocryptfs.GocryptfsCipher;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

/**
 * The outside of a stored file, as anybody sees it who has no key: {@code version 2 bytes || file
 * ID 16 bytes}, then blocks of {@code nonce || ciphertext || tag}, with AES-SIV {@code nonce || tag
 * || ciphertext} (docs/formats.md).
 */
public final class StoredFile {
  /** Length of a header. */
  public static final int HEADER_BYTES = 18;

  static final int PLAIN_BLOCK_BYTES = 4096;
  private static final int TAG_BYTES = 16;

  /**
   * A stored block.
   *
   * @param offset in the stored file
   * @param length stored bytes
   * @param nonce in hexadecimal
   * @param tag in hexadecimal
   * @param hole whether the block is all zero, which reads as zeros
   */
  public record Block(
      long index, long offset, int length, String nonce, String tag, boolean hole) {}

  /** Takes the blocks, one by one. */
  public interface BlockSink {
    void accept(Block block) throws IOException;
  }

  private StoredFile() {}

  /** Nonce and tag of each block. */
  static int overheadBytes(GocryptfsCipher cipher) {
    return nonceBytes(cipher) + TAG_BYTES;
  }

  private static int nonceBytes(GocryptfsCipher cipher) {
    return cipher == GocryptfsCipher.XCHACHA20_POLY1305 ? 24 : 16;
  }

  /** The first bytes of the file, at most a header's. */
  public static byte[] header(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      return in.readNBytes(HEADER_BYTES);
    }
  }

  /** Reads the blocks behind the header. */
  public static void blocks(Path file, GocryptfsCipher cipher, BlockSink sink) throws IOException {
    int nonceBytes = nonceBytes(cipher);
    ByteBuffer buffer = ByteBuffer.allocate(PLAIN_BLOCK_BYTES + overheadBytes(cipher));
    byte[] bytes = buffer.array();
    HexFormat hex = HexFormat.of();
    try (SeekableByteChannel channel = Files.newByteChannel(file)) {
      channel.position(HEADER_BYTES);
      long offset = HEADER_BYTES;
      for (long index = 0; ; index++) {
        buffer.clear();
        while (buffer.hasRemaining() && channel.read(buffer) > 0) {
          // A read may be short.
        }
        int length = buffer.position();
        if (length == 0) {
          return;
        }
        if (length < overheadBytes(cipher)) {
          throw new EOFException(
              "block " + index + " has " + length + " bytes, too few for a nonce and a tag");
        }
        int tag = cipher == GocryptfsCipher.AES_SIV ? nonceBytes : length - TAG_BYTES;
        sink.accept(
            new Block(
                index,
                offset,
                length,
                hex.formatHex(bytes, 0, nonceBytes),
                hex.formatHex(bytes, tag, tag + TAG_BYTES),
                length == bytes.length && isZero(bytes)));
        offset += length;
      }
    }
  }

  private static boolean isZero(byte[] bytes) {
    for (byte b : bytes) {
      if (b != 0) {
        return false;
      }
    }
    return true;
  }
}
