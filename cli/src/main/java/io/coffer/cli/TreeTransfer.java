package io.coffer.cli;

import io.coffer.tree.TreeCopy;
import io.coffer.vfs.VirtualFilesystem;
import java.io.IOException;

/** Copies a tree into or out of a volume and tells how it went. */
final class TreeTransfer {
  private TreeTransfer() {}

  /** {@code done} as "encrypted" or "decrypted". */
  static ExitCode run(VirtualFilesystem source, VirtualFilesystem target, String done, Ui ui)
      throws IOException {
    TreeCopy.Summary summary;
    try (Progress progress = new Progress(ui, done)) {
      summary =
          TreeCopy.run(
              source,
              target,
              new TreeCopy.Listener() {
                @Override
                public void progress(long files, long bytes) {
                  progress.update(files, bytes);
                }

                @Override
                public void failed(String path, String reason) {
                  progress.clear();
                  ui.err().println("coffer: " + path + ": " + reason);
                }
              });
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return ExitCode.INTERRUPTED;
    }
    ui.err()
        .printf(
            "coffer: %s %d files (%s), %d unchanged, %d directories, links and others%n",
            done,
            summary.files(),
            Progress.size(summary.bytes()),
            summary.unchanged(),
            summary.others());
    if (summary.failures() > 0) {
      ui.err()
          .printf(
              "coffer: %d could not be copied; the same command tries them again%n",
              summary.failures());
      return ExitCode.OTHER;
    }
    return ExitCode.OK;
  }
}
