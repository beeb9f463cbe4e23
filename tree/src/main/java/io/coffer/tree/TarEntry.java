package io.coffer.tree;

import io.coffer.posix.Timestamp;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One entry of a tar archive (POSIX.1-2001, pax interchange format).
 *
 * @param path without a slash at its end, as bytes
 * @param type a TYPE_ constant
 * @param mode permissions, without the type
 * @param device of a device node, as glibc's dev_t
 * @param target of a symbolic or hard link, else null
 * @param size bytes of contents that follow
 * @param xattrs extended attributes by name
 */
record TarEntry(
    byte[] path,
    char type,
    int mode,
    int uid,
    int gid,
    long device,
    Timestamp modified,
    byte @Nullable [] target,
    long size,
    Map<String, byte[]> xattrs) {
  static final char TYPE_FILE = '0';
  static final char TYPE_HARD_LINK = '1';
  static final char TYPE_SYMLINK = '2';
  static final char TYPE_CHARACTER_DEVICE = '3';
  static final char TYPE_BLOCK_DEVICE = '4';
  static final char TYPE_DIRECTORY = '5';
  static final char TYPE_FIFO = '6';

  /** Keyword of the record that holds an extended attribute, as star and GNU tar have it. */
  static final String XATTR = "SCHILY.xattr.";

  static final int BLOCK_BYTES = 512;
}
