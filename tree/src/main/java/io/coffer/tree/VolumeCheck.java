package io.coffer.tree;

import io.coffer.format.BlockException;
import io.coffer.format.ContentCipher;
import io.coffer.format.ContentLayout;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.EntryKind;
import io.coffer.format.VolumeFormat;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.Store;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import io.coffer.tree.CheckReport.Place;
import io.coffer.tree.Finding.Kind;
import io.coffer.tree.Finding.Severity;
import io.coffer.vfs.QuietBlock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/**
 * Reads a whole volume, names, attributes and every block, and tells what does not decrypt. With
 * repair it also mends what can be mended without guessing: it removes entries that a crash left
 * half-made or half-removed, sidecars without an entry, and gives an empty directory whose context
 * is lost a new one. Where a power failure took the contents of a context or sidecar that had not
 * been synced, entries whose names went with it get names by which they can be reached. It never
 * touches contents.
 *
 * <p>Others may write to the volume meanwhile, unless it is to be repaired: what looks damaged is
 * looked at again, under a lock of the protocol for shared storage, and what is no longer there is
 * passed over. Only a note may then be about something that was just being made.
 */
public final class VolumeCheck {
  /** Stored bytes that are read at once, roughly. */
  private static final int RUN_BLOCKS = 128;

  private static final int LARGEST_SMALL_FILE = 4096;
  private static final int CONTEXT_MODE = 0444;

  /**
   * How often, and at what distance, something is looked at that may be in the middle of a change.
   */
  static final int LOOKS = 4;

  private static final int PAUSE_MILLIS = 20;

  /** Damaged blocks of one file that are looked at several times; one file may have millions. */
  private static final int PATIENT_BLOCKS = 16;

  /** Hears of findings, one at a time. */
  public interface Listener {
    void found(Finding finding);

    /** Called now and then, by any thread. */
    void progress(long files, long bytes);
  }

  /**
   * What was looked at.
   *
   * @param bytes plain bytes of contents that were read and authenticated
   * @param errors findings of severity ERROR that were not repaired
   * @param skipped findings of severity SKIPPED
   * @param notes findings of severity NOTE that were not repaired
   * @param repaired findings that were mended
   */
  public record Summary(
      long directories,
      long files,
      long symlinks,
      long others,
      long bytes,
      long errors,
      long skipped,
      long notes,
      long repaired) {
    public boolean isClean() {
      return errors == 0 && skipped == 0;
    }
  }

  private final Store store;
  private final VolumeFormat format;
  private final boolean repair;
  private final CheckReport report;
  private final ContentLayout layout;

  private VolumeCheck(Store store, VolumeFormat format, boolean repair, Listener listener) {
    this.store = store;
    this.format = format;
    this.repair = repair;
    this.report = new CheckReport(listener);
    this.layout = format.layout();
  }

  /**
   * Checks a volume.
   *
   * @param repair mend what can be mended
   * @throws ErrnoException if the root directory cannot be read at all
   */
  public static Summary run(Store store, VolumeFormat format, boolean repair, Listener listener)
      throws ErrnoException, InterruptedException {
    return new VolumeCheck(store, format, repair, listener).run();
  }

  private Summary run() throws ErrnoException, InterruptedException {
    int threads = Runtime.getRuntime().availableProcessors();
    try (ExecutorService readers = Executors.newFixedThreadPool(threads)) {
      new Walk(readers, new Semaphore(4 * threads))
          .directory(store.root(), new Place(null, new byte[0], new byte[0]), true);
    }
    return report.summary();
  }

  /** The way through the directories, by one thread; contents of files are read by others. */
  private final class Walk {
    private final ExecutorService readers;
    private final Semaphore open;

    Walk(ExecutorService readers, Semaphore open) {
      this.readers = readers;
      this.open = open;
    }

    void directory(StoreDirectory directory, Place place, boolean isRoot)
        throws ErrnoException, InterruptedException {
      report.directories.incrementAndGet();
      List<byte[]> names = namesIn(directory);
      NameCodec codec = codecOf(directory, place, names);
      if (codec != null && repair) {
        LostNames.mend(directory, codec, names, place, report);
      }
      checkXattrs(directory, StoreDirectory.SELF, place);
      var sidecars = new TreeMap<byte[], Boolean>(Arrays::compareUnsigned);
      var internal = new ArrayList<byte[]>();
      for (byte[] name : names) {
        if (isRoot && format.isReservedInRoot(name)) {
          continue;
        }
        EntryKind kind = codec == null ? unkeyedKind(name) : codec.kindOf(name);
        if (kind == EntryKind.INTERNAL) {
          if (!isContext(name)) {
            internal.add(name);
          }
          continue;
        }
        byte[] plain = null;
        if (codec != null) {
          if (kind == EntryKind.LONG) {
            sidecars.put(codec.sidecarOf(name), true);
          }
          plain = decode(directory, codec, kind, name, place);
        }
        entry(directory, name, new Place(place, name, plain));
      }
      if (codec != null) {
        internal.removeIf(name -> sidecars.containsKey(name));
        leftovers(directory, codec, internal, place);
      }
    }

    /** Something of the format without an entry; not what was made or removed meanwhile. */
    private void leftovers(
        StoreDirectory directory, NameCodec codec, List<byte[]> internal, Place parent)
        throws ErrnoException {
      if (internal.isEmpty()) {
        return;
      }
      var there = new TreeSet<byte[]>(Arrays::compareUnsigned);
      for (byte[] name : namesIn(directory)) {
        there.add(name);
        if (codec.kindOf(name) == EntryKind.LONG) {
          internal.removeIf(each -> Arrays.equals(each, codec.sidecarOf(name)));
        }
      }
      for (byte[] name : internal) {
        if (there.contains(name)) {
          leftover(directory, codec, name, parent);
        }
      }
    }

    /** A codec for a directory without a usable context: tells kinds of names apart. */
    private NameCodec unkeyed() {
      try {
        return format.names(format.newDirectoryContext());
      } catch (FormatException e) {
        throw new IllegalStateException("a fresh context must be good", e);
      }
    }

    private EntryKind unkeyedKind(byte[] name) {
      return unkeyed().kindOf(name);
    }

    private boolean isContext(byte[] name) {
      byte[] contextName = format.directoryContextName();
      return contextName != null && Arrays.equals(name, contextName);
    }

    /** Each once: a listing may show what is renamed meanwhile twice. */
    private List<byte[]> namesIn(StoreDirectory directory) throws ErrnoException {
      var names = new ArrayList<byte[]>();
      var seen = new TreeSet<byte[]>(Arrays::compareUnsigned);
      try (var listing = directory.list()) {
        while (listing.next()) {
          byte[] name = listing.name();
          boolean dots =
              name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'));
          if (!dots && seen.add(name)) {
            names.add(name);
          }
        }
      }
      return names;
    }

    private @Nullable NameCodec codecOf(StoreDirectory directory, Place place, List<byte[]> names)
        throws ErrnoException {
      byte[] contextName = format.directoryContextName();
      Kind kind;
      String fault;
      if (contextName == null) {
        return unkeyed();
      }
      try {
        return format.names(readContext(directory, contextName));
      } catch (FormatException e) {
        kind = Kind.DAMAGED_CONTEXT;
        fault = "its " + CheckReport.text(contextName) + " is damaged: " + e.getMessage();
      } catch (ErrnoException e) {
        if (isRemoved(directory)) {
          return null;
        }
        if (e.errno() != Errno.ENOENT) {
          report.unreadable(place, e);
          return null;
        }
        kind = Kind.MISSING_CONTEXT;
        fault = "its " + CheckReport.text(contextName) + " is missing";
      }
      boolean empty = true;
      for (byte[] name : names) {
        empty &= isContext(name) || unkeyedKind(name) == EntryKind.INTERNAL;
      }
      if (!empty && kind == Kind.DAMAGED_CONTEXT && LostNames.isBlank(directory, contextName)) {
        return renameAll(directory, contextName, names, place, fault);
      }
      if (!empty) {
        report.error(
            kind,
            place,
            fault
                + "; the names in it cannot be decrypted. Put the file back from a backup."
                + " The contents are not lost, since they do not depend on it: in the mounted view,"
                + " make a new directory with an empty file for each that is in this one, and copy"
                + " these stored files over the stored files of those.");
        return null;
      }
      if (!repair) {
        report.add(Severity.ERROR, kind, place, fault + "; the directory is empty", true, false);
        return null;
      }
      try {
        NameCodec codec = giveContext(directory, contextName);
        report.add(
            Severity.ERROR, kind, place, fault + "; the empty directory has a new one", true, true);
        return codec;
      } catch (ErrnoException e) {
        report.add(
            Severity.ERROR,
            kind,
            place,
            fault + "; the directory is empty, but cannot be given a new one: " + e.getMessage(),
            true,
            false);
        return null;
      }
    }

    /**
     * The names of a directory went with its context before anything in it was synced: it gets
     * another, and each entry a name that tells what it was stored as.
     */
    private @Nullable NameCodec renameAll(
        StoreDirectory directory,
        byte[] contextName,
        List<byte[]> names,
        Place place,
        String fault) {
      String what =
          fault
              + "; a power failure has taken it, and with it the names in the directory, before"
              + " anything in it was synced";
      if (!repair) {
        report.add(
            Severity.ERROR,
            Kind.DAMAGED_CONTEXT,
            place,
            what + ". Put the file back from a backup if there is one; --repair gives new names",
            true,
            false);
        return null;
      }
      try {
        byte[] context = format.newDirectoryContext();
        NameCodec codec = format.names(context);
        for (int i = 0; i < names.size(); i++) {
          byte[] name = names.get(i);
          if (codec.kindOf(name) != EntryKind.INTERNAL) {
            names.set(i, LostNames.rename(directory, codec, name));
          }
        }
        placeContext(directory, codec, context, contextName);
        report.add(
            Severity.ERROR,
            Kind.DAMAGED_CONTEXT,
            place,
            what + "; its entries have new names",
            true,
            true);
        return codec;
      } catch (FormatException e) {
        throw new IllegalStateException("a fresh context must be good", e);
      } catch (ErrnoException e) {
        report.add(
            Severity.ERROR,
            Kind.DAMAGED_CONTEXT,
            place,
            what + "; it cannot be mended: " + e.getMessage(),
            true,
            false);
        return null;
      }
    }

    /** Whoever removes a directory takes its context first, and may put it back. */
    private static byte[] readContext(StoreDirectory directory, byte[] contextName)
        throws ErrnoException {
      for (int look = 1; ; look++) {
        try {
          return readSmall(directory, contextName);
        } catch (ErrnoException e) {
          if (e.errno() != Errno.ENOENT || look == LOOKS || !pause()) {
            throw e;
          }
        }
      }
    }

    private static boolean isRemoved(StoreDirectory directory) {
      try {
        return directory.status(StoreDirectory.SELF).links() == 0;
      } catch (ErrnoException e) {
        return e.errno() == Errno.ENOENT || e.errno() == Errno.ESTALE;
      }
    }

    private NameCodec giveContext(StoreDirectory directory, byte[] contextName)
        throws ErrnoException {
      byte[] context = format.newDirectoryContext();
      try {
        NameCodec codec = format.names(context);
        placeContext(directory, codec, context, contextName);
        return codec;
      } catch (FormatException e) {
        throw new IllegalStateException("a fresh context must be good", e);
      }
    }

    private static void placeContext(
        StoreDirectory directory, NameCodec codec, byte[] context, byte[] contextName)
        throws ErrnoException {
      byte[] temporary = codec.newTemporaryName();
      writeSmall(directory, temporary, context);
      directory.rename(temporary, directory, contextName, 0);
      directory.sync();
    }

    private byte @Nullable [] decode(
        StoreDirectory directory, NameCodec codec, EntryKind kind, byte[] name, Place place) {
      Place at = new Place(place, name, null);
      for (int look = 1; ; look++) {
        Kind fault;
        String text;
        try {
          if (kind == EntryKind.PLAIN) {
            return codec.decode(name);
          }
          return codec.decodeLong(name, readSmall(directory, codec.sidecarOf(name)));
        } catch (FormatException e) {
          fault = Kind.DAMAGED_NAME;
          text = String.valueOf(e.getMessage());
        } catch (ErrnoException e) {
          if (e.errno() != Errno.ENOENT) {
            report.unreadable(at, e);
            return null;
          }
          fault = Kind.MISSING_SIDECAR;
          text =
              "the file "
                  + CheckReport.text(codec.sidecarOf(name))
                  + " with its long name is missing. Put it back from a backup; the contents are"
                  + " not lost.";
        }
        // Removed meanwhile, or removed and made again, its sidecar first?
        if (!isThere(directory, name)) {
          return null;
        }
        if (kind == EntryKind.PLAIN || look == LOOKS || !pause()) {
          if (fault == Kind.DAMAGED_NAME
              && kind == EntryKind.LONG
              && LostNames.isBlank(directory, codec.sidecarOf(name))) {
            report.add(
                Severity.ERROR,
                fault,
                at,
                LostNames.FAULT + "; --repair gives it a new one",
                true,
                false);
            return null;
          }
          report.error(fault, at, text);
          return null;
        }
      }
    }

    /** Looks again at what was removed while it was looked at, and made again under its name. */
    private void entry(StoreDirectory directory, byte[] name, Place place)
        throws InterruptedException {
      for (int look = 1; ; look++) {
        try {
          look(directory, name, place);
          break;
        } catch (ErrnoException e) {
          if (!isThere(directory, name)) {
            break;
          }
          boolean gone = e.errno() == Errno.ENOENT || e.errno() == Errno.ESTALE;
          if (!gone || look == LOOKS || !pause()) {
            report.unreadable(place, e);
            break;
          }
        }
      }
      report.progress();
    }

    private void look(StoreDirectory directory, byte[] name, Place place)
        throws ErrnoException, InterruptedException {
      FileStatus status = directory.status(name);
      switch (status.type()) {
        case FileStatus.TYPE_DIRECTORY -> {
          try (StoreDirectory child = directory.openDirectory(name)) {
            directory(child, place, false);
          }
        }
        case FileStatus.TYPE_REGULAR -> {
          report.files.incrementAndGet();
          checkXattrs(directory, name, place);
          readContents(directory, name, place);
        }
        case FileStatus.TYPE_SYMLINK -> {
          report.symlinks.incrementAndGet();
          try {
            format.openSymlink(directory.readLink(name));
          } catch (FormatException e) {
            report.error(Kind.DAMAGED_SYMLINK, place, String.valueOf(e.getMessage()));
          }
        }
        default -> report.others.incrementAndGet();
      }
    }

    /** Opens the file now and has it read by another thread. */
    private void readContents(StoreDirectory directory, byte[] name, Place place)
        throws ErrnoException, InterruptedException {
      open.acquire();
      StoreFile file;
      try {
        file = directory.openFile(name, Flags.O_RDONLY, 0);
      } catch (ErrnoException e) {
        open.release();
        throw e;
      }
      readers.execute(() -> {
        try (file) {
          contents(file, place);
        } catch (ErrnoException e) {
          report.unreadable(place, e);
        } catch (RuntimeException e) {
          report.add(
              Severity.SKIPPED, Kind.UNREADABLE, place, "cannot be read: " + e, false, false);
        } finally {
          open.release();
        }
      });
    }

    /** Something of the format that is not the directory's context. */
    private void leftover(StoreDirectory directory, NameCodec codec, byte[] name, Place parent) {
      Place place = new Place(parent, name, null);
      boolean temporary = codec.isTemporary(name);
      Kind kind = temporary ? Kind.LEFTOVER_TEMPORARY : Kind.ORPHANED_SIDECAR;
      String what =
          temporary
              ? "was being prepared or removed when the writer stopped"
              : "belongs to a long name of which there is no entry";
      boolean removing = false;
      try {
        boolean isDirectory = directory.status(name).isDirectory();
        if (isDirectory && !isEmptyButForInternals(directory, name)) {
          report.error(kind, place, what + ", but holds entries; look at it before you remove it");
          return;
        }
        if (!repair) {
          report.add(Severity.NOTE, kind, place, what, true, false);
          return;
        }
        removing = true;
        if (isDirectory) {
          try (StoreDirectory child = directory.openDirectory(name)) {
            for (byte[] inside : namesIn(child)) {
              child.unlink(inside);
            }
          }
          directory.removeDirectory(name);
        } else {
          directory.unlink(name);
        }
        report.add(Severity.NOTE, kind, place, what + "; removed", true, true);
      } catch (ErrnoException e) {
        if (removing) {
          String reason = what + "; cannot be removed: " + e.getMessage();
          report.add(Severity.NOTE, kind, place, reason, true, false);
        } else if (isThere(directory, name)) {
          report.unreadable(place, e);
        }
      }
    }

    private boolean isEmptyButForInternals(StoreDirectory directory, byte[] name)
        throws ErrnoException {
      try (StoreDirectory child = directory.openDirectory(name)) {
        for (byte[] inside : namesIn(child)) {
          if (unkeyedKind(inside) != EntryKind.INTERNAL || child.status(inside).isDirectory()) {
            return false;
          }
        }
      }
      return true;
    }
  }

  /** Is the entry still there? Others may remove what was listed. */
  static boolean isThere(StoreDirectory directory, byte[] name) {
    try {
      directory.status(name);
      return true;
    } catch (ErrnoException e) {
      return e.errno() != Errno.ENOENT && e.errno() != Errno.ESTALE;
    }
  }

  /** Waits a little; false if this thread was told to stop. */
  static boolean pause() {
    try {
      Thread.sleep(PAUSE_MILLIS);
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private void checkXattrs(StoreDirectory directory, byte[] name, Place place) {
    try {
      byte[] list = directory.listXattrs(name);
      int start = 0;
      for (int i = 0; i < list.length; i++) {
        if (list[i] == 0) {
          checkXattr(directory, name, Arrays.copyOfRange(list, start, i), place);
          start = i + 1;
        }
      }
    } catch (ErrnoException e) {
      if (e.errno() != Errno.EOPNOTSUPP && e.errno() != Errno.ENOENT) {
        report.unreadable(place, e);
      }
    }
  }

  private void checkXattr(StoreDirectory directory, byte[] name, byte[] attribute, Place place)
      throws ErrnoException {
    byte[] plain = format.openXattrName(attribute);
    if (plain == null && format.isOwnXattr(attribute)) {
      report.error(
          Kind.DAMAGED_XATTR,
          place,
          "the name of the attribute "
              + CheckReport.text(attribute)
              + " does not decrypt; it is not shown");
    }
    if (plain == null || Arrays.equals(plain, attribute)) {
      return;
    }
    byte[] value = directory.getXattr(name, attribute);
    if (value == null) {
      return;
    }
    try {
      format.openXattrValue(value);
    } catch (FormatException e) {
      report.error(
          Kind.DAMAGED_XATTR,
          place,
          "attribute " + CheckReport.text(plain) + ": " + e.getMessage());
    }
  }

  /** Reads every block that is there. */
  private void contents(StoreFile file, Place place) throws ErrnoException {
    long size = file.status().size();
    if (size == 0 || size == layout.headerBytes()) {
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment stored = arena.allocate((long) RUN_BLOCKS * layout.storedBlockBytes(), 4096);
      MemorySegment plain = arena.allocate((long) RUN_BLOCKS * layout.blockBytes(), 4096);
      int headerBytes = file.read(stored, 0, layout.headerBytes(), 0);
      ContentCipher cipher;
      try {
        if (headerBytes < layout.headerBytes()) {
          throw new FormatException("the file is shorter than its header");
        }
        cipher = format.contents(stored.asSlice(0, headerBytes).toArray(ValueLayout.JAVA_BYTE));
      } catch (FormatException e) {
        String fault = confirmed(file, QuietBlock.HEADER, true);
        if (fault != null) {
          report.error(Kind.DAMAGED_HEADER, place, fault);
          return;
        }
        // It was being made: what follows is looked at block by block.
        cipher = anyCipher();
      }
      var damage = new DamagedBlocks(place);
      long block = 0;
      while (layout.storedOffset(block) < size) {
        block = dataAt(file, block, size) / layout.storedBlockBytes();
        if (layout.storedOffset(block) >= size) {
          break;
        }
        int read = file.read(stored, 0, (int) stored.byteSize(), layout.storedOffset(block));
        if (read == 0) {
          break;
        }
        block = check(file, cipher, block, stored, read, plain, damage);
        report.progress();
      }
      damage.flush();
    }
  }

  /** Body offset of the first data at or behind a block; the end of the body if there is none. */
  private long dataAt(StoreFile file, long block, long size) throws ErrnoException {
    long from = layout.storedOffset(block);
    try {
      return Math.max(from, file.seek(from, Flags.SEEK_DATA)) - layout.headerBytes();
    } catch (ErrnoException e) {
      return e.errno() == Errno.ENXIO ? size : from - layout.headerBytes();
    }
  }

  /** Takes part in reading a file whose own header was not to be had yet. */
  private ContentCipher anyCipher() {
    try {
      return format.contents(format.newFileHeader());
    } catch (FormatException e) {
      throw new IllegalStateException("a fresh header must be good", e);
    }
  }

  /**
   * What is wrong with a block, or with the header, while nobody changes it; null if nothing is.
   *
   * @param patient look several times, for whoever mounted the volume for itself alone takes no
   *     locks
   */
  private @Nullable String confirmed(StoreFile file, long block, boolean patient)
      throws ErrnoException {
    String fault = faultOf(file, block);
    for (int look = 1; fault != null && patient && look < LOOKS && pause(); look++) {
      fault = faultOf(file, block);
    }
    return fault;
  }

  private @Nullable String faultOf(StoreFile file, long block) throws ErrnoException {
    try (var _ = QuietBlock.of(file, block);
        Arena arena = Arena.ofConfined()) {
      MemorySegment stored = arena.allocate(layout.storedBlockBytes() + layout.headerBytes() + 1L);
      int header = file.read(stored, 0, layout.headerBytes() + 1, 0);
      if (header == 0 || header == layout.headerBytes()) {
        return null; // nothing is in it by now
      }
      if (header < layout.headerBytes()) {
        return "the file is shorter than its header";
      }
      ContentCipher cipher =
          format.contents(stored.asSlice(0, layout.headerBytes()).toArray(ValueLayout.JAVA_BYTE));
      if (block == QuietBlock.HEADER) {
        return null;
      }
      int read = file.read(stored, 0, layout.storedBlockBytes(), layout.storedOffset(block));
      if (read > 0) {
        MemorySegment plain = arena.allocate(layout.blockBytes());
        report.bytes.addAndGet(cipher.open(block, stored, 0, read, plain, 0));
      }
      return null;
    } catch (FormatException e) {
      return String.valueOf(e.getMessage());
    }
  }

  private long check(
      StoreFile file,
      ContentCipher cipher,
      long firstBlock,
      MemorySegment stored,
      int storedBytes,
      MemorySegment plain,
      DamagedBlocks damage)
      throws ErrnoException {
    long block = firstBlock;
    long at = 0;
    while (at < storedBytes) {
      try {
        report.bytes.addAndGet(cipher.open(block, stored, at, (int) (storedBytes - at), plain, 0));
        return firstBlock
            + (storedBytes + layout.storedBlockBytes() - 1L) / layout.storedBlockBytes();
      } catch (BlockException e) {
        report.bytes.addAndGet(e.plainBytesBefore());
        String fault = confirmed(file, e.block(), damage.seen < PATIENT_BLOCKS);
        if (fault != null) {
          damage.add(e.block(), fault);
        }
        block = e.block() + 1;
        at = (block - firstBlock) * layout.storedBlockBytes();
      }
    }
    return block;
  }

  /** Joins damaged blocks that lie side by side: a file under a wrong header has nothing else. */
  private final class DamagedBlocks {
    private final Place place;
    private long first;
    private long count;
    private int seen;
    private String reason = "";

    DamagedBlocks(Place place) {
      this.place = place;
    }

    void add(long block, String why) {
      seen = Math.min(seen + 1, PATIENT_BLOCKS);
      if (count > 0 && (block != first + count || !why.equals(reason))) {
        flush();
      }
      if (count == 0) {
        first = block;
        reason = why;
      }
      count++;
    }

    void flush() {
      if (count == 0) {
        return;
      }
      String blocks =
          count == 1 ? "block " + first : "blocks " + first + " to " + (first + count - 1);
      report.error(
          Kind.DAMAGED_BLOCK,
          place,
          blocks
              + " (bytes "
              + layout.plainOffset(first)
              + " to "
              + (layout.plainOffset(first + count) - 1)
              + "): "
              + reason);
      count = 0;
    }
  }

  static byte[] readSmall(StoreDirectory directory, byte[] name) throws ErrnoException {
    try (Arena arena = Arena.ofConfined();
        StoreFile file = directory.openFile(name, Flags.O_RDONLY, 0)) {
      MemorySegment buffer = arena.allocate(LARGEST_SMALL_FILE);
      int read = file.read(buffer, 0, LARGEST_SMALL_FILE, 0);
      return buffer.asSlice(0, read).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  static void writeSmall(StoreDirectory directory, byte[] name, byte[] content)
      throws ErrnoException {
    try (Arena arena = Arena.ofConfined();
        StoreFile file =
            directory.openFile(name, Flags.O_WRONLY | Flags.O_CREAT | Flags.O_EXCL, CONTEXT_MODE)) {
      MemorySegment buffer = arena.allocateFrom(ValueLayout.JAVA_BYTE, content);
      if (file.write(buffer, 0, content.length, 0) != content.length) {
        throw new ErrnoException(Errno.ENOSPC);
      }
      file.sync(false);
    }
  }
}
