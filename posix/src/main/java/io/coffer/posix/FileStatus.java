package io.coffer.posix;

/**
 * What statx(2) tells of a file.
 *
 * @param device device number of the filesystem, encoded major and minor as {@code dev_t} of glibc
 * @param inode inode number
 * @param mode type and permission bits, as st_mode
 * @param links number of hard links
 * @param uid owner
 * @param gid group
 * @param specialDevice for device nodes, encoded as {@code dev_t} of glibc; else 0
 * @param size bytes
 * @param blocks allocated space in units of 512 bytes
 * @param blockBytes preferred I/O size
 * @param accessed last access
 * @param modified last change of contents
 * @param changed last change of status
 * @param born creation, or null where the filesystem does not keep it
 */
public record FileStatus(
    long device,
    long inode,
    int mode,
    long links,
    int uid,
    int gid,
    long specialDevice,
    long size,
    long blocks,
    int blockBytes,
    Timestamp accessed,
    Timestamp modified,
    Timestamp changed,
    @org.jspecify.annotations.Nullable Timestamp born) {

  public static final int TYPE_MASK = 0170000;
  public static final int TYPE_SOCKET = 0140000;
  public static final int TYPE_SYMLINK = 0120000;
  public static final int TYPE_REGULAR = 0100000;
  public static final int TYPE_BLOCK_DEVICE = 0060000;
  public static final int TYPE_DIRECTORY = 0040000;
  public static final int TYPE_CHARACTER_DEVICE = 0020000;
  public static final int TYPE_FIFO = 0010000;

  /** The type bits of the mode, one of the TYPE constants. */
  public int type() {
    return mode & TYPE_MASK;
  }

  public boolean isDirectory() {
    return type() == TYPE_DIRECTORY;
  }

  public boolean isRegular() {
    return type() == TYPE_REGULAR;
  }

  public boolean isSymlink() {
    return type() == TYPE_SYMLINK;
  }

  /** The same status with another size: the plain size of a stored file. */
  public FileStatus withSize(long newSize) {
    return new FileStatus(
        device,
        inode,
        mode,
        links,
        uid,
        gid,
        specialDevice,
        newSize,
        blocks,
        blockBytes,
        accessed,
        modified,
        changed,
        born);
  }
}
