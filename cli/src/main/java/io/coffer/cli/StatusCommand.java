package io.coffer.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.JsonGenerator;

/** {@code coffer status}: how a file or directory is encrypted. */
@Command(
    name = "status",
    sortOptions = false,
    description = "Show how PATH in a mounted view is encrypted, and whether it is unlocked.",
    footer = {
      "",
      "Examples:",
      "  coffer status view/project",
      "  coffer status --json view/project"
    })
final class StatusCommand extends BaseCommand {
  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Parameters(paramLabel = "PATH", description = "A file or directory of a mounted view.")
  private Path path = Path.of(".");

  StatusCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, IOException {
    TreeClient.Tree tree = TreeClient.at(path).tree();
    if (json) {
      try (JsonGenerator g = Json.generator(ui.out())) {
        g.writeStartObject();
        g.writeStringProperty("path", path.toString());
        g.writeBooleanProperty("encrypted", tree.encrypted());
        if (tree.encrypted()) {
          g.writeStringProperty("contents", mode(tree.contents()));
          g.writeStringProperty("names", mode(tree.names()));
          g.writeNumberProperty("padding", Integer.parseInt(String.valueOf(tree.padding())));
          g.writeStringProperty("key", tree.identifier());
          g.writeStringProperty("status", tree.status());
        }
        g.writeEndObject();
      }
      ui.out().println();
    } else {
      print(tree, path, ui);
    }
    return ExitCode.OK;
  }

  static String mode(@Nullable String name) {
    return String.valueOf(name).toLowerCase(Locale.ROOT).replace('_', '-');
  }

  static void print(TreeClient.Tree tree, Path path, Ui ui) {
    if (!tree.encrypted()) {
      ui.out().println(path + " is not encrypted");
      return;
    }
    ui.out().printf("%-10s %s%n", "Contents:", mode(tree.contents()));
    ui.out().printf("%-10s %s, padded to %s%n", "Names:", mode(tree.names()), tree.padding());
    ui.out().printf("%-10s %s%n", "Key:", tree.identifier());
    ui.out()
        .printf(
            "%-10s %s%n",
            "Status:",
            "present".equals(tree.status())
                ? "unlocked"
                : "absent".equals(tree.status())
                    ? "locked"
                    : "locked, but files that were open are still in use");
  }
}
