package io.coffer.keyserver.json;

import io.coffer.crypto.SecretBytes;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Takes the secrets out of a JSON text that lies outside the heap, so that what the parser sees is
 * a text without them: a string of the outermost object, in base64, whose name is that of a secret,
 * becomes an empty one. What is not written plainly, with escapes in it, say, is left to the
 * parser.
 */
final class SecretMembers {
  private static final String DIGITS =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  private static final byte[] VALUES = new byte[128];

  static {
    Arrays.fill(VALUES, (byte) -1);
    for (int i = 0; i < DIGITS.length(); i++) {
      VALUES[DIGITS.charAt(i)] = (byte) i;
    }
  }

  /** A string's text, from its first byte to its closing quote. */
  private record Text(String name, long from, long to) {}

  private final MemorySegment json;
  private final List<Text> found = new ArrayList<>();

  private SecretMembers(MemorySegment json) {
    this.json = json;
  }

  /** Reads an object, of which the members {@code secretNames} are secrets. */
  static JsonObject parse(MemorySegment json, Set<String> secretNames, Set<String> binaryNames)
      throws JsonException {
    SecretMembers members = new SecretMembers(json);
    members.find(secretNames);
    JsonObject object = JsonObject.parse(members.rest(), binaryNames);
    boolean whole = false;
    try {
      for (Text text : members.found) {
        SecretBytes secret = base64(json.asSlice(text.from, text.to - text.from));
        if (secret == null) {
          throw new JsonException("'" + text.name + "' must be base64 text");
        }
        object.put(text.name, secret);
      }
      whole = true;
      return object;
    } finally {
      if (!whole) {
        object.wipe();
      }
    }
  }

  private void find(Set<String> secretNames) {
    int depth = 0;
    boolean value = false;
    String name = null;
    long at = 0;
    while (at < json.byteSize()) {
      byte c = at(at++);
      switch (c) {
        case '{', '[' -> depth++;
        case '}', ']' -> depth--;
        case ':' -> value = true;
        case ',' -> value = false;
        case '"' -> {
          long end = closingQuote(at);
          if (depth == 1 && !value) {
            name = nameOf(at, end, secretNames);
          } else if (depth == 1 && name != null && isPlain(at, end)) {
            found.add(new Text(name, at, end));
            name = null;
          }
          at = end + 1;
        }
        default -> {
          // a number, a literal or space
        }
      }
    }
  }

  private byte at(long position) {
    return json.get(ValueLayout.JAVA_BYTE, position);
  }

  private long closingQuote(long from) {
    long at = from;
    while (at < json.byteSize() && at(at) != '"') {
      at += at(at) == '\\' ? 2 : 1;
    }
    return Math.min(at, json.byteSize());
  }

  private boolean isPlain(long from, long to) {
    for (long at = from; at < to; at++) {
      if (at(at) == '\\') {
        return false;
      }
    }
    return to < json.byteSize();
  }

  /** Which of the names stands there; compared where it lies, since it may be none but a secret. */
  private @Nullable String nameOf(long from, long to, Set<String> names) {
    MemorySegment text = json.asSlice(from, to - from);
    for (String name : names) {
      byte[] bytes = name.getBytes(StandardCharsets.US_ASCII);
      if (text.mismatch(MemorySegment.ofArray(bytes)) < 0) {
        return name;
      }
    }
    return null;
  }

  private byte[] rest() {
    ByteArrayOutputStream out = new ByteArrayOutputStream(256);
    long from = 0;
    for (Text text : found) {
      out.writeBytes(json.asSlice(from, text.from - from).toArray(ValueLayout.JAVA_BYTE));
      from = text.to;
    }
    out.writeBytes(json.asSlice(from).toArray(ValueLayout.JAVA_BYTE));
    return out.toByteArray();
  }

  /** Decodes base64 (RFC 4648, section 4), with its padding or without; null if it is none. */
  private static @Nullable SecretBytes base64(MemorySegment text) {
    int digits = (int) text.byteSize();
    int padding = 0;
    while (padding < 2
        && digits > 0
        && text.byteSize() % 4 == 0
        && text.get(ValueLayout.JAVA_BYTE, digits - 1) == '=') {
      padding++;
      digits--;
    }
    if (digits % 4 == 1) {
      return null;
    }
    int most = digits;
    return SecretBytes.written(
        (int) (digits * 3L / 4),
        out -> {
          int bits = 0;
          int written = 0;
          for (int i = 0; i < most; i++) {
            byte c = text.get(ValueLayout.JAVA_BYTE, i);
            if (c < 0 || VALUES[c] < 0) {
              return false;
            }
            bits = (bits << 6) | VALUES[c];
            if (i % 4 != 0) {
              out.set(ValueLayout.JAVA_BYTE, written++, (byte) (bits >> (2 * (3 - i % 4))));
            }
          }
          return true;
        });
  }
}
