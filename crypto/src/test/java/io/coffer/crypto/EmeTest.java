package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.security.MessageDigest;
import java.util.Random;
import java.util.stream.IntStream;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("EME")
class EmeTest {
  private static final byte[] ZERO_TWEAK = new byte[16];

  @Test
  @DisplayName("of one block of zeros is what rfjakob/eme publishes")
  void oneBlock() {
    try (Eme eme = new Eme(new byte[32])) {
      byte[] encrypted = eme.encrypt(ZERO_TWEAK, new byte[16]);
      assertEquals("f1b9ce8ca15a4ba9fb476905434b9fd3", Hex.text(encrypted));
    }
  }

  @ParameterizedTest
  @DisplayName("of many blocks of zeros is what rfjakob/eme and the IEEE 1619 list publish")
  @CsvSource({
    "512, true, 7db861e039925bcce41a7dd1d8c3af62a4c114a0d906904929f6f2aadf11898f",
    "512, false, 2cf26c1331659aa00d5b8ea6b1d1111ee9d07eed733d858c6edbb512d1a5d4be",
    "2048, true, 44ea4ab31f9e4c83420f1bfe7782ded2e2421c92ac416a830cf46f3ea4cb5ff1"
  })
  void manyBlocks(int length, boolean encrypt, String outputSha256) throws Exception {
    try (Eme eme = new Eme(new byte[32])) {
      byte[] input = new byte[length];
      byte[] output = encrypt ? eme.encrypt(ZERO_TWEAK, input) : eme.decrypt(ZERO_TWEAK, input);
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(output);
      assertEquals(outputSha256, Hex.text(hash));
    }
  }

  @Test
  @DisplayName("is undone by decryption, for every length and tweak")
  void isUndone() {
    Random random = new Random(5);
    byte[] key = bytes(random, 32);
    try (Eme eme = new Eme(key)) {
      for (int blocks = 1; blocks <= 128; blocks++) {
        byte[] plain = bytes(random, 16 * blocks);
        byte[] tweak = bytes(random, 16);
        byte[] encrypted = eme.encrypt(tweak, plain);
        assertArrayEquals(plain, eme.decrypt(tweak, encrypted));
      }
    }
  }

  @Test
  @DisplayName("changes every block if any bit of the input or the tweak changes")
  void diffuses() {
    Random random = new Random(6);
    byte[] plain = bytes(random, 64);
    byte[] tweak = bytes(random, 16);
    try (Eme eme = new Eme(bytes(random, 32))) {
      byte[] encrypted = eme.encrypt(tweak, plain);
      for (int bit = 0; bit < 8 * (plain.length + tweak.length); bit++) {
        byte[] otherPlain = plain.clone();
        byte[] otherTweak = tweak.clone();
        if (bit < 8 * plain.length) {
          otherPlain[bit / 8] ^= (byte) (1 << bit % 8);
        } else {
          otherTweak[bit / 8 - plain.length] ^= (byte) (1 << bit % 8);
        }
        byte[] other = eme.encrypt(otherTweak, otherPlain);
        for (int block = 0; block < 4; block++) {
          int from = 16 * block;
          int same = 0;
          for (int i = from; i < from + 16; i++) {
            same += encrypted[i] == other[i] ? 1 : 0;
          }
          assertTrue(same < 5, "bit " + bit + " leaves block " + block + " nearly unchanged");
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {16, 32})
  @DisplayName("gets AES from libcrypto where there is one, equal to Java's, also in threads")
  void aesByLibCrypto(int keyBytes) throws Exception {
    Random random = new Random(7);
    byte[] key = bytes(random, keyBytes);
    Cipher java = Cipher.getInstance("AES/ECB/NoPadding");
    java.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"));
    try (AesBlocks aes = AesBlocks.of(key)) {
      assertEquals(
          ContentCiphers.isNativeWanted() && LibCrypto.isPresent() ? "ByLibCrypto" : "ByJava",
          aes.getClass().getSimpleName());
      for (int blocks = 1; blocks <= AesBlocks.MOST_BLOCKS; blocks++) {
        byte[] plain = bytes(random, 16 * blocks);
        byte[] expected = java.doFinal(plain);
        IntStream.range(0, 4)
            .parallel()
            .forEach(thread -> {
              byte[] encrypted = new byte[plain.length];
              aes.encrypt(plain, plain.length, encrypted);
              assertArrayEquals(expected, encrypted);
              aes.decrypt(encrypted, encrypted.length, encrypted);
              assertArrayEquals(plain, encrypted);
            });
      }
    }
    assertThrows(IllegalArgumentException.class, () -> AesBlocks.of(new byte[24]));
  }

  @Test
  @DisplayName("refuses lengths that it is not defined for, and work after its end")
  void refusesBadLengths() {
    Eme eme = new Eme(new byte[32]);
    for (int length : new int[] {0, 1, 15, 17, 2064}) {
      assertThrows(IllegalArgumentException.class, () -> eme.encrypt(ZERO_TWEAK, new byte[length]));
    }
    assertThrows(IllegalArgumentException.class, () -> eme.encrypt(new byte[15], new byte[16]));
    eme.close();
    assertThrows(IllegalStateException.class, () -> eme.encrypt(ZERO_TWEAK, new byte[16]));
  }

  private static byte[] bytes(Random random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }
}
