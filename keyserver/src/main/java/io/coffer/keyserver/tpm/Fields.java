package io.coffer.keyserver.tpm;

import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;

/** Reads and writes what TPM structures are made of. Not thread-safe. */
final class Fields {
  private Fields() {}

  /** Writes. */
  static final class Writer {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Writer u8(int value) {
      out.write(value);
      return this;
    }

    Writer u16(int value) {
      return u8(value >> 8).u8(value);
    }

    Writer u32(int value) {
      return u16(value >> 16).u16(value);
    }

    Writer bytes(byte[] value) {
      out.writeBytes(value);
      return this;
    }

    Writer sized(byte[] value) {
      return u16(value.length).bytes(value);
    }

    byte[] toBytes() {
      return out.toByteArray();
    }
  }

  /** Reads, and never beyond the end. */
  static final class Reader {
    private final ByteBuffer in;

    Reader(byte[] bytes) {
      in = ByteBuffer.wrap(bytes);
    }

    int u8() throws TpmException {
      try {
        return in.get() & 0xff;
      } catch (BufferUnderflowException e) {
        throw tooShort();
      }
    }

    int u16() throws TpmException {
      return u8() << 8 | u8();
    }

    int u32() throws TpmException {
      return u16() << 16 | u16();
    }

    byte[] bytes(int length) throws TpmException {
      if (length > in.remaining()) {
        throw tooShort();
      }
      byte[] bytes = new byte[length];
      in.get(bytes);
      return bytes;
    }

    byte[] sized() throws TpmException {
      return bytes(u16());
    }

    void expect(int actual, int expected, String what) throws TpmException {
      if (actual != expected) {
        throw new TpmException("the TPM structure has an unexpected " + what);
      }
    }

    void end() throws TpmException {
      if (in.hasRemaining()) {
        throw new TpmException("there is something after the TPM structure");
      }
    }

    private static TpmException tooShort() {
      return new TpmException("the TPM structure is cut short");
    }
  }
}
