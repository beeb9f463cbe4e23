package io.coffer.format.gocryptfs;

import io.coffer.crypto.Aead;
import io.coffer.crypto.RandomBytes;
import io.coffer.format.BlockException;
import io.coffer.format.ContentCipher;
import io.coffer.format.ContentLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The blocks of one file (contentenc/content.go): {@code nonce || ciphertext || tag}, bound to the
 * block's number and the file's id, which are the associated data {@code uint64 big-endian || id}.
 */
final class GocryptfsContents implements ContentCipher {
  static final int BLOCK_BYTES = 4096;
  static final int FILE_ID_BYTES = 16;

  private static final int ASSOCIATED_BYTES = 8 + FILE_ID_BYTES;
  private static final int LARGEST_OVERHEAD = 40;
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final ValueLayout.OfLong LONG_BE = LONG.withOrder(ByteOrder.BIG_ENDIAN);
  private static final MemorySegment ZEROS =
      MemorySegment.ofArray(new byte[BLOCK_BYTES + LARGEST_OVERHEAD]).asReadOnly();
  private static final VarHandle BIG_ENDIAN =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

  /** Blocks that are sealed or opened at once: no more than a request of the kernel has. */
  private static final int MOST_BLOCKS = 256;

  private static final ThreadLocal<byte[]> ASSOCIATED =
      ThreadLocal.withInitial(() -> new byte[MOST_BLOCKS * ASSOCIATED_BYTES]);

  private final Aead aead;
  private final ContentLayout layout;
  private final byte[] fileId;
  private final byte @Nullable [] firstNonce;

  /** The contents of a stored file: each block that is sealed gets a random nonce. */
  GocryptfsContents(Aead aead, ContentLayout layout, byte[] fileId) {
    this(aead, layout, fileId, null);
  }

  /**
   * The contents of a plain file shown encrypted: the nonce of block n is {@code firstNonce} with n
   * added to its last eight bytes, big-endian and wrapping (pathiv/pathiv.go). Only for AES-SIV,
   * which stays safe if a nonce meets two plain texts.
   */
  GocryptfsContents(Aead aead, ContentLayout layout, byte[] fileId, byte @Nullable [] firstNonce) {
    this.aead = aead;
    this.layout = layout;
    this.fileId = fileId;
    this.firstNonce = firstNonce;
  }

  @Override
  public int seal(
      long firstBlock,
      MemorySegment plain,
      long plainPosition,
      int plainBytes,
      MemorySegment stored,
      long storedPosition) {
    long to = storedPosition;
    long block = firstBlock;
    for (int done = 0; done < plainBytes; ) {
      int blocks = Math.clamp((plainBytes - done) / BLOCK_BYTES, 1, MOST_BLOCKS);
      int each = Math.min(BLOCK_BYTES, plainBytes - done);
      int sealed = each + layout.overheadBytes();
      for (int i = 0; i < blocks; i++) {
        putNonce(stored, to + (long) i * sealed, block + i);
      }
      byte[] associated = associated(blocks, block);
      aead.sealAll(
          blocks, associated, ASSOCIATED_BYTES, plain, plainPosition + done, each, stored, to);
      to += blocks * (long) sealed;
      done += blocks * each;
      block += blocks;
    }
    return (int) (to - storedPosition);
  }

  private void putNonce(MemorySegment target, long position, long block) {
    if (firstNonce == null) {
      RandomBytes.fill(target, position, aead.nonceBytes());
      return;
    }
    MemorySegment.copy(firstNonce, 0, target, BYTE, position, 8);
    target.set(LONG_BE, position + 8, (long) BIG_ENDIAN.get(firstNonce, 8) + block);
  }

  private byte[] associated(int blocks, long firstBlock) {
    byte[] associated = ASSOCIATED.get();
    for (int i = 0; i < blocks; i++) {
      BIG_ENDIAN.set(associated, i * ASSOCIATED_BYTES, firstBlock + i);
      System.arraycopy(fileId, 0, associated, i * ASSOCIATED_BYTES + 8, FILE_ID_BYTES);
    }
    return associated;
  }

  @Override
  public int open(
      long firstBlock,
      MemorySegment stored,
      long storedPosition,
      int storedBytes,
      MemorySegment plain,
      long plainPosition)
      throws BlockException {
    int storedBlockBytes = layout.storedBlockBytes();
    int delivered = 0;
    long block = firstBlock;
    for (int done = 0; done < storedBytes; ) {
      int some = Math.min(storedBlockBytes, storedBytes - done);
      long from = storedPosition + done;
      int plainBytes = some - layout.overheadBytes();
      if (plainBytes <= 0) {
        throw new BlockException(
            "the last block has " + some + " bytes, too few to be one", block, delivered);
      }
      if (some == storedBlockBytes && isZero(stored, from, some)) {
        plain.asSlice(plainPosition + delivered, BLOCK_BYTES).fill((byte) 0);
        delivered += BLOCK_BYTES;
        done += some;
        block++;
        continue;
      }
      if (isZero(stored, from, aead.nonceBytes())) {
        throw new BlockException("the block's nonce is all zero", block, delivered);
      }
      int blocks = 1;
      if (some == storedBlockBytes) {
        int most = Math.min(MOST_BLOCKS, (storedBytes - done) / some);
        // A hole, or a nonce that is none, ends what is opened at once.
        while (blocks < most && !isZero(stored, from + (long) blocks * some, aead.nonceBytes())) {
          blocks++;
        }
      }
      byte[] associated = associated(blocks, block);
      int good =
          aead.openAll(
              blocks,
              associated,
              ASSOCIATED_BYTES,
              stored,
              from,
              some,
              plain,
              plainPosition + delivered);
      delivered += good * plainBytes;
      if (good < blocks) {
        throw new BlockException("the block does not authenticate", block + good, delivered);
      }
      done += blocks * some;
      block += blocks;
    }
    return delivered;
  }

  /** Nearly every block is told from a hole by its first word. */
  private static boolean isZero(MemorySegment memory, long position, int length) {
    return memory.get(LONG, position) == 0
        && MemorySegment.mismatch(memory, position, position + length, ZEROS, 0, length) < 0;
  }

  static boolean isZero(byte[] bytes) {
    return Arrays.equals(bytes, new byte[bytes.length]);
  }
}
