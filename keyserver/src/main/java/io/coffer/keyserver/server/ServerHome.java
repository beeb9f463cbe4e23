package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.box.LockBoxes;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.engine.SqliteEngine;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.Share;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.CertificateEncodingException;
import java.security.spec.X509EncodedKeySpec;
import java.time.Clock;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The directory of a key server with the embedded store (mode 700):
 *
 * <pre>
 * server.json            where it listens; written last, so that it marks a complete directory
 * ca/                    a certificate authority of its own, its key under the passphrase, if any
 * server.pem server.key  its certificate
 * operator.pem operator.key   the first operator's
 * logins.json            other ways to log in than by certificate, if any
 * store.db               its records, ciphertext only
 * audit.jsonl            its audit log
 * audit.key audit.pem    the key that signs the log, and the public key that verifies it
 * </pre>
 */
public final class ServerHome {
  /** Where a server listens unless told otherwise. */
  public static final String DEFAULT_HOST = "127.0.0.1";

  /** Where a server listens unless told otherwise. */
  public static final int DEFAULT_PORT = 7450;

  private final Path directory;

  private ServerHome(Path directory) {
    this.directory = directory;
  }

  /**
   * How the seal of a new server opens; exactly one of both.
   *
   * @param passphrase null for a quorum
   * @param logN cost of the passphrase, {@link Seal#DEFAULT_LOG_N} but in tests
   */
  public record Opening(@Nullable SecretBytes passphrase, int logN, int threshold, int shares) {
    public static Opening passphrase(SecretBytes passphrase) {
      return new Opening(passphrase, Seal.DEFAULT_LOG_N, 0, 0);
    }

    public static Opening quorum(int threshold, int shares) {
      return new Opening(null, 0, threshold, shares);
    }
  }

  /**
   * Makes the directory of a new server.
   *
   * @param host what it listens on
   * @param names further names and addresses that clients reach it by
   * @return the shares of a quorum to hand out, which exist nowhere else; empty for a passphrase
   * @throws IOException if the directory is not empty or cannot be made
   */
  public static List<Share> init(
      Path directory, String host, int port, Set<String> names, Opening opening, Clock clock)
      throws IOException, SealException {
    DurableFiles.createPrivateDirectory(directory);
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
      if (entries.iterator().hasNext()) {
        throw new IOException(
            directory
                + (Files.exists(directory.resolve("server.json"))
                    ? " already holds a key server; start it with 'coffer keyserver run'"
                    : " is not empty; name a new directory"));
      }
    }
    // Before anything is written: a passphrase that is too short, a quorum that makes no sense.
    try (SecretBytes root = Seal.newRoot()) {
      Seal seal;
      List<Share> shares = List.of();
      SecretBytes passphrase = opening.passphrase();
      if (passphrase != null) {
        seal = Seal.empty().withPassphrase(root, "passphrase", passphrase, opening.logN());
      } else {
        Seal.NewQuorum quorum =
            Seal.empty().withQuorum(root, "quorum", opening.threshold(), opening.shares());
        seal = quorum.seal();
        shares = quorum.shares();
      }
      ServerHome home = new ServerHome(directory);
      home.writeCertificates(host, names, opening, clock);
      home.writeAuditKey();
      try (SqliteEngine engine = SqliteEngine.open(home.store())) {
        seal.store(engine);
        LockBoxes.create(engine, root, clock);
      } catch (ProblemException e) {
        throw new EngineException("the new store is not empty: " + e.title(), e);
      }
      DurableFiles.writePublic(
          directory.resolve("server.json"),
          new JsonObject().put("host", host).put("port", port).toBytes());
      return shares;
    }
  }

  private void writeCertificates(String host, Set<String> names, Opening opening, Clock clock)
      throws IOException {
    CertificateAuthority authority =
        CertificateAuthority.create(directory.resolve("ca"), "Coffer key service", clock);
    Set<String> all = new java.util.LinkedHashSet<>(names);
    all.add("localhost");
    all.add("127.0.0.1");
    if (!host.equals("0.0.0.0") && !host.equals("::")) {
      all.add(host);
    }
    write(
        "server",
        authority.issue(
            new Identity(Profile.SERVER, "server"), all, CertificateAuthority.DEFAULT_VALIDITY));
    write(
        "operator",
        authority.issue(
            new Identity(Profile.OPERATOR, "operator"),
            Set.of(),
            CertificateAuthority.DEFAULT_VALIDITY));
    SecretBytes passphrase = opening.passphrase();
    if (passphrase != null) {
      int cheaper = Math.max(0, Seal.DEFAULT_LOG_N - opening.logN());
      authority.protect(passphrase, CertificateAuthority.DEFAULT_ITERATIONS >> cheaper);
    }
  }

  private void write(String name, CertificateAuthority.Issued issued) throws IOException {
    try {
      Pem.writePrivateKey(directory.resolve(name + ".key"), issued.key());
      DurableFiles.writePublic(
          directory.resolve(name + ".pem"),
          Pem.encode("CERTIFICATE", issued.certificate().getEncoded()));
    } catch (CertificateEncodingException e) {
      throw new IOException("the certificate cannot be encoded", e);
    }
  }

  private void writeAuditKey() throws IOException {
    try {
      KeyPair pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
      Pem.writePrivateKey(directory.resolve("audit.key"), pair.getPrivate());
      DurableFiles.writePublic(
          directory.resolve("audit.pem"), Pem.encode("PUBLIC KEY", pair.getPublic().getEncoded()));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks Ed25519", e);
    }
  }

  /**
   * Opens a directory.
   *
   * @throws IOException if it holds no server
   */
  public static ServerHome open(Path directory) throws IOException {
    if (!Files.exists(directory.resolve("server.json"))) {
      throw new NoSuchFileException(
          directory.toString(),
          null,
          "holds no key server; make one with 'coffer keyserver init " + directory + "'");
    }
    return new ServerHome(directory);
  }

  public Path directory() {
    return directory;
  }

  public Path store() {
    return directory.resolve("store.db");
  }

  public Path auditLog() {
    return directory.resolve("audit.jsonl");
  }

  public Path authority() {
    return directory.resolve("ca").resolve("ca.pem");
  }

  public Path revocationList() {
    return directory.resolve("ca").resolve("crl.pem");
  }

  /** Certificate of an identity that init made: server or operator. */
  public Path certificate(String name) {
    return directory.resolve(name + ".pem");
  }

  /** Private key of an identity that init made: server or operator. */
  public Path key(String name) {
    return directory.resolve(name + ".key");
  }

  public PrivateKey auditKey() throws IOException {
    return Pem.readPrivateKey(directory.resolve("audit.key"), "Ed25519");
  }

  public PublicKey auditPublicKey() throws IOException {
    return readAuditPublicKey(directory.resolve("audit.pem"));
  }

  /** Reads the public key that verifies an audit log. */
  public static PublicKey readAuditPublicKey(Path file) throws IOException {
    byte[] der = Pem.decode("PUBLIC KEY", Files.readAllBytes(file), file.toString());
    try {
      return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der));
    } catch (GeneralSecurityException e) {
      throw new IOException(file + " is damaged: not an Ed25519 key", e);
    }
  }

  /** What it listens on. */
  public record Listen(String host, int port) {}

  public Listen listen() throws IOException {
    Path file = directory.resolve("server.json");
    try {
      JsonObject json = JsonObject.parse(Files.readAllBytes(file), Set.of());
      json.allow("host", "port");
      return new Listen(json.string("host"), (int) json.integer("port", 0, 65535));
    } catch (JsonException e) {
      throw new IOException(file + " is malformed: " + e.getMessage(), e);
    }
  }
}
