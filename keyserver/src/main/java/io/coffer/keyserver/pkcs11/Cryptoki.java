package io.coffer.keyserver.pkcs11;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;

/**
 * The functions of a PKCS#11 library (version 2.20 and later), by their place in its function list.
 * Numbers are those of the standard's pkcs11t.h for a system where unsigned long has 64 bits and
 * structures are not packed, that is, every 64-bit Unix.
 *
 * <p>All functions are called in one shape, six words in and one out; pointers are passed as
 * numbers. A library that was loaded stays: several of them do not survive being unloaded.
 */
final class Cryptoki {
  /** A function, by its place in CK_FUNCTION_LIST. */
  enum Function {
    INITIALIZE(0, "C_Initialize"),
    FINALIZE(1, "C_Finalize"),
    GET_SLOT_LIST(4, "C_GetSlotList"),
    GET_TOKEN_INFO(6, "C_GetTokenInfo"),
    GET_MECHANISM_INFO(8, "C_GetMechanismInfo"),
    OPEN_SESSION(12, "C_OpenSession"),
    CLOSE_SESSION(13, "C_CloseSession"),
    LOGIN(18, "C_Login"),
    LOGOUT(19, "C_Logout"),
    GET_ATTRIBUTE_VALUE(24, "C_GetAttributeValue"),
    FIND_OBJECTS_INIT(26, "C_FindObjectsInit"),
    FIND_OBJECTS(27, "C_FindObjects"),
    FIND_OBJECTS_FINAL(28, "C_FindObjectsFinal"),
    ENCRYPT_INIT(29, "C_EncryptInit"),
    ENCRYPT(30, "C_Encrypt"),
    DECRYPT_INIT(33, "C_DecryptInit"),
    DECRYPT(34, "C_Decrypt"),
    GENERATE_KEY(58, "C_GenerateKey");

    private final int place;
    private final String symbol;

    Function(int place, String symbol) {
      this.place = place;
      this.symbol = symbol;
    }

    String symbol() {
      return symbol;
    }
  }

  static final long OK = 0;
  static final long ENCRYPTED_DATA_INVALID = 0x40;
  static final long ENCRYPTED_DATA_LENGTH = 0x41;
  static final long PIN_INCORRECT = 0xa0;
  static final long PIN_INVALID = 0xa1;
  static final long PIN_LENGTH = 0xa2;
  static final long PIN_EXPIRED = 0xa3;
  static final long PIN_LOCKED = 0xa4;
  static final long USER_ALREADY_LOGGED_IN = 0x100;
  static final long PIN_NOT_INITIALIZED = 0x102;
  static final long ALREADY_INITIALIZED = 0x191;

  private static final FunctionDescriptor SHAPE = words(6);
  private static final long MOST_FUNCTIONS = 68;

  private final MemorySegment functions;
  private final Map<Function, MethodHandle> linked = new EnumMap<>(Function.class);

  private Cryptoki(MemorySegment functions) {
    this.functions = functions;
  }

  /**
   * Loads a library.
   *
   * @throws TokenException if there is none, or it is no PKCS#11 library
   */
  static Cryptoki load(Path library) throws TokenException {
    if (!library.isAbsolute() || !Files.exists(library)) {
      throw new TokenException(
          "there is no PKCS#11 library " + library,
          "Name the file of the token's maker with its whole path, for example"
              + " /usr/lib/softhsm/libsofthsm2.so.");
    }
    TokenException other =
        new TokenException(
            library + " is no PKCS#11 library for this machine",
            "Name the library that the token's maker calls its PKCS#11 module.");
    MemorySegment list;
    try {
      list =
          SymbolLookup.libraryLookup(library, Arena.global())
              .find("C_GetFunctionList")
              .orElse(MemorySegment.NULL);
    } catch (IllegalArgumentException e) {
      other.initCause(e);
      throw other;
    }
    if (list.address() == 0) {
      throw other;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pointer = arena.allocate(ValueLayout.JAVA_LONG);
      long result =
          call(Linker.nativeLinker().downcallHandle(list, SHAPE), pointer.address(), 0, 0, 0, 0, 0);
      long address = pointer.get(ValueLayout.JAVA_LONG, 0);
      if (result != OK || address == 0) {
        throw other;
      }
      return new Cryptoki(
          MemorySegment.ofAddress(address).reinterpret((1 + MOST_FUNCTIONS) * Long.BYTES));
    }
  }

  /** Calls a function; returns its CK_RV. */
  long call(Function function, long... arguments) {
    // The list begins with a version of two bytes, padded to a word.
    MethodHandle handle =
        linked.computeIfAbsent(
            function,
            f ->
                Linker.nativeLinker()
                    .downcallHandle(
                        MemorySegment.ofAddress(
                            functions.get(ValueLayout.JAVA_LONG, (1L + f.place) * Long.BYTES)),
                        SHAPE));
    long[] a = Arrays.copyOf(arguments, 6);
    return call(handle, a[0], a[1], a[2], a[3], a[4], a[5]);
  }

  private static long call(MethodHandle f, long a, long b, long c, long d, long e, long g) {
    try {
      return (long) f.invokeExact(a, b, c, d, e, g);
    } catch (Throwable t) {
      throw new AssertionError("PKCS#11", t);
    }
  }

  private static FunctionDescriptor words(int count) {
    MemoryLayout[] arguments = new MemoryLayout[count];
    Arrays.fill(arguments, ValueLayout.JAVA_LONG);
    return FunctionDescriptor.of(ValueLayout.JAVA_LONG, arguments);
  }
}
