package io.coffer.keyserver.ca;

import io.coffer.crypto.SecretBytes;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.Arrays;

/**
 * Certificate and key in one file under a password (PKCS #12, RFC 7292; AES-256-CBC and
 * HMAC-SHA-256, the JDK's choice), as browsers and operating systems import it.
 */
public final class Pkcs12 {
  private Pkcs12() {}

  /**
   * Encodes a certificate and its key.
   *
   * @param password UTF-8
   */
  public static byte[] encode(X509Certificate certificate, PrivateKey key, SecretBytes password)
      throws IOException {
    char[] characters = password.read(Pkcs12::decode);
    try {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      String name = Identity.of(certificate).map(Identity::toString).orElse("coffer");
      store.setKeyEntry(name, key, characters, new Certificate[] {certificate});
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      store.store(out, characters);
      return out.toByteArray();
    } catch (GeneralSecurityException e) {
      throw new IOException("certificate and key cannot be put together: " + e.getMessage(), e);
    } finally {
      Arrays.fill(characters, '\0');
    }
  }

  private static char[] decode(byte[] utf8) throws IOException {
    CharBuffer decoded;
    try {
      decoded = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8));
    } catch (CharacterCodingException e) {
      throw new IOException("the password is no UTF-8", e);
    }
    char[] exact = new char[decoded.remaining()];
    decoded.get(exact);
    Arrays.fill(decoded.array(), '\0');
    return exact;
  }
}
