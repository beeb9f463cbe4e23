package io.coffer.keyserver.pkcs11;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.pkcs11.Token.Wrapped;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenTest {
  @TempDir Path directory;
  private SoftwareToken tokens;

  @BeforeEach
  void make() throws Exception {
    tokens = SoftwareToken.in(directory);
    tokens.make("one");
  }

  private static SecretBytes pin(String text) {
    return SecretBytes.take(text.getBytes(UTF_8));
  }

  private static Token open(String label) throws TokenException {
    try (SecretBytes pin = pin(SoftwareToken.PIN)) {
      return Token.open(SoftwareToken.library(), label, pin);
    }
  }

  private static String refused(Path library, String label, String pin) {
    try (SecretBytes secret = pin(pin)) {
      TokenException e =
          assertThrows(TokenException.class, () -> Token.open(library, label, secret).close());
      return e.getMessage() + " " + e.advice();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"aes-gcm", "aes-cbc"})
  void wrapsASecretUnderAKeyThatOnlyThisTokenHas(String mechanism) throws Exception {
    tokens.make("two");
    Wrapped wrapped;
    try (SecretBytes secret = SecretBytes.random(32)) {
      String clear = secret.read(HexFormat.of()::formatHex);
      try (Token token = open("one")) {
        token.requireKey("k");
        token.requireKey("k"); // found, not made again
        wrapped = token.wrap("k", secret, mechanism);
        assertEquals("aes-gcm", token.wrap("k", secret).mechanism(), "SoftHSM has GCM");
        assertFalse(HexFormat.of().formatHex(wrapped.bytes()).contains(clear));
      }
      try (Token again = open("one");
          SecretBytes back = again.unwrap("k", wrapped)) {
        assertTrue(back.matches(secret));
      }
      try (Token other = open("two")) {
        TokenException none =
            assertThrows(TokenException.class, () -> other.unwrap("k", wrapped).close());
        assertTrue(String.valueOf(none.getMessage()).contains("has no AES key 'k'"));
        other.requireKey("k");
        assertFalse(opensAs(other, wrapped, secret), "a key of the same name elsewhere");
      }
      try (Token token = open("one")) {
        byte[] bytes = wrapped.bytes();
        for (int i = 0; i < bytes.length; i++) {
          byte[] bad = bytes.clone();
          bad[i] ^= 1;
          assertFalse(opensAs(token, new Wrapped(mechanism, wrapped.iv(), bad), secret));
        }
        byte[] cut = Arrays.copyOf(bytes, bytes.length - 1);
        assertFalse(opensAs(token, new Wrapped(mechanism, wrapped.iv(), cut), secret));
        assertFalse(opensAs(token, new Wrapped(mechanism, new byte[3], bytes), secret));
        assertFalse(opensAs(token, new Wrapped(mechanism, wrapped.iv(), new byte[9999]), secret));
        assertTrue(opensAs(token, wrapped, secret), "and is well after all that");
      }
    }
  }

  private static boolean opensAs(Token token, Wrapped wrapped, SecretBytes secret) {
    try (SecretBytes opened = token.unwrap("k", wrapped)) {
      return opened.matches(secret);
    } catch (TokenException e) {
      return false;
    }
  }

  @Test
  void whatIsWrongWithLibraryTokenOrPinIsSaid() throws Exception {
    Path library = SoftwareToken.library();
    assertTrue(refused(directory.resolve("no.so"), "one", "x").contains("no PKCS#11 library"));
    Path text = Files.writeString(directory.resolve("text.so"), "no library");
    assertTrue(refused(text, "one", "x").contains("no PKCS#11 library for this machine"));
    assertTrue(refused(Path.of("libsofthsm2.so"), "one", "x").contains("whole path"));
    String missing = refused(library, "three", SoftwareToken.PIN);
    assertTrue(missing.contains("no token 'three'"), missing);
    assertTrue(missing.contains("There are: 'one' (serial number "), missing);
    String wrong = refused(library, "one", "0000");
    assertTrue(wrong.contains("is wrong") && wrong.contains("lock"), wrong);
    tokens.make("one");
    String twice = refused(library, "one", SoftwareToken.PIN);
    assertTrue(twice.contains("several tokens are called 'one'"), twice);
    String serial = twice.replaceAll("(?s).*?serial number ([0-9a-f]+).*", "$1");
    open(serial).close();
  }

  @Test
  void aKeyThatWasOnceOutsideTheTokenIsNotUsed() throws Exception {
    Path key = directory.resolve("key");
    Files.write(key, new byte[32]);
    tokens.util(
        "--import",
        key.toString(),
        "--aes",
        "--token",
        "one",
        "--label",
        "weak",
        "--id",
        "01",
        "--pin",
        SoftwareToken.PIN);
    try (Token token = open("one")) {
      TokenException e = assertThrows(TokenException.class, () -> token.requireKey("weak"));
      assertTrue(String.valueOf(e.getMessage()).contains("could be read out"), e::toString);
    }
  }
}
