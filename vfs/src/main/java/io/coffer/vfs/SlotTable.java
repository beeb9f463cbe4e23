package io.coffer.vfs;

import java.util.Arrays;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Numbers for things: a 64-bit id whose low half is a slot of an array and whose high half counts
 * how often slots were used again, so that an id is never given out twice and a stale one is
 * recognised. Finding takes no lock. Slot 0 is never used: 0 is nobody's id, and the first thing
 * added has id 1.
 */
final class SlotTable<T extends SlotTable.Numbered> {
  /** A thing that knows its id. */
  interface Numbered {
    long id();
  }

  private static final int SMALLEST = 64;

  private volatile @Nullable Numbered[] slots = new Numbered[SMALLEST];
  private int[] free = new int[SMALLEST];
  private int freeCount;
  private int used = 1;
  private int reuses;

  /** The thing of this id, or null if it was removed or never was. */
  @Nullable T get(long id) {
    int slot = (int) id;
    @Nullable Numbered[] current = slots;
    if (slot <= 0 || slot >= current.length) {
      return null;
    }
    Numbered found = current[slot];
    if (found == null || found.id() != id) {
      return null;
    }
    @SuppressWarnings("unchecked") // add() is the only way in
    T thing = (T) found;
    return thing;
  }

  /** Adds what {@code make} builds from the new id. */
  synchronized T add(LongFunction<T> make) {
    int slot;
    long high = 0;
    if (freeCount > 0) {
      slot = free[--freeCount];
      reuses = Math.max(1, reuses + 1);
      high = (long) reuses << 32;
    } else {
      slot = used++;
      if (slot >= slots.length) {
        slots = Arrays.copyOf(slots, Math.addExact(slots.length, slots.length));
      }
    }
    T thing = make.apply(high | slot);
    @Nullable Numbered[] current = slots;
    current[slot] = thing;
    slots = current; // publishes the element
    return thing;
  }

  /** Removes and returns the thing of this id; null if there is none. */
  synchronized @Nullable T remove(long id) {
    T thing = get(id);
    if (thing != null) {
      int slot = (int) id;
      slots[slot] = null;
      if (freeCount == free.length) {
        free = Arrays.copyOf(free, free.length * 2);
      }
      free[freeCount++] = slot;
    }
    return thing;
  }

  /** Everything in the table at this moment. */
  synchronized java.util.List<T> all() {
    var result = new java.util.ArrayList<T>();
    for (Numbered each : slots) {
      if (each != null) {
        T thing = get(each.id());
        if (thing != null) {
          result.add(thing);
        }
      }
    }
    return result;
  }
}
