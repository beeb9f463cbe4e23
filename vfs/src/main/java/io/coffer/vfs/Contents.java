package io.coffer.vfs;

import io.coffer.format.BlockException;
import io.coffer.format.ContentCipher;
import io.coffer.format.ContentLayout;
import io.coffer.format.FormatException;
import io.coffer.format.VolumeFormat;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.store.LockType;
import io.coffer.store.StoreFile;
import io.coffer.vfs.FileLocks.Range;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Contents of files: plain offsets and bytes on one side, sealed blocks on the other.
 *
 * <p>A request becomes one read or one write of the store, however it lies on the blocks; blocks
 * covered in part by a write are read and sealed anew. What a failed write damaged is put back: the
 * stored form of blocks that were read anyway is kept until the write is through, so that a full
 * store leaves no block that cannot be read.
 *
 * <p>Space is not allocated ahead of a write: it would double the calls for each write, is wasted
 * where the store writes elsewhere anyway (copy-on-write, compression, network stores), and putting
 * back what was there serves the same end.
 *
 * <p>On shared storage every change is made under a lock of the protocol (see {@link FileLocks}),
 * and what is known of the file is learnt anew beneath it. Reads take no lock; what they cannot
 * open is read again under one, since it may only have been in the middle of a change.
 *
 * <p>Thread-safe; takes {@link FileState#content} itself.
 */
final class Contents implements FileContents {
  private static final int MAX_CHUNK_BYTES = 1 << 20;
  private static final int PAGE_BYTES = 65536;
  private static final int COPY_BYTES = 1 << 20;

  private final VolumeFormat format;
  private final ContentLayout layout;
  private final int blockBytes;
  private final int storedBlockBytes;
  private final int headerBytes;
  private final boolean shared;
  private final boolean readOnly;
  private final boolean weakCache;
  private final DamageLog damage;
  private final Function<Inode, String> pathOf;

  /**
   * A block or the header cannot be opened: damaged, or, if there was no lock, in the middle of a
   * change. Never leaves this class.
   */
  private static final class Doubtful extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private final long place;
    private final String fault;

    /**
     * @param place a block, or {@link DamageLog#HEADER}
     */
    Doubtful(long place, String fault) {
      super(null, null, false, false);
      this.place = place;
      this.fault = fault;
    }
  }

  /**
   * @param options whether other nodes change the same files, and whether this one may
   * @param weakCache what this node remembers of a file may be older than a lock that it got
   * @param pathOf a file's path for log lines
   */
  Contents(
      VolumeFormat format,
      EncryptedFilesystem.Options options,
      boolean weakCache,
      DamageLog damage,
      Function<Inode, String> pathOf) {
    this.format = format;
    this.layout = format.layout();
    this.blockBytes = layout.blockBytes();
    this.storedBlockBytes = layout.storedBlockBytes();
    this.headerBytes = layout.headerBytes();
    this.shared = options.shared();
    this.readOnly = options.readOnly();
    this.weakCache = weakCache;
    this.damage = damage;
    this.pathOf = pathOf;
  }

  // Reading.

  /**
   * Reads plain bytes.
   *
   * @return bytes read, less than {@code length} only at the end of the file
   * @throws ErrnoException EIO if any block of the range is damaged: a short answer would look like
   *     the end of the file
   */
  @Override
  public int read(
      FileState state, StoreFile file, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    if (offset < 0 || length < 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    long stamp = state.content.readLock();
    try {
      return readAll(state, file, offset, to, position, length);
    } catch (Doubtful e) {
      // Somebody may be in the middle of a change.
    } finally {
      state.content.unlockRead(stamp);
    }
    stamp = state.content.writeLock();
    try {
      var range = new Range(layout.blockAt(offset), layout.blockAt(offset + length - 1));
      return (int)
          confirmed(
              state,
              file,
              false,
              () -> {
                try (var _ = beginHeld(state, file, LockType.SHARED, range)) {
                  return readAll(state, file, offset, to, position, length);
                }
              });
    } finally {
      state.content.unlockWrite(stamp);
    }
  }

  private int readAll(
      FileState state, StoreFile file, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    long limit = layout.maxPlainSize();
    int wanted = offset >= limit ? 0 : (int) Math.min(length, limit - offset);
    int done = 0;
    while (done < wanted) {
      int chunk = Math.min(wanted - done, MAX_CHUNK_BYTES);
      int read = readRun(state, file, offset + done, to, position + done, chunk);
      done += read;
      if (read < chunk) {
        break;
      }
    }
    return done;
  }

  private int readRun(
      FileState state, StoreFile file, long offset, MemorySegment to, long position, int length)
      throws ErrnoException {
    long first = layout.blockAt(offset);
    int blocks = (int) (layout.blockAt(offset + length - 1) - first + 1);
    ContentCipher cipher = state.cipher;
    // The header of a file that was just opened comes along with its first blocks.
    boolean withHeader = cipher == null && first == 0 && headerBytes > 0;
    if (cipher == null && !withHeader) {
      cipher = loadCipher(state, file);
      if (cipher == null) {
        return 0;
      }
    }
    int before = withHeader ? headerBytes : 0;
    int wanted = before + blocks * storedBlockBytes;
    IoBuffers buffers = IoBuffers.get();
    MemorySegment stored = buffers.stored(wanted);
    int read = file.read(stored, 0, wanted, layout.storedOffset(first) - before);
    if (read <= before) {
      return 0;
    }
    if (cipher == null) {
      cipher = parseHeader(stored.asSlice(0, headerBytes).toArray(ValueLayout.JAVA_BYTE));
      state.cipher = cipher;
    }
    int body = read - before;
    int available = plainBytes(body);
    int skip = (int) (offset - layout.plainOffset(first));
    if (skip == 0 && available <= length) {
      return open(cipher, first, stored, before, body, to, position);
    }
    MemorySegment plain = buffers.plain((long) blocks * blockBytes);
    int opened = open(cipher, first, stored, before, body, plain, 0);
    int given = Math.max(0, Math.min(length, opened - skip));
    MemorySegment.copy(plain, skip, to, position, given);
    return given;
  }

  /** Plain bytes in a run of stored ones that begins with a block. */
  private int plainBytes(int storedBytes) {
    int rest = storedBytes % storedBlockBytes;
    int full = storedBytes / storedBlockBytes * blockBytes;
    return rest == 0 ? full : full + Math.max(1, rest - layout.overheadBytes());
  }

  private int open(
      ContentCipher cipher,
      long first,
      MemorySegment stored,
      long storedPosition,
      int storedBytes,
      MemorySegment plain,
      long plainPosition)
      throws ErrnoException {
    try {
      return cipher.open(first, stored, storedPosition, storedBytes, plain, plainPosition);
    } catch (BlockException e) {
      throw new Doubtful(e.block(), String.valueOf(e.getMessage()));
    }
  }

  // Shared storage.

  /** Something done to a file beneath the lock that it takes itself. */
  private interface Action {
    long run() throws ErrnoException;
  }

  /**
   * Runs something that holds its lock, so that what it cannot open is not being changed. Then it
   * is what the death of a node in the middle of a truncation left, which is brought to its end, or
   * it is damaged. Contents held exclusively.
   *
   * @param writable {@code file} is open for writing
   * @throws ErrnoException EIO if it is damaged
   */
  private long confirmed(FileState state, StoreFile file, boolean writable, Action action)
      throws ErrnoException {
    try {
      return action.run();
    } catch (Doubtful e) {
      if (!finishTruncation(state, file, writable, e.place)) {
        throw damaged(state, e);
      }
    }
    try {
      return action.run();
    } catch (Doubtful e) {
      throw damaged(state, e);
    }
  }

  private ErrnoException damaged(FileState state, Doubtful e) {
    if (damage.first(state.inode, e.place)) {
      String where =
          e.place == DamageLog.HEADER
              ? "header"
              : "block " + e.place + " (byte " + layout.plainOffset(e.place) + ")";
      damage.write("file " + pathOf.apply(state.inode) + ", " + where + ": " + e.fault);
    }
    return new ErrnoException(Errno.EIO);
  }

  /** {@link #finishTruncation(FileState, StoreFile, long)} with a handle that is open for it. */
  private boolean finishTruncation(FileState state, StoreFile file, boolean writable, long block)
      throws ErrnoException {
    if (readOnly || block < 0 || layout.overheadBytes() == 0) {
      return false;
    }
    if (writable) {
      return finishTruncation(state, file, block);
    }
    try (StoreFile again = file.reopen(Flags.O_RDWR)) {
      return finishTruncation(state, again, block);
    } catch (ErrnoException e) {
      return false; // not allowed here: whoever may write finishes it
    }
  }

  /**
   * A truncation seals the block in which the file will end anew, shorter, and then cuts the file
   * there. If its node died in between, the shorter form still authenticates, followed by what was
   * left of the longer one; what is missing is the cut.
   *
   * @return true if the block is whole now
   */
  private boolean finishTruncation(FileState state, StoreFile file, long block)
      throws ErrnoException {
    IoBuffers buffers = IoBuffers.get();
    try (var _ = beginHeld(state, file, LockType.EXCLUSIVE, Range.WHOLE)) {
      state.plainEnd = FileState.UNKNOWN;
      ContentCipher cipher = loadCipher(state, file);
      if (cipher == null) {
        return true; // cut to nothing meanwhile
      }
      MemorySegment stored = buffers.saved(storedBlockBytes);
      int bytes = readStored(file, block, stored, 0);
      if (bytes == 0 || opens(cipher, block, stored, bytes)) {
        return true;
      }
      for (int cut = layout.overheadBytes() + 1; cut < bytes; cut++) {
        if (opens(cipher, block, stored, cut)) {
          file.truncate(layout.storedOffset(block) + cut);
          damage.write(
              "file "
                  + pathOf.apply(state.inode)
                  + ": finished a truncation that was interrupted in block "
                  + block);
          return true;
        }
      }
    } catch (Doubtful e) {
      // The header is damaged.
    }
    return false;
  }

  private boolean opens(ContentCipher cipher, long block, MemorySegment stored, int bytes) {
    try {
      cipher.open(block, stored, 0, bytes, IoBuffers.get().last(blockBytes), 0);
      return true;
    } catch (BlockException e) {
      return false;
    }
  }

  /**
   * Waits for a range and forgets what was known of the file. Contents held exclusively; null, and
   * nothing forgotten, where nobody else changes the store.
   */
  private FileLocks.@Nullable Held beginHeld(
      FileState state, StoreFile file, LockType type, Range range) throws ErrnoException {
    if (!shared) {
      return null;
    }
    FileLocks.Held held = FileLocks.hold(file, type, range);
    if (weakCache) {
      forgetCached(file, range);
    }
    state.cipher = null;
    state.plainEnd = FileState.UNKNOWN;
    return held;
  }

  /** Whole pages, since parts of one are kept. The header is read beneath each lock. */
  private void forgetCached(StoreFile file, Range range) throws ErrnoException {
    if (range.first() <= 0 || range.last() == Range.END) {
      file.forgetCached(0, range.last() == Range.END ? 0 : pageBehind(range.last()));
      return;
    }
    file.forgetCached(0, PAGE_BYTES);
    long from = layout.storedOffset(range.first()) / PAGE_BYTES * PAGE_BYTES;
    file.forgetCached(from, pageBehind(range.last()) - from);
  }

  private long pageBehind(long block) {
    return (layout.storedOffset(block + 1) / PAGE_BYTES + 1) * PAGE_BYTES;
  }

  // Headers.

  /** The cipher for the file's header; null if the file is empty. Any lock on the contents. */
  private @Nullable ContentCipher loadCipher(FileState state, StoreFile file)
      throws ErrnoException {
    ContentCipher cipher = state.cipher;
    if (cipher != null) {
      return cipher;
    }
    byte[] header = new byte[headerBytes];
    if (headerBytes > 0) {
      MemorySegment stored = IoBuffers.get().saved(headerBytes);
      // One byte more: a file of a header alone is empty, and gets a new header when written.
      int read = file.read(stored, 0, headerBytes + 1, 0);
      if (read <= headerBytes) {
        return null;
      }
      MemorySegment.copy(stored, ValueLayout.JAVA_BYTE, 0, header, 0, headerBytes);
    }
    cipher = parseHeader(header);
    state.cipher = cipher;
    return cipher;
  }

  private ContentCipher parseHeader(byte[] header) {
    try {
      return format.contents(header);
    } catch (FormatException e) {
      throw new Doubtful(DamageLog.HEADER, String.valueOf(e.getMessage()));
    }
  }

  // Writing. Everything below runs with the contents held exclusively.

  /**
   * Writes plain bytes.
   *
   * @param offset {@link #AT_END} to append
   * @return bytes written; less than {@code length} if the store refused the rest
   * @throws ErrnoException if nothing was written; then the file is as before
   */
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
      int done = 0;
      while (done < length) {
        int chunk = Math.min(length - done, MAX_CHUNK_BYTES);
        int written;
        try {
          long at = offset == AT_END ? AT_END : offset + done;
          written = writeChunk(state, file, at, from, position + done, chunk);
        } catch (ErrnoException e) {
          if (done > 0) {
            break;
          }
          throw e;
        }
        done += written;
        if (written < chunk) {
          break;
        }
      }
      return done;
    } finally {
      state.content.unlockWrite(stamp);
    }
  }

  /** Writes at most {@link #MAX_CHUNK_BYTES}, at once. */
  private int writeChunk(
      FileState state, StoreFile file, long offset, MemorySegment from, long position, int length)
      throws ErrnoException {
    try {
      return tryWriteChunk(state, file, offset, from, position, length);
    } catch (Doubtful e) {
      return (int)
          confirmed(
              state, file, true, () -> tryWriteChunk(state, file, offset, from, position, length));
    }
  }

  private int tryWriteChunk(
      FileState state, StoreFile file, long offset, MemorySegment from, long position, int length)
      throws ErrnoException {
    if (!shared) {
      long at = offset;
      if (offset == AT_END) {
        refreshSize(state, file);
        at = state.plainEnd;
      }
      return new Run(state, file, at, room(at, length)).write(from, position);
    }
    // What must be held depends on the size, which is only sure once it is held.
    long size = state.plainEnd;
    if (size < 0) {
      size = layout.plainSize(file.status().size());
    }
    while (true) {
      Range range = rangeForWrite(offset, length, size);
      try (var _ = beginHeld(state, file, LockType.EXCLUSIVE, range)) {
        refreshSize(state, file);
        size = state.plainEnd;
        if (range.covers(rangeForWrite(offset, length, size))) {
          long at = offset == AT_END ? size : offset;
          return new Run(state, file, at, room(at, length)).write(from, position);
        }
      }
    }
  }

  private Range rangeForWrite(long offset, int length, long size) throws ErrnoException {
    long at = offset == AT_END ? size : offset;
    return FileLocks.forWrite(layout, at, room(at, length), size);
  }

  /** How many bytes of {@code length} still fit a file of the greatest size. */
  private int room(long offset, int length) throws ErrnoException {
    long room = layout.maxPlainSize() - offset;
    if (room <= 0) {
      throw new ErrnoException(Errno.EFBIG);
    }
    return (int) Math.min(length, room);
  }

  /** Asks the store for the file's size. */
  private long refreshSize(FileState state, StoreFile file) throws ErrnoException {
    long stored = file.status().size();
    long plain = layout.plainSize(stored);
    state.plainEnd = plain;
    if (plain == 0) {
      state.cipher = null;
    }
    return stored;
  }

  /**
   * One write of consecutive blocks: the blocks to be changed in part are read and opened, all are
   * sealed into one buffer, and that is written at once. Lives as long as the call; the numbers it
   * holds are those of the request.
   */
  private final class Run {
    private final FileState state;
    private final StoreFile file;
    private final long offset;
    private final int length;
    private final long first;
    private final long last;
    private final IoBuffers buffers = IoBuffers.get();

    /** Stored size before the write, and after padding the old last block; once they matter. */
    private long plainBefore;

    /** Stored blocks as they were, one behind the other in the buffer for saved blocks. */
    private final MemorySegment saved;

    private long savedHead = -1;
    private long savedTail = -1;
    private long savedEnd = -1;
    private int savedHeadBytes;
    private int savedTailBytes;
    private int savedEndBytes;

    Run(FileState state, StoreFile file, long offset, int length) {
      this.state = state;
      this.file = file;
      this.offset = offset;
      this.length = length;
      this.first = layout.blockAt(offset);
      this.last = layout.blockAt(offset + length - 1);
      this.saved = buffers.saved(4L * storedBlockBytes);
    }

    int write(MemorySegment from, long position) throws ErrnoException {
      if (state.plainEnd < 0 || offset > state.plainEnd) {
        refreshSize(state, file);
      }
      plainBefore = state.plainEnd;
      long end = offset + length;
      ContentCipher cipher = plainBefore == 0 ? null : loadCipher(state, file);
      byte @Nullable [] header = null;
      if (cipher == null) {
        // Empty, or a header alone: that one is replaced, since a planted header would make this
        // file share its id with another (gocryptfs: file-id poisoning).
        header = format.newFileHeader();
        cipher = parseHeader(header);
        plainBefore = 0;
      }
      boolean padded = padOldEnd(cipher);
      boolean done = false;
      try {
        int written = writeBlocks(cipher, header, from, position, end);
        if (written > 0) {
          state.cipher = cipher;
          state.plainEnd = written == length ? Math.max(plainBefore, end) : FileState.UNKNOWN;
          done = true;
        }
        return written;
      } finally {
        if (!done) {
          state.plainEnd = FileState.UNKNOWN;
          if (padded) {
            undoPadding();
          }
        }
      }
    }

    /**
     * A write behind the end: the old last block is filled with zeros, blocks in between stay a
     * hole. Before the write, for a short block in the middle of a file cannot be read.
     */
    private boolean padOldEnd(ContentCipher cipher) throws ErrnoException {
      long oldLast = layout.blockAt(plainBefore);
      if (plainBefore % blockBytes == 0 || oldLast >= first) {
        return false;
      }
      savedEndBytes = resealBlock(state, file, cipher, oldLast, 0, 0, blockBytes, 2);
      savedEnd = oldLast;
      return true;
    }

    private void undoPadding() {
      try {
        putBack(savedEnd, 2, savedEndBytes);
        file.truncate(layout.storedSize(plainBefore));
      } catch (ErrnoException e) {
        // The file stays a few zeros longer: readable, and the first error is the one to tell.
      }
    }

    private int writeBlocks(
        ContentCipher cipher, byte @Nullable [] header, MemorySegment from, long position, long end)
        throws ErrnoException {
      int skip = (int) (offset - layout.plainOffset(first));
      int endInLast = (int) (end - layout.plainOffset(last));
      int before = 0;
      MemorySegment stored =
          buffers.stored(headerBytes + (last - first + 1) * (long) storedBlockBytes);
      if (header != null) {
        if (first == 0) {
          MemorySegment.copy(header, 0, stored, ValueLayout.JAVA_BYTE, 0, header.length);
          before = header.length;
        } else {
          writeHeader(state, file, header);
        }
      }
      int size = before;
      long nextBlock = first;
      int taken = 0;
      boolean headHasMore = end < Math.min(layout.plainOffset(first + 1), plainBefore);
      if (skip > 0 || headHasMore) {
        MemorySegment plain = buffers.first(blockBytes);
        int old = 0;
        if (layout.plainOffset(first) < plainBefore) {
          savedHead = first;
          savedHeadBytes = readStored(file, first, saved, 0);
          old = openOne(cipher, first, saved, 0, savedHeadBytes, plain);
        }
        if (old < skip) {
          plain.asSlice(old, skip - old).fill((byte) 0);
        }
        taken = Math.min(length, blockBytes - skip);
        MemorySegment.copy(from, position, plain, skip, taken);
        int plainSize = Math.max(old, skip + taken);
        size += cipher.seal(first, plain, 0, plainSize, stored, size);
        nextBlock = first + 1;
      }
      boolean tailHasMore = nextBlock <= last && endInLast < blockBytes && end < plainBefore;
      int straight = tailHasMore ? length - taken - endInLast : length - taken;
      if (straight > 0) {
        size += cipher.seal(nextBlock, from, position + taken, straight, stored, size);
        taken += straight;
      }
      if (tailHasMore) {
        MemorySegment plain = buffers.last(blockBytes);
        savedTail = last;
        savedTailBytes = readStored(file, last, saved, storedBlockBytes);
        int old = openOne(cipher, last, saved, storedBlockBytes, savedTailBytes, plain);
        MemorySegment.copy(from, position + taken, plain, 0, endInLast);
        size += cipher.seal(last, plain, 0, Math.max(old, endInLast), stored, size);
      }
      saveOldEnd();
      return writeOut(stored, before, size, skip);
    }

    /** Keeps the old short last block if it is overwritten whole: its space may not suffice. */
    private void saveOldEnd() throws ErrnoException {
      long oldLast = layout.blockAt(plainBefore);
      if (plainBefore % blockBytes != 0
          && first <= oldLast
          && oldLast <= last
          && oldLast != savedHead
          && oldLast != savedTail) {
        savedEnd = oldLast;
        savedEndBytes = readStored(file, oldLast, saved, 2L * storedBlockBytes);
      }
    }

    private int writeOut(MemorySegment stored, int before, int size, int skip)
        throws ErrnoException {
      long at = layout.storedOffset(first) - before;
      int written = 0;
      ErrnoException error = null;
      try {
        while (written < size) {
          int now = file.write(stored, written, size - written, at + written);
          if (now <= 0) {
            throw new ErrnoException(Errno.ENOSPC);
          }
          written += now;
        }
        return length;
      } catch (ErrnoException e) {
        error = e;
      }
      int whole = Math.max(0, written - before) / storedBlockBytes;
      int plainWritten = Math.min(length, Math.max(0, whole * blockBytes - skip));
      repair(stored, before, written, whole);
      if (plainWritten == 0) {
        if (before > 0 || plainBefore == 0) {
          state.cipher = null;
        }
        throw error;
      }
      return plainWritten;
    }

    /** Undoes what a write left of the block in which it stopped. */
    private void repair(MemorySegment stored, int before, int written, int whole) {
      long torn = first + whole;
      long tornAt = layout.storedOffset(torn);
      int tornBytes = written - before - whole * storedBlockBytes;
      long sizeBefore =
          whole > 0 && savedEnd >= 0 && savedEnd < first
              ? layout.storedOffset(savedEnd + 1) // padded, and needed so
              : layout.storedSize(plainBefore);
      try {
        if (tornBytes > 0 && tornAt < sizeBefore) {
          if (torn == savedHead) {
            putBack(torn, 0, savedHeadBytes);
          } else if (torn == savedTail) {
            putBack(torn, 1, savedTailBytes);
          } else if (torn == savedEnd) {
            putBack(torn, 2, savedEndBytes);
          } else {
            mendInside(stored, before, torn, tornBytes);
          }
        }
        long wanted = whole > 0 ? Math.max(sizeBefore, tornAt) : sizeBefore;
        if (file.status().size() > wanted) {
          file.truncate(wanted);
        }
      } catch (ErrnoException e) {
        damage.write(
            "file "
                + pathOf.apply(state.inode)
                + ", block "
                + torn
                + ": a write failed and what was there could not be put back: "
                + e.getMessage());
      }
    }

    /**
     * A block that was to be overwritten whole was written in part. Its space was there if it held
     * data, unless the store writes elsewhere; so it was a hole, and becomes one again, or the rest
     * is tried once more.
     */
    private void mendInside(MemorySegment stored, int before, long torn, int tornBytes)
        throws ErrnoException {
      MemorySegment rest = buffers.last(storedBlockBytes);
      long at = layout.storedOffset(torn);
      int read = file.read(rest, 0, storedBlockBytes - tornBytes, at + tornBytes);
      if (isZero(rest, read)) {
        rest.asSlice(0, tornBytes).fill((byte) 0);
        writeFully(file, rest, 0, tornBytes, at);
      } else {
        long position = before + (torn - first) * storedBlockBytes + tornBytes;
        writeFully(file, stored, position, storedBlockBytes - tornBytes, at + tornBytes);
      }
    }

    private void putBack(long block, int place, int bytes) throws ErrnoException {
      writeFully(file, saved, (long) place * storedBlockBytes, bytes, layout.storedOffset(block));
    }
  }

  private void writeHeader(FileState state, StoreFile file, byte[] header) throws ErrnoException {
    MemorySegment buffer = IoBuffers.get().last(headerBytes);
    MemorySegment.copy(header, 0, buffer, ValueLayout.JAVA_BYTE, 0, header.length);
    try {
      writeFully(file, buffer, 0, header.length, 0);
    } catch (ErrnoException e) {
      state.cipher = null;
      throw e;
    }
  }

  private static void writeFully(
      StoreFile file, MemorySegment from, long position, int length, long offset)
      throws ErrnoException {
    int done = 0;
    while (done < length) {
      int now = file.write(from, position + done, length - done, offset + done);
      if (now <= 0) {
        throw new ErrnoException(Errno.ENOSPC);
      }
      done += now;
    }
  }

  private int readStored(StoreFile file, long block, MemorySegment to, long position)
      throws ErrnoException {
    return file.read(to, position, storedBlockBytes, layout.storedOffset(block));
  }

  private int openOne(
      ContentCipher cipher,
      long block,
      MemorySegment stored,
      long position,
      int bytes,
      MemorySegment plain)
      throws ErrnoException {
    return bytes == 0 ? 0 : open(cipher, block, stored, position, bytes, plain, 0);
  }

  private static boolean isZero(MemorySegment segment, long bytes) {
    for (long i = 0; i < bytes; i++) {
      if (segment.get(ValueLayout.JAVA_BYTE, i) != 0) {
        return false;
      }
    }
    return true;
  }

  /**
   * Reads a block, zeroes plain bytes {@code zeroFrom} to {@code zeroTo}, and writes it sealed with
   * {@code newBytes} plain bytes (cut, or filled with zeros). If the store refuses, the old bytes
   * are put back. Uses the buffer for last blocks.
   *
   * @param savedPlace where in the buffer for saved blocks the stored old block is kept
   * @return stored bytes of the old block
   */
  private int resealBlock(
      FileState state,
      StoreFile file,
      ContentCipher cipher,
      long block,
      int zeroFrom,
      int zeroTo,
      int newBytes,
      int savedPlace)
      throws ErrnoException {
    IoBuffers buffers = IoBuffers.get();
    MemorySegment plain = buffers.last(blockBytes);
    MemorySegment saved = buffers.saved(4L * storedBlockBytes);
    long place = (long) savedPlace * storedBlockBytes;
    int savedBytes = readStored(file, block, saved, place);
    int old = openOne(cipher, block, saved, place, savedBytes, plain);
    if (old < newBytes) {
      plain.asSlice(old, newBytes - old).fill((byte) 0);
    }
    if (zeroFrom < zeroTo) {
      plain.asSlice(zeroFrom, zeroTo - zeroFrom).fill((byte) 0);
    }
    MemorySegment sealed = buffers.first(storedBlockBytes);
    int bytes = cipher.seal(block, plain, 0, newBytes, sealed, 0);
    long at = layout.storedOffset(block);
    try {
      writeFully(file, sealed, 0, bytes, at);
    } catch (ErrnoException e) {
      try {
        writeFully(file, saved, place, savedBytes, at);
        if (bytes > savedBytes && savedBytes < storedBlockBytes) {
          file.truncate(at + savedBytes);
        }
      } catch (ErrnoException again) {
        damage.write(
            "file "
                + pathOf.apply(state.inode)
                + ", block "
                + block
                + ": a write failed and what was there could not be put back: "
                + again.getMessage());
      }
      throw e;
    }
    return savedBytes;
  }

  // Sizes.

  /** Sets the plain size. */
  @Override
  public void truncate(FileState state, StoreFile file, long size) throws ErrnoException {
    if (size < 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    if (size > layout.maxPlainSize()) {
      throw new ErrnoException(Errno.EFBIG);
    }
    changeWhole(state, file, () -> setSize(state, file, size));
  }

  /** A change for which the whole file must be held. */
  private interface Change {
    void run() throws ErrnoException;
  }

  private void changeWhole(FileState state, StoreFile file, Change change) throws ErrnoException {
    long stamp = state.content.writeLock();
    try {
      confirmed(
          state,
          file,
          true,
          () -> {
            try (var _ = beginHeld(state, file, LockType.EXCLUSIVE, Range.WHOLE)) {
              change.run();
              return 0;
            }
          });
    } finally {
      state.content.unlockWrite(stamp);
    }
  }

  private void setSize(FileState state, StoreFile file, long size) throws ErrnoException {
    if (size == 0) {
      file.truncate(0);
      state.cipher = null;
      state.plainEnd = 0;
      return;
    }
    refreshSize(state, file);
    long old = state.plainEnd;
    state.plainEnd = FileState.UNKNOWN;
    if (size > old) {
      grow(state, file, old, size);
    } else if (size < old) {
      shrink(state, file, size);
    } else {
      file.truncate(layout.storedSize(size)); // changes the times, as truncate(2) does
    }
    state.plainEnd = size;
  }

  /**
   * Cuts the file. A last block that keeps a part is sealed anew before the rest is cut off. What a
   * crash between the two leaves is recognised and finished ({@link #finishTruncation}); the other
   * way round (cut to the border of the block, then write the part) a crash would lose bytes
   * silently, and a full store could refuse the write when the old bytes are gone already.
   */
  private void shrink(FileState state, StoreFile file, long size) throws ErrnoException {
    int keep = (int) (size % blockBytes);
    if (keep > 0) {
      ContentCipher cipher = loadCipher(state, file);
      if (cipher == null) {
        throw new ErrnoException(Errno.EIO);
      }
      resealBlock(state, file, cipher, layout.blockAt(size), 0, 0, keep, 0);
    }
    file.truncate(layout.storedSize(size));
  }

  /**
   * Makes the file longer by zeros: the old last block is filled up, the rest is a hole, and a last
   * block that is not full is written.
   */
  private void grow(FileState state, StoreFile file, long old, long size) throws ErrnoException {
    ContentCipher cipher = old == 0 ? null : loadCipher(state, file);
    long storedBefore = layout.storedSize(old);
    int savedBytes = 0;
    long oldLast = layout.blockAt(old);
    boolean oldIsShort = old % blockBytes != 0;
    boolean inOneBlock = oldIsShort && oldLast == layout.blockAt(size);
    boolean grown = false;
    try {
      if (cipher == null) {
        byte[] header = format.newFileHeader();
        cipher = parseHeader(header);
        writeHeader(state, file, header);
      }
      int rest = (int) (size % blockBytes);
      if (oldIsShort) {
        savedBytes =
            resealBlock(state, file, cipher, oldLast, 0, 0, inOneBlock ? rest : blockBytes, 2);
      }
      if (!inOneBlock && rest > 0) {
        IoBuffers buffers = IoBuffers.get();
        MemorySegment zeros = buffers.last(blockBytes);
        zeros.asSlice(0, rest).fill((byte) 0);
        MemorySegment sealed = buffers.first(storedBlockBytes);
        long block = layout.blockAt(size);
        int bytes = cipher.seal(block, zeros, 0, rest, sealed, 0);
        writeFully(file, sealed, 0, bytes, layout.storedOffset(block));
      } else if (!inOneBlock) {
        file.truncate(layout.storedSize(size));
      }
      state.cipher = cipher;
      grown = true;
    } finally {
      if (!grown) {
        try {
          if (savedBytes > 0) {
            MemorySegment saved = IoBuffers.get().saved(4L * storedBlockBytes);
            writeFully(
                file, saved, 2L * storedBlockBytes, savedBytes, layout.storedOffset(oldLast));
          }
          file.truncate(storedBefore);
        } catch (ErrnoException e) {
          // Left a little longer, by zeros; the first error is the one to tell.
        }
        if (old == 0) {
          state.cipher = null;
        }
      }
    }
  }

  /** fallocate(2): plain, KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE; EOPNOTSUPP for the rest. */
  @Override
  public void allocate(FileState state, StoreFile file, int mode, long offset, long length)
      throws ErrnoException {
    if (offset < 0 || length <= 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    if (length > layout.maxPlainSize() - offset) {
      throw new ErrnoException(Errno.EFBIG);
    }
    boolean punch = mode == (Flags.FALLOC_FL_PUNCH_HOLE | Flags.FALLOC_FL_KEEP_SIZE);
    boolean zero = (mode & ~Flags.FALLOC_FL_KEEP_SIZE) == Flags.FALLOC_FL_ZERO_RANGE;
    if (!punch && !zero && mode != 0 && mode != Flags.FALLOC_FL_KEEP_SIZE) {
      throw new ErrnoException(Errno.EOPNOTSUPP);
    }
    long end = offset + length;
    changeWhole(
        state,
        file,
        () -> {
          refreshSize(state, file);
          long old = state.plainEnd;
          if (punch || zero) {
            zeroRange(state, file, offset, Math.min(end, old), old, punch);
          } else {
            long from = layout.storedOffset(layout.blockAt(offset));
            long to = layout.storedOffset(layout.blocksFor(end));
            file.allocate(Flags.FALLOC_FL_KEEP_SIZE, from, to - from);
          }
          if ((mode & Flags.FALLOC_FL_KEEP_SIZE) == 0 && end > old) {
            state.plainEnd = FileState.UNKNOWN;
            grow(state, file, old, end);
            state.plainEnd = end;
          }
        });
  }

  /** Makes a range within the file read as zeros; whole blocks become holes. */
  private void zeroRange(
      FileState state, StoreFile file, long from, long to, long size, boolean punch)
      throws ErrnoException {
    if (from >= to) {
      return;
    }
    ContentCipher cipher = loadCipher(state, file);
    if (cipher == null) {
      return;
    }
    long firstWhole = layout.blocksFor(from);
    // The last block of the file is never a hole unless it is full: it must have its tag.
    long wholeEnd = layout.blockAt(to);
    if (firstWhole < wholeEnd) {
      long at = layout.storedOffset(firstWhole);
      long bytes = layout.storedOffset(wholeEnd) - at;
      // The store zeroes what it cannot punch at the edges of its own blocks.
      punchOrZero(file, at, bytes, punch);
    }
    long head = layout.blockAt(from);
    if (head < firstWhole) {
      zeroInBlock(state, file, cipher, head, from, to, size);
    }
    if (wholeEnd >= firstWhole && to > layout.plainOffset(wholeEnd)) {
      zeroInBlock(state, file, cipher, wholeEnd, from, to, size);
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

  private void zeroInBlock(
      FileState state,
      StoreFile file,
      ContentCipher cipher,
      long block,
      long from,
      long to,
      long size)
      throws ErrnoException {
    long start = layout.plainOffset(block);
    int blockSize = (int) Math.min(blockBytes, size - start);
    int zeroFrom = (int) Math.max(0, from - start);
    int zeroTo = (int) Math.min(blockSize, to - start);
    if (blockSize == blockBytes && isHole(file, block)) {
      return;
    }
    resealBlock(state, file, cipher, block, zeroFrom, zeroTo, blockSize, 0);
  }

  private boolean isHole(StoreFile file, long block) throws ErrnoException {
    MemorySegment stored = IoBuffers.get().first(storedBlockBytes);
    return readStored(file, block, stored, 0) == storedBlockBytes
        && isZero(stored, storedBlockBytes);
  }

  /** lseek(2) with SEEK_DATA or SEEK_HOLE: a hole is a run of blocks that the store has not. */
  @Override
  public long seek(FileState state, StoreFile file, long offset, int whence) throws ErrnoException {
    if (whence != Flags.SEEK_DATA && whence != Flags.SEEK_HOLE) {
      throw new ErrnoException(Errno.EINVAL);
    }
    long stamp = state.content.readLock();
    try {
      long size = layout.plainSize(file.status().size());
      if (offset < 0 || offset >= size) {
        throw new ErrnoException(Errno.ENXIO);
      }
      long found =
          whence == Flags.SEEK_DATA ? seekData(file, offset) : seekHole(file, offset, size);
      if (found >= size) {
        if (whence == Flags.SEEK_DATA) {
          throw new ErrnoException(Errno.ENXIO);
        }
        return size;
      }
      return found;
    } finally {
      state.content.unlockRead(stamp);
    }
  }

  private long seekData(StoreFile file, long offset) throws ErrnoException {
    long at = file.seek(layout.storedOffset(layout.blockAt(offset)), Flags.SEEK_DATA);
    long block = Math.max(0, at - headerBytes) / storedBlockBytes;
    return Math.max(offset, layout.plainOffset(block));
  }

  private long seekHole(StoreFile file, long offset, long size) throws ErrnoException {
    long at = layout.storedOffset(layout.blockAt(offset));
    while (true) {
      long hole;
      try {
        hole = file.seek(at, Flags.SEEK_HOLE);
      } catch (ErrnoException e) {
        if (e.errno() == Errno.ENXIO) {
          return size;
        }
        throw e;
      }
      long body = Math.max(0, hole - headerBytes);
      long block = body / storedBlockBytes + (body % storedBlockBytes == 0 ? 0 : 1);
      if (layout.plainOffset(block) >= size) {
        return size;
      }
      long data;
      try {
        data = file.seek(layout.storedOffset(block), Flags.SEEK_DATA);
      } catch (ErrnoException e) {
        if (e.errno() == Errno.ENXIO) {
          return Math.max(offset, layout.plainOffset(block));
        }
        throw e;
      }
      if (data >= layout.storedOffset(block + 1)) {
        return Math.max(offset, layout.plainOffset(block));
      }
      at = data;
    }
  }

  /**
   * Copies plain bytes from file to file; holes stay holes. The two may be the same file if the
   * ranges do not overlap.
   *
   * @return bytes copied, 0 at the end of the source
   */
  long copy(
      FileState fromState,
      StoreFile from,
      long fromOffset,
      FileState toState,
      StoreFile to,
      long toOffset,
      long length)
      throws ErrnoException {
    if (fromOffset < 0 || toOffset < 0 || length < 0) {
      throw new ErrnoException(Errno.EINVAL);
    }
    if (fromState == toState && fromOffset < toOffset + length && toOffset < fromOffset + length) {
      throw new ErrnoException(Errno.EINVAL);
    }
    long size = layout.plainSize(from.status().size());
    long wanted = Math.min(length, size - fromOffset);
    if (wanted <= 0) {
      return 0;
    }
    if (toOffset > layout.maxPlainSize() - wanted) {
      throw new ErrnoException(Errno.EFBIG);
    }
    MemorySegment buffer = IoBuffers.get().copy(Math.min(wanted, COPY_BYTES));
    long done = 0;
    try {
      while (done < wanted) {
        long hole = holeAt(fromState, from, fromOffset + done, wanted - done);
        if (hole > 0) {
          makeZero(toState, to, toOffset + done, hole);
          done += hole;
          continue;
        }
        long dataEnd = dataEnd(fromState, from, fromOffset + done, wanted - done);
        int chunk = (int) Math.min(dataEnd, COPY_BYTES);
        int read = read(fromState, from, fromOffset + done, buffer, 0, chunk);
        if (read == 0) {
          break;
        }
        int written = write(toState, to, toOffset + done, buffer, 0, read);
        done += written;
        if (written < read) {
          break;
        }
      }
    } catch (ErrnoException e) {
      if (done == 0) {
        throw e;
      }
    }
    return done;
  }

  /** Bytes of hole at {@code offset}, at most {@code most}; 0 if there is data. */
  private long holeAt(FileState state, StoreFile file, long offset, long most)
      throws ErrnoException {
    try {
      return Math.min(most, seek(state, file, offset, Flags.SEEK_DATA) - offset);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENXIO) {
        return most;
      }
      if (e.errno() == Errno.EINVAL || e.errno() == Errno.EOPNOTSUPP) {
        return 0;
      }
      throw e;
    }
  }

  private long dataEnd(FileState state, StoreFile file, long offset, long most)
      throws ErrnoException {
    try {
      long hole = seek(state, file, offset, Flags.SEEK_HOLE);
      return hole > offset ? Math.min(most, hole - offset) : most;
    } catch (ErrnoException e) {
      return most;
    }
  }

  /** Makes a range read as zeros, growing the file if it must. */
  private void makeZero(FileState state, StoreFile file, long offset, long length)
      throws ErrnoException {
    changeWhole(
        state,
        file,
        () -> {
          refreshSize(state, file);
          long old = state.plainEnd;
          long end = offset + length;
          zeroRange(state, file, offset, Math.min(end, old), old, true);
          if (end > old) {
            state.plainEnd = FileState.UNKNOWN;
            grow(state, file, old, end);
            state.plainEnd = end;
          }
        });
  }
}
