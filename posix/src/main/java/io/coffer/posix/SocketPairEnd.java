package io.coffer.posix;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * One end of a connected pair of local sockets, by its descriptor, for talking to a process that
 * inherits the other end. Beside bytes it carries descriptors (SCM_RIGHTS), each together with one
 * byte. For one reading and one writing thread.
 */
public final class SocketPairEnd implements AutoCloseable {
  private static final int SOL_SOCKET = 1;
  private static final int SCM_RIGHTS = 1;
  private static final int MSG_NOSIGNAL = 0x4000;

  private final int descriptor;
  private boolean closed;

  /** Takes over the descriptor: {@link #close} closes it. */
  public SocketPairEnd(int descriptor) {
    this.descriptor = descriptor;
  }

  /** The descriptor's number. */
  public int descriptor() {
    return descriptor;
  }

  /** Sends one byte together with a descriptor, which stays open here. */
  public void sendDescriptor(int value, int sent) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(8);
      data.set(ValueLayout.JAVA_BYTE, 0, (byte) value);
      // struct cmsghdr: length 8, level 4, type 4, data; see cmsg(3)
      MemorySegment control = arena.allocate(24, 8);
      control.set(ValueLayout.JAVA_LONG, 0, 20);
      control.set(ValueLayout.JAVA_INT, 8, SOL_SOCKET);
      control.set(ValueLayout.JAVA_INT, 12, SCM_RIGHTS);
      control.set(ValueLayout.JAVA_INT, 16, sent);
      MemorySegment vector = arena.allocate(16, 8);
      vector.set(ValueLayout.JAVA_LONG, 0, data.address());
      vector.set(ValueLayout.JAVA_LONG, 8, 1);
      // struct msghdr: name, namelen, iov, iovlen, control, controllen, flags
      MemorySegment header = arena.allocate(56, 8);
      header.set(ValueLayout.JAVA_LONG, 16, vector.address());
      header.set(ValueLayout.JAVA_LONG, 24, 1);
      header.set(ValueLayout.JAVA_LONG, 32, control.address());
      header.set(ValueLayout.JAVA_LONG, 40, control.byteSize());
      SystemCall.call(Numbers.SENDMSG, descriptor, header.address(), MSG_NOSIGNAL);
    }
  }

  /**
   * Waits for a descriptor.
   *
   * @return it, or -1 if the other end closed or sent a byte without one
   */
  public int receiveDescriptor() throws ErrnoException {
    return Processes.receiveDescriptor(descriptor);
  }

  /** Reads what the other end wrote; not buffered. Closing it does nothing. */
  public InputStream input() {
    return new InputStream() {
      @Override
      public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
      }

      @Override
      public int read(byte[] to, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, to.length);
        if (length == 0) {
          return 0;
        }
        MemorySegment b = Scratch.get().buffer();
        int count = Linux.read(descriptor, b.address(), Math.min(length, (int) b.byteSize()));
        MemorySegment.copy(b, ValueLayout.JAVA_BYTE, 0, to, offset, count);
        b.asSlice(0, count).fill((byte) 0);
        return count == 0 ? -1 : count;
      }
    };
  }

  /** Writes to the other end; not buffered. Closing it does nothing. */
  public OutputStream output() {
    return new OutputStream() {
      @Override
      public void write(int value) throws IOException {
        write(new byte[] {(byte) value}, 0, 1);
      }

      @Override
      public void write(byte[] from, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, from.length);
        MemorySegment b = Scratch.get().buffer();
        for (int done = 0; done < length; ) {
          int part = Math.min(length - done, (int) b.byteSize());
          MemorySegment.copy(from, offset + done, b, ValueLayout.JAVA_BYTE, 0, part);
          int count = Linux.write(descriptor, b.address(), part);
          b.asSlice(0, part).fill((byte) 0);
          done += count;
        }
      }
    };
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Linux.close(descriptor);
    }
  }
}
