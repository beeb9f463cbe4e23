package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import java.util.Arrays;
import java.util.stream.Collectors;

/** Expectations about system calls, with messages that say what was expected where. */
final class Expect {
  private Expect() {}

  interface Call {
    void run() throws ErrnoException;
  }

  /** The call must fail with this errno. */
  static void errno(int expected, String what, Call call) {
    errnoOf(what, call, expected);
  }

  /** The call must fail with one of these errnos. */
  static void errnoOf(String what, Call call, int... allowed) {
    String wanted =
        Arrays.stream(allowed).mapToObj(Errno::describe).collect(Collectors.joining(" or "));
    try {
      call.run();
    } catch (ErrnoException e) {
      if (Arrays.stream(allowed).noneMatch(errno -> errno == e.errno())) {
        fail(
            what
                + " should fail with "
                + wanted
                + ", but failed with "
                + Errno.describe(e.errno()));
      }
      return;
    }
    fail(what + " should fail with " + wanted + ", but succeeded");
  }

  /** An octal mode, for a message that can be read. */
  static void mode(int expected, int actual, String what) {
    assertEquals(Integer.toOctalString(expected), Integer.toOctalString(actual), what);
  }
}
