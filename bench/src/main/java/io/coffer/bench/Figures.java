package io.coffer.bench;

import java.util.Locale;
import java.util.Optional;

/** How numbers are written in every report. */
final class Figures {
  private Figures() {}

  /** Three or more digits that matter. */
  static String number(double value) {
    if (value >= 100) {
      return String.format(Locale.ROOT, "%,.0f", value);
    }
    return String.format(Locale.ROOT, value >= 10 ? "%.1f" : value >= 0.1 ? "%.2f" : "%.4f", value);
  }

  /** A median with its spread, "1,234 ±3%"; a dash if nothing was measured. */
  static String cell(Optional<Summary> summary) {
    return summary
        .map(s ->
            s.count() == 1
                ? number(s.median())
                : number(s.median()) + String.format(Locale.ROOT, " ±%.0f%%", s.spread() * 100))
        .orElse("-");
  }

  static String times(double factor) {
    return String.format(Locale.ROOT, factor >= 9.95 ? "%.0fx" : "%.2fx", factor);
  }
}
