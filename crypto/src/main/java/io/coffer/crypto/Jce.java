package io.coffer.crypto;

import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.spec.AlgorithmParameterSpec;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import org.jspecify.annotations.Nullable;

/** The JDK's ciphers without checked exceptions that cannot happen with correct parameters. */
final class Jce {
  static {
    Providers.putCiphersFirst();
  }

  private Jce() {}

  static Cipher cipher(String transformation) {
    try {
      return Cipher.getInstance(transformation);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks " + transformation, e);
    }
  }

  static Mac mac(String name) {
    try {
      return Mac.getInstance(name);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime lacks " + name, e);
    }
  }

  static Cipher cipher(
      String transformation, int mode, Key key, @Nullable AlgorithmParameterSpec parameters) {
    Cipher cipher = cipher(transformation);
    init(cipher, mode, key, parameters);
    return cipher;
  }

  static void init(Cipher cipher, int mode, Key key, @Nullable AlgorithmParameterSpec parameters) {
    try {
      if (parameters == null) {
        cipher.init(mode, key);
      } else {
        cipher.init(mode, key, parameters);
      }
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("cannot initialise " + cipher.getAlgorithm(), e);
    }
  }

  /**
   * {@link Cipher#doFinal} of a cipher that cannot fail on its input. In place it works, too, but
   * then the JDK copies the input into a new array.
   */
  static int apply(
      Cipher cipher, byte[] in, int position, int length, byte[] out, int outPosition) {
    try {
      return cipher.doFinal(in, position, length, out, outPosition);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(cipher.getAlgorithm() + " failed", e);
    }
  }
}
