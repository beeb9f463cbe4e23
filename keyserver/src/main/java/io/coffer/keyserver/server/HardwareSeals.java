package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.TokenSeals;
import io.coffer.keyserver.seal.TpmApprovals;
import io.coffer.keyserver.seal.TpmSeals;
import io.coffer.keyserver.seal.Way;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Opens a server's seal by the hardware that its {@code server.json} names. */
final class HardwareSeals {
  private final ServerHome home;

  HardwareSeals(ServerHome home) {
    this.home = home;
  }

  /**
   * Opens it.
   *
   * @param prompt asks for the PIN of a token
   * @throws SealException if nothing does; the message says why, and what to do
   */
  Seal.Opened open(Seal seal, Pins.Prompt prompt) throws SealException, IOException {
    Hardware hardware = home.hardware();
    List<String> reasons = new ArrayList<>();
    List<String> advice = new ArrayList<>();
    String tpm = hardware.tpm();
    if (tpm != null && seal.slots().stream().anyMatch(s -> s.way() instanceof Way.Tpm)) {
      try {
        return TpmSeals.open(seal, tpm, TpmApprovals.read(home.directory()));
      } catch (SealException | IOException e) {
        reasons.add(String.valueOf(e.getMessage()));
        advice.add(tpmAdvice());
      }
    }
    Hardware.Pkcs11 token = hardware.pkcs11();
    if (token != null && seal.slots().stream().anyMatch(s -> s.way() instanceof Way.Token)) {
      try (SecretBytes pin = Pins.get(token, prompt)) {
        return TokenSeals.open(seal, Path.of(token.library()), pin);
      } catch (SealException e) {
        reasons.add(String.valueOf(e.getMessage()));
        advice.add(e.advice());
      }
    }
    if (reasons.isEmpty()) {
      throw new SealException(
          "this server has neither a TPM nor a token to open itself by",
          "Add one with 'coffer keyserver seals add', or give a passphrase or a share.");
    }
    throw new SealException(String.join("; ", reasons), String.join("\n  ", advice));
  }

  private String tpmAdvice() {
    String directory = home.directory().toString();
    return "Open it by its recovery seal: coffer keyserver unseal "
        + directory
        + "\n  If the state of the machine is to be approved:"
        + "\n    coffer keyserver tpm-policy request "
        + directory
        + " > state.json"
        + "\n    coffer keyserver tpm-policy sign --key policy.key state.json > approval.json"
        + "   (where the policy key is)"
        + "\n    coffer keyserver tpm-policy accept "
        + directory
        + " approval.json";
  }
}
