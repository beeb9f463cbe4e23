package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.bouncycastle.crypto.generators.SCrypt;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("scrypt")
class ScryptTest {
  @ParameterizedTest
  @DisplayName("gives the outputs of RFC 7914, section 12")
  @CsvSource({
    "'', '', 16, 1, 1, 77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
        + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
    "password, NaCl, 1024, 8, 16, fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
    "pleaseletmein, SodiumChloride, 16384, 8, 1,"
        + "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
  })
  void givesTheOutputsOfTheStandard(
      String password, String salt, long n, int r, int p, String output) {
    byte[] hash = Scrypt.hash(ascii(password), ascii(salt), n, r, p, 64);
    assertEquals(output, Hex.text(hash));
    // This one goes to libcrypto where there is one.
    try (SecretBytes secret = SecretBytes.copyOf(ascii(password));
        SecretBytes another = Scrypt.hash(secret, ascii(salt), n, r, p, 64)) {
      assertEquals(output, another.read(Hex::text));
    }
  }

  @Test
  @DisplayName("agrees with an independent implementation for odd parameters")
  void agreesWithAnIndependentImplementation() {
    Random random = new Random(3);
    for (int i = 0; i < 30; i++) {
      byte[] password = new byte[random.nextInt(100)];
      byte[] salt = new byte[random.nextInt(100)];
      random.nextBytes(password);
      random.nextBytes(salt);
      int n = 2 << random.nextInt(8);
      int r = 2 + random.nextInt(9);
      int p = 1 + random.nextInt(3);
      int length = 1 + random.nextInt(100);
      assertArrayEquals(
          SCrypt.generate(password, salt, n, r, p, length),
          Scrypt.hash(password, salt, n, r, p, length));
    }
  }

  @Test
  @DisplayName("is computed by libcrypto with more memory than that allows by itself")
  void isComputedByLibcrypto() {
    assumeTrue(LibCrypto.isPresent());
    byte[] salt = new byte[32];
    byte[] password = ascii("password");
    try (SecretBytes secret = SecretBytes.copyOf(password);
        SecretBytes hash = SecretBytes.copyOf(new byte[32])) {
      assertTrue(
          secret.<Boolean, RuntimeException>lend(
              from -> hash.lend(to -> LibCrypto.scrypt(from, salt, 1 << 16, 8, 1, to))));
      assertArrayEquals(
          Scrypt.hash(password, salt, 1 << 16, 8, 1, 32),
          hash.<byte[], RuntimeException>read(bytes -> bytes.clone()));
    }
  }

  @Test
  @DisplayName("refuses parameters that the standard excludes")
  void refusesBadParameters() {
    byte[] salt = new byte[32];
    assertThrows(IllegalArgumentException.class, () -> Scrypt.hash(salt, salt, 1, 8, 1, 32));
    assertThrows(IllegalArgumentException.class, () -> Scrypt.hash(salt, salt, 1000, 8, 1, 32));
    assertThrows(IllegalArgumentException.class, () -> Scrypt.hash(salt, salt, 16, 0, 1, 32));
    assertThrows(IllegalArgumentException.class, () -> Scrypt.hash(salt, salt, 16, 8, 0, 32));
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
