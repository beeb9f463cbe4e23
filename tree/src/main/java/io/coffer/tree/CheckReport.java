package io.coffer.tree;

import io.coffer.posix.ErrnoException;
import io.coffer.tree.Finding.Kind;
import io.coffer.tree.Finding.Severity;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** What a check has seen and found so far. Thread-safe. */
final class CheckReport {
  final AtomicLong directories = new AtomicLong();
  final AtomicLong files = new AtomicLong();
  final AtomicLong symlinks = new AtomicLong();
  final AtomicLong others = new AtomicLong();
  final AtomicLong bytes = new AtomicLong();

  private final VolumeCheck.Listener listener;
  private final ReentrantLock reporting = new ReentrantLock();
  private final Map<Severity, Long> counts = new HashMap<>();
  private long repaired;

  CheckReport(VolumeCheck.Listener listener) {
    this.listener = listener;
  }

  void progress() {
    listener.progress(files.get(), bytes.get());
  }

  VolumeCheck.Summary summary() {
    reporting.lock();
    try {
      return new VolumeCheck.Summary(
          directories.get(),
          files.get(),
          symlinks.get(),
          others.get(),
          bytes.get(),
          counts.getOrDefault(Severity.ERROR, 0L),
          counts.getOrDefault(Severity.SKIPPED, 0L),
          counts.getOrDefault(Severity.NOTE, 0L),
          repaired);
    } finally {
      reporting.unlock();
    }
  }

  /** Where something is: its parent and its names there. */
  record Place(@Nullable Place parent, byte[] stored, byte @Nullable [] plain) {
    String storedPath() {
      String up = parent == null ? "" : parent.storedPath();
      return (up.isEmpty() || up.equals("/") ? "" : up + "/")
          + (parent == null ? "/" : text(stored));
    }

    @Nullable String plainPath() {
      if (plain == null) {
        return null;
      }
      if (parent == null) {
        return "/";
      }
      String up = parent.plainPath();
      if (up == null) {
        return null;
      }
      return up.equals("/") ? text(plain) : up + "/" + text(plain);
    }
  }

  /** A name in printable form. */
  static String text(byte[] name) {
    String text = new String(name, StandardCharsets.UTF_8);
    boolean faithful =
        Arrays.equals(text.getBytes(StandardCharsets.UTF_8), name)
            && text.chars().noneMatch(Character::isISOControl);
    if (faithful) {
      return text;
    }
    var escaped = new StringBuilder();
    for (byte b : name) {
      if (b > 0x20 && b < 0x7f && b != '\\') {
        escaped.append((char) b);
      } else {
        escaped.append(String.format("\\x%02x", b));
      }
    }
    return escaped.toString();
  }

  void add(
      Severity severity,
      Kind kind,
      Place place,
      String explanation,
      boolean repairable,
      boolean isRepaired) {
    reporting.lock();
    try {
      if (isRepaired) {
        repaired++;
      } else {
        counts.merge(severity, 1L, Long::sum);
      }
      listener.found(
          new Finding(
              severity,
              kind,
              place.storedPath(),
              place.plainPath(),
              explanation,
              repairable,
              isRepaired));
    } finally {
      reporting.unlock();
    }
  }

  void error(Kind kind, Place place, String explanation) {
    add(Severity.ERROR, kind, place, explanation, false, false);
  }

  void unreadable(Place place, ErrnoException e) {
    add(
        Severity.SKIPPED,
        Kind.UNREADABLE,
        place,
        "cannot be read: " + e.getMessage(),
        false,
        false);
  }
}
