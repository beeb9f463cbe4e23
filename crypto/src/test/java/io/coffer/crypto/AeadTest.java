package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.bouncycastle.crypto.engines.AESEngine;
import org.bouncycastle.crypto.modes.GCMBlockCipher;
import org.bouncycastle.crypto.params.AEADParameters;
import org.bouncycastle.crypto.params.KeyParameter;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

@DisplayName("An authenticated cipher")
class AeadTest {
  @Nested
  @DisplayName("AES-GCM")
  class Gcm {
    @ParameterizedTest
    @DisplayName("gives the outputs of McGrew and Viega's test cases 14 and 16")
    @CsvSource({
      "0000000000000000000000000000000000000000000000000000000000000000, 000000000000000000000000,"
          + "'', 00000000000000000000000000000000,"
          + "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
      "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308, cafebabefacedbaddecaf888,"
          + "feedfacedeadbeeffeedfacedeadbeefabaddad2,"
          + "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39,"
          + "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
          + "76fc6ece0f4e1768cddf8853bb2d551b"
    })
    void givesKnownOutputs(String key, String nonce, String aad, String plain, String body) {
      try (AesGcm cipher = new AesGcm(Hex.bytes(key), 12)) {
        assertSealsTo(cipher, nonce, aad, Hex.bytes(plain), body);
      }
    }

    @Test
    @DisplayName("with a nonce of 16 bytes agrees with an independent implementation")
    void agreesWithAnIndependentImplementation() throws Exception {
      Random random = new Random(2);
      for (int length = 1; length < 5000; length += 1 + length / 10) {
        byte[] key = bytes(random, 32);
        byte[] nonce = bytes(random, 16);
        byte[] aad = bytes(random, 24);
        byte[] plain = bytes(random, length);
        GCMBlockCipher independent = independentGcm(key, nonce, aad);
        byte[] expected = new byte[length + 16];
        int done = independent.processBytes(plain, 0, length, expected, 0);
        independent.doFinal(expected, done);
        try (AesGcm cipher = new AesGcm(key, 16)) {
          assertArrayEquals(expected, body(cipher, nonce, aad, plain));
        }
      }
    }
  }

  @Nested
  @DisplayName("AES-SIV")
  class Siv {
    @Test
    @DisplayName("gives the output of RFC 5297, appendix A.1")
    void deterministicExample() {
      byte[] key = Hex.bytes("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
      byte[] aad = Hex.bytes("101112131415161718191a1b1c1d1e1f2021222324252627");
      byte[] plain = Hex.bytes("112233445566778899aabbccddee");
      String sealed = "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c";
      try (AesSiv cipher = new AesSiv(key)) {
        assertEquals(sealed, Hex.text(cipher.seal(plain, aad)));
        assertArrayEquals(plain, cipher.open(Hex.bytes(sealed), aad));
      }
    }

    @Test
    @DisplayName("gives the output of RFC 5297, appendix A.2, with two strings and a nonce")
    void nonceBasedExample() {
      byte[] key = Hex.bytes("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f");
      byte[] first =
          Hex.bytes(
              "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa9988"
                  + "7766554433221100");
      byte[] second = Hex.bytes("102030405060708090a0");
      byte[] nonce = Hex.bytes("09f911029d74e35bd84156c5635688c0");
      byte[] plain =
          "this is some plaintext to encrypt using SIV-AES".getBytes(StandardCharsets.US_ASCII);
      String sealed =
          "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17"
              + "dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d";
      try (AesSiv cipher = new AesSiv(key)) {
        assertEquals(sealed, Hex.text(cipher.seal(plain, first, second, nonce)));
        assertArrayEquals(plain, cipher.open(Hex.bytes(sealed), first, second, nonce));
        assertNull(cipher.open(Hex.bytes(sealed), second, first, nonce));
      }
    }

    @Test
    @DisplayName("over associated data and nonce is the general form over those two strings")
    void aeadFormIsTheGeneralForm() {
      Random random = new Random(4);
      byte[] key = bytes(random, 64);
      try (AesSiv cipher = new AesSiv(key)) {
        for (int length = 1; length < 9000; length += 1 + length / 7) {
          byte[] nonce = bytes(random, 16);
          byte[] aad = bytes(random, random.nextInt(40));
          byte[] plain = bytes(random, length);
          assertArrayEquals(cipher.seal(plain, aad, nonce), body(cipher, nonce, aad, plain));
        }
      }
    }
  }

  @Nested
  @DisplayName("XChaCha20-Poly1305")
  class XChaCha {
    @Test
    @DisplayName("derives the subkey of draft-irtf-cfrg-xchacha, section 2.2.1")
    void derivesTheSubkey() {
      byte[] key = new byte[32];
      for (int i = 0; i < key.length; i++) {
        key[i] = (byte) i;
      }
      byte[] nonce = Hex.bytes("000000090000004a0000000031415927");
      assertEquals(
          "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc",
          Hex.text(XChaCha20Poly1305.hChaCha20(key, nonce, 0)));
    }

    @Test
    @DisplayName("gives the output of draft-irtf-cfrg-xchacha, appendix A.3.1")
    void givesTheKnownOutput() {
      byte[] plain =
          ("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the"
                  + " future, sunscreen would be it.")
              .getBytes(StandardCharsets.US_ASCII);
      byte[] key = new byte[32];
      for (int i = 0; i < key.length; i++) {
        key[i] = (byte) (0x80 + i);
      }
      try (var cipher = new XChaCha20Poly1305(key)) {
        assertSealsTo(
            cipher,
            "404142434445464748494a4b4c4d4e4f5051525354555657",
            "50515253c0c1c2c3c4c5c6c7",
            plain,
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
                + "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
                + "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
                + "21f9664c97637da9768812f615c68b13b52e"
                + "c0875924c1c7987947deafd8780acf49");
      }
    }
  }

  static Stream<Named<Aead>> ciphers() {
    Random random = new Random(8);
    return Stream.of(
        Named.of("AES-GCM, 12-byte nonce", new AesGcm(bytes(random, 32), 12)),
        Named.of("AES-GCM, 16-byte nonce", new AesGcm(bytes(random, 32), 16)),
        Named.of("AES-GCM by way of memory outside", ContentCiphers.aesGcm(bytes(random, 32), 16)),
        Named.of(
            "AES-GCM outside the heap, 12-byte nonce",
            new OutsideHeap(ContentCiphers.aesGcm(bytes(random, 32), 12))),
        Named.of(
            "AES-GCM outside the heap, 16-byte nonce",
            new OutsideHeap(ContentCiphers.aesGcm(bytes(random, 32), 16))),
        Named.of("AES-SIV", new AesSiv(bytes(random, 64))),
        Named.of("XChaCha20-Poly1305", new XChaCha20Poly1305(bytes(random, 32))));
  }

  @ParameterizedTest
  @MethodSource("ciphers")
  @DisplayName("opens what it sealed, for every length and at any position")
  void opensWhatItSealed(Aead cipher) {
    Random random = new Random(9);
    for (int length = 0; length < 5000; length += length < 70 ? 1 : 1 + random.nextInt(300)) {
      byte[] aad = bytes(random, random.nextInt(30));
      byte[] plain = bytes(random, length + 5);
      byte[] sealed = bytes(random, 3 + length + cipher.overheadBytes() + 2);
      byte[] before = sealed.clone();
      int bytes = cipher.seal(aad, plain, 5, length, sealed, 3);
      assertEquals(length + cipher.overheadBytes(), bytes);
      assertTrue(
          Arrays.equals(before, 0, 3 + cipher.nonceBytes(), sealed, 0, 3 + cipher.nonceBytes()));
      assertTrue(Arrays.equals(before, 3 + bytes, before.length, sealed, 3 + bytes, before.length));
      byte[] opened = new byte[length + 7];
      assertTrue(cipher.open(aad, sealed, 3, bytes, opened, 7));
      assertTrue(Arrays.equals(plain, 5, 5 + length, opened, 7, 7 + length));
    }
    cipher.close();
  }

  @ParameterizedTest
  @MethodSource("ciphers")
  @DisplayName("refuses a sealed form, associated data or nonce with any bit flipped")
  void refusesFlippedBits(Aead cipher) {
    Random random = new Random(10);
    byte[] aad = bytes(random, 24);
    byte[] plain = bytes(random, 40);
    byte[] sealed = sealed(cipher, bytes(random, cipher.nonceBytes()), aad, plain);
    byte[] opened = new byte[plain.length];
    assertTrue(cipher.open(aad, sealed, 0, sealed.length, opened, 0));
    for (int bit = 0; bit < 8 * sealed.length; bit++) {
      byte[] forged = sealed.clone();
      forged[bit / 8] ^= (byte) (1 << bit % 8);
      assertFalse(cipher.open(aad, forged, 0, forged.length, opened, 0), "bit " + bit);
    }
    for (int bit = 0; bit < 8 * aad.length; bit++) {
      byte[] forged = aad.clone();
      forged[bit / 8] ^= (byte) (1 << bit % 8);
      assertFalse(cipher.open(forged, sealed, 0, sealed.length, opened, 0), "bit " + bit);
    }
    cipher.close();
  }

  private static void sealAll(
      Aead cipher, int count, byte[] aad, int aadBytes, byte[] plain, int length, byte[] sealed) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment in = OutsideHeap.copy(arena, plain);
      MemorySegment out = OutsideHeap.copy(arena, sealed);
      cipher.sealAll(count, aad, aadBytes, in, 3, length, out, 3);
      OutsideHeap.copyBack(out, sealed);
    }
  }

  private static int openAll(
      Aead cipher,
      int count,
      byte[] aad,
      int aadBytes,
      byte[] sealed,
      int sealedBytes,
      byte[] plain) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment in = OutsideHeap.copy(arena, sealed);
      MemorySegment out = OutsideHeap.copy(arena, plain);
      int good = cipher.openAll(count, aad, aadBytes, in, 3, sealedBytes, out, 3);
      OutsideHeap.copyBack(out, plain);
      return good;
    }
  }

  @Test
  @DisplayName("gives the same by libcrypto as by Java")
  void givesTheSameByLibcrypto() {
    assumeTrue(LibCrypto.isPresent());
    assertNull(ContentCiphers.problem());
    byte[] key = RuntimeCheck.pattern(32, 1);
    try (Aead cipher = ContentCiphers.aesGcm(key, 16)) {
      assertInstanceOf(NativeAesGcm.class, cipher);
      assertEquals(RuntimeCheck.EXPECTED, Hex.text(RuntimeCheck.answers(new OutsideHeap(cipher))));
    }
    try (Aead cipher = ContentCiphers.aesGcm(key, 16)) {
      assertEquals(RuntimeCheck.EXPECTED, Hex.text(RuntimeCheck.answers(cipher)));
    }
    // More associated data than the thread has a place for.
    byte[] associated = RuntimeCheck.pattern(300, 2);
    byte[] nonce = RuntimeCheck.pattern(16, 3);
    try (Aead cipher = ContentCiphers.aesGcm(key, 16);
        Aead java = new AesGcm(key, 16)) {
      assertArrayEquals(
          sealed(java, nonce, associated, key), sealed(cipher, nonce, associated, key));
    }
    assertTrue(ContentCiphers.engine().startsWith("OpenSSL "), ContentCiphers.engine());
  }

  @ParameterizedTest
  @MethodSource("ciphers")
  @DisplayName("gives the same for many messages at once as for each alone")
  void manyAtOnce(Aead cipher) {
    Random random = new Random(12);
    for (int length : new int[] {0, 1, 15, 16, 17, 32, 48, 100, 4096}) {
      for (int count : new int[] {1, 2, 3, 5, 31, 32, 33, 70}) {
        int aadBytes = random.nextInt(50);
        int sealedBytes = cipher.overheadBytes() + length;
        byte[] aad = bytes(random, count * aadBytes);
        byte[] plain = bytes(random, count * length);
        byte[] sealed = bytes(random, count * sealedBytes);
        sealAll(cipher, count, aad, aadBytes, plain, length, sealed);
        byte[] alone = new byte[count * sealedBytes];
        for (int i = 0; i < count; i++) {
          byte[] ownAad = Arrays.copyOfRange(aad, i * aadBytes, (i + 1) * aadBytes);
          byte[] own = Arrays.copyOfRange(plain, i * length, (i + 1) * length);
          byte[] opened = new byte[length];
          assertTrue(cipher.open(ownAad, sealed, i * sealedBytes, sealedBytes, opened, 0));
          assertArrayEquals(own, opened);
          byte[] again = sealed(cipher, bytes(random, cipher.nonceBytes()), ownAad, own);
          System.arraycopy(again, 0, alone, i * sealedBytes, sealedBytes);
        }
        byte[] opened = new byte[count * length];
        assertEquals(count, openAll(cipher, count, aad, aadBytes, alone, sealedBytes, opened));
        assertArrayEquals(plain, opened);
        int broken = random.nextInt(count);
        alone[broken * sealedBytes + random.nextInt(sealedBytes)] ^= 4;
        Arrays.fill(opened, (byte) 0);
        assertEquals(broken, openAll(cipher, count, aad, aadBytes, alone, sealedBytes, opened));
        assertTrue(Arrays.equals(plain, 0, broken * length, opened, 0, broken * length));
      }
    }
    cipher.close();
  }

  @ParameterizedTest
  @MethodSource("ciphers")
  @DisplayName("refuses a sealed form cut at any length")
  void refusesTruncation(Aead cipher) {
    Random random = new Random(11);
    byte[] aad = bytes(random, 24);
    byte[] plain = bytes(random, 100);
    byte[] sealed = sealed(cipher, bytes(random, cipher.nonceBytes()), aad, plain);
    byte[] opened = new byte[plain.length];
    for (int length = 0; length < sealed.length; length++) {
      assertFalse(cipher.open(aad, sealed, 0, length, opened, 0), "length " + length);
    }
    cipher.close();
  }

  @ParameterizedTest
  @MethodSource("ciphers")
  @DisplayName("works for many threads at once, and for none after its end")
  void worksForManyThreads(Aead cipher) throws Exception {
    List<Callable<Boolean>> tasks = new ArrayList<>();
    for (int thread = 0; thread < 4; thread++) {
      Random random = new Random(thread);
      tasks.add(() -> {
        boolean good = true;
        for (int i = 0; i < 300; i++) {
          byte[] aad = bytes(random, 24);
          byte[] plain = bytes(random, 1 + random.nextInt(4096));
          byte[] sealed = sealed(cipher, bytes(random, cipher.nonceBytes()), aad, plain);
          byte[] opened = new byte[plain.length];
          good &=
              cipher.open(aad, sealed, 0, sealed.length, opened, 0) && Arrays.equals(plain, opened);
        }
        return good;
      });
    }
    try (var threads = Executors.newFixedThreadPool(4)) {
      for (Future<Boolean> each : threads.invokeAll(tasks)) {
        assertTrue(each.get());
      }
    }
    cipher.close();
    byte[] some = new byte[100];
    assertThrows(
        IllegalStateException.class, () -> cipher.seal(some, some, 0, 10, new byte[100], 0));
    assertThrows(
        IllegalStateException.class, () -> cipher.open(some, some, 0, 80, new byte[100], 0));
  }

  @Test
  @DisplayName("refuses the last nonce of a thread a second time")
  void refusesTheLastNonce() {
    byte[] key = RuntimeCheck.pattern(32, 1);
    byte[] some = new byte[10];
    for (Aead cipher : List.of(new AesGcm(key, 16), ContentCiphers.aesGcm(key, 16))) {
      byte[] nonce = RuntimeCheck.pattern(16, 2);
      sealed(cipher, nonce, some, some);
      assertThrows(IllegalStateException.class, () -> sealed(cipher, nonce, some, some));
      sealed(cipher, RuntimeCheck.pattern(16, 4), some, some);
      cipher.close();
    }
  }

  @Test
  @DisplayName("refuses keys and nonces of wrong lengths")
  void refusesWrongLengths() {
    for (int length : new int[] {0, 16, 31, 33, 48, 63, 65}) {
      assertThrows(IllegalArgumentException.class, () -> new AesSiv(new byte[length]));
    }
    assertThrows(IllegalArgumentException.class, () -> ContentCiphers.aesGcm(new byte[31], 12));
    assertThrows(IllegalArgumentException.class, () -> ContentCiphers.aesXts(new byte[32], 500));
    assertThrows(IllegalArgumentException.class, () -> new AesGcm(new byte[31], 12));
    assertThrows(IllegalArgumentException.class, () -> new AesGcm(new byte[32], 13));
    assertThrows(IllegalArgumentException.class, () -> new XChaCha20Poly1305(new byte[16]));
  }

  @Nested
  @DisplayName("of this Java runtime")
  class OfThisRuntime {
    @Test
    @DisplayName("computes AES-GCM right, also after it has been compiled")
    void computesAesGcm() {
      assertTrue(RuntimeCheck.isNewEnough(Runtime.version()));
      assertTrue(RuntimeCheck.computesAesGcm());
      assertTrue(RuntimeCheck.computesAesGcm(1500));
    }

    @Test
    @DisplayName("is too old if it is from before the repair")
    void knowsTheRepair() {
      assertFalse(RuntimeCheck.isNewEnough(Runtime.Version.parse("25")));
      assertFalse(RuntimeCheck.isNewEnough(Runtime.Version.parse("25.0.2+10")));
      assertTrue(RuntimeCheck.isNewEnough(Runtime.Version.parse("25.0.3+9-LTS")));
      assertTrue(RuntimeCheck.isNewEnough(Runtime.Version.parse("26-ea+1")));
    }

    @Test
    @DisplayName("is checked against answers that an independent implementation gives")
    void answersAreIndependent() {
      Aead independent = new IndependentGcm(RuntimeCheck.pattern(32, 1));
      assertEquals(RuntimeCheck.EXPECTED, Hex.text(RuntimeCheck.answers(independent)));
      assertEquals(
          RuntimeCheck.EXPECTED_SHORT,
          Hex.text(RuntimeCheck.answers(independent, RuntimeCheck.SHORT)));
    }
  }

  private static GCMBlockCipher independentGcm(byte[] key, byte[] nonce, byte[] aad) {
    var cipher = GCMBlockCipher.newInstance(AESEngine.newInstance());
    cipher.init(true, new AEADParameters(new KeyParameter(key), 128, nonce, aad));
    return (GCMBlockCipher) cipher;
  }

  /** Bouncy Castle's AES-GCM; what it opens, it seals again and compares. */
  private static final class IndependentGcm extends HeapAead {
    private final byte[] key;

    IndependentGcm(byte[] key) {
      this.key = key;
    }

    @Override
    public int nonceBytes() {
      return 16;
    }

    @Override
    public int seal(
        byte[] associated,
        byte[] plain,
        int plainPosition,
        int plainBytes,
        byte[] sealed,
        int position) {
      byte[] nonce = Arrays.copyOfRange(sealed, position, position + 16);
      GCMBlockCipher cipher = independentGcm(key, nonce, associated);
      int done = cipher.processBytes(plain, plainPosition, plainBytes, sealed, position + 16);
      try {
        return 16 + done + cipher.doFinal(sealed, position + 16 + done);
      } catch (org.bouncycastle.crypto.InvalidCipherTextException e) {
        throw new IllegalStateException(e);
      }
    }

    @Override
    public boolean open(
        byte[] associated,
        byte[] sealed,
        int position,
        int sealedBytes,
        byte[] plain,
        int plainPosition) {
      byte[] nonce = Arrays.copyOfRange(sealed, position, position + 16);
      var cipher = GCMBlockCipher.newInstance(AESEngine.newInstance());
      cipher.init(false, new AEADParameters(new KeyParameter(key), 128, nonce, associated));
      int done = cipher.processBytes(sealed, position + 16, sealedBytes - 16, plain, plainPosition);
      try {
        cipher.doFinal(plain, plainPosition + done);
        return true;
      } catch (org.bouncycastle.crypto.InvalidCipherTextException e) {
        return false;
      }
    }

    @Override
    public void close() {}
  }

  private static void assertSealsTo(
      Aead cipher, String nonce, String aad, byte[] plain, String body) {
    byte[] nonceBytes = Hex.bytes(nonce);
    byte[] aadBytes = Hex.bytes(aad);
    byte[] sealed = sealed(cipher, nonceBytes, aadBytes, plain);
    assertEquals(nonce + body, Hex.text(sealed));
    byte[] opened = new byte[plain.length];
    assertTrue(cipher.open(aadBytes, sealed, 0, sealed.length, opened, 0));
    assertArrayEquals(plain, opened);
  }

  private static byte[] body(Aead cipher, byte[] nonce, byte[] aad, byte[] plain) {
    byte[] sealed = sealed(cipher, nonce, aad, plain);
    return Arrays.copyOfRange(sealed, nonce.length, sealed.length);
  }

  private static byte[] sealed(Aead cipher, byte[] nonce, byte[] aad, byte[] plain) {
    byte[] sealed = Arrays.copyOf(nonce, plain.length + cipher.overheadBytes());
    assertEquals(sealed.length, cipher.seal(aad, plain, 0, plain.length, sealed, 0));
    return sealed;
  }

  private static byte[] bytes(Random random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }
}
