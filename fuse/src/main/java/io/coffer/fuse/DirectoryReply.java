package io.coffer.fuse;

import io.coffer.fuse.Filesystem.EntryReply;
import io.coffer.posix.Words;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** Fills a payload with struct fuse_dirent or fuse_direntplus, each padded to 8 bytes. */
final class DirectoryReply implements Filesystem.DirectorySink {
  private static final int DIRENT_HEAD_BYTES = 24;

  private final MemorySegment payload;
  private final int room;
  private final boolean plus;
  private final Words words;
  private int used;

  DirectoryReply(MemorySegment payload, Words words, int room, boolean plus) {
    this.payload = payload;
    this.words = words;
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
    int at = 0;
    if (plus) {
      if (entry == null) {
        words.clear(0, Reply.ENTRY_BYTES);
      } else {
        Reply.putEntry(words, 0, entry);
      }
      at = Reply.ENTRY_BYTES;
    }
    words.put64(at, inode);
    words.put64(at + 8, cookie);
    words.put32(at + 16, name.length);
    words.put32(at + 20, type >>> 12);
    words.copyTo(payload, used, head);
    payload.set(ValueLayout.JAVA_LONG, (long) used + bytes - 8, 0); // the padding behind the name
    MemorySegment.copy(name, 0, payload, ValueLayout.JAVA_BYTE, (long) used + head, name.length);
    used += bytes;
    return true;
  }
}
