package io.coffer.acceptance;

import java.nio.file.Path;
import java.time.Duration;

/** A filesystem of its own on a loop device, whose power can be cut. Needs root. */
final class LoopDisk implements AutoCloseable {
  private final Path image;
  private final Path where;
  private final String options;

  /**
   * Makes and mounts it; skips the test where the machine cannot.
   *
   * @param type ext4 or xfs
   */
  LoopDisk(Area area, String type) {
    Tools.needRoot();
    Tools.need("mkfs." + type, "losetup", "xfs_io");
    image = area.path().resolve(type + ".img");
    where = area.directory(type);
    // The journal is committed every second, while data waits for half a minute: what was not
    // synced is then often half there.
    options = type.equals("ext4") ? "loop,commit=1" : "loop";
    Command.of("truncate", "-s", "320M", image).ok();
    Command.of("mkfs." + type, "-q", image).ok();
    if (mount().exit() != 0) {
      Tools.skip("this kernel mounts no " + type + " on a loop device");
    }
  }

  Path path() {
    return where;
  }

  private Outcome mount() {
    return Command.of("mount", "-o", options, image, where).run();
  }

  /**
   * What a power failure does: nothing is written from this moment on, also not what the filesystem
   * holds of its log (EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN with NOLOGFLUSH). Then every access
   * is refused.
   */
  void cutPower() {
    Outcome outcome = Command.of("xfs_io", "-x", "-c", "shutdown", where).run();
    if (outcome.exit() != 0 || !outcome.err().isBlank()) {
      Tools.skip("this filesystem cannot be shut down: " + outcome);
    }
  }

  /** Mounts it again, so that the kernel replays its journal. Nobody may use it any more. */
  void powerOn() {
    Outcome[] last = new Outcome[1];
    // Never lazily: two mounts of one image would destroy it.
    boolean unmounted =
        Mounted.waitUntil(
            Duration.ofMinutes(1),
            () -> {
              last[0] = Command.of("umount", where).run();
              return last[0].exit() == 0;
            });
    if (!unmounted) {
      throw new AssertionError("the disk stays in use: " + last[0]);
    }
    mount().ok();
  }

  @Override
  public void close() {
    Command.of("umount", where).run();
  }
}
