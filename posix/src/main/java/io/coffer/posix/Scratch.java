package io.coffer.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Native memory of one thread for the arguments and results of one system call: two names of up to
 * {@link #NAME_BYTES} and a buffer. Reused, so that a call allocates nothing. Whoever fills it must
 * use it up before calling anything else in this package.
 */
final class Scratch {
  /** Room for a name or path: PATH_MAX and some. */
  static final int NAME_BYTES = 8192;

  /** Room for a result: the longest extended attribute, or a listing's buffer. */
  static final int BUFFER_BYTES = 65536;

  private static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);

  private final MemorySegment names;
  private final MemorySegment buffer;
  private final long address;
  private final byte[] text = new byte[NAME_BYTES];
  private final Words words = new Words(256);

  private Scratch() {
    Arena arena = Arena.ofAuto();
    names = arena.allocate(2L * NAME_BYTES + BUFFER_BYTES, 64);
    buffer = names.asSlice(2L * NAME_BYTES, BUFFER_BYTES);
    address = names.address();
  }

  static Scratch get() {
    return OF_THREAD.get();
  }

  /** Room for the fields of a result. */
  Words words() {
    return words;
  }

  /** Puts a C string into the first place and returns its address. */
  long first(byte[] name) throws ErrnoException {
    return put(name, 0);
  }

  /** Puts a C string into the second place and returns its address. */
  long second(byte[] name) throws ErrnoException {
    return put(name, NAME_BYTES);
  }

  /** Puts "/proc/self/fd/N" or "/proc/self/fd/N/name" into the first place. */
  long procPath(int descriptor, byte[] name) throws ErrnoException {
    byte[] prefix =
        ("/proc/self/fd/" + descriptor).getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    if (name.length == 0) {
      return put(prefix, 0);
    }
    byte[] path = new byte[prefix.length + 1 + name.length];
    System.arraycopy(prefix, 0, path, 0, prefix.length);
    path[prefix.length] = '/';
    System.arraycopy(name, 0, path, prefix.length + 1, name.length);
    return put(path, 0);
  }

  MemorySegment buffer() {
    return buffer;
  }

  private long put(byte[] name, long at) throws ErrnoException {
    if (name.length >= NAME_BYTES) {
      throw new ErrnoException(Errno.ENAMETOOLONG);
    }
    for (byte b : name) {
      if (b == 0) {
        throw new ErrnoException(Errno.EINVAL, "a name with a NUL byte");
      }
    }
    // Its NUL goes along, so that there is one access to the segment: see Words.
    System.arraycopy(name, 0, text, 0, name.length);
    text[name.length] = 0;
    MemorySegment.copy(text, 0, names, ValueLayout.JAVA_BYTE, at, name.length + 1);
    return address + at;
  }
}
