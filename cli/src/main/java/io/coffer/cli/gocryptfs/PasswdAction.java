package io.coffer.cli.gocryptfs;

import io.coffer.cli.ExitCode;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import java.nio.file.Path;

/** {@code gocryptfs -passwd} (main.go, changePassword). */
final class PasswdAction {
  private final Session session;
  private final Printer printer;

  PasswdAction(Session session) {
    this.session = session;
    printer = session.printer();
  }

  ExitCode run() throws EndException {
    GocryptfsVolume volume = session.volume();
    long logN = session.arguments().number("scryptn", 0);
    if (session.arguments().isGiven("scryptn")) {
      InitAction.checkLogN(logN, ExitCode.WRITE_CONFIG);
    } else {
      logN = Long.numberOfTrailingZeros(volume.config().scrypt().n());
    }
    SecretBytes given = session.givenMasterKey();
    try (SecretBytes masterKey = given == null ? session.unlock(volume) : given) {
      printer.info("Please enter your new password.");
      try (SecretBytes password = session.typedPasswords().twice()) {
        if (given != null) {
          backUp(volume);
        }
        volume.changePassword(masterKey, password, (int) logN);
      }
    } catch (VolumeException e) {
      throw new EndException(ExitCode.WRITE_CONFIG, e.getMessage());
    }
    printer.info(printer.green("Password changed."));
    return ExitCode.OK;
  }

  private void backUp(GocryptfsVolume volume) throws VolumeException {
    Path backup = volume.backUp();
    printer.info(
        printer.grey(
            "A copy of the old config file has been created at "
                + GoText.quoted(backup.toString())
                + ".\n"
                + "Delete it after you have verified that you can access your files with the new"
                + " password."));
  }
}
