package io.coffer.cli.gocryptfs;

import io.coffer.cli.ExitCode;
import io.coffer.cli.Version;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.format.gocryptfs.ScryptParameters;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.MasterKeyText;
import io.coffer.keys.VolumeException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** {@code gocryptfs -init} (init_dir.go). */
final class InitAction {
  private final Session session;
  private final Arguments arguments;
  private final Printer printer;

  InitAction(Session session) {
    this.session = session;
    arguments = session.arguments();
    printer = session.printer();
  }

  ExitCode run() throws EndException {
    if (session.reverse() || session.hasCustomConfig()) {
      if (Files.exists(session.configFile())) {
        throw new EndException(
            ExitCode.INIT,
            "Config file " + GoText.quoted(session.configFile().toString()) + " already exists");
      }
    }
    if (!session.reverse()) {
      String problem = GoText.notEmptyDirectory(session.cipherDir());
      if (problem != null) {
        throw new EndException(ExitCode.VOLUME_DIRECTORY, "Invalid cipherdir: " + problem);
      }
    }
    if (arguments.extpass().isEmpty()) {
      printer.info("Choose a password for protecting your files.");
    }
    try (SecretBytes password = session.passwords().twice()) {
      create(password);
    }
    String suffix = session.reverse() ? "-reverse" : "";
    printer.info(
        printer.green("The gocryptfs" + suffix + " filesystem has been created successfully."));
    printer.info(
        printer.grey(
            "You can now mount it using: gocryptfs"
                + (session.reverse() ? " -reverse" : "")
                + " "
                + friendlyPath()
                + " MOUNTPOINT"));
    return ExitCode.OK;
  }

  private void create(SecretBytes password) throws EndException {
    GocryptfsOptions options = options();
    SecretBytes given = session.givenMasterKey();
    try (SecretBytes masterKey =
        given == null ? SecretBytes.random(GocryptfsConfig.MASTER_KEY_BYTES) : given) {
      if (given == null) {
        showMasterKey(masterKey);
      }
      GocryptfsVolume.create(
          session.cipherDir(),
          session.configFile(),
          session.reverse(),
          options,
          password,
          masterKey);
    } catch (VolumeException e) {
      throw new EndException(ExitCode.WRITE_CONFIG, e.getMessage());
    }
  }

  private GocryptfsOptions options() throws EndException {
    boolean siv = arguments.is("aessiv") || session.reverse();
    boolean xchacha = arguments.is("xchacha");
    if (siv && xchacha) {
      throw new EndException(
          ExitCode.WRITE_CONFIG, "Can't have both XChaCha20Poly1305 and AESSIV feature flags");
    }
    long logN = arguments.number("scryptn", ScryptParameters.DEFAULT_LOG_N);
    checkLogN(logN, ExitCode.WRITE_CONFIG);
    long longNameMax = arguments.longNameMax();
    return new GocryptfsOptions(
        xchacha
            ? GocryptfsCipher.XCHACHA20_POLY1305
            : siv ? GocryptfsCipher.AES_SIV : GocryptfsCipher.AES_GCM,
        arguments.is("plaintextnames"),
        arguments.is("deterministic-names"),
        longNameMax == 0 ? GocryptfsOptions.NAME_MAX : (int) longNameMax,
        (int) logN,
        "Coffer " + Version.NUMBER);
  }

  static void checkLogN(long logN, ExitCode code) throws EndException {
    if (logN < ScryptParameters.MIN_LOG_N) {
      throw new EndException(
          code, "Fatal: scryptn below " + ScryptParameters.MIN_LOG_N + " is too low to make sense");
    }
    if (logN > ScryptParameters.MAX_LOG_N) {
      throw new EndException(
          code, "Fatal: scryptn above " + ScryptParameters.MAX_LOG_N + " is not supported");
    }
  }

  private void showMasterKey(SecretBytes masterKey) {
    if (!session.ui().outIsTerminal()) {
      printer.info("Not running on a terminal, suppressing master key display");
      return;
    }
    byte[] text = MasterKeyText.format(masterKey);
    try {
      var out = session.ui().out();
      int half = text.length / 2 + 1;
      out.print("\nYour master key is:\n\n    ");
      out.write(text, 0, half);
      out.print("\n    ");
      out.write(text, half, text.length - half);
      out.print(
          """


          If the gocryptfs.conf file becomes corrupted or you ever forget your password,
          there is only one hope for recovery: The master key. Print it to a piece of
          paper and store it in a drawer. This message is only printed once.
          """);
      out.flush();
    } finally {
      Arrays.fill(text, (byte) 0);
    }
  }

  /** The path as the user would type it from here. */
  private String friendlyPath() {
    Path here = Path.of("").toAbsolutePath();
    String path = here.relativize(session.cipherDir()).toString();
    if (path.equals("..") || path.startsWith("../")) {
      path = session.cipherDir().toString();
    } else if (path.isEmpty()) {
      path = ".";
    }
    return path.contains(" ") ? "\"" + path + "\"" : path;
  }
}
