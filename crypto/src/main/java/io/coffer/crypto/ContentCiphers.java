package io.coffer.crypto;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * The ciphers of file contents, and of the names that fscrypt enciphers, in the best form that this
 * machine has: by the system's libcrypto if there is one that answers correctly, else by Java. The
 * environment variable {@value #VARIABLE} asks for one of them. Both give the same bytes.
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

  /** Is there a libcrypto that may be used? */
  static boolean isNativeThere() {
    return isNativeWanted() && LibCrypto.isPresent();
  }

  // Each loaded with the first cipher of its kind, not with the program: addresses of libcrypto's
  // ciphers by the length of their key; 0 where Java's is used. They are tried with known answers:
  // Java's, beside which they could be tried, would have to be loaded.

  private static final class Gcm128 {
    static final long CIPHER =
        find("AES-128-GCM", "EVP_aes_128_gcm", 16, "f5067a2925c695459c4aa8ca6c13d643");
  }

  private static final class Gcm256 {
    static final long CIPHER =
        find("AES-256-GCM", "EVP_aes_256_gcm", 32, "996cfc0fdeaa57702ef4109b36e3c01a");
  }

  private static long find(String name, String function, int keyBytes, String tag) {
    long cipher = isNativeThere() ? LibCrypto.cipher(name, function) : 0;
    return cipher != 0 && answers(new NativeAesGcm(cipher, key(keyBytes), 16), tag) ? cipher : 0;
  }

  private static final class Xts128 {
    static final long CIPHER = find("AES-128-XTS", "EVP_aes_128_xts", 32, 173491435);
  }

  private static final class Xts256 {
    static final long CIPHER = find("AES-256-XTS", "EVP_aes_256_xts", 64, -186301219);
  }

  private static long find(String name, String function, int keyBytes, int hash) {
    long cipher = isNativeThere() ? LibCrypto.cipher(name, function) : 0;
    return cipher != 0 && answers(new NativeAesXts(cipher, key(keyBytes), 512), hash) ? cipher : 0;
  }

  private static byte[] key(int bytes) {
    return RuntimeCheck.pattern(bytes, 5);
  }

  private static final class Cts {
    static final boolean TRUSTED =
        isNativeThere()
            && answers(
                16,
                "c9a516d4b973794a90544bf41bfdbe0509b333c28f24fc788069f1f9691bcf3e"
                    + "8b11a148455bd147c0ceb7dd0d291ef3179fdf16b197d4c0f4f82f6377")
            && answers(
                32,
                "31bb63e93a0c06179392775b5a9c13ba7bd1a24d60ece77078bae326b3a83c4d"
                    + "fe831d47e882b2deb7f6878f1c53fd890fa30d8903cdea846fa3b12aea");

    /** Not beside Java's, which names have no other use for: that would have to be loaded. */
    private static boolean answers(int keyBytes, String expected) {
      try (var cipher = new NativeAesCts(RuntimeCheck.pattern(keyBytes, 5))) {
        byte[] sealed = HexFormat.of().parseHex(expected);
        byte[] plain = RuntimeCheck.pattern(sealed.length, 7);
        return Arrays.equals(cipher.encrypt(plain), sealed)
            && Arrays.equals(cipher.decrypt(sealed), plain);
      }
    }
  }

  /** Seals as expected, opens that, and refuses it with a bit flipped. */
  private static boolean answers(Aead cipher, String tag) {
    try (cipher;
        Arena arena = Arena.ofConfined()) {
      int bytes = 1000;
      int sealedBytes = bytes + cipher.overheadBytes();
      byte[] associated = RuntimeCheck.pattern(24, 3);
      byte[] plain = RuntimeCheck.pattern(bytes, 7);
      MemorySegment nativePlain = copy(arena, plain);
      MemorySegment sealed = copy(arena, RuntimeCheck.pattern(sealedBytes, 9));
      cipher.sealAll(1, associated, 24, nativePlain, 0, bytes, sealed, 0);
      nativePlain.fill((byte) 0);
      // The tag is one of the whole ciphertext.
      byte[] end = bytes(sealed.asSlice(sealedBytes - cipher.tagBytes()));
      return HexFormat.of().formatHex(end).equals(tag)
          && cipher.openAll(1, associated, 24, sealed, 0, sealedBytes, nativePlain, 0) == 1
          && Arrays.equals(bytes(nativePlain), plain)
          && isRefused(cipher, associated, sealed, nativePlain);
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

  /** {@code hash}: of the ciphertext, by {@link Arrays#hashCode(byte[])}. */
  private static boolean answers(UnitCipher cipher, int hash) {
    try (cipher;
        Arena arena = Arena.ofConfined()) {
      byte[] bytes = RuntimeCheck.pattern(2 * cipher.unitBytes(), 7);
      MemorySegment plain = copy(arena, bytes);
      MemorySegment sealed = arena.allocate(bytes.length);
      cipher.encrypt(3, plain, 0, sealed, 0, 2);
      plain.fill((byte) 0);
      cipher.decrypt(3, sealed, 0, plain, 0, 2);
      return Arrays.hashCode(bytes(sealed)) == hash && Arrays.equals(bytes(plain), bytes);
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

  /** Is AES-GCM computed by libcrypto, so that nothing depends on Java's? */
  public static boolean isGcmNative() {
    return nativeGcm(32) != 0;
  }

  /**
   * AES-GCM.
   *
   * @param key 16 or 32 bytes, copied
   * @param nonceBytes 12 or 16
   */
  public static Aead aesGcm(byte[] key, int nonceBytes) {
    AesGcm.check(key.length, nonceBytes);
    long cipher = nativeGcm(key.length);
    return cipher == 0 ? new AesGcm(key, nonceBytes) : new NativeAesGcm(cipher, key, nonceBytes);
  }

  /** Libcrypto's AES-GCM for keys of that length; 0 where Java's is used. */
  static long nativeGcm(int keyBytes) {
    return keyBytes == 16 ? Gcm128.CIPHER : Gcm256.CIPHER;
  }

  /**
   * XTS-AES.
   *
   * @param key 32 or 64 bytes, copied
   * @param unitBytes a power of two from 512 to 65536
   */
  public static UnitCipher aesXts(byte[] key, int unitBytes) {
    long cipher = key.length == 32 ? Xts128.CIPHER : Xts256.CIPHER;
    int half = key.length / 2;
    // libcrypto refuses keys with equal halves; nobody derives one, but the format has it.
    return cipher == 0 || Arrays.equals(key, 0, half, key, half, key.length)
        ? new AesXts(key, unitBytes)
        : new NativeAesXts(cipher, key, unitBytes);
  }

  /**
   * AES-CBC with ciphertext stealing for strings of at most 4096 bytes; see {@link AesCbcCts}.
   *
   * @param key 16 or 32 bytes, copied
   */
  public static StringCipher aesCts(byte[] key) {
    return Cts.TRUSTED ? new NativeAesCts(key) : new AesCbcCts(key);
  }

  /** Who computes: {@code Java}, or libcrypto's own name and version. */
  public static String engine() {
    return Gcm256.CIPHER == 0 ? "Java " + Runtime.version() : LibCrypto.version();
  }

  /** Why what {@link #VARIABLE} asks for cannot be had; null if it can. */
  public static @Nullable String problem() {
    if (!LIBCRYPTO.equals(System.getenv(VARIABLE)) || (Gcm256.CIPHER != 0 && Xts256.CIPHER != 0)) {
      return null;
    }
    return LibCrypto.isPresent()
        ? "the system's libcrypto does not compute AES as it must"
        : "the system has no libcrypto.so.3 or libcrypto.so.1.1";
  }
}
