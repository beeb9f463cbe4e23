package io.coffer.vfs;

import io.coffer.posix.FileStatus;
import io.coffer.vfs.Inode.Location;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * All known inodes, by id and by (device, inode number). An inode stays as long as somebody may
 * name its id (lookups), something hangs on it (a known child, an open handle), or it is the root.
 *
 * <p>Thread-safe. One lock for all changes, held for some dozen instructions each; finding an id
 * takes none.
 */
final class InodeTable {
  /** Names remembered of one file. More hard links than that are found by a new lookup. */
  static final int MAX_LOCATIONS = 16;

  private static final int SMALLEST = 64;

  private final SlotTable<Inode> byId = new SlotTable<>();
  private final Consumer<Inode> removedDirectory;
  private @Nullable Inode[] byKey = new Inode[SMALLEST];
  private int count;
  private final Inode root;

  /** Counts changes of names made through this table; see {@link #learn}. */
  private volatile long moves;

  /** Counts all that was learned of names; see {@link #removed}. */
  private volatile long events;

  private volatile @Nullable Removal removal;

  private final List<Inode> departed = new ArrayList<>();
  private volatile boolean unannounced;

  /**
   * A name that was removed.
   *
   * @param events their number before, unless something was learned since then
   */
  private record Removal(Inode parent, byte[] name, long events) {}

  /**
   * @param removedDirectory told, outside the lock, of directories that left the table, or that
   *     nobody names any more while something still hangs on them
   */
  InodeTable(FileStatus rootStatus, Consumer<Inode> removedDirectory) {
    this.removedDirectory = removedDirectory;
    this.root = byId.add(id -> new Inode(id, rootStatus));
    root.references = 1;
    put(root);
  }

  Inode root() {
    return root;
  }

  @Nullable Inode get(long id) {
    return byId.get(id);
  }

  /** Everything that is known at this moment. */
  List<Inode> all() {
    return byId.all();
  }

  synchronized int size() {
    return count;
  }

  /** A stamp to be taken before an entry is looked at, for {@link #learn}. */
  long moves() {
    return moves;
  }

  /**
   * The inode of an object that was seen under a name, with one more lookup counted. If names
   * changed since {@code moves} was taken, what was seen may be older than what is known, and the
   * name is remembered as the last to try.
   */
  Inode learn(FileStatus status, Inode parent, byte[] storedName, long movesBefore) {
    Inode inode;
    synchronized (this) {
      inode = findOrAdd(status);
      inode.lookups++;
      events++;
      addLocation(inode, parent, storedName, movesBefore == moves || inode.location == null);
    }
    announce();
    return inode;
  }

  /** The inode of an object that has no name (O_TMPFILE), with one more lookup counted. */
  synchronized Inode learnUnnamed(FileStatus status) {
    Inode inode = findOrAdd(status);
    inode.lookups++;
    events++;
    return inode;
  }

  /** The known inode of an object, or null. */
  synchronized @Nullable Inode find(FileStatus status) {
    Inode found = byKey[slotOf(status.device(), status.inode())];
    return found != null && found.is(status) ? found : null;
  }

  /** Lookups of an id were forgotten. */
  void forget(long id, long forgotten) {
    synchronized (this) {
      Inode inode = byId.get(id);
      if (inode == null) {
        return;
      }
      inode.lookups = Math.max(0, inode.lookups - forgotten);
      removeIfUnused(inode);
      if (inode.lookups == 0 && !inode.removed && inode.isDirectory()) {
        departed.add(inode);
        unannounced = true;
      }
    }
    announce();
  }

  /** Keeps an inode in the table until {@link #release}; false if it left already. */
  synchronized boolean hold(Inode inode) {
    if (inode.removed) {
      return false;
    }
    inode.references++;
    return true;
  }

  void release(Inode inode) {
    synchronized (this) {
      inode.references--;
      removeIfUnused(inode);
    }
    announce();
  }

  /** A stamp to be taken before a name is removed, for {@link #removed}. */
  long events() {
    return events;
  }

  /**
   * A name is gone that nobody else can have given to anything. What was there need not be known:
   * this is for the question that comes next, see {@link #isRemoved}.
   */
  void removed(Inode parent, byte[] storedName, long eventsBefore) {
    removal = new Removal(parent, storedName, eventsBefore);
  }

  /**
   * Was the only known name of this object the last to be removed, and was nothing learned of any
   * name since then? The kernel tells the new time of change of a file whose name it has removed,
   * right after that.
   */
  boolean isRemoved(Inode inode) {
    Removal last = removal;
    Location at = inode.location;
    return last != null
        && last.events == events
        && at != null
        && at.next() == null
        && isAt(at, last.parent, last.name);
  }

  /** The object got a name. */
  void named(Inode inode, Inode parent, byte[] storedName) {
    synchronized (this) {
      moves++;
      events++;
      if (!inode.removed) {
        addLocation(inode, parent, storedName, true);
      }
    }
    announce();
  }

  /** The object got another name in place of one. */
  void moved(Inode inode, Inode from, byte[] oldName, Inode to, byte[] newName) {
    synchronized (this) {
      moves++;
      events++;
      if (!inode.removed) {
        addLocation(inode, to, newName, true);
        removeLocation(inode, from, oldName);
      }
    }
    announce();
  }

  /** The object is not, or no longer, under this name. */
  void unnamed(Inode inode, Inode parent, byte[] storedName) {
    synchronized (this) {
      moves++;
      events++;
      removeLocation(inode, parent, storedName);
    }
    announce();
  }

  /**
   * The object's only name was removed. Whoever knows the inode keeps it, but it is not found by
   * its number any more: the store may give that to the next object within the tick of its clock,
   * and nothing would tell the two apart.
   */
  void deleted(Inode inode, Inode parent, byte[] storedName) {
    synchronized (this) {
      int slot = slotOf(inode.device, inode.number);
      if (byKey[slot] == inode) {
        removeKey(slot);
      }
    }
    unnamed(inode, parent, storedName);
  }

  private Inode findOrAdd(FileStatus status) {
    int slot = slotOf(status.device(), status.inode());
    Inode found = byKey[slot];
    if (found != null && found.is(status)) {
      return found;
    }
    if (found != null) {
      // The number was used again: whoever still knows the old object finds nothing of it.
      removeKey(slot);
    }
    Inode added = byId.add(id -> new Inode(id, status));
    put(added);
    return added;
  }

  private void addLocation(Inode inode, Inode parent, byte[] name, boolean first) {
    Location known = inode.location;
    if (inode == root || (known != null && isAt(known, parent, name))) {
      return;
    }
    if (known == null) {
      parent.references++;
      inode.location = new Location(parent, name, null);
      return;
    }
    var others = new ArrayList<Location>();
    boolean wasKnown = false;
    for (Location each = known; each != null; each = each.next()) {
      if (isAt(each, parent, name)) {
        wasKnown = true;
      } else {
        others.add(each);
      }
    }
    if (wasKnown && !first) {
      return;
    }
    if (!wasKnown) {
      parent.references++;
    }
    others.add(first ? 0 : others.size(), new Location(parent, name, null));
    // A directory has one name; a second is kept for the case that what was just seen is outdated.
    int most = inode.isDirectory() ? 2 : MAX_LOCATIONS;
    // Never what was just seen, even if that is to be tried last; nor the oldest, for those were
    // there when the file had so few names that all were known (PolicyFilesystem.nameMayChange).
    Location dropped = others.size() > most ? others.remove(first ? 1 : most - 1) : null;
    inode.location = chain(others);
    if (dropped != null) {
      dropped.parent().references--;
      removeIfUnused(dropped.parent());
    }
  }

  private void removeLocation(Inode inode, Inode parent, byte[] name) {
    boolean found = false;
    var others = new ArrayList<Location>();
    for (Location each = inode.location; each != null; each = each.next()) {
      if (isAt(each, parent, name)) {
        found = true;
      } else {
        others.add(each);
      }
    }
    if (found) {
      inode.location = chain(others);
      parent.references--;
      removeIfUnused(parent);
    }
  }

  private static boolean isAt(Location location, Inode parent, byte[] name) {
    return location.parent() == parent && Arrays.equals(location.name(), name);
  }

  private static @Nullable Location chain(List<Location> locations) {
    Location next = null;
    for (Location each : locations.reversed()) {
      next = new Location(each.parent(), each.name(), next);
    }
    return next;
  }

  /** Removes an inode that nobody needs, and its ancestors as far as nothing else keeps them. */
  private void removeIfUnused(Inode inode) {
    if (inode.lookups > 0 || inode.references > 0) {
      return;
    }
    var leaving = new ArrayDeque<Inode>();
    leaving.add(inode);
    while (!leaving.isEmpty()) {
      Inode each = leaving.remove();
      if (each.lookups > 0 || each.references > 0 || each.removed) {
        continue;
      }
      each.removed = true;
      byId.remove(each.id());
      int slot = slotOf(each.device, each.number);
      if (byKey[slot] == each) {
        removeKey(slot);
      }
      if (each.isDirectory()) {
        departed.add(each);
        unannounced = true;
      }
      for (Location at = each.location; at != null; at = at.next()) {
        at.parent().references--;
        leaving.add(at.parent());
      }
      each.location = null;
    }
  }

  /** Tells of directories that left, outside the lock, for handles will be closed. */
  private void announce() {
    if (!unannounced) {
      return;
    }
    List<Inode> news;
    synchronized (this) {
      news = List.copyOf(departed);
      departed.clear();
      unannounced = false;
    }
    news.forEach(removedDirectory);
  }

  // The map by key: open addressing with linear probing, one array of references and nothing more.

  private int slotOf(long device, long number) {
    int mask = byKey.length - 1;
    int slot = home(device, number, mask);
    while (true) {
      Inode each = byKey[slot];
      if (each == null || (each.number == number && each.device == device)) {
        return slot;
      }
      slot = (slot + 1) & mask;
    }
  }

  private static int home(long device, long number, int mask) {
    long mixed = (number + device * 31) * 0x9E3779B97F4A7C15L;
    return (int) (mixed >>> 33) & mask;
  }

  private void put(Inode inode) {
    if (count * 3L >= byKey.length * 2L) {
      resize(byKey.length * 2);
    }
    byKey[slotOf(inode.device, inode.number)] = inode;
    count++;
  }

  private void removeKey(int slot) {
    int mask = byKey.length - 1;
    int hole = slot;
    for (int next = (hole + 1) & mask; ; next = (next + 1) & mask) {
      Inode each = byKey[next];
      if (each == null) {
        break;
      }
      int wanted = home(each.device, each.number, mask);
      if (((next - wanted) & mask) >= ((next - hole) & mask)) {
        byKey[hole] = each;
        hole = next;
      }
    }
    byKey[hole] = null;
    count--;
    if (byKey.length > SMALLEST && count * 8L < byKey.length) {
      resize(byKey.length / 2);
    }
  }

  private void resize(int capacity) {
    @Nullable Inode[] old = byKey;
    byKey = new Inode[capacity];
    for (Inode each : old) {
      if (each != null) {
        byKey[slotOf(each.device, each.number)] = each;
      }
    }
  }
}
