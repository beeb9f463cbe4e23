package io.coffer.keyserver.ca;

import io.coffer.crypto.SecretBytes;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.cert.X509CRL;
import java.security.cert.X509CRLEntry;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x500.X500NameBuilder;
import org.bouncycastle.asn1.x500.style.BCStyle;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.CRLNumber;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509ExtensionUtils;
import org.bouncycastle.cert.X509v2CRLBuilder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.PKCSException;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequest;
import org.jspecify.annotations.Nullable;

/**
 * A certificate authority in a directory, for sites that have none: EC P-256, ECDSA with SHA-256,
 * X.509 v3 with a revocation list. Any other authority will do as well, if its certificates carry
 * {@link Identity} URIs.
 *
 * <pre>
 * ca.pem            its certificate
 * ca.key            its private key, PKCS #8, mode 600, encrypted if it was given a passphrase
 * crl.pem           its revocation list, replaced as a whole by each revocation
 * issued/SERIAL.pem each certificate it has issued
 * </pre>
 *
 * Issuing and revoking hold a lock on {@code .lock}, so that several processes may do so.
 */
public final class CertificateAuthority {
  /** How long a certificate is valid unless somebody says otherwise. */
  public static final Duration DEFAULT_VALIDITY = Duration.ofDays(365);

  /** Iterations of PBKDF2 for the passphrase that protects the authority's key. */
  public static final int DEFAULT_ITERATIONS = 600_000;

  private static final Duration AUTHORITY_VALIDITY = Duration.ofDays(3650);
  private static final Duration LIST_VALIDITY = Duration.ofDays(365);
  // Clocks of nodes differ; a certificate is valid a little before it was issued.
  private static final Duration SKEW = Duration.ofMinutes(5);
  private static final String SIGNATURE = "SHA256withECDSA";

  /** A certificate with the private key made for it. */
  public record Issued(X509Certificate certificate, PrivateKey key) {}

  /**
   * A certificate that was issued.
   *
   * @param identity null if it carries none
   * @param revokedAt null while it is not revoked
   */
  public record Listed(
      X509Certificate certificate, @Nullable Identity identity, @Nullable Instant revokedAt) {
    /** The serial number in hexadecimal, as file names and commands use it. */
    public String serial() {
      return serialOf(certificate);
    }
  }

  private final Path directory;
  private final Clock clock;
  private final X509Certificate certificate;
  private final PrivateKey key;

  private CertificateAuthority(
      Path directory, Clock clock, X509Certificate certificate, PrivateKey key) {
    this.directory = directory;
    this.clock = clock;
    this.certificate = certificate;
    this.key = key;
  }

  /**
   * Makes a new authority.
   *
   * @param name common name of its certificate, for people
   * @throws CertificateException if the directory already has one
   */
  public static CertificateAuthority create(Path directory, String name, Clock clock)
      throws IOException {
    if (name.isBlank() || name.length() > 64) {
      throw new CertificateException("the name of an authority has 1 to 64 characters");
    }
    DurableFiles.createPrivateDirectory(directory);
    DurableFiles.createPrivateDirectory(directory.resolve("issued"));
    try (var _ = lock(directory)) {
      if (Files.exists(directory.resolve("ca.key"))) {
        throw new CertificateException(
            directory + " already holds an authority; use 'coffer ca show' to look at it");
      }
      KeyPair pair = newKeyPair();
      X500Name subject = new X500NameBuilder(BCStyle.INSTANCE).addRDN(BCStyle.CN, name).build();
      Instant now = clock.instant();
      try {
        X509ExtensionUtils utils = new JcaX509ExtensionUtils();
        var builder =
            new JcaX509v3CertificateBuilder(
                    subject,
                    newSerial(),
                    Date.from(now.minus(SKEW)),
                    Date.from(now.plus(AUTHORITY_VALIDITY)),
                    subject,
                    pair.getPublic())
                .addExtension(Extension.basicConstraints, true, new BasicConstraints(0))
                .addExtension(
                    Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign))
                .addExtension(
                    Extension.subjectKeyIdentifier,
                    false,
                    utils.createSubjectKeyIdentifier(
                        org.bouncycastle.asn1.x509.SubjectPublicKeyInfo.getInstance(
                            pair.getPublic().getEncoded())));
        var authority =
            new CertificateAuthority(
                directory, clock, sign(builder, pair.getPrivate()), pair.getPrivate());
        authority.writeRevocationList(List.of(), BigInteger.ONE);
        DurableFiles.writePublic(
            directory.resolve("ca.pem"),
            Pem.encode("CERTIFICATE", authority.certificate.getEncoded()));
        // Last, because it is the key that makes the directory an authority.
        Pem.writePrivateKey(directory.resolve("ca.key"), pair.getPrivate());
        return authority;
      } catch (GeneralSecurityException e) {
        throw new CertificateException("cannot make the authority's certificate", e);
      }
    }
  }

  /**
   * Opens an authority.
   *
   * @throws CertificateException if there is none or its files are damaged
   */
  public static CertificateAuthority open(Path directory, Clock clock) throws IOException {
    checkExists(directory);
    if (isProtected(directory)) {
      throw new CertificateException(
          directory + "/ca.key is encrypted and needs its passphrase; give --passphrase-file");
    }
    return new CertificateAuthority(
        directory,
        clock,
        Pem.readCertificate(directory.resolve("ca.pem")),
        Pem.readPrivateKey(directory.resolve("ca.key"), "EC"));
  }

  /**
   * Opens an authority whose key is protected.
   *
   * @throws CertificateException if the passphrase is wrong
   */
  public static CertificateAuthority open(Path directory, SecretBytes passphrase, Clock clock)
      throws IOException {
    checkExists(directory);
    return new CertificateAuthority(
        directory,
        clock,
        Pem.readCertificate(directory.resolve("ca.pem")),
        Pem.readPrivateKey(directory.resolve("ca.key"), "EC", passphrase));
  }

  /** Is the authority's key encrypted? */
  public static boolean isProtected(Path directory) throws IOException {
    checkExists(directory);
    return Pem.isEncrypted(directory.resolve("ca.key"));
  }

  /**
   * Encrypts the authority's key under a passphrase, or under another one.
   *
   * @param iterations of PBKDF2, {@link #DEFAULT_ITERATIONS} but in tests
   */
  public void protect(SecretBytes passphrase, int iterations) throws IOException {
    try (var _ = lock(directory)) {
      EncryptedKeyFile.write(directory.resolve("ca.key"), key, passphrase, iterations);
    }
  }

  private static void checkExists(Path directory) throws CertificateException {
    if (!Files.exists(directory.resolve("ca.key"))) {
      throw new CertificateException(
          directory + " holds no authority; make one with 'coffer ca init " + directory + "'");
    }
  }

  /** The authority's own certificate. */
  public X509Certificate certificate() {
    return certificate;
  }

  /**
   * Issues a certificate for a new key.
   *
   * @param hosts DNS names and IP addresses that a server is reached by; empty for all others
   */
  public Issued issue(Identity identity, Set<String> hosts, Duration validity) throws IOException {
    KeyPair pair = newKeyPair();
    return new Issued(issue(identity, hosts, validity, pair.getPublic()), pair.getPrivate());
  }

  /**
   * Issues a certificate for a key that stays with its owner.
   *
   * @param request a PKCS #10 request in PEM; only its public key is used, and its signature must
   *     prove that the owner has the private key
   */
  public X509Certificate issue(
      Identity identity, Set<String> hosts, Duration validity, byte[] request) throws IOException {
    try {
      var parsed =
          new JcaPKCS10CertificationRequest(
              new PKCS10CertificationRequest(
                  Pem.decode("CERTIFICATE REQUEST", request, "the request")));
      PublicKey publicKey = parsed.getPublicKey();
      if (!parsed.isSignatureValid(new JcaContentVerifierProviderBuilder().build(publicKey))) {
        throw new CertificateException("the request's signature is wrong");
      }
      if (!(publicKey instanceof ECPublicKey ec)
          || ec.getParams().getCurve().getField().getFieldSize() != 256) {
        throw new CertificateException(
            "the request's key is not EC P-256; make one with"
                + " 'openssl ecparam -name prime256v1 -genkey -noout'");
      }
      return issue(identity, hosts, validity, publicKey);
    } catch (CertificateException e) {
      throw e;
    } catch (IOException
        | GeneralSecurityException
        | OperatorCreationException
        | PKCSException
        | RuntimeException e) {
      throw new CertificateException("the request is damaged: not PKCS #10", e);
    }
  }

  private X509Certificate issue(
      Identity identity, Set<String> hosts, Duration validity, PublicKey publicKey)
      throws IOException {
    boolean server = identity.profile() == Profile.SERVER;
    if (server == hosts.isEmpty()) {
      throw new CertificateException(
          server
              ? "a server's certificate needs the names or addresses it is reached by"
              : "only a server's certificate names hosts");
    }
    Instant now = clock.instant();
    Instant end = now.plus(validity);
    if (validity.isNegative() || validity.isZero()) {
      throw new CertificateException(
          "a certificate must be valid for some time; give at least one day");
    }
    if (end.isAfter(certificate.getNotAfter().toInstant())) {
      throw new CertificateException(
          "the certificate would outlive its authority, which ends "
              + certificate.getNotAfter().toInstant());
    }
    X500Name subject =
        new X500NameBuilder(BCStyle.INSTANCE)
            .addRDN(BCStyle.OU, identity.profile().label())
            .addRDN(BCStyle.CN, identity.name())
            .build();
    List<GeneralName> names = new ArrayList<>();
    names.add(new GeneralName(GeneralName.uniformResourceIdentifier, identity.uri()));
    for (String host : hosts) {
      names.add(hostName(host));
    }
    try (var _ = lock(directory)) {
      X509ExtensionUtils utils = new JcaX509ExtensionUtils();
      var publicInfo =
          org.bouncycastle.asn1.x509.SubjectPublicKeyInfo.getInstance(publicKey.getEncoded());
      var builder =
          new JcaX509v3CertificateBuilder(
                  certificate,
                  newSerial(),
                  Date.from(now.minus(SKEW)),
                  Date.from(end),
                  new javax.security.auth.x500.X500Principal(subject.getEncoded()),
                  publicKey)
              .addExtension(Extension.basicConstraints, true, new BasicConstraints(false))
              .addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature))
              .addExtension(
                  Extension.extendedKeyUsage,
                  false,
                  new ExtendedKeyUsage(
                      server ? KeyPurposeId.id_kp_serverAuth : KeyPurposeId.id_kp_clientAuth))
              .addExtension(
                  Extension.subjectKeyIdentifier,
                  false,
                  utils.createSubjectKeyIdentifier(publicInfo))
              .addExtension(
                  Extension.authorityKeyIdentifier,
                  false,
                  utils.createAuthorityKeyIdentifier(new JcaX509CertificateHolder(certificate)))
              .addExtension(
                  Extension.subjectAlternativeName,
                  false,
                  new GeneralNames(names.toArray(GeneralName[]::new)));
      X509Certificate issued = sign(builder, key);
      DurableFiles.writePublic(
          directory.resolve("issued").resolve(serialOf(issued) + ".pem"),
          Pem.encode("CERTIFICATE", issued.getEncoded()));
      return issued;
    } catch (GeneralSecurityException e) {
      throw new CertificateException("cannot make the certificate", e);
    }
  }

  /** Every certificate issued, the oldest first. */
  public List<Listed> list() throws IOException {
    return list(directory);
  }

  /** The certificates that the authority in a directory has issued; needs no key. */
  public static List<Listed> list(Path directory) throws IOException {
    checkExists(directory);
    X509CRL revocations = Pem.readRevocationList(directory.resolve("crl.pem"));
    List<Listed> all = new ArrayList<>();
    try (DirectoryStream<Path> files =
        Files.newDirectoryStream(directory.resolve("issued"), "*.pem")) {
      for (Path file : files) {
        X509Certificate issued = Pem.readCertificate(file);
        X509CRLEntry entry = revocations.getRevokedCertificate(issued.getSerialNumber());
        all.add(
            new Listed(
                issued,
                Identity.of(issued).orElse(null),
                entry == null ? null : entry.getRevocationDate().toInstant()));
      }
    }
    all.sort(
        Comparator.comparing((Listed l) -> l.certificate().getNotBefore())
            .thenComparing(Listed::serial));
    return all;
  }

  /**
   * Revokes certificates and writes the new revocation list.
   *
   * @param which a serial number in hexadecimal, or an identity, all of whose certificates are
   *     meant
   * @return those revoked now
   * @throws CertificateException if none matches that is not revoked already
   */
  public List<Listed> revoke(String which) throws IOException {
    try (var _ = lock(directory)) {
      String wanted = which.toLowerCase(Locale.ROOT);
      List<Listed> matching =
          list().stream()
              .filter(l ->
                  l.serial().equals(wanted)
                      || (l.identity() != null && l.identity().toString().equals(wanted)))
              .toList();
      if (matching.isEmpty()) {
        throw new CertificateException(
            "no certificate has the serial number or identity '"
                + which
                + "'; 'coffer ca list' shows them all");
      }
      List<Listed> revoked = matching.stream().filter(l -> l.revokedAt() == null).toList();
      if (revoked.isEmpty()) {
        throw new CertificateException("'" + which + "' is revoked already");
      }
      rewriteRevocationList(revoked);
      return revoked;
    }
  }

  /** Writes the revocation list anew, which also puts off the date when it has to be renewed. */
  public void renewRevocationList() throws IOException {
    try (var _ = lock(directory)) {
      rewriteRevocationList(List.of());
    }
  }

  private void rewriteRevocationList(List<Listed> added) throws IOException {
    X509CRL old = Pem.readRevocationList(directory.resolve("crl.pem"));
    List<RevokedSerial> all = new ArrayList<>();
    Set<? extends X509CRLEntry> entries = old.getRevokedCertificates();
    if (entries != null) {
      entries.forEach(e -> all.add(new RevokedSerial(e.getSerialNumber(), e.getRevocationDate())));
    }
    Date now = Date.from(clock.instant());
    added.forEach(l -> all.add(new RevokedSerial(l.certificate().getSerialNumber(), now)));
    BigInteger number;
    try {
      byte[] extension = old.getExtensionValue(Extension.cRLNumber.getId());
      number =
          CRLNumber.getInstance(
                  org.bouncycastle.asn1.ASN1OctetString.getInstance(extension).getOctets())
              .getCRLNumber()
              .add(BigInteger.ONE);
    } catch (RuntimeException e) {
      throw new CertificateException("crl.pem is damaged: it has no number", e);
    }
    writeRevocationList(all, number);
  }

  private record RevokedSerial(BigInteger serial, Date date) {}

  private void writeRevocationList(List<RevokedSerial> revoked, BigInteger number)
      throws IOException {
    try {
      Instant now = clock.instant();
      X500Name issuer = new JcaX509CertificateHolder(certificate).getSubject();
      var builder = new X509v2CRLBuilder(issuer, Date.from(now));
      builder.setNextUpdate(Date.from(now.plus(LIST_VALIDITY)));
      for (RevokedSerial entry : revoked) {
        builder.addCRLEntry(entry.serial(), entry.date(), CRLReason.unspecified);
      }
      builder.addExtension(
          Extension.authorityKeyIdentifier,
          false,
          new JcaX509ExtensionUtils().createAuthorityKeyIdentifier(certificate));
      builder.addExtension(Extension.cRLNumber, false, new CRLNumber(number));
      byte[] der = builder.build(signer(key)).getEncoded();
      DurableFiles.writePublic(directory.resolve("crl.pem"), Pem.encode("X509 CRL", der));
    } catch (GeneralSecurityException e) {
      throw new CertificateException("cannot make the revocation list", e);
    }
  }

  static String serialOf(X509Certificate certificate) {
    return String.format("%032x", certificate.getSerialNumber());
  }

  private static GeneralName hostName(String host) throws CertificateException {
    if (host.matches("[0-9.]+") || host.indexOf(':') >= 0) {
      try {
        return new GeneralName(GeneralName.iPAddress, host);
      } catch (IllegalArgumentException e) {
        throw new CertificateException("'" + host + "' is no IP address", e);
      }
    }
    if (!host.matches("[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")) {
      throw new CertificateException("'" + host + "' is no host name");
    }
    return new GeneralName(GeneralName.dNSName, host);
  }

  private static KeyPair newKeyPair() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks EC P-256", e);
    }
  }

  /** A positive serial number of 126 random bits: unguessable, as RFC 5280 asks for. */
  private static BigInteger newSerial() {
    return new BigInteger(126, new SecureRandom()).setBit(126);
  }

  private static X509Certificate sign(X509v3CertificateBuilder builder, PrivateKey key)
      throws GeneralSecurityException {
    return new JcaX509CertificateConverter().getCertificate(builder.build(signer(key)));
  }

  private static ContentSigner signer(PrivateKey key) throws GeneralSecurityException {
    try {
      return new JcaContentSignerBuilder(SIGNATURE).build(key);
    } catch (OperatorCreationException e) {
      throw new GeneralSecurityException("cannot sign with the authority's key", e);
    }
  }

  private static FileChannel lock(Path directory) throws IOException {
    FileChannel channel =
        FileChannel.open(
            directory.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      channel.lock();
      return channel;
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }
}
