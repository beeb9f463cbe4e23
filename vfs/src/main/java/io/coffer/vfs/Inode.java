package io.coffer.vfs;

import io.coffer.posix.FileStatus;
import io.coffer.posix.Timestamp;
import org.jspecify.annotations.Nullable;

/**
 * A file, directory or other object of the store that somebody knows. There may be millions, so it
 * holds no descriptor and no lock: about 80 bytes, 90 more with its last known name.
 *
 * <p>An object of the store is told from another by device, inode number, type and birth time; the
 * last because filesystems use the number of a deleted file again.
 */
final class Inode implements SlotTable.Numbered {
  /** {@link #bareUntil} of what has, or had, an attribute. */
  static final long NOT_BARE = 1;

  /** {@link #born} where the store does not keep birth times. */
  static final long NO_BIRTH = Long.MIN_VALUE;

  /**
   * A name under which the object was last seen: where to look for it first. Never proof; whatever
   * is found there is checked with {@link Inode#is}.
   *
   * @param next further names of a file with several hard links
   */
  record Location(Inode parent, byte[] name, @Nullable Location next) {}

  private final long id;
  final long device;
  final long number;
  final long born;
  final int type;

  /** How often the id was given out and not forgotten. Guarded by the inode table. */
  long lookups;

  /** Locations, open handles and the like that refer to this. Guarded by the inode table. */
  int references;

  /** No longer in the table. Written under the inode table's lock. */
  volatile boolean removed;

  /** Newest first; null if no name is known (the root, or deleted). Written by the inode table. */
  volatile @Nullable Location location;

  /**
   * Of a directory: when it was last synced. Of anything else: when it was made here, or 0 if it
   * was not, or has been synced since. By the clock of {@link Durability}.
   */
  volatile long durabilityTime;

  /**
   * Until when it is believed to have no extended attributes, by System.nanoTime; 0 if nothing is
   * known. Written by {@link Attributes}.
   */
  volatile long bareUntil;

  /**
   * {@link DirectoryState} of a directory, {@link FileState} of an open regular file, the length of
   * a symbolic link's target (Integer), or null.
   */
  volatile @Nullable Object state;

  Inode(long id, FileStatus status) {
    this.id = id;
    device = status.device();
    number = status.inode();
    type = status.type();
    born = birth(status);
  }

  @Override
  public long id() {
    return id;
  }

  boolean isDirectory() {
    return type == FileStatus.TYPE_DIRECTORY;
  }

  boolean isRegular() {
    return type == FileStatus.TYPE_REGULAR;
  }

  /** Is this the object that the store described so? */
  boolean is(FileStatus status) {
    if (status.inode() != number || status.device() != device || status.type() != type) {
      return false;
    }
    long otherBorn = birth(status);
    return otherBorn == born || otherBorn == NO_BIRTH || born == NO_BIRTH;
  }

  private static long birth(FileStatus status) {
    Timestamp born = status.born();
    return born == null ? NO_BIRTH : born.seconds() * 1_000_000_000L + born.nanos();
  }
}
