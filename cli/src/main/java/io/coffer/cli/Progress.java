package io.coffer.cli;

import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A line at the terminal that says how far something is, from the third second on and a few times a
 * second. Elsewhere than at a terminal nothing is shown. Thread-safe.
 */
final class Progress implements AutoCloseable {
  private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

  private final Ui ui;
  private final String doing;
  private final long began = System.nanoTime();
  private final AtomicLong next = new AtomicLong(began + QUIET_NANOS);
  private boolean shown;

  /** {@code doing} as "checked", "encrypted". */
  Progress(Ui ui, String doing) {
    this.ui = ui;
    this.doing = doing;
  }

  /** So much is done. Cheap enough for every file and block. */
  void update(long files, long bytes) {
    long now = System.nanoTime();
    long due = next.get();
    if (now < due || !ui.errIsTerminal() || !next.compareAndSet(due, now + PAUSE_NANOS)) {
      return;
    }
    double seconds = (now - began) / 1e9;
    show(
        String.format(
            Locale.ROOT,
            "%s: %d files, %s, %s/s",
            doing,
            files,
            size(bytes),
            size(Math.round(bytes / seconds))));
  }

  private synchronized void show(String line) {
    ui.err().print("\r\033[K" + line);
    ui.err().flush();
    shown = true;
  }

  /** Takes the line away, so that another can be written. */
  synchronized void clear() {
    if (shown) {
      ui.err().print("\r\033[K");
      ui.err().flush();
      shown = false;
    }
  }

  @Override
  public void close() {
    clear();
  }

  /** A number of bytes for people. */
  static String size(long bytes) {
    if (bytes < 10_000) {
      return bytes + " bytes";
    }
    double value = bytes;
    int unit = -1;
    do {
      value /= 1000;
      unit++;
    } while (value >= 1000 && unit < 4);
    return String.format(
        Locale.ROOT, value < 10 ? "%.1f %cB" : "%.0f %cB", value, "kMGTP".charAt(unit));
  }
}
