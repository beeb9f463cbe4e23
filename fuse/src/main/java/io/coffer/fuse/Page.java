package io.coffer.fuse;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** The kernel's page size: 4096 on x86-64, also 16384 or 65536 on aarch64. */
final class Page {
  static final int BYTES = read();

  /** Entry of the auxiliary vector, include/uapi/linux/auxvec.h. */
  private static final long AT_PAGESZ = 6;

  private Page() {}

  private static int read() {
    try {
      ByteBuffer vector = ByteBuffer.wrap(Files.readAllBytes(Path.of("/proc/self/auxv")));
      vector.order(ByteOrder.nativeOrder());
      while (vector.remaining() >= 16) {
        long type = vector.getLong();
        long value = vector.getLong();
        if (type == AT_PAGESZ) {
          return Math.toIntExact(value);
        }
      }
    } catch (IOException e) {
      // Without /proc: the largest page there is, so that alignment and sizes suit any kernel.
      return 65536;
    }
    return 65536;
  }
}
