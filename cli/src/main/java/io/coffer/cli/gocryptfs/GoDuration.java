package io.coffer.cli.gocryptfs;

import io.coffer.cli.Durations;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Durations with the errors of Go's time.ParseDuration. */
final class GoDuration {
  private static final Pattern UNIT = Pattern.compile("[0-9.]+([^0-9.]+)");

  private GoDuration() {}

  static Duration parse(String text) {
    boolean negative = text.startsWith("-");
    String plain = negative || text.startsWith("+") ? text.substring(1) : text;
    try {
      // Go knows no days.
      if (plain.contains("d")) {
        throw new IllegalArgumentException();
      }
      Duration duration = Durations.parse(plain);
      return negative ? duration.negated() : duration;
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(problem(text, plain), e);
    }
  }

  private static String problem(String text, String plain) {
    if (plain.matches("[0-9.]*[0-9][0-9.]*")) {
      return "time: missing unit in duration \"" + text + "\"";
    }
    Matcher unit = UNIT.matcher(plain);
    while (unit.find() && unit.start() == 0) {
      if (!unit.group(1).matches("ns|us|µs|ms|s|m|h")) {
        return "time: unknown unit \"" + unit.group(1) + "\" in duration \"" + text + "\"";
      }
      break;
    }
    return "time: invalid duration \"" + text + "\"";
  }
}
