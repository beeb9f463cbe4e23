package io.coffer.posix;

import org.jspecify.annotations.Nullable;

/**
 * A point in time as the kernel counts it.
 *
 * @param seconds since 1970-01-01T00:00:00Z, negative before
 * @param nanos nanoseconds within that second, 0 to 999,999,999; or {@link #NOW} or {@link #OMIT}
 *     where a time is to be set
 */
public record Timestamp(long seconds, int nanos) {
  /** utimensat(2): set to the current time. */
  public static final Timestamp NOW = new Timestamp(0, 0x3fffffff);

  /** utimensat(2): leave as it is. */
  public static final Timestamp OMIT = new Timestamp(0, 0x3ffffffe);

  /**
   * As a record has it anyway; but what Java makes for that when it is first asked takes ten
   * milliseconds, and each mount asks.
   */
  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Timestamp(long s, int n) && s == seconds && n == nanos;
  }

  @Override
  public int hashCode() {
    return 31 * Long.hashCode(seconds) + nanos;
  }
}
