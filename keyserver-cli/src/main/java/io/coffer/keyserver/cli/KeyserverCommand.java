package io.coffer.keyserver.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.engine.EtcdSettings;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.Way;
import io.coffer.keyserver.server.KeyServer;
import io.coffer.keyserver.server.Limits;
import io.coffer.keyserver.server.ServerBackup;
import io.coffer.keyserver.server.ServerHome;
import io.coffer.keyserver.tpm.TpmChannel;
import io.coffer.keyserver.tpm.TpmEndpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer keyserver}: makes, runs, opens and closes a key server. */
@Command(
    name = "keyserver",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {SealsCommand.class, TpmPolicyCommand.class},
    description = {
      "The key service: keys in lock boxes, opened only by registered endpoints.",
      "",
      "A server starts sealed and knows no key until operators open it, by a passphrase or by a"
          + " quorum of shares, or until its TPM or token does."
    },
    footer = {
      "",
      "Begin:",
      "  coffer keyserver run --init keys      make a server with an authority of its own, and run",
      "  coffer keyserver status keys          is it there, is it open?"
    })
final class KeyserverCommand extends Commands.Group {
  private static final Pattern ID = Pattern.compile("[0-9a-f-]{36}");
  private static final Pattern BOX =
      Pattern.compile("/v1/services/[a-z0-9._-]+/owners/[a-z]+:[a-z0-9._-]+/keys");
  private static final Pattern LISTEN = Pattern.compile("(.+):([0-9]{1,5})");

  // Kept, so that the level stays: the runtime forgets loggers that nobody holds.
  private static final java.util.logging.Logger HELIDON =
      java.util.logging.Logger.getLogger("io.helidon");

  /** Writes a stack trace for each handshake that fails, and so for each scan of the port. */
  private static final java.util.logging.Logger HANDSHAKES =
      java.util.logging.Logger.getLogger("io.helidon.webserver.ConnectionHandler");

  @Command(
      name = "init",
      mixinStandardHelpOptions = true,
      description = {
        "Make a key server in DIR, which must be new or empty.",
        "",
        "Makes an authority (DIR/ca), the certificates of the server and of a first operator, the"
            + " store, and the key that signs the audit log."
      },
      footer = {
        "",
        "Examples:",
        "  coffer keyserver init keys",
        "  coffer keyserver init --quorum 2/3 --shares-dir /media/shares keys",
        "  coffer keyserver init --seal tpm --pcr 0 --pcr 7 --policy-key policy.pem keys",
        "  coffer keyserver init --seal pkcs11 --pkcs11-library FILE --token hsm1 keys",
        "  coffer keyserver init --etcd https://e1:2379,https://e2:2379 --name k1 k1"
      })
  int init(
      @Mixin InitOptions options,
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description = "Take the passphrase from the first line of FILE, '-' for stdin.")
          @Nullable Path passphraseFile,
      @Parameters(paramLabel = "DIR", description = "A new or empty directory.") Path directory)
      throws IOException, Failure {
    options.make(passphraseFile, directory, console()).close();
    console().say("made a key server in " + directory);
    console().err().println("  Start it with 'coffer keyserver run " + directory + "'.");
    if (options.isTpm()) {
      TpmPolicyCommand.tellNext(console(), directory);
    }
    return 0;
  }

  @Command(
      name = "join",
      mixinStandardHelpOptions = true,
      description = {
        "Make, in DIR, a further key server over the etcd of the server in FIRST.",
        "",
        "It gets a certificate by the authority in FIRST/ca and an audit log of its own, and opens"
            + " by the same passphrase or quorum. Then bring DIR to its machine."
      },
      footer = {
        "",
        "Example:",
        "  coffer keyserver init --name k1 --etcd https://e1:2379,https://e2:2379 k1",
        "  coffer keyserver join --name k2 --listen 0.0.0.0:7450 --host k2.example k1 k2"
      })
  int join(
      @Option(names = "--name", paramLabel = "NAME", required = true, description = "Its name.")
          String name,
      @Option(
              names = "--listen",
              paramLabel = "ADDRESS:PORT",
              defaultValue = ServerHome.DEFAULT_HOST + ":" + ServerHome.DEFAULT_PORT,
              description = "Where it listens (default: ${DEFAULT-VALUE}).")
          String listen,
      @Option(
              names = "--host",
              paramLabel = "HOST",
              description = "A further name or address of it; may be repeated.")
          @Nullable List<String> hosts,
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description = "Take the passphrase from the first line of FILE, '-' for stdin.")
          @Nullable Path passphraseFile,
      @Parameters(paramLabel = "FIRST", description = "The directory of the first server.")
          Path first,
      @Parameters(paramLabel = "DIR", description = "A new or empty directory.") Path directory)
      throws IOException, Failure {
    ServerHome.Listen where = listen(listen);
    ServerHome home = ServerHome.open(first);
    SecretBytes passphrase =
        CertificateAuthority.isProtected(first.resolve("ca"))
            ? console().secret(passphraseFile, "Passphrase of the key server: ", false)
            : null;
    try {
      ServerHome.join(
          home,
          directory,
          name,
          where.host(),
          where.port(),
          new LinkedHashSet<>(hosts == null ? List.of() : hosts),
          passphrase,
          Clock.systemUTC());
    } finally {
      closeIfAny(passphrase);
    }
    console().say("made the key server " + name + " in " + directory);
    console().err().println("  Start it with 'coffer keyserver run " + directory + "'.");
    return 0;
  }

  static void closeIfAny(@Nullable SecretBytes secret) {
    if (secret != null) {
      secret.close();
    }
  }

  @Command(
      name = "run",
      mixinStandardHelpOptions = true,
      description = {
        "Run the key server of DIR until it is interrupted.",
        "",
        "With a passphrase, typed or from a file, it opens at once; with --sealed, or if it has a"
            + " quorum, it waits for 'coffer keyserver unseal'. A server that is sealed to hardware"
            + " opens by that, and waits if it does not."
      },
      footer = {
        "",
        "Examples:",
        "  coffer keyserver run keys",
        "  coffer keyserver run --barbican 0.0.0.0:9311 --passphrase-file /run/pass keys"
      })
  int run(
      @Mixin InitOptions options,
      @Option(names = "--init", description = "Make the server first if DIR does not exist.")
          boolean init,
      @Option(names = "--sealed", description = "Do not ask for the passphrase.") boolean sealed,
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description = "Take the passphrase from the first line of FILE, '-' for stdin.")
          @Nullable Path passphraseFile,
      @Option(
              names = "--log-json",
              description = "Write the log as JSON lines: time, level, logger, message, error.")
          boolean logJson,
      @Option(
              names = "--barbican",
              paramLabel = "ADDRESS:PORT",
              description =
                  "Also serve OpenStack's Key Manager API there, to projects that an operator opens"
                      + " it for; it gives out clear secrets.")
          @Nullable String barbican,
      @Parameters(paramLabel = "DIR", description = "The server's directory.") Path directory)
      throws IOException, Failure, SealException {
    ServerHome.Listen door = barbican == null ? null : listen(barbican);
    if (logJson) {
      JsonLines.use();
    }
    HELIDON.setLevel(java.util.logging.Level.WARNING);
    HANDSHAKES.setLevel(java.util.logging.Level.SEVERE);
    SecretBytes passphrase = null;
    boolean make = init && !Files.exists(directory.resolve("server.json"));
    if (!make && options.areGiven()) {
      throw new Failure(
          Failure.USAGE,
          "options that say how a server is made, but " + directory + " has one, or no --init",
          "Leave them out. Where it listens stands in " + directory.resolve("server.json") + ".");
    }
    if (make) {
      SecretBytes made = options.make(passphraseFile, directory, console());
      if (options.isQuorum()) {
        made.close();
        sealed = true;
      } else {
        passphrase = made;
      }
    }
    ServerHome home = ServerHome.open(directory);
    KeyServer server;
    boolean byHardware;
    boolean byPassphrase;
    try {
      byPassphrase = opensByPassphrase(home);
      byHardware =
          passphrase == null && passphraseFile == null && !sealed && !home.hardware().isNone();
      if (passphrase == null && !sealed && !byHardware && byPassphrase) {
        passphrase = console().secret(passphraseFile, "Passphrase of the key server: ", false);
      }
      server =
          KeyServer.start(
              home, home.listen(), door, Limits.STANDARD, KeyServer.GRACE, Clock.systemUTC());
    } catch (IOException | Failure | RuntimeException e) {
      closeIfAny(passphrase);
      throw e;
    }
    CountDownLatch stopped = new CountDownLatch(1);
    try {
      if (passphrase != null) {
        try (SecretBytes given = passphrase) {
          server.unseal(given);
        }
      } else if (byHardware) {
        try {
          server.unsealByHardware(HardwareOptions.prompt(console()));
        } catch (SealException e) {
          console().say(String.valueOf(e.getMessage()));
          console().err().println("  " + e.advice());
        }
      }
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(
                  () -> {
                    close(server);
                    stopped.countDown();
                  },
                  "keyserver-stop"));
    } catch (IOException | SealException | RuntimeException e) {
      close(server);
      throw e;
    }
    console()
        .say(
            "the key server listens on https://"
                + home.listen().host()
                + ":"
                + server.port()
                + (server.isSealed()
                    ? ", sealed; open it with 'coffer keyserver unseal "
                        + (byPassphrase ? "" : "--share ")
                        + directory
                        + "'"
                    : " and is open, by " + server.openedBy()));
    console()
        .err()
        .println(
            "  A browser that has a certificate sees it at /page: coffer ca p12 "
                + home.certificate("operator"));
    if (door != null) {
      console()
          .say("OpenStack clients find it at https://" + door.host() + ":" + server.doorPort());
    }
    try {
      stopped.await();
    } catch (InterruptedException e) {
      close(server);
      Thread.currentThread().interrupt();
    }
    return 0;
  }

  private static boolean opensByPassphrase(ServerHome home) throws IOException {
    try (var engine = home.openEngine(false)) {
      return Seal.load(engine).slots().stream()
          .anyMatch(slot -> slot.way() instanceof Way.Passphrase);
    }
  }

  private void close(KeyServer server) {
    try {
      server.close();
    } catch (IOException e) {
      console().say("while stopping: " + e.getMessage());
    }
  }

  @Command(
      name = "import",
      mixinStandardHelpOptions = true,
      description = {
        "Bring a key that exists already into the lock box of an owner, as it is in FILE.",
        "",
        "It is sealed to the server on its way, inside TLS, so that no buffer there has it in"
            + " clear. The id of the key is printed. Give your certificate with --cert; you are an"
            + " admin or user of the owner. A key that nobody needs to know is better made by the"
            + " server."
      },
      footer = {
        "",
        "Example:",
        "  coffer keyserver import --cert alice.pem --service hpc --owner user:alice --key-file k"
            + " keys"
      })
  int importKey(
      @Option(
              names = "--service",
              paramLabel = "NAME",
              required = true,
              description = "Whose endpoints are to open it.")
          String service,
      @Option(
              names = "--owner",
              paramLabel = "OWNER",
              required = true,
              description = "Whose it is to be, for example project:hpc.")
          String owner,
      @Option(
              names = "--key-file",
              paramLabel = "FILE",
              required = true,
              description = "The key, all bytes of FILE, 1 to 20000; '-' for stdin.")
          Path keyFile,
      @Option(names = "--name", paramLabel = "TEXT", description = "What it is called.")
          @Nullable String name,
      @Option(
              names = "--algorithm",
              paramLabel = "TEXT",
              description = "What it is for (default: aes).")
          @Nullable String algorithm,
      @Option(
              names = "--version-of",
              paramLabel = "KEY",
              description = "Make it the new current version of this key.")
          @Nullable String versionOf,
      @Mixin Remote remote)
      throws IOException, Failure, JsonException {
    if (versionOf != null && (name != null || algorithm != null)) {
      throw new Failure(
          Failure.USAGE,
          "--version-of leaves no choice of --name or --algorithm",
          "The key has them already.");
    }
    if (versionOf != null && !ID.matcher(versionOf).matches()) {
      throw new Failure(
          Failure.USAGE,
          "'" + versionOf + "' cannot be the id of a key",
          "Give what 'import' printed; the page of the server lists keys.");
    }
    String box = "/v1/services/" + service + "/owners/" + owner + "/keys";
    if (!BOX.matcher(box).matches()) {
      throw new Failure(
          Failure.USAGE,
          "'" + service + "' or '" + owner + "' cannot be the name of a service or an owner",
          "For example: --service cinder --owner project:hpc");
    }
    JsonObject request = new JsonObject();
    if (name != null) {
      request.put("name", name);
    }
    if (algorithm != null) {
      request.put("algorithm", algorithm);
    }
    JsonObject made;
    try (SecretBytes key = console().key(keyFile)) {
      request.put("material", key.read(byte[]::clone));
      made =
          remote.send("POST", versionOf == null ? box : box + "/" + versionOf + "/rotate", request);
    } finally {
      request.wipe();
    }
    console().out().println(made.string("id"));
    console()
        .say(
            "the server has the key, as version "
                + made.integer("current", 1, Integer.MAX_VALUE)
                + (keyFile.toString().equals("-")
                    ? ""
                    : "; remove " + keyFile + " when it is needed no more"));
    return 0;
  }

  @Command(
      name = "token",
      mixinStandardHelpOptions = true,
      description = {
        "Have a token issued that lets a node read keys in your name.",
        "",
        "Give your certificate with --cert. The token is written to FILE, which only you may read;"
            + " its id, by which it can be revoked, is printed.",
        "",
        "With --login the token is issued to the holder of a credential of elsewhere, and bound to"
            + " the certificate that shows it."
      },
      footer = {
        "",
        "Examples:",
        "  coffer keyserver token --cert alice.pem --for endpoint:node1 --id ID --out token keys",
        "  munge --string='coffer endpoint:node1' --restrict-uid=0 |",
        "    coffer keyserver token --cert node1.pem --login munge --credential-file - \\",
        "      --out token keys"
      })
  int token(
      @Option(names = "--for", paramLabel = "IDENTITY", description = "Only for this node.")
          @Nullable String presenter,
      @Option(
              names = "--id",
              paramLabel = "KEY",
              description = "Only for this key; may be repeated.")
          @Nullable List<String> keys,
      @Option(
              names = "--seconds",
              paramLabel = "N",
              defaultValue = "900",
              description = "Its life (default: ${DEFAULT-VALUE}; a day at most).")
          int seconds,
      @Option(
              names = "--renewable",
              paramLabel = "N",
              defaultValue = "0",
              description = "Seconds up to which the node may renew it.")
          int renewable,
      @Option(
              names = "--login",
              paramLabel = "KIND",
              description = "Show a credential: munge, oidc or keystone.")
          @Nullable String login,
      @Option(
              names = "--credential-file",
              paramLabel = "FILE",
              description = "The credential, on the first line of FILE, '-' for stdin.")
          @Nullable Path credentialFile,
      @Option(names = "--out", paramLabel = "FILE", required = true, description = "Where to.")
          Path out,
      @Mixin Remote remote)
      throws IOException, Failure, JsonException {
    if ((login == null) != (credentialFile == null) || (login != null && presenter != null)) {
      throw new Failure(
          Failure.USAGE,
          "--login and --credential-file belong together, and leave no choice of --for",
          "The token is bound to the certificate that shows the credential.");
    }
    JsonObject request =
        new JsonObject()
            .put("keys", keys == null ? List.of() : keys)
            .put("seconds", seconds)
            .put("renewable_seconds", renewable);
    if (credentialFile == null) {
      request.put("presenter", presenter);
    } else {
      try (SecretBytes credential = console().secret(credentialFile, "", false)) {
        request
            .put("kind", login)
            .put(
                "credential",
                credential.<String, RuntimeException>read(
                    text -> new String(text, java.nio.charset.StandardCharsets.US_ASCII)));
      }
    }
    JsonObject answer =
        remote.send("POST", login == null ? "/v1/tokens" : "/v1/tokens/exchange", request);
    DurableFiles.writePrivate(
        out, answer.string("token").getBytes(java.nio.charset.StandardCharsets.US_ASCII));
    console().out().println(answer.string("id"));
    console().say("wrote " + out + ", good until " + answer.string("expires"));
    return 0;
  }

  @Command(
      name = "revoke-token",
      mixinStandardHelpOptions = true,
      description = "Revoke a token, by the id that 'token' printed.",
      footer = {
        "",
        "Example:",
        "  coffer keyserver revoke-token --id 4f0c... --cert alice.pem keys"
      })
  int revokeToken(
      @Option(names = "--id", paramLabel = "ID", required = true, description = "Its id.")
          String id,
      @Mixin Remote remote)
      throws IOException, Failure {
    if (!ID.matcher(id).matches()) {
      throw new Failure(
          Failure.USAGE,
          "'" + id + "' cannot be the id of a token",
          "Give what 'coffer keyserver token' printed; the page of the server lists tokens.");
    }
    remote.send("DELETE", "/v1/tokens/" + id, null);
    console().say("revoked " + id);
    return 0;
  }

  @Command(
      name = "status",
      mixinStandardHelpOptions = true,
      description = "Tell whether the server answers and is open. Exit code 0 if it is open.",
      footer = {
        "",
        "Examples:",
        "  coffer keyserver status keys",
        "  coffer keyserver status --json --cert k1/operator.pem k2"
      })
  int status(
      @Option(names = "--json", description = "Print what the server answers, a JSON object.")
          boolean json,
      @Mixin Remote remote)
      throws IOException, Failure, JsonException {
    JsonObject status = remote.send("GET", "/v1/status", null);
    boolean sealed = status.bool("sealed", true);
    if (json) {
      console().printSecret(status.toBytes());
      return sealed ? Failure.OTHER : 0;
    }
    console().out().println(sealed ? "sealed" : "open");
    String by = status.optionalString("opened_by");
    if (by != null) {
      console().err().println("  opened by " + by);
    }
    console().err().println("  you are " + status.string("you"));
    if (!status.strings("servers").isEmpty()) {
      console().err().println("  alive: " + String.join(", ", status.strings("servers")));
    }
    return sealed ? Failure.OTHER : 0;
  }

  @Command(
      name = "tpm",
      mixinStandardHelpOptions = true,
      description = {
        "Print the registration of this machine as an endpoint with its TPM, as JSON.",
        "",
        "It holds the TPM's endorsement key and what the registers are now, which is thereby what"
            + " they have to be: look at the registers on a machine you trust."
      },
      footer = {
        "",
        "Example:",
        "  coffer keyserver tpm --service hpc --pcr 0 --pcr 2 --pcr 4 --pcr 7 > node1.json"
      })
  int tpm(
      @Option(
              names = "--device",
              paramLabel = "TPM",
              defaultValue = "/dev/tpmrm0",
              description = "A device, or tcp:HOST:PORT of a software TPM (default: /dev/tpmrm0).")
          String device,
      @Option(
              names = "--pcr",
              paramLabel = "N",
              required = true,
              description = "A register of the policy, 0 to 23; may be repeated.")
          List<Integer> registers,
      @Option(
              names = "--service",
              paramLabel = "NAME",
              required = true,
              description = "A service whose keys the machine is to open; may be repeated.")
          List<String> services)
      throws IOException, Failure {
    if (registers.stream().anyMatch(register -> register < 0 || register > 23)) {
      throw new Failure(Failure.USAGE, "a TPM has the registers 0 to 23", "Correct --pcr.");
    }
    try (TpmChannel channel = TpmChannel.open(device);
        TpmEndpoint tpm = new TpmEndpoint(channel)) {
      JsonObject values = new JsonObject();
      tpm.read(new TreeSet<>(registers))
          .forEach((number, value) ->
              values.put(number.toString(), List.of(HexFormat.of().formatHex(value))));
      console()
          .printSecret(
              new JsonObject()
                  .put("attestation", "tpm")
                  .put("services", services)
                  .put(
                      "tpm",
                      new JsonObject()
                          .put("ek", tpm.endorsementKey().getEncoded())
                          .put("pcrs", values))
                  .toBytes());
    }
    return 0;
  }

  @Command(
      name = "backup",
      mixinStandardHelpOptions = true,
      description = {
        "Take a backup of the key server in DIR, which may be running, into the new directory TO.",
        "",
        "The audit log is verified, and copied up to a signed entry. Its end is printed as"
            + " NUMBER:HASH; keep that elsewhere, 'restore --head' and 'audit verify --head'"
            + " compare with it. The backup holds the same private keys as DIR: keep it as safe.",
        "",
        "The audit log says that a backup was taken, and to where. A server that runs is asked to"
            + " write that, with an operator's certificate."
      },
      footer = {"", "Example:", "  coffer keyserver backup keys /backup/keys-monday"})
  int backup(
      @Mixin Link link,
      @Parameters(paramLabel = "DIR", description = "The server's directory.") Path directory,
      @Parameters(paramLabel = "TO", description = "A new or empty directory.") Path target)
      throws IOException, Failure {
    ServerHome home = ServerHome.open(directory);
    ServerBackup.Witness<Failure> server =
        to -> {
          if (!Files.exists(link.certificate(home))) {
            throw new Failure(
                Failure.OTHER,
                "the server runs, and has to log the backup: "
                    + link.certificate(home)
                    + " does not exist",
                "Name an operator's certificate with --cert, or stop the server meanwhile.");
          }
          String name = to.toAbsolutePath().normalize().toString();
          link.send(directory, "POST", "/v1/backups", new JsonObject().put("to", name));
        };
    AuditLog.Head head = ServerBackup.backUp(home, target, server, Clock.systemUTC());
    console().out().println(head);
    console().say("took a backup into " + target);
    return 0;
  }

  @Command(
      name = "restore",
      mixinStandardHelpOptions = true,
      description = {
        "Make the directory of a key server from a backup.",
        "",
        "Every file is compared with the backup's manifest and the audit log is verified. With the"
            + " passphrase every record is opened and compared with the store's ledger, too;"
            + " without it that happens when the server is first opened. On a machine with another"
            + " name or address issue a new server certificate: coffer ca issue --host NAME"
            + " --host ADDRESS DIR/ca server:server.",
        "",
        "The records of servers over etcd go back there, under a prefix where nothing is: to where"
            + " they were, or to --etcd. A server whose directory alone is lost is made anew by"
            + " 'join'.",
        "",
        "What was revoked or rotated after the backup is as it was before: do that again."
      },
      footer = {
        "",
        "Example:",
        "  coffer keyserver restore --head 4711:8f... /backup/keys-monday keys"
      })
  int restore(
      @Option(
              names = "--head",
              paramLabel = "NUMBER:HASH",
              description = "An end of the audit log that was noted; the backup must contain it.")
          @Nullable String earlier,
      @Option(
              names = "--listen",
              paramLabel = "ADDRESS:PORT",
              description = "Where the restored server listens (default: where the old one did).")
          @Nullable String listen,
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description =
                  "Take the passphrase from the first line of FILE and check the records.")
          @Nullable Path passphraseFile,
      @Mixin EtcdOptions etcd,
      @Option(names = "--embedded", description = "Restore to an embedded store what was in etcd.")
          boolean embedded,
      @Parameters(paramLabel = "FROM", description = "The backup.") Path backup,
      @Parameters(paramLabel = "DIR", description = "A new or empty directory.") Path directory)
      throws IOException, Failure, SealException {
    AuditLog.Head wanted = earlier == null ? null : AuditCommand.parse(earlier);
    ServerHome.Listen where = listen == null ? null : listen(listen);
    EtcdSettings place = etcd.settings();
    if (place != null && embedded) {
      throw new Failure(
          Failure.USAGE, "--etcd and --embedded exclude each other", "Give one of them.");
    }
    if (place == null && !embedded) {
      place = ServerBackup.oldEtcd(backup);
    }
    ServerBackup.Restored restored;
    try (SecretBytes passphrase =
        passphraseFile == null
            ? SecretBytes.take(new byte[0])
            : console().secret(passphraseFile, "", false)) {
      restored =
          ServerBackup.restore(
              backup,
              directory,
              passphraseFile == null ? null : passphrase,
              wanted,
              where,
              place,
              Clock.systemUTC());
    }
    console()
        .say(
            "restored the backup of "
                + restored.time()
                + " to "
                + directory
                + (restored.records() < 0
                    ? ""
                    : "; its " + restored.records() + " records match their ledger"));
    console().err().println("  Start it with 'coffer keyserver run " + directory + "'.");
    return 0;
  }

  static ServerHome.Listen listen(String text) throws Failure {
    Matcher listen = LISTEN.matcher(text);
    if (!listen.matches() || Integer.parseInt(listen.group(2)) > 65535) {
      throw new Failure(
          Failure.USAGE,
          "'" + text + "' is nothing to listen on",
          "Write ADDRESS:PORT, for example 127.0.0.1:7450.");
    }
    return new ServerHome.Listen(listen.group(1), Integer.parseInt(listen.group(2)));
  }

  @Command(
      name = "unseal",
      mixinStandardHelpOptions = true,
      description = {
        "Open the server, with the passphrase or with your share of the quorum; with --hardware,"
            + " have it try its TPM or token again.",
        "",
        "The shares are given one after the other, within ten minutes, from wherever the"
            + " operators are."
      },
      footer = {
        "",
        "Examples:",
        "  coffer keyserver unseal keys",
        "  coffer keyserver unseal --share keys"
      })
  int unseal(
      @Option(names = "--share", description = "Give a share, not the passphrase.") boolean share,
      @Option(names = "--hardware", description = "Give nothing: the server asks its hardware.")
          boolean hardware,
      @Option(
              names = {"--passphrase-file", "--share-file"},
              paramLabel = "FILE",
              description = "Take it from the first line of FILE, '-' for stdin.")
          @Nullable Path file,
      @Mixin Remote remote)
      throws IOException, Failure, JsonException {
    if (hardware) {
      JsonObject opened =
          remote.send("POST", "/v1/seal/unseal", new JsonObject().put("hardware", true));
      console().say("the key server is open, by " + opened.string("opened_by"));
      return 0;
    }
    try (SecretBytes secret =
        console().secret(file, share ? "Your share: " : "Passphrase of the key server: ", false)) {
      byte[] bytes = secret.read(byte[]::clone);
      JsonObject body = new JsonObject().put(share ? "share" : "passphrase", bytes);
      JsonObject answer;
      try {
        answer = remote.send("POST", "/v1/seal/unseal", body);
      } finally {
        body.wipe();
      }
      long missing = answer.integer("missing_shares", 0, 255);
      console()
          .say(
              missing == 0
                  ? "the key server is open"
                  : "the share is good; shares still needed: " + missing);
    }
    return 0;
  }

  @Command(
      name = "seal",
      mixinStandardHelpOptions = true,
      description = "Close the server: it forgets every key until it is opened again.",
      footer = {"", "Example:", "  coffer keyserver seal keys"})
  int seal(@Mixin Remote remote) throws IOException, Failure {
    remote.send("POST", "/v1/seal/seal", null);
    console().say("the key server is sealed");
    return 0;
  }
}
