package io.coffer.cli.gocryptfs;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.coffer.cli.gocryptfs.Flags.HelpException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.NullMarked;

/** Any command line of bin/gocryptfs is understood or refused with a sentence. */
@NullMarked
class ArgumentsFuzzTest {
  @FuzzTest(maxDuration = "60s")
  void commandLine(byte[] bytes) {
    String[] words = new String(bytes, StandardCharsets.UTF_8).split("\0", -1);
    try {
      Arguments arguments = Arguments.parse(words);
      arguments.original();
      assertTrue(
          arguments.positional().size() <= words.length, "no more operands than words were given");
    } catch (EndException e) {
      assertFalse(String.valueOf(e.getMessage()).isBlank(), "a refusal needs a sentence");
    } catch (HelpException e) {
      assertTrue(String.join(" ", words).contains("h"), "help was given, but none was asked for");
    }
  }
}
