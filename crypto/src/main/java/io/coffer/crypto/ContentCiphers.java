package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The ciphers of file contents in the best form that this machine has: by the system's libcrypto if
 * there is one that answers correctly, else by Java. The environment variable {@value #VARIABLE}
 * asks for one of them. Both give the same bytes.
 *
 * <p>Why libcrypto first: the JDK's ciphers are as fast once they are compiled, but that takes them
 * the first half gigabyte of every mount.
 */
public final class ContentCiphers {
  /** {@code auto} (or unset), {@code libcrypto} or {@code java}. */
  public static final String VARIABLE = "COFFER_CRYPTO";

  private static final String JAVA = "java";
  private static final String LIBCRYPTO = "libcrypto";

  private ContentCiphers() {}

  /** May libcrypto be used? */
  static boolean isNativeWanted() {
    return !JAVA.equals(System.getenv(VARIABLE));
  }

  /** Loaded with the first cipher, not with the program. */
  private static final class Native {
    /** Addresses of libcrypto's ciphers by the length of their key; 0 where Java's is used. */
    static final long GCM_128;

    static final long GCM_256;
    static final long XTS_128;
    static final long XTS_256;

    static {
      boolean present = isNativeWanted() && LibCrypto.isPresent();
      GCM_128 = present ? gcm(16, "AES-128-GCM", "EVP_aes_128_gcm") : 0;
      GCM_256 = present ? gcm(32, "AES-256-GCM", "EVP_aes_256_gcm") : 0;
      XTS_128 = present ? xts(32, "AES-128-XTS", "EVP_aes_128_xts") : 0;
      XTS_256 = present ? xts(64, "AES-256-XTS", "EVP_aes_256_xts") : 0;
    }

    private static long gcm(int keyBytes, String name, String function) {
      long cipher = LibCrypto.cipher(name, function);
      byte[] key = RuntimeCheck.pattern(keyBytes, 5);
      return cipher != 0 && agrees(new NativeAesGcm(cipher, key, 16), new AesGcm(key, 16))
          ? cipher
          : 0;
    }

    private static long xts(int keyBytes, String name, String function) {
      long cipher = LibCrypto.cipher(name, function);
      byte[] key = RuntimeCheck.pattern(keyBytes, 5);
      return cipher != 0 && agrees(new NativeAesXts(cipher, key, 512), new AesXts(key, 512))
          ? cipher
          : 0;
    }
  }

  /** Seals the same as another, opens that, and refuses it with a bit flipped. */
  private static boolean agrees(Aead cipher, Aead other) {
    try (cipher;
        other;
        Arena arena = Arena.ofConfined()) {
      int bytes = 1000;
      int sealedBytes = bytes + cipher.overheadBytes();
      byte[] associated = RuntimeCheck.pattern(24, 3);
      byte[] plain = RuntimeCheck.pattern(bytes, 7);
      byte[] sealed = RuntimeCheck.pattern(sealedBytes, 9);
      MemorySegment nativePlain = copy(arena, plain);
      MemorySegment nativeSealed = copy(arena, sealed);
      cipher.sealAll(1, associated, 24, nativePlain, 0, bytes, nativeSealed, 0);
      other.seal(associated, plain, 0, bytes, sealed, 0);
      nativePlain.fill((byte) 0);
      return Arrays.equals(bytes(nativeSealed), sealed)
          && cipher.openAll(1, associated, 24, nativeSealed, 0, sealedBytes, nativePlain, 0) == 1
          && Arrays.equals(bytes(nativePlain), plain)
          && isRefused(cipher, associated, nativeSealed, nativePlain);
    } catch (IllegalStateException e) {
      return false;
    }
  }

  private static boolean isRefused(
      Aead cipher, byte[] associated, MemorySegment sealed, MemorySegment plain) {
    long last = sealed.byteSize() - 1;
    byte before = sealed.get(ValueLayout.JAVA_BYTE, last);
    sealed.set(ValueLayout.JAVA_BYTE, last, (byte) (before ^ 1));
    return cipher.openAll(1, associated, 24, sealed, 0, (int) sealed.byteSize(), plain, 0) == 0;
  }

  private static boolean agrees(UnitCipher cipher, UnitCipher other) {
    try (cipher;
        other;
        Arena arena = Arena.ofConfined()) {
      byte[] bytes = RuntimeCheck.pattern(2 * cipher.unitBytes(), 7);
      MemorySegment plain = copy(arena, bytes);
      MemorySegment sealed = arena.allocate(bytes.length);
      MemorySegment expected = arena.allocate(bytes.length);
      cipher.encrypt(3, plain, 0, sealed, 0, 2);
      other.encrypt(3, MemorySegment.ofArray(bytes), 0, expected, 0, 2);
      plain.fill((byte) 0);
      cipher.decrypt(3, sealed, 0, plain, 0, 2);
      return sealed.mismatch(expected) < 0 && Arrays.equals(bytes(plain), bytes);
    } catch (IllegalStateException e) {
      return false;
    }
  }

  private static MemorySegment copy(Arena arena, byte[] bytes) {
    return arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
  }

  private static byte[] bytes(MemorySegment segment) {
    return segment.toArray(ValueLayout.JAVA_BYTE);
  }

  /**
   * AES-GCM.
   *
   * @param key 16 or 32 bytes, copied
   * @param nonceBytes 12 or 16
   */
  public static Aead aesGcm(byte[] key, int nonceBytes) {
    long cipher = nativeGcm(key.length);
    return cipher == 0 ? new AesGcm(key, nonceBytes) : new NativeAesGcm(cipher, key, nonceBytes);
  }

  /** Libcrypto's AES-GCM for keys of that length; 0 where Java's is used. */
  static long nativeGcm(int keyBytes) {
    return keyBytes == 16 ? Native.GCM_128 : Native.GCM_256;
  }

  /**
   * XTS-AES.
   *
   * @param key 32 or 64 bytes, copied
   * @param unitBytes a power of two from 512 to 65536
   */
  public static UnitCipher aesXts(byte[] key, int unitBytes) {
    long cipher = key.length == 32 ? Native.XTS_128 : Native.XTS_256;
    int half = key.length / 2;
    // libcrypto refuses keys with equal halves; nobody derives one, but the format has it.
    return cipher == 0 || Arrays.equals(key, 0, half, key, half, key.length)
        ? new AesXts(key, unitBytes)
        : new NativeAesXts(cipher, key, unitBytes);
  }

  /** Who computes: {@code Java}, or libcrypto's own name and version. */
  public static String engine() {
    return Native.GCM_256 == 0 ? "Java " + Runtime.version() : LibCrypto.version();
  }

  /** Why what {@link #VARIABLE} asks for cannot be had; null if it can. */
  public static @Nullable String problem() {
    if (!LIBCRYPTO.equals(System.getenv(VARIABLE))
        || (Native.GCM_256 != 0 && Native.XTS_256 != 0)) {
      return null;
    }
    return LibCrypto.isPresent()
        ? "the system's libcrypto does not compute AES as it must"
        : "the system has no libcrypto.so.3 or libcrypto.so.1.1";
  }
}
