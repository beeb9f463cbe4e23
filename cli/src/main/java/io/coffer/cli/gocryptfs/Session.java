package io.coffer.cli.gocryptfs;

import io.coffer.cli.ExitCode;
import io.coffer.cli.Ui;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.FeatureFlag;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.ScryptParameters;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.MasterKeyText;
import io.coffer.keys.VolumeException;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What all actions on one CIPHERDIR need: its configuration and its master key. */
final class Session {
  private final Ui ui;
  private final Printer printer;
  private final Arguments arguments;
  private final Path cipherDir;
  private final boolean reverse;
  private final Path configFile;

  /** The configuration cannot be loaded. */
  static final class ConfigFailure extends Exception {
    private static final long serialVersionUID = 1L;

    private final Problem problem;

    ConfigFailure(Problem problem, String message) {
      super(message);
      this.problem = problem;
    }

    Problem problem() {
      return problem;
    }
  }

  /** A configuration and the master key that belongs to it. */
  record Opened(GocryptfsConfig config, SecretBytes masterKey) implements AutoCloseable {
    @Override
    public void close() {
      masterKey.close();
    }
  }

  Session(Ui ui, Printer printer, Arguments arguments, Path cipherDir) {
    this.ui = ui;
    this.printer = printer;
    this.arguments = arguments;
    this.cipherDir = cipherDir;
    reverse = arguments.is("reverse");
    String custom = arguments.text("config");
    if (custom == null) {
      configFile = GocryptfsVolume.configFile(cipherDir, reverse);
    } else {
      configFile = Path.of(custom).toAbsolutePath().normalize();
      printer.info("Using config file at custom location " + configFile);
    }
  }

  Ui ui() {
    return ui;
  }

  Printer printer() {
    return printer;
  }

  Arguments arguments() {
    return arguments;
  }

  Path cipherDir() {
    return cipherDir;
  }

  boolean reverse() {
    return reverse;
  }

  Path configFile() {
    return configFile;
  }

  boolean hasCustomConfig() {
    return arguments.text("config") != null;
  }

  Passwords passwords() {
    return new Passwords(ui, printer, arguments.extpass(), arguments.passfile());
  }

  /** Whatever was typed, never what -extpass or -passfile give. */
  Passwords typedPasswords() {
    return new Passwords(ui, printer, List.of(), List.of());
  }

  /** The configuration as it is in its file. */
  GocryptfsConfig loadConfig() throws ConfigFailure {
    return loadVolume().config();
  }

  GocryptfsVolume loadVolume() throws ConfigFailure {
    try {
      Files.newInputStream(configFile).close();
    } catch (IOException e) {
      throw new ConfigFailure(Problem.CONFIG_UNREADABLE, GoText.pathError("open", configFile, e));
    }
    try {
      return GocryptfsVolume.load(configFile);
    } catch (VolumeException e) {
      throw new ConfigFailure(e.problem(), String.valueOf(e.getMessage()));
    }
  }

  private GocryptfsVolume loadVolumeOrEnd() throws EndException {
    try {
      return loadVolume();
    } catch (ConfigFailure e) {
      ExitCode code =
          switch (e.problem()) {
            case DEPRECATED, UNKNOWN_FEATURE, SCRYPT_PARAMETERS -> ExitCode.DEPRECATED;
            default -> ExitCode.OTHER;
          };
      throw new EndException(code, "Cannot open config file: " + e.getMessage());
    }
  }

  /** The key from -masterkey or -zerokey, or null. */
  @Nullable SecretBytes givenMasterKey() throws EndException {
    String text = arguments.text("masterkey");
    if (text != null) {
      try {
        if (text.equals("stdin")) {
          try (SecretBytes line = typedPasswords().typed("Masterkey", false)) {
            return explicit(MasterKeyText.parse(line), false);
          }
        }
        return explicit(MasterKeyText.parse(text.getBytes(StandardCharsets.UTF_8)), true);
      } catch (VolumeException e) {
        throw new EndException(
            ExitCode.MASTER_KEY, "Could not parse master key: " + e.getMessage());
      }
    }
    if (arguments.is("zerokey")) {
      printer.info("Using all-zero dummy master key.");
      printer.info(
          printer.yellow(
              "ZEROKEY MODE PROVIDES NO SECURITY AT ALL AND SHOULD ONLY BE USED FOR TESTING."));
      return SecretBytes.take(new byte[GocryptfsConfig.MASTER_KEY_BYTES]);
    }
    return null;
  }

  private SecretBytes explicit(SecretBytes key, boolean visible) {
    printer.info("Using explicit master key.");
    if (visible) {
      printer.info(
          printer.yellow(
              "THE MASTER KEY IS VISIBLE VIA \"ps ax\" AND MAY BE STORED IN YOUR SHELL HISTORY!\n"
                  + "ONLY USE THIS MODE FOR EMERGENCIES"));
    }
    return key;
  }

  /** The configuration that counts, and the master key: asks for the password. */
  Opened open() throws EndException {
    SecretBytes given = givenMasterKey();
    if (given == null) {
      GocryptfsVolume volume = loadVolumeOrEnd();
      return new Opened(volume.config(), unlock(volume));
    }
    // The configuration knows better than the flags, but with the master key it is not needed.
    try {
      return new Opened(loadConfig(), given);
    } catch (ConfigFailure e) {
      return new Opened(configOfFlags(), given);
    }
  }

  /** The volume for a change of its password, and the master key. */
  SecretBytes unlock(GocryptfsVolume volume) throws EndException {
    try (SecretBytes password = passwords().once()) {
      printer.info("Decrypting master key");
      return volume.unlock(password);
    } catch (VolumeException e) {
      switch (e.problem()) {
        case WRONG_PASSWORD -> {
          printer.warn("failed to unlock master key: cipher: message authentication failed");
          throw new EndException(ExitCode.WRONG_PASSWORD, "Password incorrect.");
        }
        case FIDO2_TOKEN_NEEDED -> throw new EndException(ExitCode.FIDO2, e.getMessage());
        default -> throw new EndException(ExitCode.OTHER, e.getMessage());
      }
    }
  }

  GocryptfsVolume volume() throws EndException {
    return loadVolumeOrEnd();
  }

  /** What the flags say that a volume without a readable configuration is. */
  private GocryptfsConfig configOfFlags() {
    List<FeatureFlag> flags = new ArrayList<>();
    if (arguments.is("hkdf", true)) {
      flags.add(FeatureFlag.HKDF);
    }
    boolean xchacha = arguments.is("xchacha");
    flags.add(xchacha ? FeatureFlag.XCHACHA20_POLY1305 : FeatureFlag.GCM_IV_128);
    int longNameMax = 0;
    if (arguments.is("plaintextnames")) {
      flags.add(FeatureFlag.PLAINTEXT_NAMES);
    } else {
      if (!arguments.is("deterministic-names")) {
        flags.add(FeatureFlag.DIR_IV);
      }
      flags.add(FeatureFlag.EME_NAMES);
      flags.add(FeatureFlag.LONG_NAMES);
      if (arguments.is("raw64", true)) {
        flags.add(FeatureFlag.RAW_64);
      }
      if (arguments.longNameMax() > 0 && arguments.longNameMax() < 255) {
        flags.add(FeatureFlag.LONG_NAME_MAX);
        longNameMax = (int) arguments.longNameMax();
      }
    }
    if (arguments.is("aessiv") || reverse) {
      flags.add(FeatureFlag.AES_SIV);
    }
    return new GocryptfsConfig(
        "",
        new byte[0],
        ScryptParameters.create(ScryptParameters.DEFAULT_LOG_N),
        flags,
        longNameMax,
        null);
  }
}
