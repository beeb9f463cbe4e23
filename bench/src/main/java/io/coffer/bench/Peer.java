package io.coffer.bench;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A system to measure. Its scripts run under {@code sh} with these variables: {@code STORE}
 * (directory for the ciphertext), {@code MNT} (mount point), {@code PASSWORD} (a throw-away one),
 * {@code PASSWORD_FILE}, {@code KEY_FILE} (64 random bytes), {@code IMAGE} and {@code IMAGE_BYTES}
 * (a file beside the store for a loop device), {@code LOG}.
 *
 * @param name short and unique; what {@code --peers} takes
 * @param description for the reader of a report
 * @param initScript creates the volume; null if nothing is to be done
 * @param mountScript mounts; null if the store itself is used. May stay in the foreground.
 * @param waitForMountScript whether the view is ready only when the mount script has ended
 * @param unmountScript null for umount or fusermount3
 * @param subdirectory where to work below the mount point; empty for the mount point itself
 * @param versionCommand prints a version in its first line
 * @param unavailable why it cannot be measured here; null if it can
 */
record Peer(
    String name,
    Kind kind,
    String description,
    @Nullable String initScript,
    @Nullable String mountScript,
    boolean waitForMountScript,
    @Nullable String unmountScript,
    String subdirectory,
    List<String> versionCommand,
    @Nullable String unavailable) {

  enum Kind {
    /** This project. */
    COFFER("Coffer"),
    /** Another encrypting filesystem in user space. */
    ENCRYPTING("encrypting"),
    /** An unencrypted filesystem in user space: what FUSE itself costs. */
    CLEAR_FUSE("unencrypted FUSE"),
    /** A filesystem of the kernel, encrypting or not. */
    KERNEL("in the kernel"),
    /** The store without anything in between. */
    PLAIN("plain directory");

    private final String title;

    Kind(String title) {
      this.title = title;
    }

    String title() {
      return title;
    }
  }

  /** Whether a daemon serves it, whose memory and processor time can be read. */
  boolean hasDaemon() {
    return kind != Kind.KERNEL && kind != Kind.PLAIN;
  }
}
