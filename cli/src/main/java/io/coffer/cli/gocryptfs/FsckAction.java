package io.coffer.cli.gocryptfs;

import io.coffer.cli.ExitCode;
import io.coffer.cli.OpenVolume;
import io.coffer.posix.ErrnoException;
import io.coffer.tree.Finding;
import io.coffer.tree.Finding.Severity;
import io.coffer.tree.VolumeCheck;

/** {@code gocryptfs -fsck}: reads everything, repairs nothing (fsck.go). */
final class FsckAction {
  private final Session session;
  private final Printer printer;

  FsckAction(Session session) {
    this.session = session;
    printer = session.printer();
  }

  ExitCode run() throws EndException {
    if (session.reverse()) {
      throw new EndException(ExitCode.USAGE, "Running -fsck with -reverse is not supported");
    }
    VolumeCheck.Summary summary;
    try (Session.Opened opened = session.open();
        OpenVolume volume =
            OpenVolume.encrypted(
                session.cipherDir(),
                opened.config(),
                opened.masterKey(),
                session.arguments().is("longnames", true))) {
      printer.info("Checking filesystem...");
      summary = VolumeCheck.run(volume.store(), volume.format(), false, new Listener());
    } catch (ErrnoException e) {
      throw new EndException(ExitCode.CHECK_FAILED, "fsck: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return ExitCode.INTERRUPTED;
    }
    if (summary.isClean()) {
      printer.info("fsck summary: no problems found");
      return ExitCode.OK;
    }
    if (summary.skipped() > 0) {
      printer.warn("fsck: re-run this program as root to check all files!");
    }
    printer.result(
        "fsck summary: "
            + summary.errors()
            + " corrupt files, "
            + summary.skipped()
            + " files skipped");
    return ExitCode.CHECK_FAILED;
  }

  private final class Listener implements VolumeCheck.Listener {
    @Override
    public void found(Finding finding) {
      String plain = finding.plainPath();
      String path = GoText.quoted(plain == null ? finding.storedPath() : plain);
      if (finding.severity() == Severity.NOTE) {
        printer.info("fsck: note: " + path + ": " + finding.explanation());
      } else {
        printer.result(
            "fsck: "
                + (finding.severity() == Severity.SKIPPED ? "skipped " : "corrupt ")
                + path
                + ": "
                + finding.explanation());
      }
    }

    @Override
    public void progress(long files, long bytes) {
      // gocryptfs shows none either.
    }
  }
}
