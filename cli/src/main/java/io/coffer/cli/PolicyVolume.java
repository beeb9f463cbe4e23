package io.coffer.cli;

import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;

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

  /** Replaces what the volume keeps of its master keys. */
  void replace(FscryptVolume changed) throws VolumeException {
    changed.replace(directory);
  }
}
