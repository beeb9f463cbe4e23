package io.coffer.format.fscrypt;

import java.util.Arrays;
import java.util.Optional;

/**
 * How file names and targets of symbolic links are enciphered ({@code FSCRYPT_MODE_*} of
 * include/uapi/linux/fscrypt.h).
 */
public enum NamesMode {
  /**
   * AES-256-CBC with ciphertext stealing: the default of the kernel's tools. Names in one directory
   * with the same first 16 bytes have the same first 16 bytes when enciphered.
   */
  AES_256_CTS(4, 32, 32),
  /** AES-128-CBC with ciphertext stealing: only to read what others made. */
  AES_128_CTS(6, 16, 16),
  /** Adiantum: for processors without AES instructions. */
  ADIANTUM(9, 32, 32),
  /** AES-256-HCTR2: like {@link #AES_256_CTS}, but names tell nothing of common beginnings. */
  AES_256_HCTR2(10, 32, 32);

  private final int number;
  private final int keyBytes;
  private final int strengthBytes;

  NamesMode(int number, int keyBytes, int strengthBytes) {
    this.number = number;
    this.keyBytes = keyBytes;
    this.strengthBytes = strengthBytes;
  }

  /** The mode of a number in a context; empty if there is none that we know. */
  public static Optional<NamesMode> ofNumber(int number) {
    return Arrays.stream(values()).filter(mode -> mode.number == number).findFirst();
  }

  /** The kernel's number. */
  public int number() {
    return number;
  }

  /** Bytes of a directory's or symbolic link's key. */
  public int keyBytes() {
    return keyBytes;
  }

  /** The shortest master key, in bytes. */
  public int strengthBytes() {
    return strengthBytes;
  }
}
