package io.coffer.crypto;

import java.security.spec.AlgorithmParameterSpec;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicReferenceArray;
import javax.crypto.Cipher;
import org.jspecify.annotations.Nullable;

/**
 * The JDK's ciphers under one key, each lent to one thread at a time. A cipher is made and
 * initialised when none is idle, and afterwards costs nothing: keys of single files are many and
 * short-lived, so that a {@link ThreadLocal} for each would pile up. Thread-safe.
 *
 * <p>To look a cipher up among the JDK's providers takes ten times as long as to give it a key.
 * Those of a closed pool are therefore kept for the next one, under a key of zeros meanwhile.
 */
final class CipherPool implements AutoCloseable {
  /** More threads than this on one file at once make ciphers that are not kept. */
  private static final int KEPT = 4;

  private static final int SPARES = 64;
  private static final WipeableKey NO_KEY = new WipeableKey("AES", new byte[32], 0, 32);

  /** Ciphers without a use, by transformation. */
  private static final ConcurrentMap<String, BlockingQueue<Cipher>> SPARE =
      new ConcurrentHashMap<>();

  private final String transformation;
  private final BlockingQueue<Cipher> spare;
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
    this.spare = SPARE.computeIfAbsent(transformation, name -> new ArrayBlockingQueue<>(SPARES));
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
    Cipher cipher = spare.poll();
    if (cipher == null) {
      cipher = Jce.cipher(transformation);
    }
    Jce.init(cipher, mode, key, parameters);
    return cipher;
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
      Cipher cipher = idle.get(i) == null ? null : idle.getAndSet(i, null);
      if (cipher != null) {
        Jce.init(cipher, mode, NO_KEY, parameters);
        spare.offer(cipher);
      }
    }
  }
}
