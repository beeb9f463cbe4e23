package io.coffer.keyserver.ca;

import java.io.IOException;
import java.math.BigInteger;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.SignatureException;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.X509CRL;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/**
 * The authority that one end of a connection trusts: it accepts the certificates that this
 * authority issued, that are valid now, that carry an identity of an expected profile and that the
 * revocation list does not name. The list is read again when its file changes, at most once in
 * {@value #RELOAD_MILLIS} ms; {@link #accepts} applies it also to connections that already stand.
 *
 * <p>Thread-safe.
 */
public final class TrustedAuthority {
  /** How old the knowledge of the revocation list may be. */
  public static final int RELOAD_MILLIS = 500;

  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");

  private final X509Certificate authority;
  private final @Nullable Path revocationFile;
  private final X509ExtendedTrustManager pkix;

  private @Nullable Version listVersion;
  private long checkedNanos;
  private volatile Set<BigInteger> revoked = Set.of();

  /**
   * @param revocationFile revocation list in PEM; null checks none, which suits a client that talks
   *     to one known server
   */
  public TrustedAuthority(X509Certificate authority, @Nullable Path revocationFile)
      throws IOException {
    this.authority = authority;
    this.revocationFile = revocationFile;
    this.pkix = pkix(authority);
    if (revocationFile != null) {
      listVersion = Version.of(revocationFile);
      revoked = read(revocationFile);
      checkedNanos = System.nanoTime();
    }
  }

  /** Does the certificate still stand: issued by the authority, with an identity, not revoked? */
  public Optional<Identity> accepts(X509Certificate certificate) {
    refresh();
    return revoked.contains(certificate.getSerialNumber())
        ? Optional.empty()
        : Identity.of(certificate);
  }

  /** Has the certificate of this number been revoked? */
  public boolean isRevoked(BigInteger serial) {
    refresh();
    return revoked.contains(serial);
  }

  /**
   * A TLS 1.3 context of a node that shows its certificate and expects the other end to show one of
   * the given profiles.
   *
   * @throws CertificateException if another authority has issued the certificate
   */
  public SSLContext context(X509Certificate own, PrivateKey key, Set<Profile> expected)
      throws CertificateException {
    if (!own.getIssuerX500Principal().equals(authority.getSubjectX500Principal())) {
      throw new CertificateException(
          "the certificate of "
              + own.getSubjectX500Principal().getName()
              + " was not issued by the authority "
              + authority.getSubjectX500Principal().getName()
              + " but by "
              + own.getIssuerX500Principal().getName()
              + "; name the certificate of the authority of both (ca.pem), or have one issued by"
              + " it");
    }
    try {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      char[] none = new char[0];
      store.setKeyEntry("own", key, none, new X509Certificate[] {own, authority});
      KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
      keys.init(store, none);
      SSLContext context = SSLContext.getInstance("TLSv1.3");
      context.init(
          keys.getKeyManagers(),
          new TrustManager[] {new IdentityTrust(Set.copyOf(expected))},
          null);
      return context;
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalStateException("this Java runtime cannot do TLS 1.3", e);
    }
  }

  private synchronized void refresh() {
    Path file = revocationFile;
    long now = System.nanoTime();
    if (file == null || now - checkedNanos < RELOAD_MILLIS * 1_000_000L) {
      return;
    }
    checkedNanos = now;
    try {
      Version version = Version.of(file);
      if (!version.equals(listVersion)) {
        revoked = read(file);
        listVersion = version;
      }
    } catch (IOException e) {
      // What was revoked stays revoked; the operator has to repair the file.
      LOG.log(System.Logger.Level.ERROR, "the revocation list cannot be read: {0}", e.getMessage());
    }
  }

  private Set<BigInteger> read(Path file) throws IOException {
    X509CRL list = Pem.readRevocationList(file);
    try {
      list.verify(authority.getPublicKey());
    } catch (SignatureException e) {
      throw new CertificateException(file + " was not signed by the trusted authority", e);
    } catch (GeneralSecurityException e) {
      throw new CertificateException(file + " cannot be verified", e);
    }
    if (list.getNextUpdate() != null
        && list.getNextUpdate().toInstant().isBefore(java.time.Instant.now())) {
      LOG.log(
          System.Logger.Level.WARNING,
          "the revocation list {0} should have been renewed by {1}; run ''coffer ca renew-list''",
          file,
          list.getNextUpdate().toInstant());
    }
    var entries = list.getRevokedCertificates();
    return entries == null
        ? Set.of()
        : entries.stream()
            .map(java.security.cert.X509CRLEntry::getSerialNumber)
            .collect(Collectors.toCollection(HashSet::new));
  }

  private static X509ExtendedTrustManager pkix(X509Certificate authority) throws IOException {
    try {
      KeyStore anchors = KeyStore.getInstance("PKCS12");
      anchors.load(null, null);
      anchors.setCertificateEntry("authority", authority);
      var parameters = new PKIXBuilderParameters(anchors, new X509CertSelector());
      parameters.setRevocationEnabled(false); // done here, without asking the network
      TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
      factory.init(new CertPathTrustManagerParameters(parameters));
      for (TrustManager manager : factory.getTrustManagers()) {
        if (manager instanceof X509ExtendedTrustManager extended) {
          return extended;
        }
      }
      throw new IllegalStateException("this Java runtime lacks a PKIX trust manager");
    } catch (GeneralSecurityException e) {
      throw new CertificateException("the authority's certificate cannot be trusted", e);
    }
  }

  /**
   * What tells one version of the list from another without reading it. The time alone does not:
   * two versions can be written in one tick of the clock by which the kernel dates files (1 to 10
   * ms), and the later one would never be seen.
   *
   * @param key device and inode; another one after the list was replaced
   * @param size in bytes; larger after a revocation that wrote the file in place
   */
  private record Version(Object key, FileTime time, long size) {
    static Version of(Path file) throws IOException {
      var attributes = Files.readAttributes(file, BasicFileAttributes.class);
      return new Version(attributes.fileKey(), attributes.lastModifiedTime(), attributes.size());
    }
  }

  /** PKIX with the one authority, then identity and revocation. */
  private final class IdentityTrust extends X509ExtendedTrustManager {
    private final Set<Profile> expected;

    IdentityTrust(Set<Profile> expected) {
      this.expected = expected;
    }

    private void check(X509Certificate[] chain) throws java.security.cert.CertificateException {
      Identity identity =
          accepts(chain[0])
              .orElseThrow(() ->
                  new java.security.cert.CertificateException(
                      "the certificate is revoked or carries no identity"));
      if (!expected.contains(identity.profile())) {
        throw new java.security.cert.CertificateException(
            "a certificate of the profile " + identity.profile().label() + " is not accepted here");
      }
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket)
        throws java.security.cert.CertificateException {
      pkix.checkClientTrusted(chain, type, socket);
      check(chain);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine)
        throws java.security.cert.CertificateException {
      pkix.checkClientTrusted(chain, type, engine);
      check(chain);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type)
        throws java.security.cert.CertificateException {
      pkix.checkClientTrusted(chain, type);
      check(chain);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket)
        throws java.security.cert.CertificateException {
      pkix.checkServerTrusted(chain, type, socket);
      check(chain);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine)
        throws java.security.cert.CertificateException {
      pkix.checkServerTrusted(chain, type, engine);
      check(chain);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type)
        throws java.security.cert.CertificateException {
      pkix.checkServerTrusted(chain, type);
      check(chain);
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return pkix.getAcceptedIssuers();
    }
  }
}
