package io.coffer.keyserver.cli;

import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.server.ServerHome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer audit}: checks audit logs. */
@Command(
    name = "audit",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    description = "Check the audit log of a key server.",
    footer = {"", "Example:", "  coffer audit verify keys"})
final class AuditCommand extends Commands.Group {
  @Command(
      name = "verify",
      mixinStandardHelpOptions = true,
      description = {
        "Verify the chain and the signatures of an audit log.",
        "",
        "Prints where it ends, as NUMBER:HASH. Whoever keeps that notices later, with --head,"
            + " that entries were taken away from the end or that the log was replaced."
      },
      footer = {
        "",
        "Examples:",
        "  coffer audit verify keys",
        "  coffer audit verify --head 4711:8f... --key audit.pem audit.jsonl"
      })
  int verify(
      @Option(
              names = "--key",
              paramLabel = "FILE",
              description = "The public key (default: audit.pem beside the log).")
          @Nullable Path key,
      @Option(
              names = "--head",
              paramLabel = "NUMBER:HASH",
              description = "An end that was printed earlier; the log must still contain it.")
          @Nullable String earlier,
      @Parameters(paramLabel = "LOG|DIR", description = "The log, or a key server's directory.")
          Path path)
      throws IOException, Failure {
    Path log = Files.isDirectory(path) ? path.resolve("audit.jsonl") : path;
    AuditLog.Head wanted = earlier == null ? null : parse(earlier);
    if (!Files.exists(log)) {
      throw new Failure(
          Failure.OTHER,
          "there is no audit log " + log,
          "Name the log, or the directory of a key server, which has audit.jsonl and audit.pem.");
    }
    Path publicKey = key == null ? log.resolveSibling("audit.pem") : key;
    AuditLog.Head head = AuditLog.verify(log, ServerHome.readAuditPublicKey(publicKey), wanted);
    console().out().println(head);
    console().say(log + " is whole: " + head.sequence() + " entries");
    return 0;
  }

  static AuditLog.Head parse(String text) throws Failure {
    if (!text.matches("[0-9]{1,18}:[0-9a-f]{64}")) {
      throw new Failure(
          Failure.USAGE, "'" + text + "' is no end of a log", "Give what 'verify' printed.");
    }
    int colon = text.indexOf(':');
    return new AuditLog.Head(Long.parseLong(text.substring(0, colon)), text.substring(colon + 1));
  }
}
