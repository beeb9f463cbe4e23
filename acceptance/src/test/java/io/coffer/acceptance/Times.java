package io.coffer.acceptance;

import io.coffer.posix.Timestamp;

/** Points in time for utimensat(2). */
final class Times {
  static final Timestamp NOW = Timestamp.NOW;
  static final Timestamp OMIT = Timestamp.OMIT;

  private Times() {}

  static Timestamp at(long seconds, int nanos) {
    return new Timestamp(seconds, nanos);
  }

  /** Nanoseconds since 1970, to compare two times. */
  static long nanos(Timestamp time) {
    return time.seconds() * 1_000_000_000L + time.nanos();
  }
}
