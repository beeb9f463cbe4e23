package io.coffer.cli;

import io.coffer.crypto.ContentCiphers;
import io.coffer.format.BlockException;
import io.coffer.format.FormatException;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import tools.jackson.core.JsonGenerator;

/** {@code coffer speed}: which cipher suits this machine. */
@Command(
    name = "speed",
    sortOptions = false,
    description =
        "Measure how fast one core of this machine encrypts and decrypts contents, in memory.",
    footer = {"", "Examples:", "  coffer speed", "  coffer speed --json"})
final class SpeedCommand extends BaseCommand {
  @Option(names = "--json", description = "Print JSON; speeds are bytes per second.")
  private boolean json;

  SpeedCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws FormatException, IOException, CommandException {
    List<SpeedTest.Result> results = new ArrayList<>();
    if (!json) {
      ui.out().println(SpeedTest.processor());
      ui.out().println(ContentCiphers.engine());
      ui.out().printf("%-20s %15s %15s%n", "", "encrypt MB/s", "decrypt MB/s");
    }
    for (GocryptfsCipher cipher : GocryptfsCipher.values()) {
      SpeedTest.Result result;
      try {
        result = SpeedTest.measure(cipher);
      } catch (BlockException e) {
        throw new CommandException(
            ExitCode.OTHER,
            cipher.displayName() + " does not decrypt what it encrypted: do not use this machine");
      }
      results.add(result);
      if (!json) {
        ui.out()
            .printf(
                "%-20s %15.0f %15.0f%n",
                CipherChoice.name(cipher),
                result.sealBytesPerSecond() / 1e6,
                result.openBytesPerSecond() / 1e6);
      }
    }
    if (json) {
      printJson(results);
    }
    return ExitCode.OK;
  }

  private void printJson(List<SpeedTest.Result> results) {
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartObject();
      g.writeStringProperty("processor", SpeedTest.processor());
      g.writeStringProperty("engine", ContentCiphers.engine());
      g.writeArrayPropertyStart("ciphers");
      for (SpeedTest.Result result : results) {
        g.writeStartObject();
        g.writeStringProperty("name", CipherChoice.name(result.cipher()));
        g.writeNumberProperty("encryptBytesPerSecond", Math.round(result.sealBytesPerSecond()));
        g.writeNumberProperty("decryptBytesPerSecond", Math.round(result.openBytesPerSecond()));
        g.writeEndObject();
      }
      g.writeEndArray();
      g.writeEndObject();
    }
    ui.out().println();
  }
}
