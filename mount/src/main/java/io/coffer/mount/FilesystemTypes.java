package io.coffer.mount;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;

/** What the filesystem of a store is, as far as it matters who else can see it. */
final class FilesystemTypes {
  /**
   * Filesystems that one kernel has for itself; f_type of statfs(2), linux/magic.h and the
   * filesystems' own headers. All others may be seen by other nodes too, and FUSE (0x65735546) can
   * be anything.
   */
  private static final Set<Long> LOCAL =
      Set.of(
          0xEF53L, // ext2, ext3, ext4
          0x58465342L, // XFS
          0x9123683EL, // Btrfs
          0xCA451A4EL, // bcachefs
          0x2FC12FC1L, // ZFS
          0xF2F52010L, // F2FS
          0x01021994L, // tmpfs
          0x858458F6L, // ramfs
          0x794C7630L, // overlayfs
          0x3153464AL, // JFS
          0x52654973L, // ReiserFS
          0x3434L, // NILFS
          0xF15FL, // eCryptfs
          0x2011BAB0L, // exFAT
          0x4D44L, // FAT
          0x7366746EL, // NTFS
          0x482BL, // HFS+
          0x9660L, // ISO 9660
          0x15013346L, // UDF
          0x73717368L, // Squashfs
          0xE0F5E1E2L); // EROFS

  private FilesystemTypes() {}

  static boolean isLocal(long type) {
    return LOCAL.contains(type);
  }

  /**
   * Is a directory on a network filesystem whose mount options keep byte-range locks on this node?
   * Then nothing tells that they do not hold between nodes: every lock is granted.
   */
  static boolean keepsLocksHere(Path directory) {
    String options = "";
    int longest = -1;
    Path real;
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/mountinfo"))) {
      real = directory.toRealPath();
      for (String line : (Iterable<String>) lines::iterator) {
        // ID parent major:minor root mount-point options [tags] - type source super-options
        String[] halves = line.split(" - ", 2);
        String[] fields = halves[0].split(" ", -1);
        if (fields.length < 6 || halves.length < 2) {
          continue;
        }
        String at = fields[4].replace("\\040", " ");
        if (real.startsWith(at) && at.length() >= longest) {
          longest = at.length();
          options =
              "," + fields[5] + "," + halves[1].substring(halves[1].lastIndexOf(' ') + 1) + ",";
        }
      }
    } catch (IOException e) {
      return false;
    }
    return Stream.of(",nolock,", ",local_lock=all,", ",local_lock=posix,", ",localflock,")
        .anyMatch(options::contains);
  }
}
