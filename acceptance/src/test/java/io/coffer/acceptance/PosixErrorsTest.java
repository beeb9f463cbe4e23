package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Errors of calls that name files")
class PosixErrorsTest extends OnSubject {
  PosixErrorsTest(Subject subject) {
    super(subject);
  }

  private interface OnPath {
    void run(String path) throws ErrnoException;
  }

  /** A call that takes an existing path. */
  private record Named(String what, OnPath call) {}

  private Named[] callsOnExisting() {
    return new Named[] {
      new Named("open", p -> me.open(p, Flags.O_RDONLY)),
      new Named("stat", me::stat),
      new Named("chmod", p -> me.chmod(p, 0644)),
      new Named("chown", p -> me.lchown(p, 0, 0)),
      new Named("truncate", p -> me.truncate(p, 0)),
      new Named("unlink", me::unlink),
      new Named("rmdir", me::rmdir),
      new Named("readlink", me::readlink),
      new Named("access", p -> me.access(p, 0)),
      new Named("utimens", p -> me.utimens(p, Times.NOW, Times.NOW)),
      new Named("rename away", p -> me.rename(p, at("elsewhere"))),
      new Named("link away", p -> me.link(p, at("elsewhere"))),
      new Named("getxattr", p -> me.getXattr(p, "user.x")),
      new Named("setxattr", p -> me.setXattr(p, "user.x", new byte[1], 0)),
      new Named("listxattr", me::listXattrs),
      new Named("chdir", me::chdir),
    };
  }

  private Named[] callsThatCreate() {
    return new Named[] {
      new Named("open O_CREAT", p -> me.create(p, 0644)),
      new Named("mkdir", p -> me.mkdir(p, 0755)),
      new Named("symlink", p -> me.symlink("target", p)),
      new Named("mkfifo", p -> me.mknod(p, Person.S_IFIFO | 0644, 0)),
      new Named("rename to", p -> me.rename(at("source"), p)),
      new Named("link to", p -> me.link(at("source"), p)),
    };
  }

  @Test
  void a_missing_name_is_ENOENT_everywhere() {
    for (Named call : callsOnExisting()) {
      Expect.errno(
          Errno.ENOENT, call.what + " of a missing name", () -> call.call.run(at("missing")));
      Expect.errno(
          Errno.ENOENT,
          call.what + " below a missing directory",
          () -> call.call.run(at("missing/name")));
    }
  }

  @Test
  void a_missing_parent_is_ENOENT_for_every_creation() throws ErrnoException {
    me.create(at("source"), 0644);
    for (Named call : callsThatCreate()) {
      Expect.errno(
          Errno.ENOENT,
          call.what + " below a missing directory",
          () -> call.call.run(at("missing/name")));
    }
    assertTrue(me.exists(at("source")), "the source of failed renames should still be there");
  }

  @Test
  void a_file_as_parent_is_ENOTDIR_everywhere() throws ErrnoException {
    me.create(at("source"), 0644);
    me.create(at("file"), 0644);
    for (Named call : callsOnExisting()) {
      Expect.errno(
          Errno.ENOTDIR, call.what + " below a file", () -> call.call.run(at("file/name")));
    }
    for (Named call : callsThatCreate()) {
      Expect.errno(
          Errno.ENOTDIR, call.what + " below a file", () -> call.call.run(at("file/name")));
    }
  }

  @Test
  void a_name_of_256_bytes_is_ENAMETOOLONG_everywhere() throws ErrnoException {
    me.create(at("source"), 0644);
    for (Named call : callsOnExisting()) {
      Expect.errno(
          Errno.ENAMETOOLONG, call.what + " of 256 bytes", () -> call.call.run(at(name(256))));
    }
    for (Named call : callsThatCreate()) {
      Expect.errno(
          Errno.ENAMETOOLONG, call.what + " of 256 bytes", () -> call.call.run(at(name(256))));
    }
  }

  @Test
  void a_path_of_4096_bytes_is_ENAMETOOLONG() {
    String tooLong = dir + "/.".repeat((4096 - dir.length()) / 2) + "/x";
    assertTrue(tooLong.length() >= 4096, "the path should be too long");
    for (Named call : callsOnExisting()) {
      Expect.errno(Errno.ENAMETOOLONG, call.what + " of a long path", () -> call.call.run(tooLong));
    }
  }

  @Test
  void links_in_a_circle_are_ELOOP() throws ErrnoException {
    me.symlink("b", at("a"));
    me.symlink("a", at("b"));
    Expect.errno(Errno.ELOOP, "open of a circle", () -> me.open(at("a"), Flags.O_RDONLY));
    Expect.errno(Errno.ELOOP, "stat through a circle", () -> me.stat(at("a/x")));
    Expect.errno(Errno.ELOOP, "mkdir through a circle", () -> me.mkdir(at("b/x"), 0755));
    Expect.errno(Errno.ELOOP, "truncate of a circle", () -> me.truncate(at("a"), 0));
    Expect.errno(Errno.ELOOP, "chmod of a circle", () -> me.chmod(at("a"), 0644));
    me.create(at("file"), 0644);
    me.symlink("file", at("link"));
    Expect.errno(
        Errno.ELOOP,
        "open O_NOFOLLOW of a link",
        () -> me.open(at("link"), Flags.O_RDONLY | Flags.O_NOFOLLOW));
  }

  @Test
  void creating_what_exists_is_EEXIST() throws ErrnoException {
    me.create(at("file"), 0644);
    me.mkdir(at("directory"), 0755);
    me.symlink("nowhere", at("link"));
    me.mknod(at("fifo"), Person.S_IFIFO | 0644, 0);
    for (String existing : new String[] {"file", "directory", "link", "fifo"}) {
      Expect.errno(Errno.EEXIST, "O_EXCL on a " + existing, () -> me.create(at(existing), 0644));
      Expect.errno(Errno.EEXIST, "mkdir on a " + existing, () -> me.mkdir(at(existing), 0755));
      Expect.errno(Errno.EEXIST, "symlink on a " + existing, () -> me.symlink("x", at(existing)));
      Expect.errno(
          Errno.EEXIST,
          "mkfifo on a " + existing,
          () -> me.mknod(at(existing), Person.S_IFIFO | 0644, 0));
      Expect.errno(Errno.EEXIST, "link on a " + existing, () -> me.link(at("file"), at(existing)));
    }
  }

  @Test
  void directories_where_files_are_wanted_are_EISDIR() throws ErrnoException {
    me.mkdir(at("d"), 0755);
    Expect.errno(Errno.EISDIR, "open for writing", () -> me.open(at("d"), Flags.O_WRONLY));
    Expect.errno(Errno.EISDIR, "open for both", () -> me.open(at("d"), Flags.O_RDWR));
    Expect.errno(
        Errno.EISDIR, "O_CREAT", () -> me.open(at("d"), Flags.O_CREAT | Flags.O_WRONLY, 0644));
    Expect.errno(Errno.EISDIR, "O_TRUNC", () -> me.open(at("d"), Flags.O_RDWR | Flags.O_TRUNC));
    Expect.errno(Errno.EISDIR, "truncate", () -> me.truncate(at("d"), 0));
    Expect.errno(Errno.EISDIR, "unlink", () -> me.unlink(at("d")));
    int d = me.open(at("d"), Flags.O_RDONLY);
    Expect.errno(Errno.EISDIR, "read of a directory", () -> me.readOnce(d, 10));
    me.close(d);
  }

  @Test
  void files_where_directories_are_wanted_are_ENOTDIR() throws ErrnoException {
    me.create(at("f"), 0644);
    Expect.errno(Errno.ENOTDIR, "rmdir of a file", () -> me.rmdir(at("f")));
    Expect.errno(Errno.ENOTDIR, "chdir to a file", () -> me.chdir(at("f")));
    Expect.errno(
        Errno.ENOTDIR,
        "O_DIRECTORY of a file",
        () -> me.open(at("f"), Flags.O_RDONLY | Flags.O_DIRECTORY));
  }

  @Test
  void removing_a_directory_that_is_not_empty_is_ENOTEMPTY() throws ErrnoException {
    me.mkdir(at("d"), 0755);
    String[] inhabitants = {"file", "sub", "link", "fifo", name(255)};
    me.create(at("d/file"), 0644);
    me.mkdir(at("d/sub"), 0755);
    me.symlink("x", at("d/link"));
    me.mknod(at("d/fifo"), Person.S_IFIFO | 0644, 0);
    me.create(at("d/" + name(255)), 0644);
    for (String inhabitant : inhabitants) {
      Expect.errnoOf("rmdir", () -> me.rmdir(at("d")), Errno.ENOTEMPTY, Errno.EEXIST);
      if (inhabitant.equals("sub")) {
        me.rmdir(at("d/sub"));
      } else {
        me.unlink(at("d/" + inhabitant));
      }
    }
    me.rmdir(at("d"));
    assertFalse(me.exists(at("d")), "the empty directory should be gone");
    Expect.errno(Errno.ENOENT, "rmdir once more", () -> me.rmdir(at("d")));
  }

  @Test
  void odd_arguments_are_EINVAL() throws ErrnoException {
    me.create(at("f"), 0644);
    me.mkdir(at("d"), 0755);
    Expect.errno(Errno.EINVAL, "readlink of a file", () -> me.readlink(at("f")));
    Expect.errno(Errno.EINVAL, "truncate to -1", () -> me.truncate(at("f"), -1));
    Expect.errno(
        Errno.EINVAL, "rename of a directory beneath itself", () -> me.rename(at("d"), at("d/e")));
    Expect.errno(Errno.EINVAL, "rmdir of .", () -> me.rmdir(at("d/.")));
    Expect.errno(Errno.ENOTEMPTY, "rmdir of ..", () -> me.rmdir(at("d/..")));
    Expect.errnoOf("rename of .", () -> me.rename(at("d/."), at("e")), Errno.EBUSY, Errno.EINVAL);
    Expect.errno(
        Errno.EINVAL,
        "rename with two contradicting flags",
        () -> me.rename(at("f"), at("g"), Flags.RENAME_NOREPLACE | Flags.RENAME_EXCHANGE));
    int f = me.open(at("f"), Flags.O_RDWR);
    Expect.errno(Errno.EINVAL, "lseek to -1", () -> me.seek(f, -1, Flags.SEEK_SET));
    Expect.errno(Errno.EINVAL, "fallocate of length 0", () -> me.fallocate(f, 0, 0, 0));
    me.close(f);
  }

  @Test
  void descriptors_allow_only_what_they_were_opened_for() throws ErrnoException {
    me.write(at("f"), "text");
    int reader = me.open(at("f"), Flags.O_RDONLY);
    int writer = me.open(at("f"), Flags.O_WRONLY);
    Expect.errno(Errno.EBADF, "write to a reader", () -> me.pwrite(reader, new byte[1], 0));
    Expect.errno(Errno.EBADF, "read from a writer", () -> me.pread(writer, 1, 0));
    Expect.errno(Errno.EINVAL, "ftruncate of a reader", () -> me.ftruncate(reader, 0));
    Expect.errno(Errno.EBADF, "fallocate of a reader", () -> me.fallocate(reader, 0, 0, 10));
    me.close(reader);
    me.close(writer);
    assertEquals("text", me.read(at("f")), "contents after refused calls");
  }

  @Test
  void leaving_the_filesystem_is_EXDEV() throws ErrnoException {
    me.create(at("f"), 0644);
    try (Area other = Area.inMemory()) {
      String target = Person.path(other.path()) + "/x";
      Expect.errno(Errno.EXDEV, "rename to another filesystem", () -> me.rename(at("f"), target));
      Expect.errno(Errno.EXDEV, "link to another filesystem", () -> me.link(at("f"), target));
    }
  }

  @Test
  void a_running_program_is_ETXTBSY() throws Exception {
    Tools.need("sleep");
    Command.of("cp", "-L", "/bin/sleep", path.resolve("sleep")).ok();
    Command.Running running = Command.of(path.resolve("sleep"), "30").start();
    try {
      Mounted.waitUntil(
          java.time.Duration.ofSeconds(5),
          () -> running.process().info().command().orElse("").endsWith("sleep"));
      Expect.errno(
          Errno.ETXTBSY,
          "opening a running program for writing",
          () -> me.open(at("sleep"), Flags.O_WRONLY));
    } finally {
      running.process().destroyForcibly().waitFor();
      running.finish(java.time.Duration.ofSeconds(1));
    }
  }

  @Test
  void an_unknown_ioctl_is_ENOTTY() throws ErrnoException {
    me.create(at("f"), 0644);
    int f = me.open(at("f"), Flags.O_RDONLY);
    Expect.errno(Errno.ENOTTY, "TCGETS on a file", () -> me.ioctl(f, 0x5401, 0));
    me.close(f);
  }

  @Test
  void a_trailing_slash_asks_for_a_directory() throws ErrnoException {
    me.create(at("f"), 0644);
    me.mkdir(at("d"), 0755);
    Expect.errno(Errno.ENOTDIR, "stat file/", () -> me.stat(at("f/")));
    Expect.errno(Errno.ENOTDIR, "unlink file/", () -> me.unlink(at("f/")));
    Expect.errno(
        Errno.EISDIR,
        "creating name/",
        () -> me.open(at("new/"), Flags.O_CREAT | Flags.O_WRONLY, 0644));
    assertTrue(me.stat(at("d/")).isDirectory(), "d/ should be the directory");
    me.mkdir(at("e/"), 0755);
    me.rename(at("e/"), at("g/"));
    assertTrue(me.exists(at("g")), "rename of directories with slashes");
  }
}
