package io.coffer.keys;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One message of Protocol Buffers, of fields that are numbers or bytes
 * (protobuf.dev/programming-guides/encoding): all that fscrypt's metadata has.
 */
final class Protobuf {
  private static final int VARINT = 0;
  private static final int LENGTH_DELIMITED = 2;
  private static final int MOST_VARINT_BITS = 63;

  /** {@code bytes} is null if the field is a number. */
  private record Field(int number, long value, byte @Nullable [] bytes) {}

  private final List<Field> fields = new ArrayList<>();

  Protobuf() {}

  /** Throws IllegalArgumentException if it is no such message. */
  static Protobuf parse(byte[] message) {
    var parsed = new Protobuf();
    int[] at = {0};
    while (at[0] < message.length) {
      long tag = varint(message, at);
      int number = (int) (tag >>> 3);
      switch ((int) (tag & 7)) {
        case VARINT -> parsed.fields.add(new Field(number, varint(message, at), null));
        case LENGTH_DELIMITED -> {
          long length = varint(message, at);
          if (length < 0 || length > message.length - at[0]) {
            throw new IllegalArgumentException("a field is longer than the message");
          }
          byte[] bytes = Arrays.copyOfRange(message, at[0], at[0] + (int) length);
          parsed.fields.add(new Field(number, 0, bytes));
          at[0] += (int) length;
        }
        default -> throw new IllegalArgumentException("a field of a type that is not known");
      }
    }
    return parsed;
  }

  private static long varint(byte[] message, int[] at) {
    long value = 0;
    for (int bits = 0; bits < MOST_VARINT_BITS; bits += 7) {
      if (at[0] == message.length) {
        break;
      }
      byte each = message[at[0]++];
      value |= (each & 0x7fL) << bits;
      if (each >= 0) {
        return value;
      }
    }
    throw new IllegalArgumentException("a number is not whole");
  }

  /** The last value of a number; 0 if there is none, as the format has it. */
  long number(int number) {
    long value = 0;
    for (Field each : fields) {
      if (each.number == number && each.bytes == null) {
        value = each.value;
      }
    }
    return value;
  }

  /** The last value of a field of bytes; empty if there is none. */
  byte[] bytes(int number) {
    List<byte[]> all = all(number);
    return all.isEmpty() ? new byte[0] : all.getLast();
  }

  String text(int number) {
    return new String(bytes(number), StandardCharsets.UTF_8);
  }

  Protobuf message(int number) {
    return parse(bytes(number));
  }

  /** All values of a repeated field of bytes. */
  List<byte[]> all(int number) {
    var all = new ArrayList<byte[]>();
    for (Field each : fields) {
      if (each.number == number && each.bytes != null) {
        all.add(each.bytes);
      }
    }
    return all;
  }

  Protobuf with(int number, long value) {
    if (value != 0) {
      fields.add(new Field(number, value, null));
    }
    return this;
  }

  Protobuf with(int number, byte[] value) {
    fields.add(new Field(number, 0, value));
    return this;
  }

  Protobuf with(int number, String value) {
    return with(number, value.getBytes(StandardCharsets.UTF_8));
  }

  Protobuf with(int number, Protobuf value) {
    return with(number, value.toBytes());
  }

  byte[] toBytes() {
    var out = new ByteArrayOutputStream();
    for (Field each : fields) {
      write(out, (long) each.number << 3 | (each.bytes == null ? VARINT : LENGTH_DELIMITED));
      if (each.bytes == null) {
        write(out, each.value);
      } else {
        write(out, each.bytes.length);
        out.writeBytes(each.bytes);
      }
    }
    return out.toByteArray();
  }

  private static void write(ByteArrayOutputStream out, long value) {
    long left = value;
    while ((left & ~0x7fL) != 0) {
      out.write((int) ((left & 0x7f) | 0x80));
      left >>>= 7;
    }
    out.write((int) left);
  }
}
