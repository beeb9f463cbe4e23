package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Contexts of libcrypto for one cipher in one direction under one key, each lent to one thread at a
 * time: what {@link CipherPool} is for the JDK's ciphers. Thread-safe.
 */
final class EvpContexts implements AutoCloseable {
  /** More threads than this on one key at once make contexts that are not kept. */
  private static final int KEPT = 8;

  private static final int LONGEST_KEY = 64;

  /** Of a thread: where libcrypto finds a key, for that moment. */
  private static final ThreadLocal<MemorySegment> KEY_COPY =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(LONGEST_KEY, 16));

  private final long cipher;
  private final int ivBytes;
  private final int direction;
  private final WipeableKey key;
  private final AtomicLongArray idle = new AtomicLongArray(KEPT);

  /**
   * @param cipher of {@link LibCrypto#cipher}
   * @param key of at most 64 bytes; the contexts own it from now on, and may share it
   * @param ivBytes the length of the IV to be set, or 0 for the cipher's own
   */
  EvpContexts(long cipher, WipeableKey key, int ivBytes, int direction) {
    this.cipher = cipher;
    this.ivBytes = ivBytes;
    this.direction = direction;
    this.key = key;
  }

  /**
   * A context for the calling thread alone, until it is given back.
   *
   * @throws IllegalStateException if the key has been wiped
   */
  long take() {
    for (int i = 0; i < KEPT; i++) {
      long context = idle.get(i) == 0 ? 0 : idle.getAndSet(i, 0);
      if (context != 0) {
        return context;
      }
    }
    return make();
  }

  void give(long context) {
    for (int i = 0; i < KEPT && !key.isDestroyed(); i++) {
      if (idle.compareAndSet(i, 0, context)) {
        if (key.isDestroyed()) {
          freeIdle();
        }
        return;
      }
    }
    LibCrypto.free(context);
  }

  private long make() {
    byte[] bytes = key.getEncoded();
    MemorySegment copy = KEY_COPY.get();
    long context = LibCrypto.newContext();
    boolean good = false;
    try {
      MemorySegment.copy(bytes, 0, copy, ValueLayout.JAVA_BYTE, 0, bytes.length);
      if (ivBytes == 0) {
        good = LibCrypto.init(context, cipher, copy.address(), 0, direction);
        LibCrypto.stopPadding(context);
      } else {
        good =
            LibCrypto.init(context, cipher, 0, 0, direction)
                && LibCrypto.control(context, LibCrypto.SET_IV_LENGTH, ivBytes, 0)
                && LibCrypto.init(context, 0, copy.address(), 0, direction);
      }
    } finally {
      copy.fill((byte) 0);
      Arrays.fill(bytes, (byte) 0);
      if (!good) {
        LibCrypto.free(context);
      }
    }
    if (!good) {
      throw new IllegalStateException("libcrypto refuses a key of " + bytes.length + " bytes");
    }
    return context;
  }

  private void freeIdle() {
    for (int i = 0; i < KEPT; i++) {
      long context = idle.getAndSet(i, 0);
      if (context != 0) {
        LibCrypto.free(context);
      }
    }
  }

  /** Wipes the key and the contexts that nobody uses; one in use, when it is given back. */
  @Override
  public void close() {
    key.destroy();
    freeIdle();
  }
}
