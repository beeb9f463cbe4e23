package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Renaming")
class PosixRenameTest extends OnSubject {
  private static final List<String> KINDS =
      List.of("none", "file", "directory", "full directory", "link", "fifo");

  PosixRenameTest(Subject subject) {
    super(subject);
  }

  private void make(String kind, String name) throws ErrnoException {
    switch (kind) {
      case "none" -> {}
      case "file" -> me.write(at(name), kind);
      case "directory" -> me.mkdir(at(name), 0755);
      case "full directory" -> {
        me.mkdir(at(name), 0755);
        me.create(at(name + "/inhabitant"), 0644);
      }
      case "link" -> me.symlink("somewhere", at(name));
      case "fifo" -> me.mknod(at(name), Person.S_IFIFO | 0644, 0);
      default -> throw new IllegalArgumentException(kind);
    }
  }

  private static boolean isDirectory(String kind) {
    return kind.endsWith("directory");
  }

  /** What rename(2) must answer: 0 or an errno. */
  private static int[] expected(String from, String to) {
    if (from.equals("none")) {
      return new int[] {Errno.ENOENT};
    }
    if (to.equals("none") || (!isDirectory(from) && !isDirectory(to))) {
      return new int[] {0};
    }
    if (isDirectory(from) && !isDirectory(to)) {
      return new int[] {Errno.ENOTDIR};
    }
    if (!isDirectory(from)) {
      return new int[] {Errno.EISDIR};
    }
    return to.equals("directory") ? new int[] {0} : new int[] {Errno.ENOTEMPTY, Errno.EEXIST};
  }

  @Test
  void every_kind_onto_every_kind() throws ErrnoException {
    int round = 0;
    // Names of all lengths: short ones, and ones whose ciphertext is too long for a name.
    for (String[] names : new String[][] {{"a", "b"}, {"a", name(200)}, {name(255), "b"}}) {
      for (String from : KINDS) {
        for (String to : KINDS) {
          String d = "r" + round++;
          me.mkdir(at(d), 0755);
          String a = d + "/" + names[0];
          String b = d + "/" + names[1];
          make(from, a);
          make(to, b);
          String what = "renaming " + from + " onto " + to;
          int[] expected = expected(from, to);
          if (expected[0] != 0) {
            Expect.errnoOf(what, () -> me.rename(at(a), at(b)), expected);
            assertEquals(!from.equals("none"), me.exists(at(a)), what + " must leave the source");
            assertEquals(!to.equals("none"), me.exists(at(b)), what + " must leave the target");
          } else {
            long inode = me.stat(at(a)).inode();
            try {
              me.rename(at(a), at(b));
            } catch (ErrnoException e) {
              throw new AssertionError(what + " should work", e);
            }
            assertFalse(me.exists(at(a)), what + " takes the old name away");
            assertEquals(inode, me.stat(at(b)).inode(), what + " keeps the inode number");
            assertEquals(List.of(names[1]), me.list(at(d)), what + ": the directory after it");
          }
        }
      }
    }
  }

  @Test
  void noreplace_refuses_every_existing_target() throws ErrnoException {
    for (String to : KINDS) {
      for (String from : List.of("file", "directory")) {
        String d = from + " " + to;
        me.mkdir(at(d), 0755);
        make(from, d + "/a");
        make(to, d + "/b");
        if (to.equals("none")) {
          me.rename(at(d + "/a"), at(d + "/b"), Flags.RENAME_NOREPLACE);
          assertTrue(me.exists(at(d + "/b")), "NOREPLACE to a free name");
        } else {
          Expect.errno(
              Errno.EEXIST,
              "NOREPLACE of a " + from + " onto a " + to,
              () -> me.rename(at(d + "/a"), at(d + "/b"), Flags.RENAME_NOREPLACE));
        }
      }
    }
  }

  @Test
  void exchange_swaps_any_two_kinds() throws ErrnoException {
    int round = 0;
    for (String b : new String[] {"b", name(240)}) {
      for (String from : KINDS) {
        for (String to : KINDS) {
          String d = "x" + round++;
          me.mkdir(at(d), 0755);
          String one = at(d + "/a");
          String two = at(d + "/" + b);
          make(from, d + "/a");
          make(to, d + "/" + b);
          String what = "exchange of " + from + " and " + to;
          if (from.equals("none") || to.equals("none")) {
            Expect.errno(Errno.ENOENT, what, () -> me.rename(one, two, Flags.RENAME_EXCHANGE));
            continue;
          }
          FileStatus first = me.stat(one);
          FileStatus second = me.stat(two);
          me.rename(one, two, Flags.RENAME_EXCHANGE);
          assertEquals(second.inode(), me.stat(one).inode(), what + ": first name");
          assertEquals(first.inode(), me.stat(two).inode(), what + ": second name");
          assertEquals(first.mode(), me.stat(two).mode(), what + ": mode behind second name");
          assertEquals(2, me.list(at(d)).size(), what + ": names in the directory");
        }
      }
    }
  }

  @Test
  void whiteout_leaves_a_device_behind_where_it_is_supported() throws ErrnoException {
    Tools.needRoot();
    me.create(at("a"), 0644);
    try {
      me.rename(at("a"), at("b"), Flags.RENAME_WHITEOUT);
    } catch (ErrnoException e) {
      assertEquals(Errno.EINVAL, e.errno(), "the only refusal of RENAME_WHITEOUT");
      assertTrue(me.exists(at("a")) && !me.exists(at("b")), "a refused rename changes nothing");
      return;
    }
    assertEquals(
        FileStatus.TYPE_CHARACTER_DEVICE, me.stat(at("a")).type(), "what a whiteout leaves");
    assertTrue(me.stat(at("b")).isRegular(), "the renamed file");
  }

  @Test
  void between_two_names_of_one_file_nothing_happens() throws ErrnoException {
    me.create(at("a"), 0644);
    me.link(at("a"), at("b"));
    me.rename(at("a"), at("b"));
    assertTrue(me.exists(at("a")) && me.exists(at("b")), "both names should stay");
    assertEquals(2, me.stat(at("a")).links(), "links");
  }

  @Test
  void a_directory_that_moves_takes_its_tree_along() throws ErrnoException {
    me.mkdir(at("a"), 0755);
    me.mkdir(at("a/b"), 0755);
    me.mkdir(at("c"), 0755);
    me.write(at("a/b/" + name(255)), "deep");
    int file = me.open(at("a/b/" + name(255)), Flags.O_RDWR);
    int directory = me.open(at("a/b"), Flags.O_RDONLY | Flags.O_DIRECTORY);
    me.rename(at("a"), at("c/" + name(250)));
    String moved = at("c/" + name(250) + "/b/" + name(255));
    assertEquals("deep", me.read(moved), "contents at the new place");
    me.pwrite(file, new byte[] {'D'}, 0);
    me.close(me.openAt(directory, "sibling", Flags.O_CREAT | Flags.O_WRONLY, 0644));
    me.close(file);
    me.close(directory);
    assertEquals("Deep", me.read(moved), "written through the old descriptor");
    assertTrue(me.exists(at("c/" + name(250) + "/b/sibling")), "made through the old directory");
    long parent = me.stat(at("c/" + name(250) + "/..")).inode();
    assertEquals(me.stat(at("c")).inode(), parent, "inode number of ..");
  }

  @Test
  void moving_a_directory_moves_a_link_count() throws ErrnoException {
    me.mkdir(at("a"), 0755);
    me.mkdir(at("b"), 0755);
    me.mkdir(at("a/d"), 0755);
    me.rename(at("a/d"), at("b/d"));
    long expectedA = me.stat(at("a")).links();
    assertTrue(expectedA == 2 || expectedA == 1, "links of the emptied directory: " + expectedA);
    long b = me.stat(at("b")).links();
    assertTrue(b == 3 || b == 1, "links of the directory with one subdirectory: " + b);
  }

  @Test
  void replacing_a_file_keeps_it_alive_for_its_readers() throws ErrnoException {
    me.write(at("old"), "old text");
    me.write(at("new"), "new text");
    int reader = me.open(at("old"), Flags.O_RDONLY);
    me.rename(at("new"), at("old"));
    assertEquals(
        "old text",
        new String(me.pread(reader, 100, 0), java.nio.charset.StandardCharsets.US_ASCII),
        "through the descriptor of the replaced file");
    assertEquals(0, me.fstat(reader).links(), "links of the replaced file");
    me.close(reader);
    assertEquals("new text", me.read(at("old")), "by name");
  }

  @Test
  void an_ancestor_cannot_be_replaced_by_what_is_in_it() throws ErrnoException {
    me.mkdir(at("a"), 0755);
    me.mkdir(at("a/b"), 0755);
    me.mkdir(at("a/b/c"), 0755);
    Expect.errno(Errno.EINVAL, "rename a a/b/c/d", () -> me.rename(at("a"), at("a/b/c/d")));
    Expect.errnoOf(
        "rename a/b/c a", () -> me.rename(at("a/b/c"), at("a")), Errno.ENOTEMPTY, Errno.EEXIST);
    Expect.errnoOf(
        "exchange a and a/b",
        () -> me.rename(at("a"), at("a/b"), Flags.RENAME_EXCHANGE),
        Errno.EINVAL);
  }
}
