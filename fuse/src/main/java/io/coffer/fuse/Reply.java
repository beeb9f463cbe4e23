package io.coffer.fuse;

import io.coffer.fuse.Filesystem.EntryReply;
import io.coffer.fuse.Filesystem.OpenReply;
import io.coffer.fuse.Filesystem.StatusReply;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Linux;
import io.coffer.posix.Timestamp;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Lays out answers in native memory, as the structures of fuse.h say. */
final class Reply {
  /** struct fuse_out_header. */
  static final int HEADER_BYTES = 16;

  static final int ENTRY_BYTES = 128;
  static final int OPEN_BYTES = 16;
  static final int ATTR_OUT_BYTES = 104;
  static final int STATX_OUT_BYTES = 288;
  static final int STATFS_BYTES = 80;

  private static final int STATX_BASIC_STATS = 0x7ff;
  private static final int STATX_BTIME = 0x800;

  private Reply() {}

  static void putHeader(MemorySegment b, long length, int error, long unique) {
    b.set(ValueLayout.JAVA_INT, 0, (int) length);
    b.set(ValueLayout.JAVA_INT, 4, error);
    b.set(ValueLayout.JAVA_LONG, 8, unique);
  }

  private static void putValidity(MemorySegment b, long seconds, long nanosAt, long nanos) {
    b.set(ValueLayout.JAVA_LONG, seconds, nanos / 1_000_000_000L);
    b.set(ValueLayout.JAVA_INT, nanosAt, (int) (nanos % 1_000_000_000L));
  }

  /** struct fuse_entry_out. */
  static void putEntry(MemorySegment b, long at, EntryReply entry) {
    b.set(ValueLayout.JAVA_LONG_UNALIGNED, at, entry.id());
    b.set(ValueLayout.JAVA_LONG, at + 8, entry.generation());
    putValidity(b, at + 16, at + 32, entry.entryNanos());
    putValidity(b, at + 24, at + 36, entry.attributeNanos());
    FileStatus status = entry.status();
    if (status == null) {
      b.asSlice(at + 40, ENTRY_BYTES - 40).fill((byte) 0);
    } else {
      putAttributes(b, at + 40, status);
    }
  }

  /** struct fuse_attr. */
  private static void putAttributes(MemorySegment b, long at, FileStatus s) {
    b.set(ValueLayout.JAVA_LONG, at, s.inode());
    b.set(ValueLayout.JAVA_LONG, at + 8, s.size());
    b.set(ValueLayout.JAVA_LONG, at + 16, s.blocks());
    b.set(ValueLayout.JAVA_LONG, at + 24, s.accessed().seconds());
    b.set(ValueLayout.JAVA_LONG, at + 32, s.modified().seconds());
    b.set(ValueLayout.JAVA_LONG, at + 40, s.changed().seconds());
    b.set(ValueLayout.JAVA_INT, at + 48, s.accessed().nanos());
    b.set(ValueLayout.JAVA_INT, at + 52, s.modified().nanos());
    b.set(ValueLayout.JAVA_INT, at + 56, s.changed().nanos());
    b.set(ValueLayout.JAVA_INT, at + 60, s.mode());
    b.set(ValueLayout.JAVA_INT, at + 64, (int) s.links());
    b.set(ValueLayout.JAVA_INT, at + 68, s.uid());
    b.set(ValueLayout.JAVA_INT, at + 72, s.gid());
    b.set(ValueLayout.JAVA_INT, at + 76, encodeDevice(s.specialDevice()));
    b.set(ValueLayout.JAVA_INT, at + 80, s.blockBytes());
    b.set(ValueLayout.JAVA_INT, at + 84, 0);
  }

  /** The kernel's new_encode_dev(): 12 bits of major between 8 and 12 bits of minor. */
  private static int encodeDevice(long device) {
    int major = Linux.deviceMajor(device);
    int minor = Linux.deviceMinor(device);
    return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
  }

  /** The kernel's new_decode_dev(), as glibc's dev_t. */
  static long decodeDevice(int encoded) {
    return Linux.device((encoded & 0xfff00) >>> 8, (encoded & 0xff) | ((encoded >>> 12) & 0xfff00));
  }

  /** struct fuse_attr_out. */
  static void putStatus(MemorySegment b, long at, StatusReply reply) {
    putValidity(b, at, at + 8, reply.attributeNanos());
    b.set(ValueLayout.JAVA_INT, at + 12, 0);
    putAttributes(b, at + 16, reply.status());
  }

  /** struct fuse_statx_out. */
  static void putExtendedStatus(MemorySegment b, long at, StatusReply reply) {
    b.asSlice(at, STATX_OUT_BYTES).fill((byte) 0);
    putValidity(b, at, at + 8, reply.attributeNanos());
    long x = at + 32;
    FileStatus s = reply.status();
    Timestamp born = s.born();
    b.set(ValueLayout.JAVA_INT, x, STATX_BASIC_STATS | (born == null ? 0 : STATX_BTIME));
    b.set(ValueLayout.JAVA_INT, x + 4, s.blockBytes());
    b.set(ValueLayout.JAVA_INT, x + 16, (int) s.links());
    b.set(ValueLayout.JAVA_INT, x + 20, s.uid());
    b.set(ValueLayout.JAVA_INT, x + 24, s.gid());
    b.set(ValueLayout.JAVA_SHORT, x + 28, (short) s.mode());
    b.set(ValueLayout.JAVA_LONG, x + 32, s.inode());
    b.set(ValueLayout.JAVA_LONG, x + 40, s.size());
    b.set(ValueLayout.JAVA_LONG, x + 48, s.blocks());
    putTime(b, x + 64, s.accessed());
    if (born != null) {
      putTime(b, x + 80, born);
    }
    putTime(b, x + 96, s.changed());
    putTime(b, x + 112, s.modified());
    b.set(ValueLayout.JAVA_INT, x + 128, Linux.deviceMajor(s.specialDevice()));
    b.set(ValueLayout.JAVA_INT, x + 132, Linux.deviceMinor(s.specialDevice()));
    b.set(ValueLayout.JAVA_INT, x + 136, Linux.deviceMajor(s.device()));
    b.set(ValueLayout.JAVA_INT, x + 140, Linux.deviceMinor(s.device()));
  }

  private static void putTime(MemorySegment b, long at, Timestamp time) {
    b.set(ValueLayout.JAVA_LONG, at, time.seconds());
    b.set(ValueLayout.JAVA_INT, at + 8, time.nanos());
  }

  /** struct fuse_open_out. */
  static void putOpen(MemorySegment b, long at, OpenReply open) {
    b.set(ValueLayout.JAVA_LONG, at, open.handle());
    b.set(ValueLayout.JAVA_INT, at + 8, open.flags());
    b.set(ValueLayout.JAVA_INT, at + 12, 0);
  }

  /** struct fuse_kstatfs. */
  static void putFilesystemStatus(MemorySegment b, long at, FilesystemStatus s) {
    b.asSlice(at, STATFS_BYTES).fill((byte) 0);
    b.set(ValueLayout.JAVA_LONG, at, s.blocks());
    b.set(ValueLayout.JAVA_LONG, at + 8, s.freeBlocks());
    b.set(ValueLayout.JAVA_LONG, at + 16, s.availableBlocks());
    b.set(ValueLayout.JAVA_LONG, at + 24, s.files());
    b.set(ValueLayout.JAVA_LONG, at + 32, s.freeFiles());
    b.set(ValueLayout.JAVA_INT, at + 40, (int) s.blockBytes());
    b.set(ValueLayout.JAVA_INT, at + 44, (int) s.nameBytes());
    b.set(ValueLayout.JAVA_INT, at + 48, (int) s.fragmentBytes());
  }
}
