package io.coffer.keyserver.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.CertificateAuthority.Listed;
import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.ca.Pkcs12;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer ca}: the certificate authority of a key service. */
@Command(
    name = "ca",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    description = {
      "Certificates for the key service: a small authority of one's own, in a directory.",
      "",
      "'coffer keyserver init' makes one, in DIR/ca. A certificate says who its holder is, as"
          + " PROFILE:NAME; the profiles are server, operator, auditor, endpoint and client."
    },
    footer = {
      "",
      "Examples:",
      "  coffer ca issue keys/ca client:alice",
      "  coffer ca issue --csr node1.csr keys/ca endpoint:node1",
      "  coffer ca p12 keys/operator.pem",
      "  coffer ca revoke keys/ca client:alice"
    })
final class CaCommand extends Commands.Group {
  /** Opens an authority, and asks for its passphrase if its key is encrypted. */
  private CertificateAuthority authority(Path directory, @Nullable Path passphraseFile)
      throws IOException, Failure {
    if (!CertificateAuthority.isProtected(directory)) {
      return CertificateAuthority.open(directory, Clock.systemUTC());
    }
    try (SecretBytes passphrase =
        console().secret(passphraseFile, "Passphrase of the authority: ", false)) {
      return CertificateAuthority.open(directory, passphrase, Clock.systemUTC());
    }
  }

  private static String name(X509Certificate certificate) {
    return Identity.of(certificate)
        .map(Identity::toString)
        .orElse(certificate.getSubjectX500Principal().getName());
  }

  @Command(
      name = "init",
      mixinStandardHelpOptions = true,
      description = "Make a new authority in DIR.",
      footer = {"", "Example:", "  coffer ca init site-ca"})
  int init(
      @Option(
              names = "--name",
              defaultValue = "Coffer key service",
              description = "Its common name, for people.")
          String name,
      @Parameters(paramLabel = "DIR", description = "A new or empty directory.") Path directory)
      throws IOException {
    CertificateAuthority.create(directory, name, Clock.systemUTC());
    console().say("made the authority " + directory + "; keep " + directory + "/ca.key secret");
    console().err().println("  Encrypt it under a passphrase: coffer ca protect " + directory);
    return 0;
  }

  @Command(
      name = "protect",
      mixinStandardHelpOptions = true,
      description = {
        "Encrypt the authority's key under a new passphrase.",
        "",
        "'coffer keyserver init' does so with the key server's passphrase. 'coffer ca init' and a"
            + " server with a quorum, which has no passphrase, leave the key readable by its owner"
            + " until this is done."
      },
      footer = {"", "Example:", "  coffer ca protect keys/ca"})
  int protect(
      @Option(
              names = "--new-passphrase-file",
              paramLabel = "FILE",
              description = "Take the new passphrase from the first line of FILE.")
          @Nullable Path newFile,
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description = "Take the authority's passphrase from the first line of FILE.")
          @Nullable Path passphraseFile,
      @Parameters(paramLabel = "CA") Path directory)
      throws IOException, Failure {
    CertificateAuthority authority = authority(directory, passphraseFile);
    try (SecretBytes passphrase =
        console().secret(newFile, "New passphrase of the authority: ", true)) {
      authority.protect(passphrase, CertificateAuthority.DEFAULT_ITERATIONS);
    }
    console().say("encrypted " + directory.resolve("ca.key"));
    return 0;
  }

  @Command(
      name = "issue",
      mixinStandardHelpOptions = true,
      description = {
        "Issue a certificate for IDENTITY.",
        "",
        "Writes NAME.pem, and NAME.key unless a request is given; the private key of a request"
            + " stays where it was made."
      },
      footer = {
        "",
        "Examples:",
        "  coffer ca issue keys/ca client:alice",
        "  coffer ca issue --csr node1.csr keys/ca endpoint:node1",
        "  coffer ca issue --host k2.example --out k2 keys/ca server:server"
      })
  int issue(
      @Option(
              names = "--host",
              paramLabel = "HOST",
              description = "A name or address that a server is reached by; may be repeated.")
          @Nullable List<String> hosts,
      @Option(
              names = "--days",
              paramLabel = "N",
              defaultValue = "365",
              description = "Valid for N days (default: 365).")
          int days,
      @Option(names = "--csr", paramLabel = "FILE", description = "A PKCS #10 request in PEM.")
          @Nullable Path request,
      @Option(
              names = "--out",
              paramLabel = "DIR",
              description = "Where to write (default: the current directory).")
          @Nullable Path out,
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description = "Take the authority's passphrase from the first line of FILE.")
          @Nullable Path passphraseFile,
      @Parameters(paramLabel = "CA", description = "The authority's directory.") Path directory,
      @Parameters(paramLabel = "IDENTITY", description = "PROFILE:NAME, as client:alice.")
          String who)
      throws IOException, Failure, CertificateEncodingException {
    Identity identity = Identity.parse(who);
    Path target = out == null ? Path.of("") : out;
    Path certificateFile = target.resolve(identity.name() + ".pem");
    Path keyFile = target.resolve(identity.name() + ".key");
    for (Path file : List.of(certificateFile, keyFile)) {
      if (Files.exists(file) && !(request != null && file.equals(keyFile))) {
        throw new Failure(
            Failure.OTHER, file + " exists already", "Name another directory with --out.");
      }
    }
    // Before a certificate is issued that nobody gets.
    if (!Files.isDirectory(target.toAbsolutePath())) {
      throw new Failure(
          Failure.OTHER, target + " is no directory", "Make it, or name another with --out.");
    }
    CertificateAuthority authority = authority(directory, passphraseFile);
    LinkedHashSet<String> names = new LinkedHashSet<>(hosts == null ? List.of() : hosts);
    Duration validity = Duration.ofDays(days);
    X509Certificate certificate;
    if (request == null) {
      CertificateAuthority.Issued issued = authority.issue(identity, names, validity);
      Pem.writePrivateKey(keyFile, issued.key());
      certificate = issued.certificate();
    } else {
      certificate = authority.issue(identity, names, validity, Files.readAllBytes(request));
    }
    DurableFiles.writePublic(certificateFile, Pem.encode("CERTIFICATE", certificate.getEncoded()));
    console()
        .say(
            "issued "
                + certificateFile
                + (request == null ? " and " + keyFile : "")
                + " for "
                + identity
                + ", valid until "
                + certificate.getNotAfter().toInstant());
    return 0;
  }

  @Command(
      name = "p12",
      mixinStandardHelpOptions = true,
      description = {
        "Put a certificate and its key into a file that browsers import.",
        "",
        "Writes NAME.p12 (PKCS #12) beside NAME.pem, under a new password that the browser asks"
            + " for once. The key service's page is shown to who has a certificate: import the"
            + " file as one of yours, and DIR/ca/ca.pem as an authority for web sites, then open"
            + " https://HOST:PORT/page."
      },
      footer = {"", "Example:", "  coffer ca p12 keys/operator.pem"})
  int p12(
      @Option(
              names = "--key",
              paramLabel = "FILE",
              description = "The private key (default: FILE with .key for .pem).")
          @Nullable Path keyFile,
      @Option(
              names = "--out",
              paramLabel = "FILE",
              description = "Where to write (default: FILE with .p12 for .pem).")
          @Nullable Path out,
      @Option(
              names = "--new-passphrase-file",
              paramLabel = "FILE",
              description = "Take the password from the first line of FILE.")
          @Nullable Path passwordFile,
      @Parameters(paramLabel = "FILE", description = "The certificate, as keys/operator.pem.")
          Path certificate)
      throws IOException, Failure {
    String name = certificate.toString().replaceFirst("\\.pem$", "");
    Path target = out == null ? Path.of(name + ".p12") : out;
    if (Files.exists(target)) {
      throw new Failure(
          Failure.OTHER, target + " exists already", "Remove it, or name another with --out.");
    }
    X509Certificate read = Pem.readCertificate(certificate);
    PrivateKey key = Pem.readPrivateKey(keyFile == null ? Path.of(name + ".key") : keyFile, "EC");
    try (SecretBytes password = console().secret(passwordFile, "New password: ", true)) {
      DurableFiles.writePrivate(target, Pkcs12.encode(read, key, password));
    }
    console().say("wrote " + target + " for " + name(read));
    console().err().println("  Import it into the browser, and remove it.");
    return 0;
  }

  @Command(
      name = "revoke",
      mixinStandardHelpOptions = true,
      description = {
        "Revoke a certificate, by serial number, or all of an identity.",
        "",
        "Key servers that use DIR/crl.pem refuse it within a second, also on connections that"
            + " stand."
      },
      footer = {"", "Example:", "  coffer ca revoke keys/ca client:alice"})
  int revoke(
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description = "Take the authority's passphrase from the first line of FILE.")
          @Nullable Path passphraseFile,
      @Parameters(paramLabel = "CA") Path directory,
      @Parameters(paramLabel = "SERIAL|IDENTITY") String which)
      throws IOException, Failure {
    for (Listed revoked : authority(directory, passphraseFile).revoke(which)) {
      console().say("revoked " + revoked.serial() + " of " + name(revoked.certificate()));
    }
    return 0;
  }

  @Command(
      name = "renew-list",
      mixinStandardHelpOptions = true,
      description = "Sign the revocation list anew; it should not grow older than a year.",
      footer = {"", "Example:", "  coffer ca renew-list keys/ca"})
  int renewList(
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description = "Take the authority's passphrase from the first line of FILE.")
          @Nullable Path passphraseFile,
      @Parameters(paramLabel = "CA") Path directory)
      throws IOException, Failure {
    authority(directory, passphraseFile).renewRevocationList();
    console().say("renewed " + directory.resolve("crl.pem"));
    return 0;
  }

  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "List the certificates issued.",
      footer = {"", "Example:", "  coffer ca list keys/ca"})
  int list(
      @Option(names = "--json", description = "One JSON object a line.") boolean json,
      @Parameters(paramLabel = "CA") Path directory)
      throws IOException {
    Instant now = Clock.systemUTC().instant();
    for (Listed listed : CertificateAuthority.list(directory)) {
      Instant end = listed.certificate().getNotAfter().toInstant();
      String state =
          listed.revokedAt() != null ? "revoked" : end.isBefore(now) ? "expired" : "valid";
      if (json) {
        console()
            .printSecret(
                new JsonObject()
                    .put("serial", listed.serial())
                    .put("identity", name(listed.certificate()))
                    .put("not_after", end.toString())
                    .put("state", state)
                    .toBytes());
      } else {
        console()
            .out()
            .printf(
                "%s  %-8s  %s  %s%n",
                listed.serial(),
                state,
                end.toString().substring(0, 10),
                name(listed.certificate()));
      }
    }
    return 0;
  }

  @Command(
      name = "show",
      mixinStandardHelpOptions = true,
      description = "Show a certificate, or the authority's own if a directory is given.",
      footer = {"", "Example:", "  coffer ca show keys/server.pem"})
  int show(@Parameters(paramLabel = "FILE|CA") Path path)
      throws IOException, GeneralSecurityException {
    X509Certificate certificate =
        Pem.readCertificate(Files.isDirectory(path) ? path.resolve("ca.pem") : path);
    List<String> lines = new ArrayList<>();
    lines.add("identity:     " + name(certificate));
    lines.add("subject:      " + certificate.getSubjectX500Principal().getName());
    lines.add("issuer:       " + certificate.getIssuerX500Principal().getName());
    lines.add("serial:       " + String.format("%032x", certificate.getSerialNumber()));
    lines.add("valid from:   " + certificate.getNotBefore().toInstant());
    lines.add("valid until:  " + certificate.getNotAfter().toInstant());
    lines.add(
        "SHA-256:      "
            + HexFormat.of()
                .formatHex(MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded())));
    lines.forEach(console().out()::println);
    return 0;
  }
}
