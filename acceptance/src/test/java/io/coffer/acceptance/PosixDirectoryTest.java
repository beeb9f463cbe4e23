package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Directories")
class PosixDirectoryTest extends OnSubject {
  PosixDirectoryTest(Subject subject) {
    super(subject);
  }

  @Test
  void names_of_every_length_and_of_any_bytes() throws ErrnoException {
    Set<String> expected = new TreeSet<>();
    for (int length = 1; length <= 255; length += length < 170 ? 13 : 1) {
      expected.add(name(length));
    }
    for (String odd :
        List.of(
            "...",
            " ",
            "a b",
            "-rf",
            "new\nline",
            "tab\t",
            "\\",
            "*",
            "\"'",
            "~",
            "%2e",
            "=",
            "gocryptfs.diriv",
            "gocryptfs.longname.x",
            "gocryptfs.longname.x.name",
            "\u00ff\u00fe\u0080",
            "\u0001\u007f",
            utf8("\u00e9"),
            utf8("e\u0301"),
            utf8("\u65e5\u672c"),
            utf8("\ud83d\ude00"),
            ".hidden",
            "a.",
            "CON",
            "CaSe",
            "case")) {
      expected.add(odd);
    }
    for (String name : expected) {
      me.write(at(name), "contents of " + name);
    }
    assertEquals(expected, new TreeSet<>(me.list(dir)), "the listing");
    for (String name : expected) {
      assertEquals("contents of " + name, me.read(at(name)), "the file <" + name + ">");
      me.rename(at(name), at("moved"));
      me.rename(at("moved"), at(name));
    }
    for (String name : expected) {
      me.unlink(at(name));
    }
    assertEquals(List.of(), me.list(dir), "the emptied directory");
  }

  private static String utf8(String text) {
    return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
  }

  @Test
  void listings_give_types_and_inode_numbers_that_stat_confirms() throws ErrnoException {
    me.create(at("file"), 0644);
    me.mkdir(at("directory"), 0755);
    me.symlink("x", at("link"));
    me.mknod(at("fifo"), Person.S_IFIFO | 0644, 0);
    me.create(at(name(255)), 0644);
    Map<String, Entries.Entry> entries = new HashMap<>();
    for (Entries.Entry entry : Entries.list(me, dir)) {
      entries.put(entry.name(), entry);
    }
    assertTrue(entries.containsKey("."), "the listing should hold .");
    assertTrue(entries.containsKey(".."), "the listing should hold ..");
    for (String name : List.of("file", "directory", "link", "fifo", name(255))) {
      Entries.Entry entry = entries.get(name);
      assertTrue(entry != null, "the listing should hold " + name);
      assertEquals(me.stat(at(name)).inode(), entry.inode(), "d_ino of " + name);
      int type = entry.type();
      assertTrue(
          type == 0 || type == me.stat(at(name)).type() >> 12, "d_type of " + name + ": " + type);
    }
    assertEquals(me.stat(dir).inode(), entries.get(".").inode(), "d_ino of .");
  }

  @Test
  void a_listing_can_be_read_in_small_pieces_and_taken_up_at_any_cookie() throws ErrnoException {
    Set<String> expected = new HashSet<>();
    for (int i = 0; i < 300; i++) {
      String name = i % 7 == 0 ? name(200) + i : "file" + i;
      me.create(at(name), 0644);
      expected.add(name);
    }
    int d = me.open(dir, Flags.O_RDONLY | Flags.O_DIRECTORY);
    List<Entries.Entry> all = new ArrayList<>();
    for (List<Entries.Entry> some = Entries.next(me, d, 400);
        !some.isEmpty();
        some = Entries.next(me, d, 400)) {
      all.addAll(some);
    }
    assertEquals(302, all.size(), "entries read in pieces");
    for (int i = 0; i < all.size() - 1; i += 23) {
      me.seek(d, all.get(i).cookie(), Flags.SEEK_SET);
      assertEquals(
          all.get(i + 1).name(),
          Entries.next(me, d, 400).getFirst().name(),
          "the entry after seekdir to the cookie of number " + i);
    }
    me.seek(d, 0, Flags.SEEK_SET);
    me.create(at("late"), 0644);
    expected.add("late");
    Set<String> again = new HashSet<>();
    for (List<Entries.Entry> some = Entries.next(me, d, 32768);
        !some.isEmpty();
        some = Entries.next(me, d, 32768)) {
      some.forEach(e -> again.add(e.name()));
    }
    again.removeAll(Set.of(".", ".."));
    assertEquals(expected, again, "after rewinddir");
    me.close(d);
  }

  @Test
  void removing_while_listing_misses_nothing() throws ErrnoException {
    for (int i = 0; i < 2000; i++) {
      me.create(at("f" + i), 0644);
    }
    int d = me.open(dir, Flags.O_RDONLY | Flags.O_DIRECTORY);
    int removed = 0;
    for (List<Entries.Entry> some = Entries.next(me, d, 1000);
        !some.isEmpty();
        some = Entries.next(me, d, 1000)) {
      for (Entries.Entry entry : some) {
        if (!entry.name().startsWith(".")) {
          me.unlink(at(entry.name()));
          removed++;
        }
      }
    }
    me.close(d);
    assertEquals(2000, removed, "files seen and removed in one pass");
    assertEquals(List.of(), me.list(dir), "what is left");
  }

  @Test
  void a_very_large_directory() throws Exception {
    int count = Reactor.longRun() || subject == Subject.COFFER ? 200_000 : 20_000;
    if (subject == Subject.FSCRYPT && !Reactor.longRun()) {
      count = 5000;
    } else if (!Reactor.longRun()) {
      count = Math.min(count, 50_000);
    }
    Command.bash(
            "mkdir "
                + path
                + "/big && cd "
                + path
                + "/big && seq -f file%.0f "
                + count
                + " | xargs touch")
        .timeout(java.time.Duration.ofMinutes(8))
        .ok();
    assertEquals(count, me.list(at("big")).size(), "entries of the large directory");
    assertEquals(count, new HashSet<>(me.list(at("big"))).size(), "different entries");
    assertTrue(me.exists(at("big/file" + count)), "the last file");
    Command.of("rm", "-rf", path.resolve("big")).timeout(java.time.Duration.ofMinutes(8)).ok();
    assertTrue(!me.exists(at("big")), "rm -rf of the large directory");
  }

  @Test
  void paths_deeper_than_a_path_may_be_long() throws ErrnoException {
    int levels = 60;
    String step = name(100);
    me.chdir(dir);
    for (int i = 0; i < levels; i++) {
      me.mkdir(step, 0755);
      me.chdir(step);
    }
    me.write("bottom", "reached");
    assertEquals("reached", me.read("bottom"), "the file at the bottom");
    Expect.errno(Errno.ENAMETOOLONG, "getcwd at the bottom", me::getcwdInto4096);
    me.unlink("bottom");
    for (int i = 0; i < levels; i++) {
      me.chdir("..");
      me.rmdir(step);
    }
    assertEquals(List.of(), me.list(dir), "after climbing up again");
  }

  @Test
  void the_working_directory_can_be_removed() throws ErrnoException {
    me.mkdir(at("d"), 0755);
    me.chdir(at("d"));
    assertEquals(at("d"), me.getcwd(), "getcwd");
    int d = me.open(".", Flags.O_RDONLY | Flags.O_DIRECTORY);
    me.rmdir(at("d"));
    Expect.errno(Errno.ENOENT, "getcwd in a removed directory", me::getcwd);
    Expect.errno(Errno.ENOENT, "creating in a removed directory", () -> me.create("f", 0644));
    Expect.errno(Errno.ENOENT, "mkdir in a removed directory", () -> me.mkdir("e", 0755));
    if (subject != Subject.GOCRYPTFS) {
      assertEquals(0, me.fstat(d).links(), "links of the removed directory");
    }
    me.close(d);
    me.mkdir(at("d"), 0755);
    Expect.errno(Errno.ENOENT, "the old one after a new one came", () -> me.create("f", 0644));
    me.chdir("/");
  }

  @Test
  void the_working_directory_follows_a_rename() throws ErrnoException {
    me.mkdir(at("a"), 0755);
    me.mkdir(at("a/b"), 0755);
    me.chdir(at("a/b"));
    me.rename(at("a"), at("c"));
    assertEquals(at("c/b"), me.getcwd(), "getcwd after the rename of the parent");
    me.create("f", 0644);
    assertTrue(me.exists(at("c/b/f")), "a file made by a relative path");
    me.chdir("/");
  }

  @Test
  void inode_numbers_are_stable_and_unique() throws Exception {
    Tools.needRoot();
    Map<String, Long> numbers = new HashMap<>();
    for (int i = 0; i < 50; i++) {
      me.create(at("f" + i), 0644);
      me.mkdir(at("d" + i), 0755);
      numbers.put("f" + i, me.stat(at("f" + i)).inode());
      numbers.put("d" + i, me.stat(at("d" + i)).inode());
    }
    assertEquals(100, new HashSet<>(numbers.values()).size(), "different inode numbers");
    Machine.dropCaches();
    for (Map.Entry<String, Long> each : numbers.entrySet()) {
      assertEquals(
          each.getValue(),
          me.stat(at(each.getKey())).inode(),
          "inode number of " + each.getKey() + " after drop_caches");
    }
  }

  @Test
  void an_open_directory_stays_usable_while_its_entries_come_and_go() throws ErrnoException {
    me.mkdir(at("d"), 0755);
    int d = me.open(at("d"), Flags.O_RDONLY | Flags.O_DIRECTORY);
    for (int i = 0; i < 20; i++) {
      me.close(me.openAt(d, "f" + i, Flags.O_CREAT | Flags.O_WRONLY, 0644));
    }
    assertEquals(20, me.list(at("d")).size(), "files made relative to a descriptor");
    me.fsync(d);
    me.close(d);
  }
}
