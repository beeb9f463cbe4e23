package io.coffer.cli;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Durations as gocryptfs writes them, such as {@code 500s}, {@code 2h45m} or {@code 1.5h}. */
public final class Durations implements ITypeConverter<Duration> {
  private static final Pattern PART = Pattern.compile("(\\d+(?:\\.\\d*)?|\\.\\d+)(ms|[smhd])");

  /** For picocli. */
  public Durations() {}

  /**
   * Reads a duration; plain 0 is zero.
   *
   * @throws IllegalArgumentException if it is none
   */
  public static Duration parse(String text) {
    if (text.equals("0")) {
      return Duration.ZERO;
    }
    Matcher part = PART.matcher(text);
    Duration sum = Duration.ZERO;
    int at = 0;
    while (at < text.length() && part.find(at) && part.start() == at) {
      long unitMillis =
          switch (part.group(2)) {
            case "ms" -> 1;
            case "s" -> 1000;
            case "m" -> 60_000;
            case "h" -> 3_600_000;
            default -> 86_400_000;
          };
      BigDecimal millis = new BigDecimal(part.group(1)).multiply(BigDecimal.valueOf(unitMillis));
      sum = sum.plusMillis(millis.longValue());
      at = part.end();
    }
    if (text.isEmpty() || at < text.length()) {
      throw new IllegalArgumentException("'" + text + "' is no duration such as 30s, 10m or 2h45m");
    }
    return sum;
  }

  @Override
  public Duration convert(String value) {
    try {
      return parse(value);
    } catch (IllegalArgumentException e) {
      throw new TypeConversionException(String.valueOf(e.getMessage()));
    }
  }
}
