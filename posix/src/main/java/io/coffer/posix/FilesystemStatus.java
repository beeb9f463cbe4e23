package io.coffer.posix;

/**
 * What statfs(2) tells of a filesystem. Counts of blocks are in units of {@code blockBytes}.
 *
 * @param type magic number of the filesystem, as f_type
 * @param blockBytes preferred I/O size, f_bsize
 * @param fragmentBytes unit of the block counts, f_frsize
 * @param blocks total data blocks
 * @param freeBlocks free blocks
 * @param availableBlocks free blocks for ordinary users
 * @param files total inodes
 * @param freeFiles free inodes
 * @param nameBytes longest name
 * @param flags mount flags, ST_RDONLY and so on
 */
public record FilesystemStatus(
    long type,
    long blockBytes,
    long fragmentBytes,
    long blocks,
    long freeBlocks,
    long availableBlocks,
    long files,
    long freeFiles,
    long nameBytes,
    long flags) {}
