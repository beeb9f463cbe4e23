package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * The system's libargon2, the reference implementation of Argon2 (argon2.h). Most systems have it,
 * since cryptsetup needs it. A passphrase is tried by a virtual machine that has just started;
 * there it takes half the time that our own code does. It wipes its memory.
 *
 * <p>Thread-safe.
 */
final class LibArgon2 {
  private static final String NAME = "libargon2.so.1";

  /**
   * {@code int argon2id_hash_raw(t, m, p, password, bytes, salt, bytes, hash, bytes)}: all numbers
   * and pointers, each passed as a word. Null if there is no library.
   */
  private static final @Nullable MethodHandle FUNCTION = find();

  private static final boolean TRUSTED = answers();

  private LibArgon2() {}

  /** Is there a library that answers correctly? */
  static boolean isPresent() {
    return TRUSTED;
  }

  /**
   * Hashes as {@link Argon2id#hash} does.
   *
   * @param hash outside the heap, where the result goes
   * @return false if there is no library, or it has no memory or threads
   */
  static boolean hash(
      MemorySegment password,
      byte[] salt,
      int memoryKib,
      int passes,
      int lanes,
      MemorySegment hash) {
    MethodHandle function = FUNCTION;
    if (function == null) {
      return false;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment saltCopy = arena.allocateFrom(ValueLayout.JAVA_BYTE, salt);
      long result =
          (long)
              function.invokeExact(
                  (long) passes,
                  (long) memoryKib,
                  (long) lanes,
                  password.address(),
                  password.byteSize(),
                  saltCopy.address(),
                  (long) salt.length,
                  hash.address(),
                  hash.byteSize());
      return (int) result == 0; // the upper half of the register is anything
    } catch (Throwable t) {
      throw new AssertionError("libargon2", t);
    }
  }

  /** A vector of the library's own tests. */
  private static boolean answers() {
    String expected = "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037";
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment password = arena.allocateFrom("password").asSlice(0, 8);
      byte[] salt = "somesalt".getBytes(StandardCharsets.US_ASCII);
      MemorySegment hash = arena.allocate(32);
      return hash(password, salt, 256, 2, 2, hash)
          && expected.equals(HexFormat.of().formatHex(hash.toArray(ValueLayout.JAVA_BYTE)));
    }
  }

  private static @Nullable MethodHandle find() {
    MemoryLayout[] words = new MemoryLayout[9];
    Arrays.fill(words, ValueLayout.JAVA_LONG);
    FunctionDescriptor shape = FunctionDescriptor.of(ValueLayout.JAVA_LONG, words);
    try {
      SymbolLookup library = SymbolLookup.libraryLookup(NAME, Arena.global());
      MemorySegment function = library.findOrThrow("argon2id_hash_raw");
      return Linker.nativeLinker().downcallHandle(function, shape);
    } catch (IllegalArgumentException | NoSuchElementException e) {
      return null; // no library, or not this function
    }
  }
}
