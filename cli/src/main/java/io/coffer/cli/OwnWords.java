package io.coffer.cli;

import io.coffer.batch.CommandLineWords;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** What this process was called with, byte for byte, for a command that it runs. */
final class OwnWords {
  /** Variables that the launcher has put aside, since they would change Java itself. */
  private static final String ASIDE = "COFFER_CALLER_";

  private static final List<String> JAVA_OPTIONS =
      List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS");

  private OwnWords() {}

  /** The last words of the command line, and the caller's environment. */
  static CommandLineWords of(List<String> command) throws IOException {
    List<byte[]> environment =
        CommandLineWords.split(Files.readAllBytes(Path.of("/proc/self/environ")));
    CommandLineWords words = new CommandLineWords(words(command), environment, new byte[0]);
    Map<String, String> variables = System.getenv();
    for (String name : JAVA_OPTIONS) {
      String value = variables.get(ASIDE + name);
      if (value != null) {
        words = words.without(ASIDE + name).with(name, value);
      }
    }
    return words;
  }

  private static List<byte[]> words(List<String> command) throws IOException {
    List<byte[]> own = CommandLineWords.split(Files.readAllBytes(Path.of("/proc/self/cmdline")));
    if (own.size() > command.size()) {
      List<byte[]> last = own.subList(own.size() - command.size(), own.size());
      // Text in another character set comes to Java with holes in it; the rest is the same.
      if (last.stream()
              .map(each -> each.length == 0)
              .toList()
              .equals(command.stream().map(String::isEmpty).toList())
          && isSame(last.getFirst(), command.getFirst())) {
        return last;
      }
    }
    return command.stream().map(each -> each.getBytes(StandardCharsets.UTF_8)).toList();
  }

  private static boolean isSame(byte[] bytes, String word) {
    return new String(bytes, StandardCharsets.US_ASCII)
            .equals(new String(word.getBytes(StandardCharsets.US_ASCII), StandardCharsets.US_ASCII))
        || new String(bytes, StandardCharsets.UTF_8).equals(word);
  }
}
