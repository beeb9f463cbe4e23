package io.coffer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Completion of the command line, tried in a shell. */
class CompletionTest {
  private static String complete(String... words) throws Exception {
    String script = Run.coffer("completion", "bash").out();
    String try_ =
        script
            + "\nCOMP_WORDS=("
            + String.join(" ", words)
            + " ''); COMP_CWORD="
            + words.length
            + "; _complete_coffer; printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    Process bash = new ProcessBuilder("bash", "-s").redirectErrorStream(true).start();
    try (var in = bash.getOutputStream()) {
      in.write(try_.getBytes(StandardCharsets.UTF_8));
    }
    String out = new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(bash.waitFor(10, TimeUnit.SECONDS));
    return out;
  }

  @Test
  void offersTheCommands() throws Exception {
    String offered = complete("coffer");
    assertTrue(offered.lines().anyMatch("mount"::equals), offered);
    assertFalse(offered.lines().anyMatch("daemon"::equals), offered);
  }

  @Test
  void offersTheCiphers() throws Exception {
    String offered = complete("coffer", "init", "--content-cipher");
    assertTrue(offered.lines().anyMatch("xchacha20-poly1305"::equals), offered);
  }

  @Test
  void isForAShellThatIsKnown() {
    assertEquals(1, Run.coffer("completion", "fish").exitCode());
  }
}
