package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.Argon2Cost;
import io.coffer.keys.FscryptToolMetadata;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.FscryptVolume.OpenKey;
import io.coffer.keys.PasswordSource;
import io.coffer.keys.Protector;
import io.coffer.keys.ProtectorKind;
import io.coffer.keys.ProtectorSecret;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.JsonGenerator;

/** {@code coffer protector}: the ways to the master keys of a volume. */
@Command(
    name = "protector",
    sortOptions = false,
    description = {
      "List, add, remove or change the protectors of a volume of the format fscrypt: passphrases,"
          + " key files, commands and recovery words, each of which opens any number of the"
          + " volume's master keys. DIR is the volume, or a directory of a mounted view of it.",
      "",
      "  list     show protectors and the keys that they open; needs no password",
      "  add      a new protector for the keys that the present password opens; or, if PROTECTOR"
          + " is given, let that one open them too. With --new-key, for a new master key instead",
      "  remove   PROTECTOR no longer opens the keys that the present password opens; never the"
          + " last one of a key",
      "  change   give PROTECTOR another password or key file; recovery words are made anew",
      "",
      "The present password comes from --password-file, --password-command or --key-file, the new"
          + " one from --new-password-file, --new-password-command or --new-key-file; without,"
          + " both are asked for. For directories of the program fscrypt, whose file system is"
          + " mounted at MOUNT:",
      "",
      "  from-fscrypt  take over the master keys that the present password opens in MOUNT/.fscrypt;"
          + " a protector with the same password opens them here",
      "  to-fscrypt    let fscrypt unlock the keys that the present password opens, with the same"
          + " password",
      "",
      "Whoever has an old copy of the volume's metadata can still use"
          + " what was removed or changed since."
    },
    footer = {
      "",
      "Examples:",
      "  coffer protector list /lustre/lab",
      "  coffer protector add --name anna /lustre/lab",
      "  coffer protector add --kind recovery --name paper /lustre/lab",
      "  head -c 32 /dev/urandom > ~/lab.key",
      "  coffer protector add --kind key-file --name job --new-key-file ~/lab.key /lustre/lab",
      "  coffer protector change /lustre/lab anna",
      "  coffer protector remove /lustre/lab job",
      "  coffer protector from-fscrypt --name laptop /lustre/lab /mnt/disk"
    })
final class ProtectorCommand extends BaseCommand {
  private static final List<String> ACTIONS =
      List.of("list", "add", "remove", "change", "from-fscrypt", "to-fscrypt");

  @Option(
      names = "--kind",
      paramLabel = "KIND",
      description =
          "What opens the new protector: passphrase (default), key-file (32 random bytes),"
              + " command (what a program prints), recovery (words that are shown once).")
  private @Nullable String kind;

  @Option(names = "--name", paramLabel = "NAME", description = "What to call the new protector.")
  private @Nullable String name;

  @Option(
      names = "--key",
      paramLabel = "IDENTIFIER",
      description = "Only for this master key instead of all that the password opens.")
  private @Nullable String key;

  @Option(
      names = "--new-key",
      description = "Make a new master key, which the added protector opens.")
  private boolean newKey;

  @Option(names = "--json", description = "Print JSON (list).")
  private boolean json;

  @Mixin private ProtectorOptions present = new ProtectorOptions();

  @Option(
      names = "--new-password-file",
      paramLabel = "FILE",
      description = "Take the new password from the first line of FILE.")
  private List<Path> newPasswordFiles = new ArrayList<>();

  @Option(
      names = "--new-password-command",
      paramLabel = "COMMAND",
      description = "Take the new password from the first line that COMMAND prints.")
  private List<String> newPasswordCommand = new ArrayList<>();

  @Option(
      names = "--new-key-service",
      paramLabel = "FILE",
      description =
          "Take the new password from a key server; FILE as for --key-service of coffer init.")
  private @Nullable Path newKeyService;

  @Option(
      names = "--new-key-file",
      paramLabel = "FILE",
      description = "Take the new key from FILE: 32 bytes.")
  private @Nullable Path newKeyFile;

  @Parameters(
      index = "0",
      paramLabel = "ACTION",
      description = "list, add, remove, change, from-fscrypt or to-fscrypt.")
  private String action = "list";

  @Parameters(
      index = "1",
      paramLabel = "DIR",
      description = "The volume, or a directory of a mounted view of it.")
  private Path directory = Path.of(".");

  @Parameters(
      index = "2",
      arity = "0..1",
      paramLabel = "PROTECTOR|MOUNT",
      description = "The protector's id or name; or where fscrypt's file system is mounted.")
  private @Nullable String chosen;

  ProtectorCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    present.check();
    checkNew();
    if (!ACTIONS.contains(action)) {
      throw usage(
          "coffer protector can " + String.join(", ", ACTIONS) + ", but not '" + action + "'");
    }
    PolicyVolume volume = PolicyVolume.of(directory);
    switch (action) {
      case "add" -> add(volume);
      case "remove" -> remove(volume);
      case "change" -> change(volume);
      case "from-fscrypt" -> fromFscrypt(volume);
      case "to-fscrypt" -> toFscrypt(volume.keys());
      default -> list(volume.keys());
    }
    return ExitCode.OK;
  }

  private static CommandException usage(String message) {
    return new CommandException(ExitCode.USAGE, message, "coffer protector --help");
  }

  private void checkNew() throws CommandException {
    int sources =
        (newPasswordFiles.isEmpty() ? 0 : 1)
            + (newPasswordCommand.isEmpty() ? 0 : 1)
            + (newKeyFile == null ? 0 : 1)
            + (newKeyService == null ? 0 : 1);
    if (sources > 1) {
      throw usage(
          "only one of --new-password-file, --new-password-command, --new-key-file and"
              + " --new-key-service can be given");
    }
    if (!action.equals("add") && (kind != null || newKey)) {
      throw usage("--kind and --new-key have a meaning only with add");
    }
    if (name != null && !action.equals("add") && !action.endsWith("-fscrypt")) {
      throw usage("--name has a meaning only for a protector that is made");
    }
  }

  // What is brought.

  /** The secret of a protector that is made, or that gets another, or gives one more key. */
  private ProtectorSecret newSecret(ProtectorKind wanted, boolean known)
      throws CommandException, VolumeException {
    if ((wanted == ProtectorKind.KEY_FILE) != (newKeyFile != null)) {
      throw usage(
          wanted == ProtectorKind.KEY_FILE
              ? "a protector of the kind key-file needs --new-key-file"
              : "--new-key-file is for protectors of the kind key-file");
    }
    if (newKeyFile != null) {
      return ProtectorSecret.keyFile(newKeyFile);
    }
    PasswordSource source;
    Path reference = newKeyService;
    if (reference != null) {
      source = () -> KeyOptions.findKeyService().password(reference.toAbsolutePath());
    } else if (!newPasswordFiles.isEmpty()) {
      source = PasswordSource.files(newPasswordFiles);
    } else if (!newPasswordCommand.isEmpty()) {
      source = PasswordSource.command(newPasswordCommand);
    } else if (wanted == ProtectorKind.COMMAND) {
      throw usage("a protector of the kind command needs --new-password-command");
    } else {
      source =
          known
              ? ui.typedPassword("Password of the protector: ")
              : ui.newPassword("New password: ");
    }
    SecretBytes line = source.read();
    return known ? ProtectorSecret.typed(line) : ProtectorSecret.passphrase(line);
  }

  private List<OpenKey> open(FscryptVolume volume) throws VolumeException {
    try (ProtectorSecret secret = present.secret("Present password: ", ui)) {
      return volume.unlock(key, present.protector(), secret);
    }
  }

  private static List<SecretBytes> secrets(List<OpenKey> keys) {
    return keys.stream().map(OpenKey::masterKey).toList();
  }

  private Protector chosen(FscryptVolume volume) throws CommandException, VolumeException {
    if (chosen == null) {
      throw usage("which protector? Give its id or name after the directory");
    }
    return volume.protector(chosen);
  }

  // Actions.

  private void add(PolicyVolume volume) throws CommandException, VolumeException {
    FscryptVolume before = volume.keys();
    Protector existing = chosen == null ? null : before.protector(chosen);
    ProtectorKind wanted = existing == null ? wantedKind() : existing.kind();
    if (existing == null && name == null) {
      throw usage("a new protector needs a --name");
    }
    if (existing != null && (kind != null || name != null)) {
      throw usage("--kind and --name are for a new protector, and " + chosen + " is there already");
    }
    if (newKey && key != null) {
      throw usage("--key and --new-key contradict each other");
    }
    List<OpenKey> keys = newKey ? List.of(freshKey()) : open(before);
    try {
      FscryptVolume after;
      if (existing != null) {
        try (ProtectorSecret secret = newSecret(wanted, true)) {
          after = before.withKeys(existing, secret, secrets(keys));
        }
        volume.replace(after);
      } else {
        try (ProtectorSecret secret =
            wanted == ProtectorKind.RECOVERY
                ? ProtectorSecret.newRecovery()
                : newSecret(wanted, false)) {
          after = before.withProtector(wanted, String.valueOf(name), secret, secrets(keys));
          volume.replace(after);
          showWords(wanted, secret);
        }
      }
      Protector given =
          existing == null ? after.protector(String.valueOf(name)) : after.protector(existing.id());
      for (OpenKey each : keys) {
        ui.err()
            .println("coffer: " + given.name() + " opens the key " + each.identifier() + " now");
      }
    } finally {
      keys.forEach(OpenKey::close);
    }
  }

  private static OpenKey freshKey() {
    SecretBytes masterKey = SecretBytes.random(FscryptVolume.MASTER_KEY_BYTES);
    return new OpenKey(FscryptVolume.identifierOf(masterKey), masterKey);
  }

  private ProtectorKind wantedKind() throws CommandException {
    String word = kind;
    if (word == null) {
      return newKeyFile == null ? ProtectorKind.PASSPHRASE : ProtectorKind.KEY_FILE;
    }
    return ProtectorKind.of(word)
        .orElseThrow(() ->
            usage(
                "a protector can be of the kind passphrase, key-file, command or recovery, not '"
                    + word
                    + "'"));
  }

  private void showWords(ProtectorKind kindMade, ProtectorSecret secret) {
    if (kindMade != ProtectorKind.RECOVERY) {
      return;
    }
    byte[] words = secret.words();
    try {
      if (ui.outIsTerminal()) {
        ui.out().println();
        ui.out().println("Write these words down and keep them apart; they are shown only now:");
        ui.out().println();
      }
      ui.out().write(words, 0, words.length);
      ui.out().println();
      ui.out().flush();
    } finally {
      Arrays.fill(words, (byte) 0);
    }
  }

  private void remove(PolicyVolume volume) throws CommandException, VolumeException {
    FscryptVolume before = volume.keys();
    Protector protector = chosen(before);
    List<OpenKey> opened = open(before);
    try {
      List<OpenKey> affected = new ArrayList<>(opened);
      List<String> given =
          before.keysOf(protector).stream().map(FscryptVolume.Key::identifier).toList();
      affected.removeIf(each -> !given.contains(each.identifier()));
      if (affected.isEmpty()) {
        throw new CommandException(
            ExitCode.PROTECTOR,
            protector.name() + " opens none of the keys that this password opens");
      }
      FscryptVolume after = before.withoutProtector(protector, secrets(affected));
      volume.replace(after);
      boolean gone = after.protectors().stream().noneMatch(p -> p.id().equals(protector.id()));
      ui.err()
          .println(
              gone
                  ? "coffer: " + protector.name() + " has been removed"
                  : "coffer: "
                      + protector.name()
                      + " still opens keys that this password does not");
    } finally {
      opened.forEach(OpenKey::close);
    }
  }

  private void change(PolicyVolume volume) throws CommandException, VolumeException {
    FscryptVolume before = volume.keys();
    Protector protector = chosen(before);
    boolean recovery = protector.kind() == ProtectorKind.RECOVERY;
    if (protector.kind() == ProtectorKind.KEY_FILE
        && (present.keyFile() == null || newKeyFile == null)) {
      throw new CommandException(
          ExitCode.USAGE,
          protector.name() + " is a key file: both the present and the new one are needed",
          "coffer protector change --key-file OLD --new-key-file NEW "
              + Shell.quote(directory.toString())
              + " "
              + Shell.quote(protector.name()));
    }
    try (ProtectorSecret old = present.secret("Present password: ", ui);
        ProtectorSecret fresh =
            recovery ? ProtectorSecret.newRecovery() : newSecret(protector.kind(), false)) {
      volume.replace(before.withSecret(protector, old, fresh));
      showWords(protector.kind(), fresh);
    }
    ui.err().println("coffer: " + protector.name() + " has been changed");
  }

  private Path mount() throws CommandException {
    if (chosen == null) {
      throw usage("where is fscrypt's file system mounted? Give it after the directory");
    }
    return Path.of(chosen);
  }

  private void fromFscrypt(PolicyVolume volume) throws CommandException, VolumeException {
    Path mount = mount();
    try (ProtectorSecret secret = present.secret("Password of fscrypt's protector: ", ui)) {
      FscryptToolMetadata.Opened opened = FscryptToolMetadata.unlock(mount, secret);
      List<OpenKey> keys = new ArrayList<>(opened.keys());
      try {
        keys.removeIf(each -> key != null && !key.equals(each.identifier()));
        if (keys.isEmpty()) {
          throw new CommandException(
              ExitCode.PROTECTOR,
              "fscrypt's protector " + opened.protectorName() + " opens no key");
        }
        String called = name == null ? opened.protectorName() : name;
        volume.replace(volume.keys().withProtector(opened.kind(), called, secret, secrets(keys)));
        for (OpenKey each : keys) {
          ui.err().println("coffer: " + called + " opens the key " + each.identifier() + " now");
        }
      } finally {
        opened.keys().forEach(OpenKey::close);
      }
    }
  }

  private void toFscrypt(FscryptVolume volume) throws CommandException, VolumeException {
    Path mount = mount();
    try (ProtectorSecret secret = present.secret("Present password: ", ui)) {
      if (secret.kind() == ProtectorKind.RECOVERY) {
        throw usage("fscrypt knows no recovery words; use a passphrase or a key file");
      }
      List<OpenKey> opened = volume.unlock(key, present.protector(), secret);
      try {
        String called = name == null ? "coffer" : name;
        String descriptor =
            FscryptToolMetadata.write(mount, secret.kind(), called, volume.cost(), secret, opened);
        for (OpenKey each : opened) {
          ui.err().println("coffer: fscrypt has a policy " + each.identifier() + " now");
        }
        String at = mount.toString();
        ui.err()
            .println(
                "  Encrypt: fscrypt encrypt DIR --policy="
                    + at
                    + ":"
                    + opened.getFirst().identifier()
                    + " --unlock-with="
                    + at
                    + ":"
                    + descriptor);
      } finally {
        opened.forEach(OpenKey::close);
      }
    }
  }

  private void list(FscryptVolume volume) {
    if (json) {
      printJson(volume);
      return;
    }
    for (Protector each : volume.protectors()) {
      Argon2Cost cost = each.cost();
      String hash =
          cost == null
              ? ""
              : "  Argon2id, %d MiB, %d passes".formatted(cost.memoryKib() / 1024, cost.passes());
      ui.out().printf("%s  %-10s  %s%s%n", each.id(), each.kind().word(), each.name(), hash);
      volume.keysOf(each).forEach(opened -> ui.out().println("  opens " + opened.identifier()));
    }
  }

  private void printJson(FscryptVolume volume) {
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartArray();
      for (Protector each : volume.protectors()) {
        g.writeStartObject();
        g.writeStringProperty("id", each.id());
        g.writeStringProperty("kind", each.kind().word());
        g.writeStringProperty("name", each.name());
        Argon2Cost cost = each.cost();
        if (cost != null) {
          g.writeNumberProperty("memoryKib", cost.memoryKib());
          g.writeNumberProperty("passes", cost.passes());
          g.writeNumberProperty("lanes", cost.lanes());
        }
        g.writeArrayPropertyStart("keys");
        volume.keysOf(each).forEach(opened -> g.writeString(opened.identifier()));
        g.writeEndArray();
        g.writeEndObject();
      }
      g.writeEndArray();
    }
    ui.out().println();
  }
}
