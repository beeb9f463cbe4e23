package io.coffer.bench.torture;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What may stand in a file that many write at once. The file consists of cells of {@value #CELL}
 * bytes, which lie across the blocks of any filesystem; each write fills whole cells with bytes
 * that follow from the write's number and the cell's, so that whoever reads a cell knows who wrote
 * it.
 *
 * <p>A write may be seen from when it began, and must not be any more once another has covered the
 * cell that began after it had ended, and has ended itself. A truncation is a write of absence to
 * all cells behind it; absent bytes may be zeros or behind the end. An operation whose outcome is
 * unknown, since its node died, may be seen for ever. Thread-safe.
 */
final class FileModel {
  static final int CELL = 7;

  /** A write or truncation. Guarded by its model. */
  static final class Event {
    private final long number;
    private final boolean absence;
    private final long begun;
    private long ended = Clock.NEVER;
    final long firstCell;
    final long endCell;

    private Event(long number, boolean absence, long begun, long firstCell, long endCell) {
      this.number = number;
      this.absence = absence;
      this.begun = begun;
      this.firstCell = firstCell;
      this.endCell = endCell;
    }
  }

  /** An event that may be seen in a cell by those who began to read before {@code until}. */
  private static final class Trace {
    private final Event event;
    private long until = Clock.NEVER;

    private Trace(Event event) {
      this.event = event;
    }
  }

  private final Clock clock;
  private final List<List<Trace>> cells = new ArrayList<>();
  private final List<Long> readers = new ArrayList<>();
  private final List<long[]> torn = new ArrayList<>();
  private final int blockBytes;
  private boolean endTorn;
  private volatile boolean retired;

  /**
   * @param cellCount cells of the largest file
   * @param blockBytes what a death in the middle of a write may make unreadable at a time
   */
  FileModel(Clock clock, int cellCount, int blockBytes) {
    this.clock = clock;
    this.blockBytes = blockBytes;
    Event nothing = new Event(0, true, 0, 0, cellCount);
    nothing.ended = 0;
    for (int i = 0; i < cellCount; i++) {
      List<Trace> traces = new ArrayList<>(2);
      traces.add(new Trace(nothing));
      cells.add(traces);
    }
  }

  int cellCount() {
    return cells.size();
  }

  /** The byte that a write puts at an offset. */
  static byte value(long number, long offset) {
    long x = number * 0x9E3779B97F4A7C15L + (offset / CELL) * 0xC2B2AE3D27D4EB4FL;
    x ^= x >>> 29;
    x *= 0xBF58476D1CE4E5B9L;
    x ^= x >>> 32;
    return (byte) (x >>> (8 * (int) (offset % CELL)));
  }

  /** A write of cells begins. */
  synchronized Event beginWrite(long first, long end) {
    return begin(false, first, end);
  }

  /** A truncation to so many cells begins. */
  synchronized Event beginTruncation(long keep) {
    return begin(true, keep, cells.size());
  }

  private Event begin(boolean absence, long first, long end) {
    long now = clock.tick();
    var event = new Event(now, absence, now, first, end);
    for (long i = first; i < end; i++) {
      cells.get((int) i).add(new Trace(event));
    }
    return event;
  }

  /** What a write puts into the file. */
  static byte[] content(Event event) {
    byte[] bytes = new byte[(int) (event.endCell - event.firstCell) * CELL];
    long start = event.firstCell * CELL;
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = value(event.number, start + i);
    }
    return bytes;
  }

  /** The operation has succeeded. */
  synchronized void ended(Event event) {
    event.ended = clock.tick();
    long oldestReader = readers.stream().mapToLong(Long::longValue).min().orElse(event.ended);
    for (long i = event.firstCell; i < event.endCell; i++) {
      List<Trace> traces = cells.get((int) i);
      for (Trace each : traces) {
        if (each.until == Clock.NEVER && each.event.ended < event.begun) {
          each.until = event.ended;
        }
      }
      traces.removeIf(each -> each.until < oldestReader);
    }
  }

  /** The node of an operation died in the middle of it: what it touched may be torn. */
  synchronized void died(Event event) {
    torn.add(
        new long[] {
          event.firstCell * CELL / blockBytes,
          event.absence ? Long.MAX_VALUE : event.endCell * CELL / blockBytes
        });
    endTorn = true;
  }

  /** A reader begins; what it is owed must be given to {@link #check}. */
  synchronized long beginRead() {
    long now = clock.tick();
    readers.add(now);
    return now;
  }

  /** A reader that read nothing. */
  synchronized void endRead(long begun) {
    readers.remove((Object) begun);
  }

  /**
   * Compares what a reader saw.
   *
   * @param bytes shorter than {@code length} if the file ended there
   * @return what is wrong, or null
   */
  synchronized @Nullable String check(long begun, long offset, int length, byte[] bytes) {
    readers.remove((Object) begun);
    for (int i = 0; i < length; i++) {
      long at = offset + i;
      boolean good = false;
      List<Trace> traces = cells.get((int) (at / CELL));
      for (Trace each : traces) {
        if (each.until < begun) {
          continue;
        }
        good |=
            each.event.absence
                ? i >= bytes.length || bytes[i] == 0
                : i < bytes.length && bytes[i] == value(each.event.number, at);
      }
      if (!good) {
        return describe(at, i < bytes.length ? String.format("%02x", bytes[i]) : "the end", traces);
      }
    }
    return null;
  }

  private static String describe(long at, String found, List<Trace> traces) {
    var text = new StringBuilder("byte " + at + " is " + found + ", may be");
    for (Trace each : traces) {
      text.append(
          each.event.absence
              ? " nothing (" + each.event.number + ")"
              : String.format(" %02x (%d)", value(each.event.number, at), each.event.number));
    }
    return text.toString();
  }

  /** May this block be unreadable, because a node died while it changed it? */
  synchronized boolean mayBeTorn(long block) {
    return torn.stream().anyMatch(each -> each[0] <= block && block <= each[1]);
  }

  /** May some block be unreadable in which the file ended when a node died? */
  synchronized boolean mayEndBeTorn() {
    return endTorn;
  }

  /** Not to be written any more, for a block of it cannot be read. */
  void retire() {
    retired = true;
  }

  boolean isRetired() {
    return retired;
  }
}
