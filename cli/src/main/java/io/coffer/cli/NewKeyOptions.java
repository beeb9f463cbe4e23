package io.coffer.cli;

import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The key that is made at a key service for a new volume. */
final class NewKeyOptions {
  @Option(
      names = "--service",
      paramLabel = "NAME",
      description = "With --key-service https://HOST:PORT: make a key there, for this service.")
  private @Nullable String service;

  @Option(
      names = "--owner",
      paramLabel = "OWNER",
      description = "Whose key it is to be, for example project:hpc.")
  private @Nullable String owner;

  @Option(
      names = "--certificate",
      paramLabel = "FILE",
      description =
          "Your certificate at the key service; its key is FILE with .key for .pem. You have to be"
              + " an admin or user of OWNER.")
  private @Nullable Path certificate;

  @Option(
      names = "--reference",
      paramLabel = "FILE",
      description =
          "Where to write which key it is, for --key-service FILE (default: DIR.key.json). A token"
              + " for this node is written beside it.")
  private @Nullable Path reference;

  /**
   * Makes the key, if the address of a server was given, and has the options name it.
   *
   * @param filled may there be files in the directory?
   */
  void apply(KeyOptions keys, Path directory, boolean filled, Ui ui)
      throws CommandException, VolumeException {
    String server = keys.keyServer();
    if (server == null) {
      if (service != null || owner != null || certificate != null || reference != null) {
        throw usage(
            "--service, --owner, --certificate and --reference describe a key that is made");
      }
      return;
    }
    keys.checkSources();
    if (service == null || owner == null || certificate == null) {
      throw usage("a key that is made needs --service, --owner and --certificate");
    }
    if (!Files.isDirectory(directory)) {
      throw new CommandException(
          ExitCode.VOLUME_DIRECTORY,
          directory + " is not a directory",
          "mkdir -p " + Shell.quote(directory.toString()));
    }
    // Before a key is made that nothing needs.
    if (!filled && !isEmpty(directory)) {
      throw new CommandException(
          ExitCode.INIT, directory + " is not empty", "Name a new directory.");
    }
    Path whole = directory.toAbsolutePath().normalize();
    Path name = whole.getFileName();
    Path to =
        reference != null
            ? reference.toAbsolutePath()
            : whole.resolveSibling((name == null ? "volume" : name) + ".key.json");
    for (String line :
        KeyOptions.findKeyService()
            .create(
                new KeyService.NewKey(
                    server,
                    service,
                    owner,
                    certificate,
                    KeyOptions.machine(),
                    to,
                    "volume " + (name == null ? "" : name)))) {
      ui.err().println("coffer: " + line);
    }
    keys.keyService(to);
  }

  private static boolean isEmpty(Path directory) throws CommandException {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.findAny().isEmpty();
    } catch (IOException e) {
      throw new CommandException(
          ExitCode.VOLUME_DIRECTORY, directory + " cannot be read: " + e.getMessage());
    }
  }

  private static CommandException usage(String message) {
    return new CommandException(
        ExitCode.USAGE,
        message,
        "coffer init --key-service https://HOST:7450 --service hpc --owner project:lab"
            + " --certificate me.pem DIR");
  }
}
