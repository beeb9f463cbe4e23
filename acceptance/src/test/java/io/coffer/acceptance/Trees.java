package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.fail;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** Random trees, and descriptions of trees that can be compared. */
final class Trees {
  private static final int[] SIZES = {
    0, 1, 15, 16, 17, 18, 100, 4095, 4096, 4097, 8191, 8192, 8193, 12_288, 65_536, 131_072, 131_073,
    300_001
  };

  private Trees() {}

  /**
   * Fills a directory. The same seed gives the same tree.
   *
   * @param longestName bytes of the longest name
   * @param attributes whether to set extended attributes
   */
  static void fill(Path directory, long seed, int entries, int longestName, boolean attributes)
      throws ErrnoException {
    try (Person me = Person.self()) {
      new Builder(me, new Random(seed), longestName, attributes, true)
          .fill(Person.path(directory), entries);
    }
  }

  /** A tree as a reverse view can show it: without hard links and attributes. */
  static void fillWithoutLinks(Path directory, long seed, int entries) throws ErrnoException {
    try (Person me = Person.self()) {
      new Builder(me, new Random(seed), 255, false, false).fill(Person.path(directory), entries);
    }
  }

  private record Builder(
      Person me, Random random, int longestName, boolean attributes, boolean hardLinks) {
    void fill(String root, int entries) throws ErrnoException {
      List<String> directories = new ArrayList<>(List.of(root));
      List<String> files = new ArrayList<>();
      for (int i = 0; i < entries; i++) {
        String path = directories.get(random.nextInt(directories.size())) + "/" + name(i);
        if (path.length() > 3000) {
          continue;
        }
        int kind = random.nextInt(20);
        if (kind < 4) {
          me.mkdir(path, 0755);
          directories.add(path);
        } else if (kind < 6) {
          me.symlink(target(), path);
        } else if (kind == 6 && hardLinks && !files.isEmpty()) {
          me.link(files.get(random.nextInt(files.size())), path);
        } else if (kind == 7) {
          sparse(path);
        } else {
          file(path, SIZES[random.nextInt(SIZES.length)]);
          files.add(path);
        }
      }
      for (int i = directories.size() - 1; i > 0; i--) {
        finish(directories.get(i), 0700);
      }
      for (String file : files) {
        finish(file, 0400);
      }
    }

    private String name(int i) {
      String number = "_" + i;
      int length =
          switch (random.nextInt(5)) {
            case 0 -> longestName;
            case 1 -> 170 + random.nextInt(longestName - 170 + 1);
            default -> 1 + random.nextInt(40);
          };
      StringBuilder name = new StringBuilder();
      String alphabet = "abcXYZ019 ._-+,=~%'\"\\\n\u00e4\u00c3\u00bc";
      while (name.length() + number.length() < length) {
        name.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      return (name + number).replaceFirst("^gocryptfs", "G");
    }

    private String target() {
      return "../" + "t/".repeat(random.nextInt(random.nextInt(10) == 0 ? 900 : 20)) + "end";
    }

    private byte[] data(int size) {
      byte[] data = new byte[size];
      random.nextBytes(data);
      return data;
    }

    private void file(String path, int size) throws ErrnoException {
      int file = me.open(path, Flags.O_CREAT | Flags.O_EXCL | Flags.O_WRONLY, 0644);
      if (size > 0) {
        me.pwrite(file, data(size), 0);
      }
      me.close(file);
    }

    private void sparse(String path) throws ErrnoException {
      int file = me.open(path, Flags.O_CREAT | Flags.O_EXCL | Flags.O_RDWR, 0644);
      long at = 0;
      for (int i = random.nextInt(4); i > 0; i--) {
        at += random.nextInt(200_000);
        me.pwrite(file, data(1 + random.nextInt(9000)), at);
        at += 10_000;
      }
      me.ftruncate(file, at + random.nextInt(100_000));
      me.close(file);
    }

    private void finish(String path, int least) throws ErrnoException {
      if (attributes && random.nextInt(3) == 0) {
        me.setXattr(path, "user.first", data(random.nextInt(300)), 0);
        me.setXattr(path, "user.x" + "y".repeat(random.nextInt(60)), data(random.nextInt(20)), 0);
      }
      me.chmod(path, least | random.nextInt(01000));
      me.utimens(path, time(), time());
    }

    private io.coffer.posix.Timestamp time() {
      return Times.at(1_000_000_000L + random.nextInt(700_000_000), random.nextInt(1_000_000_000));
    }
  }

  /** A line for each entry: all that a copy must keep. Hard links are named by their first path. */
  static Map<String, String> describe(Path directory) throws ErrnoException {
    Map<String, String> entries = new TreeMap<>();
    try (Person me = Person.self()) {
      describe(me, Person.path(directory), "", entries, new TreeMap<>());
    }
    return entries;
  }

  private static void describe(
      Person me, String path, String name, Map<String, String> entries, Map<Long, String> inodes)
      throws ErrnoException {
    List<String> names = new ArrayList<>(me.list(path));
    names.sort(null);
    for (String child : names) {
      String childPath = path + "/" + child;
      String childName = name + "/" + child;
      FileStatus status = me.stat(childPath);
      StringBuilder line = new StringBuilder(Integer.toOctalString(status.mode()));
      line.append(' ').append(status.uid()).append(':').append(status.gid());
      if (status.isDirectory()) {
        line.append(time(status));
        entries.put(childName, line.append(attributes(me, childPath)).toString());
        describe(me, childPath, childName, entries, inodes);
        continue;
      }
      if (status.isSymlink()) {
        line.append(" -> ").append(target(me, childPath)).append(" size ").append(status.size());
      } else {
        line.append(time(status));
        String first = inodes.putIfAbsent(status.inode(), childName);
        if (status.isRegular() && first == null) {
          line.append(" size ").append(status.size()).append(' ').append(contents(me, childPath));
        } else {
          line.append(" = ").append(first).append(" device ").append(status.specialDevice());
        }
        line.append(" links ").append(status.links()).append(attributes(me, childPath));
      }
      entries.put(childName, line.toString());
    }
  }

  private static String time(FileStatus status) {
    return " " + status.modified().seconds() + "." + status.modified().nanos();
  }

  private static String contents(Person me, String path) throws ErrnoException {
    int file;
    try {
      file = me.open(path, Flags.O_RDONLY);
    } catch (ErrnoException e) {
      return e.getMessage();
    }
    try {
      return Hashes.sha256(me.pread(file, (int) me.fstat(file).size() + 1, 0));
    } catch (ErrnoException e) {
      return e.getMessage();
    } finally {
      me.close(file);
    }
  }

  private static String target(Person me, String path) {
    try {
      return me.readlink(path);
    } catch (ErrnoException e) {
      return e.getMessage();
    }
  }

  private static String attributes(Person me, String path) throws ErrnoException {
    StringBuilder text = new StringBuilder();
    for (String attribute : me.listXattrs(path)) {
      text.append(' ')
          .append(attribute)
          .append('=')
          .append(HexFormat.of().formatHex(me.getXattr(path, attribute)));
    }
    return text.toString();
  }

  /** Fails with the first differences of two descriptions. */
  static void assertSame(Map<String, String> expected, Map<String, String> actual, String what) {
    List<String> differences = new ArrayList<>();
    for (Map.Entry<String, String> entry : expected.entrySet()) {
      String other = actual.get(entry.getKey());
      if (!entry.getValue().equals(other)) {
        differences.add(
            entry.getKey().replace("\n", "\\n")
                + "\n    expected "
                + entry.getValue()
                + "\n    found    "
                + other);
      }
    }
    for (String name : actual.keySet()) {
      if (!expected.containsKey(name)) {
        differences.add(name + "\n    expected nothing\n    found    " + actual.get(name));
      }
    }
    if (!differences.isEmpty()) {
      fail(
          what
              + ": "
              + differences.size()
              + " differences among "
              + expected.size()
              + " entries\n  "
              + String.join("\n  ", differences.subList(0, Math.min(8, differences.size()))));
    }
  }

  /** A hash over the whole stored tree, to see that nothing was touched. */
  static String fingerprint(Path directory) throws ErrnoException {
    StringBuilder all = new StringBuilder();
    describe(directory).forEach((name, line) -> all.append(name).append(line).append('\n'));
    return Hashes.sha256(all.toString().getBytes(StandardCharsets.UTF_8));
  }
}
