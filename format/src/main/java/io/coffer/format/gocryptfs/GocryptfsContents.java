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
 * Each block passes through heap arrays of the thread, where the JDK's ciphers are at their best.
 */
final class GocryptfsContents implements ContentCipher {
  static final int BLOCK_BYTES = 4096;
  static final int FILE_ID_BYTES = 16;

  private static final int ASSOCIATED_BYTES = 8 + FILE_ID_BYTES;
  private static final int LARGEST_OVERHEAD = 40;
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final MemorySegment ZEROS =
      MemorySegment.ofArray(new byte[BLOCK_BYTES + LARGEST_OVERHEAD]).asReadOnly();
  private static final VarHandle LONG_BE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
  private static final ThreadLocal<Bounce> BOUNCE = ThreadLocal.withInitial(() -> new Bounce(1));

  /** Heap arrays of one thread, for as many blocks as the cipher takes at once. */
  private static final class Bounce {
    final int blocks;
    final byte[] plain;
    final byte[] stored;
    final byte[] associated;

    Bounce(int blocks) {
      this.blocks = blocks;
      plain = new byte[blocks * BLOCK_BYTES];
      stored = new byte[blocks * (BLOCK_BYTES + LARGEST_OVERHEAD)];
      associated = new byte[blocks * ASSOCIATED_BYTES];
    }
  }

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
    Bounce bounce = bounce();
    long to = storedPosition;
    long block = firstBlock;
    for (int done = 0; done < plainBytes; ) {
      int blocks = Math.clamp((plainBytes - done) / BLOCK_BYTES, 1, bounce.blocks);
      int each = Math.min(BLOCK_BYTES, plainBytes - done);
      int sealed = each + layout.overheadBytes();
      MemorySegment.copy(plain, BYTE, plainPosition + done, bounce.plain, 0, blocks * each);
      for (int i = 0; i < blocks; i++) {
        putNonce(bounce.stored, i * sealed, block + i);
      }
      putAssociated(bounce, blocks, block);
      aead.sealAll(blocks, bounce.associated, ASSOCIATED_BYTES, bounce.plain, each, bounce.stored);
      MemorySegment.copy(bounce.stored, 0, stored, BYTE, to, blocks * sealed);
      to += blocks * (long) sealed;
      done += blocks * each;
      block += blocks;
    }
    return (int) (to - storedPosition);
  }

  private void putNonce(byte[] target, int position, long block) {
    if (firstNonce == null) {
      RandomBytes.fill(target, position, aead.nonceBytes());
      return;
    }
    System.arraycopy(firstNonce, 0, target, position, 8);
    LONG_BE.set(target, position + 8, (long) LONG_BE.get(firstNonce, 8) + block);
  }

  private void putAssociated(Bounce bounce, int blocks, long firstBlock) {
    for (int i = 0; i < blocks; i++) {
      LONG_BE.set(bounce.associated, i * ASSOCIATED_BYTES, firstBlock + i);
      System.arraycopy(fileId, 0, bounce.associated, i * ASSOCIATED_BYTES + 8, FILE_ID_BYTES);
    }
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
    Bounce bounce = bounce();
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
        int most = Math.min(bounce.blocks, (storedBytes - done) / some);
        // A hole, or a nonce that is none, ends what is opened at once.
        while (blocks < most && !isZero(stored, from + (long) blocks * some, aead.nonceBytes())) {
          blocks++;
        }
      }
      MemorySegment.copy(stored, BYTE, from, bounce.stored, 0, blocks * some);
      putAssociated(bounce, blocks, block);
      int good =
          aead.openAll(
              blocks, bounce.associated, ASSOCIATED_BYTES, bounce.stored, some, bounce.plain);
      MemorySegment.copy(
          bounce.plain, 0, plain, BYTE, plainPosition + delivered, good * plainBytes);
      delivered += good * plainBytes;
      if (good < blocks) {
        throw new BlockException("the block does not authenticate", block + good, delivered);
      }
      done += blocks * some;
      block += blocks;
    }
    return delivered;
  }

  private Bounce bounce() {
    Bounce bounce = BOUNCE.get();
    if (bounce.blocks != aead.lanes()) {
      bounce = new Bounce(aead.lanes());
      BOUNCE.set(bounce);
    }
    return bounce;
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
