package io.coffer.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The terminal behind a descriptor. The mode of a terminal is the kernel's struct termios
 * (include/uapi/asm-generic/termbits.h), 36 bytes. Thread-safe.
 */
public final class Terminals {
  private static final int TCGETS = 0x5401;

  /** Sets the mode after the output has been written. */
  private static final int TCSETSW = 0x5403;

  /** Sets the mode after the output has been written, and throws typed-ahead input away. */
  private static final int TCSETSF = 0x5404;

  /** The group of processes in the foreground. */
  private static final int TIOCGPGRP = 0x540f;

  private static final int MODE_BYTES = 36;
  private static final int INPUT_FLAGS = 0;
  private static final int LOCAL_FLAGS = 12;
  private static final int ICRNL = 0400;
  private static final int ISIG = 01;
  private static final int ICANON = 02;
  private static final int ECHO = 010;

  private Terminals() {}

  public static boolean isTerminal(int descriptor) {
    MemorySegment b = Scratch.get().buffer();
    return SystemCall.raw(Numbers.IOCTL, descriptor, TCGETS, b.address(), 0, 0, 0) == 0;
  }

  /**
   * Stops showing what is typed. Lines and the keys that send signals work as usual.
   *
   * @return the mode before, for {@link #setMode}
   * @throws ErrnoException ENOTTY if it is no terminal
   */
  public static byte[] stopEcho(int descriptor) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    SystemCall.call(Numbers.IOCTL, descriptor, TCGETS, b.address());
    byte[] before = b.asSlice(0, MODE_BYTES).toArray(ValueLayout.JAVA_BYTE);
    int input = b.get(ValueLayout.JAVA_INT, INPUT_FLAGS);
    int local = b.get(ValueLayout.JAVA_INT, LOCAL_FLAGS);
    b.set(ValueLayout.JAVA_INT, INPUT_FLAGS, input | ICRNL);
    b.set(ValueLayout.JAVA_INT, LOCAL_FLAGS, (local & ~ECHO) | ICANON | ISIG);
    SystemCall.call(Numbers.IOCTL, descriptor, TCSETSF, b.address());
    return before;
  }

  /**
   * Does this process belong to the group that the controlling terminal sends its signals to
   * (Ctrl-C)? False without a controlling terminal.
   */
  public static boolean isInForeground() {
    int terminal;
    try {
      terminal =
          Linux.open(
              Flags.AT_FDCWD, "/dev/tty".getBytes(StandardCharsets.US_ASCII), Flags.O_RDWR, 0);
    } catch (ErrnoException e) {
      return false;
    }
    try {
      MemorySegment b = Scratch.get().buffer();
      SystemCall.call(Numbers.IOCTL, terminal, TIOCGPGRP, b.address());
      return b.get(ValueLayout.JAVA_INT, 0) == SystemCall.raw(Numbers.GETPGID, 0, 0, 0, 0, 0, 0);
    } catch (ErrnoException e) {
      return false;
    } finally {
      Linux.close(terminal);
    }
  }

  /**
   * Gives a terminal back the mode that {@link #stopEcho} returned. What has been typed meanwhile
   * is kept for who reads next.
   */
  public static void setMode(int descriptor, byte[] mode) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    byte[] exact = Arrays.copyOf(mode, MODE_BYTES);
    MemorySegment.copy(exact, 0, b, ValueLayout.JAVA_BYTE, 0, MODE_BYTES);
    SystemCall.call(Numbers.IOCTL, descriptor, TCSETSW, b.address());
  }
}
