package io.coffer.crypto;

import java.security.spec.AlgorithmParameterSpec;
import java.util.concurrent.atomic.AtomicReferenceArray;
import javax.crypto.Cipher;
import org.jspecify.annotations.Nullable;

/**
 * The JDK's ciphers under one key, each lent to one thread at a time. A cipher is made and
 * initialised when none is idle, and afterwards costs nothing: keys of single files are many and
 * short-lived, so that a {@link ThreadLocal} for each would pile up. Thread-safe.
 */
final class CipherPool implements AutoCloseable {
  /** More threads than this on one file at once make ciphers that are not kept. */
  private static final int KEPT = 4;

  private final String transformation;
  private final int mode;
  private final WipeableKey key;
  private final @Nullable AlgorithmParameterSpec parameters;
  private final AtomicReferenceArray<@Nullable Cipher> idle = new AtomicReferenceArray<>(KEPT);

  /** The pool owns the key from now on. */
  CipherPool(
      String transformation,
      int mode,
      WipeableKey key,
      @Nullable AlgorithmParameterSpec parameters) {
    this.transformation = transformation;
    this.mode = mode;
    this.key = key;
    this.parameters = parameters;
  }

  /** Ciphers of single blocks. */
  static CipherPool ofBlocks(int mode, byte[] key, int position, int length) {
    return new CipherPool(
        "AES/ECB/NoPadding", mode, new WipeableKey("AES", key, position, length), null);
  }

  /**
   * A cipher for the calling thread alone, until it is given back.
   *
   * @throws IllegalStateException if the key has been wiped
   */
  Cipher take() {
    for (int i = 0; i < KEPT; i++) {
      Cipher cipher = idle.get(i) == null ? null : idle.getAndSet(i, null);
      if (cipher != null) {
        return cipher;
      }
    }
    return Jce.cipher(transformation, mode, key, parameters);
  }

  void give(Cipher cipher) {
    for (int i = 0; i < KEPT && !key.isDestroyed(); i++) {
      if (idle.compareAndSet(i, null, cipher)) {
        if (key.isDestroyed()) {
          idle.set(i, null);
        }
        return;
      }
    }
  }

  /** Wipes the key and lets go of the ciphers. */
  @Override
  public void close() {
    key.destroy();
    for (int i = 0; i < KEPT; i++) {
      idle.set(i, null);
    }
  }
}
