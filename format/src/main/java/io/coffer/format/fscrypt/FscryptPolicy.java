package io.coffer.format.fscrypt;

import java.util.Arrays;
import java.util.HexFormat;

/**
 * An encryption policy of version 2: what all files of a tree have in common. Immutable.
 *
 * @param contents cipher of file contents
 * @param names cipher of names and targets of symbolic links
 * @param padding 4, 8, 16 or 32: names are padded to a multiple of it
 * @param directKey one key for all files instead of one for each ({@code DIRECT_KEY}); only with
 *     Adiantum
 * @param log2DataUnitSize binary logarithm of the data unit's bytes, 9 to 16; 0 stands for the file
 *     system's block, which is 4096 bytes here
 * @param masterKeyIdentifier 16 bytes, as {@link FscryptMasterKey#identifier} gives them
 */
public record FscryptPolicy(
    ContentsMode contents,
    NamesMode names,
    int padding,
    boolean directKey,
    int log2DataUnitSize,
    byte[] masterKeyIdentifier) {
  /** Bytes of a master key's identifier. */
  public static final int IDENTIFIER_BYTES = 16;

  /** What new policies have: data units of 4096 bytes, whatever the page size of the machine. */
  public static final int DEFAULT_LOG2_DATA_UNIT_SIZE = 12;

  private static final int SMALLEST_LOG2 = 9;
  private static final int LARGEST_LOG2 = 16;

  /**
   * Checks and copies.
   *
   * @throws IllegalArgumentException for a combination that the kernel has not; the message says
   *     which, in words for a user
   */
  public FscryptPolicy {
    if (!contents.goesWith(names)) {
      throw new IllegalArgumentException(
          "contents in " + contents + " do not go with names in " + names);
    }
    if (padding != 4 && padding != 8 && padding != 16 && padding != 32) {
      throw new IllegalArgumentException(
          "names are padded to 4, 8, 16 or 32 bytes, not to " + padding);
    }
    if (directKey && contents != ContentsMode.ADIANTUM) {
      throw new IllegalArgumentException("DIRECT_KEY needs Adiantum, not " + contents);
    }
    if (log2DataUnitSize != 0
        && (log2DataUnitSize < SMALLEST_LOG2 || log2DataUnitSize > LARGEST_LOG2)) {
      throw new IllegalArgumentException(
          "data units have 2^9 to 2^16 bytes, not 2^" + log2DataUnitSize);
    }
    if (masterKeyIdentifier.length != IDENTIFIER_BYTES) {
      throw new IllegalArgumentException(
          "a master key's identifier has 16 bytes, not " + masterKeyIdentifier.length);
    }
    masterKeyIdentifier = masterKeyIdentifier.clone();
  }

  /** A policy with a key for each file. */
  public FscryptPolicy(
      ContentsMode contents,
      NamesMode names,
      int padding,
      int log2DataUnitSize,
      byte[] masterKeyIdentifier) {
    this(contents, names, padding, false, log2DataUnitSize, masterKeyIdentifier);
  }

  @Override
  public byte[] masterKeyIdentifier() {
    return masterKeyIdentifier.clone();
  }

  /** Bytes of a data unit. */
  public int dataUnitBytes() {
    return 1 << (log2DataUnitSize == 0 ? DEFAULT_LOG2_DATA_UNIT_SIZE : log2DataUnitSize);
  }

  /** Size of the stored file for a plain size: whole data units. */
  public long storedSize(long plainSize) {
    long rest = plainSize & dataUnitBytes() - 1;
    return rest == 0 ? plainSize : plainSize - rest + dataUnitBytes();
  }

  /** The shortest master key for this policy, in bytes. */
  public int minMasterKeyBytes() {
    return Math.max(contents.strengthBytes(), names.strengthBytes());
  }

  /** Bytes of the enciphered form of a name or target, cut to {@code longest}. */
  int paddedBytes(int plainBytes, int longest) {
    int atLeast = Math.max(plainBytes, 16);
    return Math.min((atLeast + padding - 1) / padding * padding, longest);
  }

  @Override
  public boolean equals(Object other) {
    if (this == other) {
      return true;
    }
    return other instanceof FscryptPolicy that
        && contents == that.contents
        && names == that.names
        && padding == that.padding
        && directKey == that.directKey
        && log2DataUnitSize == that.log2DataUnitSize
        && Arrays.equals(masterKeyIdentifier, that.masterKeyIdentifier);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(masterKeyIdentifier) * 31 + contents.number() * 32 + names.number();
  }

  @Override
  public String toString() {
    return "contents "
        + contents
        + ", names "
        + names
        + ", padding "
        + padding
        + (directKey ? ", direct key" : "")
        + ", data units of "
        + dataUnitBytes()
        + ", master key "
        + HexFormat.of().formatHex(masterKeyIdentifier);
  }
}
