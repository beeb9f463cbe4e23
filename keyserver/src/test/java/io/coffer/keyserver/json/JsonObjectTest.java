package io.coffer.keyserver.json;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

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
