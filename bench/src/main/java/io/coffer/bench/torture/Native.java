package io.coffer.bench.torture;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Linux;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Files as programs use them, with errors as errno. */
final class Native {
  private Native() {}

  static byte[] bytes(Path path) {
    return path.toString().getBytes(StandardCharsets.UTF_8);
  }

  /** Opens a file below a directory. */
  static int open(int directory, Path path, int flags) throws ErrnoException {
    return Linux.open(directory, bytes(path), flags, 0644);
  }

  /** Writes all; an error after a part leaves the part. */
  static void write(int descriptor, byte[] content, long offset) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocateFrom(ValueLayout.JAVA_BYTE, content);
      int done = 0;
      while (done < content.length) {
        done +=
            Linux.write(descriptor, from.address() + done, content.length - done, offset + done);
      }
    }
  }

  /** Reads until the end of the file or {@code length} bytes. */
  static byte[] read(int descriptor, long offset, int length) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment to = arena.allocate(Math.max(1, length));
      int done = 0;
      while (done < length) {
        int count = Linux.read(descriptor, to.address() + done, length - done, offset + done);
        if (count == 0) {
          break;
        }
        done += count;
      }
      return to.asSlice(0, done).toArray(ValueLayout.JAVA_BYTE);
    }
  }
}
