package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.crypto.BlockCipher;
import org.bouncycastle.crypto.engines.AESEngine;
import org.bouncycastle.crypto.params.KeyParameter;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("A cipher that keeps lengths")
class LengthPreservingTest {
  private static byte[] bytes(int length, int seed) {
    byte[] bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private static byte[] encrypt(UnitCipher cipher, long firstUnit, byte[] plain) {
    return apply(cipher, true, firstUnit, plain);
  }

  private static byte[] decrypt(UnitCipher cipher, long firstUnit, byte[] stored) {
    return apply(cipher, false, firstUnit, stored);
  }

  /** At odd addresses, since nobody promises even ones. */
  private static byte[] apply(UnitCipher cipher, boolean encrypting, long firstUnit, byte[] data) {
    int units = data.length / cipher.unitBytes();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment in = arena.allocate(data.length + 3L);
      MemorySegment out = arena.allocate(data.length + 5L);
      MemorySegment.copy(data, 0, in, ValueLayout.JAVA_BYTE, 3, data.length);
      if (encrypting) {
        cipher.encrypt(firstUnit, in, 3, out, 5, units);
      } else {
        cipher.decrypt(firstUnit, in, 3, out, 5, units);
      }
      return out.asSlice(5, data.length).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  @Nested
  @DisplayName("AES-XTS")
  class Xts {
    @Test
    @DisplayName("gives the output of IEEE 1619, vector 10")
    void givesTheStandardsOutput() {
      byte[] key =
          Hex.bytes(
              "2718281828459045235360287471352662497757247093699959574966967627"
                  + "3141592653589793238462643383279502884197169399375105820974944592");
      byte[] plain = new byte[512];
      for (int i = 0; i < plain.length; i++) {
        plain[i] = (byte) i;
      }
      String expected =
          "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b"
              + "5d31e276f8fe4a8d66b317f9ac683f44680a86ac35adfc3345befecb4bb188fd"
              + "5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0"
              + "c5cd4d5fff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca"
              + "2a3e7a7d7df7b10355165c8b9a6d0a7de8b062c4500dc4cd120c0f7418dae3d0"
              + "b5781c34803fa75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f"
              + "93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec"
              + "583e9645e07b8d9670655ba5bbcfecc6dc3966380ad8fecb17b6ba02469a020a"
              + "84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a02b140f1"
              + "505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae"
              + "9be69a2ffeceb1bec9de244fbe15992b11b77c040f12bd8f6a975a44a0f90c29"
              + "a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac"
              + "6e333b93eb4aff0479da9a410e4450e0dd7ae4c6e2910900575da401fc07059f"
              + "645e8b7e9bfdef33943054ff84011493c27b3429eaedb4ed5376441a77ed4385"
              + "1ad77f16f541dfd269d50d6a5f14fb0aab1cbb4c1550be97f7ab4066193c4caa"
              + "773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151";
      try (AesXts cipher = new AesXts(key, 512)) {
        assertEquals(expected, Hex.text(encrypt(cipher, 0xff, plain)));
        assertArrayEquals(plain, decrypt(cipher, 0xff, Hex.bytes(expected)));
      }
    }

    /** XTS block by block, as the standard writes it, over another AES. */
    private byte[] independent(byte[] key, int unitBytes, long firstUnit, byte[] plain) {
      BlockCipher data = AESEngine.newInstance();
      data.init(true, new KeyParameter(key, 0, key.length / 2));
      BlockCipher tweaks = AESEngine.newInstance();
      tweaks.init(true, new KeyParameter(key, key.length / 2, key.length / 2));
      byte[] out = plain.clone();
      byte[] tweak = new byte[16];
      for (int at = 0; at < out.length; at += 16) {
        if (at % unitBytes == 0) {
          Arrays.fill(tweak, (byte) 0);
          for (int i = 0; i < 8; i++) {
            tweak[i] = (byte) ((firstUnit + at / unitBytes) >>> (8 * i));
          }
          tweaks.processBlock(tweak, 0, tweak, 0);
        }
        for (int i = 0; i < 16; i++) {
          out[at + i] ^= tweak[i];
        }
        data.processBlock(out, at, out, at);
        int carry = 0;
        for (int i = 0; i < 16; i++) {
          out[at + i] ^= tweak[i];
          int doubled = (tweak[i] & 0xff) << 1 | carry;
          tweak[i] = (byte) doubled;
          carry = doubled >>> 8;
        }
        tweak[0] ^= (byte) (carry * 0x87);
      }
      return out;
    }

    @ParameterizedTest
    @DisplayName("agrees with an independent implementation")
    @CsvSource({"64, 512, 1", "64, 4096, 1", "64, 4096, 21", "32, 4096, 9", "64, 65536, 2"})
    void agreesWithAnIndependentImplementation(int keyBytes, int unitBytes, int units) {
      byte[] key = bytes(keyBytes, 1);
      byte[] plain = bytes(units * unitBytes, 2);
      long firstUnit = 0xfffffffe; // so that the number outgrows 32 bits on the way
      byte[] expected = independent(key, unitBytes, firstUnit, plain);
      for (UnitCipher each :
          List.of(new AesXts(key, unitBytes), ContentCiphers.aesXts(key, unitBytes))) {
        try (UnitCipher cipher = each) {
          assertArrayEquals(expected, encrypt(cipher, firstUnit, plain));
          assertArrayEquals(plain, decrypt(cipher, firstUnit, expected));
        }
      }
    }

    @Test
    @DisplayName("gives the same when many threads use one key at once")
    void isThreadSafe() {
      isThreadSafe(new AesXts(bytes(64, 1), 4096));
      isThreadSafe(ContentCiphers.aesXts(bytes(64, 1), 4096));
    }

    private void isThreadSafe(UnitCipher each) {
      byte[] plain = bytes(65536, 3);
      try (UnitCipher cipher = each) {
        byte[] expected = encrypt(cipher, 7, plain);
        long different =
            IntStream.range(0, 400)
                .parallel()
                .filter(i ->
                    !Arrays.equals(expected, encrypt(cipher, 7, plain))
                        || !Arrays.equals(plain, decrypt(cipher, 7, expected)))
                .count();
        assertEquals(0, different);
      }
      assertThrows(IllegalStateException.class, () -> encrypt(each, 0, plain));
    }

    @Test
    @DisplayName("works with a key of two equal halves, which libcrypto refuses")
    void worksWithEqualHalves() {
      byte[] key = new byte[64];
      byte[] plain = bytes(4096, 3);
      try (UnitCipher cipher = ContentCiphers.aesXts(key, 4096)) {
        assertArrayEquals(independent(key, 4096, 1, plain), encrypt(cipher, 1, plain));
      }
    }

    @Test
    @DisplayName("refuses keys and units of other sizes")
    void refusesOtherSizes() {
      assertThrows(IllegalArgumentException.class, () -> new AesXts(new byte[48], 4096));
      assertThrows(IllegalArgumentException.class, () -> new AesXts(new byte[64], 256));
      assertThrows(IllegalArgumentException.class, () -> new AesXts(new byte[64], 4000));
      assertThrows(IllegalArgumentException.class, () -> new AesXts(new byte[64], 131072));
    }
  }

  @Nested
  @DisplayName("AES-CBC with ciphertext stealing")
  class Cts {
    @ParameterizedTest
    @DisplayName("gives the outputs of RFC 3962, appendix B")
    @CsvSource({
      "4920776f756c64206c696b652074686520, c6353568f2bf8cb4d8a580362da7ff7f97",
      "4920776f756c64206c696b65207468652047656e6572616c20476175277320,"
          + "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5",
      "4920776f756c64206c696b65207468652047656e6572616c2047617527732043,"
          + "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584",
      "4920776f756c64206c696b65207468652047656e6572616c20476175277320436869636b656e2c20706c65"
          + "6173652c,"
          + "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7f"
          + "cbcc98ebf5"
    })
    void givesKnownOutputs(String plain, String encrypted) {
      byte[] key = Hex.bytes("636869636b656e207465726979616b69");
      for (StringCipher cipher : List.of(new AesCbcCts(key), ContentCiphers.aesCts(key))) {
        assertEquals(encrypted, Hex.text(cipher.encrypt(Hex.bytes(plain))));
        assertEquals(plain, Hex.text(cipher.decrypt(Hex.bytes(encrypted))));
        cipher.close();
      }
    }

    @ParameterizedTest
    @DisplayName("enciphers a single block as it is")
    @ValueSource(ints = {16, 32})
    void singleBlock(int keyBytes) {
      byte[] key = bytes(keyBytes, 4);
      byte[] plain = bytes(16, 5);
      BlockCipher independent = AESEngine.newInstance();
      independent.init(true, new KeyParameter(key));
      byte[] expected = new byte[16];
      independent.processBlock(plain, 0, expected, 0);
      try (AesCbcCts cipher = new AesCbcCts(key)) {
        assertArrayEquals(expected, cipher.encrypt(plain));
      }
    }

    @Test
    @DisplayName(
        "is the same by libcrypto, where there is one, at every length and by many threads")
    void isTheSameByLibCrypto() throws InterruptedException {
      byte[] key = bytes(32, 8);
      try (StringCipher cipher = ContentCiphers.aesCts(key);
          StringCipher other = new AesCbcCts(key)) {
        assertEquals(
            ContentCiphers.isNativeWanted() && LibCrypto.isPresent(),
            cipher instanceof NativeAesCts);
        var wrong = new ConcurrentLinkedQueue<Integer>();
        List<Thread> threads =
            IntStream.range(0, 12)
                .mapToObj(i ->
                    Thread.ofPlatform()
                        .start(() -> {
                          for (int length = 16; length <= 4096; length += 1 + length / 300) {
                            byte[] plain = bytes(length, length + i);
                            byte[] sealed = cipher.encrypt(plain);
                            if (!Arrays.equals(sealed, other.encrypt(plain))
                                || !Arrays.equals(plain, cipher.decrypt(sealed))) {
                              wrong.add(length);
                            }
                          }
                        }))
                .toList();
        for (Thread thread : threads) {
          thread.join();
        }
        assertEquals(List.of(), List.copyOf(wrong));
      }
    }
  }

  @Nested
  @DisplayName("HCTR2")
  class Hctr2 {
    @ParameterizedTest
    @DisplayName("gives the outputs that its authors publish")
    @CsvFileSource(resources = "hctr2.csv", maxCharsPerColumn = 8192)
    void givesKnownOutputs(String key, String tweak, String plain, String encrypted) {
      try (AesHctr2 cipher = new AesHctr2(Hex.bytes(key), Hex.bytes(tweak))) {
        assertEquals(encrypted, Hex.text(cipher.encrypt(Hex.bytes(plain))));
        assertEquals(plain, Hex.text(cipher.decrypt(Hex.bytes(encrypted))));
      }
    }
  }

  @Nested
  @DisplayName("Adiantum")
  class OfAdiantum {
    @ParameterizedTest
    @DisplayName("gives the outputs that its authors publish")
    @CsvFileSource(resources = "adiantum.csv", maxCharsPerColumn = 8192)
    void givesKnownOutputs(String key, String tweak, String plain, String encrypted) {
      try (Adiantum cipher = new Adiantum(Hex.bytes(key))) {
        byte[] data = new byte[plain.length() / 2 + 6];
        byte[] in = Hex.bytes(plain);
        System.arraycopy(in, 0, data, 3, in.length);
        cipher.encrypt(Hex.bytes(tweak), data, 3, in.length);
        assertEquals(encrypted, Hex.text(Arrays.copyOfRange(data, 3, 3 + in.length)));
        cipher.decrypt(Hex.bytes(tweak), data, 3, in.length);
        assertEquals("000000" + plain + "000000", Hex.text(data));
      }
    }
  }

  static Stream<StringCipher> stringCiphers() {
    return Stream.of(
        new AesCbcCts(bytes(32, 6)),
        ContentCiphers.aesCts(bytes(32, 6)),
        new AesHctr2(bytes(32, 6)));
  }

  @Test
  @DisplayName("takes strings of 16 bytes and more")
  void takesNoShortStrings() {
    stringCiphers()
        .forEach(cipher -> {
          assertEquals(16, cipher.encrypt(new byte[16]).length);
          assertThrows(IllegalArgumentException.class, () -> cipher.encrypt(new byte[15]));
          assertThrows(IllegalArgumentException.class, () -> cipher.decrypt(new byte[15]));
          cipher.close();
        });
    try (Adiantum adiantum = new Adiantum(new byte[32])) {
      assertThrows(
          IllegalArgumentException.class,
          () -> adiantum.encrypt(new byte[32], new byte[15], 0, 15));
    }
  }

  @Test
  @DisplayName("does nothing more once it is closed")
  void isOfNoUseWhenClosed() {
    stringCiphers()
        .forEach(cipher -> {
          cipher.encrypt(new byte[32]);
          cipher.close();
          assertThrows(IllegalStateException.class, () -> cipher.encrypt(new byte[32]));
          assertThrows(IllegalStateException.class, () -> cipher.decrypt(new byte[32]));
        });
    Stream.of(new AesXts(bytes(64, 6), 512), new AesCbcEssiv(bytes(16, 6), 512))
        .forEach(cipher -> {
          encrypt(cipher, 0, new byte[512]);
          cipher.close();
          assertThrows(IllegalStateException.class, () -> encrypt(cipher, 0, new byte[512]));
          assertThrows(IllegalStateException.class, () -> decrypt(cipher, 0, new byte[512]));
        });
    Adiantum adiantum = new Adiantum(new byte[32]);
    adiantum.close();
    assertThrows(
        IllegalStateException.class, () -> adiantum.encrypt(new byte[32], new byte[16], 0, 16));
  }

  @ParameterizedTest
  @EnumSource
  @DisplayName("gets its HMAC from libcrypto where there is one, equal to Java's")
  void hmacByLibCrypto(Hmac.Hash hash) throws Exception {
    String name = hash == Hmac.Hash.SHA256 ? "HmacSHA256" : "HmacSHA512";
    for (int length : new int[] {1, 31, 32, 64, 129, 200}) {
      Mac java = Mac.getInstance(name);
      java.init(new SecretKeySpec(bytes(length, 3), name));
      try (Hmac hmac = Hmac.of(hash, bytes(length, 3))) {
        assertEquals(
            ContentCiphers.isNativeWanted() && LibCrypto.isPresent() ? "ByLibCrypto" : "ByJava",
            hmac.getClass().getSimpleName());
        for (int message : new int[] {0, 1, 55, 64, 127, 128, 256, 257, 700}) {
          byte[] text = bytes(message, 4);
          assertArrayEquals(java.doFinal(text), hmac.compute(text));
        }
      }
    }
  }

  @Test
  @DisplayName("gets its keys from an HKDF that has been extracted once")
  void hkdfExpandsAsInOneStep() {
    try (SecretBytes input = SecretBytes.copyOf(bytes(33, 7))) {
      HkdfKey key = new HkdfKey(input);
      for (int length : new int[] {0, 1, 16, 32, 63, 64}) {
        byte[] info = bytes(length, 8);
        byte[] expected = Hkdf.SHA512.derive(bytes(33, 7), new byte[0], info, length);
        assertArrayEquals(expected, key.expand(info, length));
      }
      byte[] long255And1 = bytes(255, 9);
      byte[] longer = bytes(700, 9);
      assertArrayEquals(
          Hkdf.SHA512.derive(bytes(33, 7), new byte[0], long255And1, 64),
          key.expand(long255And1, 64));
      assertArrayEquals(
          Hkdf.SHA512.derive(bytes(33, 7), new byte[0], longer, 64), key.expand(longer, 64));
      assertThrows(IllegalArgumentException.class, () -> key.expand(new byte[1], 65));
      key.close();
      assertThrows(IllegalStateException.class, () -> key.expand(new byte[1], 16));
    }
  }
}
