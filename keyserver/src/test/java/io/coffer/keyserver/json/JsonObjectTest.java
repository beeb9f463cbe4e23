package io.coffer.keyserver.json;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class JsonObjectTest {
  private static JsonObject parse(String json) throws JsonException {
    return JsonObject.parse(json.getBytes(UTF_8), Set.of("key"));
  }

  @Test
  void whatIsWrittenIsReadBack() throws JsonException {
    JsonObject written =
        new JsonObject()
            .put("text", "ä\"\n")
            .put("number", 7)
            .put("yes", true)
            .put("none", null)
            .put("key", new byte[] {1, 2, 3})
            .put("list", List.of("a", "b"))
            .put("in", new JsonObject().put("key", new byte[0]));
    JsonObject read = JsonObject.parse(written.toBytes(), Set.of("key"));
    assertEquals("ä\"\n", read.string("text"));
    assertEquals(7, read.integer("number", 0, 10));
    assertEquals(true, read.bool("yes", false));
    assertEquals(List.of("a", "b"), read.strings("list"));
    assertArrayEquals(new byte[] {1, 2, 3}, read.bytes("key"));
    assertArrayEquals(new byte[0], read.object("in").bytes("key"));
    read.wipe();
    assertArrayEquals(new byte[3], read.bytes("key"));
  }

  /** Reads it as what was sealed is read. */
  private static JsonObject parseSecret(String json) throws JsonException {
    try (SecretBytes text = SecretBytes.take(json.getBytes(UTF_8))) {
      return JsonObject.parse(text, Set.of("secret", "other"), Set.of("key", "secret", "other"));
    }
  }

  private static byte[] secret(JsonObject object, String name) throws JsonException {
    try (SecretBytes secret = object.secret(name)) {
      return secret.read(byte[]::clone);
    }
  }

  @Test
  void secretsAreReadWhereTheyLieAndTheRestAsEver() throws JsonException {
    JsonObject read =
        parseSecret(
            """
            {"text":"\\"secret\\":","secret" : "AQIDBAU=", "in":{"secret":"BwcH","list":["secret"]},
             "key":"CQkJ", "number":3, "other":
            "", "list":["secret", "AAAA"]}
            """);
    assertArrayEquals(new byte[] {1, 2, 3, 4, 5}, secret(read, "secret"));
    assertArrayEquals(new byte[0], secret(read, "other"));
    assertEquals("\"secret\":", read.string("text"));
    assertArrayEquals(new byte[] {7, 7, 7}, secret(read.object("in"), "secret"));
    assertArrayEquals(new byte[] {9, 9, 9}, read.bytes("key"));
    assertEquals(3, read.integer("number", 0, 9));
    assertEquals(List.of("secret", "AAAA"), read.strings("list"));
    assertThrows(JsonException.class, () -> read.bytes("secret"), "it never was on the heap");
    read.wipe();
    assertThrows(IllegalStateException.class, () -> read.secret("secret"));
  }

  @Test
  void secretsOfEveryLengthAreReadWithAndWithoutPadding() throws JsonException {
    for (int length = 0; length < 70; length++) {
      byte[] bytes = RandomBytes.of(length);
      String text = Base64.getEncoder().encodeToString(bytes);
      String bare = Base64.getEncoder().withoutPadding().encodeToString(bytes);
      assertArrayEquals(bytes, secret(parseSecret("{\"secret\":\"" + text + "\"}"), "secret"));
      assertArrayEquals(bytes, secret(parseSecret("{\"secret\":\"" + bare + "\"}"), "secret"));
      String escaped = text.replace("/", "\\/");
      assertArrayEquals(bytes, secret(parseSecret("{\"secret\":\"" + escaped + "\"}"), "secret"));
    }
  }

  @Test
  void whatIsNoSecretOrNoJsonIsRefusedAlikeWhereverItLies() {
    for (String bad :
        List.of(
            "",
            "{",
            "{\"secret\"",
            "{\"secret\":",
            "{\"secret\":\"AAAA",
            "{\"secret\":\"AAAA\"",
            "{\"secret\":\"AAAA\\",
            "{\"secret\":\"AAAA\"} x",
            "{\"secret\":\"AAAA\",\"secret\":\"AAAA\"}",
            "{\"secret\":\"A\"}",
            "{\"secret\":\"AA=A\"}",
            "{\"secret\":\"AAAA====\"}",
            "{\"secret\":\"A*AA\"}",
            "{\"secret\":\"Aä\"}",
            "{\"secret\":\"AA A\"}",
            "{\"secret\":7}",
            "{\"secret\":[\"AAAA\"]}",
            "[\"secret\",\"AAAA\"]")) {
      assertThrows(JsonException.class, () -> parseSecret(bad), bad);
    }
  }

  @Test
  void anythingButOneStrictObjectIsRefused() {
    for (String bad :
        List.of(
            "",
            "[]",
            "1",
            "\"x\"",
            "{",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1}{}",
            "{\"a\":1} x",
            "{\"a\":1,\"a\":2}",
            "{a:1}",
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"a\":1.5}",
            "{\"a\":01}",
            "{\"a\":99999999999999999999}",
            "{\"a\":" + "9".repeat(30) + "}",
            "{\"key\":\"!!\"}",
            "{\"key\":7}",
            "{\"a\":" + "[".repeat(20) + "]".repeat(20) + "}",
            "{\"" + "n".repeat(200) + "\":1}",
            "{\"a\":\"\u0001\"}")) {
      assertThrows(JsonException.class, () -> parse(bad), bad);
    }
    assertThrows(
        JsonException.class,
        () -> JsonObject.parse(new byte[] {'{', '"', (byte) 0xff, '"', ':', '1', '}'}, Set.of()));
  }

  @Test
  void anErrorQuotesNoValue() {
    JsonException refused =
        assertThrows(JsonException.class, () -> parse("{\"key\":\"c2VjcmV0 oops\", \"x\": tru}"));
    assertFalse(String.valueOf(refused.getMessage()).contains("c2Vj"));
  }

  @Test
  void wrongTypesMissingAndUnknownMembersAreNamed() throws JsonException {
    JsonObject object = parse("{\"a\":\"x\",\"n\":5,\"l\":[1]}");
    assertThrows(JsonException.class, () -> object.integer("a", 0, 9));
    assertThrows(JsonException.class, () -> object.integer("n", 0, 4));
    assertThrows(JsonException.class, () -> object.string("n"));
    assertThrows(JsonException.class, () -> object.string("absent"));
    assertThrows(JsonException.class, () -> object.bool("a", true));
    assertThrows(JsonException.class, () -> object.strings("l"));
    assertThrows(JsonException.class, () -> object.object("l"));
    assertThrows(JsonException.class, () -> object.allow("a", "n"));
    object.allow("a", "n", "l");
  }
}
