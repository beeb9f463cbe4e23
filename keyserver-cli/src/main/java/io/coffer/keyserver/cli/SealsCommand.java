package io.coffer.keyserver.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.Share;
import io.coffer.keyserver.seal.Way;
import io.coffer.keyserver.server.Hardware;
import io.coffer.keyserver.server.ServerHome;
import io.coffer.keyserver.server.ServerSeals;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer keyserver seals}: the ways by which a server opens. */
@Command(
    name = "seals",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    description = {
      "List, add and remove the seals of a key server: the ways by which it opens.",
      "",
      "Each opens it by itself. Stop the server to add or remove one. What people have, a"
          + " passphrase or a quorum, stays beside hardware, which breaks and changes."
    },
    footer = {
      "",
      "Change the passphrase:",
      "  coffer keyserver seals add --seal passphrase --name 2027 keys",
      "  coffer keyserver seals remove --name passphrase keys"
    })
final class SealsCommand extends Commands.Group {
  /** By which of its ways the server is opened in order to add another. */
  static final class OpenOptions {
    @Option(
        names = "--passphrase-file",
        paramLabel = "FILE",
        description = "Take the present passphrase from the first line of FILE, '-' for stdin.")
    private @Nullable Path passphraseFile;

    @Option(
        names = "--share-file",
        paramLabel = "FILE",
        description = "A share of the present quorum; repeat it for as many as are needed.")
    private @Nullable List<Path> shareFiles;

    private Seal.Opened open(ServerHome home, Seal seal, Console console)
        throws IOException, SealException {
      List<Path> files = shareFiles;
      try {
        if (files != null) {
          return byShares(seal, files, console);
        }
        if (passphraseFile == null && !home.hardware().isNone()) {
          try {
            return ServerSeals.openByHardware(home, seal, HardwareOptions.prompt(console));
          } catch (SealException e) {
            console.say(String.valueOf(e.getMessage()));
            console.err().println("  " + e.advice());
          }
        }
        try (SecretBytes passphrase =
            console.secret(passphraseFile, "Passphrase of the key server: ", false)) {
          return seal.open(passphrase);
        }
      } catch (Failure e) {
        throw new SealException(String.valueOf(e.getMessage()), e.advice());
      }
    }

    private static Seal.Opened byShares(Seal seal, List<Path> files, Console console)
        throws IOException, SealException, Failure {
      List<Share> shares = new ArrayList<>();
      try {
        for (Path file : files) {
          try (SecretBytes text = console.secret(file, "", false)) {
            shares.add(Share.parse(text.read(byte[]::clone)));
          }
        }
        return seal.open(shares);
      } finally {
        shares.forEach(Share::close);
      }
    }
  }

  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "List the seals of the key server in DIR, which may be running.",
      footer = {"", "Example:", "  coffer keyserver seals list keys"})
  int list(
      @Option(names = "--json", description = "One JSON object a line.") boolean json,
      @Parameters(paramLabel = "DIR", description = "The server's directory.") Path directory)
      throws IOException {
    for (Seal.Slot slot : ServerSeals.read(ServerHome.open(directory)).slots()) {
      Way way = slot.way();
      if (json) {
        console()
            .printSecret(
                new JsonObject()
                    .put("name", slot.name())
                    .put("kind", way.kind())
                    .put("description", way.description())
                    .toBytes());
      } else {
        console().out().printf("%s\t%s\t%s%n", slot.name(), way.kind(), way.description());
      }
    }
    return 0;
  }

  @Command(
      name = "add",
      mixinStandardHelpOptions = true,
      description = {
        "Add a seal to the key server in DIR, which must not be running.",
        "",
        "It is opened by its hardware, the passphrase or shares that it has, and sealed once more."
      },
      footer = {
        "",
        "Examples:",
        "  coffer keyserver seals add --seal tpm --pcr 7 --policy-key policy.pem keys",
        "  coffer keyserver seals add --seal pkcs11 --pkcs11-library FILE --token hsm1 keys",
        "  coffer keyserver seals add --seal quorum --quorum 2/3 --shares-dir shares keys"
      })
  int add(
      @Option(
              names = "--seal",
              paramLabel = "KIND",
              required = true,
              description = "passphrase, quorum, tpm or pkcs11.")
          String kind,
      @Option(names = "--name", paramLabel = "NAME", description = "Its name (default: its kind).")
          @Nullable String name,
      @Mixin HardwareOptions hardware,
      @Mixin OpenOptions open,
      @Option(
              names = "--new-passphrase-file",
              paramLabel = "FILE",
              description = "Take the new passphrase from the first line of FILE, '-' for stdin.")
          @Nullable Path newPassphraseFile,
      @Option(names = "--quorum", paramLabel = "K/N", description = "Any K of N shares.")
          @Nullable String quorum,
      @Option(
              names = "--shares-dir",
              paramLabel = "DIR",
              description = "Write the shares there, one file each, instead of printing them.")
          @Nullable Path sharesDirectory,
      @Parameters(paramLabel = "DIR", description = "The server's directory.") Path directory)
      throws IOException, Failure, SealException {
    ServerHome home = ServerHome.open(directory);
    String called = name == null ? kind : name;
    List<Share> shares = new ArrayList<>();
    Hardware then = home.hardware();
    ServerHome.Extra extra;
    switch (kind) {
      case "passphrase" ->
          extra =
              (seal, root) -> {
                try (SecretBytes passphrase =
                    console().secret(newPassphraseFile, "New passphrase: ", true)) {
                  return seal.withPassphrase(root, called, passphrase, Seal.DEFAULT_LOG_N);
                } catch (Failure e) {
                  throw new SealException(String.valueOf(e.getMessage()), e.advice());
                }
              };
      case "quorum" -> {
        if (quorum == null) {
          throw new Failure(
              Failure.USAGE,
              "how many shares shall there be, and how many of them open the server?",
              "Write --quorum K/N, for example --quorum 3/5.");
        }
        int[] numbers = InitOptions.numbers(quorum);
        extra =
            (seal, root) -> {
              Seal.NewQuorum made = seal.withQuorum(root, called, numbers[0], numbers[1]);
              shares.addAll(made.shares());
              return made.seal();
            };
      }
      default -> {
        HardwareOptions.Chosen chosen = hardware.choose(kind, called, then, console());
        then = chosen.hardware();
        extra = chosen.extra();
      }
    }
    try (ServerSeals seals = ServerSeals.open(home, Clock.systemUTC())) {
      seals.add(seal -> open.open(home, seal, console()), extra, then);
    }
    InitOptions.handOut(shares, sharesDirectory, console());
    console().say("added the seal '" + called + "'");
    if (kind.equals("tpm")) {
      TpmPolicyCommand.tellNext(console(), directory);
    }
    return 0;
  }

  @Command(
      name = "remove",
      mixinStandardHelpOptions = true,
      description = {
        "Remove a seal from the key server in DIR, which must not be running.",
        "",
        "Whoever kept a copy of the store from before can still open that copy by it."
      },
      footer = {"", "Example:", "  coffer keyserver seals remove --name passphrase keys"})
  int remove(
      @Option(names = "--name", paramLabel = "NAME", required = true, description = "Its name.")
          String name,
      @Parameters(paramLabel = "DIR", description = "The server's directory.") Path directory)
      throws IOException, SealException {
    try (ServerSeals seals = ServerSeals.open(ServerHome.open(directory), Clock.systemUTC())) {
      seals.remove(name);
      console().say("removed the seal '" + name + "'");
      if (seals.seal().slots().stream().anyMatch(slot -> slot.way() instanceof Way.Passphrase)) {
        console().err().println("  The key of the authority (ca/ca.key) keeps its passphrase.");
      }
    }
    return 0;
  }
}
