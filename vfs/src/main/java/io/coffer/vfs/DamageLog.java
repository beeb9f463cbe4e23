package io.coffer.vfs;

import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashSet;

/**
 * One log line for each damaged thing, however often it is read. Remembers the last few thousand.
 */
final class DamageLog {
  private static final System.Logger LOG = System.getLogger("io.coffer.vfs");
  private static final int REMEMBERED = 4096;

  /** What was reported: a place in an object of the store. */
  private record Place(long device, long inode, long place) {}

  private final LinkedHashSet<Place> reported = new LinkedHashSet<>();

  /** {@link #first} for the header of a file. */
  static final long HEADER = -1;

  /** {@link #first} for the target of a symbolic link. */
  static final long TARGET = -2;

  /** {@link #first} for the context of a directory. */
  static final long CONTEXT = -3;

  /** Is this the first report of damage there? */
  synchronized boolean first(Inode inode, long place) {
    if (!reported.add(new Place(inode.device, inode.number, place))) {
      return false;
    }
    if (reported.size() > REMEMBERED) {
      Iterator<Place> oldest = reported.iterator();
      oldest.next();
      oldest.remove();
    }
    return true;
  }

  void write(String line) {
    LOG.log(Level.WARNING, line);
  }

  /** A name for a log line: its text if that is printable, else with bytes escaped. */
  static String printable(byte[] name) {
    String text = new String(name, StandardCharsets.UTF_8);
    boolean clean =
        text.codePoints().noneMatch(Character::isISOControl)
            && Arrays.equals(text.getBytes(StandardCharsets.UTF_8), name);
    if (clean) {
      return text;
    }
    var result = new StringBuilder();
    for (byte each : name) {
      if (each >= 0x20 && each < 0x7f && each != '\\') {
        result.append((char) each);
      } else {
        result.append(String.format("\\x%02x", each));
      }
    }
    return result.toString();
  }
}
