package io.coffer.cli.gocryptfs;

import io.coffer.cli.ExitCode;
import io.coffer.cli.SpeedTest;
import io.coffer.cli.Ui;
import io.coffer.cli.gocryptfs.Flags.HelpException;
import io.coffer.format.FormatException;
import io.coffer.format.gocryptfs.FeatureFlag;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import java.nio.file.Path;
import java.util.Locale;

/** gocryptfs's command line from beginning to end (main.go). */
public final class GocryptfsMain {
  private final Ui ui;
  private final Printer printer;

  /** Talks to the user through {@code ui}. */
  public GocryptfsMain(Ui ui) {
    this.ui = ui;
    printer = new Printer(ui);
  }

  /** Runs one command line and returns the exit code. */
  public int run(String[] args) {
    try {
      return dispatch(args).number();
    } catch (HelpException e) {
      printer.result(HelpText.version());
      ui.out().print(HelpText.SHORT);
      return ExitCode.OK.number();
    } catch (EndException e) {
      if (e.fatal() != null) {
        printer.fatal(e.fatal());
      }
      return e.exitCode().number();
    }
  }

  private ExitCode dispatch(String[] args) throws EndException, HelpException {
    if (args.length == 0) {
      printer.result(HelpText.version());
      ui.out().print(HelpText.SHORT);
      return ExitCode.USAGE;
    }
    Arguments arguments = Arguments.parse(args);
    printer.setDebug(arguments.debug());
    printer.debug("cli args: [" + GoText.quoted(arguments.original()) + "]");
    if (arguments.is("version")) {
      printer.result(HelpText.version());
      return ExitCode.OK;
    }
    if (arguments.is("hh")) {
      printer.result(HelpText.version());
      ui.out().print(HelpText.all());
      return ExitCode.OK;
    }
    if (arguments.is("speed")) {
      return speed();
    }
    printer.setQuiet(arguments.quiet());
    Path cipherDir = cipherDir(arguments);
    if (arguments.text("fido2") != null) {
      throw new EndException(
          ExitCode.FIDO2,
          "FIDO2 tokens are not supported by Coffer. Use the password, or the master key.");
    }
    warnOfIgnored(arguments);
    Session session = new Session(ui, printer, arguments, cipherDir);
    int actions = arguments.actions();
    int count = arguments.positional().size();
    if (actions == 0) {
      if (count != 2) {
        printer.info(
            "Wrong number of arguments (have "
                + count
                + ", want 2). You passed: "
                + GoText.quoted(arguments.original()));
        throw new EndException(
            ExitCode.USAGE,
            "Usage: gocryptfs [OPTIONS] CIPHERDIR MOUNTPOINT [-o COMMA-SEPARATED-OPTIONS]");
      }
      return new MountAction(session).run();
    }
    if (actions > 1) {
      throw new EndException(
          ExitCode.USAGE, "At most one of -info, -init, -passwd, -fsck is allowed");
    }
    if (count != 1) {
      throw new EndException(
          ExitCode.USAGE,
          "The options -info, -init, -passwd, -fsck take exactly one argument, "
              + count
              + " given");
    }
    if (arguments.is("info")) {
      return info(session);
    }
    if (arguments.is("init")) {
      return new InitAction(session).run();
    }
    return arguments.is("passwd") ? new PasswdAction(session).run() : new FsckAction(session).run();
  }

  private static Path cipherDir(Arguments arguments) throws EndException {
    if (arguments.positional().isEmpty()) {
      throw new EndException(ExitCode.USAGE, "CIPHERDIR argument is missing");
    }
    Path cipherDir = Path.of(arguments.positional().getFirst()).toAbsolutePath().normalize();
    String problem = GoText.notDirectory(cipherDir);
    if (problem != null) {
      throw new EndException(ExitCode.VOLUME_DIRECTORY, "Invalid cipherdir: " + problem);
    }
    return cipherDir;
  }

  /** Says once what is accepted and does nothing, where somebody might count on it. */
  private void warnOfIgnored(Arguments arguments) {
    for (String name : new String[] {"badname", "noxattr", "cpuprofile", "memprofile", "trace"}) {
      if (arguments.isGiven(name)) {
        printer.warn("Warning: the option \"-" + name + "\" is ignored by Coffer.");
      }
    }
  }

  private ExitCode info(Session session) throws EndException {
    GocryptfsConfig config;
    try {
      config = session.loadConfig();
    } catch (Session.ConfigFailure e) {
      printer.result("Loading config file failed: " + e.getMessage());
      return ExitCode.LOAD_CONFIG;
    }
    String flags = String.join(" ", config.flags().stream().map(FeatureFlag::word).toList());
    printer.result("Creator:           " + config.creator());
    printer.result("FeatureFlags:      " + flags);
    printer.result("EncryptedKey:      " + config.encryptedKey().length + "B");
    printer.result(
        String.format(
            Locale.ROOT,
            "ScryptObject:      Salt=%dB N=%d R=%d P=%d KeyLen=%d",
            config.scrypt().salt().length,
            config.scrypt().n(),
            config.scrypt().r(),
            config.scrypt().p(),
            config.scrypt().keyBytes()));
    printer.result("contentEncryption: " + config.cipher().displayName());
    return ExitCode.OK;
  }

  private ExitCode speed() throws EndException {
    printer.result(HelpText.version());
    printer.result("cpu: " + SpeedTest.processor());
    for (GocryptfsCipher cipher : GocryptfsCipher.values()) {
      try {
        SpeedTest.Result result = SpeedTest.measure(cipher);
        printer.result(
            String.format(
                Locale.ROOT,
                "%-26s\t%7.2f MB/s%s",
                cipher.displayName() + "-Java",
                result.sealBytesPerSecond() / 1e6,
                cipher == GocryptfsCipher.AES_SIV ? "" : "\t(selected in auto mode)"));
      } catch (FormatException e) {
        throw new EndException(
            ExitCode.OTHER, cipher.displayName() + " does not decrypt what it encrypted");
      }
    }
    return ExitCode.OK;
  }
}
