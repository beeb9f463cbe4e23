package io.coffer.tree;

import io.coffer.format.FormatException;
import io.coffer.format.fscrypt.ContentsMode;
import io.coffer.format.fscrypt.FscryptContext;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.format.fscrypt.FscryptNames;
import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.format.fscrypt.FscryptStoredAttributes;
import io.coffer.format.fscrypt.FscryptStoredName;
import io.coffer.format.fscrypt.FscryptSymlinks;
import io.coffer.keys.FscryptVolume;
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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Looks at all that a volume with fscrypt policies stores beside contents, and tells what does not
 * fit: contexts, sizes, names, links. It needs no key; with keys it deciphers names and targets
 * too. Contents are not authenticated in this format, so that there is nothing in them to check:
 * what a program that knows nothing of the format has done to them shows in the sizes.
 *
 * <p>With repair it removes what a crash left half-made, gives empty directories a new context, and
 * makes sizes agree with the contents that are there. It never overwrites a byte of contents.
 * Nothing else should write to the volume meanwhile. Without repair others may: what is gone by the
 * time it is looked at is passed over, and what does not fit is looked at again.
 */
public final class FscryptCheck {
  private static final int LARGEST_SIDECAR = 4096;
  private static final int CIPHER_BLOCK = 16;
  private static final byte[] CONTEXT = FscryptStoredAttributes.contextName();
  private static final byte[] SIZE = FscryptStoredAttributes.sizeName();

  private final FscryptVolume volume;
  private final List<FscryptMasterKey> keys;
  private final boolean repair;
  private final CheckReport report;
  private final Set<String> unknownKeys = new HashSet<>();

  private FscryptCheck(
      FscryptVolume volume,
      List<FscryptMasterKey> keys,
      boolean repair,
      VolumeCheck.Listener listener) {
    this.volume = volume;
    this.keys = keys;
    this.repair = repair;
    this.report = new CheckReport(listener);
  }

  /**
   * Checks a volume.
   *
   * @param volume its metadata
   * @param keys with which names are deciphered; may be empty
   * @param repair mend what can be mended
   * @return without bytes of contents
   * @throws ErrnoException if the root directory cannot be read at all
   */
  public static VolumeCheck.Summary run(
      Store store,
      FscryptVolume volume,
      List<FscryptMasterKey> keys,
      boolean repair,
      VolumeCheck.Listener listener)
      throws ErrnoException {
    var check = new FscryptCheck(volume, keys, repair, listener);
    check.directory(store.root(), new Place(null, new byte[0], new byte[0]), null);
    return check.report.summary();
  }

  private @Nullable FscryptMasterKey key(FscryptPolicy policy) {
    return keys.stream().filter(key -> key.isFor(policy)).findFirst().orElse(null);
  }

  // Directories.

  /** {@code parent} is null where names are plain. */
  private void directory(StoreDirectory directory, Place place, @Nullable FscryptPolicy parent)
      throws ErrnoException {
    report.directories.incrementAndGet();
    List<byte[]> names = namesIn(directory);
    boolean isRoot = place.parent() == null;
    FscryptContext context = contextOf(directory, place, parent, names);
    FscryptPolicy policy = context == null ? parent : context.policy();
    FscryptMasterKey key = context == null ? null : key(context.policy());
    try (FscryptNames codec = key == null || context == null ? null : key.names(context)) {
      if (repair && codec != null) {
        LostNames.mend(directory, codec, names, place, report);
      }
      var sidecars = new TreeMap<byte[], Boolean>(Arrays::compareUnsigned);
      var internal = new ArrayList<byte[]>();
      for (byte[] name : names) {
        if (isRoot && isMetadata(name)) {
          metadata(directory, name, place);
        } else if (policy == null) {
          if (FscryptStoredName.isTemporary(name)) {
            internal.add(name);
          } else {
            entry(directory, name, new Place(place, name, name), null);
          }
        } else if (FscryptStoredName.isInternal(name)) {
          internal.add(name);
        } else {
          byte[] plain = checkName(directory, name, place, codec);
          if (FscryptStoredName.isLong(name)) {
            sidecars.put(FscryptStoredName.sidecarOf(name), true);
          }
          entry(directory, name, new Place(place, name, plain), policy);
        }
      }
      for (byte[] name : internal) {
        if (!sidecars.containsKey(name)) {
          leftover(directory, name, new Place(place, name, null));
        }
      }
    }
  }

  private static List<byte[]> namesIn(StoreDirectory directory) throws ErrnoException {
    var names = new ArrayList<byte[]>();
    try (var listing = directory.list()) {
      while (listing.next()) {
        byte[] name = listing.name();
        boolean dots = name[0] == '.' && (name.length == 1 || (name.length == 2 && name[1] == '.'));
        if (!dots) {
          names.add(name);
        }
      }
    }
    return names;
  }

  private static boolean isMetadata(byte[] name) {
    String text = new String(name, StandardCharsets.ISO_8859_1);
    return text.equals(FscryptVolume.FILE_NAME) || text.startsWith(FscryptVolume.FILE_NAME + ".");
  }

  private void metadata(StoreDirectory root, byte[] name, Place place) {
    String text = new String(name, StandardCharsets.ISO_8859_1);
    if (text.equals(FscryptVolume.FILE_NAME + ".tmp")) {
      remove(
          root,
          name,
          new Place(place, name, null),
          Kind.LEFTOVER_TEMPORARY,
          "was being written when a change of protectors was killed");
    }
  }

  private @Nullable FscryptContext contextOf(
      StoreDirectory directory, Place place, @Nullable FscryptPolicy parent, List<byte[]> names)
      throws ErrnoException {
    byte[] stored = directory.getXattr(StoreDirectory.SELF, CONTEXT);
    if (stored == null && parent == null) {
      return null;
    }
    // One that is just being made on a store without RENAME_NOREPLACE gets it after its name.
    for (int look = 1;
        stored == null && names.isEmpty() && look < VolumeCheck.LOOKS && VolumeCheck.pause();
        look++) {
      stored = directory.getXattr(StoreDirectory.SELF, CONTEXT);
    }
    Kind kind = Kind.MISSING_CONTEXT;
    String fault = "it has no encryption context, though its directory has one";
    if (stored != null) {
      try {
        FscryptContext context = FscryptStoredAttributes.context(stored);
        checkPolicy(context.policy(), parent, place);
        return context;
      } catch (FormatException e) {
        kind = Kind.DAMAGED_CONTEXT;
        fault = String.valueOf(e.getMessage());
      }
    }
    boolean empty = names.stream().allMatch(FscryptStoredName::isInternal);
    if (parent == null || !empty) {
      report.error(
          kind,
          place,
          fault
              + "; the names in it cannot be deciphered. Put the attribute user.fscrypt.auth back"
              + " from a backup (getfattr, setfattr)");
      return null;
    }
    FscryptContext fresh = FscryptContext.of(parent);
    boolean unfinished = stored == null && names.isEmpty();
    mend(
        unfinished ? Severity.NOTE : Severity.ERROR,
        kind,
        place,
        fault
            + "; the directory is empty"
            + (unfinished ? ", and gets one with its first use" : ""),
        "given a new one",
        () -> {
          byte[] value = FscryptStoredAttributes.context(fresh);
          directory.setXattr(StoreDirectory.SELF, CONTEXT, value, 0);
          directory.sync();
        });
    return repair ? fresh : null;
  }

  private void checkPolicy(FscryptPolicy policy, @Nullable FscryptPolicy parent, Place place) {
    if (parent != null && !policy.equals(parent)) {
      report.error(
          Kind.FOREIGN_POLICY,
          place,
          "its policy is not that of its directory; it was put here without Coffer. Move it back");
    }
    String identifier = HexFormat.of().formatHex(policy.masterKeyIdentifier());
    if (parent == null && volume.key(identifier) == null && unknownKeys.add(identifier)) {
      report.add(
          Severity.NOTE,
          Kind.UNKNOWN_KEY,
          place,
          "no protector of the volume opens its key " + identifier,
          false,
          false);
    }
  }

  // Names.

  private byte @Nullable [] checkName(
      StoreDirectory directory, byte[] name, Place parent, @Nullable FscryptNames codec) {
    Place place = new Place(parent, name, null);
    try {
      if (!FscryptStoredName.isLong(name)) {
        FscryptStoredName.decode(name);
        return codec == null ? null : codec.decode(name);
      }
      byte[] ciphertext = readSidecar(directory, name);
      FscryptStoredName.check(name, ciphertext);
      return codec == null ? null : codec.decodeLong(name, ciphertext);
    } catch (FormatException e) {
      if (FscryptStoredName.isLong(name)
          && LostNames.isBlank(directory, FscryptStoredName.sidecarOf(name))) {
        report.add(
            Severity.ERROR,
            Kind.DAMAGED_NAME,
            place,
            LostNames.FAULT + "; --repair with a password gives it a new one",
            true,
            false);
        return null;
      }
      report.error(
          Kind.DAMAGED_NAME,
          place,
          e.getMessage() + "; it was made or renamed without Coffer, and is not shown");
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT) {
        if (!VolumeCheck.isThere(directory, name)) {
          return null;
        }
        report.error(
            Kind.MISSING_SIDECAR,
            place,
            "the file "
                + CheckReport.text(FscryptStoredName.sidecarOf(name))
                + " with its long name is missing. Put it back from a backup; the contents are not"
                + " lost");
      } else {
        report.unreadable(place, e);
      }
    }
    return null;
  }

  /** Whoever removes an entry takes its sidecar after it, and may make both again. */
  private static byte[] readSidecar(StoreDirectory directory, byte[] name) throws ErrnoException {
    for (int look = 1; ; look++) {
      try {
        return readSmall(directory, FscryptStoredName.sidecarOf(name));
      } catch (ErrnoException e) {
        if (e.errno() != Errno.ENOENT
            || look == VolumeCheck.LOOKS
            || !VolumeCheck.isThere(directory, name)
            || !VolumeCheck.pause()) {
          throw e;
        }
      }
    }
  }

  private static byte[] readSmall(StoreDirectory directory, byte[] name) throws ErrnoException {
    try (Arena arena = Arena.ofConfined();
        StoreFile file = directory.openFile(name, Flags.O_RDONLY, 0)) {
      MemorySegment buffer = arena.allocate(LARGEST_SIDECAR);
      int read = file.read(buffer, 0, LARGEST_SIDECAR, 0);
      return buffer.asSlice(0, read).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  // Entries.

  private void entry(
      StoreDirectory directory, byte[] name, Place place, @Nullable FscryptPolicy policy) {
    try {
      FileStatus status = directory.status(name);
      switch (status.type()) {
        case FileStatus.TYPE_DIRECTORY -> {
          try (StoreDirectory child = directory.openDirectory(name)) {
            directory(child, place, policy);
          }
        }
        case FileStatus.TYPE_REGULAR -> {
          report.files.incrementAndGet();
          if (policy != null) {
            file(directory, name, place, policy);
          }
        }
        case FileStatus.TYPE_SYMLINK -> {
          report.symlinks.incrementAndGet();
          if (policy != null) {
            symlink(directory.readLink(name), place, policy);
          }
        }
        default -> report.others.incrementAndGet();
      }
    } catch (ErrnoException e) {
      if (!isGone(e)) {
        report.unreadable(place, e);
      }
    }
    report.progress();
  }

  /** What was listed has been removed or replaced since. */
  private static boolean isGone(ErrnoException e) {
    return e.errno() == Errno.ENOENT || e.errno() == Errno.ESTALE;
  }

  private void file(StoreDirectory directory, byte[] name, Place place, FscryptPolicy policy)
      throws ErrnoException {
    byte[] stored = directory.getXattr(name, CONTEXT);
    if (stored == null) {
      report.error(
          Kind.MISSING_CONTEXT,
          place,
          "it has no encryption context, though its directory has one: it was made without Coffer,"
              + " or copied without its attributes. Put user.fscrypt.auth back from a backup, or"
              + " remove it");
      return;
    }
    try {
      checkPolicy(FscryptStoredAttributes.context(stored).policy(), policy, place);
    } catch (FormatException e) {
      report.error(Kind.DAMAGED_CONTEXT, place, String.valueOf(e.getMessage()));
      return;
    }
    sizes(directory, name, place, policy);
  }

  /** Stored size, and the real one or -1. */
  private record Sizes(long stored, long real) {
    boolean fit(int unit) {
      return real >= 0 && stored >= roundedUp(real, unit) && stored % unit == 0;
    }
  }

  /**
   * The real size is set after contents when a file grows, and before they go when it shrinks; so
   * it is read first, and both again if they do not fit: they may be of two moments.
   */
  private static Sizes readSizes(StoreDirectory directory, byte[] name, int unit)
      throws ErrnoException {
    for (int look = 1; ; look++) {
      long real = FscryptStoredAttributes.size(directory.getXattr(name, SIZE));
      Sizes sizes = new Sizes(directory.status(name).size(), real);
      if (sizes.fit(unit) || look == VolumeCheck.LOOKS || !VolumeCheck.pause()) {
        return sizes;
      }
    }
  }

  private static long roundedUp(long size, int unit) {
    return (size + unit - 1) / unit * unit;
  }

  /** What holds always: the real size is there, and the stored file has all units up to it. */
  private void sizes(StoreDirectory directory, byte[] name, Place place, FscryptPolicy policy)
      throws ErrnoException {
    int unit = policy.dataUnitBytes();
    Sizes found = readSizes(directory, name, unit);
    long stored = found.stored();
    long size = found.real();
    long needed = roundedUp(Math.max(size, 0), unit);
    long roundedUp = roundedUp(stored, unit);
    if (size >= 0 && needed <= stored) {
      if (stored % unit != 0) {
        mend(
            Severity.ERROR,
            Kind.STRAY_CONTENTS,
            place,
            "the stored file has "
                + stored
                + " bytes, no multiple of "
                + unit
                + ": a program that knows nothing of the encryption has added to it; its real"
                + " contents are all there",
            "what was added is cut off",
            () -> resize(directory, name, needed, size));
      }
      return;
    }
    // Whole cipher blocks of a unit that was cut can be deciphered, but not of a wide-block mode.
    int usable = policy.contents() == ContentsMode.ADIANTUM ? unit : CIPHER_BLOCK;
    long left = size < 0 ? roundedUp : stored / usable * usable;
    String fault =
        size < 0
            ? "its attribute with the real size is missing or damaged"
            : "the stored file has "
                + stored
                + " bytes, too few for a real size of "
                + size
                + ": a power failure came before it was synced, or a program that knows nothing of"
                + " the encryption has cut it; the end is lost";
    mend(
        Severity.ERROR,
        size < 0 ? Kind.DAMAGED_SIZE : Kind.CUT_CONTENTS,
        place,
        fault,
        size < 0
            ? "it is now " + left + ", the stored one, so that zeros may follow the contents"
            : "the real size is now " + left,
        () -> resize(directory, name, roundedUp, left));
  }

  private static void resize(StoreDirectory directory, byte[] name, long stored, long size)
      throws ErrnoException {
    try (StoreFile file = directory.openFile(name, Flags.O_RDWR, 0)) {
      if (file.status().size() < stored) {
        file.truncate(stored);
      }
      file.setXattr(SIZE, FscryptStoredAttributes.size(size), 0);
      file.truncate(stored);
      file.sync(false);
    }
  }

  private void symlink(byte[] text, Place place, FscryptPolicy policy) {
    try {
      FscryptSymlinks.Stored parsed = FscryptSymlinks.parse(text);
      checkPolicy(parsed.context().policy(), policy, place);
      FscryptMasterKey key = key(parsed.context().policy());
      if (key != null) {
        try (FscryptSymlinks link = key.symlink(parsed.context())) {
          link.decrypt(parsed.target());
        }
      }
    } catch (FormatException e) {
      report.error(Kind.DAMAGED_SYMLINK, place, String.valueOf(e.getMessage()));
    }
  }

  // Leftovers.

  private void leftover(StoreDirectory directory, byte[] name, Place place) {
    if (FscryptStoredName.isTemporary(name)) {
      String what = "was being prepared or removed when the writer stopped";
      remove(directory, name, place, Kind.LEFTOVER_TEMPORARY, what);
    } else if (isSidecar(name)) {
      if (VolumeCheck.isThere(directory, Arrays.copyOf(name, FscryptStoredName.LONG_LENGTH))) {
        return; // its entry has come since the names were listed
      }
      String what = "belongs to a long name of which there is no entry";
      remove(directory, name, place, Kind.ORPHANED_SIDECAR, what);
    } else {
      report.error(
          Kind.DAMAGED_NAME,
          place,
          "it was made or renamed without Coffer, and is not shown; look at it and remove it");
    }
  }

  private static boolean isSidecar(byte[] name) {
    if (name.length <= FscryptStoredName.LONG_LENGTH) {
      return false;
    }
    byte[] stored = Arrays.copyOf(name, FscryptStoredName.LONG_LENGTH);
    return !FscryptStoredName.isInternal(stored)
        && Arrays.equals(FscryptStoredName.sidecarOf(stored), name);
  }

  private void remove(
      StoreDirectory directory, byte[] name, Place place, Kind kind, String explanation) {
    try {
      if (!directory.status(name).isDirectory()) {
        mend(Severity.NOTE, kind, place, explanation, "removed", () -> directory.unlink(name));
        return;
      }
      boolean empty = isEmpty(directory, name);
      // Whoever removes a directory moves it aside first, and puts it back if it holds something.
      for (int look = 1; !empty && look < VolumeCheck.LOOKS && VolumeCheck.pause(); look++) {
        empty = isEmpty(directory, name);
      }
      if (empty) {
        mend(
            Severity.NOTE,
            kind,
            place,
            explanation,
            "removed",
            () -> directory.removeDirectory(name));
      } else {
        String look = ", but holds entries; look at it before you remove it";
        report.error(kind, place, explanation + look);
      }
    } catch (ErrnoException e) {
      if (!isGone(e)) {
        report.unreadable(place, e);
      }
    }
  }

  private static boolean isEmpty(StoreDirectory parent, byte[] name) throws ErrnoException {
    try (StoreDirectory directory = parent.openDirectory(name)) {
      return namesIn(directory).isEmpty();
    }
  }

  private interface Repair {
    void run() throws ErrnoException;
  }

  private void mend(
      Severity severity, Kind kind, Place place, String explanation, String done, Repair mending) {
    if (!repair) {
      report.add(severity, kind, place, explanation, true, false);
      return;
    }
    try {
      mending.run();
      report.add(severity, kind, place, explanation + "; " + done, true, true);
    } catch (ErrnoException e) {
      String reason = explanation + "; cannot be mended: " + e.getMessage();
      report.add(severity, kind, place, reason, true, false);
    }
  }
}
