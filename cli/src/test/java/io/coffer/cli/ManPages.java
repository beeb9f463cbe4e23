package io.coffer.cli;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** Writes the manual pages, in roff with the macros of man(7), from the command line itself. */
final class ManPages {
  private ManPages() {}

  /** All pages by file name. */
  static Map<String, String> all(CommandLine root) {
    Map<String, String> pages = new TreeMap<>();
    pages.put("coffer.1", page(root.getCommandSpec()));
    root.getSubcommands()
        .forEach((name, command) -> {
          if (!command.getCommandSpec().usageMessage().hidden()
              && name.equals(command.getCommandName())) {
            pages.put("coffer-" + name + ".1", page(command.getCommandSpec()));
          }
        });
    return pages;
  }

  private static String page(CommandSpec spec) {
    String name = spec.qualifiedName("-");
    String[] description = spec.usageMessage().description();
    StringBuilder page = new StringBuilder();
    page.append(".\\\" Written from the command line by ManPagesTest; do not edit.\n");
    page.append(".TH ")
        .append(name.toUpperCase(Locale.ROOT))
        .append(" 1 \"\" \"Coffer ")
        .append(Version.NUMBER)
        .append("\" \"Coffer\"\n");
    page.append(".SH NAME\n").append(name).append(" \\- ").append(brief(description[0]));
    page.append(".SH SYNOPSIS\n.B ").append(text(spec.qualifiedName(" "))).append('\n');
    page.append(text(synopsis(spec))).append('\n');
    page.append(".SH DESCRIPTION\n");
    paragraphs(page, Stream.of(description));
    arguments(page, spec);
    commands(page, spec);
    footer(page, spec);
    page.append(".SH EXIT STATUS\n");
    for (ExitCode code : ExitCode.values()) {
      page.append(".TP\n.B ").append(code.number()).append('\n');
      page.append(text(code.meaning())).append('\n');
    }
    page.append(".SH SEE ALSO\n.BR coffer (1),\n.BR fusermount3 (1),\n.BR mount.fuse3 (8)\n");
    return page.toString();
  }

  private static String brief(String description) {
    String first = description.strip();
    return text(first.endsWith(".") ? first.substring(0, first.length() - 1) : first) + "\n";
  }

  private static String synopsis(CommandSpec spec) {
    StringBuilder line = new StringBuilder();
    if (!spec.options().isEmpty()) {
      line.append("[OPTIONS]");
    }
    for (PositionalParamSpec parameter : spec.positionalParameters()) {
      line.append(' ').append(parameter.paramLabel());
    }
    if (!spec.subcommands().isEmpty()) {
      line.append(" COMMAND");
    }
    return line.toString();
  }

  private static void paragraphs(StringBuilder page, Stream<String> lines) {
    lines.forEach(line -> page.append(line.isEmpty() ? ".PP" : text(line)).append('\n'));
  }

  private static void arguments(StringBuilder page, CommandSpec spec) {
    page.append(".SH OPTIONS\n");
    for (OptionSpec option : spec.options()) {
      String label = option.arity().max() == 0 ? "" : " " + option.paramLabel();
      page.append(".TP\n.B ")
          .append(text(String.join(", ", List.of(option.names())) + label))
          .append('\n');
      describe(page, option);
    }
    for (PositionalParamSpec parameter : spec.positionalParameters()) {
      page.append(".TP\n.I ").append(text(parameter.paramLabel())).append('\n');
      describe(page, parameter);
    }
  }

  private static void describe(StringBuilder page, ArgSpec argument) {
    for (String line : argument.description()) {
      page.append(text(line)).append('\n');
    }
  }

  private static void commands(StringBuilder page, CommandSpec spec) {
    if (spec.subcommands().isEmpty()) {
      return;
    }
    page.append(".SH COMMANDS\n");
    spec.subcommands()
        .forEach((name, command) -> {
          if (!command.getCommandSpec().usageMessage().hidden()
              && name.equals(command.getCommandName())) {
            page.append(".TP\n.BR coffer-").append(name).append(" (1)\n");
            page.append(text(command.getCommandSpec().usageMessage().description()[0]))
                .append('\n');
          }
        });
  }

  private static void footer(StringBuilder page, CommandSpec spec) {
    String[] lines = spec.usageMessage().footer();
    if (lines.length > 0) {
      page.append(".SH NOTES AND EXAMPLES\n.nf\n");
      for (String line : lines) {
        page.append(text(line)).append('\n');
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
