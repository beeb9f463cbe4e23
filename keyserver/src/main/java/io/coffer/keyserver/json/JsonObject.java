package io.coffer.keyserver.json;

import io.coffer.crypto.SecretBytes;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

/**
 * A JSON object with typed access. Reading is strict: UTF-8, one object, no duplicate names, at
 * most {@value #MAX_DEPTH} levels. Members whose name is said to be binary are base64 in JSON and
 * become byte arrays directly, never a String, so that key material can be wiped; {@link #wipe}
 * does so.
 *
 * <p>Not thread-safe.
 */
public final class JsonObject {
  private static final int MAX_DEPTH = 12;
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_DEPTH)
                  .maxNumberLength(24)
                  .maxNameLength(128)
                  .maxStringLength(1 << 20)
                  .maxDocumentLength(4 << 20)
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          // Errors must not quote the document, which may hold a secret.
          .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
          .build();

  private final Map<String, @Nullable Object> members = new LinkedHashMap<>();

  /** Reads an object. */
  public static JsonObject parse(byte[] json, Set<String> binaryNames) throws JsonException {
    return parse(json, binaryNames, "");
  }

  /**
   * Reads an object that holds secrets. What is left of them on the heap is nothing, if they are
   * strings of the object itself without escapes; {@link #secret} gives them.
   *
   * @param secretNames members that are base64 and secret
   */
  public static JsonObject parse(SecretBytes json, Set<String> secretNames, Set<String> binaryNames)
      throws JsonException {
    return json.lend(text -> SecretMembers.parse(text, secretNames, binaryNames));
  }

  /**
   * Reads an object.
   *
   * @param secretName a member that is text and secret: it becomes the bytes of its UTF-8; empty
   *     for none
   */
  public static JsonObject parse(byte[] json, Set<String> binaryNames, String secretName)
      throws JsonException {
    try (JsonParser parser = FACTORY.createParser(ObjectReadContext.empty(), json)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new JsonException("a JSON object is expected");
      }
      JsonObject object = readObject(parser, binaryNames, secretName);
      if (parser.nextToken() != null) {
        object.wipe();
        throw new JsonException("there is something after the JSON object");
      }
      return object;
    } catch (JacksonException e) {
      var location = e.getLocation();
      throw new JsonException(
          "malformed JSON"
              + (location == null
                  ? ""
                  : " at line " + location.getLineNr() + ", column " + location.getColumnNr()));
    }
  }

  private static JsonObject readObject(
      JsonParser parser, Set<String> binaryNames, String secretName) throws JsonException {
    JsonObject object = new JsonObject();
    boolean whole = false;
    try {
      while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
        String name = parser.currentName();
        JsonToken token = parser.nextToken();
        object.members.put(
            name,
            !name.isEmpty() && name.equals(secretName) && token == JsonToken.VALUE_STRING
                ? utf8(parser)
                : readValue(parser, token, binaryNames.contains(name), binaryNames, secretName));
      }
      whole = true;
      return object;
    } finally {
      if (!whole) {
        object.wipe(); // nobody else will: what is malformed may hold a secret before its fault
      }
    }
  }

  /**
   * The value of a string in base64. The parser's own decoder would leave a copy in a buffer that
   * it uses again; here, what the parser keeps of the text is overwritten.
   */
  private static byte[] base64(JsonParser parser) throws JsonException {
    byte[] text = utf8(parser);
    try {
      return Base64.getDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      throw new JsonException("'" + parser.currentName() + "' must be base64 text");
    } finally {
      Arrays.fill(text, (byte) 0);
    }
  }

  private static byte[] utf8(JsonParser parser) {
    char[] characters = parser.getStringCharacters();
    int offset = parser.getStringOffset();
    CharBuffer text = CharBuffer.wrap(characters, offset, parser.getStringLength());
    ByteBuffer encoded = ByteBuffer.allocate(3 * text.length());
    StandardCharsets.UTF_8
        .newEncoder()
        .onMalformedInput(CodingErrorAction.REPLACE)
        .encode(text, encoded, true);
    byte[] bytes = Arrays.copyOf(encoded.array(), encoded.position());
    Arrays.fill(encoded.array(), (byte) 0);
    Arrays.fill(characters, offset, offset + parser.getStringLength(), '\0');
    return bytes;
  }

  private static @Nullable Object readValue(
      JsonParser parser,
      JsonToken token,
      boolean binary,
      Set<String> binaryNames,
      String secretName)
      throws JsonException {
    if (binary && token != JsonToken.VALUE_NULL) {
      if (token != JsonToken.VALUE_STRING) {
        throw new JsonException("'" + parser.currentName() + "' must be base64 text");
      }
      return base64(parser);
    }
    return switch (token) {
      case VALUE_STRING -> parser.getString();
      case VALUE_NUMBER_INT -> integer(parser);
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case VALUE_NULL -> null;
      case START_OBJECT -> readObject(parser, binaryNames, secretName);
      case START_ARRAY -> {
        List<@Nullable Object> list = new ArrayList<>();
        for (JsonToken t = parser.nextToken(); t != JsonToken.END_ARRAY; t = parser.nextToken()) {
          list.add(readValue(parser, t, false, binaryNames, secretName));
        }
        yield list;
      }
      default -> throw new JsonException("a fraction where a whole number is expected");
    };
  }

  private static long integer(JsonParser parser) throws JsonException {
    try {
      return parser.getLongValue();
    } catch (JacksonException e) {
      throw new JsonException("a number is too large");
    }
  }

  /**
   * Sets a member: String, Long, Integer, Boolean, byte[], JsonObject, a collection, or null. A
   * {@link SecretBytes} is closed by {@link #wipe}, and cannot be written.
   */
  public JsonObject put(String name, @Nullable Object value) {
    members.put(name, value instanceof Integer i ? Long.valueOf(i) : value);
    return this;
  }

  /** Has it the member, with a value other than null? */
  public boolean has(String name) {
    return members.get(name) != null;
  }

  /** Refuses members that nobody would look at, so that a typing mistake does not go unnoticed. */
  public void allow(String... names) throws JsonException {
    for (String name : members.keySet()) {
      if (!Arrays.asList(names).contains(name)) {
        throw new JsonException(
            "'" + shorten(name) + "' is not known here; known are " + String.join(", ", names));
      }
    }
  }

  /** A text that must be there. */
  public String string(String name) throws JsonException {
    String value = optionalString(name);
    if (value == null) {
      throw new JsonException("'" + name + "' is missing");
    }
    return value;
  }

  /** A text, or null. */
  public @Nullable String optionalString(String name) throws JsonException {
    Object value = members.get(name);
    if (value == null || value instanceof String) {
      return (String) value;
    }
    throw new JsonException("'" + name + "' must be a text");
  }

  /** A whole number within bounds. */
  public long integer(String name, long min, long max) throws JsonException {
    if (!(members.get(name) instanceof Long value)) {
      throw new JsonException("'" + name + "' must be a whole number");
    }
    if (value < min || value > max) {
      throw new JsonException("'" + name + "' must be from " + min + " to " + max);
    }
    return value;
  }

  /** A whole number within bounds, or a default. */
  public long integer(String name, long min, long max, long otherwise) throws JsonException {
    return has(name) ? integer(name, min, max) : otherwise;
  }

  /** A truth value, or a default. */
  public boolean bool(String name, boolean otherwise) throws JsonException {
    Object value = members.get(name);
    if (value == null) {
      return otherwise;
    }
    if (value instanceof Boolean b) {
      return b;
    }
    throw new JsonException("'" + name + "' must be true or false");
  }

  /** A binary member, which the caller may wipe. */
  public byte[] bytes(String name) throws JsonException {
    Object value = members.get(name);
    if (value instanceof byte[] bytes) {
      return bytes;
    }
    if (value instanceof String text) {
      try {
        return Base64.getDecoder().decode(text);
      } catch (IllegalArgumentException e) {
        throw new JsonException("'" + name + "' must be base64 text");
      }
    }
    throw new JsonException("'" + name + "' is missing");
  }

  /** A binary member that is secret, as a copy which the caller closes. */
  public SecretBytes secret(String name) throws JsonException {
    return members.get(name) instanceof SecretBytes secret
        ? secret.copy()
        : SecretBytes.copyOf(bytes(name));
  }

  /** A member that is an object; empty if there is none. */
  public JsonObject object(String name) throws JsonException {
    Object value = members.get(name);
    if (value == null) {
      return new JsonObject();
    }
    if (value instanceof JsonObject object) {
      return object;
    }
    throw new JsonException("'" + name + "' must be an object");
  }

  /** The objects of a list; empty if there is none. */
  public List<JsonObject> objects(String name) throws JsonException {
    return list(name, JsonObject.class, "objects");
  }

  /** The texts of a list; empty if there is none. */
  public List<String> strings(String name) throws JsonException {
    return list(name, String.class, "texts");
  }

  private <T> List<T> list(String name, Class<T> type, String what) throws JsonException {
    Object value = members.get(name);
    if (value == null) {
      return List.of();
    }
    List<T> result = new ArrayList<>();
    if (value instanceof Collection<?> collection) {
      for (Object element : collection) {
        if (!type.isInstance(element)) {
          throw new JsonException("'" + name + "' must be a list of " + what);
        }
        result.add(type.cast(element));
      }
      return result;
    }
    throw new JsonException("'" + name + "' must be a list");
  }

  /** The names of all members, in order. */
  public Set<String> names() {
    return Set.copyOf(members.keySet());
  }

  /** Writes the object as UTF-8. */
  public byte[] toBytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream(256);
    try (JsonGenerator generator = FACTORY.createGenerator(ObjectWriteContext.empty(), out)) {
      write(generator, this);
    }
    return out.toByteArray();
  }

  private static void write(JsonGenerator generator, @Nullable Object value) {
    switch (value) {
      case null -> generator.writeNull();
      case String text -> generator.writeString(text);
      case Long number -> generator.writeNumber(number);
      case Boolean bool -> generator.writeBoolean(bool);
      case byte[] bytes -> generator.writeBinary(bytes);
      case JsonObject object -> {
        generator.writeStartObject();
        object.members.forEach((name, member) -> {
          generator.writeName(name);
          write(generator, member);
        });
        generator.writeEndObject();
      }
      case Collection<?> list -> {
        generator.writeStartArray();
        list.forEach(element -> write(generator, element));
        generator.writeEndArray();
      }
      default -> throw new IllegalArgumentException("no JSON for " + value.getClass());
    }
  }

  /** Overwrites the binary members with zeros. */
  public void wipe() {
    for (Object value : members.values()) {
      if (value instanceof byte[] bytes) {
        Arrays.fill(bytes, (byte) 0);
      } else if (value instanceof SecretBytes secret) {
        secret.close();
      } else if (value instanceof JsonObject object) {
        object.wipe();
      }
    }
  }

  private static String shorten(String text) {
    return text.length() > 40 ? text.substring(0, 40) + "..." : text;
  }

  /** Tells the names only. */
  @Override
  public String toString() {
    return "JsonObject" + members.keySet();
  }
}
