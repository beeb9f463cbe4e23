package io.coffer.posix;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Which processors there are, and on which of them the calling thread runs. Thread-safe. */
public final class Processors {
  /** Room for the processors of the largest Linux machines. */
  private static final int MASK_BYTES = 1024;

  private static final int STAT_BYTES = 1024;

  private Processors() {}

  /**
   * How many processors the kernel has room for, present or not: they are numbered from 0.
   *
   * @throws IOException if /sys is not mounted, or holds what Linux never wrote
   */
  public static int possible() throws IOException {
    Path file = Path.of("/sys/devices/system/cpu/possible");
    String list = new String(Files.readAllBytes(file), StandardCharsets.US_ASCII).strip();
    try {
      // As in "0-7" or "0,2-3": the last number counts.
      int last = Math.max(list.lastIndexOf('-'), list.lastIndexOf(','));
      return Integer.parseInt(list.substring(last + 1)) + 1;
    } catch (NumberFormatException e) {
      throw new IOException(file + " holds \"" + list + "\", which is no list of processors", e);
    }
  }

  /** The processors on which the calling thread may run, to be given back to {@link #runOn}. */
  public static byte[] allowed() throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    long bytes = SystemCall.call(Numbers.SCHED_GETAFFINITY, 0, MASK_BYTES, b.address());
    return b.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE);
  }

  /**
   * The processor on which a thread runs, or ran last (field 39 of /proc/ID/stat, proc(5)).
   *
   * @return -1 if there is no such thread, or it cannot be seen
   */
  public static int of(int thread) {
    byte[] file = ("/proc/" + thread + "/stat").getBytes(StandardCharsets.US_ASCII);
    try {
      int descriptor = Linux.open(Flags.AT_FDCWD, file, Flags.O_RDONLY, 0);
      try {
        MemorySegment b = Scratch.get().buffer();
        int length = Linux.read(descriptor, b.address(), STAT_BYTES);
        byte[] text = b.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
        String line = new String(text, StandardCharsets.ISO_8859_1);
        // The second field is a name in brackets, which may hold anything.
        String[] fields = line.substring(line.lastIndexOf(')') + 1).split(" ", 39);
        return Integer.parseInt(fields[37]);
      } finally {
        Linux.close(descriptor);
      }
    } catch (ErrnoException | NumberFormatException | IndexOutOfBoundsException e) {
      return -1;
    }
  }

  /** Is the processor of this number in the set? */
  public static boolean contains(byte[] processors, int processor) {
    return processor / 8 < processors.length
        && (processors[processor / 8] & 1 << processor % 8) != 0;
  }

  /** The one processor of this number, as a set. */
  public static byte[] only(int processor) {
    byte[] mask = new byte[(processor / 64 + 1) * 8];
    mask[processor / 8] = (byte) (1 << processor % 8);
    return mask;
  }

  /**
   * The calling thread is to run on these only.
   *
   * @throws ErrnoException EINVAL if none of them is there and open to this process
   */
  public static void runOn(byte[] processors) throws ErrnoException {
    MemorySegment b = Scratch.get().buffer();
    MemorySegment.copy(processors, 0, b, ValueLayout.JAVA_BYTE, 0, processors.length);
    SystemCall.call(Numbers.SCHED_SETAFFINITY, 0, processors.length, b.address());
  }
}
