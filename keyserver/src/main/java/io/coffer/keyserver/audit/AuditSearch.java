package io.coffer.keyserver.audit;

import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * Searches a log from its end towards its beginning, so that what is asked for most, the latest, is
 * found at once however long the log is. Not thread-safe.
 */
final class AuditSearch {
  private static final int BLOCK_BYTES = 64 << 10;

  private final AuditQuery query;
  private final int limit;
  private final long budget;
  private final List<AuditEntry> found = new ArrayList<>();
  private long oldest;

  /**
   * @param limit how many entries are wanted
   * @param budget how many bytes are looked through at most
   */
  AuditSearch(AuditQuery query, int limit, long budget) {
    this.query = query;
    this.limit = limit;
    this.budget = budget;
  }

  /**
   * Searches.
   *
   * @param before a place that an earlier search has named; 0 for the end
   * @throws IllegalArgumentException if that is no place between two entries
   */
  AuditPage run(Path file, long before, int maxLine) throws IOException {
    try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
      long end = before == 0 ? in.length() : before;
      if (before != 0 && !isLineEnd(in, before)) {
        throw new IllegalArgumentException("no entry begins there");
      }
      long top = end;
      long position = end;
      byte[] rest = new byte[0];
      boolean whole = before != 0;
      while (position > 0) {
        int length = (int) Math.min(BLOCK_BYTES, position);
        position -= length;
        byte[] block = new byte[length + rest.length];
        in.seek(position);
        in.readFully(block, 0, length);
        System.arraycopy(rest, 0, block, length, rest.length);
        int lineEnd = block.length;
        for (int i = block.length - 1; i >= -1; i--) {
          if (i >= 0 ? block[i] != '\n' : position > 0) {
            continue;
          }
          // What follows the last line end is still being written.
          if (i + 1 < lineEnd && whole) {
            look(block, i + 1, lineEnd);
            top = position + i + 1;
            if (found.size() == limit || end - top > budget) {
              return new AuditPage(found, top, oldest);
            }
          }
          if (i >= 0) {
            lineEnd = i;
            whole = true;
          }
        }
        rest = Arrays.copyOf(block, lineEnd);
        if (rest.length > maxLine + BLOCK_BYTES) {
          throw new AuditException("a line of the audit log is too long");
        }
      }
      return new AuditPage(found, 0, oldest);
    }
  }

  private static boolean isLineEnd(RandomAccessFile in, long at) throws IOException {
    if (at < 0 || at > in.length()) {
      return false;
    }
    in.seek(at - 1);
    return in.read() == '\n';
  }

  private void look(byte[] block, int from, int to) throws AuditException {
    try {
      JsonObject json = JsonObject.parse(Arrays.copyOfRange(block, from, to), Set.of());
      AuditEntry entry =
          new AuditEntry(
              json.integer("seq", 1, Long.MAX_VALUE),
              Instant.parse(json.string("time")),
              new AuditEvent(
                  json.string("who"),
                  json.string("from"),
                  json.string("action"),
                  json.string("target"),
                  json.string("outcome"),
                  json.string("reason")));
      oldest = entry.sequence();
      if (query.matches(entry)) {
        found.add(entry);
      }
    } catch (JsonException | DateTimeParseException e) {
      throw new AuditException("an entry of the audit log is damaged", e);
    }
  }
}
