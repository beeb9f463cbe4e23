package io.coffer.acceptance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Actions on the machine's kernel. */
final class Machine {
  private Machine() {}

  /** Makes the kernel forget what it caches of dentries and inodes; root only. */
  static void dropCaches() {
    try {
      Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "3\n");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
