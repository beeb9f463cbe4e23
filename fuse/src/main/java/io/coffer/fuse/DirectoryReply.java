package io.coffer.fuse;

import io.coffer.fuse.Filesystem.EntryReply;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** Fills a payload with struct fuse_dirent or fuse_direntplus, each padded to 8 bytes. */
final class DirectoryReply implements Filesystem.DirectorySink {
  private static final int DIRENT_HEAD_BYTES = 24;

  private final MemorySegment payload;
  private final int room;
  private final boolean plus;
  private int used;

  DirectoryReply(MemorySegment payload, int room, boolean plus) {
    this.payload = payload;
    this.room = room;
    this.plus = plus;
  }

  int used() {
    return used;
  }

  @Override
  public boolean add(byte[] name, long inode, int type, long cookie, @Nullable EntryReply entry) {
    int head = (plus ? Reply.ENTRY_BYTES : 0) + DIRENT_HEAD_BYTES;
    int bytes = (head + name.length + 7) & ~7;
    if (bytes > room - used) {
      return false;
    }
    long at = used;
    if (plus) {
      if (entry == null) {
        payload.asSlice(at, Reply.ENTRY_BYTES).fill((byte) 0);
      } else {
        Reply.putEntry(payload, at, entry);
      }
      at += Reply.ENTRY_BYTES;
    }
    payload.set(ValueLayout.JAVA_LONG, at, inode);
    payload.set(ValueLayout.JAVA_LONG, at + 8, cookie);
    payload.set(ValueLayout.JAVA_INT, at + 16, name.length);
    payload.set(ValueLayout.JAVA_INT, at + 20, type >>> 12);
    MemorySegment.copy(
        name, 0, payload, ValueLayout.JAVA_BYTE, at + DIRENT_HEAD_BYTES, name.length);
    long end = at + DIRENT_HEAD_BYTES + name.length;
    used += bytes;
    payload.asSlice(end, used - end).fill((byte) 0);
    return true;
  }
}
