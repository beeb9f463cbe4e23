package io.coffer.tree;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.NameCodec.EntryKind;
import io.coffer.posix.ErrnoException;
import io.coffer.store.StoreDirectory;
import io.coffer.tree.CheckReport.Place;
import io.coffer.tree.Finding.Kind;
import io.coffer.tree.Finding.Severity;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;

/**
 * Entries whose names a power failure took, since the file that held them had not been synced. They
 * get names that tell what they were stored as, so that nothing is lost that may be found again.
 */
final class LostNames {
  static final String FAULT =
      "the file with its long name is blank: a power failure has taken the name before it was"
          + " synced";

  private static final byte[] PREFIX = "lost-name.".getBytes(StandardCharsets.US_ASCII);
  private static final int MOST_OF_A_STORED_NAME = 180;

  private LostNames() {}

  /** What was written last is left without contents, or with zeros. */
  static boolean isBlank(StoreDirectory directory, byte[] name) {
    try {
      for (byte each : VolumeCheck.readSmall(directory, name)) {
        if (each != 0) {
          return false;
        }
      }
      return true;
    } catch (ErrnoException e) {
      return false;
    }
  }

  /** Gives names to entries with blank sidecars; {@code names} are those in the directory. */
  static void mend(
      StoreDirectory directory,
      NameCodec codec,
      List<byte[]> names,
      Place place,
      CheckReport report) {
    var gone = new TreeSet<byte[]>(Arrays::compareUnsigned);
    for (int i = 0; i < names.size(); i++) {
      byte[] name = names.get(i);
      if (codec.kindOf(name) != EntryKind.LONG || !isBlank(directory, codec.sidecarOf(name))) {
        continue;
      }
      try {
        names.set(i, rename(directory, codec, name));
        directory.unlink(codec.sidecarOf(name));
        gone.add(codec.sidecarOf(name));
        report.add(
            Severity.ERROR,
            Kind.DAMAGED_NAME,
            new Place(place, name, null),
            FAULT + "; it has a new name",
            true,
            true);
      } catch (ErrnoException | FormatException e) {
        // Told with everything else that has no name.
      }
    }
    names.removeIf(gone::contains);
  }

  /** Renames an entry that has lost its name; returns what it is stored as now. */
  static byte[] rename(StoreDirectory directory, NameCodec codec, byte[] name)
      throws ErrnoException, FormatException {
    int kept = Math.min(name.length, MOST_OF_A_STORED_NAME);
    byte[] plain = Arrays.copyOf(PREFIX, PREFIX.length + kept);
    System.arraycopy(name, 0, plain, PREFIX.length, kept);
    var stored = codec.encode(plain);
    byte[] sidecar = stored.sidecarName();
    byte[] content = stored.sidecarContent();
    if (sidecar != null && content != null) {
      VolumeCheck.writeSmall(directory, sidecar, content);
    }
    directory.renameNew(name, directory, stored.name());
    return stored.name();
  }
}
