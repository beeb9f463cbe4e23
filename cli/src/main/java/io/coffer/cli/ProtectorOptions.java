package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.keys.PasswordSource;
import io.coffer.keys.ProtectorSecret;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where the password of a tree's key, or the key itself, comes from. */
final class ProtectorOptions {
  @Option(
      names = "--password-file",
      paramLabel = "FILE",
      description = "Take the password from the first line of FILE.")
  private List<Path> passwordFiles = new ArrayList<>();

  @Option(
      names = "--password-command",
      paramLabel = "COMMAND",
      description = "Take the password from the first line that COMMAND prints.")
  private List<String> passwordCommand = new ArrayList<>();

  @Option(
      names = "--key-file",
      paramLabel = "FILE",
      description =
          "Take a protector's key (32 bytes) or the master key itself (16 to 64 bytes) from FILE,"
              + " as they are.")
  private @Nullable Path keyFile;

  @Option(
      names = "--key-service",
      paramLabel = "FILE",
      description =
          "Take the password from a key server; FILE says which key of which server, and as whom"
              + " to ask (docs/key-service.md).")
  private @Nullable Path keyService;

  @Option(
      names = "--protector",
      paramLabel = "PROTECTOR",
      description = "Try only this protector, given by its id or name.")
  private @Nullable String protector;

  void check() throws CommandException {
    int sources =
        (passwordFiles.isEmpty() ? 0 : 1)
            + (passwordCommand.isEmpty() ? 0 : 1)
            + (keyFile == null ? 0 : 1)
            + (keyService == null ? 0 : 1);
    if (sources > 1) {
      throw new CommandException(
          ExitCode.USAGE,
          "only one of --password-file, --password-command, --key-file and --key-service can be"
              + " given");
    }
  }

  /** Is any of them given? */
  boolean isGiven() {
    return !passwordFiles.isEmpty()
        || !passwordCommand.isEmpty()
        || keyFile != null
        || keyService != null
        || protector != null;
  }

  @Nullable Path keyFile() {
    return keyFile;
  }

  /** The protector to try, or null for all. */
  @Nullable String protector() {
    return protector;
  }

  /** What opens a protector; the caller closes it. */
  ProtectorSecret secret(String prompt, Ui ui) throws VolumeException {
    if (keyFile != null) {
      return ProtectorSecret.keyFile(keyFile);
    }
    if (keyService != null) {
      return ProtectorSecret.typed(
          KeyOptions.findKeyService().password(keyService.toAbsolutePath()));
    }
    PasswordSource source = ui.typedPassword(prompt);
    if (!passwordFiles.isEmpty()) {
      source = PasswordSource.files(passwordFiles);
    } else if (!passwordCommand.isEmpty()) {
      source = PasswordSource.command(passwordCommand);
    }
    return ProtectorSecret.typed(source.read());
  }

  /** A raw master key. */
  static SecretBytes readKey(Path file) throws CommandException, IOException {
    byte[] raw;
    try (InputStream in = Files.newInputStream(file)) {
      raw = in.readNBytes(FscryptMasterKey.MAX_BYTES + 1);
    }
    SecretBytes key = SecretBytes.take(raw);
    if (key.length() < FscryptMasterKey.MIN_BYTES || key.length() > FscryptMasterKey.MAX_BYTES) {
      key.close();
      throw new CommandException(
          ExitCode.MASTER_KEY, file + " is no master key: it has not 16 to 64 bytes");
    }
    return key;
  }
}
