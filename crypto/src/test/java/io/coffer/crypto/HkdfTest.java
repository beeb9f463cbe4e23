package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Random;
import org.bouncycastle.crypto.digests.SHA512Digest;
import org.bouncycastle.crypto.generators.HKDFBytesGenerator;
import org.bouncycastle.crypto.params.HKDFParameters;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("HKDF")
class HkdfTest {
  @ParameterizedTest
  @DisplayName("gives the outputs of RFC 5869, appendix A.1 to A.3")
  @CsvSource({
    "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b, 000102030405060708090a0b0c,"
        + "f0f1f2f3f4f5f6f7f8f9, 3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
        + "34007208d5b887185865",
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        + "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
        + "404142434445464748494a4b4c4d4e4f,"
        + "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
        + "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
        + "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf,"
        + "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
        + "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
        + "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff,"
        + "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
        + "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
        + "cc30c58179ec3e87c14c01d5c1f3434f1d87",
    "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b, '', '',"
        + "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
        + "9d201395faa4b61a96c8"
  })
  void givesTheOutputsOfTheStandard(String input, String salt, String info, String output) {
    byte[] derived =
        Hkdf.SHA256.derive(Hex.bytes(input), Hex.bytes(salt), Hex.bytes(info), output.length() / 2);
    assertEquals(output, Hex.text(derived));
  }

  @Test
  @DisplayName("with SHA-512 agrees with an independent implementation for all lengths")
  void agreesWithAnIndependentImplementation() {
    Random random = new Random(1);
    for (int length = 0; length <= 300; length++) {
      byte[] input = bytes(random, 1 + random.nextInt(100));
      byte[] salt = bytes(random, random.nextInt(100));
      byte[] info = bytes(random, random.nextInt(100));
      HKDFBytesGenerator independent = new HKDFBytesGenerator(new SHA512Digest());
      independent.init(new HKDFParameters(input, salt, info));
      byte[] expected = new byte[length];
      independent.generateBytes(expected, 0, length);
      assertArrayEquals(expected, Hkdf.SHA512.derive(input, salt, info, length));
    }
  }

  @Test
  @DisplayName("refuses to derive more than 255 blocks")
  void refusesTooMuch() {
    byte[] input = new byte[1];
    assertEquals(255 * 32, Hkdf.SHA256.derive(input, input, input, 255 * 32).length);
    assertThrows(
        IllegalArgumentException.class,
        () -> Hkdf.SHA256.derive(input, input, input, 255 * 32 + 1));
  }

  private static byte[] bytes(Random random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }
}
