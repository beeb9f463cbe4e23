package io.coffer.acceptance;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Directory listings as getdents64(2) gives them. */
final class Entries {
  private Entries() {}

  /** struct linux_dirent64. {@code cookie} is where the next entry begins (d_off). */
  record Entry(String name, long inode, int type, long cookie) {}

  static List<Entry> list(Person person, String path) throws ErrnoException {
    int directory = person.open(path, Flags.O_RDONLY | Flags.O_DIRECTORY);
    try {
      List<Entry> all = new ArrayList<>();
      List<Entry> some;
      do {
        some = next(person, directory, 32768);
        all.addAll(some);
      } while (!some.isEmpty());
      return all;
    } finally {
      person.close(directory);
    }
  }

  /** One call's worth; empty at the end. */
  static List<Entry> next(Person person, int directory, int bufferBytes) throws ErrnoException {
    ByteBuffer buffer =
        ByteBuffer.wrap(person.getdents(directory, bufferBytes)).order(ByteOrder.nativeOrder());
    List<Entry> entries = new ArrayList<>();
    while (buffer.hasRemaining()) {
      int start = buffer.position();
      long inode = buffer.getLong();
      long cookie = buffer.getLong();
      int length = buffer.getShort() & 0xffff;
      int type = buffer.get();
      byte[] name = new byte[length - 19];
      buffer.get(name);
      int end = 0;
      while (end < name.length && name[end] != 0) {
        end++;
      }
      entries.add(
          new Entry(new String(name, 0, end, StandardCharsets.ISO_8859_1), inode, type, cookie));
      buffer.position(start + length);
    }
    return entries;
  }
}
