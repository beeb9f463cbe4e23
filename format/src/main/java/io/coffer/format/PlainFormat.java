package io.coffer.format;

import java.lang.foreign.MemorySegment;

/**
 * The format of a tree that is not encrypted: everything is stored as it is. With it the plain side
 * of a copy is a filesystem like the encrypted one. Never use it for a volume.
 */
public final class PlainFormat implements VolumeFormat {
  private static final int BLOCK_BYTES = 4096;
  private static final byte[] NOTHING = {};

  /** Names as they are; none is the format's own. */
  private static final NameCodec NAMES =
      new NameCodec() {
        @Override
        public StoredName encode(byte[] plain) {
          return new StoredName(plain, null, null);
        }

        @Override
        public EntryKind kindOf(byte[] storedName) {
          return EntryKind.PLAIN;
        }

        @Override
        public byte[] sidecarOf(byte[] storedName) {
          throw new IllegalArgumentException("plain names have no sidecar");
        }

        @Override
        public byte[] decode(byte[] storedName) {
          return storedName;
        }

        @Override
        public byte[] decodeLong(byte[] storedName, byte[] sidecarContent) throws FormatException {
          throw new FormatException("plain names have no sidecar");
        }

        @Override
        public byte[] newTemporaryName() {
          throw new IllegalStateException("nothing is prepared under a temporary name here");
        }

        @Override
        public boolean isTemporary(byte[] storedName) {
          return false;
        }
      };

  private static final ContentCipher COPY =
      new ContentCipher() {
        @Override
        public int seal(
            long firstBlock,
            MemorySegment plain,
            long plainPosition,
            int plainBytes,
            MemorySegment stored,
            long storedPosition) {
          MemorySegment.copy(plain, plainPosition, stored, storedPosition, plainBytes);
          return plainBytes;
        }

        @Override
        public int open(
            long firstBlock,
            MemorySegment stored,
            long storedPosition,
            int storedBytes,
            MemorySegment plain,
            long plainPosition) {
          MemorySegment.copy(stored, storedPosition, plain, plainPosition, storedBytes);
          return storedBytes;
        }
      };

  @Override
  public ContentLayout layout() {
    return new ContentLayout(0, BLOCK_BYTES, 0);
  }

  @Override
  public byte @org.jspecify.annotations.Nullable [] directoryContextName() {
    return null;
  }

  @Override
  public byte[] newDirectoryContext() {
    return NOTHING;
  }

  @Override
  public NameCodec names(byte[] directoryContext) {
    return NAMES;
  }

  @Override
  public boolean isReservedInRoot(byte[] storedName) {
    return false;
  }

  @Override
  public boolean isForbiddenInRoot(byte[] plainName) {
    return false;
  }

  @Override
  public byte[] newFileHeader() {
    return NOTHING;
  }

  @Override
  public ContentCipher contents(byte[] header) {
    return COPY;
  }

  @Override
  public byte[] sealSymlink(byte[] target) {
    return target;
  }

  @Override
  public byte[] openSymlink(byte[] stored) {
    return stored;
  }

  @Override
  public byte @org.jspecify.annotations.Nullable [] sealXattrName(byte[] name) {
    return null;
  }

  @Override
  public byte @org.jspecify.annotations.Nullable [] openXattrName(byte[] stored) {
    return stored;
  }

  @Override
  public byte[] sealXattrValue(byte[] value) {
    return value;
  }

  @Override
  public byte[] openXattrValue(byte[] stored) {
    return stored;
  }

  @Override
  public void close() {}
}
