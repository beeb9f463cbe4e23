package io.coffer.keys;

import io.coffer.crypto.Argon2id;
import io.coffer.crypto.SecretBytes;

/**
 * What it costs to try a passphrase: the parameters of Argon2id (RFC 9106). They are chosen when a
 * volume is made and stay with it, so that every node that can open the volume today can open it
 * tomorrow.
 *
 * @param memoryKib memory that a try takes, in KiB
 * @param passes over that memory
 * @param lanes that could be computed at the same time
 */
public record Argon2Cost(int memoryKib, int passes, int lanes) {
  /** RFC 9106's second recommended choice: 64 MiB, which a small cgroup still has. */
  public static final Argon2Cost DEFAULT = new Argon2Cost(65_536, 3, 4);

  /** The least memory, in KiB. */
  public static final int MIN_MEMORY_KIB = 8192;

  /** The most memory, in KiB. */
  public static final int MAX_MEMORY_KIB = 1 << 22;

  /** The most passes. */
  public static final int MAX_PASSES = 100;

  private static final int MAX_LANES = 255;

  /** Throws IllegalArgumentException, with a sentence for a user, if it is too little or much. */
  public Argon2Cost {
    if (memoryKib < MIN_MEMORY_KIB || memoryKib > MAX_MEMORY_KIB) {
      throw new IllegalArgumentException(
          "the memory of a passphrase's hash must be 8 to 4096 MiB, not "
              + memoryKib / 1024
              + " MiB");
    }
    if (passes < 1 || passes > MAX_PASSES) {
      throw new IllegalArgumentException(
          "the passes of a passphrase's hash must be 1 to " + MAX_PASSES + ", not " + passes);
    }
    if (lanes < 1 || lanes > MAX_LANES) {
      throw new IllegalArgumentException(
          "the lanes of a passphrase's hash must be 1 to " + MAX_LANES + ", not " + lanes);
    }
  }

  /** Hashes a passphrase; the caller closes the result. */
  SecretBytes hash(SecretBytes passphrase, byte[] salt, int length) {
    return Argon2id.hash(passphrase, salt, memoryKib, passes, lanes, length);
  }
}
