package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Timestamp;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Times of files")
class PosixTimesTest extends OnSubject {
  PosixTimesTest(Subject subject) {
    super(subject);
  }

  /** Times that must move (after the step) or stay. */
  private record Step(String what, String changed, String modified, Expect.Call call) {}

  private Step step(String what, String changed, String modified, Expect.Call call) {
    return new Step(what, changed, modified, call);
  }

  @Test
  void every_operation_moves_exactly_its_times() throws ErrnoException {
    me.mkdir(at("d"), 0755);
    me.mkdir(at("e"), 0755);
    me.write(at("d/f"), "0123456789");
    me.write(at("d/other"), "0");
    int f = me.open(at("d/f"), Flags.O_RDWR);
    Step[] steps = {
      step("write", "d/f", "d/f", () -> me.pwrite(f, new byte[] {1}, 0)),
      step("ftruncate", "d/f", "d/f", () -> me.ftruncate(f, 5)),
      step("truncate", "d/f", "d/f", () -> me.truncate(at("d/f"), 7)),
      step(
          "open O_TRUNC",
          "d/f",
          "d/f",
          () -> me.close(me.open(at("d/f"), Flags.O_WRONLY | Flags.O_TRUNC))),
      step("chmod", "d/f", "", () -> me.chmod(at("d/f"), 0600)),
      step("chown", "d/f", "", () -> me.lchown(at("d/f"), me.uid(), me.gid())),
      step("link", "d/f d", "d", () -> me.link(at("d/f"), at("d/g"))),
      step("unlink of a link", "d/f d", "d", () -> me.unlink(at("d/g"))),
      step("rename within", "d", "d", () -> me.rename(at("d/other"), at("d/other2"))),
      step("rename back", "d", "d", () -> me.rename(at("d/other2"), at("d/other"))),
      step("rename away", "d e", "d e", () -> me.rename(at("d/other"), at("e/other"))),
      step("setxattr", "d/f", "", () -> me.setXattr(at("d/f"), "user.x", new byte[1], 0)),
      step("removexattr", "d/f", "", () -> me.removeXattr(at("d/f"), "user.x")),
      step("create", "d", "d", () -> me.create(at("d/new"), 0644)),
      step("mkdir", "d", "d", () -> me.mkdir(at("d/sub"), 0755)),
      step("rmdir", "d", "d", () -> me.rmdir(at("d/sub"))),
      step("symlink", "d", "d", () -> me.symlink("x", at("d/s"))),
      step("mkfifo", "d", "d", () -> me.mknod(at("d/p"), Person.S_IFIFO | 0644, 0)),
    };
    for (Step step : steps) {
      Mounted.sleep(15);
      String[] names = {"d/f", "d", "e"};
      FileStatus[] before = statuses(names);
      step.call.run();
      FileStatus[] after = statuses(names);
      for (int i = 0; i < names.length; i++) {
        moved(
            step.what + ": ctime of " + names[i],
            step.changed,
            names[i],
            before[i].changed(),
            after[i].changed());
        moved(
            step.what + ": mtime of " + names[i],
            step.modified,
            names[i],
            before[i].modified(),
            after[i].modified());
      }
    }
    me.close(f);
  }

  private FileStatus[] statuses(String[] names) throws ErrnoException {
    FileStatus[] all = new FileStatus[names.length];
    for (int i = 0; i < names.length; i++) {
      all[i] = me.stat(at(names[i]));
    }
    return all;
  }

  private static void moved(
      String what, String names, String name, Timestamp before, Timestamp after) {
    boolean should = (" " + names + " ").contains(" " + name + " ");
    if (should) {
      assertTrue(Times.nanos(after) > Times.nanos(before), what + " should move from " + before);
    } else {
      assertEquals(before, after, what + " should stay");
    }
  }

  @Test
  void a_write_of_nothing_and_a_failed_call_move_nothing() throws ErrnoException {
    me.write(at("f"), "text");
    FileStatus before = me.stat(at("f"));
    Mounted.sleep(15);
    int f = me.open(at("f"), Flags.O_RDWR);
    me.pwrite(f, new byte[0], 0);
    me.close(f);
    assertEquals(before.modified(), me.stat(at("f")).modified(), "mtime after a write of 0 bytes");
  }

  @Test
  void reading_moves_the_access_time_or_nothing() throws ErrnoException {
    me.write(at("f"), "text");
    FileStatus before = me.stat(at("f"));
    me.utimens(at("f"), Times.at(1_000_000_000, 0), Times.OMIT);
    me.read(at("f"));
    FileStatus after = me.stat(at("f"));
    assertEquals(before.modified(), after.modified(), "mtime after a read");
    assertTrue(
        after.accessed().seconds() == 1_000_000_000
            || Times.nanos(after.accessed()) > Times.nanos(before.accessed()),
        "atime after a read should be the old or the present, but is " + after.accessed());
  }

  @Test
  void times_are_set_to_the_nanosecond_also_before_1970() throws ErrnoException {
    me.create(at("f"), 0644);
    me.mkdir(at("d"), 0755);
    me.symlink("f", at("l"));
    Timestamp[] points = {
      Times.at(0, 0),
      Times.at(1, 999_999_999),
      Times.at(1_700_000_000, 123_456_789),
      Times.at(-1, 500_000_000),
      Times.at(-1_000_000_000, 1),
      Times.at(4_000_000_000L, 7)
    };
    for (String name : new String[] {"f", "d", "l"}) {
      for (Timestamp accessed : points) {
        for (Timestamp modified : points) {
          me.utimens(at(name), accessed, modified);
          FileStatus status = me.stat(at(name));
          assertEquals(accessed, status.accessed(), "atime of " + name);
          assertEquals(modified, status.modified(), "mtime of " + name);
        }
      }
    }
  }

  @Test
  void a_time_can_be_now_or_left_alone() throws ErrnoException {
    me.create(at("f"), 0644);
    me.utimens(at("f"), Times.at(100, 1), Times.at(200, 2));
    me.utimens(at("f"), Times.OMIT, Times.at(300, 3));
    assertEquals(Times.at(100, 1), me.stat(at("f")).accessed(), "omitted atime");
    assertEquals(Times.at(300, 3), me.stat(at("f")).modified(), "set mtime");
    me.utimens(at("f"), Times.at(400, 4), Times.OMIT);
    assertEquals(Times.at(400, 4), me.stat(at("f")).accessed(), "set atime");
    assertEquals(Times.at(300, 3), me.stat(at("f")).modified(), "omitted mtime");
    FileStatus before = me.stat(at("f"));
    Mounted.sleep(15);
    me.utimens(at("f"), Times.OMIT, Times.OMIT);
    assertEquals(before.changed(), me.stat(at("f")).changed(), "ctime when both are omitted");
    long start = System.currentTimeMillis() / 1000 - 2;
    me.utimens(at("f"), Times.NOW, Times.OMIT);
    assertTrue(me.stat(at("f")).accessed().seconds() >= start, "atime now");
    assertEquals(Times.at(300, 3), me.stat(at("f")).modified(), "mtime beside atime now");
    assertTrue(
        Times.nanos(me.stat(at("f")).changed()) > Times.nanos(before.changed()),
        "ctime should move when a time is set");
  }

  @Test
  void times_of_new_files_are_the_present() throws ErrnoException {
    long start = System.currentTimeMillis() / 1000 - 2;
    me.create(at("f"), 0644);
    me.mkdir(at("d"), 0755);
    me.symlink("x", at("l"));
    for (String name : new String[] {"f", "d", "l"}) {
      FileStatus s = me.stat(at(name));
      for (Timestamp t : new Timestamp[] {s.accessed(), s.modified(), s.changed()}) {
        assertTrue(
            t.seconds() >= start && t.seconds() <= start + 120,
            "a time of the new " + name + " should be the present, but is " + t);
      }
    }
  }

  @Test
  void set_times_survive_the_close_of_a_writer() throws ErrnoException {
    int f = me.open(at("f"), Flags.O_CREAT | Flags.O_WRONLY, 0644);
    me.pwrite(f, random(10_000, 1), 0);
    me.utimens(at("f"), Times.at(100, 1), Times.at(200, 2));
    me.close(f);
    assertEquals(Times.at(200, 2), me.stat(at("f")).modified(), "mtime set before close");
  }
}
