package io.coffer.keyserver.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.ca.EncryptedKeyFile;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.TpmApprovals;
import io.coffer.keyserver.seal.TpmSeals;
import io.coffer.keyserver.seal.Way;
import io.coffer.keyserver.server.ServerHome;
import io.coffer.keyserver.server.ServerSeals;
import io.coffer.keyserver.tpm.TpmApproval;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.spec.ECGenParameterSpec;
import java.util.HexFormat;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer keyserver tpm-policy}: which states of its machine open a server. */
@Command(
    name = "tpm-policy",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    description = {
      "Approve states of a machine in which its TPM opens the key server.",
      "",
      "A state is the values of the registers (PCRs) that the server was sealed with. The policy"
          + " key signs it; keep that key away from the server. Approve the state that an update"
          + " will bring before it is installed, or the new one after it: the old one stays"
          + " approved."
    },
    footer = {
      "",
      "Example:",
      "  coffer keyserver tpm-policy request keys > state.json",
      "  coffer keyserver tpm-policy sign --key policy.key state.json > approval.json",
      "  coffer keyserver tpm-policy accept keys approval.json"
    })
final class TpmPolicyCommand extends Commands.Group {
  private static final Pattern PREDICTED = Pattern.compile("([0-9]{1,2})=([0-9a-fA-F]{64})");

  /** Says what follows after a server was sealed to a TPM. */
  static void tellNext(Console console, Path directory) {
    console
        .err()
        .println(
            "  The TPM opens it once the state of this machine is approved:\n"
                + "    coffer keyserver tpm-policy request "
                + directory
                + " > state.json\n"
                + "    coffer keyserver tpm-policy sign --key policy.key state.json > approval.json"
                + "   (where the policy key is)\n"
                + "    coffer keyserver tpm-policy accept "
                + directory
                + " approval.json");
  }

  @Command(
      name = "new-key",
      mixinStandardHelpOptions = true,
      description = {
        "Make a policy key (EC P-256): FILE, under a passphrase, and its public key in FILE's"
            + " place with the ending .pem.",
        "",
        "Whoever has it decides in which states the server opens itself. Keep it off the server."
      },
      footer = {"", "Example:", "  coffer keyserver tpm-policy new-key --out policy.key"})
  int newKey(
      @Option(
              names = "--out",
              paramLabel = "FILE",
              required = true,
              description = "Where to write the private key.")
          Path out,
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description = "Take its passphrase from the first line of FILE, '-' for stdin.")
          @Nullable Path passphraseFile)
      throws IOException, Failure {
    Path publicFile =
        out.resolveSibling(out.getFileName().toString().replaceAll("\\.key$", "") + ".pem");
    for (Path file : List.of(out, publicFile)) {
      if (Files.exists(file)) {
        throw new Failure(Failure.OTHER, file + " exists already", "Name another file.");
      }
    }
    try (SecretBytes passphrase =
        console().secret(passphraseFile, "New passphrase of the policy key: ", true)) {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      KeyPair pair = generator.generateKeyPair();
      EncryptedKeyFile.write(
          out, pair.getPrivate(), passphrase, CertificateAuthority.DEFAULT_ITERATIONS);
      DurableFiles.writePublic(publicFile, Pem.encode("PUBLIC KEY", pair.getPublic().getEncoded()));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks EC P-256", e);
    }
    console().say("wrote " + out + " and " + publicFile);
    return 0;
  }

  @Command(
      name = "request",
      mixinStandardHelpOptions = true,
      description = {
        "Print the state of this machine, or the one to come, for the policy key to sign.",
        "",
        "Look at the registers only while you trust what runs here."
      },
      footer = {"", "Example:", "  coffer keyserver tpm-policy request keys > state.json"})
  int request(
      @Option(
              names = "--pcr",
              paramLabel = "N=VALUE",
              description =
                  "The value that a register will have after an update, in hexadecimal; may be"
                      + " repeated. The others are as they are.")
          @Nullable List<String> predicted,
      @Option(
              names = "--seal",
              paramLabel = "NAME",
              description = "Which, if several are for TPMs.")
          @Nullable String name,
      @Parameters(paramLabel = "DIR", description = "The server's directory.") Path directory)
      throws IOException, Failure, SealException {
    ServerHome home = ServerHome.open(directory);
    List<Seal.Slot> slots =
        ServerSeals.read(home).slots().stream()
            .filter(
                slot -> slot.way() instanceof Way.Tpm && (name == null || slot.name().equals(name)))
            .toList();
    String device = home.hardware().tpm();
    if (slots.isEmpty() || device == null) {
      throw new Failure(
          Failure.OTHER,
          "this server is not sealed to a TPM" + (name == null ? "" : " by the name " + name),
          "See 'coffer keyserver seals list " + directory + "'.");
    }
    if (slots.size() > 1) {
      throw new Failure(
          Failure.USAGE,
          "it has several seals for TPMs: "
              + slots.stream().map(Seal.Slot::name).collect(Collectors.joining(", ")),
          "Name the one of this machine: --seal NAME.");
    }
    TpmApproval now = TpmSeals.request(slots.getFirst(), device);
    SortedMap<Integer, byte[]> values = new TreeMap<>(now.registers());
    for (String each : predicted == null ? List.<String>of() : predicted) {
      Matcher matcher = PREDICTED.matcher(each);
      if (!matcher.matches() || !values.containsKey(Integer.parseInt(matcher.group(1)))) {
        throw new Failure(
            Failure.USAGE,
            "'" + each + "' is no value of a register of this seal",
            "Write N=64 hexadecimal digits; its registers are "
                + values.keySet().stream().map(String::valueOf).collect(Collectors.joining(", "))
                + ".");
      }
      values.put(Integer.parseInt(matcher.group(1)), HexFormat.of().parseHex(matcher.group(2)));
    }
    print(new TpmApproval(now.seal(), now.reference(), values, new byte[0]));
    return 0;
  }

  private void print(TpmApproval approval) {
    console().printSecret(approval.toJson().toBytes());
  }

  @Command(
      name = "sign",
      mixinStandardHelpOptions = true,
      description = {
        "Approve the state in STATE: sign it with the policy key and print the approval.",
        "",
        "The values are shown on standard error: compare them with those of a machine you trust."
      },
      footer = {
        "",
        "Example:",
        "  coffer keyserver tpm-policy sign --key policy.key state.json > approval.json"
      })
  int sign(
      @Option(names = "--key", paramLabel = "FILE", required = true, description = "policy.key")
          Path key,
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description = "Take its passphrase from the first line of FILE, '-' for stdin.")
          @Nullable Path passphraseFile,
      @Parameters(paramLabel = "STATE") Path state)
      throws IOException, Failure {
    TpmApproval request = read(state);
    PrivateKey opened;
    if (Pem.isEncrypted(key)) {
      try (SecretBytes passphrase =
          console().secret(passphraseFile, "Passphrase of the policy key: ", false)) {
        opened = Pem.readPrivateKey(key, "EC", passphrase);
      }
    } else {
      opened = Pem.readPrivateKey(key, "EC");
    }
    TpmApproval signed = request.sign(opened);
    console().say("approved for the seal '" + request.seal() + "':");
    request
        .registers()
        .forEach((n, value) ->
            console().err().println("  PCR " + n + " " + HexFormat.of().formatHex(value)));
    print(signed);
    return 0;
  }

  private static TpmApproval read(Path file) throws IOException {
    try {
      return TpmApproval.parse(JsonObject.parse(Files.readAllBytes(file), TpmApproval.BINARY));
    } catch (JsonException e) {
      throw new IOException(
          file + " is no state or approval of 'coffer keyserver tpm-policy': " + e.getMessage(), e);
    }
  }

  @Command(
      name = "accept",
      mixinStandardHelpOptions = true,
      description = {
        "Bring an approval to the key server in DIR, which may be running.",
        "",
        "It is checked: signed by the policy key, for a seal of this server. Those accepted before"
            + " stay."
      },
      footer = {"", "Example:", "  coffer keyserver tpm-policy accept keys approval.json"})
  int accept(
      @Parameters(paramLabel = "DIR", description = "The server's directory.") Path directory,
      @Parameters(paramLabel = "APPROVAL") Path file)
      throws IOException, SealException {
    ServerHome home = ServerHome.open(directory);
    TpmApproval approval = read(file);
    Seal.Slot slot = TpmSeals.slotOf(ServerSeals.read(home), approval);
    TpmSeals.check(slot, approval);
    TpmApprovals.add(home.directory(), approval);
    console().say("accepted for the seal '" + slot.name() + "'");
    String device = home.hardware().tpm();
    if (device != null) {
      List<Integer> changed = approval.changed(TpmSeals.request(slot, device).registers());
      console()
          .err()
          .println(
              changed.isEmpty()
                  ? "  The machine is in this state. A running server that is sealed opens by"
                      + " 'coffer keyserver unseal --hardware "
                      + directory
                      + "'."
                  : "  The machine is in another state now: PCR "
                      + changed.stream().map(String::valueOf).collect(Collectors.joining(", "))
                      + " differs.");
    }
    return 0;
  }

  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "List the approved states of the key server in DIR, and which is now.",
      footer = {"", "Example:", "  coffer keyserver tpm-policy list keys"})
  int list(@Parameters(paramLabel = "DIR", description = "The server's directory.") Path directory)
      throws IOException, SealException {
    ServerHome home = ServerHome.open(directory);
    Seal seal = ServerSeals.read(home);
    String device = home.hardware().tpm();
    for (TpmApproval approval : TpmApprovals.read(home.directory())) {
      String state;
      try {
        Seal.Slot slot = TpmSeals.slotOf(seal, approval);
        TpmSeals.check(slot, approval);
        List<Integer> changed =
            device == null
                ? List.of()
                : approval.changed(TpmSeals.request(slot, device).registers());
        state =
            device == null
                ? "no TPM"
                : changed.isEmpty()
                    ? "now"
                    : "not now: PCR "
                        + changed.stream().map(String::valueOf).collect(Collectors.joining(", "));
      } catch (SealException e) {
        state = "void: " + e.getMessage();
      }
      console()
          .out()
          .println(
              approval.seal()
                  + "\t"
                  + state
                  + "\t"
                  + approval.registers().entrySet().stream()
                      .map(each -> each.getKey() + "=" + HexFormat.of().formatHex(each.getValue()))
                      .collect(Collectors.joining(" ")));
    }
    return 0;
  }
}
