package io.coffer.cli;

import io.coffer.tree.TreeExport;

/** Tells how far an export or import is, and what it leaves out. */
record TransferListener(Ui ui, Progress progress) implements TreeExport.Listener {
  @Override
  public void progress(long files, long bytes) {
    progress.update(files, bytes);
  }

  @Override
  public void skipped(String path, String why) {
    progress.clear();
    ui.err().println("coffer: " + path + ": " + why);
  }
}
