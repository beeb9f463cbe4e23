package io.coffer.fuse;

import io.coffer.fuse.Filesystem.EntryReply;
import io.coffer.fuse.Filesystem.OpenReply;
import io.coffer.fuse.Filesystem.StatusReply;
import io.coffer.posix.FileStatus;
import io.coffer.posix.FilesystemStatus;
import io.coffer.posix.Linux;
import io.coffer.posix.Timestamp;
import io.coffer.posix.Words;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Lays out answers as the structures of fuse.h say. */
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

  static void putHeader(Words b, int length, int error, long unique) {
    b.put32(0, length);
    b.put32(4, error);
    b.put64(8, unique);
  }

  private static void putValidity(Words b, int seconds, int nanosAt, long nanos) {
    b.put64(seconds, nanos / 1_000_000_000L);
    b.put32(nanosAt, (int) (nanos % 1_000_000_000L));
  }

  /** struct fuse_entry_out. */
  static void putEntry(Words b, int at, EntryReply entry) {
    b.put64(at, entry.id());
    b.put64(at + 8, entry.generation());
    putValidity(b, at + 16, at + 32, entry.entryNanos());
    putValidity(b, at + 24, at + 36, entry.attributeNanos());
    FileStatus status = entry.status();
    if (status == null) {
      b.clear(at + 40, at + ENTRY_BYTES);
    } else {
      putAttributes(b, at + 40, status);
    }
  }

  /** struct fuse_attr. */
  private static void putAttributes(Words b, int at, FileStatus s) {
    b.put64(at, s.inode());
    b.put64(at + 8, s.size());
    b.put64(at + 16, s.blocks());
    b.put64(at + 24, s.accessed().seconds());
    b.put64(at + 32, s.modified().seconds());
    b.put64(at + 40, s.changed().seconds());
    b.put32(at + 48, s.accessed().nanos());
    b.put32(at + 52, s.modified().nanos());
    b.put32(at + 56, s.changed().nanos());
    b.put32(at + 60, s.mode());
    b.put32(at + 64, (int) s.links());
    b.put32(at + 68, s.uid());
    b.put32(at + 72, s.gid());
    b.put32(at + 76, encodeDevice(s.specialDevice()));
    b.put32(at + 80, s.blockBytes());
    b.put32(at + 84, 0);
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
  static void putStatus(Words b, int at, StatusReply reply) {
    putValidity(b, at, at + 8, reply.attributeNanos());
    b.put32(at + 12, 0);
    putAttributes(b, at + 16, reply.status());
  }

  /** struct fuse_statx_out. */
  static void putExtendedStatus(Words b, int at, StatusReply reply) {
    b.clear(at, at + STATX_OUT_BYTES);
    putValidity(b, at, at + 8, reply.attributeNanos());
    int x = at + 32;
    FileStatus s = reply.status();
    Timestamp born = s.born();
    b.put32(x, STATX_BASIC_STATS | (born == null ? 0 : STATX_BTIME));
    b.put32(x + 4, s.blockBytes());
    b.put32(x + 16, (int) s.links());
    b.put32(x + 20, s.uid());
    b.put32(x + 24, s.gid());
    b.put16(x + 28, s.mode());
    b.put64(x + 32, s.inode());
    b.put64(x + 40, s.size());
    b.put64(x + 48, s.blocks());
    putTime(b, x + 64, s.accessed());
    if (born != null) {
      putTime(b, x + 80, born);
    }
    putTime(b, x + 96, s.changed());
    putTime(b, x + 112, s.modified());
    b.put32(x + 128, Linux.deviceMajor(s.specialDevice()));
    b.put32(x + 132, Linux.deviceMinor(s.specialDevice()));
    b.put32(x + 136, Linux.deviceMajor(s.device()));
    b.put32(x + 140, Linux.deviceMinor(s.device()));
  }

  private static void putTime(Words b, int at, Timestamp time) {
    b.put64(at, time.seconds());
    b.put32(at + 8, time.nanos());
  }

  /** struct fuse_open_out. */
  static void putOpen(Words b, int at, OpenReply open) {
    b.put64(at, open.handle());
    b.put32(at + 8, open.flags());
    b.put32(at + 12, 0);
  }

  /** struct fuse_kstatfs. */
  static void putFilesystemStatus(Words b, int at, FilesystemStatus s) {
    b.clear(at, at + STATFS_BYTES);
    b.put64(at, s.blocks());
    b.put64(at + 8, s.freeBlocks());
    b.put64(at + 16, s.availableBlocks());
    b.put64(at + 24, s.files());
    b.put64(at + 32, s.freeFiles());
    b.put32(at + 40, (int) s.blockBytes());
    b.put32(at + 44, (int) s.nameBytes());
    b.put32(at + 48, (int) s.fragmentBytes());
  }
}
