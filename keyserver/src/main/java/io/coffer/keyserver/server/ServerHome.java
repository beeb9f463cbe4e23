package io.coffer.keyserver.server;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.box.LockBoxes;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.ca.CertificateAuthority;
import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.ca.Identity;
import io.coffer.keyserver.ca.Pem;
import io.coffer.keyserver.ca.Profile;
import io.coffer.keyserver.engine.Engine;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.engine.EtcdEngine;
import io.coffer.keyserver.engine.EtcdSettings;
import io.coffer.keyserver.engine.SqliteEngine;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.seal.Seal;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.Share;
import java.io.IOException;
import java.net.URI;
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
 * The directory of a key server (mode 700):
 *
 * <pre>
 * server.json            where it listens; written last, so that it marks a complete directory
 * ca/                    a certificate authority of its own, its key under the passphrase, if any
 * server.pem server.key  its certificate
 * operator.pem operator.key   the first operator's
 * logins.json            other ways to log in than by certificate, if any
 * store.db               its records, ciphertext only; not with etcd
 * etcd-ca.pem etcd.pem etcd.key   how it knows etcd, and etcd it, if they use TLS
 * audit.jsonl            its audit log
 * tpm-approvals.json     states of the machine in which its TPM opens it, if it does
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

  /** Adds to a new seal what hardware opens. */
  public interface Extra {
    Seal addTo(Seal seal, SecretBytes root) throws IOException, SealException;
  }

  /**
   * How the seal of a new server opens: a passphrase or a quorum, which people have, and beside it
   * possibly hardware, which breaks and changes.
   *
   * @param passphrase null for a quorum
   * @param logN cost of the passphrase, {@link Seal#DEFAULT_LOG_N} but in tests
   * @param hardware by which the server opens itself
   * @param extra adds its slot
   */
  public record Opening(
      @Nullable SecretBytes passphrase,
      int logN,
      int threshold,
      int shares,
      Hardware hardware,
      Extra extra) {
    public Opening(@Nullable SecretBytes passphrase, int logN, int threshold, int shares) {
      this(passphrase, logN, threshold, shares, Hardware.NONE, (seal, root) -> seal);
    }

    public static Opening passphrase(SecretBytes passphrase) {
      return new Opening(passphrase, Seal.DEFAULT_LOG_N, 0, 0);
    }

    public static Opening quorum(int threshold, int shares) {
      return new Opening(null, 0, threshold, shares);
    }

    /** The same, and hardware beside it. */
    public Opening and(Hardware newHardware, Extra newExtra) {
      return new Opening(passphrase, logN, threshold, shares, newHardware, newExtra);
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
    return init(directory, "server", host, port, names, opening, null, clock);
  }

  /**
   * Makes the directory of a new server, or of the first of several.
   *
   * @param name of the server
   * @param etcd where the store is; null for an embedded one
   */
  public static List<Share> init(
      Path directory,
      String name,
      String host,
      int port,
      Set<String> names,
      Opening opening,
      @Nullable EtcdSettings etcd,
      Clock clock)
      throws IOException, SealException {
    requireName(name);
    requireEmpty(directory);
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
      seal = opening.extra().addTo(seal, root);
      ServerHome home = new ServerHome(directory);
      boolean complete = false;
      EtcdSettings own;
      try {
        own = etcd == null ? null : home.copyCertificates(etcd);
      } catch (IOException e) {
        ServerBackup.removeContents(directory);
        throw e;
      }
      try (Engine engine =
          own == null ? SqliteEngine.open(home.store()) : EtcdEngine.open(own, null)) {
        if (Seal.exists(engine)) {
          throw new EngineException(
              "etcd holds a key service under this prefix already; make a further server of it with"
                  + " 'coffer keyserver join', or name another prefix");
        }
        home.writeCertificates(name, host, names, opening, clock);
        home.writeAuditKey();
        seal.store(engine);
        LockBoxes.create(engine, root, clock);
        complete = true;
      } catch (ProblemException e) {
        throw new EngineException("the new store is not empty: " + e.title(), e);
      } finally {
        if (!complete) {
          // The directory was empty; so that it can be tried again.
          ServerBackup.removeContents(directory);
        }
      }
      home.writeSettings(name, host, port, own, opening.hardware());
      return shares;
    }
  }

  private static void requireName(String name) throws IOException {
    if (!name.matches("[a-z0-9][a-z0-9.-]{0,62}")) {
      throw new IOException("'" + name + "' cannot be the name of a server; write for example k2");
    }
  }

  private static void requireEmpty(Path directory) throws IOException {
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
  }

  /**
   * Makes the directory of a further server over the same etcd: with a certificate by the same
   * authority, and an audit log of its own. It opens by the same passphrase or quorum.
   *
   * @param first the directory of a server that has the authority's key
   * @param passphrase of the authority's key; null if that is not encrypted
   */
  public static void join(
      ServerHome first,
      Path directory,
      String name,
      String host,
      int port,
      Set<String> names,
      @Nullable SecretBytes passphrase,
      Clock clock)
      throws IOException {
    requireName(name);
    EtcdSettings etcd = first.etcd();
    if (etcd == null) {
      throw new IOException(
          first.directory()
              + " has an embedded store, which one server has for itself; several need etcd:"
              + " 'coffer keyserver restore --etcd' moves a backup there");
    }
    if (name.equals(first.name())) {
      throw new IOException("the other server is called " + name + "; choose another name");
    }
    Path authorities = first.directory().resolve("ca");
    CertificateAuthority authority =
        passphrase == null
            ? CertificateAuthority.open(authorities, clock)
            : CertificateAuthority.open(authorities, passphrase, clock);
    requireEmpty(directory);
    boolean complete = false;
    try {
      new ServerHome(directory).fill(first, authority, etcd, name, host, port, names);
      complete = true;
    } finally {
      if (!complete) {
        ServerBackup.removeContents(directory);
      }
    }
  }

  private void fill(
      ServerHome first,
      CertificateAuthority authority,
      EtcdSettings etcd,
      String name,
      String host,
      int port,
      Set<String> names)
      throws IOException {
    DurableFiles.createPrivateDirectory(directory.resolve("ca"));
    for (String file : List.of("ca/ca.pem", "ca/crl.pem", "logins.json")) {
      if (Files.exists(first.directory().resolve(file))) {
        DurableFiles.writePublic(
            directory.resolve(file), Files.readAllBytes(first.directory().resolve(file)));
      }
    }
    EtcdSettings own = copyCertificates(etcd);
    write(
        "server",
        authority.issue(
            new Identity(Profile.SERVER, name),
            hosts(host, names),
            CertificateAuthority.DEFAULT_VALIDITY));
    writeAuditKey();
    writeSettings(name, host, port, own, Hardware.NONE);
  }

  /** The settings with the files that they name copied to here. */
  private EtcdSettings copyCertificates(EtcdSettings etcd) throws IOException {
    Path authority = etcd.authority();
    Path certificate = etcd.certificate();
    Path ownAuthority = null;
    Path ownCertificate = null;
    if (authority != null) {
      ownAuthority = directory.resolve("etcd-ca.pem");
      DurableFiles.writePublic(ownAuthority, Files.readAllBytes(authority));
    }
    if (certificate != null) {
      ownCertificate = directory.resolve("etcd.pem");
      DurableFiles.writePublic(ownCertificate, Files.readAllBytes(certificate));
      byte[] key = Files.readAllBytes(EtcdSettings.keyOf(certificate));
      DurableFiles.writePrivate(directory.resolve("etcd.key"), key);
      java.util.Arrays.fill(key, (byte) 0);
    }
    return new EtcdSettings(etcd.endpoints(), etcd.prefix(), ownAuthority, ownCertificate);
  }

  /** Written last: it marks a complete directory. */
  void writeSettings(
      String name, String host, int port, @Nullable EtcdSettings etcd, Hardware hardware)
      throws IOException {
    JsonObject json = new JsonObject().put("host", host).put("port", port);
    if (hardware.tpm() != null) {
      json.put("tpm", hardware.tpm());
    }
    Hardware.Pkcs11 token = hardware.pkcs11();
    if (token != null) {
      json.put(
          "pkcs11",
          new JsonObject()
              .put("library", token.library())
              .put("pin_file", token.pinFile())
              .put("pin_command", token.pinCommand()));
    }
    if (etcd != null) {
      json.put("name", name)
          .put(
              "etcd",
              new JsonObject()
                  .put("endpoints", etcd.endpoints().stream().map(URI::toString).toList())
                  .put("prefix", etcd.prefix())
                  .put("authority", etcd.authority() == null ? null : "etcd-ca.pem")
                  .put("certificate", etcd.certificate() == null ? null : "etcd.pem"));
    }
    DurableFiles.writePublic(directory.resolve("server.json"), json.toBytes());
  }

  /** Puts the store of a directory that was restored where it belongs. */
  EtcdSettings moveStore(EtcdSettings etcd) throws IOException {
    EtcdSettings own = copyCertificates(etcd);
    try (SqliteEngine source = SqliteEngine.open(store());
        EtcdEngine target = EtcdEngine.open(own, null)) {
      target.fill(source);
    }
    for (String suffix : List.of("", ".lock", "-wal", "-shm")) {
      Files.deleteIfExists(directory.resolve("store.db" + suffix));
    }
    return own;
  }

  private static Set<String> hosts(String host, Set<String> names) {
    Set<String> all = new java.util.LinkedHashSet<>(names);
    all.add("localhost");
    all.add("127.0.0.1");
    if (!host.equals("0.0.0.0") && !host.equals("::")) {
      all.add(host);
    }
    return all;
  }

  private void writeCertificates(
      String name, String host, Set<String> names, Opening opening, Clock clock)
      throws IOException {
    CertificateAuthority authority =
        CertificateAuthority.create(directory.resolve("ca"), "Coffer key service", clock);
    write(
        "server",
        authority.issue(
            new Identity(Profile.SERVER, name),
            hosts(host, names),
            CertificateAuthority.DEFAULT_VALIDITY));
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

  /** A directory that is being made. */
  static ServerHome at(Path directory) {
    return new ServerHome(directory);
  }

  public Path directory() {
    return directory;
  }

  public Path store() {
    return directory.resolve("store.db");
  }

  /**
   * Opens what holds the records.
   *
   * @param serving as a server that runs, and not only to read or write something
   */
  public Engine openEngine(boolean serving) throws IOException {
    EtcdSettings etcd = etcd();
    return etcd == null
        ? SqliteEngine.open(store())
        : EtcdEngine.open(etcd, serving ? name() : null);
  }

  /** Writes a consistent copy of the records, as the file of an embedded store. */
  void copyStore(Path target) throws IOException {
    EtcdSettings etcd = etcd();
    if (etcd == null) {
      SqliteEngine.copy(store(), target);
      return;
    }
    try (EtcdEngine engine = EtcdEngine.open(etcd, null)) {
      engine.backUp(target);
    }
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
    return settings(json -> new Listen(json.string("host"), (int) json.integer("port", 0, 65535)));
  }

  /** What the server is called among those that share a store. */
  public String name() throws IOException {
    return settings(json -> json.has("name") ? json.string("name") : "server");
  }

  /** Where its store is; null for an embedded one. */
  public @Nullable EtcdSettings etcd() throws IOException {
    return settings(json -> {
      if (!json.has("etcd")) {
        return null;
      }
      JsonObject etcd = json.object("etcd");
      etcd.allow("endpoints", "prefix", "authority", "certificate");
      String authority = etcd.optionalString("authority");
      String certificate = etcd.optionalString("certificate");
      return new EtcdSettings(
          etcd.strings("endpoints").stream().map(URI::create).toList(),
          etcd.string("prefix"),
          authority == null ? null : directory.resolve(authority),
          certificate == null ? null : directory.resolve(certificate));
    });
  }

  /** By what it opens itself. */
  public Hardware hardware() throws IOException {
    return settings(json -> {
      Hardware hardware = Hardware.NONE.withTpm(json.optionalString("tpm"));
      if (!json.has("pkcs11")) {
        return hardware;
      }
      JsonObject token = json.object("pkcs11");
      token.allow("library", "pin_file", "pin_command");
      return hardware.withPkcs11(
          new Hardware.Pkcs11(
              token.string("library"),
              token.optionalString("pin_file"),
              token.optionalString("pin_command")));
    });
  }

  /** Changes by what it opens itself. */
  void setHardware(Hardware hardware) throws IOException {
    writeSettings(name(), listen().host(), listen().port(), etcd(), hardware);
  }

  private interface Setting<T extends @Nullable Object> {
    T of(JsonObject json) throws JsonException;
  }

  private <T extends @Nullable Object> T settings(Setting<T> setting) throws IOException {
    Path file = directory.resolve("server.json");
    try {
      JsonObject json = JsonObject.parse(Files.readAllBytes(file), Set.of());
      json.allow("host", "port", "name", "etcd", "tpm", "pkcs11");
      return setting.of(json);
    } catch (JsonException | IllegalArgumentException e) {
      throw new IOException(file + " is malformed: " + e.getMessage(), e);
    }
  }
}
