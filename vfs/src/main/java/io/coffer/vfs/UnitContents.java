package io.coffer.vfs;

import io.coffer.format.BlockException;
import io.coffer.format.ContentLayout;
import io.coffer.format.fscrypt.FscryptContents;
import io.coffer.format.fscrypt.FscryptContext;
import io.coffer.format.fscrypt.FscryptStoredAttributes;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.LockType;
import io.coffer.store.StoreFile;
import io.coffer.vfs.FileLocks.Range;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * The contents of one open file of an fscrypt tree. The stored file has whole data units; its real
 * size is an attribute (see {@link FscryptAttributes}).
 *
 * <p>What holds at any moment, whatever is killed when: the stored file reaches at least to the
 * real size rounded up to units, for the attribute is written after the data when the file grows
 * and before the cut when it shrinks. What lies beyond the real size may be the rest of either; it
 * is never shown, and is made zero before the file grows over it.
 *
 * <p>On shared storage everything is done under a lock of the protocol (see {@link FileLocks}),
 * reads too, for a unit that is just being written cannot be told from a whole one.
 *
 * <p>A unit is written whole, so that one changed in part is read, deciphered, enciphered and
 * written. A stored unit of zeros is a hole.
 */
final class UnitContents implements FileContents {
  private static final int MAX_CHUNK_BYTES = 1 << 20;
  private static final int TRIES = 20;
  private static final long MOST_BYTES = Long.MAX_VALUE - (1L << 20);

  private final FscryptContext context;
  private final DamageReport damage;
  private final boolean shared;
  private final ContentLayout layout;
  private final int unit;

  /** Null when the key has been taken away. Written with the contents held exclusively. */
  private volatile @Nullable FscryptContents cipher;

  /** The key is about to be taken away: only what others have accepted already is written. */
  private volatile boolean ending;

  /**
   * What this process knows of the file's end, shared by all objects that ever stand for the open
   * file: where a tree is locked and unlocked at once, what the old one still writes must not be
   * unknown to the new one. Guarded by {@link FileState#content}.
   */
  private static final class Extent {
    /** The real size, or {@link FileState#UNKNOWN}. */
    volatile long size = FileState.UNKNOWN;

    /** What lies in the store beyond {@link #size} is zero or a hole, as far as we made it. */
    boolean clean;
  }

  private final Extent extent;

  /** Tells of damage in the file, once for each place. */
  interface DamageReport {
    void tell(long place, String fault);
  }

  /**
   * Opens the contents of a file.
   *
   * @param before what stood for the file until now, while it was open; null if nothing did
   */
  UnitContents(
      FscryptContext context,
      FscryptContents cipher,
      @Nullable UnitContents before,
      boolean shared,
      DamageReport damage) {
    this.extent = before == null ? new Extent() : before.extent;
    this.context = context;
    this.cipher = cipher;
    this.shared = shared;
    this.layout = new ContentLayout(0, cipher.unitBytes(), 0);
    this.damage = damage;
    this.unit = cipher.unitBytes();
  }

  /** The context of the file. */
  FscryptContext context() {
    return context;
  }

  /** Has the key been taken away? */
  boolean isRevoked() {
    return cipher == null;
  }

  /** Takes nothing but writes from now on, which may have been accepted before. */
  void end() {
    ending = true;
  }

  /** May it be read and written, now and in future? */
  boolean isUsable() {
    return !ending && cipher != null;
  }

  /** Waits for whoever is at the contents and wipes the file's key. */
  void revoke(FileState state) {
    long stamp = state.content.writeLock();
    try {
      close();
    } finally {
      state.content.unlockWrite(stamp);
    }
  }

  @Override
  public void close() {
    FscryptContents present = cipher;
    cipher = null;
    if (present != null) {
      present.close();
    }
  }

  private FscryptContents cipher() throws ErrnoException {
    FscryptContents present = cipher;
    if (present == null) {
      throw new ErrnoException(Errno.ENOKEY);
    }
    return present;
  }

  private void checkUsable() throws ErrnoException {
    if (!isUsable()) {
      throw new ErrnoException(Errno.ENOKEY);
    }
  }

  // Sizes.

  private long roundUp(long size) {
    return (size + unit - 1) / unit * unit;
  }

  /**
   * The real size, from the store.
   *
   * @throws ErrnoException EIO if it does not fit the stored file: somebody changed that who knows
   *     nothing of the format
   */
  private long readSize(StoreFile file) throws ErrnoException {
    return readSize(file, null);
  }

  /**
   * {@link #readSize(StoreFile)}.
   *
   * @param known a status that may be older than the attribute: good if the two fit
   */
  private long readSize(StoreFile file, @Nullable FileStatus known) throws ErrnoException {
    String fault = "";
    for (int i = 0; i < TRIES; i++) {
      // Another node may be between the two: then the second look finds them agreed.
      long size = FscryptStoredAttributes.size(FscryptAttributes.get(file, FscryptAttributes.SIZE));
      long stored = (i == 0 && known != null ? known : file.status()).size();
      if (size < 0) {
        fault = "its attribute with the real size is missing or damaged";
      } else if (stored % unit != 0) {
        fault =
            "the stored file has "
                + stored
                + " bytes, no multiple of "
                + unit
                + ": a program that knows nothing of the encryption changed it";
      } else if (size > stored) {
        fault =
            "the stored file has "
                + stored
                + " bytes, too few for a real size of "
                + size
                + ": a program that knows nothing of the encryption changed it";
      } else {
        return size;
      }
      Thread.onSpinWait();
    }
    damage.tell(DamageLog.HEADER, fault);
    throw new ErrnoException(Errno.EIO);
  }

  /** Checks size and stored size when the file is opened. */
  void check(StoreFile file) throws ErrnoException {
    readSize(file);
  }

  /** {@link #check}, before anybody else can use this object: what was read stays known. */
  void checkFirst(StoreFile file) throws ErrnoException {
    long size = readSize(file, file.firstStatus());
    extent.size = shared ? FileState.UNKNOWN : size;
  }

  /** The file was just made, before anybody else can use it: nothing is stored of it. */
  void isNew() {
    extent.size = shared ? FileState.UNKNOWN : 0;
    extent.clean = !shared;
  }

  @Override
  public long knownSize() {
    return shared ? FileState.UNKNOWN : extent.size;
  }

  /** What was known of the file is asked for again; contents held exclusively. */
  private long refreshSize(StoreFile file) throws ErrnoException {
    long size = readSize(file);
    if (size != extent.size) {
      extent.clean = false;
      extent.size = size;
    }
    return size;
  }

  private void writeSize(StoreFile file, long size) throws ErrnoException {
    extent.size = FileState.UNKNOWN;
    FscryptAttributes.set(file, FscryptAttributes.SIZE, FscryptStoredAttributes.size(size));
    extent.size = size;
  }

  // Reading.

  @Override
  public int read(
      FileState state, StoreFile file, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    if (offset < 0 || length < 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    if (length == 0) {
      return 0;
    }
    if (shared) {
      // Two threads must not hold locks through one handle.
      long stamp = state.content.writeLock();
      Range range = new Range(offset / unit, (offset + length - 1) / unit);
      try (var _ = hold(file, LockType.SHARED, range)) {
        return readLocked(file, offset, to, position, length);
      } finally {
        state.content.unlockWrite(stamp);
      }
    }
    long stamp = state.content.readLock();
    try {
      return readLocked(file, offset, to, position, length);
    } finally {
      state.content.unlockRead(stamp);
    }
  }

  private int readLocked(StoreFile file, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    checkUsable();
    long size = extent.size;
    if (size < 0) {
      size = readSize(file);
    }
    if (offset >= size) {
      return 0;
    }
    int wanted = (int) Math.min(length, size - offset);
    int done = 0;
    while (done < wanted) {
      int chunk = Math.min(wanted - done, MAX_CHUNK_BYTES);
      if (!readRun(file, offset + done, to, position + done, chunk)) {
        // Cut by another node between the two looks.
        long now = readSize(file);
        return Math.clamp(now - offset, 0, done);
      }
      done += chunk;
    }
    return done;
  }

  /** Waits for a range, and forgets what was known; null where nobody else changes the store. */
  private FileLocks.@Nullable Held hold(StoreFile file, LockType type, Range range)
      throws ErrnoException {
    if (!shared) {
      return null;
    }
    FileLocks.Held held = FileLocks.hold(file, type, range);
    extent.size = FileState.UNKNOWN;
    extent.clean = false;
    return held;
  }

  /** Reads bytes that are within the real size; false if the stored file has not so many. */
  private boolean readRun(StoreFile file, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    long first = offset / unit;
    int skip = (int) (offset - first * unit);
    int bytes = (int) roundUp(skip + length);
    IoBuffers buffers = IoBuffers.get();
    MemorySegment stored = buffers.stored(bytes);
    int read = file.read(stored, 0, bytes, first * unit);
    if (read < skip + length) {
      return false;
    }
    if (skip == 0 && bytes == length) {
      open(first, stored, 0, bytes, to, position);
      return true;
    }
    MemorySegment plain = buffers.plain(bytes);
    open(first, stored, 0, Math.min(bytes, read), plain, 0);
    MemorySegment.copy(plain, skip, to, position, length);
    return true;
  }

  private void open(
      long first, MemorySegment stored, long at, int bytes, MemorySegment plain, long position)
      throws ErrnoException {
    try {
      cipher().open(first, stored, at, bytes, plain, position);
    } catch (BlockException e) {
      damage.tell(e.block(), String.valueOf(e.getMessage()));
      throw new ErrnoException(Errno.EIO);
    }
  }

  // Writing. Everything below runs with the contents held exclusively.

  @Override
  public int write(
      FileState state, StoreFile file, long offset, MemorySegment from, long position, int length)
      throws ErrnoException {
    if ((offset < 0 && offset != AT_END) || length < 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    if (length == 0) {
      return 0;
    }
    long stamp = state.content.writeLock();
    try {
      cipher();
      if (!shared) {
        return writeLocked(file, offset, from, position, length);
      }
      // What must be held depends on the size, which is only sure once it is held.
      long size = readSize(file);
      while (true) {
        Range range = rangeForWrite(offset, length, size);
        try (var _ = hold(file, LockType.EXCLUSIVE, range)) {
          size = refreshSize(file);
          if (range.covers(rangeForWrite(offset, length, size))) {
            return writeLocked(file, offset, from, position, length);
          }
        }
      }
    } finally {
      state.content.unlockWrite(stamp);
    }
  }

  private Range rangeForWrite(long offset, int length, long size) {
    return FileLocks.forWrite(layout, offset == AT_END ? size : offset, length, size);
  }

  private int writeLocked(
      StoreFile file, long offset, MemorySegment from, long position, int length)
      throws ErrnoException {
    long size = extent.size;
    if (size < 0) {
      size = refreshSize(file);
    }
    long at = offset == AT_END ? size : offset;
    if (at > MOST_BYTES - length) {
      throw new ErrnoException(Errno.EFBIG);
    }
    if (at + length > size) {
      cleanBeyond(file, size);
    }
    int done = 0;
    while (done < length) {
      int chunk = Math.min(length - done, MAX_CHUNK_BYTES);
      int written;
      try {
        written = writeRun(file, at + done, from, position + done, chunk, size);
        long end = at + done + written;
        if (end > size) {
          writeSize(file, end);
          size = end;
        }
      } catch (ErrnoException e) {
        if (done == 0) {
          throw e;
        }
        break;
      }
      done += written;
      if (written < chunk) {
        break;
      }
    }
    return done;
  }

  /** Writes the units that hold a range, at once. Returns how much of it is in the store. */
  private int writeRun(
      StoreFile file, long offset, MemorySegment from, long position, int length, long size)
      throws ErrnoException {
    FscryptContents present = cipher();
    IoBuffers buffers = IoBuffers.get();
    long first = offset / unit;
    long last = (offset + length - 1) / unit;
    int skip = (int) (offset - first * unit);
    int endInLast = (int) (offset + length - last * unit);
    long usedUnits = roundUp(size) / unit;
    MemorySegment stored = buffers.stored((last - first + 1) * unit);
    MemorySegment saved = buffers.saved(2L * unit);
    boolean headSaved = false;
    boolean tailSaved = false;
    int sealed = 0;
    int taken = 0;
    long next = first;
    boolean oneUnit = first == last;
    if (skip > 0 || (oneUnit && endInLast < unit && offset + length < size)) {
      MemorySegment plain = buffers.first(unit);
      if (first < usedUnits) {
        headSaved = readUnit(file, first, saved, 0, plain);
      } else {
        plain.asSlice(0, unit).fill((byte) 0);
      }
      taken = Math.min(length, unit - skip);
      MemorySegment.copy(from, position, plain, skip, taken);
      sealed = present.seal(first, plain, 0, unit, stored, 0);
      next = first + 1;
    }
    boolean tail = next <= last && endInLast < unit && offset + length < size;
    int straight = length - taken - (tail ? endInLast : 0);
    if (straight > 0) {
      sealed += present.seal(next, from, position + taken, straight, stored, sealed);
      taken += straight;
    }
    if (tail) {
      MemorySegment plain = buffers.last(unit);
      tailSaved = readUnit(file, last, saved, unit, plain);
      MemorySegment.copy(from, position + taken, plain, 0, endInLast);
      sealed += present.seal(last, plain, 0, unit, stored, sealed);
    }
    int written = 0;
    try {
      while (written < sealed) {
        int now = file.write(stored, written, sealed - written, first * unit + written);
        if (now <= 0) {
          throw new ErrnoException(Errno.ENOSPC);
        }
        written += now;
      }
      return length;
    } catch (ErrnoException e) {
      int whole = written / unit;
      if (written % unit != 0 && first + whole < usedUnits) {
        mend(file, first + whole, headSaved ? first : -1, tailSaved ? last : -1, stored, first);
      }
      int plainWritten = Math.clamp((long) whole * unit - skip, 0, length);
      cutBeyond(file, Math.max(roundUp(size), (first + whole) * unit));
      if (plainWritten == 0) {
        throw e;
      }
      return plainWritten;
    }
  }

  /** A write stopped within a unit: what was there is put back, or the rest tried once more. */
  private void mend(
      StoreFile file, long torn, long head, long tail, MemorySegment stored, long first) {
    try {
      MemorySegment saved = IoBuffers.get().saved(2L * unit);
      if (torn == head) {
        writeFully(file, saved, 0, torn * unit);
      } else if (torn == tail) {
        writeFully(file, saved, unit, torn * unit);
      } else {
        writeFully(file, stored, (torn - first) * unit, torn * unit);
      }
    } catch (ErrnoException e) {
      damage.tell(torn, "a write failed and what was there could not be put back");
    }
  }

  private void cutBeyond(StoreFile file, long wanted) {
    try {
      if (file.status().size() > wanted) {
        file.truncate(wanted);
      }
    } catch (ErrnoException e) {
      extent.clean = false; // it lies beyond the real size, and is cut before the file grows there
    }
  }

  /**
   * What a crash may have left beyond the real size is cut off and zeroed, so that the file can
   * grow over it.
   */
  private void cleanBeyond(StoreFile file, long size) throws ErrnoException {
    if (extent.clean) {
      return;
    }
    long rounded = roundUp(size);
    if (file.status().size() > rounded) {
      file.truncate(rounded);
    }
    int keep = (int) (size % unit);
    if (keep > 0) {
      IoBuffers buffers = IoBuffers.get();
      MemorySegment plain = buffers.last(unit);
      if (readUnit(file, size / unit, buffers.saved(2L * unit), 0, plain)
          && !isZero(plain, keep, unit)) {
        zeroInUnit(file, size / unit, keep, unit);
      }
    }
    extent.clean = true;
  }

  private static boolean isZero(MemorySegment plain, long from, long to) {
    for (long i = from; i < to; i++) {
      if (plain.get(ValueLayout.JAVA_BYTE, i) != 0) {
        return false;
      }
    }
    return true;
  }

  /**
   * Reads a unit.
   *
   * @param savedAt where its stored form goes in {@code saved}
   * @param plain gets its plain form
   * @return false if the store has nothing there; {@code plain} is zeros then
   */
  private boolean readUnit(
      StoreFile file, long number, MemorySegment saved, long savedAt, MemorySegment plain)
      throws ErrnoException {
    int read = file.read(saved, savedAt, unit, number * unit);
    if (read == 0) {
      plain.asSlice(0, unit).fill((byte) 0);
      return false;
    }
    open(number, saved, savedAt, read, plain, 0);
    return true;
  }

  /** Zeroes a part of a unit; a hole stays one. */
  private void zeroInUnit(StoreFile file, long number, int from, int to) throws ErrnoException {
    IoBuffers buffers = IoBuffers.get();
    MemorySegment plain = buffers.last(unit);
    MemorySegment saved = buffers.saved(2L * unit);
    if (!readUnit(file, number, saved, 0, plain) || isZero(saved, 0, unit)) {
      return;
    }
    plain.asSlice(from, to - from).fill((byte) 0);
    MemorySegment sealed = buffers.first(unit);
    cipher().seal(number, plain, 0, unit, sealed, 0);
    try {
      writeFully(file, sealed, 0, number * unit);
    } catch (ErrnoException e) {
      mend(file, number, number, -1, sealed, number);
      throw e;
    }
  }

  private void writeFully(StoreFile file, MemorySegment from, long position, long offset)
      throws ErrnoException {
    int done = 0;
    while (done < unit) {
      int now = file.write(from, position + done, unit - done, offset + done);
      if (now <= 0) {
        throw new ErrnoException(Errno.ENOSPC);
      }
      done += now;
    }
  }

  @Override
  public void truncate(FileState state, StoreFile file, long size) throws ErrnoException {
    if (size < 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    if (size > MOST_BYTES) {
      throw new ErrnoException(Errno.EFBIG);
    }
    long stamp = state.content.writeLock();
    try (var _ = hold(file, LockType.EXCLUSIVE, Range.WHOLE)) {
      checkUsable();
      long old = refreshSize(file);
      if (size > old) {
        grow(file, old, size);
      } else {
        if (size < old) {
          extent.clean = false;
          writeSize(file, size);
          int keep = (int) (size % unit);
          if (keep > 0) {
            zeroInUnit(file, size / unit, keep, unit);
          }
        }
        file.truncate(roundUp(size)); // changes the times, as truncate(2) does
        extent.clean = true;
      }
    } finally {
      state.content.unlockWrite(stamp);
    }
  }

  /** Makes the file longer by a hole. */
  private void grow(StoreFile file, long old, long size) throws ErrnoException {
    cleanBeyond(file, old);
    file.truncate(roundUp(size));
    writeSize(file, size);
  }

  @Override
  public void allocate(FileState state, StoreFile file, int mode, long offset, long length)
      throws ErrnoException {
    if (offset < 0 || length <= 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    if (length > MOST_BYTES - offset) {
      throw new ErrnoException(Errno.EFBIG);
    }
    boolean punch = mode == (Flags.FALLOC_FL_PUNCH_HOLE | Flags.FALLOC_FL_KEEP_SIZE);
    boolean zero = (mode & ~Flags.FALLOC_FL_KEEP_SIZE) == Flags.FALLOC_FL_ZERO_RANGE;
    if (!punch && !zero && mode != 0 && mode != Flags.FALLOC_FL_KEEP_SIZE) {
      throw new ErrnoException(Errno.EOPNOTSUPP);
    }
    long end = offset + length;
    long stamp = state.content.writeLock();
    try (var _ = hold(file, LockType.EXCLUSIVE, Range.WHOLE)) {
      checkUsable();
      long old = refreshSize(file);
      boolean grows = (mode & Flags.FALLOC_FL_KEEP_SIZE) == 0 && end > old;
      if (punch || zero) {
        zeroRange(file, offset, Math.min(end, old), old, punch);
      } else {
        if (grows) {
          cleanBeyond(file, old);
        }
        long from = offset / unit * unit;
        file.allocate(Flags.FALLOC_FL_KEEP_SIZE, from, roundUp(end) - from);
      }
      if (grows) {
        grow(file, old, end);
      }
    } finally {
      state.content.unlockWrite(stamp);
    }
  }

  /** Makes a range within the file read as zeros; whole units become holes. */
  private void zeroRange(StoreFile file, long from, long to, long size, boolean punch)
      throws ErrnoException {
    if (from >= to) {
      return;
    }
    // Beyond the end there is nothing to keep in the last unit.
    long end = to == size ? roundUp(size) : to;
    long firstWhole = roundUp(from) / unit;
    long wholeEnd = end / unit;
    if (firstWhole < wholeEnd) {
      punchOrZero(file, firstWhole * unit, (wholeEnd - firstWhole) * unit, punch);
    }
    long head = from / unit;
    if (head < firstWhole) {
      zeroInUnit(file, head, (int) (from % unit), (int) Math.min(unit, end - head * unit));
    }
    if (wholeEnd >= firstWhole && end > wholeEnd * unit) {
      zeroInUnit(file, wholeEnd, 0, (int) (end - wholeEnd * unit));
    }
  }

  private static void punchOrZero(StoreFile file, long at, long bytes, boolean punch)
      throws ErrnoException {
    if (!punch) {
      try {
        file.allocate(Flags.FALLOC_FL_ZERO_RANGE | Flags.FALLOC_FL_KEEP_SIZE, at, bytes);
        return;
      } catch (ErrnoException e) {
        if (e.errno() != Errno.EOPNOTSUPP) {
          throw e;
        }
      }
    }
    file.allocate(Flags.FALLOC_FL_PUNCH_HOLE | Flags.FALLOC_FL_KEEP_SIZE, at, bytes);
  }

  /** Units lie where they lie in the plain file, so a hole of the store is one of the file. */
  @Override
  public long seek(FileState state, StoreFile file, long offset, int whence) throws ErrnoException {
    if (whence != Flags.SEEK_DATA && whence != Flags.SEEK_HOLE) {
      throw new ErrnoException(Errno.EINVAL);
    }
    long stamp = state.content.readLock();
    try {
      checkUsable();
      long size = readSize(file);
      if (offset < 0 || offset >= size) {
        throw new ErrnoException(Errno.ENXIO);
      }
      if (whence == Flags.SEEK_DATA) {
        long found = file.seek(offset, Flags.SEEK_DATA);
        if (found >= size) {
          throw new ErrnoException(Errno.ENXIO);
        }
        return Math.max(offset, found / unit * unit);
      }
      return Math.min(size, Math.max(offset, roundUp(file.seek(offset, Flags.SEEK_HOLE))));
    } finally {
      state.content.unlockRead(stamp);
    }
  }
}
