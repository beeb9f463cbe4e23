package io.coffer.crypto;

import java.util.Arrays;
import javax.crypto.SecretKey;

/**
 * A key for the JDK's ciphers that, unlike {@link javax.crypto.spec.SecretKeySpec}, can be wiped.
 */
final class WipeableKey implements SecretKey {
  private static final long serialVersionUID = 1L;

  private final String algorithm;
  private final transient byte[] bytes;
  private volatile boolean destroyed;

  /** Copies the first {@code length} bytes at {@code position}. */
  WipeableKey(String algorithm, byte[] bytes, int position, int length) {
    this.algorithm = algorithm;
    this.bytes = Arrays.copyOfRange(bytes, position, position + length);
  }

  @Override
  public String getAlgorithm() {
    return algorithm;
  }

  @Override
  public String getFormat() {
    return "RAW";
  }

  @Override
  public byte[] getEncoded() {
    if (destroyed) {
      throw new IllegalStateException("the key has been wiped");
    }
    return bytes.clone();
  }

  @Override
  public void destroy() {
    destroyed = true;
    Arrays.fill(bytes, (byte) 0);
  }

  @Override
  public boolean isDestroyed() {
    return destroyed;
  }
}
