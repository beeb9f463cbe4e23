package io.coffer.keyserver.ca;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CertificateAuthorityTest {
  private static final Duration DAY = Duration.ofDays(1);
  private static final Identity ALICE = Identity.parse("client:alice");

  @TempDir Path directory;
  private CertificateAuthority authority;
  private Path home;

  @BeforeEach
  void create() throws IOException {
    home = directory.resolve("ca");
    authority = CertificateAuthority.create(home, "Test authority", Clock.systemUTC());
  }

  private record Ran(int exit, String output) {}

  private Ran run(String... command) throws Exception {
    Process process =
        new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    return new Ran(process.waitFor(), output);
  }

  private Path issuedFile(CertificateAuthority.Issued issued) {
    return home.resolve("issued")
        .resolve(CertificateAuthority.serialOf(issued.certificate()) + ".pem");
  }

  @Nested
  class Issuing {
    @Test
    void aCertificateSatisfiesOpensslAndCarriesItsIdentity() throws Exception {
      var issued = authority.issue(ALICE, Set.of(), DAY);
      Ran verified =
          run(
              "openssl",
              "verify",
              "-x509_strict",
              "-purpose",
              "sslclient",
              "-crl_check",
              "-CAfile",
              "ca/ca.pem",
              "-CRLfile",
              "ca/crl.pem",
              issuedFile(issued).toString());
      assertEquals(0, verified.exit(), verified.output());
      assertEquals(Optional.of(ALICE), Identity.of(issued.certificate()));
    }

    @Test
    void aServersCertificateNamesItsHosts() throws Exception {
      var issued =
          authority.issue(
              Identity.parse("server:one"), Set.of("localhost", "127.0.0.1", "::1"), DAY);
      for (String[] words :
          new String[][] {{"-verify_hostname", "localhost"}, {"-verify_ip", "127.0.0.1"}}) {
        Ran verified =
            run(
                "openssl",
                "verify",
                "-purpose",
                "sslserver",
                words[0],
                words[1],
                "-CAfile",
                "ca/ca.pem",
                issuedFile(issued).toString());
        assertEquals(0, verified.exit(), verified.output());
      }
    }

    @Test
    void aClientsCertificateIsNoServersCertificate() throws Exception {
      var issued = authority.issue(ALICE, Set.of(), DAY);
      Ran verified =
          run(
              "openssl",
              "verify",
              "-purpose",
              "sslserver",
              "-CAfile",
              "ca/ca.pem",
              issuedFile(issued).toString());
      assertTrue(verified.exit() != 0, verified.output());
    }

    @Test
    void aRequestMadeByOpensslIsEnoughSoThatTheKeyStaysWithItsOwner() throws Exception {
      Ran made =
          run(
              "sh",
              "-c",
              "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
                  + " -keyout own.key -subj /CN=whatever -out own.csr");
      assertEquals(0, made.exit(), made.output());
      byte[] request = Files.readAllBytes(directory.resolve("own.csr"));
      var certificate = authority.issue(ALICE, Set.of(), DAY, request);
      assertEquals(Optional.of(ALICE), Identity.of(certificate));
      assertEquals("CN=alice,OU=client", certificate.getSubjectX500Principal().getName());
    }

    @Test
    void aDamagedOrForeignRequestIsRefused() throws Exception {
      run(
          "sh",
          "-c",
          "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout k"
              + " -subj /CN=x -outform DER -out own.der; openssl req -new -newkey rsa:2048 -nodes"
              + " -keyout k2 -subj /CN=x -out rsa.csr");
      byte[] der = Files.readAllBytes(directory.resolve("own.der"));
      der[der.length - 1] ^= 1;
      byte[] forged = Pem.encode("CERTIFICATE REQUEST", der);
      byte[] rsa = Files.readAllBytes(directory.resolve("rsa.csr"));
      for (byte[] bad : new byte[][] {forged, rsa, "nonsense".getBytes(UTF_8), new byte[0]}) {
        assertThrows(CertificateException.class, () -> authority.issue(ALICE, Set.of(), DAY, bad));
      }
    }

    @Test
    void badHostsValiditiesAndNamesAreRefused() {
      Identity server = Identity.parse("server:one");
      assertThrows(CertificateException.class, () -> authority.issue(server, Set.of(), DAY));
      assertThrows(
          CertificateException.class, () -> authority.issue(ALICE, Set.of("localhost"), DAY));
      for (String host : new String[] {"a b", "999.1.1.1", "-x", "a\nb", "*"}) {
        assertThrows(
            CertificateException.class, () -> authority.issue(server, Set.of(host), DAY), host);
      }
      assertThrows(
          CertificateException.class, () -> authority.issue(ALICE, Set.of(), Duration.ZERO));
      assertThrows(
          CertificateException.class,
          () -> authority.issue(ALICE, Set.of(), Duration.ofDays(100_000)));
      for (String bad :
          new String[] {"alice", "root:alice", "client:", "client:../x", "client:A"}) {
        assertThrows(IllegalArgumentException.class, () -> Identity.parse(bad), bad);
      }
    }
  }

  @Nested
  class Revoking {
    @Test
    void opensslSeesTheRevocation() throws Exception {
      var issued = authority.issue(ALICE, Set.of(), DAY);
      authority.issue(Identity.parse("client:bob"), Set.of(), DAY);
      assertEquals(1, authority.revoke("client:alice").size());
      Ran verified =
          run(
              "openssl",
              "verify",
              "-crl_check",
              "-CAfile",
              "ca/ca.pem",
              "-CRLfile",
              "ca/crl.pem",
              issuedFile(issued).toString());
      assertTrue(verified.output().contains("certificate revoked"), verified.output());
      assertEquals(1, authority.list().stream().filter(l -> l.revokedAt() != null).count());
    }

    @Test
    void everyRevocationKeepsTheEarlierOnes() throws Exception {
      authority.issue(ALICE, Set.of(), DAY);
      var bob = authority.issue(Identity.parse("client:bob"), Set.of(), DAY);
      authority.revoke("client:alice");
      authority.revoke(CertificateAuthority.serialOf(bob.certificate()));
      assertEquals(2, authority.list().stream().filter(l -> l.revokedAt() != null).count());
    }

    @Test
    void whatIsUnknownOrRevokedAlreadyIsRefused() throws Exception {
      authority.issue(ALICE, Set.of(), DAY);
      authority.revoke("client:alice");
      assertThrows(CertificateException.class, () -> authority.revoke("client:alice"));
      assertThrows(CertificateException.class, () -> authority.revoke("client:nobody"));
    }

    @Test
    void aNodeLearnsOfItWithoutRestart() throws Exception {
      var issued = authority.issue(ALICE, Set.of(), DAY);
      var trusted = new TrustedAuthority(authority.certificate(), home.resolve("crl.pem"));
      assertEquals(Optional.of(ALICE), trusted.accepts(issued.certificate()));
      authority.revoke("client:alice");
      Thread.sleep(TrustedAuthority.RELOAD_MILLIS + 50L);
      assertEquals(Optional.empty(), trusted.accepts(issued.certificate()));
    }

    @Test
    void aRevocationInTheSameTickOfTheClockIsSeen() throws Exception {
      var issued = authority.issue(ALICE, Set.of(), DAY);
      Path list = home.resolve("crl.pem");
      var time = Files.getLastModifiedTime(list);
      var trusted = new TrustedAuthority(authority.certificate(), list);
      authority.revoke("client:alice");
      Files.setLastModifiedTime(list, time);
      Thread.sleep(TrustedAuthority.RELOAD_MILLIS + 50L);
      assertEquals(Optional.empty(), trusted.accepts(issued.certificate()));
    }

    @Test
    void aListSignedByAnotherAuthorityIsRefused() throws Exception {
      Path other = directory.resolve("other");
      CertificateAuthority.create(other, "Other", Clock.systemUTC());
      assertThrows(
          CertificateException.class,
          () -> new TrustedAuthority(authority.certificate(), other.resolve("crl.pem")));
    }
  }

  @Nested
  class TheDirectory {
    @Test
    void theKeyIsReadableByItsOwnerOnly() throws Exception {
      assertEquals(
          "rw-------",
          PosixFilePermissions.toString(Files.getPosixFilePermissions(home.resolve("ca.key"))));
    }

    @Test
    void aSecondAuthorityInTheSamePlaceIsRefused() {
      assertThrows(
          CertificateException.class,
          () -> CertificateAuthority.create(home, "Again", Clock.systemUTC()));
    }

    @Test
    void reopeningGivesTheSameAuthority() throws Exception {
      var reopened = CertificateAuthority.open(home, Clock.systemUTC());
      assertEquals(authority.certificate(), reopened.certificate());
      reopened.issue(ALICE, Set.of(), DAY);
      assertEquals(1, authority.list().size());
    }

    @Test
    void aProtectedKeyOpensOnlyWithItsPassphraseHereAndInOpenssl() throws Exception {
      try (SecretBytes good = SecretBytes.copyOf("good passphrase".getBytes(UTF_8));
          SecretBytes bad = SecretBytes.copyOf("bad passphrase".getBytes(UTF_8))) {
        authority.protect(good, 1000);
        assertTrue(CertificateAuthority.isProtected(home));
        assertThrows(
            CertificateException.class, () -> CertificateAuthority.open(home, Clock.systemUTC()));
        assertThrows(
            CertificateException.class,
            () -> CertificateAuthority.open(home, bad, Clock.systemUTC()));
        var reopened = CertificateAuthority.open(home, good, Clock.systemUTC());
        reopened.issue(ALICE, Set.of(), DAY);
      }
      for (String passphrase : new String[] {"good passphrase", "bad passphrase"}) {
        Process openssl =
            new ProcessBuilder(
                    "openssl",
                    "pkey",
                    "-in",
                    home.resolve("ca.key").toString(),
                    "-noout",
                    "-passin",
                    "pass:" + passphrase)
                .redirectErrorStream(true)
                .start();
        openssl.getInputStream().readAllBytes();
        assertEquals(passphrase.startsWith("good"), openssl.waitFor() == 0);
      }
    }

    @Test
    void aDamagedKeyIsNamed() throws Exception {
      Files.writeString(
          home.resolve("ca.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
      CertificateException refused =
          assertThrows(
              CertificateException.class, () -> CertificateAuthority.open(home, Clock.systemUTC()));
      assertTrue(String.valueOf(refused.getMessage()).contains("ca.key"));
    }
  }
}
