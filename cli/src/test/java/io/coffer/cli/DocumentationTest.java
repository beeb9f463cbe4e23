package io.coffer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/**
 * What is written about the command line is what it does. With {@code -Dcoffer.update=true} the
 * files are written anew instead of compared.
 */
@DisplayName("The documentation")
class DocumentationTest {
  private static final Path DOCS = Path.of("..", "docs").toAbsolutePath().normalize();

  /** Written by the rooms that have these commands, which are not on the class path here. */
  private static final Set<String> ELSEWHERE =
      Set.of("coffer-ca.1", "coffer-keyserver.1", "coffer-audit.1");

  private static CommandLine commandLine() {
    return CofferCommand.commandLine(Ui.standard());
  }

  private static void compare(Path file, String expected) throws IOException {
    if (Boolean.getBoolean("coffer.update")) {
      Files.createDirectories(file.getParent());
      Files.writeString(file, expected);
    }
    assertTrue(Files.exists(file), () -> file + " is missing; run with -Dcoffer.update=true");
    assertEquals(
        expected,
        Files.readString(file),
        () -> file + " is out of date; run with -Dcoffer.update=true");
  }

  @Test
  void hasAManualPageOfEachCommandWithAllItsOptions() throws IOException {
    Map<String, String> pages = ManPages.all(commandLine());
    for (Map.Entry<String, String> page : pages.entrySet()) {
      compare(DOCS.resolve("man").resolve(page.getKey()), page.getValue());
    }
    try (Stream<Path> files = Files.list(DOCS.resolve("man"))) {
      assertEquals(
          List.copyOf(pages.keySet()),
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> !ELSEWHERE.contains(name))
              .sorted()
              .toList());
    }
  }

  @Test
  void hasAManualPageThatManCanFormat() throws Exception {
    for (String page : ManPages.all(commandLine()).values()) {
      for (String line : page.split("\n", -1)) {
        assertTrue(
            !line.startsWith(".") || line.matches("\\.(\\\\\"|TH|SH|TP|PP|B|BR|I|nf|fi)\\b?.*"),
            line);
      }
    }
  }

  @Test
  void listsTheExitCodes() throws IOException {
    StringBuilder table = new StringBuilder();
    table.append("# Exit codes\n\n");
    table.append("The same for `coffer` and `bin/gocryptfs`; the numbers are those of gocryptfs");
    table.append(" wherever it has one.\nWhere `bin/gocryptfs` has to end differently from");
    table.append(" `coffer` to be like gocryptfs, gocryptfs-differences.md says so.\n\n");
    table.append("| code | meaning |\n|---|---|\n");
    for (ExitCode code : ExitCode.values()) {
      table.append("| ").append(code.number()).append(" | ").append(code.meaning()).append(" |\n");
    }
    compare(DOCS.resolve("exit-codes.md"), table.toString());
  }

  @Test
  void showsAnExampleForEachCommand() {
    commandLine()
        .getSubcommands()
        .forEach((name, command) -> {
          if (!command.getCommandSpec().usageMessage().hidden()) {
            String footer = String.join("\n", command.getCommandSpec().usageMessage().footer());
            assertTrue(footer.contains("  coffer "), name + " has no example");
          }
        });
  }

  @Test
  void namesNoCommandThatDoesNotExist() throws IOException {
    List<String> known = new ArrayList<>(commandLine().getSubcommands().keySet());
    // Added by rooms that are not on the class path here.
    known.addAll(List.of("bench", "torture", "ca", "keyserver", "audit"));
    try (Stream<Path> files = Files.walk(DOCS)) {
      List<Path> texts =
          Stream.concat(
                  Stream.of(DOCS.resolveSibling("README.md")),
                  files.filter(file -> file.toString().endsWith(".md")))
              .toList();
      for (Path file : texts) {
        String text = Files.readString(file, StandardCharsets.UTF_8);
        var matcher =
            java.util.regex.Pattern.compile("(?m)(?:^ {4}|`|\\$ )(?:\\./)?coffer ([a-z]+)\\b")
                .matcher(text);
        while (matcher.find()) {
          assertTrue(known.contains(matcher.group(1)), file + ": no command " + matcher.group(1));
        }
      }
    }
  }
}
