package io.coffer.keys;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.ConfigException;
import io.coffer.format.gocryptfs.FeatureFlag;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A gocryptfs volume as its configuration file describes it: made, opened with a password, given
 * another password. Immutable; a change of password returns a new one. A master key is the caller's
 * to close.
 */
public final class GocryptfsVolume {
  private static final String CONFIG_PERMISSIONS = "r--------";
  private static final String DIRECTORY_IV_NAME = "gocryptfs.diriv";
  private static final String DIRECTORY_IV_PERMISSIONS = "r--r--r--";
  private static final String BACKUP_SUFFIX = ".bak";

  private final Path configFile;
  private final GocryptfsConfig config;

  private GocryptfsVolume(Path configFile, GocryptfsConfig config) {
    this.configFile = configFile;
    this.config = config;
  }

  /** Where the configuration of a volume, or of a plain tree to be shown encrypted, lies. */
  public static Path configFile(Path directory, boolean reverse) {
    return directory.resolve(
        reverse ? GocryptfsConfig.REVERSE_FILE_NAME : GocryptfsConfig.FILE_NAME);
  }

  /**
   * Reads the configuration of the volume in a directory.
   *
   * @param reverse the directory is a plain tree to be shown encrypted
   */
  public static GocryptfsVolume open(Path directory, boolean reverse) throws VolumeException {
    Path file = configFile(directory, reverse);
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      if (!Files.exists(directory)) {
        throw new VolumeException(Problem.NO_DIRECTORY, directory + " does not exist");
      }
      if (!Files.isDirectory(directory)) {
        throw new VolumeException(Problem.NO_DIRECTORY, directory + " is not a directory");
      }
      if (!Files.isExecutable(directory)) {
        throw new VolumeException(
            Problem.CONFIG_UNREADABLE, directory + " may not be entered by this user");
      }
      if (Files.exists(configFile(directory, !reverse))) {
        throw new VolumeException(
            Problem.NOT_A_VOLUME,
            reverse
                ? directory + " is an encrypted volume, not a plain tree to be shown encrypted"
                : directory + " is a plain tree to be shown encrypted, not an encrypted volume",
            "coffer mount " + (reverse ? "" : "--reverse ") + quote(directory) + " MOUNTPOINT",
            null);
      }
      throw new VolumeException(
          Problem.NOT_A_VOLUME,
          directory + " is not a volume: it has no " + file.getFileName(),
          "coffer init " + (reverse ? "--reverse " : "") + quote(directory),
          null);
    }
    GocryptfsVolume volume = load(file);
    if (reverse && volume.config.cipher() != GocryptfsCipher.AES_SIV) {
      throw new VolumeException(
          Problem.NOT_REVERSIBLE,
          "a tree can be shown encrypted with AES-SIV only, and "
              + file
              + " is for "
              + volume.config.cipher().displayName());
    }
    return volume;
  }

  /** Reads a configuration wherever it lies. */
  public static GocryptfsVolume load(Path configFile) throws VolumeException {
    byte[] json;
    try (InputStream in = Files.newInputStream(configFile)) {
      json = in.readNBytes(GocryptfsConfig.MAX_FILE_BYTES + 1);
    } catch (NoSuchFileException e) {
      throw new VolumeException(
          Problem.NOT_A_VOLUME, "there is no configuration " + configFile, null, e);
    } catch (AccessDeniedException e) {
      throw new VolumeException(
          Problem.CONFIG_UNREADABLE,
          configFile + " may not be read by this user",
          "ls -l " + quote(configFile),
          e);
    } catch (IOException e) {
      throw new VolumeException(
          Problem.CONFIG_UNREADABLE, "cannot read " + configFile + ": " + reason(e), null, e);
    }
    try {
      return new GocryptfsVolume(configFile, GocryptfsConfig.parse(json));
    } catch (ConfigException e) {
      throw new VolumeException(
          switch (e.reason()) {
            case DAMAGED -> Problem.CONFIG_DAMAGED;
            case DEPRECATED -> Problem.DEPRECATED;
            case UNKNOWN_FEATURE -> Problem.UNKNOWN_FEATURE;
            case SCRYPT_PARAMETERS -> Problem.SCRYPT_PARAMETERS;
          },
          configFile + ": " + e.getMessage(),
          null,
          e);
    }
  }

  /**
   * Makes a volume. The configuration is written last: a crash leaves a whole volume or none, and
   * making it again then works.
   *
   * @param directory where it shall be; must be empty unless {@code reverse}
   * @param configFile where its configuration goes, or null for the usual place
   * @param reverse the directory is a plain tree to be shown encrypted; implies AES-SIV
   * @param masterKey the key to use, or null for a random one
   */
  public static GocryptfsVolume create(
      Path directory,
      @Nullable Path configFile,
      boolean reverse,
      GocryptfsOptions options,
      SecretBytes password,
      @Nullable SecretBytes masterKey)
      throws VolumeException {
    Path file = configFile == null ? configFile(directory, reverse) : configFile;
    checkCreatable(directory, file, reverse);
    GocryptfsOptions wanted = reverse ? options.withCipher(GocryptfsCipher.AES_SIV) : options;
    checkMemory((128L * 8) << wanted.scryptLogN());
    GocryptfsConfig config;
    try (SecretBytes key =
        masterKey == null
            ? SecretBytes.random(GocryptfsConfig.MASTER_KEY_BYTES)
            : masterKey.copy()) {
      config = GocryptfsConfig.create(wanted, password, key);
      if (!reverse) {
        createRootContext(directory, config, key);
      }
      AtomicFile.create(file, config.toJson(), CONFIG_PERMISSIONS);
    } catch (FileAlreadyExistsException e) {
      throw new VolumeException(Problem.VOLUME_EXISTS, e.getFile() + " exists already", null, e);
    } catch (IOException e) {
      throw new VolumeException(
          Problem.WRITE_FAILED, "cannot write " + file + ": " + reason(e), null, e);
    }
    return new GocryptfsVolume(file, config);
  }

  /** Throws if {@link #create} could not make a volume there; to be asked before a password is. */
  public static void checkCreatable(Path directory, @Nullable Path configFile, boolean reverse)
      throws VolumeException {
    if (!Files.isDirectory(directory)) {
      throw new VolumeException(
          Problem.NO_DIRECTORY,
          directory + (Files.exists(directory) ? " is not a directory" : " does not exist"),
          Files.exists(directory) ? null : "mkdir -p " + quote(directory),
          null);
    }
    Path file = configFile == null ? configFile(directory, reverse) : configFile;
    if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new VolumeException(
          Problem.VOLUME_EXISTS,
          file + " exists already",
          "coffer mount " + (reverse ? "--reverse " : "") + quote(directory) + " MOUNTPOINT",
          null);
    }
    if (reverse) {
      return;
    }
    List<String> entries = new ArrayList<>();
    try (var stream = Files.newDirectoryStream(directory)) {
      for (Path entry : stream) {
        entries.add(String.valueOf(entry.getFileName()));
      }
    } catch (IOException e) {
      throw new VolumeException(
          Problem.NO_DIRECTORY, "cannot list " + directory + ": " + reason(e), null, e);
    }
    // What an interrupted attempt leaves behind belongs to no volume.
    entries.removeAll(
        List.of(
            DIRECTORY_IV_NAME,
            DIRECTORY_IV_NAME + AtomicFile.TEMPORARY_SUFFIX,
            GocryptfsConfig.FILE_NAME + AtomicFile.TEMPORARY_SUFFIX));
    if (!entries.isEmpty()) {
      throw new VolumeException(
          Problem.DIRECTORY_NOT_EMPTY,
          directory + " is not empty: it holds " + entries.get(0),
          "mkdir " + quote(directory.resolve("encrypted")),
          null);
    }
  }

  private static void createRootContext(Path directory, GocryptfsConfig config, SecretBytes key)
      throws IOException {
    Path file = directory.resolve(DIRECTORY_IV_NAME);
    Files.deleteIfExists(file);
    Files.deleteIfExists(directory.resolve(DIRECTORY_IV_NAME + AtomicFile.TEMPORARY_SUFFIX));
    Files.deleteIfExists(
        directory.resolve(GocryptfsConfig.FILE_NAME + AtomicFile.TEMPORARY_SUFFIX));
    if (config.has(FeatureFlag.DIR_IV)) {
      try (GocryptfsFormat format = new GocryptfsFormat(config, key, true)) {
        AtomicFile.create(file, format.newDirectoryContext(), DIRECTORY_IV_PERMISSIONS);
      }
    }
  }

  public Path configFile() {
    return configFile;
  }

  public GocryptfsConfig config() {
    return config;
  }

  /**
   * Opens the volume with its password.
   *
   * @return the master key; the caller closes it
   */
  public SecretBytes unlock(SecretBytes password) throws VolumeException {
    if (config.has(FeatureFlag.FIDO2)) {
      throw new VolumeException(
          Problem.FIDO2_TOKEN_NEEDED,
          configFile + ": the volume is opened by a FIDO2 token; give its master key instead");
    }
    checkMemory(config.scrypt().memoryBytes());
    SecretBytes masterKey = config.unlock(password);
    if (masterKey == null) {
      throw new VolumeException(Problem.WRONG_PASSWORD, "Password incorrect.");
    }
    return masterKey;
  }

  /** {@link #changePassword(SecretBytes, SecretBytes, int)} with the cost of hashing as it was. */
  public GocryptfsVolume changePassword(SecretBytes masterKey, SecretBytes newPassword)
      throws VolumeException {
    int logN = Long.numberOfTrailingZeros(config.scrypt().n());
    return changePassword(masterKey, newPassword, logN);
  }

  /**
   * Gives the volume another password, with a new salt. The old configuration is there until the
   * new one is durable.
   *
   * @param masterKey what {@link #unlock} gave; if it is not this volume's, all is lost, so keep a
   *     {@linkplain #backUp backup} if it comes from elsewhere
   * @param scryptLogN log2 of the cost of hashing the new password
   */
  public GocryptfsVolume changePassword(
      SecretBytes masterKey, SecretBytes newPassword, int scryptLogN) throws VolumeException {
    if (config.has(FeatureFlag.FIDO2)) {
      throw new VolumeException(
          Problem.FIDO2_TOKEN_NEEDED,
          configFile + ": the volume is opened by a FIDO2 token and has no password to change");
    }
    checkMemory((128L * 8) << scryptLogN);
    GocryptfsConfig changed = config.withPassword(newPassword, masterKey, scryptLogN);
    try {
      AtomicFile.replace(configFile, changed.toJson());
    } catch (FileAlreadyExistsException e) {
      throw new VolumeException(
          Problem.WRITE_FAILED,
          e.getFile() + " is in the way, left by another change of password",
          "rm " + quote(Path.of(e.getFile())),
          e);
    } catch (IOException e) {
      throw new VolumeException(
          Problem.WRITE_FAILED, "cannot write " + configFile + ": " + reason(e), null, e);
    }
    return new GocryptfsVolume(configFile, changed);
  }

  /**
   * Keeps the configuration under a second name, with {@code .bak} at its end.
   *
   * @return that name
   */
  public Path backUp() throws VolumeException {
    Path backup = configFile.resolveSibling(configFile.getFileName() + BACKUP_SUFFIX);
    try {
      return Files.createLink(backup, configFile);
    } catch (FileAlreadyExistsException e) {
      throw new VolumeException(
          Problem.WRITE_FAILED,
          backup + " exists already; move it away first",
          "mv " + quote(backup) + " " + quote(backup) + ".old",
          e);
    } catch (UnsupportedOperationException | IOException e) {
      throw new VolumeException(
          Problem.WRITE_FAILED, "cannot make " + backup + ": " + e.getMessage(), null, e);
    }
  }

  /**
   * The format of the opened volume.
   *
   * @param longNames whether names that become too long are hashed; else they are refused
   */
  public GocryptfsFormat format(SecretBytes masterKey, boolean longNames) {
    return new GocryptfsFormat(config, masterKey, longNames);
  }

  /** Refuses what would end in the kernel killing some process for lack of memory. */
  private static void checkMemory(long neededBytes) throws VolumeException {
    if (neededBytes <= 1L << 30) {
      return;
    }
    long total = totalMemoryBytes();
    if (neededBytes > total) {
      throw new VolumeException(
          Problem.SCRYPT_PARAMETERS,
          "hashing the password takes "
              + (neededBytes >> 30)
              + " GiB of memory, and this machine has "
              + (total >> 30));
    }
  }

  /** From proc(5), meminfo; unlimited if it does not say. */
  private static long totalMemoryBytes() {
    try (var lines = Files.lines(Path.of("/proc/meminfo"))) {
      return lines
          .filter(line -> line.startsWith("MemTotal:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
          .findFirst()
          .orElse(Long.MAX_VALUE);
    } catch (IOException e) {
      return Long.MAX_VALUE;
    }
  }

  /** What the system said, without the path that the message names already. */
  private static String reason(IOException e) {
    if (e instanceof FileSystemException f && f.getReason() != null) {
      return f.getReason();
    }
    return e instanceof AccessDeniedException
        ? "permission denied"
        : String.valueOf(e.getMessage());
  }

  /** A path as a shell takes it. */
  private static String quote(Path path) {
    String text = path.toString();
    return text.matches("[A-Za-z0-9_@%+=:,./-]+") ? text : "'" + text.replace("'", "'\\''") + "'";
  }
}
