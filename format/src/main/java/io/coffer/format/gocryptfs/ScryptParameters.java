package io.coffer.format.gocryptfs;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.Scrypt;
import io.coffer.crypto.SecretBytes;

/**
 * How the password is hashed: the ScryptObject of a configuration (configfile/scrypt.go).
 *
 * @param salt at least 32 bytes
 * @param n cost, a power of two from 2^10
 * @param r block size factor, at least 8
 * @param p rounds, at least 1
 * @param keyBytes length of the hash, at least 32
 */
public record ScryptParameters(byte[] salt, long n, int r, int p, int keyBytes) {
  /** log2 N of new volumes: 64 MiB and about a quarter of a second. */
  public static final int DEFAULT_LOG_N = 16;

  public static final int MIN_LOG_N = 10;
  public static final int MAX_LOG_N = 28;

  private static final int SALT_BYTES = 32;
  private static final int KEY_BYTES = 32;
  private static final int MIN_R = 8;

  /** Memory that hashing may take: what the largest N that a volume is made with does. */
  private static final long MAX_MEMORY_BYTES = (128L * MIN_R) << MAX_LOG_N;

  /** Parameters with a fresh salt. */
  public static ScryptParameters create(int logN) {
    if (logN < MIN_LOG_N || logN > MAX_LOG_N) {
      throw new IllegalArgumentException(
          "log2 of scrypt's N must be " + MIN_LOG_N + " to " + MAX_LOG_N + ", not " + logN);
    }
    return new ScryptParameters(RandomBytes.of(SALT_BYTES), 1L << logN, MIN_R, 1, KEY_BYTES);
  }

  void validate() throws ConfigException {
    if (n < 1L << MIN_LOG_N) {
      throw refused("N is " + n + ", below the minimum of " + (1L << MIN_LOG_N));
    }
    if (Long.bitCount(n) != 1) {
      throw refused("N is " + n + ", not a power of two");
    }
    if (r < MIN_R) {
      throw refused("R is " + r + ", below the minimum of " + MIN_R);
    }
    if (p < 1) {
      throw refused("P is " + p + ", below the minimum of 1");
    }
    if (salt.length < SALT_BYTES) {
      throw refused("the salt has " + salt.length + " bytes, below the minimum of " + SALT_BYTES);
    }
    if (keyBytes < KEY_BYTES) {
      throw refused("KeyLen is " + keyBytes + ", below the minimum of " + KEY_BYTES);
    }
    if (n > MAX_MEMORY_BYTES / 128 / r || p > 1024 || salt.length > 4096 || keyBytes > 4096) {
      throw refused("N, R, P, the salt or KeyLen is far beyond what a volume is made with");
    }
  }

  private static ConfigException refused(String what) {
    return new ConfigException(
        ConfigException.Reason.SCRYPT_PARAMETERS, "the parameters of scrypt are refused: " + what);
  }

  /** Bytes of memory that {@link #hash} takes. */
  public long memoryBytes() {
    return 128 * n * r;
  }

  /** The key that wraps the master key. */
  SecretBytes hash(SecretBytes password) {
    return Scrypt.hash(password, salt, n, r, p, keyBytes);
  }
}
