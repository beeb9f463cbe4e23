package io.coffer.vfs;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Timestamp;
import io.coffer.store.LockType;
import io.coffer.store.Store;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The right to change a volume, alone or together with others: a record in a file of the volume
 * that all mounts share, and a lock on that record. The lock is what counts. It goes with its
 * process, however that ends, so a lease whose holder died needs no repair; the record only tells
 * people who it is.
 *
 * <p>The file consists of records of {@value #RECORD_BYTES} bytes, one for each mount: text, filled
 * up with spaces and a newline. It is made by the first mount and removed by the last. Beyond the
 * records, the protocol for shared storage locks single offsets of it: see {@link #directoryLock}.
 *
 * <p>Thread-safe.
 */
public final class VolumeLease implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.vfs");
  private static final int RECORD_BYTES = 256;
  private static final int MOST_RECORDS = 4096;
  private static final long ENDING_NANOS = 1_000_000_000;
  private static final long RETRY_NANOS = 20_000_000;

  /** Held while records are compared and written. */
  private static final long REGISTRY = FileLocks.FIRST;

  private static final long FIRST_DIRECTORY = FileLocks.FIRST + 1;

  /**
   * A mount of a volume.
   *
   * @param host its node's name
   * @param process its process's id there
   * @param since when it was mounted, as in ISO 8601
   */
  public record Holder(boolean exclusive, String host, long process, String since) {
    private static @Nullable Holder parse(String text) {
      String[] words = text.strip().split(" ", -1);
      if (words.length < 5) {
        return null;
      }
      try {
        return new Holder(
            words[0].equals("exclusive"), words[1], Long.parseLong(words[2]), words[4]);
      } catch (NumberFormatException e) {
        return null;
      }
    }

    /** For a message. */
    public String text() {
      return "process " + process + " on " + host + " (since " + since + ")";
    }
  }

  /** Somebody else has the volume in a way that does not go together with what was asked for. */
  public static final class HeldException extends Exception {
    private static final long serialVersionUID = 1L;
    private final transient Holder holder;

    HeldException(Holder holder) {
      super(holder.text());
      this.holder = holder;
    }

    /** Who has it. */
    public Holder holder() {
      return holder;
    }
  }

  private final Store store;
  private final byte[] name;
  private final StoreFile file;
  private final int record;

  private VolumeLease(Store store, byte[] name, StoreFile file, int record) {
    this.store = store;
    this.name = name;
    this.file = file;
    this.record = record;
  }

  /**
   * Takes a lease. A mount of this node that is in the way gets a second to end: the process behind
   * it lives a little longer than what unmounted it.
   *
   * @param name the file's name in the root of the store; null if the format has none
   * @param exclusive nobody else may have one meanwhile; else only nobody else an exclusive one
   * @return null without a name
   * @throws HeldException if another mount is in the way
   * @throws ErrnoException EACCES, EROFS if this user may not write to the root of the volume;
   *     ENOLCK, EOPNOTSUPP, ENOSYS if the store has no byte-range locks
   */
  public static @Nullable VolumeLease take(Store store, byte @Nullable [] name, boolean exclusive)
      throws ErrnoException, HeldException {
    if (name == null) {
      return null;
    }
    long deadline = System.nanoTime() + ENDING_NANOS;
    while (true) {
      try {
        return takeNow(store, name, exclusive);
      } catch (HeldException e) {
        if (!mayBeEnding(e.holder()) || System.nanoTime() - deadline > 0) {
          throw e;
        }
      }
      LockSupport.parkNanos(RETRY_NANOS);
    }
  }

  private static boolean mayBeEnding(Holder holder) {
    return holder.host().equals(host())
        && holder.process() != ProcessHandle.current().pid()
        && !Thread.currentThread().isInterrupted();
  }

  private static VolumeLease takeNow(Store store, byte[] name, boolean exclusive)
      throws ErrnoException, HeldException {
    while (true) {
      StoreFile file = open(store, name);
      boolean done = false;
      try {
        file.lock(LockType.EXCLUSIVE, REGISTRY, 1);
        if (isCurrent(store, name, file)) {
          int record = register(file, exclusive);
          file.tryLock(LockType.UNLOCK, REGISTRY, 1);
          done = true;
          return new VolumeLease(store, name, file, record);
        }
        // The last holder removed it between the two calls.
      } finally {
        if (!done) {
          file.close();
        }
      }
    }
  }

  private static StoreFile open(Store store, byte[] name) throws ErrnoException {
    // Whoever may make files in the root of the volume may mount it.
    FileStatus root = store.root().status(StoreDirectory.SELF);
    int mode = root.mode() & 0666;
    StoreFile file = store.root().openFile(name, Flags.O_RDWR | Flags.O_CREAT, mode | 0600);
    restoreTime(store, root);
    return file;
  }

  /** The root's time of modification is the user's: a mount is no change of the volume. */
  private static void restoreTime(Store store, FileStatus before) {
    try {
      if (!store.root().status(StoreDirectory.SELF).modified().equals(before.modified())) {
        store.root().changeTimes(StoreDirectory.SELF, Timestamp.OMIT, before.modified());
      }
    } catch (ErrnoException e) {
      // Only its owner may set it.
    }
  }

  private static boolean isCurrent(Store store, byte[] name, StoreFile file) throws ErrnoException {
    try {
      FileStatus there = store.root().status(name);
      FileStatus opened = file.status();
      return there.inode() == opened.inode() && there.device() == opened.device();
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        return false;
      }
      throw e;
    }
  }

  /** Compares with those that are there and takes a free record. The registry is held. */
  private static int register(StoreFile file, boolean exclusive)
      throws ErrnoException, HeldException {
    int free = -1;
    int records = (int) Math.min(MOST_RECORDS, file.status().size() / RECORD_BYTES);
    for (int i = 0; i < records; i++) {
      if (isFree(file, i)) {
        free = free < 0 ? i : free;
        continue;
      }
      Holder holder = read(file, i);
      if (holder != null && (exclusive || holder.exclusive())) {
        throw new HeldException(holder);
      }
    }
    int record = free < 0 ? records : free;
    if (record >= MOST_RECORDS || !file.tryLock(LockType.EXCLUSIVE, at(record), RECORD_BYTES)) {
      throw new ErrnoException(Errno.ENOLCK, "the volume has too many mounts");
    }
    write(file, record, describe(exclusive));
    return record;
  }

  private static boolean isFree(StoreFile file, int record) throws ErrnoException {
    return file.testLock(LockType.EXCLUSIVE, at(record), RECORD_BYTES) == null;
  }

  private static long at(int record) {
    return (long) record * RECORD_BYTES;
  }

  /** Mode, node, process, boot of the node, time. */
  private static String describe(boolean exclusive) {
    return String.join(
        " ",
        exclusive ? "exclusive" : "shared",
        host(),
        Long.toString(ProcessHandle.current().pid()),
        firstLine("/proc/sys/kernel/random/boot_id", "unknown"),
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
  }

  private static String host() {
    return firstLine("/proc/sys/kernel/hostname", "unknown");
  }

  private static String firstLine(String path, String otherwise) {
    // In one call: such files give nothing to whoever asks for a part of them first.
    try (InputStream file = Files.newInputStream(Path.of(path))) {
      String line =
          new String(file.readNBytes(256), StandardCharsets.UTF_8).strip().replace(' ', '_');
      return line.isEmpty() ? otherwise : line.substring(0, Math.min(64, line.length()));
    } catch (IOException e) {
      return otherwise;
    }
  }

  private static void write(StoreFile file, int record, String text) throws ErrnoException {
    byte[] bytes = new byte[RECORD_BYTES];
    Arrays.fill(bytes, (byte) ' ');
    byte[] said = text.getBytes(StandardCharsets.UTF_8);
    System.arraycopy(said, 0, bytes, 0, Math.min(said.length, RECORD_BYTES - 1));
    bytes[RECORD_BYTES - 1] = '\n';
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
      if (file.write(from, 0, RECORD_BYTES, at(record)) != RECORD_BYTES) {
        throw new ErrnoException(Errno.ENOSPC);
      }
    }
  }

  private static @Nullable Holder read(StoreFile file, int record) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment to = arena.allocate(RECORD_BYTES);
      int read = file.read(to, 0, RECORD_BYTES, at(record));
      byte[] bytes = to.asSlice(0, read).toArray(ValueLayout.JAVA_BYTE);
      return Holder.parse(new String(bytes, StandardCharsets.UTF_8));
    }
  }

  /** Who has the volume now, this one included. */
  public List<Holder> holders() throws ErrnoException {
    var holders = new ArrayList<Holder>();
    int records = (int) Math.min(MOST_RECORDS, file.status().size() / RECORD_BYTES);
    for (int i = 0; i < records; i++) {
      if (i == record || !isFree(file, i)) {
        Holder holder = read(file, i);
        if (holder != null) {
          holders.add(holder);
        }
      }
    }
    return holders;
  }

  /** A lock that is held. */
  interface Held extends AutoCloseable {
    @Override
    void close();
  }

  /**
   * Waits until no other mount holds this stripe of directories: see {@link Names}. Not for two
   * threads with one stripe at a time.
   */
  Held directoryLock(int stripe) throws ErrnoException {
    long at = FIRST_DIRECTORY + stripe;
    file.lock(LockType.EXCLUSIVE, at, 1);
    return () -> {
      try {
        file.tryLock(LockType.UNLOCK, at, 1);
      } catch (ErrnoException e) {
        LOG.log(System.Logger.Level.WARNING, "a lock is kept: {0}", e.getMessage());
      }
    };
  }

  /** Gives it back, and removes the file if nobody else needs it. */
  @Override
  public void close() {
    try (StoreFile closing = file) {
      closing.lock(LockType.EXCLUSIVE, REGISTRY, 1);
      if (holders().size() <= 1) {
        FileStatus root = store.root().status(StoreDirectory.SELF);
        store.root().unlink(name);
        restoreTime(store, root);
      } else {
        write(closing, record, "");
      }
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.DEBUG, "the lease: {0}", e.getMessage());
    }
  }
}
