package io.coffer.keyserver.record;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import org.jspecify.annotations.Nullable;

/**
 * Which records there are, in the order of their ids, and how many in each directory: quotas are
 * looked up at every write, and must not take the longer the more there is. A directory is what an
 * id has up to its last slash.
 *
 * <p>Read by any thread; changed by one at a time.
 */
final class RecordIndex {
  /** Which version of a record, and which of its entry in the engine, is the last. */
  record Known(long version, long engineVersion) {}

  private final ConcurrentSkipListMap<String, Known> records = new ConcurrentSkipListMap<>();
  private final Map<String, Integer> directories = new ConcurrentHashMap<>();

  @Nullable Known get(String id) {
    return records.get(id);
  }

  void put(String id, Known known) {
    if (records.put(id, known) == null) {
      directories.merge(directory(id), 1, Integer::sum);
    }
  }

  void remove(String id) {
    if (records.remove(id) != null) {
      directories.computeIfPresent(directory(id), (name, count) -> count == 1 ? null : count - 1);
    }
  }

  int size() {
    return records.size();
  }

  /** How many records have ids that are this one, up to their last slash. */
  int count(String directory) {
    return directories.getOrDefault(directory, 0);
  }

  /**
   * Ids in their order.
   *
   * @param after only ids above this one; empty for all
   */
  List<String> ids(String prefix, String after, int limit) {
    List<String> found = new ArrayList<>();
    boolean first = after.compareTo(prefix) < 0;
    for (String id : records.tailMap(first ? prefix : after, first).keySet()) {
      if (!id.startsWith(prefix) || found.size() == limit) {
        break;
      }
      found.add(id);
    }
    return found;
  }

  private static String directory(String id) {
    return id.substring(0, id.lastIndexOf('/') + 1);
  }
}
