package io.coffer.keys;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** What opens a protector. */
public enum ProtectorKind {
  /** What somebody types; hashed with Argon2id. */
  PASSPHRASE(true),
  /**
   * What a program prints; hashed with Argon2id. The program is not kept with the volume: whoever
   * can write to the store could have it run another.
   */
  COMMAND(true),
  /** A file of {@value ProtectorSecret#RAW_KEY_BYTES} random bytes. */
  KEY_FILE(false),
  /** Words that were shown once; see {@link RecoveryWords}. */
  RECOVERY(false);

  private final boolean hashed;

  ProtectorKind(boolean hashed) {
    this.hashed = hashed;
  }

  /** Does its secret come from a human mind, so that trying must be made expensive? */
  public boolean isHashed() {
    return hashed;
  }

  /** As the metadata and the command line have it, {@code key-file}. */
  public String word() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** The kind of a word. */
  public static Optional<ProtectorKind> of(String word) {
    return Arrays.stream(values()).filter(kind -> kind.word().equals(word)).findFirst();
  }
}
