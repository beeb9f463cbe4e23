package io.coffer.cli;

import io.coffer.batch.AgentAddress;
import io.coffer.batch.AgentClient;
import io.coffer.batch.BatchException;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.MasterKeyText;
import io.coffer.keys.PasswordSource;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where the password or the master key comes from. */
final class KeyOptions {
  private static final String MACHINE_VARIABLE = "COFFER_KEY_SERVICE";
  private static final String USUAL_MACHINE = "/etc/coffer/key-service.json";

  @Option(
      names = "--password-file",
      paramLabel = "FILE",
      description =
          "Take the password from the first line of FILE. Given more than once, the lines are"
              + " joined.")
  private List<Path> passwordFiles = new ArrayList<>();

  @Option(
      names = "--password-command",
      paramLabel = "COMMAND",
      description =
          "Take the password from the first line that COMMAND prints. Split at spaces; given more"
              + " than once, each is one argument and nothing is split.")
  private List<String> passwordCommand = new ArrayList<>();

  @Option(
      names = "--key-service",
      paramLabel = "FILE",
      description =
          "Take the password from a key server; FILE says which key of which server, and as whom"
              + " to ask (docs/key-service.md).")
  private @Nullable String keyService;

  @Option(
      names = "--master-key",
      paramLabel = "HEX",
      description =
          "Use the master key that was printed when the volume was made, instead of the password."
              + " 'stdin' or '-' reads it from standard input, where no other user can see it.")
  private @Nullable String masterKey;

  @Option(
      names = "--agent",
      description =
          "Take the key from the agent (see coffer-agent). If COFFER_AGENT_SOCK is set, that is"
              + " tried first even without this option.")
  private boolean agent;

  /** Is the key given as it is, without a password? */
  boolean hasMasterKey() {
    return masterKey != null;
  }

  /** Is any source of a password given? */
  boolean hasPassword() {
    return !passwordFiles.isEmpty() || !passwordCommand.isEmpty();
  }

  /** At most one source may be given. */
  void check() throws CommandException {
    if (keyServer() != null) {
      throw new CommandException(
          ExitCode.USAGE,
          "--key-service takes an address only where a volume is made by 'coffer init'",
          "Give the file that init wrote, or see docs/key-service.md");
    }
    checkSources();
  }

  /** The same, and the address of a key server is a source like others. */
  void checkSources() throws CommandException {
    int sources =
        (passwordFiles.isEmpty() ? 0 : 1)
            + (passwordCommand.isEmpty() ? 0 : 1)
            + (keyService == null ? 0 : 1)
            + (masterKey == null ? 0 : 1)
            + (agent ? 1 : 0);
    if (sources > 1) {
      throw new CommandException(
          ExitCode.USAGE,
          "only one of --password-file, --password-command, --key-service, --master-key and"
              + " --agent can be given");
    }
  }

  void addPasswordFile(Path file) {
    passwordFiles.add(file);
  }

  void addPasswordCommand(String word) {
    passwordCommand.add(word);
  }

  void masterKey(String text) {
    masterKey = text;
  }

  /** The reference of the key service that gives the password, or null. */
  @Nullable Path keyService() {
    return keyService == null ? null : Path.of(keyService).toAbsolutePath();
  }

  /** The address of a key server, if that was given instead of a reference; else null. */
  @Nullable String keyServer() {
    return keyService != null && keyService.startsWith("https://") ? keyService : null;
  }

  /** Uses a reference from now on. */
  void keyService(Path reference) {
    keyService = reference.toString();
  }

  /** The file that says how this machine shows itself to the key service. */
  static Path machine() {
    return Path.of(System.getenv().getOrDefault(MACHINE_VARIABLE, USUAL_MACHINE));
  }

  /** The key service there is. */
  static KeyService findKeyService() throws VolumeException {
    return ServiceLoader.load(KeyService.class)
        .findFirst()
        .orElseThrow(() ->
            new VolumeException(
                VolumeException.Problem.PASSWORD_UNREADABLE,
                "this installation lacks the client of the key service"));
  }

  /** The volume's master key; the caller closes it. */
  SecretBytes unlock(GocryptfsVolume volume, Ui ui) throws CommandException {
    SecretBytes held = fromAgent(volume);
    return held == null ? unlockByPassword(volume, ui) : held;
  }

  /** The key that the agent holds; null if it need not be asked and does not answer. */
  private @Nullable SecretBytes fromAgent(GocryptfsVolume volume) throws CommandException {
    boolean otherwise =
        !passwordFiles.isEmpty()
            || !passwordCommand.isEmpty()
            || keyService != null
            || masterKey != null;
    if (!agent && (otherwise || System.getenv(AgentAddress.VARIABLE) == null)) {
      return null;
    }
    try {
      return new AgentClient(AgentAddress.path()).get(AgentClient.fingerprint(volume.configFile()));
    } catch (BatchException e) {
      if (!agent) {
        return null;
      }
      throw new CommandException(
          ExitCode.AGENT, String.valueOf(e.getMessage()), "coffer agent add DIR");
    } catch (IOException e) {
      throw new CommandException(
          ExitCode.OPEN_CONFIG, "the configuration cannot be read: " + e.getMessage());
    }
  }

  /** {@link #unlock} without the agent. */
  SecretBytes unlockByPassword(GocryptfsVolume volume, Ui ui) throws CommandException {
    try {
      SecretBytes given = givenMasterKey(ui);
      if (given != null) {
        return given;
      }
      try (SecretBytes password = password(ui.typedPassword("Password: "))) {
        return volume.unlock(password);
      }
    } catch (VolumeException e) {
      throw CommandException.of(e);
    }
  }

  /** The key of {@code --master-key}, or null. */
  @Nullable SecretBytes givenMasterKey(Ui ui) throws CommandException {
    String text = masterKey;
    if (text == null) {
      return null;
    }
    try {
      if (text.equals("stdin") || text.equals("-")) {
        String prompt = "Master key: ";
        try (SecretBytes line = ui.typedPassword(prompt).read()) {
          return MasterKeyText.parse(line);
        }
      }
      return MasterKeyText.parse(text.getBytes(StandardCharsets.UTF_8));
    } catch (VolumeException e) {
      throw CommandException.of(e);
    }
  }

  /** The password from the options, else from the given source. */
  SecretBytes password(PasswordSource otherwise) throws VolumeException {
    if (!passwordFiles.isEmpty()) {
      return PasswordSource.files(passwordFiles).read();
    }
    if (!passwordCommand.isEmpty()) {
      return PasswordSource.command(passwordCommand).read();
    }
    Path reference = keyService();
    if (reference != null) {
      return findKeyService().password(reference);
    }
    return otherwise.read();
  }
}
