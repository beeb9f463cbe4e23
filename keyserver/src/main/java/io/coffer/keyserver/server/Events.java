package io.coffer.keyserver.server;

import io.coffer.crypto.RandomBytes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * What has changed, for those who wait for it: key/SERVICE/OWNER/ID, owner/OWNER, token/ID,
 * endpoint/NAME. Each change has a number. The numbers begin anew with each start of the server,
 * and so a position is written EPOCH:NUMBER; whoever comes with another epoch, or too late, is told
 * that everything may have changed. Thread-safe.
 */
final class Events {
  private static final int MAX_TARGETS = 100_000;

  private final String epoch = HexFormat.of().formatHex(RandomBytes.of(8));
  private final Map<String, Long> last = new HashMap<>();
  private long number;
  private long floor;

  synchronized void changed(String target) {
    if (last.size() >= MAX_TARGETS) {
      last.clear();
      floor = number + 1;
    }
    last.put(target, ++number);
    notifyAll();
  }

  /** Whoever waits is told that all may have changed. */
  synchronized void everything() {
    last.clear();
    floor = ++number;
    notifyAll();
  }

  synchronized String position() {
    return epoch + ":" + number;
  }

  /**
   * Those of the targets that changed after a position; all of them if that cannot be told.
   *
   * @param position empty for a beginner, to whom nothing is new
   */
  synchronized List<String> after(String position, List<String> targets) {
    if (position.isEmpty()) {
      return List.of();
    }
    String start = epoch + ":";
    if (!position.startsWith(start) || !position.substring(start.length()).matches("[0-9]{1,18}")) {
      return targets;
    }
    long from = Long.parseLong(position.substring(start.length()));
    if (from < floor) {
      return targets;
    }
    List<String> changed = new ArrayList<>();
    for (String target : targets) {
      if (last.getOrDefault(target, 0L) > from) {
        changed.add(target);
      }
    }
    return changed;
  }

  /** Waits for a change after a position, which may have come already; for so long at most. */
  synchronized void await(String position, long millis) throws InterruptedException {
    long end = System.nanoTime() + millis * 1_000_000;
    while (position().equals(position)) {
      long left = (end - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        return;
      }
      wait(left);
    }
  }
}
