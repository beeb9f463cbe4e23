package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Hard links, symbolic links and files without a name")
class PosixLinksTest extends OnSubject {
  PosixLinksTest(Subject subject) {
    super(subject);
  }

  @Test
  void hard_links_are_one_file() throws ErrnoException {
    me.write(at("a"), "first");
    String[] names = {"b", name(255), "c"};
    for (int i = 0; i < names.length; i++) {
      me.link(at("a"), at(names[i]));
      assertEquals(i + 2, me.stat(at("a")).links(), "links of the first name");
      assertEquals(i + 2, me.stat(at(names[i])).links(), "links of the new name");
      assertEquals(
          me.stat(at("a")).inode(), me.stat(at(names[i])).inode(), "inode of the new name");
    }
    me.write(at("b"), "second text");
    assertEquals("second text", me.read(at("a")), "written through the other name");
    assertEquals(11, me.stat(at("c")).size(), "size seen through a third name");
    me.chmod(at("c"), 0600);
    Expect.mode(0600, permissions(me.stat(at("a"))), "mode through another name");
    me.unlink(at("a"));
    me.unlink(at(name(255)));
    assertEquals(2, me.stat(at("b")).links(), "links after two unlinks");
    assertEquals("second text", me.read(at("c")), "contents after the first name is gone");
  }

  @Test
  void other_kinds_can_be_linked_but_directories_cannot() throws ErrnoException {
    me.symlink("target", at("s"));
    me.link(at("s"), at("s2"));
    assertEquals("target", me.readlink(at("s2")), "target of a linked symbolic link");
    me.mknod(at("p"), Person.S_IFIFO | 0644, 0);
    me.link(at("p"), at("p2"));
    assertEquals(2, me.stat(at("p")).links(), "links of a fifo");
    me.mkdir(at("d"), 0755);
    Expect.errno(Errno.EPERM, "link of a directory", () -> me.link(at("d"), at("d2")));
  }

  @Test
  void a_linked_symbolic_link_moves_and_still_reads() throws ErrnoException {
    me.mkdir(at("d"), 0755);
    me.symlink("t".repeat(300), at("s"));
    me.link(at("s"), at("d/s2"));
    me.unlink(at("s"));
    me.rename(at("d/s2"), at(name(230)));
    assertEquals("t".repeat(300), me.readlink(at(name(230))), "target");
  }

  @Test
  void an_open_file_lives_on_without_a_name() throws ErrnoException {
    int f = me.open(at("f"), Flags.O_CREAT | Flags.O_RDWR, 0644);
    byte[] data = random(100_000, 2);
    me.pwrite(f, data, 0);
    me.unlink(at("f"));
    assertFalse(me.exists(at("f")), "the name");
    assertEquals(0, me.fstat(f).links(), "links of the unlinked file");
    assertArrayEquals(data, me.pread(f, data.length + 1, 0), "contents after unlink");
    me.pwrite(f, data, 100_000);
    me.ftruncate(f, 150_000);
    assertEquals(150_000, me.fstat(f).size(), "size after a write and a truncate");
    me.create(at("f"), 0600);
    assertEquals(0, me.stat(at("f")).size(), "size of a new file of the same name");
    assertEquals(150_000, me.fstat(f).size(), "size of the unlinked file");
    me.fsync(f);
    me.close(f);
    assertEquals(1, me.list(dir).size(), "names left in the directory");
  }

  @Test
  void symbolic_links_of_every_length_up_to_the_limit() throws ErrnoException {
    // A name on the store may have fewer bytes than PATH_MAX when encrypted: gocryptfs's format
    // has room for some 3000 bytes where the store allows 4095.
    int longest = subject.isPlain() ? 4095 : 3000;
    for (int length : new int[] {1, 2, 15, 16, 17, 59, 60, 61, 255, 256, 1000, 2000, longest}) {
      String target = "x".repeat(length);
      String link = at("l" + length);
      me.symlink(target, link);
      assertEquals(target, me.readlink(link), "target of " + length + " bytes");
      assertEquals(length, me.stat(link).size(), "size of a link of " + length + " bytes");
      assertTrue(me.stat(link).isSymlink(), "type");
    }
    Expect.errno(
        Errno.ENAMETOOLONG,
        "a target of 4096 bytes",
        () -> me.symlink("x".repeat(4096), at("toolong")));
    Expect.errno(Errno.ENOENT, "an empty target", () -> me.symlink("", at("empty")));
  }

  @Test
  void a_target_of_4095_bytes_is_kept_or_refused_as_too_long() throws ErrnoException {
    String target = "y".repeat(4095);
    try {
      me.symlink(target, at("l"));
    } catch (ErrnoException e) {
      assertFalse(subject.isPlain(), "a plain directory has room for 4095 bytes");
      assertEquals(Errno.ENAMETOOLONG, e.errno(), "the refusal");
      assertFalse(me.exists(at("l")), "a refused link leaves no name");
      return;
    }
    assertEquals(target, me.readlink(at("l")), "target of 4095 bytes");
  }

  @Test
  void symbolic_links_are_followed_where_they_should_be() throws ErrnoException {
    me.mkdir(at("d"), 0755);
    me.write(at("d/f"), "text");
    me.symlink("d", at("to-d"));
    me.symlink(at("d/f"), at("absolute"));
    me.symlink("../d/f", at("d/up"));
    me.symlink("nowhere", at("dangling"));
    assertEquals("text", me.read(at("to-d/f")), "through a link to a directory");
    assertEquals("text", me.read(at("absolute")), "through an absolute link");
    assertEquals("text", me.read(at("to-d/up")), "through a relative link upwards");
    Expect.errno(
        Errno.ENOENT, "open of a dangling link", () -> me.open(at("dangling"), Flags.O_RDONLY));
    me.write(at("dangling"), "made");
    assertEquals("made", me.read(at("nowhere")), "O_CREAT through a dangling link");
    me.unlink(at("to-d"));
    assertEquals("text", me.read(at("d/f")), "unlink takes the link, not its target");
    assertEquals(FileStatus.TYPE_SYMLINK, me.stat(at("absolute")).type(), "lstat shows the link");
  }

  @Test
  void directories_count_their_subdirectories() throws ErrnoException {
    me.mkdir(at("d"), 0755);
    long empty = me.stat(at("d")).links();
    for (int i = 0; i < 5; i++) {
      me.mkdir(at("d/s" + i), 0755);
      me.create(at("d/f" + i), 0644);
    }
    long full = me.stat(at("d")).links();
    assertTrue(
        (empty == 2 && full == 7) || (empty == 1 && full == 1),
        "links of a directory without and with five subdirectories: " + empty + ", " + full);
  }

  @Test
  void a_file_made_without_a_name_can_be_given_one() throws ErrnoException {
    Tools.needRoot();
    byte[] data = random(20_000, 3);
    int f;
    try {
      f = me.open(dir, Flags.O_TMPFILE | Flags.O_RDWR, 0640);
    } catch (ErrnoException e) {
      assertEquals(Subject.GOCRYPTFS, subject, "O_TMPFILE should work, but: " + e.getMessage());
      Tools.skip("gocryptfs has no O_TMPFILE");
      return;
    }
    me.pwrite(f, data, 0);
    assertEquals(0, me.list(dir).size(), "names before linkat");
    assertEquals(0, me.fstat(f).links(), "links before linkat");
    me.linkDescriptor(f, at("named"));
    me.close(f);
    assertEquals(1, me.stat(at("named")).links(), "links after linkat");
    Expect.mode(0640, permissions(me.stat(at("named"))), "mode");
    int again = me.open(at("named"), Flags.O_RDONLY);
    assertArrayEquals(data, me.pread(again, data.length + 1, 0), "contents");
    me.close(again);
  }

  @Test
  void a_file_made_without_a_name_vanishes_at_its_close() throws ErrnoException {
    if (subject == Subject.GOCRYPTFS) {
      Tools.skip("gocryptfs has no O_TMPFILE");
    }
    int f = me.open(dir, Flags.O_TMPFILE | Flags.O_RDWR | Flags.O_EXCL, 0600);
    me.pwrite(f, random(5000, 4), 0);
    assertEquals(5000, me.fstat(f).size(), "size");
    Expect.errno(Errno.ENOENT, "linkat of an O_EXCL file", () -> me.linkDescriptor(f, at("n")));
    me.close(f);
    assertEquals(0, me.list(dir).size(), "names left");
  }
}
