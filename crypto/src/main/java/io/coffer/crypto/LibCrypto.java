package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The system's libcrypto (OpenSSL 1.1.1 and 3), through its EVP interface. It is as fast at its
 * first block as at its last, where the JDK's ciphers have to be compiled first; and it works where
 * the data lies, outside the Java heap.
 *
 * <p>All functions of ciphers are linked in one shape, six words in and one out, since linking a
 * shape costs milliseconds; pointers are passed as numbers. The calls are {@linkplain
 * Linker.Option#critical critical}: short, and they never block. Thread-safe, as libcrypto is; a
 * context is not.
 */
final class LibCrypto {
  /** {@code EVP_CTRL_AEAD_SET_IVLEN}, {@code _GET_TAG} and {@code _SET_TAG} of openssl/evp.h. */
  static final int SET_IV_LENGTH = 0x9;

  static final int GET_TAG = 0x10;
  static final int SET_TAG = 0x11;

  static final int DECRYPT = 0;
  static final int ENCRYPT = 1;

  /** {@code sizeof(AES_KEY)} of openssl/aes.h. */
  static final int EXPANDED_AES_KEY_BYTES = 244;

  private static final List<String> NAMES = List.of("libcrypto.so.3", "libcrypto.so.1.1");
  private static final FunctionDescriptor SHAPE = words(6);
  private static final FunctionDescriptor SCRYPT_SHAPE = words(10);
  private static final int VERSION_TEXT = 0;
  private static final int LONGEST_TEXT = 200;

  private static final Optional<SymbolLookup> LIBRARY = find();

  /** The compiler takes handles for constants only in static final fields. */
  private static final class Evp {
    static final MethodHandle NEW = link("EVP_CIPHER_CTX_new");
    static final MethodHandle FREE = link("EVP_CIPHER_CTX_free");
    static final MethodHandle INIT = link("EVP_CipherInit_ex");
    static final MethodHandle UPDATE = link("EVP_CipherUpdate");
    static final MethodHandle FINAL = link("EVP_CipherFinal_ex");
    static final MethodHandle CONTROL = link("EVP_CIPHER_CTX_ctrl");
    static final MethodHandle SET_PADDING = link("EVP_CIPHER_CTX_set_padding");
  }

  /** Deprecated by OpenSSL 3, which has them nevertheless; without allocation and look-up. */
  private static final class Aes {
    static final MethodHandle EXPAND_TO_ENCRYPT = link("AES_set_encrypt_key");
    static final MethodHandle EXPAND_TO_DECRYPT = link("AES_set_decrypt_key");
    static final MethodHandle CBC = link("AES_cbc_encrypt");
  }

  private static final class Signing {
    static final MethodHandle LOAD = link("EVP_PKEY_new_raw_private_key");
    static final MethodHandle FREE = link("EVP_PKEY_free");
    static final MethodHandle NEW_CONTEXT = link("EVP_MD_CTX_new");
    static final MethodHandle FREE_CONTEXT = link("EVP_MD_CTX_free");
    static final MethodHandle INIT = link("EVP_DigestSignInit");
    static final MethodHandle SIGN = link("EVP_DigestSign");
  }

  private static final class Hmac {
    static final MethodHandle NEW = link("HMAC_CTX_new");
    static final MethodHandle FREE = link("HMAC_CTX_free");
    static final MethodHandle INIT = link("HMAC_Init_ex");
    static final MethodHandle UPDATE = link("HMAC_Update");
    static final MethodHandle FINAL = link("HMAC_Final");
  }

  private LibCrypto() {}

  /** Is there a library with all that is needed? */
  static boolean isPresent() {
    return LIBRARY.isPresent();
  }

  /** Its name and version, such as {@code OpenSSL 3.0.19 27 Jan 2026}. */
  static String version() {
    long text = call(link("OpenSSL_version"), VERSION_TEXT, 0, 0, 0, 0, 0);
    return MemorySegment.ofAddress(text).reinterpret(LONGEST_TEXT).getString(0);
  }

  /**
   * A cipher.
   *
   * @param fetched its name, such as {@code AES-256-GCM}, looked up once for all of its contexts
   *     where the library can do so (3.0 and later)
   * @param function the function that gives it otherwise
   * @return its address, or 0 if the library does not have it
   */
  static long cipher(String fetched, String function) {
    if (LIBRARY.flatMap(library -> library.find("EVP_CIPHER_fetch")).isEmpty()) {
      return call(link(function), 0, 0, 0, 0, 0, 0);
    }
    try (Arena arena = Arena.ofConfined()) {
      long name = arena.allocateFrom(fetched).address();
      return call(link("EVP_CIPHER_fetch"), 0, name, 0, 0, 0, 0);
    }
  }

  /** A new context, to be freed with {@link #free}. */
  static long newContext() {
    long context = call(Evp.NEW, 0, 0, 0, 0, 0, 0);
    if (context == 0) {
      throw new OutOfMemoryError("libcrypto has no memory for a cipher");
    }
    return context;
  }

  /** Wipes and frees a context. */
  static void free(long context) {
    call(Evp.FREE, context, 0, 0, 0, 0, 0);
  }

  /**
   * Sets what is given and leaves what is 0 as it is.
   *
   * @param direction {@link #ENCRYPT} or {@link #DECRYPT}
   */
  static boolean init(long context, long cipher, long key, long iv, int direction) {
    return isOne(call(Evp.INIT, context, cipher, 0, key, iv, direction));
  }

  /**
   * Enciphers or deciphers, or takes associated data if {@code out} is 0.
   *
   * @param outLength where the library writes an int
   */
  static boolean update(long context, long out, long outLength, long in, int bytes) {
    return isOne(call(Evp.UPDATE, context, out, outLength, in, bytes, 0));
  }

  /** Ends a message; false if it does not authenticate. */
  static boolean end(long context, long out, long outLength) {
    return isOne(call(Evp.FINAL, context, out, outLength, 0, 0, 0));
  }

  /** Has a context give each whole block at once, and no other. */
  static void stopPadding(long context) {
    call(Evp.SET_PADDING, context, 0, 0, 0, 0, 0);
  }

  static boolean control(long context, int command, int number, long pointer) {
    return isOne(call(Evp.CONTROL, context, command, number, pointer, 0, 0));
  }

  /**
   * Expands an AES key for one direction. Does nothing if the library does not have it.
   *
   * @param expanded where {@value #EXPANDED_AES_KEY_BYTES} bytes are written
   */
  static void expandAesKey(long key, int bytes, long expanded, int direction) {
    MethodHandle function = direction == ENCRYPT ? Aes.EXPAND_TO_ENCRYPT : Aes.EXPAND_TO_DECRYPT;
    call(function, key, 8L * bytes, expanded, 0, 0, 0);
  }

  /**
   * AES-CBC of whole blocks where they lie. Does nothing if the library does not have it.
   *
   * @param vector the initialisation vector, which changes
   */
  static void aesCbc(long data, int bytes, long expanded, long vector, int direction) {
    call(Aes.CBC, data, data, bytes, expanded, vector, direction);
  }

  /**
   * A private key in its raw form, to be freed with {@link #freePrivateKey}.
   *
   * @param type {@code EVP_PKEY_ED25519}, say
   * @return 0 if the library does not take it
   */
  static long loadPrivateKey(int type, MemorySegment key) {
    return call(Signing.LOAD, type, 0, key.address(), key.byteSize(), 0, 0);
  }

  /** Wipes and frees a key. */
  static void freePrivateKey(long key) {
    call(Signing.FREE, key, 0, 0, 0, 0, 0);
  }

  /**
   * Signs a message whole, with the digest that the kind of key has of its own.
   *
   * @return false if the library refuses, or the signature has another length
   */
  static boolean sign(long key, MemorySegment message, MemorySegment signature) {
    long context = call(Signing.NEW_CONTEXT, 0, 0, 0, 0, 0, 0);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment length = arena.allocateFrom(ValueLayout.JAVA_LONG, signature.byteSize());
      return context != 0
          && isOne(call(Signing.INIT, context, 0, 0, 0, key, 0))
          && isOne(
              call(
                  Signing.SIGN,
                  context,
                  signature.address(),
                  length.address(),
                  message.address(),
                  message.byteSize(),
                  0))
          && length.get(ValueLayout.JAVA_LONG, 0) == signature.byteSize();
    } finally {
      call(Signing.FREE_CONTEXT, context, 0, 0, 0, 0, 0);
    }
  }

  /**
   * A context for HMAC under a key, to be freed with {@link #freeHmac}.
   *
   * @param hash the function that gives the hash, such as {@code EVP_sha512}
   * @param key address of the key
   * @return 0 if the library does not have it
   */
  static long newHmac(String hash, long key, int bytes) {
    long digest = call(link(hash), 0, 0, 0, 0, 0, 0);
    long context = digest == 0 ? 0 : call(Hmac.NEW, 0, 0, 0, 0, 0, 0);
    if (context != 0 && !isOne(call(Hmac.INIT, context, key, bytes, digest, 0, 0))) {
      freeHmac(context);
      return 0;
    }
    return context;
  }

  /** Begins a message, under the same key. */
  static boolean restartHmac(long context) {
    return isOne(call(Hmac.INIT, context, 0, 0, 0, 0, 0));
  }

  static boolean updateHmac(long context, long in, int bytes) {
    return isOne(call(Hmac.UPDATE, context, in, bytes, 0, 0, 0));
  }

  /**
   * Ends a message.
   *
   * @param outLength where the library writes an int
   */
  static boolean endHmac(long context, long out, long outLength) {
    return isOne(call(Hmac.FINAL, context, out, outLength, 0, 0, 0));
  }

  /** Wipes and frees a context. */
  static void freeHmac(long context) {
    call(Hmac.FREE, context, 0, 0, 0, 0, 0);
  }

  /**
   * {@code EVP_PBE_scrypt}, which may take long and so is no critical call.
   *
   * @return false if the library does not have it or refuses
   */
  static boolean scrypt(
      MemorySegment password, byte[] salt, long n, int r, int p, MemorySegment hash) {
    Optional<MemorySegment> function = LIBRARY.flatMap(library -> library.find("EVP_PBE_scrypt"));
    if (function.isEmpty()) {
      return false;
    }
    MethodHandle handle = Linker.nativeLinker().downcallHandle(function.get(), SCRYPT_SHAPE);
    long most = 128L * r * (n + p + 4) + (1 << 20);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment saltCopy = arena.allocateFrom(ValueLayout.JAVA_BYTE, salt);
      return isOne(
          (long)
              handle.invokeExact(
                  password.address(),
                  password.byteSize(),
                  saltCopy.address(),
                  (long) salt.length,
                  n,
                  (long) r,
                  (long) p,
                  most,
                  hash.address(),
                  hash.byteSize()));
    } catch (Throwable t) {
      throw new AssertionError("libcrypto", t);
    }
  }

  /** The C functions return an int; the upper half of the register is anything. */
  private static boolean isOne(long result) {
    return (int) result == 1;
  }

  private static long call(MethodHandle f, long a, long b, long c, long d, long e, long g) {
    try {
      return (long) f.invokeExact(a, b, c, d, e, g);
    } catch (Throwable t) {
      throw new AssertionError("libcrypto", t);
    }
  }

  private static FunctionDescriptor words(int count) {
    MemoryLayout[] arguments = new MemoryLayout[count];
    Arrays.fill(arguments, ValueLayout.JAVA_LONG);
    return FunctionDescriptor.of(ValueLayout.JAVA_LONG, arguments);
  }

  private static Optional<SymbolLookup> find() {
    for (String name : NAMES) {
      try {
        return Optional.of(SymbolLookup.libraryLookup(name, Arena.global()));
      } catch (IllegalArgumentException e) {
        // the next one
      }
    }
    return Optional.empty();
  }

  private static MethodHandle link(String name) {
    MemorySegment address =
        LIBRARY.flatMap(library -> library.find(name)).orElse(MemorySegment.NULL);
    if (address.address() == 0) {
      return MethodHandles.empty(SHAPE.toMethodType());
    }
    return Linker.nativeLinker().downcallHandle(address, SHAPE, Linker.Option.critical(false));
  }
}
