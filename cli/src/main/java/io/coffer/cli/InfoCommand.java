package io.coffer.cli;

import io.coffer.format.gocryptfs.FeatureFlag;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.ScryptParameters;
import io.coffer.keys.Argon2Cost;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.Protector;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.JsonGenerator;

/** {@code coffer info}: what a volume is. */
@Command(
    name = "info",
    sortOptions = false,
    description = "Show what the volume in DIR is. Needs no password and shows no secret.",
    footer = {"", "Examples:", "  coffer info secret.coffer", "  coffer info --json secret.coffer"})
final class InfoCommand extends BaseCommand {
  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Option(names = "--reverse", description = "DIR is a plain tree that is shown encrypted.")
  private boolean reverse;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The configuration is FILE instead of inside DIR.")
  private @Nullable Path config;

  @Parameters(paramLabel = "DIR", description = "The volume.")
  private Path directory = Path.of(".");

  InfoCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws VolumeException, IOException {
    if (config == null && FscryptVolume.isIn(directory)) {
      FscryptVolume keys = FscryptVolume.open(directory);
      if (json) {
        printJson(keys);
      } else {
        print(keys);
      }
      return ExitCode.OK;
    }
    GocryptfsVolume volume = Volumes.open(directory, config, reverse);
    if (json) {
      printJson(volume);
    } else {
      print(volume);
    }
    return ExitCode.OK;
  }

  private void print(GocryptfsVolume volume) {
    GocryptfsConfig c = volume.config();
    ScryptParameters scrypt = c.scrypt();
    line("Volume", directory + (reverse ? ", a plain tree shown encrypted" : ""));
    line("Configuration", volume.configFile().toString());
    line("Format", "gocryptfs, version " + GocryptfsConfig.VERSION);
    line("Made by", c.creator().isEmpty() ? "unknown" : c.creator());
    line("Contents", c.cipher().displayName() + ", in blocks of 4096 bytes");
    line("Names", names(c));
    line(
        "Opened by",
        c.has(FeatureFlag.FIDO2)
            ? "a FIDO2 token"
            : "a password (scrypt N=%d R=%d P=%d, %d MiB a try)"
                .formatted(scrypt.n(), scrypt.r(), scrypt.p(), scrypt.memoryBytes() >> 20));
    line("Features", String.join(" ", c.flags().stream().map(FeatureFlag::word).toList()));
  }

  private void print(FscryptVolume volume) {
    Argon2Cost cost = volume.cost();
    line("Volume", directory.toString());
    line("Configuration", FscryptVolume.file(directory).toString());
    line("Format", "fscrypt, policies of version 2; each directory tree says how it is encrypted");
    line(
        "Passphrases",
        "Argon2id, %d MiB a try, %d passes, %d lanes"
            .formatted(cost.memoryKib() / 1024, cost.passes(), cost.lanes()));
    for (FscryptVolume.Key key : volume.keys()) {
      List<String> names = volume.protectorsOf(key).stream().map(Protector::name).toList();
      line("Key", key.identifier() + ", opened by " + String.join(", ", names));
    }
  }

  private void printJson(FscryptVolume volume) {
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartObject();
      g.writeStringProperty("directory", directory.toString());
      g.writeStringProperty("configuration", FscryptVolume.file(directory).toString());
      g.writeStringProperty("format", "fscrypt");
      g.writeObjectPropertyStart("argon2id");
      g.writeNumberProperty("memoryKib", volume.cost().memoryKib());
      g.writeNumberProperty("passes", volume.cost().passes());
      g.writeNumberProperty("lanes", volume.cost().lanes());
      g.writeEndObject();
      g.writeArrayPropertyStart("keys");
      for (FscryptVolume.Key key : volume.keys()) {
        g.writeStartObject();
        g.writeStringProperty("identifier", key.identifier());
        g.writeArrayPropertyStart("protectors");
        volume.protectorsOf(key).forEach(each -> g.writeString(each.id()));
        g.writeEndArray();
        g.writeEndObject();
      }
      g.writeEndArray();
      g.writeEndObject();
    }
    ui.out().println();
  }

  private void line(String title, String value) {
    ui.out().printf("%-14s %s%n", title + ":", value);
  }

  private static String names(GocryptfsConfig c) {
    if (c.has(FeatureFlag.PLAINTEXT_NAMES)) {
      return "not encrypted";
    }
    return "encrypted, "
        + (c.has(FeatureFlag.DIR_IV) ? "differently in each directory" : "deterministically")
        + (c.longNameMax() == 0 ? "" : ", by hash if longer than " + c.longNameMax() + " bytes");
  }

  private void printJson(GocryptfsVolume volume) throws IOException {
    GocryptfsConfig c = volume.config();
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartObject();
      g.writeStringProperty("directory", directory.toString());
      g.writeStringProperty("configuration", volume.configFile().toString());
      g.writeStringProperty("format", "gocryptfs");
      g.writeNumberProperty("version", GocryptfsConfig.VERSION);
      g.writeStringProperty("creator", c.creator());
      g.writeBooleanProperty("reverse", reverse);
      g.writeStringProperty("contentCipher", CipherChoice.name(c.cipher()));
      g.writeNumberProperty("blockBytes", 4096);
      g.writeBooleanProperty("plaintextNames", c.has(FeatureFlag.PLAINTEXT_NAMES));
      g.writeBooleanProperty(
          "deterministicNames", !c.has(FeatureFlag.PLAINTEXT_NAMES) && !c.has(FeatureFlag.DIR_IV));
      g.writeNumberProperty("longNameMax", c.longNameMax() == 0 ? 255 : c.longNameMax());
      g.writeArrayPropertyStart("featureFlags");
      for (FeatureFlag flag : c.flags()) {
        g.writeString(flag.word());
      }
      g.writeEndArray();
      g.writeObjectPropertyStart("scrypt");
      g.writeNumberProperty("n", c.scrypt().n());
      g.writeNumberProperty("r", c.scrypt().r());
      g.writeNumberProperty("p", c.scrypt().p());
      g.writeNumberProperty("memoryBytes", c.scrypt().memoryBytes());
      g.writeEndObject();
      g.writeEndObject();
    }
    ui.out().println();
  }
}
