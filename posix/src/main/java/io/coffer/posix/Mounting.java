package io.coffer.posix;

import java.nio.charset.StandardCharsets;

/** mount(2) and umount2(2). Thread-safe. */
public final class Mounting {
  private Mounting() {}

  /**
   * Mounts a filesystem.
   *
   * @param flags MS_ constants of {@link Flags}
   * @param options of the filesystem, separated by commas
   */
  public static void mount(String source, String target, String type, int flags, String options)
      throws ErrnoException {
    try (var arena = java.lang.foreign.Arena.ofConfined()) {
      SystemCall.call(
          Numbers.MOUNT,
          arena.allocateFrom(source, StandardCharsets.UTF_8).address(),
          arena.allocateFrom(target, StandardCharsets.UTF_8).address(),
          arena.allocateFrom(type, StandardCharsets.UTF_8).address(),
          flags,
          arena.allocateFrom(options, StandardCharsets.UTF_8).address(),
          0);
    }
  }

  /** Unmounts; {@code flags} 0 or {@link Flags#MNT_DETACH}. */
  public static void unmount(String target, int flags) throws ErrnoException {
    try (var arena = java.lang.foreign.Arena.ofConfined()) {
      SystemCall.call(
          Numbers.UMOUNT2, arena.allocateFrom(target, StandardCharsets.UTF_8).address(), flags, 0);
    }
  }
}
