package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.JsonGenerator;

/** {@code coffer inspect}: a stored file from outside. */
@Command(
    name = "inspect",
    sortOptions = false,
    description = {
      "Show the header and the blocks of one stored (encrypted) file. Needs no password.",
      "",
      "The cipher is that of the volume around the file, if it is inside one. Of a file, directory"
          + " or link in a volume of the format fscrypt, shows the context, the sizes and the"
          + " holes."
    },
    footer = {
      "",
      "Examples:",
      "  coffer inspect secret.coffer/5o_WSYN-Tn59W3vrPiHXEA",
      "  coffer inspect --json lab/project/3,Zr1m",
      "  coffer inspect --show-master-key secret.coffer/gocryptfs.conf"
    })
final class InspectCommand extends BaseCommand {
  private static final int DIRECTORY_IV_BYTES = 16;

  /** The record of who has the volume open; named like the file of a long name. */
  private static final String LEASE = "gocryptfs.longname.coffer-lock.name";

  @Option(
      names = "--content-cipher",
      paramLabel = "CIPHER",
      converter = CipherChoice.class,
      completionCandidates = CipherChoice.Candidates.class,
      description = "Take the file for one of this cipher: aes-gcm, aes-siv, xchacha20-poly1305.")
  private @Nullable GocryptfsCipher cipher;

  @Option(
      names = "--show-master-key",
      description =
          "FILE is a configuration: ask for the password and print the master key, which opens"
              + " the volume without it.")
  private boolean showMasterKey;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Mixin private KeyOptions keys = new KeyOptions();

  @Parameters(paramLabel = "FILE", description = "The stored file.")
  private Path file = Path.of(".");

  InspectCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    if (showMasterKey) {
      try (SecretBytes masterKey = keys.unlock(GocryptfsVolume.load(file), ui)) {
        Volumes.writeMasterKey(masterKey, "", ui);
      }
      return ExitCode.OK;
    }
    StoredTreeEntry entry = StoredTreeEntry.read(file);
    if (entry != null) {
      if (json) {
        entry.printJson(ui);
      } else {
        entry.print(ui);
      }
      return ExitCode.OK;
    }
    if (!Files.isRegularFile(file)) {
      throw new CommandException(
          ExitCode.OTHER,
          file
              + (Files.exists(file, LinkOption.NOFOLLOW_LINKS)
                  ? " is not a file: only the contents of files can be inspected"
                  : " does not exist"));
    }
    String name = String.valueOf(file.getFileName());
    if (name.startsWith(GocryptfsConfig.FILE_NAME)
        || name.equals(GocryptfsConfig.REVERSE_FILE_NAME)) {
      throw new CommandException(
          ExitCode.USAGE,
          file + " is the configuration of a volume",
          name.equals(GocryptfsConfig.FILE_NAME)
              ? "coffer info " + Shell.quote(String.valueOf(file.toAbsolutePath().getParent()))
              : "coffer info --config " + Shell.quote(file.toString()) + " .");
    }
    try {
      inspect(name);
    } catch (EOFException e) {
      throw new CommandException(ExitCode.OTHER, file + " is damaged: " + e.getMessage());
    } catch (NoSuchFileException e) {
      throw new CommandException(ExitCode.OTHER, file + " does not exist");
    }
    return ExitCode.OK;
  }

  private void inspect(String name) throws CommandException, VolumeException, IOException {
    HexFormat hex = HexFormat.of();
    if (name.equals("gocryptfs.diriv")) {
      byte[] iv = StoredFile.header(file);
      print("directoryIv", "Directory IV", hex.formatHex(iv));
      if (iv.length != DIRECTORY_IV_BYTES) {
        throw new CommandException(
            ExitCode.OTHER,
            file + " is damaged: it has " + Files.size(file) + " bytes instead of 16",
            "coffer check --repair DIR");
      }
      return;
    }
    if (name.startsWith("gocryptfs.longname.") && name.endsWith(".name")) {
      boolean isLease = name.equals(LEASE);
      print(
          isLease ? "lease" : "fullStoredName",
          isLease ? "Who has the volume open" : "Full stored name",
          Files.readString(file).strip());
      return;
    }
    byte[] header = StoredFile.header(file);
    if (header.length == 0) {
      if (json) {
        printEmptyJson();
      } else {
        ui.out().println("An empty file.");
      }
      return;
    }
    if (header.length < StoredFile.HEADER_BYTES) {
      throw new CommandException(
          ExitCode.OTHER,
          file + " is damaged: it has " + header.length + " bytes, fewer than a header's 18");
    }
    int version = (header[0] & 0xff) << 8 | (header[1] & 0xff);
    if (version != GocryptfsConfig.VERSION) {
      throw new CommandException(
          ExitCode.OTHER,
          file
              + " is no stored file: its header has version "
              + version
              + " instead of "
              + GocryptfsConfig.VERSION);
    }
    GocryptfsCipher used = cipher == null ? cipherAround() : cipher;
    if (json) {
      printJson(version, hex.formatHex(header, 2, header.length), used);
      return;
    }
    ui.out()
        .printf(
            "Header: version %d, file ID %s (blocks as %s)%n",
            version, hex.formatHex(header, 2, header.length), used.displayName());
    long[] plain = {0};
    StoredFile.blocks(
        file,
        used,
        block -> {
          plain[0] += block.length() - StoredFile.overheadBytes(used);
          ui.out()
              .printf(
                  "Block %6d: offset %10d, %4d bytes, %s%n",
                  block.index(),
                  block.offset(),
                  block.length(),
                  block.hole() ? "a hole" : "nonce " + block.nonce() + ", tag " + block.tag());
        });
    ui.out().printf("Plain size: %d bytes, stored size: %d%n", plain[0], Files.size(file));
  }

  /** One value, all that such a file holds. */
  private void print(String property, String label, String value) throws IOException {
    if (!json) {
      ui.out().println(label + ": " + value);
      return;
    }
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartObject();
      g.writeStringProperty("format", "gocryptfs");
      g.writeStringProperty(property, value);
      g.writeEndObject();
    }
    ui.out().println();
  }

  /** An empty file has no header, and so neither a version nor an ID. */
  private void printEmptyJson() throws IOException {
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartObject();
      g.writeStringProperty("format", "gocryptfs");
      g.writeArrayPropertyStart("blocks");
      g.writeEndArray();
      g.writeNumberProperty("plainSize", 0);
      g.writeNumberProperty("storedSize", 0);
      g.writeEndObject();
    }
    ui.out().println();
  }

  private void printJson(int version, String fileId, GocryptfsCipher used) throws IOException {
    long[] plain = {0};
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartObject();
      g.writeStringProperty("format", "gocryptfs");
      g.writeNumberProperty("version", version);
      g.writeStringProperty("fileId", fileId);
      g.writeStringProperty("cipher", used.displayName());
      g.writeArrayPropertyStart("blocks");
      StoredFile.blocks(
          file,
          used,
          block -> {
            plain[0] += block.length() - StoredFile.overheadBytes(used);
            g.writeStartObject();
            g.writeNumberProperty("index", block.index());
            g.writeNumberProperty("offset", block.offset());
            g.writeNumberProperty("length", block.length());
            g.writeBooleanProperty("hole", block.hole());
            if (!block.hole()) {
              g.writeStringProperty("nonce", String.valueOf(block.nonce()));
              g.writeStringProperty("tag", String.valueOf(block.tag()));
            }
            g.writeEndObject();
          });
      g.writeEndArray();
      g.writeNumberProperty("plainSize", plain[0]);
      g.writeNumberProperty("storedSize", Files.size(file));
      g.writeEndObject();
    }
    ui.out().println();
  }

  /** The cipher of the volume that the file is in; AES-GCM if it is in none. */
  private GocryptfsCipher cipherAround() throws VolumeException {
    for (Path at = file.toAbsolutePath().getParent(); at != null; at = at.getParent()) {
      Path config = at.resolve(GocryptfsConfig.FILE_NAME);
      if (Files.isRegularFile(config)) {
        return GocryptfsVolume.load(config).config().cipher();
      }
    }
    return GocryptfsCipher.AES_GCM;
  }
}
