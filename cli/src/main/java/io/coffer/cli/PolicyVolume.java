package io.coffer.cli;

import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A volume of the format fscrypt.
 *
 * @param directory where it is
 * @param keys what it keeps of its master keys
 */
record PolicyVolume(Path directory, FscryptVolume keys) {
  /** The volume in a directory, or the one whose mounted view it is in. */
  static PolicyVolume of(Path directory) throws CommandException, VolumeException, IOException {
    return FscryptVolume.isIn(directory)
        ? new PolicyVolume(directory, FscryptVolume.open(directory))
        : TreeClient.at(directory).volume();
  }

  /** Where a directory is stored that may be in a mounted view; itself if it is in none. */
  static Path stored(Path directory) throws CommandException, IOException {
    TreeClient client = TreeClient.find(directory);
    return client == null ? directory.toRealPath() : client.stored();
  }

  /** The volume around a stored directory, or null. */
  static @Nullable PolicyVolume around(Path stored) throws VolumeException, IOException {
    Path root = rootAround(stored);
    return root == null ? null : new PolicyVolume(root, FscryptVolume.open(root));
  }

  /** The root of the volume around a stored directory, or null. */
  static @Nullable Path rootAround(Path stored) throws IOException {
    for (Path at = stored.toRealPath(); at != null; at = at.getParent()) {
      if (FscryptVolume.isIn(at)) {
        return at;
      }
    }
    return null;
  }

  /** Replaces what the volume keeps of its master keys. */
  void replace(FscryptVolume changed) throws VolumeException {
    changed.replace(directory);
  }
}
