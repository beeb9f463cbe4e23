package io.coffer.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * An io_uring for one command at a time to one descriptor (IORING_OP_URING_CMD): what it does is
 * said by the descriptor's driver. Handing a command over and waiting for its end is a single
 * system call. The kernel finishes the command in the thread that handed it over, so that this
 * thread should do nothing else meanwhile. Source: include/uapi/linux/io_uring.h of Linux.
 *
 * <p>For one thread at a time.
 */
public final class CommandRing implements AutoCloseable {
  /** Room for the driver's own arguments, behind the first 48 bytes of a long submission entry. */
  public static final int ARGUMENT_BYTES = 80;

  private static final int SETUP_SQE128 = 1 << 10;
  private static final int FEAT_SINGLE_MMAP = 1;
  private static final long OFFSET_ENTRIES = 0x10000000L;
  private static final int ENTER_GETEVENTS = 1;
  private static final byte OP_URING_CMD = 46;

  /** struct io_uring_params: 40 bytes, then the offsets of both rings, 40 bytes each. */
  private static final int PARAMS_BYTES = 120;

  private static final int SUBMISSION_OFFSETS = 40;
  private static final int COMPLETION_OFFSETS = 80;

  private static final int ENTRY_BYTES = 128;
  private static final int ENTRY_HEAD_BYTES = 48;
  private static final int COMPLETION_BYTES = 16;

  /** Positions are shared with the kernel: written with release, read with acquire. */
  private static final VarHandle POSITION = ValueLayout.JAVA_INT.varHandle();

  private final int ring;
  private final MappedPages rings;
  private final MappedPages entries;
  private final MemorySegment shared;
  private final MemorySegment entry;
  private final long submissionTail;
  private final long completionHead;
  private final long completionTail;
  private final long completions;
  private final int completionMask;
  private int submitted;
  private int completed;

  /**
   * @throws ErrnoException EPERM if the administrator has forbidden io_uring
   *     (kernel.io_uring_disabled, or a container's filter), ENOSYS if the kernel has none, ENOMEM
   */
  public CommandRing(int descriptor) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment params = arena.allocate(PARAMS_BYTES, 8);
      params.set(ValueLayout.JAVA_INT, 8, SETUP_SQE128);
      ring = (int) SystemCall.call(Numbers.IO_URING_SETUP, 1, params.address(), 0);
      MappedPages mappedRings = null;
      try {
        if ((params.get(ValueLayout.JAVA_INT, 20) & FEAT_SINGLE_MMAP) == 0) {
          throw new ErrnoException(Errno.ENOSYS, "both rings in one mapping");
        }
        long array = at(params, SUBMISSION_OFFSETS + 24);
        submissionTail = at(params, SUBMISSION_OFFSETS + 4);
        completionHead = at(params, COMPLETION_OFFSETS);
        completionTail = at(params, COMPLETION_OFFSETS + 4);
        completions = at(params, COMPLETION_OFFSETS + 20);
        long submissionBytes = array + 4 * at(params, 0);
        long completionBytes = completions + COMPLETION_BYTES * at(params, 4);
        mappedRings = MappedPages.shared(ring, 0, Math.max(submissionBytes, completionBytes));
        entries = MappedPages.shared(ring, OFFSET_ENTRIES, ENTRY_BYTES * at(params, 0));
        rings = mappedRings;
        shared = rings.segment();
        entry = entries.segment();
        completionMask = shared.get(ValueLayout.JAVA_INT, at(params, COMPLETION_OFFSETS + 8));
        shared.set(ValueLayout.JAVA_INT, array, 0);
        entry.set(ValueLayout.JAVA_BYTE, 0, OP_URING_CMD);
        entry.set(ValueLayout.JAVA_INT, 4, descriptor);
      } catch (ErrnoException e) {
        if (mappedRings != null) {
          mappedRings.close();
        }
        Linux.close(ring);
        throw e;
      }
    }
  }

  private static long at(MemorySegment params, int position) {
    return Integer.toUnsignedLong(params.get(ValueLayout.JAVA_INT, position));
  }

  /** The driver's own arguments, to be filled before {@link #run}. */
  public MemorySegment arguments() {
    return entry.asSlice(ENTRY_HEAD_BYTES, ARGUMENT_BYTES);
  }

  /**
   * Hands a command over and waits until it has ended.
   *
   * @param operation the driver's number for it
   * @param address of what it works on, {@code length} in the driver's units
   * @return the driver's answer, negative for an errno
   * @throws ErrnoException if the kernel did not take it at all
   */
  public int run(int operation, long address, int length) throws ErrnoException {
    entry.set(ValueLayout.JAVA_INT, 8, operation);
    entry.set(ValueLayout.JAVA_LONG, 16, address);
    entry.set(ValueLayout.JAVA_INT, 24, length);
    POSITION.setRelease(shared, submissionTail, ++submitted);
    int toSubmit = 1;
    do {
      long taken = SystemCall.raw(Numbers.IO_URING_ENTER, ring, toSubmit, 1, ENTER_GETEVENTS, 0, 0);
      if (taken > 0) {
        toSubmit = 0;
      } else if (taken < 0 && taken != -Errno.EINTR && taken != -Errno.EAGAIN) {
        throw new ErrnoException((int) -taken);
      }
    } while ((int) POSITION.getAcquire(shared, completionTail) == completed);
    int result =
        shared.get(
            ValueLayout.JAVA_INT,
            completions + (long) (completed & completionMask) * COMPLETION_BYTES + 8);
    POSITION.setRelease(shared, completionHead, ++completed);
    return result;
  }

  /** A command that has not ended is cancelled. */
  @Override
  public void close() {
    rings.close();
    entries.close();
    Linux.close(ring);
  }
}
