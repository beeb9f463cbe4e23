package io.coffer.vfs;

import io.coffer.format.fscrypt.FscryptNoKeyName;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Remembers for long no-key names that were shown which entry each stands for, so that a directory
 * need not be searched for one after the other when all are removed. The oldest go when there are
 * too many: some 150 bytes each, 20 MB at most.
 *
 * <p>What is found here is a guess and must be checked. Thread-safe.
 */
final class LongNoKeyNames {
  /** More than rm(1) reads of a directory before it begins to remove. */
  private static final int MOST = 1 << 17;

  private final Map<Long, byte[]> ends =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, byte[]> eldest) {
          return size() > MOST;
        }
      };

  private static long key(Inode directory, FscryptNoKeyName name) {
    byte[] digest = name.restDigest();
    long rest = digest == null ? 0 : ByteBuffer.wrap(digest).getLong();
    return rest ^ (long) Arrays.hashCode(name.beginning()) << 32 ^ directory.id();
  }

  /** A long name was shown; {@code end} is what its no-key form does not tell of the stored one. */
  synchronized void remember(Inode directory, FscryptNoKeyName name, byte[] end) {
    ends.put(key(directory, name), end);
  }

  /** The end of its stored name, perhaps. */
  synchronized byte @Nullable [] end(Inode directory, FscryptNoKeyName name) {
    return ends.get(key(directory, name));
  }

  synchronized void clear() {
    ends.clear();
  }
}
