package io.coffer.format;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("Names in base64")
class StrictBase64Test {
  private static final byte[] CHARACTERS =
      "AQgwBEIxyz0189-_=+/ \n*\0ä".getBytes(StandardCharsets.ISO_8859_1);

  /** What the JDK decodes, if that is its only form. */
  private static byte @Nullable [] expected(byte[] text, boolean padded) {
    Base64.Encoder encoder = Base64.getUrlEncoder();
    try {
      byte[] bytes = Base64.getUrlDecoder().decode(text);
      byte[] again = (padded ? encoder : encoder.withoutPadding()).encode(bytes);
      return Arrays.equals(again, text) ? bytes : null;
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static void assertAgrees(StrictBase64 base64, byte[] text, boolean padded)
      throws FormatException {
    byte[] expected = expected(text, padded);
    String shown = new String(text, StandardCharsets.ISO_8859_1);
    if (expected == null) {
      assertThrows(FormatException.class, () -> base64.decode(text, "it"), shown);
    } else {
      assertArrayEquals(expected, base64.decode(text, "it"), shown);
    }
  }

  @ParameterizedTest
  @DisplayName("are taken in the one form that they have, and in no other")
  @ValueSource(booleans = {false, true})
  void decodesOneForm(boolean padded) throws FormatException {
    StrictBase64 base64 = padded ? StrictBase64.PADDED_URL : StrictBase64.URL;
    Random random = new Random(7);
    int taken = 0;
    for (int i = 0; i < 200_000; i++) {
      byte[] text = new byte[random.nextInt(10)];
      for (int j = 0; j < text.length; j++) {
        // Mostly what is allowed, so that something gets through.
        text[j] = CHARACTERS[random.nextInt(random.nextInt(6) == 0 ? CHARACTERS.length : 16)];
      }
      assertAgrees(base64, text, padded);
      taken += expected(text, padded) == null ? 0 : 1;
    }
    assertTrue(taken > 10_000, taken + " were good");
    for (int length = 0; length < 300; length++) {
      byte[] bytes = new byte[length];
      random.nextBytes(bytes);
      byte[] text = base64.encode(bytes);
      assertArrayEquals(bytes, base64.decode(text, "it"));
      assertEquals(base64.encodedLength(length), text.length);
      if (length > 0) {
        for (byte character : CHARACTERS) {
          byte[] changed = text.clone();
          changed[random.nextInt(text.length)] = character;
          assertAgrees(base64, changed, padded);
        }
      }
    }
  }
}
