package io.coffer.keyserver.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * The manual pages of the key service are what its command line does, one page for each of {@code
 * coffer ca}, {@code keyserver} and {@code audit}, with all of their commands. With {@code
 * -Dcoffer.update=true} they are written anew instead of compared.
 */
@DisplayName("The manual pages of the key service")
class ManualPagesTest {
  private static final Path PAGES = Path.of("..", "docs", "man").toAbsolutePath().normalize();

  private static List<CommandLine> commands() {
    return Stream.of(new CaCommand(), new KeyserverCommand(), new AuditCommand())
        .map(each -> {
          CommandLine line = new CommandLine(each);
          return line.setCommandName("coffer " + line.getCommandName());
        })
        .toList();
  }

  /** A command and all below it that do something. */
  private static Stream<CommandLine> leaves(CommandLine command) {
    Map<String, CommandLine> below = new TreeMap<>(command.getSubcommands());
    return below.isEmpty()
        ? Stream.of(command)
        : below.values().stream().flatMap(ManualPagesTest::leaves);
  }

  @Test
  void haveAllCommandsWithAllTheirOptions() throws IOException {
    for (CommandLine command : commands()) {
      Path file = PAGES.resolve(command.getCommandName().replace(' ', '-') + ".1");
      String page = page(command);
      if (Boolean.getBoolean("coffer.update")) {
        Files.writeString(file, page);
      }
      assertTrue(Files.exists(file), () -> file + " is missing; run with -Dcoffer.update=true");
      assertEquals(
          page,
          Files.readString(file),
          () -> file + " is out of date; run with -Dcoffer.update=true");
    }
  }

  @Test
  void showAnExampleOfEachCommandThatItUnderstands() {
    for (CommandLine command : commands()) {
      leaves(command)
          .forEach(leaf -> {
            String name = leaf.getCommandSpec().qualifiedName();
            List<String> examples = examples(leaf);
            assertTrue(examples.stream().anyMatch(e -> e.startsWith(name + " ")), name);
            for (String example : examples) {
              String[] words = example.split(" ", -1);
              CommandLine again =
                  commands().stream()
                      .filter(each -> each.getCommandName().equals("coffer " + words[1]))
                      .findFirst()
                      .orElseThrow();
              again.parseArgs(List.of(words).subList(2, words.length).toArray(String[]::new));
            }
          });
    }
  }

  /** Without what a shell would take, and what is said about it. */
  private static List<String> examples(CommandLine command) {
    return Stream.of(command.getCommandSpec().usageMessage().footer())
        .filter(line -> line.startsWith("  coffer "))
        .map(line -> line.strip().split(" > | {3,}", -1)[0])
        .toList();
  }

  private static String page(CommandLine command) {
    CommandSpec spec = command.getCommandSpec();
    String name = command.getCommandName().replace(' ', '-');
    StringBuilder page = new StringBuilder();
    page.append(".\\\" Written from the command line by ManualPagesTest; do not edit.\n.TH ")
        .append(name.toUpperCase(Locale.ROOT))
        .append(" 1 \"\" \"Coffer\" \"Coffer\"\n");
    String[] description = spec.usageMessage().description();
    page.append(".SH NAME\n")
        .append(text(name + " - " + description[0].replaceAll("\\.$", "")))
        .append("\n.SH SYNOPSIS\n.B ")
        .append(text(command.getCommandName()))
        .append("\nCOMMAND [OPTIONS] ...\n.SH DESCRIPTION\n");
    paragraphs(page, description);
    notes(page, spec);
    page.append(".SH COMMANDS\n");
    leaves(command).forEach(leaf -> section(page, leaf.getCommandSpec()));
    page.append(".SH EXIT STATUS\n");
    exit(page, 0, "The command succeeded.");
    exit(page, Failure.USAGE, "The command line is wrong; nothing was done.");
    exit(page, Failure.WRONG_SECRET, "A passphrase, share or PIN is wrong.");
    exit(page, Failure.OTHER, "Everything else; a message says what, and what to do next.");
    page.append(".SH SEE ALSO\n.BR coffer (1),\n.BR coffer-ca (1),\n.BR coffer-keyserver (1),\n")
        .append(".BR coffer-audit (1)\n");
    return page.toString();
  }

  private static void section(StringBuilder page, CommandSpec spec) {
    page.append(".SS ").append(text(spec.qualifiedName()));
    for (PositionalParamSpec parameter : spec.positionalParameters()) {
      page.append(' ').append(text(parameter.paramLabel()));
    }
    page.append('\n');
    paragraphs(page, spec.usageMessage().description());
    for (OptionSpec option : spec.options()) {
      String label = option.arity().max() == 0 ? "" : " " + option.paramLabel();
      page.append(".TP\n.B ")
          .append(text(String.join(", ", List.of(option.names())) + label))
          .append('\n');
      describe(page, option);
    }
    for (PositionalParamSpec parameter : spec.positionalParameters()) {
      if (parameter.description().length > 0) {
        page.append(".TP\n.I ").append(text(parameter.paramLabel())).append('\n');
        describe(page, parameter);
      }
    }
    notes(page, spec);
  }

  private static void exit(StringBuilder page, int code, String meaning) {
    page.append(".TP\n.B ").append(code).append('\n').append(meaning).append('\n');
  }

  private static void paragraphs(StringBuilder page, String[] lines) {
    for (String line : lines) {
      page.append(line.isEmpty() ? ".PP" : text(line)).append('\n');
    }
  }

  private static void describe(StringBuilder page, ArgSpec argument) {
    for (String line : argument.description()) {
      page.append(text(line)).append('\n');
    }
  }

  private static void notes(StringBuilder page, CommandSpec spec) {
    String[] lines = spec.usageMessage().footer();
    if (lines.length > 0) {
      page.append(".PP\n.nf\n");
      for (String line : lines) {
        if (!line.isEmpty()) {
          page.append(text(line)).append('\n');
        }
      }
      page.append(".fi\n");
    }
  }

  /** Backslashes, dashes, and dots and apostrophes at the beginning of a line are special. */
  private static String text(String line) {
    String escaped = line.replace("\\", "\\e").replace("-", "\\-");
    return escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped;
  }
}
