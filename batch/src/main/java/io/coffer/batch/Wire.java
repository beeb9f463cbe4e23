package io.coffer.batch;

import java.io.DataInputStream;
import java.io.IOException;

/** Arrays of bytes with their length before them, as all messages here have them. */
final class Wire {
  private static final int MOST_BYTES = 1 << 16;

  private Wire() {}

  static void write(java.io.DataOutputStream out, byte[] bytes) throws IOException {
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  static byte[] read(DataInputStream in) throws IOException {
    int length = in.readInt();
    if (length < 0 || length > MOST_BYTES) {
      throw new IOException("a message of " + length + " bytes");
    }
    byte[] bytes = new byte[length];
    in.readFully(bytes);
    return bytes;
  }
}
