package io.coffer.acceptance;

import static io.coffer.acceptance.Volume.Program.COFFER;
import static io.coffer.acceptance.Volume.Program.PEER;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.ErrnoException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Each fault gets one sentence that helps and the right exit code, and loses nothing. */
@DisplayName("Bad input")
class BadInputTest {
  private final Area area = Area.onDisk();
  private final Volume volume = Volume.in(area, "v");

  @BeforeEach
  void make() throws IOException {
    volume.init(COFFER);
  }

  @AfterEach
  void cleanUp() {
    area.close();
  }

  interface Damage {
    void on(Volume volume) throws IOException;
  }

  /** A fault of the volume, the exit code, and words one of which the message must hold. */
  record Fault(String what, int exit, List<String> words, Damage damage) {
    @Override
    public String toString() {
      return what;
    }
  }

  private static Path config(Volume volume) {
    return volume.stored().resolve("gocryptfs.conf");
  }

  private static void edit(Volume volume, String pattern, String replacement) throws IOException {
    Path config = config(volume);
    Command.of("chmod", "0600", config).ok();
    String before = Files.readString(config);
    String after = before.replaceFirst(pattern, replacement);
    assertFalse(before.equals(after), "the edit of " + pattern + " should change " + before);
    Files.writeString(config, after);
  }

  static Stream<Fault> faults() {
    return Stream.of(
        new Fault(
            "a wrong password",
            12,
            List.of("password"),
            v -> Files.writeString(v.password(), "wrong\n")),
        new Fault(
            "an empty password", 22, List.of("empty"), v -> Files.writeString(v.password(), "\n")),
        new Fault(
            "a missing password file", 9, List.of("password"), v -> Files.delete(v.password())),
        new Fault(
            "a missing configuration", 8, List.of("gocryptfs.conf"), v -> Files.delete(config(v))),
        new Fault(
            "an empty configuration",
            8,
            List.of("gocryptfs.conf", "config"),
            v -> {
              Command.of("chmod", "0600", config(v)).ok();
              Files.writeString(config(v), "");
            }),
        new Fault(
            "a truncated configuration",
            8,
            List.of("gocryptfs.conf", "config"),
            v -> Command.of("truncate", "-s", "100", config(v)).ok()),
        new Fault(
            "a configuration that is no JSON",
            8,
            List.of("gocryptfs.conf", "config"),
            v -> edit(v, "\\{", "<")),
        new Fault(
            "an unknown feature flag",
            27,
            List.of("StrangeFeature"),
            v -> edit(v, "\"HKDF\"", "\"HKDF\", \"StrangeFeature\"")),
        new Fault(
            "flags that contradict each other",
            27,
            List.of("PlaintextNames", "flag", "feature"),
            v -> edit(v, "\"DirIV\"", "\"DirIV\", \"PlaintextNames\"")),
        new Fault(
            "another version of the format",
            27,
            List.of("version", "Version"),
            v -> edit(v, "\"Version\": 2", "\"Version\": 3")),
        new Fault(
            "a flipped bit in the encrypted key",
            12,
            List.of("password"),
            v -> edit(v, "(\"EncryptedKey\": \")(.)", "$1" + "/")),
        new Fault(
            "an encrypted key that is no base64",
            8,
            List.of("EncryptedKey", "config"),
            v -> edit(v, "\"EncryptedKey\": \"....", "\"EncryptedKey\": \"!!!!")),
        new Fault(
            "weak scrypt parameters",
            13,
            List.of("scrypt"),
            v -> edit(v, "\"N\": 1024", "\"N\": 16")),
        new Fault(
            "a directory that is missing",
            6,
            List.of("does not exist", "not a directory", "No such", "missing"),
            v -> Command.of("rm", "-r", v.stored()).ok()),
        new Fault(
            "a missing mount point",
            10,
            List.of("mkdir", "does not exist"),
            v -> Files.delete(v.view())),
        new Fault(
            "a mount point that is not empty",
            10,
            List.of("not empty"),
            v -> Files.writeString(v.view().resolve("file"), "x")),
        new Fault(
            "a mount point that is a file",
            10,
            List.of("not a directory"),
            v -> {
              Files.delete(v.view());
              Files.writeString(v.view(), "x");
            }));
  }

  @ParameterizedTest
  @MethodSource("faults")
  void a_mount_is_refused_with_one_sentence_and_the_right_code(Fault fault)
      throws IOException, ErrnoException {
    fault.damage.on(volume);
    String before = Files.exists(volume.stored()) ? Trees.fingerprint(volume.stored()) : "";
    Outcome outcome =
        Command.coffer(
                "mount", "--password-file", volume.password(), volume.stored(), volume.view())
            .run()
            .expectExit(fault.exit);
    assertHelpful(outcome, fault.words);
    assertFalse(Mounts.isMounted(volume.view()), "nothing may be mounted");
    assertEquals(
        before,
        Files.exists(volume.stored()) ? Trees.fingerprint(volume.stored()) : "",
        "the volume must be untouched");
    if (Tools.has("gocryptfs")) {
      Object[] words = {"-passfile", volume.password(), volume.stored(), volume.view()};
      Outcome ours = Command.personality(words).run();
      Outcome peers = Command.peer(words).run();
      assertEquals(
          peers.exit(), ours.exit(), "exit code of bin/gocryptfs: " + ours + "\npeer: " + peers);
    }
  }

  private static void assertHelpful(Outcome outcome, List<String> words) {
    assertFalse(outcome.err().contains("\tat "), "no stack trace: " + outcome);
    assertFalse(outcome.err().contains("Exception"), "no exception's name: " + outcome);
    assertTrue(
        words.stream()
            .anyMatch(word ->
                outcome.err().toLowerCase(Locale.ROOT).contains(word.toLowerCase(Locale.ROOT))),
        "stderr should hold one of " + words + ": " + outcome);
    assertTrue(
        outcome.err().lines().filter(l -> !l.startsWith(" ")).count() <= 2,
        "one sentence (and perhaps a hint) is enough: " + outcome);
  }

  @Test
  void init_refuses_a_directory_that_is_not_empty_or_holds_a_volume() throws Exception {
    String before = Trees.fingerprint(volume.stored());
    Outcome again =
        Command.coffer("init", "--password-file", volume.password(), volume.stored())
            .run()
            .expectExit(7);
    assertHelpful(again, List.of("volume", "empty", "exists"));
    assertEquals(before, Trees.fingerprint(volume.stored()), "the volume must be untouched");
    Path full = area.directory("full");
    Files.writeString(full.resolve("file"), "x");
    Outcome notEmpty =
        Command.coffer("init", "--password-file", volume.password(), full).run().expectExit(7);
    assertHelpful(notEmpty, List.of("not empty"));
    assertEquals(1, Command.of("ls", "-A", full).ok().out().lines().count(), "files after it");
  }

  @Test
  void a_mount_point_inside_the_volume_or_around_it_is_refused() throws Exception {
    Path inside = Files.createDirectory(volume.stored().resolve("inside"));
    for (Path point : List.of(inside, volume.stored(), area.path())) {
      Outcome outcome =
          Command.coffer("mount", "--password-file", volume.password(), volume.stored(), point)
              .run()
              .expectExit(10);
      assertHelpful(outcome, List.of("inside", "hide", "not empty"));
    }
  }

  @Test
  void the_configuration_of_another_volume_opens_no_file() throws Exception {
    try (Mounted mounted = volume.mount(COFFER)) {
      Files.writeString(volume.view().resolve("secret"), "text");
      mounted.unmount();
    }
    Volume other = Volume.in(area, "other");
    other.init(COFFER);
    Files.copy(config(other), config(volume), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    Outcome check = volume.check(COFFER).expectExit(26);
    assertTrue(check.out().contains("error"), "the check should tell of errors: " + check);
    try (Mounted mounted = volume.mount(COFFER)) {
      assertFalse(Files.exists(volume.view().resolve("secret")), "the name cannot be decrypted");
      mounted.unmount();
    }
  }

  // Damage to files.

  /** Writes two files of five blocks and returns their stored paths. */
  private Path[] twoFiles() {
    try (Mounted mounted = volume.mount(COFFER)) {
      Path[] stored = new Path[2];
      for (int i = 0; i < 2; i++) {
        List<Path> before = storedFiles();
        Files.write(volume.view().resolve("file" + i), OnSubject.random(20_000, i));
        stored[i] =
            storedFiles().stream().filter(p -> !before.contains(p)).findFirst().orElseThrow();
      }
      mounted.unmount();
      return stored;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private List<Path> storedFiles() throws IOException {
    try (Stream<Path> all = Files.list(volume.stored())) {
      return all.filter(p -> !p.getFileName().toString().startsWith("gocryptfs.")).toList();
    }
  }

  private static byte[] read(Path file, long at, int length) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      ByteBuffer buffer = ByteBuffer.allocate(length);
      int n;
      do {
        n = channel.read(buffer, at + buffer.position());
      } while (n > 0 && buffer.hasRemaining());
      return buffer.array();
    }
  }

  private static void write(Path file, long at, byte[] data) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(data), at);
    }
  }

  /** A damage, and which of the five blocks can still be read. */
  record Wound(String what, String readable, DamageOfFiles damage) {
    @Override
    public String toString() {
      return what;
    }
  }

  interface DamageOfFiles {
    void on(Path first, Path second) throws IOException;
  }

  private static long block(int index) {
    return 18 + index * 4128L;
  }

  static Stream<Wound> wounds() {
    return Stream.of(
        new Wound(
            "two blocks swapped",
            "0  34",
            (a, b) -> {
              byte[] one = read(a, block(1), 4128);
              byte[] two = read(a, block(2), 4128);
              write(a, block(1), two);
              write(a, block(2), one);
            }),
        new Wound(
            "a block of another file",
            "012 4",
            (a, b) -> write(a, block(3), read(b, block(3), 4128))),
        new Wound(
            "one bit flipped",
            "01 34",
            (a, b) -> {
              byte[] one = read(a, block(2) + 777, 1);
              one[0] ^= 4;
              write(a, block(2) + 777, one);
            }),
        new Wound("the header of another file", "     ", (a, b) -> write(a, 0, read(b, 0, 18))),
        new Wound("a header of zeros", "     ", (a, b) -> write(a, 0, new byte[18])),
        new Wound(
            "cut in the middle of a block",
            "01   ",
            (a, b) -> Command.of("truncate", "-s", block(2) + 1000, a).ok()),
        new Wound(
            "cut within the header", "     ", (a, b) -> Command.of("truncate", "-s", 10, a).ok()));
  }

  @ParameterizedTest
  @MethodSource("wounds")
  void a_damaged_block_is_an_error_for_that_block_alone(Wound wound) throws Exception {
    Path[] stored = twoFiles();
    wound.damage.on(stored[0], stored[1]);
    String before = Trees.fingerprint(volume.stored());
    try (Mounted mounted = volume.mount(COFFER)) {
      byte[] whole = OnSubject.random(20_000, 0);
      for (int block = 0; block < 5; block++) {
        int length = Math.min(4096, 20_000 - block * 4096);
        boolean readable = wound.readable.charAt(block) != ' ';
        Outcome dd =
            Command.of(
                    "dd",
                    "if=" + volume.view().resolve("file0"),
                    "of=" + area.path().resolve("out"),
                    "bs=4096",
                    "skip=" + block,
                    "count=1",
                    "iflag=direct",
                    "status=none")
                .run();
        byte[] got = Files.readAllBytes(area.path().resolve("out"));
        if (readable) {
          dd.ok();
          org.junit.jupiter.api.Assertions.assertArrayEquals(
              java.util.Arrays.copyOfRange(whole, block * 4096, block * 4096 + length),
              got,
              wound + ": block " + block);
        } else {
          assertEquals(0, got.length, wound + ": no data may come out of block " + block);
          if (!wound.what.startsWith("cut")) { // Behind the end there is nothing to fail.
            assertTrue(dd.exit() != 0, wound + ": reading block " + block + " must fail: " + dd);
          }
        }
      }
      assertEquals(
          Hashes.sha256(OnSubject.random(20_000, 1)),
          Hashes.sha256(volume.view().resolve("file1")),
          "the other file");
      assertTrue(mounted.alive(), "the mount lives on");
      assertTrue(
          wound.what.equals("cut within the header")
              || mounted.log().contains("file0")
              || mounted.log().contains(stored[0].getFileName().toString()),
          "one log line should name the file: " + mounted.log());
      mounted.unmount();
    }
    assertEquals(before, Trees.fingerprint(volume.stored()), "reading must change nothing");
    volume.check(COFFER).expectExit(26);
    if (Tools.has("gocryptfs") && !wound.what.equals("cut within the header")) {
      assertEquals(26, volume.check(PEER).exit(), "gocryptfs -fsck should agree");
    }
  }

  @Test
  void lost_sidecars_hide_an_entry_and_the_check_tells() throws Exception {
    try (Mounted mounted = volume.mount(COFFER)) {
      Files.createDirectory(volume.view().resolve("d"));
      Files.writeString(volume.view().resolve("d/inside"), "x");
      Files.writeString(volume.view().resolve("n".repeat(230)), "long");
      Files.writeString(volume.view().resolve("sound"), "sound");
      mounted.unmount();
    }
    Command.bash(
            "cd "
                + volume.stored()
                + " && rm -f gocryptfs.longname.*.name && find . -mindepth 2 -name gocryptfs.diriv"
                + " -delete && touch '!!!not-base64!!!'")
        .ok();
    Outcome check = volume.check(COFFER).expectExit(26);
    assertFalse(check.all().contains("Exception"), "findings, not exceptions: " + check);
    try (Mounted mounted = volume.mount(COFFER)) {
      assertEquals("sound", Files.readString(volume.view().resolve("sound")), "the sound file");
      Outcome ls = Command.of("ls", volume.view().resolve("d")).run();
      assertTrue(ls.exit() != 0, "a directory without its IV cannot be listed: " + ls);
      assertTrue(mounted.alive(), "the mount lives on");
      mounted.unmount();
    }
  }

  @Test
  void a_read_only_store_is_mounted_read_only() throws Exception {
    Tools.needRoot();
    Path store = area.directory("ro");
    Command.of("mount", "--bind", volume.stored(), store).ok();
    Command.of("mount", "-o", "remount,bind,ro", store).ok();
    Volume readOnly = new Volume(store, volume.view(), volume.password());
    try (Mounted mounted = readOnly.mount(COFFER)) {
      Outcome touch = Command.of("touch", volume.view().resolve("f")).run();
      assertTrue(touch.err().contains("Read-only file system"), "EROFS: " + touch);
      mounted.unmount();
    }
  }

  @Test
  void a_full_store_is_ENOSPC_and_tears_nothing() throws Exception {
    Path small = area.ext4("small", 16);
    Volume full = new Volume(small.resolve("stored"), volume.view(), volume.password());
    Files.createDirectory(full.stored());
    full.init(COFFER);
    byte[] precious = OnSubject.random(200_000, 1);
    try (Mounted mounted = full.mount(COFFER)) {
      Files.write(full.view().resolve("precious"), precious);
      Outcome dd =
          Command.of("dd", "if=/dev/zero", "of=" + full.view().resolve("big"), "bs=64k").run();
      assertTrue(dd.err().contains("No space left"), "ENOSPC: " + dd);
      // Overwriting in place and appending when nothing is left.
      for (int i = 0; i < 20; i++) {
        Command.bash("echo more >> " + full.view().resolve("precious2")).run();
        Command.of("mkdir", full.view().resolve("d" + i)).run();
      }
      assertEquals(
          Hashes.sha256(precious), Hashes.sha256(full.view().resolve("precious")), "old contents");
      Files.delete(full.view().resolve("big"));
      Files.write(full.view().resolve("after"), precious);
      mounted.unmount();
    }
    full.check(COFFER).ok();
    try (Mounted mounted = full.mount(COFFER)) {
      Command.bash("find " + full.view() + " -type f -print0 | xargs -0 cat > /dev/null").ok();
      Command.bash("ls -lR " + full.view()).ok();
      assertEquals(
          Hashes.sha256(precious), Hashes.sha256(full.view().resolve("after")), "written after it");
      mounted.unmount();
    }
  }
}
