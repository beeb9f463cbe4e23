package io.coffer.keyserver.cli;

import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.seal.TpmSeals;
import io.coffer.keyserver.server.Hardware;
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

  /** What was chosen: which hardware there is then, and what adds its slot. */
  record Chosen(Hardware hardware, ServerHome.Extra extra) {}

  /**
   * What the options say.
   *
   * @param kind tpm
   * @param name of the new slot
   * @param present the hardware that there is already
   */
  Chosen choose(String kind, String name, Hardware present) throws IOException, Failure {
    return switch (kind) {
      case "tpm" -> chooseTpm(name, present);
      default ->
          throw new Failure(
              Failure.USAGE,
              "'" + kind + "' is no hardware that a server can be sealed to",
              "Write --seal tpm.");
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
