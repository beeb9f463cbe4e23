package io.coffer.cli;

import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.JsonGenerator;

/** {@code coffer keys}: the keys of a mounted view. */
@Command(
    name = "keys",
    sortOptions = false,
    description = {
      "Show the master keys of the mounted view that DIR is in: which are there, whose they are,"
          + " and which open files use them.",
      "",
      "A key is present, absent, or incompletely removed: nobody has it any more, but files that"
          + " were opened with it are still in use. Never shows a key itself."
    },
    footer = {"", "Examples:", "  coffer keys view", "  coffer keys --json view"})
final class KeysCommand extends BaseCommand {
  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Parameters(paramLabel = "DIR", description = "Any directory of a mounted view.")
  private Path directory = Path.of(".");

  KeysCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    TreeClient client = TreeClient.at(directory);
    List<TreeClient.Key> keys = new ArrayList<>(client.keys());
    for (FscryptVolume.Key each : client.volume().keys().keys()) {
      if (keys.stream().noneMatch(key -> key.identifier().equals(each.identifier()))) {
        keys.add(new TreeClient.Key(each.identifier(), "absent", List.of(), "0", List.of()));
      }
    }
    if (json) {
      printJson(keys);
    } else {
      for (TreeClient.Key key : keys) {
        String users = key.users().isEmpty() ? "" : "; users " + String.join(" ", key.users());
        String busy = key.busyCount().equals("0") ? "" : "; open files: " + key.busyCount();
        ui.out().println(key.identifier() + "  " + key.status() + users + busy);
        key.busyFiles().forEach(file -> ui.out().println("  " + file));
      }
    }
    return ExitCode.OK;
  }

  private void printJson(List<TreeClient.Key> keys) {
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartArray();
      for (TreeClient.Key key : keys) {
        g.writeStartObject();
        g.writeStringProperty("identifier", key.identifier());
        g.writeStringProperty("status", key.status());
        g.writeArrayPropertyStart("users");
        key.users().forEach(user -> g.writeNumber(Integer.parseInt(user)));
        g.writeEndArray();
        g.writeNumberProperty("busyCount", Integer.parseInt(key.busyCount()));
        g.writeArrayPropertyStart("busyFiles");
        key.busyFiles().forEach(g::writeString);
        g.writeEndArray();
        g.writeEndObject();
      }
      g.writeEndArray();
    }
    ui.out().println();
  }
}
