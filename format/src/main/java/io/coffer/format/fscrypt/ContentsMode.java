package io.coffer.format.fscrypt;

import java.util.Arrays;
import java.util.Optional;

/** How file contents are enciphered ({@code FSCRYPT_MODE_*} of include/uapi/linux/fscrypt.h). */
public enum ContentsMode {
  /** AES-256-XTS: the default, fast wherever the processor has AES instructions. */
  AES_256_XTS(1, 64, 32),
  /** AES-128 in CBC mode with ESSIV: only to read what others made. */
  AES_128_CBC(5, 16, 16),
  /** Adiantum: for processors without AES instructions. */
  ADIANTUM(9, 32, 32);

  private final int number;
  private final int keyBytes;
  private final int strengthBytes;

  ContentsMode(int number, int keyBytes, int strengthBytes) {
    this.number = number;
    this.keyBytes = keyBytes;
    this.strengthBytes = strengthBytes;
  }

  /** The mode of a number in a context; empty if there is none that we know. */
  public static Optional<ContentsMode> ofNumber(int number) {
    return Arrays.stream(values()).filter(mode -> mode.number == number).findFirst();
  }

  /** The kernel's number. */
  public int number() {
    return number;
  }

  /** Bytes of a file's key. */
  public int keyBytes() {
    return keyBytes;
  }

  /** The shortest master key, in bytes. */
  public int strengthBytes() {
    return strengthBytes;
  }

  /** The kernel has these pairs and no others (fs/crypto/policy.c, fscrypt_valid_enc_modes_v2). */
  public boolean goesWith(NamesMode names) {
    return switch (this) {
      case AES_256_XTS -> names == NamesMode.AES_256_CTS || names == NamesMode.AES_256_HCTR2;
      case AES_128_CBC -> names == NamesMode.AES_128_CTS;
      case ADIANTUM -> names == NamesMode.ADIANTUM;
    };
  }
}
