package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Who may do what")
class PosixPermissionsTest extends OnSubject {
  private static final int STRANGER = 65533;

  PosixPermissionsTest(Subject subject) {
    super(subject);
  }

  @BeforeEach
  void rootOnly() {
    Tools.needRoot();
  }

  @Test
  void a_file_belongs_to_whoever_created_it() throws ErrnoException {
    Person nobody = nobody();
    nobody.create(at("file"), 0640);
    nobody.mkdir(at("directory"), 0750);
    nobody.symlink("x", at("link"));
    nobody.mknod(at("fifo"), Person.S_IFIFO | 0600, 0);
    for (String name : new String[] {"file", "directory", "link", "fifo"}) {
      FileStatus status = me.stat(at(name));
      assertEquals(Person.NOBODY, status.uid(), "uid of the new " + name);
      assertEquals(Person.NOBODY, status.gid(), "gid of the new " + name);
    }
    Expect.mode(0640, permissions(me.stat(at("file"))), "mode of the new file");
    Expect.mode(0750, permissions(me.stat(at("directory"))), "mode of the new directory");
    Expect.mode(0600, permissions(me.stat(at("fifo"))), "mode of the new fifo");
  }

  @Test
  void the_umask_is_taken_off_new_modes() throws ErrnoException {
    me.umask(0027);
    me.create(at("f"), 0666);
    me.mkdir(at("d"), 0777);
    me.mknod(at("p"), Person.S_IFIFO | 0666, 0);
    me.umask(0);
    Expect.mode(0640, permissions(me.stat(at("f"))), "mode of a file under umask 027");
    Expect.mode(0750, permissions(me.stat(at("d"))), "mode of a directory under umask 027");
    Expect.mode(0640, permissions(me.stat(at("p"))), "mode of a fifo under umask 027");
  }

  @Test
  void all_permission_bits_are_kept() throws ErrnoException {
    me.create(at("f"), 0600);
    me.mkdir(at("d"), 0700);
    for (int mode = 0; mode <= 07777; mode += 0111 + 01) {
      me.chmod(at("f"), mode);
      Expect.mode(mode, permissions(me.stat(at("f"))), "mode of a file after chmod");
      me.chmod(at("d"), mode | 0700);
      Expect.mode(mode | 0700, permissions(me.stat(at("d"))), "mode of a directory after chmod");
    }
  }

  @Test
  void a_directory_may_be_made_without_any_right() throws ErrnoException {
    me.mkdir(at("d"), 0);
    Expect.mode(0, permissions(me.stat(at("d"))), "mode of the directory");
    Person nobody = nobody();
    nobody.mkdir(at("n"), 0);
    Expect.mode(0, permissions(me.stat(at("n"))), "mode of the ordinary user's directory");
    Expect.errno(Errno.EACCES, "listing it", () -> nobody.open(at("n"), Flags.O_RDONLY));
    nobody.chmod(at("n"), 0700);
    assertEquals(0, nobody.list(at("n")).size(), "entries of the opened directory");
  }

  @Test
  void reading_and_writing_need_their_bits_for_owner_group_and_others() throws ErrnoException {
    record Who(String what, Person person, int shift) {}
    Who[] all = {
      new Who("owner", with(Person.user(Person.NOBODY, 60000)), 6),
      new Who("group", with(Person.user(STRANGER, Person.NOBODY)), 3),
      new Who(
          "member by supplementary group", with(Person.user(STRANGER, 60001, Person.NOBODY)), 3),
      new Who("others", with(Person.user(STRANGER, STRANGER)), 0)
    };
    me.write(at("f"), "text");
    me.lchown(at("f"), Person.NOBODY, Person.NOBODY);
    for (Who who : all) {
      for (int bits = 0; bits < 8; bits++) {
        me.chmod(at("f"), bits << who.shift);
        may((bits & 4) != 0, who.what + " reads with " + bits, open(who.person, Flags.O_RDONLY));
        may((bits & 2) != 0, who.what + " writes with " + bits, open(who.person, Flags.O_WRONLY));
        may((bits & 6) == 6, who.what + " does both with " + bits, open(who.person, Flags.O_RDWR));
        may(
            (bits & 2) != 0,
            who.what + " truncates with " + bits,
            () -> who.person.truncate(at("f"), 4));
        may(
            (bits & 1) != 0,
            who.what + " may execute with " + bits,
            () -> who.person.access(at("f"), Flags.X_OK));
        may(
            (bits & 4) != 0,
            who.what + " access R_OK with " + bits,
            () -> who.person.access(at("f"), Flags.R_OK));
      }
    }
  }

  private Expect.Call open(Person person, int flags) {
    return () -> person.close(person.open(at("f"), flags));
  }

  private static void may(boolean allowed, String what, Expect.Call call) throws ErrnoException {
    if (allowed) {
      try {
        call.run();
      } catch (ErrnoException e) {
        throw new AssertionError(what + " should be allowed", e);
      }
    } else {
      Expect.errno(Errno.EACCES, what, call);
    }
  }

  @Test
  void directories_need_write_to_change_execute_to_pass_and_read_to_list() throws ErrnoException {
    me.mkdir(at("d"), 0700);
    me.create(at("d/f"), 0666);
    me.lchown(at("d"), Person.NOBODY, Person.NOBODY);
    Person nobody = nobody();
    for (int bits = 0; bits < 8; bits++) {
      me.chmod(at("d"), bits << 6);
      may((bits & 4) != 0, "listing with " + bits, () -> nobody.list(at("d")));
      may((bits & 1) != 0, "looking up with " + bits, () -> nobody.stat(at("d/f")));
      may((bits & 1) != 0, "entering with " + bits, () -> nobody.chdir(at("d")));
      boolean change = (bits & 3) == 3;
      may(change, "creating with " + bits, () -> nobody.create(at("d/new"), 0644));
      may(change, "making a directory with " + bits, () -> nobody.mkdir(at("d/sub"), 0755));
      may(change, "linking with " + bits, () -> nobody.symlink("x", at("d/link")));
      if (change) {
        nobody.rename(at("d/new"), at("d/newer"));
        nobody.unlink(at("d/newer"));
        nobody.rmdir(at("d/sub"));
        nobody.unlink(at("d/link"));
      }
      may(change, "renaming with " + bits, () -> nobody.rename(at("d/f"), at("d/g")));
      if (change) {
        nobody.rename(at("d/g"), at("d/f"));
      }
    }
    me.chmod(at("d"), 0500);
    Expect.errno(Errno.EACCES, "unlink in a directory of others", () -> nobody.unlink(at("d/f")));
  }

  @Test
  void only_the_owner_changes_mode_and_times_and_only_root_the_owner() throws ErrnoException {
    me.create(at("f"), 0666);
    me.lchown(at("f"), STRANGER, STRANGER);
    Person nobody = nobody();
    Expect.errno(Errno.EPERM, "chmod by another", () -> nobody.chmod(at("f"), 0600));
    Expect.errno(Errno.EPERM, "chown by another", () -> nobody.lchown(at("f"), Person.NOBODY, -1));
    Expect.errno(
        Errno.EPERM,
        "setting times by another",
        () -> nobody.utimens(at("f"), Times.at(1, 0), Times.at(1, 0)));
    nobody.utimens(at("f"), Times.NOW, Times.NOW);
    me.chmod(at("f"), 0644);
    Expect.errno(
        Errno.EACCES,
        "touching without the right to write",
        () -> nobody.utimens(at("f"), Times.NOW, Times.NOW));
    Person owner = with(Person.user(STRANGER, STRANGER, 60000));
    Expect.errno(Errno.EPERM, "giving a file away", () -> owner.lchown(at("f"), Person.NOBODY, -1));
    owner.lchown(at("f"), -1, 60000);
    assertEquals(60000, me.stat(at("f")).gid(), "gid after the owner's chgrp to a group of his");
    Expect.errno(Errno.EPERM, "chgrp to a group of others", () -> owner.lchown(at("f"), -1, 60001));
  }

  @Test
  void the_sticky_bit_keeps_others_from_removing() throws ErrnoException {
    me.mkdir(at("tmp"), 01777);
    Person owner = with(Person.user(STRANGER, STRANGER));
    Person nobody = nobody();
    owner.create(at("tmp/f"), 0666);
    owner.mkdir(at("tmp/d"), 0777);
    nobody.create(at("tmp/own"), 0644);
    Expect.errnoOf(
        "unlink of another's file", () -> nobody.unlink(at("tmp/f")), Errno.EPERM, Errno.EACCES);
    Expect.errnoOf(
        "rmdir of another's directory", () -> nobody.rmdir(at("tmp/d")), Errno.EPERM, Errno.EACCES);
    Expect.errnoOf(
        "rename of another's file",
        () -> nobody.rename(at("tmp/f"), at("tmp/g")),
        Errno.EPERM,
        Errno.EACCES);
    Expect.errnoOf(
        "rename over another's file",
        () -> nobody.rename(at("tmp/own"), at("tmp/f")),
        Errno.EPERM,
        Errno.EACCES);
    nobody.unlink(at("tmp/own"));
    owner.unlink(at("tmp/f"));
    owner.rmdir(at("tmp/d"));
  }

  @Test
  void a_setgid_directory_hands_its_group_down() throws ErrnoException {
    me.mkdir(at("d"), 0777);
    me.lchown(at("d"), 0, 60000);
    me.chmod(at("d"), 02777);
    Person nobody = nobody();
    nobody.create(at("d/f"), 0644);
    nobody.mkdir(at("d/sub"), 0755);
    nobody.symlink("x", at("d/link"));
    assertEquals(60000, me.stat(at("d/f")).gid(), "group of a file in a setgid directory");
    assertEquals(60000, me.stat(at("d/sub")).gid(), "group of a directory in a setgid directory");
    assertEquals(60000, me.stat(at("d/link")).gid(), "group of a link in a setgid directory");
    Expect.mode(02755, permissions(me.stat(at("d/sub"))), "a subdirectory inherits setgid");
    Expect.mode(0644, permissions(me.stat(at("d/f"))), "a file does not");
  }

  @Test
  void chmod_by_a_stranger_to_the_group_drops_setgid() throws ErrnoException {
    me.create(at("f"), 0755);
    me.lchown(at("f"), Person.NOBODY, 60000);
    Person nobody = nobody();
    nobody.chmod(at("f"), 02755);
    Expect.mode(0755, permissions(me.stat(at("f"))), "setgid set by one who is not of the group");
    Person member = with(Person.user(Person.NOBODY, Person.NOBODY, 60000));
    member.chmod(at("f"), 02755);
    Expect.mode(02755, permissions(me.stat(at("f"))), "setgid set by a member");
  }

  @Test
  void writing_truncating_and_giving_away_clear_setuid_and_setgid() throws ErrnoException {
    Person nobody = nobody();
    me.write(at("f"), "0123456789");
    me.lchown(at("f"), Person.NOBODY, Person.NOBODY);

    nobody.chmod(at("f"), 06777);
    int f = nobody.open(at("f"), Flags.O_WRONLY);
    nobody.pwrite(f, new byte[] {1}, 0);
    nobody.close(f);
    Expect.mode(0777, permissions(me.stat(at("f"))), "after a write by the ordinary user");

    nobody.chmod(at("f"), 06777);
    nobody.truncate(at("f"), 3);
    Expect.mode(0777, permissions(me.stat(at("f"))), "after a truncate by the ordinary user");

    nobody.chmod(at("f"), 06777);
    nobody.close(nobody.open(at("f"), Flags.O_WRONLY | Flags.O_TRUNC));
    Expect.mode(0777, permissions(me.stat(at("f"))), "after O_TRUNC by the ordinary user");

    nobody.chmod(at("f"), 06777);
    me.lchown(at("f"), STRANGER, STRANGER);
    Expect.mode(0777, permissions(me.stat(at("f"))), "after a change of owner");
  }

  @Test
  void an_ordinary_user_makes_no_devices() {
    Person nobody = nobody();
    Expect.errno(
        Errno.EPERM,
        "mknod of a device",
        () -> nobody.mknod(at("n"), Person.S_IFCHR | 0666, 0x103));
  }

  @Test
  void a_file_of_others_may_not_be_linked_without_rights_but_root_may() throws ErrnoException {
    me.create(at("f"), 0600);
    me.link(at("f"), at("g"));
    assertEquals(2, me.stat(at("f")).links(), "links after root's link");
    me.mkdir(at("closed"), 0755);
    me.create(at("closed/f"), 0666);
    Person nobody = nobody();
    Expect.errno(
        Errno.EACCES,
        "link into a closed directory",
        () -> nobody.link(at("closed/f"), at("closed/g")));
    Expect.errno(
        Errno.EACCES,
        "rename into a closed directory",
        () -> {
          nobody.create(at("mine"), 0644);
          nobody.rename(at("mine"), at("closed/mine"));
        });
  }

  @Test
  void a_file_opened_before_its_mode_changed_stays_usable() throws ErrnoException {
    Person nobody = nobody();
    nobody.write(at("f"), "before");
    int f = nobody.open(at("f"), Flags.O_RDWR);
    nobody.chmod(at("f"), 0);
    assertEquals(
        "before", new String(nobody.pread(f, 6, 0), java.nio.charset.StandardCharsets.US_ASCII));
    assertEquals(
        5, nobody.pwrite(f, "after".getBytes(java.nio.charset.StandardCharsets.US_ASCII), 0));
    nobody.ftruncate(f, 5);
    nobody.fsync(f);
    nobody.close(f);
    assertEquals("after", me.read(at("f")), "written through the old descriptor");
  }

  @Test
  void a_new_file_without_rights_can_be_written_by_its_creator() throws ErrnoException {
    Person nobody = nobody();
    int f = nobody.open(at("f"), Flags.O_CREAT | Flags.O_EXCL | Flags.O_RDWR, 0);
    nobody.pwrite(f, "x".repeat(5000).getBytes(java.nio.charset.StandardCharsets.US_ASCII), 0);
    nobody.pwrite(f, "y".getBytes(java.nio.charset.StandardCharsets.US_ASCII), 4999);
    nobody.close(f);
    Expect.errno(Errno.EACCES, "opening it again", () -> nobody.open(at("f"), Flags.O_RDONLY));
    assertEquals("x".repeat(4999) + "y", me.read(at("f")), "its contents");
  }
}
