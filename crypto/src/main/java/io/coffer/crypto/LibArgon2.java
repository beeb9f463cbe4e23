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
   * and pointers, each passed as a word. Null if there is no library, or one that errs.
   */
  private static final @Nullable MethodHandle FUNCTION = find();

  private LibArgon2() {}

  /** Is there a library that answers correctly? */
  static boolean isPresent() {
    return FUNCTION != null;
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
    return FUNCTION != null && call(FUNCTION, password, salt, memoryKib, passes, lanes, hash);
  }

  private static boolean call(
      MethodHandle function,
      MemorySegment password,
      byte[] salt,
      int memoryKib,
      int passes,
      int lanes,
      MemorySegment hash) {
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

  private static @Nullable MethodHandle find() {
    MemoryLayout[] words = new MemoryLayout[9];
    Arrays.fill(words, ValueLayout.JAVA_LONG);
    try (Arena arena = Arena.ofConfined()) {
      MethodHandle function =
          Linker.nativeLinker()
              .downcallHandle(
                  SymbolLookup.libraryLookup(NAME, Arena.global()).findOrThrow("argon2id_hash_raw"),
                  FunctionDescriptor.of(ValueLayout.JAVA_LONG, words));
      // A vector of the library's own tests.
      MemorySegment password = arena.allocateFrom("password").asSlice(0, 8);
      byte[] salt = "somesalt".getBytes(StandardCharsets.US_ASCII);
      MemorySegment hash = arena.allocate(32);
      String expected = "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037";
      return call(function, password, salt, 256, 2, 2, hash)
              && expected.equals(HexFormat.of().formatHex(hash.toArray(ValueLayout.JAVA_BYTE)))
          ? function
          : null;
    } catch (IllegalArgumentException | NoSuchElementException e) {
      return null; // no library, or not this function
    }
  }
}
