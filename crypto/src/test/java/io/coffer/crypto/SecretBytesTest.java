package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("A secret")
class SecretBytesTest {
  private static final byte[] TEXT = "hunter2".getBytes(StandardCharsets.US_ASCII);

  @Test
  @DisplayName("wipes the array it was taken from, and leaves the one it was copied from")
  void wipesWhatItTakes() {
    byte[] source = TEXT.clone();
    try (SecretBytes secret = SecretBytes.copyOf(source)) {
      assertArrayEquals(TEXT, source);
      assertEquals(7, secret.length());
    }
    try (SecretBytes secret = SecretBytes.take(source)) {
      assertArrayEquals(new byte[7], source);
      assertArrayEquals(TEXT, content(secret));
    }
  }

  @Test
  @DisplayName("wipes the copy that it lent, also if the reader fails")
  void wipesWhatItLends() {
    AtomicReference<byte[]> kept = new AtomicReference<>(new byte[0]);
    try (SecretBytes secret = SecretBytes.copyOf(TEXT)) {
      secret.read(bytes -> {
        kept.set(bytes);
        return "";
      });
      assertArrayEquals(new byte[7], kept.get());
      assertThrows(
          IllegalArgumentException.class,
          () ->
              secret.read(bytes -> {
                kept.set(bytes);
                throw new IllegalArgumentException("no");
              }));
      assertArrayEquals(new byte[7], kept.get());
    }
  }

  @Test
  @DisplayName("is gone once it is closed, while its copy lives on")
  void endsOnClose() {
    SecretBytes secret = SecretBytes.copyOf(TEXT);
    try (SecretBytes copy = secret.copy()) {
      assertTrue(copy.matches(secret));
      secret.close();
      secret.close();
      assertThrows(IllegalStateException.class, () -> secret.read(bytes -> bytes.length));
      assertArrayEquals(TEXT, content(copy));
    }
  }

  @Test
  @DisplayName("does not show in text, and differs from another")
  void staysSecret() {
    try (SecretBytes secret = SecretBytes.copyOf(TEXT);
        SecretBytes other = SecretBytes.random(7);
        SecretBytes empty = SecretBytes.copyOf(new byte[0])) {
      assertEquals("SecretBytes[7 bytes]", secret.toString());
      assertFalse(secret.matches(other));
      assertEquals(0, empty.length());
      assertFalse(secret.matches(empty));
    }
  }

  @Test
  @DisplayName("is random if asked for, across the pool's end")
  void isRandom() {
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < 1000; i++) {
      assertTrue(seen.add(Hex.text(RandomBytes.of(13))));
    }
    byte[] large = RandomBytes.of(10_000);
    int zeros = 0;
    for (byte b : large) {
      zeros += b == 0 ? 1 : 0;
    }
    assertTrue(zeros < 120, "zeros among 10000 random bytes: " + zeros);
  }

  private static byte[] content(SecretBytes secret) {
    return secret.read(byte[]::clone);
  }
}
