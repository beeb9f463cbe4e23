package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A secret (password, key) of fixed length, kept outside the Java heap, where no garbage collection
 * can leave a stray copy behind. {@link #close} overwrites it with zeros; it must be called.
 *
 * <p>The content is reached only inside {@link #read}, as a heap array that is overwritten as soon
 * as the reader returns. The JDK's ciphers need such arrays, and they keep the key schedule they
 * make of them on the heap: this type shortens the life of a secret in memory, it cannot end it.
 * There is no way to a String, and {@link #toString} tells only the length.
 *
 * <p>Thread-safe.
 */
public final class SecretBytes implements AutoCloseable {
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

  /** Uses the bytes of a secret; must not keep the array. */
  @FunctionalInterface
  public interface Reader<R extends @Nullable Object, X extends Exception> {
    R read(byte[] secret) throws X;
  }

  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory;
  private boolean closed;

  private SecretBytes(byte[] bytes) {
    memory = arena.allocate(Math.max(1, bytes.length)).asSlice(0, bytes.length);
    MemorySegment.copy(bytes, 0, memory, BYTE, 0, bytes.length);
  }

  /** A secret of these bytes; the caller still owns the array and has to wipe it. */
  public static SecretBytes copyOf(byte[] bytes) {
    return new SecretBytes(bytes);
  }

  /** A secret of these bytes; the array is overwritten with zeros. */
  public static SecretBytes take(byte[] bytes) {
    try {
      return new SecretBytes(bytes);
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  /** A secret of {@code length} random bytes. */
  public static SecretBytes random(int length) {
    byte[] bytes = new byte[length];
    RandomBytes.fill(bytes, 0, length);
    return take(bytes);
  }

  /** Bytes of the secret. */
  public int length() {
    return (int) memory.byteSize();
  }

  /**
   * Gives the secret to a reader and wipes the copy it was given when it returns or throws.
   *
   * @throws IllegalStateException if the secret has been closed
   */
  public <R extends @Nullable Object, X extends Exception> R read(Reader<R, X> reader) throws X {
    byte[] copy = toArray();
    try {
      return reader.read(copy);
    } finally {
      Arrays.fill(copy, (byte) 0);
    }
  }

  /**
   * Lends native code the memory of the secret itself, until the function returns.
   *
   * @throws IllegalStateException if the secret has been closed
   */
  synchronized boolean lend(Predicate<MemorySegment> function) {
    if (closed) {
      throw new IllegalStateException("the secret has been closed");
    }
    return function.test(memory);
  }

  /** Another secret of the same bytes, which lives on when this one is closed. */
  public SecretBytes copy() {
    return take(toArray());
  }

  /** Are the bytes the same? Takes the same time wherever they differ. */
  public boolean matches(SecretBytes other) {
    return read(mine -> other.read(theirs -> MessageDigest.isEqual(mine, theirs)));
  }

  private synchronized byte[] toArray() {
    if (closed) {
      throw new IllegalStateException("the secret has been closed");
    }
    return memory.toArray(BYTE);
  }

  /** Overwrites the secret. Closing again does nothing. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      memory.fill((byte) 0);
      arena.close();
    }
  }

  @Override
  public String toString() {
    return "SecretBytes[" + length() + " bytes]";
  }
}
