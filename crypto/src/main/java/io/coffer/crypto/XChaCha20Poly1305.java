package io.coffer.crypto;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;

/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): {@code nonce24 || ciphertext || tag16}.
 * HChaCha20 turns the key and the nonce's first 16 bytes into a key for the JDK's ChaCha20-Poly1305
 * (RFC 8439), whose nonce is four zero bytes and the remaining eight.
 */
public final class XChaCha20Poly1305 extends HeapAead {
  private static final int NONCE_BYTES = 24;
  private static final int KEY_BYTES = 32;
  private static final VarHandle INT_LE =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private final WipeableKey key;

  @SuppressWarnings("ThreadLocalUsage") // one per key; a volume has one, and few volumes are open
  private final ThreadLocal<Cipher> ciphers =
      ThreadLocal.withInitial(() -> Jce.cipher("ChaCha20-Poly1305"));

  /** {@code key}: 32 bytes, copied. */
  public XChaCha20Poly1305(byte[] key) {
    if (key.length != KEY_BYTES) {
      throw new IllegalArgumentException("XChaCha20 key of " + key.length + " bytes");
    }
    this.key = new WipeableKey("ChaCha20", key, 0, KEY_BYTES);
  }

  @Override
  public int nonceBytes() {
    return NONCE_BYTES;
  }

  @Override
  public int seal(
      byte[] associated,
      byte[] plain,
      int plainPosition,
      int plainBytes,
      byte[] sealed,
      int position) {
    Cipher cipher = start(Cipher.ENCRYPT_MODE, associated, sealed, position);
    return NONCE_BYTES
        + Jce.apply(cipher, plain, plainPosition, plainBytes, sealed, position + NONCE_BYTES);
  }

  @Override
  public boolean open(
      byte[] associated,
      byte[] sealed,
      int position,
      int sealedBytes,
      byte[] plain,
      int plainPosition) {
    if (sealedBytes < overheadBytes()) {
      return false;
    }
    Cipher cipher = start(Cipher.DECRYPT_MODE, associated, sealed, position);
    try {
      cipher.doFinal(
          sealed, position + NONCE_BYTES, sealedBytes - NONCE_BYTES, plain, plainPosition);
      return true;
    } catch (AEADBadTagException e) {
      return false;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("ChaCha20-Poly1305 failed", e);
    }
  }

  private Cipher start(int mode, byte[] associated, byte[] nonce, int position) {
    byte[] main = key.getEncoded();
    byte[] sub = hChaCha20(main, nonce, position);
    Arrays.fill(main, (byte) 0);
    byte[] tail = new byte[12];
    System.arraycopy(nonce, position + 16, tail, 4, 8);
    WipeableKey subKey = new WipeableKey("ChaCha20", sub, 0, KEY_BYTES);
    Arrays.fill(sub, (byte) 0);
    Cipher cipher = ciphers.get();
    Jce.init(cipher, mode, subKey, new IvParameterSpec(tail));
    subKey.destroy();
    cipher.updateAAD(associated);
    return cipher;
  }

  /** HChaCha20 (section 2.2 of the draft) of a key and 16 bytes at {@code position}. */
  static byte[] hChaCha20(byte[] key, byte[] nonce, int position) {
    int x0 = 0x61707865;
    int x1 = 0x3320646e;
    int x2 = 0x79622d32;
    int x3 = 0x6b206574;
    int x4 = (int) INT_LE.get(key, 0);
    int x5 = (int) INT_LE.get(key, 4);
    int x6 = (int) INT_LE.get(key, 8);
    int x7 = (int) INT_LE.get(key, 12);
    int x8 = (int) INT_LE.get(key, 16);
    int x9 = (int) INT_LE.get(key, 20);
    int x10 = (int) INT_LE.get(key, 24);
    int x11 = (int) INT_LE.get(key, 28);
    int x12 = (int) INT_LE.get(nonce, position);
    int x13 = (int) INT_LE.get(nonce, position + 4);
    int x14 = (int) INT_LE.get(nonce, position + 8);
    int x15 = (int) INT_LE.get(nonce, position + 12);
    for (int i = 0; i < 10; i++) {
      x0 += x4;
      x12 = Integer.rotateLeft(x12 ^ x0, 16);
      x8 += x12;
      x4 = Integer.rotateLeft(x4 ^ x8, 12);
      x0 += x4;
      x12 = Integer.rotateLeft(x12 ^ x0, 8);
      x8 += x12;
      x4 = Integer.rotateLeft(x4 ^ x8, 7);

      x1 += x5;
      x13 = Integer.rotateLeft(x13 ^ x1, 16);
      x9 += x13;
      x5 = Integer.rotateLeft(x5 ^ x9, 12);
      x1 += x5;
      x13 = Integer.rotateLeft(x13 ^ x1, 8);
      x9 += x13;
      x5 = Integer.rotateLeft(x5 ^ x9, 7);

      x2 += x6;
      x14 = Integer.rotateLeft(x14 ^ x2, 16);
      x10 += x14;
      x6 = Integer.rotateLeft(x6 ^ x10, 12);
      x2 += x6;
      x14 = Integer.rotateLeft(x14 ^ x2, 8);
      x10 += x14;
      x6 = Integer.rotateLeft(x6 ^ x10, 7);

      x3 += x7;
      x15 = Integer.rotateLeft(x15 ^ x3, 16);
      x11 += x15;
      x7 = Integer.rotateLeft(x7 ^ x11, 12);
      x3 += x7;
      x15 = Integer.rotateLeft(x15 ^ x3, 8);
      x11 += x15;
      x7 = Integer.rotateLeft(x7 ^ x11, 7);

      x0 += x5;
      x15 = Integer.rotateLeft(x15 ^ x0, 16);
      x10 += x15;
      x5 = Integer.rotateLeft(x5 ^ x10, 12);
      x0 += x5;
      x15 = Integer.rotateLeft(x15 ^ x0, 8);
      x10 += x15;
      x5 = Integer.rotateLeft(x5 ^ x10, 7);

      x1 += x6;
      x12 = Integer.rotateLeft(x12 ^ x1, 16);
      x11 += x12;
      x6 = Integer.rotateLeft(x6 ^ x11, 12);
      x1 += x6;
      x12 = Integer.rotateLeft(x12 ^ x1, 8);
      x11 += x12;
      x6 = Integer.rotateLeft(x6 ^ x11, 7);

      x2 += x7;
      x13 = Integer.rotateLeft(x13 ^ x2, 16);
      x8 += x13;
      x7 = Integer.rotateLeft(x7 ^ x8, 12);
      x2 += x7;
      x13 = Integer.rotateLeft(x13 ^ x2, 8);
      x8 += x13;
      x7 = Integer.rotateLeft(x7 ^ x8, 7);

      x3 += x4;
      x14 = Integer.rotateLeft(x14 ^ x3, 16);
      x9 += x14;
      x4 = Integer.rotateLeft(x4 ^ x9, 12);
      x3 += x4;
      x14 = Integer.rotateLeft(x14 ^ x3, 8);
      x9 += x14;
      x4 = Integer.rotateLeft(x4 ^ x9, 7);
    }
    byte[] out = new byte[KEY_BYTES];
    INT_LE.set(out, 0, x0);
    INT_LE.set(out, 4, x1);
    INT_LE.set(out, 8, x2);
    INT_LE.set(out, 12, x3);
    INT_LE.set(out, 16, x12);
    INT_LE.set(out, 20, x13);
    INT_LE.set(out, 24, x14);
    INT_LE.set(out, 28, x15);
    return out;
  }

  @Override
  public void close() {
    key.destroy();
    ciphers.remove();
  }
}
