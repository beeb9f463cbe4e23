package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("A secret sealed under a secret")
class SecretGcmTest {
  private static long cipher(String engine, int keyBytes) {
    if (engine.equals("java")) {
      return 0;
    }
    long cipher = ContentCiphers.nativeGcm(keyBytes);
    assumeTrue(cipher != 0, "this machine has no libcrypto");
    return cipher;
  }

  private static byte[] content(@Nullable SecretBytes secret) {
    return secret == null ? new byte[0] : secret.read(byte[]::clone);
  }

  @ParameterizedTest
  @DisplayName("is what the cipher that is held against public vectors makes of it, both ways")
  @CsvSource({
    "java, 32, 32",
    "libcrypto, 32, 32",
    "libcrypto, 16, 1",
    "libcrypto, 32, 0",
    "libcrypto, 32, 70000",
    "java, 16, 0"
  })
  void isTheSame(String engine, int keyBytes, int bytes) {
    long cipher = cipher(engine, keyBytes);
    byte[] key = RandomBytes.of(keyBytes);
    byte[] plain = RandomBytes.of(bytes);
    byte[] associated = RandomBytes.of(bytes % 300);
    byte[] sealed = RandomBytes.of(5 + SecretGcm.OVERHEAD_BYTES + bytes);
    byte[] expected = sealed.clone();
    try (SecretBytes secretKey = SecretBytes.copyOf(key);
        SecretBytes secret = SecretBytes.copyOf(plain);
        AesGcm other = new AesGcm(key, SecretGcm.NONCE_BYTES)) {
      SecretGcm.seal(cipher, secretKey, associated, secret, sealed, 5);
      other.seal(associated, plain, 0, bytes, expected, 5);
      assertArrayEquals(expected, sealed);
      try (SecretBytes opened = SecretGcm.open(cipher, secretKey, associated, sealed, 5)) {
        assertTrue(opened != null);
        assertArrayEquals(plain, content(opened));
      }
    }
  }

  @ParameterizedTest
  @DisplayName("does not open with a bit flipped, cut off, for another purpose or by another key")
  @ValueSource(strings = {"java", "libcrypto"})
  void isRefused(String engine) {
    long cipher = cipher(engine, 32);
    byte[] associated = {1, 2, 3};
    byte[] sealed = RandomBytes.of(SecretGcm.OVERHEAD_BYTES + 32);
    try (SecretBytes key = SecretBytes.random(32);
        SecretBytes otherKey = SecretBytes.random(32);
        SecretBytes secret = SecretBytes.random(32)) {
      SecretGcm.seal(cipher, key, associated, secret, sealed, 0);
      for (int i = 0; i < sealed.length; i++) {
        byte[] damaged = sealed.clone();
        damaged[i] ^= 4;
        assertNull(SecretGcm.open(cipher, key, associated, damaged, 0), "byte " + i);
      }
      for (int length = 0; length < sealed.length; length++) {
        byte[] cut = Arrays.copyOf(sealed, length);
        assertNull(SecretGcm.open(cipher, key, associated, cut, 0), length + " bytes");
      }
      assertNull(SecretGcm.open(cipher, key, new byte[] {1, 2, 4}, sealed, 0));
      assertNull(SecretGcm.open(cipher, otherKey, associated, sealed, 0));
    }
  }

  @ParameterizedTest
  @DisplayName("of random bytes is of any length, and never twice the same")
  @ValueSource(ints = {1, 32, 100_000})
  void isRandom(int length) {
    try (SecretBytes one = SecretBytes.random(length);
        SecretBytes other = SecretBytes.random(length)) {
      assertEquals(length, one.length());
      if (length > 1) {
        assertNotEquals(0, content(one)[length - 1] | content(one)[length / 2] | content(one)[0]);
        assertTrue(!one.matches(other));
      }
    }
  }

  @Test
  @DisplayName("is random also for a thread that was interrupted, and stays so for others")
  void isRandomWhenInterrupted() {
    Thread.currentThread().interrupt();
    try (SecretBytes one = SecretBytes.random(32)) {
      assertTrue(Thread.interrupted(), "the interrupt is kept");
      try (SecretBytes other = SecretBytes.random(32);
          SecretBytes zeros = SecretBytes.take(new byte[32])) {
        assertTrue(!one.matches(zeros) && !other.matches(zeros) && !one.matches(other));
      }
    } finally {
      Thread.interrupted();
    }
  }
}
