package io.coffer.keys;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** What somebody brings to open a protector, or to make one. Closing it wipes it. */
public final class ProtectorSecret implements AutoCloseable {
  /** Bytes of a key file. */
  public static final int RAW_KEY_BYTES = 32;

  private final ProtectorKind kind;
  private final SecretBytes bytes;

  private ProtectorSecret(ProtectorKind kind, SecretBytes bytes) {
    this.kind = kind;
    this.bytes = bytes;
  }

  /** A passphrase, whoever typed or printed it; it now belongs to this secret. */
  public static ProtectorSecret passphrase(SecretBytes passphrase) {
    return new ProtectorSecret(ProtectorKind.PASSPHRASE, passphrase);
  }

  /** A line that is a passphrase, or recovery words; it now belongs to this secret. */
  public static ProtectorSecret typed(SecretBytes line) {
    SecretBytes words = RecoveryWords.parse(line);
    if (words == null) {
      return passphrase(line);
    }
    line.close();
    return new ProtectorSecret(ProtectorKind.RECOVERY, words);
  }

  /** A new secret for recovery words. */
  public static ProtectorSecret newRecovery() {
    return new ProtectorSecret(
        ProtectorKind.RECOVERY, SecretBytes.random(RecoveryWords.SECRET_BYTES));
  }

  /**
   * The contents of a key file.
   *
   * @throws VolumeException MASTER_KEY_MALFORMED if it has not {@value #RAW_KEY_BYTES} bytes,
   *     PASSWORD_UNREADABLE
   */
  public static ProtectorSecret keyFile(Path file) throws VolumeException {
    try (InputStream in = Files.newInputStream(file)) {
      SecretBytes raw = SecretBytes.take(in.readNBytes(RAW_KEY_BYTES + 1));
      if (raw.length() != RAW_KEY_BYTES) {
        raw.close();
        throw new VolumeException(
            Problem.MASTER_KEY_MALFORMED,
            file + " is no key file: it has not " + RAW_KEY_BYTES + " bytes",
            "head -c 32 /dev/urandom > FILE",
            null);
      }
      return new ProtectorSecret(ProtectorKind.KEY_FILE, raw);
    } catch (IOException e) {
      throw new VolumeException(
          Problem.PASSWORD_UNREADABLE, "cannot read key file " + file + ": " + e.getMessage());
    }
  }

  /** A raw key of any length, as a key file holds it; null if it has the wrong length for one. */
  public static @Nullable ProtectorSecret ofRawKey(SecretBytes raw) {
    return raw.length() == RAW_KEY_BYTES
        ? new ProtectorSecret(ProtectorKind.KEY_FILE, raw.copy())
        : null;
  }

  /** What kind of secret it is. */
  public ProtectorKind kind() {
    return kind;
  }

  /** Can it be what opens a protector of this kind? */
  boolean fits(ProtectorKind other) {
    return kind == other || (kind.isHashed() && other.isHashed());
  }

  SecretBytes bytes() {
    return bytes;
  }

  /** The words of a {@link #newRecovery} secret, in ASCII; the caller wipes them. */
  public byte[] words() {
    if (kind != ProtectorKind.RECOVERY) {
      throw new IllegalStateException("no recovery words");
    }
    return RecoveryWords.format(bytes);
  }

  @Override
  public void close() {
    bytes.close();
  }
}
