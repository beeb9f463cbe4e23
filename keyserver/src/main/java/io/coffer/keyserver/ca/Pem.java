package io.coffer.keyserver.ca;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.coffer.crypto.SecretBytes;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CRLException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import javax.crypto.Cipher;
import javax.crypto.EncryptedPrivateKeyInfo;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;

/**
 * Textual encodings of certificates, revocation lists and keys (RFC 7468). The text of a private
 * key never becomes a String.
 */
public final class Pem {
  static final String PBES2 = "PBEWithHmacSHA256AndAES_256";
  private static final long MAX_FILE_BYTES = 1 << 20;

  private Pem() {}

  /** Encodes one object, for example with the label CERTIFICATE. The caller wipes keys. */
  public static byte[] encode(String label, byte[] der) {
    byte[] body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encode(der);
    byte[] begin = ("-----BEGIN " + label + "-----\n").getBytes(StandardCharsets.US_ASCII);
    byte[] end = ("\n-----END " + label + "-----\n").getBytes(StandardCharsets.US_ASCII);
    byte[] pem = Arrays.copyOf(begin, begin.length + body.length + end.length);
    System.arraycopy(body, 0, pem, begin.length, body.length);
    System.arraycopy(end, 0, pem, begin.length + body.length, end.length);
    Arrays.fill(body, (byte) 0);
    return pem;
  }

  /**
   * Decodes the first object with a label.
   *
   * @throws CertificateException if there is none or it is damaged
   */
  public static byte[] decode(String label, byte[] pem, String origin) throws CertificateException {
    byte[] begin = ("-----BEGIN " + label + "-----").getBytes(StandardCharsets.US_ASCII);
    byte[] end = ("-----END " + label + "-----").getBytes(StandardCharsets.US_ASCII);
    int start = indexOf(pem, begin, 0);
    int stop = start < 0 ? -1 : indexOf(pem, end, start + begin.length);
    if (stop < 0) {
      throw new CertificateException(origin + " holds no PEM object '" + label + "'");
    }
    byte[] body = Arrays.copyOfRange(pem, start + begin.length, stop);
    try {
      return Base64.getMimeDecoder().decode(body);
    } catch (IllegalArgumentException e) {
      throw new CertificateException(origin + " is damaged: not base64", e);
    } finally {
      Arrays.fill(body, (byte) 0);
    }
  }

  /** Reads a certificate file. */
  public static X509Certificate readCertificate(Path file) throws IOException {
    return certificate(decode("CERTIFICATE", read(file), file.toString()), file.toString());
  }

  static X509Certificate certificate(byte[] der, String origin) throws CertificateException {
    try {
      return (X509Certificate)
          CertificateFactory.getInstance("X.509")
              .generateCertificate(new ByteArrayInputStream(der));
    } catch (java.security.cert.CertificateException e) {
      throw new CertificateException(origin + " is damaged: not an X.509 certificate", e);
    }
  }

  /** Reads a certificate revocation list. */
  public static X509CRL readRevocationList(Path file) throws IOException {
    byte[] der = decode("X509 CRL", read(file), file.toString());
    try {
      return (X509CRL)
          CertificateFactory.getInstance("X.509").generateCRL(new ByteArrayInputStream(der));
    } catch (java.security.cert.CertificateException | CRLException e) {
      throw new CertificateException(file + " is damaged: not an X.509 revocation list", e);
    }
  }

  /**
   * Reads a private key (PKCS #8, not encrypted).
   *
   * @param algorithm EC or Ed25519
   */
  public static PrivateKey readPrivateKey(Path file, String algorithm) throws IOException {
    byte[] pem = read(file);
    byte[] der = decode("PRIVATE KEY", pem, file.toString());
    try {
      return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der));
    } catch (GeneralSecurityException e) {
      throw new CertificateException(file + " is damaged: not an " + algorithm + " key", e);
    } finally {
      Arrays.fill(der, (byte) 0);
      Arrays.fill(pem, (byte) 0);
    }
  }

  /** Writes a private key for its owner only (mode 600). */
  public static void writePrivateKey(Path file, PrivateKey key) throws IOException {
    byte[] der = key.getEncoded();
    byte[] pem = encode("PRIVATE KEY", der);
    try {
      DurableFiles.writePrivate(file, pem);
    } finally {
      Arrays.fill(der, (byte) 0);
      Arrays.fill(pem, (byte) 0);
    }
  }

  /** Is the private key in a file encrypted (PKCS #8, PBES2)? */
  public static boolean isEncrypted(Path file) throws IOException {
    byte[] pem = read(file);
    try {
      return indexOf(pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----".getBytes(US_ASCII), 0) >= 0;
    } finally {
      Arrays.fill(pem, (byte) 0);
    }
  }

  /**
   * Reads an encrypted private key.
   *
   * @throws CertificateException if the passphrase is wrong or the file damaged
   */
  public static PrivateKey readPrivateKey(Path file, String algorithm, SecretBytes passphrase)
      throws IOException {
    byte[] der = decode("ENCRYPTED PRIVATE KEY", read(file), file.toString());
    PBEKeySpec spec = keySpec(passphrase);
    try {
      EncryptedPrivateKeyInfo info = new EncryptedPrivateKeyInfo(der);
      Cipher cipher = Cipher.getInstance(PBES2);
      cipher.init(
          Cipher.DECRYPT_MODE,
          SecretKeyFactory.getInstance(PBES2).generateSecret(spec),
          info.getAlgParameters());
      byte[] plain = cipher.doFinal(info.getEncryptedData());
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(plain));
      } finally {
        Arrays.fill(plain, (byte) 0);
      }
    } catch (IOException | GeneralSecurityException e) {
      throw new CertificateException(
          "the passphrase is wrong, or "
              + file
              + " is damaged; give the one that the key server has",
          e);
    } finally {
      spec.clearPassword();
    }
  }

  static PBEKeySpec keySpec(SecretBytes passphrase) {
    return passphrase.read(bytes -> {
      char[] text = new char[bytes.length];
      try {
        // The runtime takes the low byte of each character: the bytes go through as they are.
        for (int i = 0; i < bytes.length; i++) {
          text[i] = (char) (bytes[i] & 0xff);
        }
        return new PBEKeySpec(text);
      } finally {
        Arrays.fill(text, '\0');
      }
    });
  }

  static byte[] read(Path file) throws IOException {
    try {
      if (Files.size(file) > MAX_FILE_BYTES) {
        throw new CertificateException(file + " is too large for a key or certificate");
      }
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new CertificateException(file + " does not exist", e);
    }
  }

  /** PEM text of something public. */
  static String text(String label, byte[] der) {
    CharBuffer text = StandardCharsets.US_ASCII.decode(ByteBuffer.wrap(encode(label, der)));
    return text.toString();
  }

  private static int indexOf(byte[] text, byte[] wanted, int from) {
    for (int i = from; i <= text.length - wanted.length; i++) {
      if (Arrays.equals(text, i, i + wanted.length, wanted, 0, wanted.length)) {
        return i;
      }
    }
    return -1;
  }
}
