package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

/** What a finished command left: its exit code and all that it wrote. */
record Outcome(List<String> command, int exit, String out, String err) {
  /** Fails, with everything the command said, unless it exited as expected. */
  Outcome expectExit(int expected) {
    assertEquals(expected, exit, () -> "exit code of " + this);
    return this;
  }

  Outcome ok() {
    return expectExit(0);
  }

  Outcome outHas(String text) {
    assertTrue(out.contains(text), () -> "stdout should hold <" + text + ">: " + this);
    return this;
  }

  Outcome errHas(String text) {
    assertTrue(err.contains(text), () -> "stderr should hold <" + text + ">: " + this);
    return this;
  }

  /** Both streams, for messages whose stream is not promised. */
  String all() {
    return out + err;
  }

  @Override
  public String toString() {
    return String.join(" ", command)
        + "\nexit "
        + exit
        + "\nstdout: "
        + shortened(out)
        + "\nstderr: "
        + shortened(err);
  }

  private static String shortened(String text) {
    int limit = 6000;
    return text.length() <= limit ? text : "... " + text.substring(text.length() - limit);
  }
}
