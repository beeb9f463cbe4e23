package io.coffer.acceptance;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** What a test needs of the machine. A missing piece skips the test, loudly. */
final class Tools {
  private Tools() {}

  static boolean has(String tool) {
    String path = System.getenv().getOrDefault("PATH", "") + ":/usr/sbin:/sbin";
    return Stream.of(path.split(":", -1))
        .filter(directory -> !directory.isEmpty())
        .anyMatch(directory -> Files.isExecutable(Path.of(directory, tool)));
  }

  static void need(String... tools) {
    Arrays.stream(tools)
        .filter(tool -> !has(tool))
        .findFirst()
        .ifPresent(tool -> skip("the program " + tool + " is not installed"));
  }

  static void needRoot() {
    if (!Person.isRoot()) {
      skip("this test needs root");
    }
  }

  static Path needVolumes() {
    return Reactor.volumes()
        .orElseGet(() -> {
          skip("no shared volumes (set COFFER_SHARED)");
          throw new AssertionError();
        });
  }

  /** Ends the test as skipped, and says so where everybody sees it. */
  static void skip(String why) {
    String where =
        StackWalker.getInstance()
            .walk(frames ->
                frames
                    .filter(f -> f.getClassName().endsWith("Test"))
                    .findFirst()
                    .map(f -> f.getClassName() + "." + f.getMethodName())
                    .orElse("?"));
    System.err.println("SKIPPED " + where + ": " + why);
    Assumptions.abort(why);
  }
}
