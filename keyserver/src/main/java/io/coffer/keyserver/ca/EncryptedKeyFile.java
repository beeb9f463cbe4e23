package io.coffer.keyserver.ca;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.PBEParameterSpec;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.pkcs.EncryptedPrivateKeyInfo;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;

/**
 * Private keys that are written encrypted; {@link Pem} reads them. Apart from it because this needs
 * Bouncy Castle, which is not on the class path of those who only read: the clients of a key
 * service.
 */
public final class EncryptedKeyFile {
  private EncryptedKeyFile() {}

  /**
   * Writes a private key for its owner only (mode 600), encrypted under a passphrase: PKCS #8 with
   * PBES2 (RFC 8018) of PBKDF2 with HMAC-SHA-256 and AES-256-CBC, which OpenSSL reads as well.
   */
  public static void write(Path file, PrivateKey key, SecretBytes passphrase, int iterations)
      throws IOException {
    PBEKeySpec spec = Pem.keySpec(passphrase);
    try {
      byte[] salt = RandomBytes.of(16);
      byte[] iv = RandomBytes.of(16);
      PBEParameterSpec parameters = new PBEParameterSpec(salt, iterations, new IvParameterSpec(iv));
      Cipher cipher = Cipher.getInstance(Pem.PBES2);
      cipher.init(
          Cipher.ENCRYPT_MODE,
          SecretKeyFactory.getInstance(Pem.PBES2).generateSecret(spec),
          parameters);
      byte[] der = key.getEncoded();
      try {
        AlgorithmIdentifier algorithm =
            new AlgorithmIdentifier(
                PKCSObjectIdentifiers.id_PBES2,
                ASN1Primitive.fromByteArray(cipher.getParameters().getEncoded()));
        byte[] info = new EncryptedPrivateKeyInfo(algorithm, cipher.doFinal(der)).getEncoded();
        DurableFiles.writePrivate(file, Pem.encode("ENCRYPTED PRIVATE KEY", info));
      } finally {
        Arrays.fill(der, (byte) 0);
      }
    } catch (GeneralSecurityException e) {
      throw new CertificateException("this Java runtime lacks " + Pem.PBES2, e);
    } finally {
      spec.clearPassword();
    }
  }
}
