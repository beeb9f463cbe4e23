package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.bouncycastle.crypto.digests.Blake2bDigest;
import org.bouncycastle.crypto.generators.Argon2BytesGenerator;
import org.bouncycastle.crypto.params.Argon2Parameters;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("Argon2id")
class Argon2idTest {
  @ParameterizedTest
  @DisplayName("gives the outputs of the reference implementation")
  @CsvSource({
    "65536, 2, 1, 09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
    "256, 2, 1, 9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
    "256, 2, 2, 6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"
  })
  void givesTheOutputsOfTheReference(int memoryKib, int passes, int lanes, String output) {
    byte[] hash = Argon2id.hash(ascii("password"), ascii("somesalt"), memoryKib, passes, lanes, 32);
    assertEquals(output, Hex.text(hash));
  }

  @Test
  @DisplayName("agrees with an independent implementation for odd parameters")
  void agreesWithAnIndependentImplementation() {
    Random random = new Random(5);
    for (int i = 0; i < 40; i++) {
      byte[] password = new byte[random.nextInt(200)];
      byte[] salt = new byte[8 + random.nextInt(100)];
      random.nextBytes(password);
      random.nextBytes(salt);
      int lanes = 1 + random.nextInt(5);
      int memoryKib = 8 * lanes + random.nextInt(2000);
      int passes = 1 + random.nextInt(4);
      var other = new Argon2BytesGenerator();
      other.init(
          new Argon2Parameters.Builder(Argon2Parameters.ARGON2_id)
              .withVersion(Argon2Parameters.ARGON2_VERSION_13)
              .withSalt(salt)
              .withMemoryAsKB(memoryKib)
              .withIterations(passes)
              .withParallelism(lanes)
              .build());
      byte[] expected = new byte[4 + random.nextInt(200)];
      other.generateBytes(password, expected);
      assertArrayEquals(
          expected,
          Argon2id.hash(password, salt, memoryKib, passes, lanes, expected.length),
          "m=" + memoryKib + " t=" + passes + " p=" + lanes + " length " + expected.length);
    }
  }

  @Test
  @DisplayName("is built on a BLAKE2b that agrees with an independent one at every length")
  void isBuiltOnBlake2b() {
    Random random = new Random(6);
    for (int length = 0; length < 400; length++) {
      byte[] message = new byte[length];
      random.nextBytes(message);
      int bytes = 1 + length % 64;
      var other = new Blake2bDigest(8 * bytes);
      other.update(message, 0, length);
      byte[] expected = new byte[bytes];
      other.doFinal(expected, 0);
      assertArrayEquals(expected, Blake2b.hash(message, bytes), length + " bytes");
    }
  }

  @Test
  @DisplayName("is the same by the system's library, where there is one")
  void isTheSameByTheSystemsLibrary() {
    assumeTrue(LibArgon2.isPresent());
    Random random = new Random(7);
    for (int i = 0; i < 40; i++) {
      byte[] password = new byte[i];
      byte[] salt = new byte[8 + random.nextInt(100)];
      random.nextBytes(password);
      random.nextBytes(salt);
      int lanes = 1 + random.nextInt(5);
      int memoryKib = 8 * lanes + random.nextInt(2000);
      int passes = 1 + random.nextInt(4);
      int length = 4 + random.nextInt(200);
      byte[] expected = Argon2id.hash(password, salt, memoryKib, passes, lanes, length);
      try (SecretBytes secret = SecretBytes.copyOf(password);
          SecretBytes hash = SecretBytes.take(new byte[length])) {
        boolean answered =
            secret.lend(
                from -> hash.lend(to -> LibArgon2.hash(from, salt, memoryKib, passes, lanes, to)));
        assertTrue(answered);
        hash.read(bytes -> {
          assertArrayEquals(expected, bytes, "m=" + memoryKib + " t=" + passes + " p=" + lanes);
          return null;
        });
      }
    }
  }

  @Test
  @DisplayName("refuses parameters that the standard excludes")
  void refusesBadParameters() {
    byte[] salt = new byte[16];
    assertThrows(IllegalArgumentException.class, () -> Argon2id.hash(salt, salt, 7, 1, 1, 32));
    assertThrows(IllegalArgumentException.class, () -> Argon2id.hash(salt, salt, 64, 0, 1, 32));
    assertThrows(IllegalArgumentException.class, () -> Argon2id.hash(salt, salt, 64, 1, 0, 32));
    assertThrows(IllegalArgumentException.class, () -> Argon2id.hash(salt, salt, 64, 1, 9, 32));
    assertThrows(
        IllegalArgumentException.class, () -> Argon2id.hash(salt, new byte[7], 64, 1, 1, 32));
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
