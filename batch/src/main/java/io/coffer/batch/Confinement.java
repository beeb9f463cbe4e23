package io.coffer.batch;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Where the view of a command is mounted: in a mount namespace that only the command and what it
 * starts are in, if the system lets us make one, else in that of everybody.
 *
 * <p>A Java process has several threads and cannot enter a user namespace; the helper program
 * unshare(1) of util-linux does it for the process that becomes the command.
 */
public enum Confinement {
  /** A mount namespace of its own; needs CAP_SYS_ADMIN. */
  MOUNT_NAMESPACE("unshare --mount --propagation slave --"),

  /**
   * A mount namespace inside a user namespace in which the caller's ids mean what they mean outside
   * and others are nobody's. Needs nothing but a kernel and a site that allow it.
   */
  USER_NAMESPACE("unshare --map-current-user --keep-caps --mount --propagation slave --"),

  /** The namespace of the caller: all processes of the user see the view, as with a mount. */
  NONE("");

  private final String prefix;

  Confinement(String prefix) {
    this.prefix = prefix;
  }

  /** A command that runs the given one in this confinement. */
  List<String> wrap(List<String> command) {
    List<String> wrapped = new ArrayList<>();
    if (!prefix.isEmpty()) {
      wrapped.addAll(List.of(prefix.split(" ", -1)));
    }
    wrapped.addAll(command);
    return wrapped;
  }

  /**
   * Tries it.
   *
   * @return an empty string if it works, else why not
   */
  public String refusal() {
    if (this == NONE) {
      return "";
    }
    try {
      Process process =
          new ProcessBuilder(wrap(List.of("true")))
              .redirectInput(Redirect.from(new java.io.File("/dev/null")))
              .redirectErrorStream(true)
              .start();
      String said =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        return "unshare does not answer";
      }
      if (process.exitValue() == 0) {
        return "";
      }
      int end = said.indexOf('\n');
      return said.isEmpty() ? "unshare failed" : end < 0 ? said : said.substring(0, end);
    } catch (IOException e) {
      return "unshare (package util-linux) is not installed";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "interrupted";
    }
  }
}
