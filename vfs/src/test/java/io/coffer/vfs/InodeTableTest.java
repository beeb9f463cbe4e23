package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.FileStatus;
import io.coffer.posix.Timestamp;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("The table of inodes")
class InodeTableTest {
  private static FileStatus status(long number, int type) {
    Timestamp time = new Timestamp(1, 0);
    return new FileStatus(1, number, type | 0700, 1, 0, 0, 0, 0, 0, 4096, time, time, time, time);
  }

  private static byte[] name(int number) {
    return ("name" + number).getBytes(StandardCharsets.US_ASCII);
  }

  private static boolean isKnown(Inode inode, byte[] name) {
    for (Inode.Location each = inode.location; each != null; each = each.next()) {
      if (Arrays.equals(each.name(), name)) {
        return true;
      }
    }
    return false;
  }

  /** Other nodes rename a file: every name under which it was seen piles up. */
  @Test
  void keeps_the_name_last_seen_however_many_older_ones_it_knows() {
    var table = new InodeTable(status(1, FileStatus.TYPE_DIRECTORY), _ -> {});
    FileStatus file = status(2, FileStatus.TYPE_REGULAR);
    for (int i = 0; i < 100; i++) {
      long before = table.moves();
      if (i % 2 == 1) {
        // A rename by this node meanwhile: what is seen may be outdated, and is tried last.
        table.unnamed(table.root(), table.root(), name(-1));
      }
      Inode inode = table.learn(file, table.root(), name(i), before);
      assertTrue(isKnown(inode, name(i)), "name" + i);
    }
  }

  @Test
  void knows_what_was_just_removed_until_anything_else_is_learned() {
    var table = new InodeTable(status(1, FileStatus.TYPE_DIRECTORY), _ -> {});
    FileStatus file = status(2, FileStatus.TYPE_REGULAR);
    Inode inode = table.learn(file, table.root(), name(0), table.moves());
    Inode other =
        table.learn(status(3, FileStatus.TYPE_REGULAR), table.root(), name(1), table.moves());
    table.removed(table.root(), name(0), table.events());
    assertTrue(table.isRemoved(inode));
    assertFalse(table.isRemoved(other), "another name");
    table.learn(status(4, FileStatus.TYPE_REGULAR), table.root(), name(2), table.moves());
    assertFalse(table.isRemoved(inode), "the name may have been given away again");

    table.removed(table.root(), name(0), table.events());
    table.named(inode, table.root(), name(3));
    assertFalse(table.isRemoved(inode), "it has another name");
    table.removed(table.root(), name(3), table.events());
    assertFalse(table.isRemoved(inode), "it has another name still");

    table.unnamed(inode, table.root(), name(3));
    long before = table.events();
    table.learn(file, table.root(), name(0), table.moves());
    table.removed(table.root(), name(0), before);
    assertFalse(table.isRemoved(inode), "somebody saw it while the name was removed, or after");
  }
}
