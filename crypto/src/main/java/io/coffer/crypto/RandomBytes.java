package io.coffer.crypto;

import java.io.FileInputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Random bytes from the kernel's generator (/dev/urandom, random(4)), fetched per thread in gulps,
 * because asking for 16 bytes costs nearly as much as asking for thousands. A byte is wiped from
 * the pool when it is handed out. Thread-safe.
 *
 * <p>{@link SecureRandom} reads the same device and mixes a stream of its own into it, with SHA-1
 * in Java. That adds nothing, and a virtual machine that has just started spends a sixth of its
 * compiler's time on it when many files are made. It is used where the device cannot be read.
 */
public final class RandomBytes {
  private static final String FILE = "/dev/urandom";
  private static final int POOL_BYTES = 4096;
  private static final ThreadLocal<RandomBytes> POOL = ThreadLocal.withInitial(RandomBytes::new);

  private static final @Nullable FileInputStream DEVICE = open();

  private final byte[] pool = new byte[POOL_BYTES];
  private int used = POOL_BYTES;

  private RandomBytes() {}

  /** Writes {@code length} random bytes to {@code target} at {@code position}. */
  public static void fill(byte[] target, int position, int length) {
    POOL.get().take(MemorySegment.ofArray(target), position, length);
  }

  /** Writes {@code length} random bytes to {@code target} at {@code position}. */
  public static void fill(MemorySegment target, long position, int length) {
    POOL.get().take(target, position, length);
  }

  /** An array of {@code length} random bytes. */
  public static byte[] of(int length) {
    byte[] bytes = new byte[length];
    fill(bytes, 0, length);
    return bytes;
  }

  /**
   * Fills memory outside the heap, from the device to where it is to lie: what went through a pool
   * on the heap would be found there, if the collector had moved the pool. By a channel of its own,
   * since one is closed for good when a thread that reads from it is interrupted.
   */
  static void fillSecret(MemorySegment target) {
    ByteBuffer buffer = target.asByteBuffer();
    try (FileChannel device = FileChannel.open(Path.of(FILE), StandardOpenOption.READ)) {
      while (buffer.hasRemaining() && device.read(buffer) > 0) {
        // as much as the device gives at once
      }
    } catch (IOException e) {
      // As if it had not been there.
    }
    if (buffer.hasRemaining()) {
      byte[] rest = new byte[buffer.remaining()];
      new SecureRandom().nextBytes(rest);
      buffer.put(rest);
      Arrays.fill(rest, (byte) 0);
    }
  }

  private void take(MemorySegment target, long position, int length) {
    int done = 0;
    while (done < length) {
      if (used == POOL_BYTES) {
        refill();
        used = 0;
      }
      int some = Math.min(length - done, POOL_BYTES - used);
      MemorySegment.copy(pool, used, target, ValueLayout.JAVA_BYTE, position + done, some);
      Arrays.fill(pool, used, used + some, (byte) 0);
      used += some;
      done += some;
    }
  }

  private void refill() {
    if (DEVICE != null) {
      try {
        if (DEVICE.readNBytes(pool, 0, POOL_BYTES) == POOL_BYTES) {
          return;
        }
      } catch (IOException e) {
        // As if it had not been there.
      }
    }
    new SecureRandom().nextBytes(pool);
  }

  private static @Nullable FileInputStream open() {
    try {
      return new FileInputStream(FILE);
    } catch (IOException e) {
      return null;
    }
  }
}
