package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.MessageDigest;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A secret (password, key) of fixed length, kept outside the Java heap, where no garbage collection
 * can leave a stray copy behind. {@link #close} overwrites it with zeros; it must be called.
 *
 * <p>The content is reached inside {@link #lend}, where it lies, and inside {@link #read}, as a
 * heap array that is overwritten as soon as the reader returns. The JDK's ciphers need such arrays,
 * and they keep the key schedule they make of them on the heap; a collection that comes meanwhile
 * leaves a copy. {@link #read} shortens the life of a secret in memory, it cannot end it. There is
 * no way to a String, and {@link #toString} tells only the length.
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

  /** Uses the memory of a secret; must not keep the segment. */
  @FunctionalInterface
  public interface Borrower<R extends @Nullable Object, X extends Exception> {
    R use(MemorySegment secret) throws X;
  }

  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory;
  private boolean closed;

  private SecretBytes(int length) {
    memory = arena.allocate(Math.max(1, length)).asSlice(0, length);
  }

  /** A secret of these bytes; the caller still owns the array and has to wipe it. */
  public static SecretBytes copyOf(byte[] bytes) {
    return copyOf(MemorySegment.ofArray(bytes));
  }

  /** A secret of these bytes, wherever they lie; the caller still owns them. */
  public static SecretBytes copyOf(MemorySegment bytes) {
    SecretBytes secret = new SecretBytes(Math.toIntExact(bytes.byteSize()));
    secret.memory.copyFrom(bytes);
    return secret;
  }

  /** A secret of these bytes; the array is overwritten with zeros. */
  public static SecretBytes take(byte[] bytes) {
    try {
      return copyOf(bytes);
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  /** A secret of {@code length} random bytes. */
  public static SecretBytes random(int length) {
    SecretBytes secret = new SecretBytes(length);
    RandomBytes.fillSecret(secret.memory);
    return secret;
  }

  /**
   * A secret of {@code length} bytes that is written where it is to lie.
   *
   * @param writer is lent the memory, which holds zeros, and tells whether there is a secret now
   * @return null if there is none
   */
  public static <X extends Exception> @Nullable SecretBytes written(
      int length, Borrower<Boolean, X> writer) throws X {
    SecretBytes secret = new SecretBytes(length);
    boolean good = false;
    try {
      good = secret.lend(writer);
      return good ? secret : null;
    } finally {
      if (!good) {
        secret.close();
      }
    }
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
   * Lends the memory of the secret itself, until the borrower returns. Nobody else reaches the
   * secret meanwhile.
   *
   * @throws IllegalStateException if the secret has been closed
   */
  public synchronized <R extends @Nullable Object, X extends Exception> R lend(
      Borrower<R, X> borrower) throws X {
    if (closed) {
      throw new IllegalStateException("the secret has been closed");
    }
    return borrower.use(memory);
  }

  /** Another secret of the same bytes, which lives on when this one is closed. */
  public SecretBytes copy() {
    return lend((MemorySegment bytes) -> copyOf(bytes));
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
