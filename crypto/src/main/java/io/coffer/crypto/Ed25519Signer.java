package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.interfaces.EdECPrivateKey;
import java.util.Arrays;

/**
 * Signs with an Ed25519 key (RFC 8032): by the system's libcrypto if it gives the same signature of
 * a known message as Java, which takes some twenty times as long, else by Java. Thread-safe.
 */
public final class Ed25519Signer implements AutoCloseable {
  /** {@code EVP_PKEY_ED25519} of openssl/evp.h. */
  private static final int ED25519 = 1087;

  private static final int SIGNATURE_BYTES = 64;
  private static final int CHECKED_BYTES = 100;

  private final PrivateKey key;

  /** The key in libcrypto; 0 where Java signs. */
  private long nativeKey;

  private Ed25519Signer(PrivateKey key) {
    this.key = key;
  }

  /**
   * A signer.
   *
   * @param key an Ed25519 key of the JDK, which must stay usable
   */
  public static Ed25519Signer of(PrivateKey key) throws GeneralSecurityException {
    Ed25519Signer signer = new Ed25519Signer(key);
    byte[] message = RuntimeCheck.pattern(CHECKED_BYTES, 5);
    if (ContentCiphers.isNativeWanted()
        && LibCrypto.isPresent()
        && key instanceof EdECPrivateKey raw) {
      byte[] expected = signer.sign(message);
      signer.nativeKey = load(raw);
      if (!agrees(signer, message, expected)) {
        signer.close();
      }
    }
    return signer;
  }

  private static boolean agrees(Ed25519Signer signer, byte[] message, byte[] expected)
      throws GeneralSecurityException {
    try {
      return Arrays.equals(expected, signer.sign(message));
    } catch (SignatureException e) {
      return false;
    }
  }

  private static long load(EdECPrivateKey key) {
    byte[] bytes = key.getBytes().orElse(new byte[0]);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment copy = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
      long loaded = LibCrypto.loadPrivateKey(ED25519, copy);
      copy.fill((byte) 0);
      return loaded;
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  /** Signs; 64 bytes. */
  public synchronized byte[] sign(byte[] message) throws GeneralSecurityException {
    if (nativeKey == 0) {
      Signature signature = Signature.getInstance("Ed25519");
      signature.initSign(key);
      signature.update(message);
      return signature.sign();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment made = arena.allocate(SIGNATURE_BYTES);
      if (!LibCrypto.sign(nativeKey, arena.allocateFrom(ValueLayout.JAVA_BYTE, message), made)) {
        throw new SignatureException("libcrypto does not sign");
      }
      return made.toArray(ValueLayout.JAVA_BYTE);
    }
  }

  /** Wipes libcrypto's copy of the key; after that, Java signs. */
  @Override
  public synchronized void close() {
    if (nativeKey != 0) {
      LibCrypto.freePrivateKey(nativeKey);
      nativeKey = 0;
    }
  }
}
