package io.coffer.acceptance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * What lies on an ext4 file system that is not mounted, byte for byte (kernel documentation,
 * filesystems/ext4): inodes, blocks of files, entries of directories.
 */
final class Ext4Image implements AutoCloseable {
  private static final int SUPERBLOCK = 1024;
  private static final int FEATURE_64_BIT = 0x80;
  private static final int FEATURE_DIRECTORY_INDEX = 0x20;
  private static final int FLAG_EXTENTS = 0x80000;
  private static final int EXTENT_MAGIC = 0xf30a;
  private static final int BLOCK_MAP = 0x28;

  private final FileChannel file;
  private final int blockBytes;
  private final int inodesPerGroup;
  private final int inodeBytes;
  private final int descriptorBytes;
  private final long descriptors;

  /** An entry of a directory, and where in the image its name begins. */
  record Entry(long inode, byte[] name, long position) {}

  Ext4Image(Path image) {
    try {
      file = FileChannel.open(image, StandardOpenOption.READ, StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    ByteBuffer superblock = buffer(SUPERBLOCK, 1024);
    blockBytes = 1024 << superblock.getInt(24);
    inodesPerGroup = superblock.getInt(40);
    inodeBytes = superblock.getShort(88) & 0xffff;
    descriptorBytes = (superblock.getInt(96) & FEATURE_64_BIT) == 0 ? 32 : superblock.getShort(254);
    descriptors = (superblock.getInt(20) + 1L) * blockBytes;
  }

  int blockBytes() {
    return blockBytes;
  }

  byte[] read(long position, int length) {
    try {
      ByteBuffer into = ByteBuffer.allocate(length);
      while (into.hasRemaining() && file.read(into, position + into.position()) > 0) {}
      return into.array();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  void write(long position, byte[] bytes) {
    try {
      file.write(ByteBuffer.wrap(bytes), position);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private ByteBuffer buffer(long position, int length) {
    return ByteBuffer.wrap(read(position, length)).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Makes the kernel look through directories from end to end, whatever index they have. */
  void hideIndexes() {
    byte[] features = read(SUPERBLOCK + 92, 1);
    features[0] &= ~FEATURE_DIRECTORY_INDEX;
    write(SUPERBLOCK + 92, features);
  }

  /** Where in the image an inode lies. */
  long inodePosition(long inode) {
    long group = (inode - 1) / inodesPerGroup;
    ByteBuffer descriptor = buffer(descriptors + group * descriptorBytes, descriptorBytes);
    long table = descriptor.getInt(8) & 0xffffffffL;
    if (descriptorBytes > 32) {
      table |= (long) descriptor.getInt(40) << 32;
    }
    return table * blockBytes + (inode - 1) % inodesPerGroup * inodeBytes;
  }

  /** An inode with the extended attributes within it. */
  byte[] inode(long inode) {
    return read(inodePosition(inode), inodeBytes);
  }

  long size(long inode) {
    ByteBuffer bytes = buffer(inodePosition(inode), inodeBytes);
    return (bytes.getInt(4) & 0xffffffffL) | (long) bytes.getInt(108) << 32;
  }

  /** Where in the image each block of a file lies, 0 for a hole. */
  List<Long> blocks(long inode) {
    ByteBuffer bytes = buffer(inodePosition(inode), inodeBytes);
    if ((bytes.getInt(32) & FLAG_EXTENTS) == 0) {
      throw new IllegalArgumentException("inode " + inode + " has no extents");
    }
    List<Long> blocks = new ArrayList<>();
    for (long i = 0; i < (size(inode) + blockBytes - 1) / blockBytes; i++) {
      blocks.add(0L);
    }
    addExtents(bytes.slice(BLOCK_MAP, 60).order(ByteOrder.LITTLE_ENDIAN), blocks);
    return blocks;
  }

  private void addExtents(ByteBuffer node, List<Long> blocks) {
    if ((node.getShort(0) & 0xffff) != EXTENT_MAGIC) {
      throw new IllegalStateException("no extents where some should be");
    }
    int entries = node.getShort(2);
    boolean isLeaf = node.getShort(6) == 0;
    for (int at = 12; entries-- > 0; at += 12) {
      if (isLeaf) {
        int first = node.getInt(at);
        int length = node.getShort(at + 4) & 0xffff;
        long start = (node.getShort(at + 6) & 0xffffL) << 32 | (node.getInt(at + 8) & 0xffffffffL);
        for (int i = 0; i < length && first + i < blocks.size(); i++) {
          blocks.set(first + i, (start + i) * blockBytes);
        }
      } else {
        long child = (node.getShort(at + 8) & 0xffffL) << 32 | (node.getInt(at + 4) & 0xffffffffL);
        addExtents(buffer(child * blockBytes, blockBytes), blocks);
      }
    }
  }

  /** The blocks of a file as they are stored, holes as zeros. */
  byte[] contents(long inode) {
    List<Long> blocks = blocks(inode);
    ByteBuffer all = ByteBuffer.allocate(blocks.size() * blockBytes);
    for (long block : blocks) {
      all.put(block == 0 ? new byte[blockBytes] : read(block, blockBytes));
    }
    return all.array();
  }

  /** Where in the image the target of a symbolic link begins. */
  long linkPosition(long inode) {
    ByteBuffer bytes = buffer(inodePosition(inode), inodeBytes);
    return (bytes.getInt(32) & FLAG_EXTENTS) == 0
        ? inodePosition(inode) + BLOCK_MAP
        : blocks(inode).getFirst();
  }

  /** The entries of a directory but "." and "..", whether it has an index or not. */
  List<Entry> entries(long directory) {
    List<Entry> entries = new ArrayList<>();
    for (long block : blocks(directory)) {
      ByteBuffer bytes = buffer(block, blockBytes);
      int length;
      for (int at = 0; at < blockBytes; at += length) {
        long inode = bytes.getInt(at) & 0xffffffffL;
        length = bytes.getShort(at + 4) & 0xffff;
        byte[] name = new byte[bytes.get(at + 6) & 0xff];
        bytes.get(at + 8, name);
        boolean isDots = name.length <= 2 && name.length > 0 && name[0] == '.';
        if (inode != 0 && !isDots) {
          entries.add(new Entry(inode, name, block + at + 8));
        }
      }
    }
    return entries;
  }

  @Override
  public void close() {
    try {
      file.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
