package io.coffer.cli;

import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.keys.FscryptVolume;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What a new volume shall be. */
final class NewVolumeOptions {
  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "gocryptfs",
      description =
          "Format of the volume: gocryptfs (default), or fscrypt, in which each directory can get a"
              + " policy and a key of its own (see coffer policy).")
  private String format = "gocryptfs";

  @Option(
      names = "--content-cipher",
      paramLabel = "CIPHER",
      converter = CipherChoice.class,
      completionCandidates = CipherChoice.Candidates.class,
      description =
          "How contents are encrypted: aes-gcm (default), aes-siv (which survives a repeated"
              + " nonce, and is slow), xchacha20-poly1305 (for processors without AES).")
  private @Nullable GocryptfsCipher cipher;

  @Option(names = "--plaintext-names", description = "Leave the names of files as they are.")
  private boolean plaintextNames;

  @Option(
      names = "--deterministic-names",
      description =
          "Encrypt the same name alike in all directories: no file with a random value in each,"
              + " at the price of showing which names are equal.")
  private boolean deterministicNames;

  @Option(
      names = "--long-name-max",
      paramLabel = "N",
      description =
          "Store encrypted names longer than N bytes by their hash, 62 to 255 (default 255); for"
              + " stores that take only short names.")
  private @Nullable Integer longNameMax;

  @Option(
      names = "--scrypt-log-n",
      paramLabel = "N",
      description =
          "Cost of trying a password, as a power of two, 10 to 28 (default 16: a quarter of a"
              + " second and 64 MiB); one more doubles both.")
  private @Nullable Integer scryptLogN;

  /** Is anything other than the default asked for? */
  boolean isGiven() {
    return cipher != null
        || plaintextNames
        || deterministicNames
        || longNameMax != null
        || scryptLogN != null;
  }

  /** Is it to be a volume with fscrypt policies? */
  boolean isFscrypt() throws CommandException {
    if (!format.equals("gocryptfs") && !format.equals("fscrypt")) {
      throw new CommandException(
          ExitCode.USAGE,
          "the format '" + format + "' is not known; there are gocryptfs and fscrypt");
    }
    if (format.equals("fscrypt")
        && (cipher != null || plaintextNames || deterministicNames || longNameMax != null)) {
      throw new CommandException(
          ExitCode.USAGE,
          "ciphers and names of a volume of the format fscrypt are chosen for each directory",
          "coffer policy --help");
    }
    return format.equals("fscrypt");
  }

  /** Cost of trying a password, as the power of two. */
  int scryptLogN() {
    return scryptLogN == null ? FscryptVolume.DEFAULT_LOG_N : scryptLogN;
  }

  GocryptfsOptions toOptions(boolean reverse) throws CommandException {
    if (isFscrypt()) {
      throw new CommandException(
          ExitCode.USAGE,
          "make a volume of the format fscrypt with coffer init",
          "coffer init --format fscrypt DIR");
    }
    if (reverse && cipher != null && cipher != GocryptfsCipher.AES_SIV) {
      throw new CommandException(
          ExitCode.USAGE, "a tree can be shown encrypted (--reverse) only with aes-siv");
    }
    if (plaintextNames && (deterministicNames || longNameMax != null)) {
      throw new CommandException(
          ExitCode.USAGE,
          "--plaintext-names encrypts no names, so that "
              + (deterministicNames ? "--deterministic-names" : "--long-name-max")
              + " has no meaning beside it");
    }
    try {
      GocryptfsOptions options =
          GocryptfsOptions.DEFAULT
              .withPlaintextNames(plaintextNames)
              .withDeterministicNames(deterministicNames);
      if (cipher != null) {
        options = options.withCipher(cipher);
      }
      if (longNameMax != null) {
        options = options.withLongNameMax(longNameMax);
      }
      return scryptLogN == null ? options : options.withScryptLogN(scryptLogN);
    } catch (IllegalArgumentException e) {
      throw new CommandException(ExitCode.USAGE, String.valueOf(e.getMessage()));
    }
  }
}
