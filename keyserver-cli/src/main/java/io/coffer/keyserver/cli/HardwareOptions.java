package io.coffer.keyserver.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.TokenSeals;
import io.coffer.keyserver.seal.TpmSeals;
import io.coffer.keyserver.server.Hardware;
import io.coffer.keyserver.server.Pins;
import io.coffer.keyserver.server.ServerHome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.interfaces.ECPublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** By which hardware a server opens itself. */
final class HardwareOptions {
  @Option(
      names = "--tpm",
      paramLabel = "DEVICE",
      defaultValue = "/dev/tpmrm0",
      description = "The TPM: a device, or tcp:HOST:PORT of a software one (default: /dev/tpmrm0).")
  private String tpm = "";

  @Option(
      names = "--pcr",
      paramLabel = "N",
      description = "A register that is part of the machine's state, 0 to 23; may be repeated.")
  private @Nullable List<Integer> registers;

  @Option(
      names = "--policy-key",
      paramLabel = "FILE",
      description =
          "Public key of who approves states of the machine, from 'coffer keyserver tpm-policy"
              + " new-key'.")
  private @Nullable Path policyKey;

  @Option(
      names = "--pkcs11-library",
      paramLabel = "FILE",
      description = "The PKCS#11 library (module) of the token's maker.")
  private @Nullable Path library;

  @Option(
      names = "--token",
      paramLabel = "LABEL",
      description = "The token: its label, or its serial number.")
  private @Nullable String token;

  @Option(
      names = "--key",
      paramLabel = "LABEL",
      defaultValue = "coffer-keyserver",
      description =
          "The AES key on the token, made there if it is not there (default: ${DEFAULT-VALUE}).")
  private String key = "";

  @Option(
      names = "--pin-file",
      paramLabel = "FILE",
      description = "Take the token's PIN from the first line of FILE, at each start.")
  private @Nullable Path pinFile;

  @Option(
      names = "--pin-command",
      paramLabel = "COMMAND",
      description =
          "Take the token's PIN from what this shell command prints, at each start. Without one of"
              + " both it is asked for.")
  private @Nullable String pinCommand;

  /** What was chosen: which hardware there is then, and what adds its slot. */
  record Chosen(Hardware hardware, ServerHome.Extra extra) {}

  /**
   * What the options say.
   *
   * @param kind tpm or pkcs11
   * @param name of the new slot
   * @param present the hardware that there is already
   */
  Chosen choose(String kind, String name, Hardware present, Console console)
      throws IOException, Failure {
    return switch (kind) {
      case "tpm" -> chooseTpm(name, present);
      case "pkcs11" -> chooseToken(name, present, console);
      default ->
          throw new Failure(
              Failure.USAGE,
              "'" + kind + "' is no hardware that a server can be sealed to",
              "Write --seal tpm or --seal pkcs11.");
    };
  }

  private Chosen chooseTpm(String name, Hardware present) throws IOException, Failure {
    List<Integer> numbers = registers;
    Path file = policyKey;
    if (numbers == null || file == null) {
      throw new Failure(
          Failure.USAGE,
          "to seal to a TPM, name the registers of its state and the key that approves states",
          "For example: --seal tpm --pcr 7 --policy-key policy.pem"
              + " ('coffer keyserver tpm-policy new-key --out policy.key' makes one).");
    }
    if (numbers.stream().anyMatch(register -> register < 0 || register > 23)) {
      throw new Failure(Failure.USAGE, "a TPM has the registers 0 to 23", "Correct --pcr.");
    }
    ECPublicKey key = publicKey(file);
    String device = tpm;
    return new Chosen(
        present.withTpm(device),
        (seal, root) -> TpmSeals.add(seal, root, name, device, key, new TreeSet<>(numbers)));
  }

  private Chosen chooseToken(String name, Hardware present, Console console) throws Failure {
    Path file = library;
    String which = token;
    if (file == null || which == null) {
      throw new Failure(
          Failure.USAGE,
          "to seal to a token, name its PKCS#11 library and its label",
          "For example: --seal pkcs11 --pkcs11-library /usr/lib/softhsm/libsofthsm2.so"
              + " --token hsm1 --pin-file pin");
    }
    if (pinFile != null && pinCommand != null) {
      throw new Failure(
          Failure.USAGE, "--pin-file and --pin-command exclude each other", "Give one of them.");
    }
    Hardware.Pkcs11 settings =
        new Hardware.Pkcs11(
            file.toAbsolutePath().normalize().toString(),
            pinFile == null ? null : pinFile.toAbsolutePath().normalize().toString(),
            pinCommand);
    String label = key;
    return new Chosen(
        present.withPkcs11(settings),
        (seal, root) -> {
          try (SecretBytes pin = Pins.get(settings, prompt(console))) {
            return TokenSeals.add(seal, root, name, Path.of(settings.library()), which, label, pin);
          }
        });
  }

  /** Asks for the PIN of a token at the terminal. */
  static Pins.Prompt prompt(Console console) {
    return () -> {
      try {
        return console.secret(null, "PIN of the token: ", false);
      } catch (Failure e) {
        throw new SealException(
            "the token needs its PIN: " + e.getMessage(), "Name --pin-file or --pin-command.");
      }
    };
  }

  private static ECPublicKey publicKey(Path file) throws IOException, Failure {
    byte[] der = Pem.decode("PUBLIC KEY", Files.readAllBytes(file), file.toString());
    try {
      return (ECPublicKey) KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(der));
    } catch (GeneralSecurityException | ClassCastException e) {
      throw new Failure(
          Failure.USAGE,
          file + " holds no EC public key",
          "Make one with 'coffer keyserver tpm-policy new-key --out policy.key'.");
    }
  }
}
