package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Extended attributes and access control lists")
class PosixXattrTest extends OnSubject {
  PosixXattrTest(Subject subject) {
    super(subject);
  }

  private static byte[] b(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  @Test
  void values_of_all_sizes_on_files_and_directories() throws ErrnoException {
    me.create(at("file"), 0644);
    me.mkdir(at("directory"), 0755);
    for (String name : List.of("file", "directory")) {
      for (int size : new int[] {0, 1, 15, 16, 17, 100, 1000, 2000}) {
        byte[] value = random(size, size);
        me.setXattr(at(name), "user.test", value, 0);
        assertArrayEquals(value, me.getXattr(at(name), "user.test"), size + " bytes on " + name);
      }
      assertEquals(List.of("user.test"), me.listXattrs(at(name)), "list of " + name);
      me.removeXattr(at(name), "user.test");
      assertEquals(List.of(), me.listXattrs(at(name)), "list of " + name + " after removal");
    }
  }

  @Test
  void names_are_listed_as_they_were_given() throws ErrnoException {
    me.create(at("f"), 0644);
    Set<String> names =
        new TreeSet<>(
            List.of("user.a", "user.b.c", "user." + name(80), "user.\u00e4\u00f6", "user. space"));
    for (String name : names) {
      me.setXattr(at("f"), name, b("value of " + name), 0);
    }
    assertEquals(names, new TreeSet<>(me.listXattrs(at("f"))), "listed names");
    for (String name : names) {
      assertArrayEquals(b("value of " + name), me.getXattr(at("f"), name), "value of " + name);
    }
  }

  @Test
  void create_and_replace_flags() throws ErrnoException {
    me.create(at("f"), 0644);
    Expect.errno(
        Errno.ENODATA,
        "XATTR_REPLACE of nothing",
        () -> me.setXattr(at("f"), "user.x", b("1"), Flags.XATTR_REPLACE));
    me.setXattr(at("f"), "user.x", b("1"), Flags.XATTR_CREATE);
    Expect.errno(
        Errno.EEXIST,
        "XATTR_CREATE of what is there",
        () -> me.setXattr(at("f"), "user.x", b("2"), Flags.XATTR_CREATE));
    me.setXattr(at("f"), "user.x", b("3"), Flags.XATTR_REPLACE);
    assertArrayEquals(b("3"), me.getXattr(at("f"), "user.x"), "value");
    Expect.errno(Errno.ENODATA, "getxattr of nothing", () -> me.getXattr(at("f"), "user.y"));
    Expect.errno(Errno.ENODATA, "removexattr of nothing", () -> me.removeXattr(at("f"), "user.y"));
  }

  @Test
  void limits_of_names_and_values() throws ErrnoException {
    me.create(at("f"), 0644);
    Expect.errnoOf(
        "an attribute name of 256 bytes",
        () -> me.setXattr(at("f"), "user." + name(251), b("x"), 0),
        Errno.ERANGE);
    Expect.errnoOf(
        "a value of 65537 bytes",
        () -> me.setXattr(at("f"), "user.x", new byte[65_537], 0),
        Errno.E2BIG);
    Expect.errnoOf(
        "a namespace without a name",
        () -> me.setXattr(at("f"), "user.", b("x"), 0),
        Errno.EINVAL,
        Errno.EOPNOTSUPP);
  }

  @Test
  void an_unknown_namespace_is_refused_or_kept() throws ErrnoException {
    me.create(at("f"), 0644);
    try {
      me.setXattr(at("f"), "strange.x", b("x"), 0);
    } catch (ErrnoException e) {
      assertEquals(Errno.EOPNOTSUPP, e.errno(), "the refusal");
      assertEquals(List.of(), me.listXattrs(at("f")), "a refused attribute is not there");
      return;
    }
    assertTrue(!subject.isPlain(), "only an encrypted view can keep any name");
    assertArrayEquals(b("x"), me.getXattr(at("f"), "strange.x"), "value");
    assertEquals(List.of("strange.x"), me.listXattrs(at("f")), "list");
  }

  @Test
  void attributes_follow_the_file_not_the_name() throws ErrnoException {
    me.create(at("f"), 0644);
    me.setXattr(at("f"), "user.x", b("1"), 0);
    me.link(at("f"), at("g"));
    me.rename(at("f"), at(name(255)));
    assertArrayEquals(b("1"), me.getXattr(at("g"), "user.x"), "through a link");
    assertArrayEquals(b("1"), me.getXattr(at(name(255)), "user.x"), "after a rename");
  }

  @Test
  void user_attributes_need_the_file_s_permissions_and_symlinks_have_none() throws ErrnoException {
    Tools.needRoot();
    me.create(at("f"), 0644);
    me.setXattr(at("f"), "user.x", b("1"), 0);
    Person nobody = nobody();
    assertArrayEquals(b("1"), nobody.getXattr(at("f"), "user.x"), "read by an ordinary user");
    Expect.errno(
        Errno.EACCES,
        "set by an ordinary user",
        () -> nobody.setXattr(at("f"), "user.x", b("2"), 0));
    me.chmod(at("f"), 0600);
    Expect.errno(Errno.EACCES, "read without right", () -> nobody.getXattr(at("f"), "user.x"));
    me.symlink("f", at("s"));
    Expect.errno(
        Errno.EPERM, "user attribute of a link", () -> me.setXattr(at("s"), "user.x", b("1"), 0));
  }

  @Test
  void a_security_label_is_kept_and_a_missing_one_reported() throws ErrnoException {
    Tools.needRoot();
    me.create(at("f"), 0644);
    try {
      me.setXattr(at("f"), "security.selinux", b("system_u:object_r:tmp_t:s0"), 0);
    } catch (ErrnoException e) {
      Tools.skip("labels are SELinux's here, or the store's filesystem has none");
    }
    assertArrayEquals(
        b("system_u:object_r:tmp_t:s0"), me.getXattr(at("f"), "security.selinux"), "label");
    me.removeXattr(at("f"), "security.selinux");
    // The second one keeps "ls -l" from asking for the label of each further file.
    Expect.errnoOf(
        "no label",
        () -> me.getXattr(at("f"), "security.selinux"),
        Errno.ENODATA,
        Errno.EOPNOTSUPP);
  }

  private void needAcl() {
    Tools.need("getfacl", "setfacl");
    Outcome outcome = Command.of("setfacl", "-m", "u:1:r", path).run();
    if (outcome.exit() != 0 && subject.isPlain()) {
      Tools.skip("the store has no access control lists");
    }
    outcome.ok();
    Command.of("setfacl", "-b", path).ok();
  }

  @Test
  void lists_are_kept_and_shown() throws Exception {
    needAcl();
    me.create(at("f"), 0640);
    Command.of("setfacl", "-m", "u:1234:rwx,g:4321:r-x,m::rwx", path.resolve("f")).ok();
    String acl = Command.of("getfacl", "-npE", path.resolve("f")).ok().out();
    for (String line : List.of("user:1234:rwx", "group:4321:r-x", "mask::rwx", "user::rw-")) {
      assertTrue(acl.contains(line), "getfacl should show " + line + ":\n" + acl);
    }
    Expect.mode(0670, permissions(me.stat(at("f"))), "the mode shows the mask as group");
    me.chmod(at("f"), 0600);
    acl = Command.of("getfacl", "-npE", path.resolve("f")).ok().out();
    assertTrue(acl.contains("mask::---"), "chmod should change the mask:\n" + acl);
    Command.of("setfacl", "-b", path.resolve("f")).ok();
    acl = Command.of("getfacl", "-npE", path.resolve("f")).ok().out();
    assertTrue(!acl.contains("1234"), "removed list:\n" + acl);
  }

  @Test
  void lists_decide_who_may_read() throws Exception {
    Tools.needRoot();
    needAcl();
    me.write(at("f"), "secret");
    me.chmod(at("f"), 0600);
    Person nobody = nobody();
    Expect.errno(Errno.EACCES, "before the list", () -> nobody.open(at("f"), Flags.O_RDONLY));
    Command.of("setfacl", "-m", "u:" + Person.NOBODY + ":r", path.resolve("f")).ok();
    assertEquals("secret", nobody.read(at("f")), "read by one whom the list allows");
    Expect.errno(
        Errno.EACCES, "write by one who may read", () -> nobody.open(at("f"), Flags.O_WRONLY));
    Command.of("setfacl", "-m", "m::-", path.resolve("f")).ok();
    Expect.errno(Errno.EACCES, "after the mask closed", () -> nobody.open(at("f"), Flags.O_RDONLY));
  }

  @Test
  void default_lists_are_inherited() throws Exception {
    needAcl();
    me.mkdir(at("d"), 0755);
    Command.of("setfacl", "-d", "-m", "u:1234:rwx,g::r-x,o::-", path.resolve("d")).ok();
    me.umask(0077);
    me.create(at("d/f"), 0666);
    me.mkdir(at("d/sub"), 0777);
    me.umask(0);
    String file = Command.of("getfacl", "-npE", path.resolve("d/f")).ok().out();
    assertTrue(file.contains("user:1234:rwx"), "the file inherits:\n" + file);
    assertTrue(file.contains("mask::rw-"), "masked by the creation mode:\n" + file);
    Expect.mode(0660, permissions(me.stat(at("d/f"))), "a default list replaces the umask");
    String sub = Command.of("getfacl", "-npE", path.resolve("d/sub")).ok().out();
    assertTrue(sub.contains("default:user:1234:rwx"), "the directory inherits:\n" + sub);
    Expect.mode(0770, permissions(me.stat(at("d/sub"))), "mode of the directory");
  }
}
