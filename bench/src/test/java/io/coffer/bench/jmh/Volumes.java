package io.coffer.bench.jmh;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.VolumeFormat;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.GocryptfsOptions;

/** Opened volumes to measure. */
final class Volumes {
  private static final int CHEAP_SCRYPT = 10;

  private Volumes() {}

  static VolumeFormat gocryptfs(GocryptfsCipher cipher) {
    var options = GocryptfsOptions.DEFAULT.withCipher(cipher).withScryptLogN(CHEAP_SCRYPT);
    try (SecretBytes password = SecretBytes.random(16);
        SecretBytes masterKey = SecretBytes.random(GocryptfsConfig.MASTER_KEY_BYTES)) {
      return new GocryptfsFormat(
          GocryptfsConfig.create(options, password, masterKey), masterKey, true);
    }
  }
}
