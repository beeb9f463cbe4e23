package io.coffer.cli;

import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.keys.Argon2Cost;
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

  @Option(
      names = "--argon2-memory",
      paramLabel = "MIB",
      description =
          "With the format fscrypt: memory that trying a passphrase takes, 8 to 4096 MiB (default"
              + " 64). It stays with the volume, so every node that opens it must have as much.")
  private @Nullable Integer argon2Memory;

  @Option(
      names = "--argon2-passes",
      paramLabel = "N",
      description =
          "With the format fscrypt: how often that memory is gone through, 1 to 100 (default 3).")
  private @Nullable Integer argon2Passes;

  /** Is anything other than the default asked for? */
  boolean isGiven() {
    return cipher != null
        || plaintextNames
        || deterministicNames
        || longNameMax != null
        || scryptLogN != null
        || argon2Memory != null
        || argon2Passes != null;
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
    if (format.equals("fscrypt") && scryptLogN != null) {
      throw new CommandException(
          ExitCode.USAGE,
          "passphrases of a volume of the format fscrypt are hashed with Argon2id, not scrypt: use"
              + " --argon2-memory and --argon2-passes");
    }
    if (!format.equals("fscrypt") && (argon2Memory != null || argon2Passes != null)) {
      throw new CommandException(
          ExitCode.USAGE,
          "passwords of a volume of the format gocryptfs are hashed with scrypt, not Argon2id: use"
              + " --scrypt-log-n");
    }
    return format.equals("fscrypt");
  }

  /** Cost of trying a passphrase of a volume of the format fscrypt. */
  Argon2Cost argon2Cost() throws CommandException {
    Argon2Cost usual = Argon2Cost.DEFAULT;
    try {
      return new Argon2Cost(
          argon2Memory == null ? usual.memoryKib() : Math.multiplyExact(argon2Memory, 1024),
          argon2Passes == null ? usual.passes() : argon2Passes,
          usual.lanes());
    } catch (ArithmeticException | IllegalArgumentException e) {
      throw new CommandException(ExitCode.USAGE, String.valueOf(e.getMessage()));
    }
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
