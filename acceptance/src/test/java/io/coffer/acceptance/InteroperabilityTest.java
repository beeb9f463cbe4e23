package io.coffer.acceptance;

import static io.coffer.acceptance.Volume.Program.COFFER;
import static io.coffer.acceptance.Volume.Program.PEER;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.acceptance.Volume.Program;
import io.coffer.posix.ErrnoException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Property {@code coffer.test.writer=peer} lets gocryptfs take both parts, to try the tests. */
@DisplayName("Beside the installed gocryptfs")
class InteroperabilityTest {
  private static final Program OURS = Boolean.getBoolean("coffer.test.peeronly") ? PEER : COFFER;

  private final Area area = Area.onDisk();

  @BeforeEach
  void needPeer() {
    Tools.need("gocryptfs");
  }

  @AfterEach
  void cleanUp() {
    area.close();
  }

  /** Options of a volume, and the longest name it can keep. */
  record Kind(String options, int longestName) {
    String[] words() {
      return options.isEmpty() ? new String[0] : options.split(" ", -1);
    }

    @Override
    public String toString() {
      return options.isEmpty() ? "default" : options;
    }
  }

  static Stream<Kind> kinds() {
    return Stream.of(
        new Kind("", 255),
        new Kind("-aessiv", 255),
        new Kind("-xchacha", 255),
        new Kind("-plaintextnames", 255),
        new Kind("-deterministic-names", 255),
        new Kind("-longnamemax 62", 255),
        new Kind("-raw64=false", 255),
        new Kind("-hkdf=false", 255),
        new Kind("-hkdf=false -aessiv", 255),
        new Kind("-xchacha -deterministic-names -longnamemax 100", 255),
        new Kind("-aessiv -plaintextnames", 255));
  }

  private void checkClean(Volume volume) {
    volume.check(PEER).ok();
    volume.check(OURS).ok();
  }

  private void twoWay(Volume volume, Kind kind, long seed) throws ErrnoException {
    Map<String, String> written = new TreeMap<>();
    int turn = 0;
    for (Program writer : new Program[] {OURS, PEER}) {
      // Each adds to what the other left, in the same directories.
      try (Mounted mounted = volume.mount(writer)) {
        Path own = volume.view().resolve("turn " + turn);
        Command.of("mkdir", own).ok();
        Trees.fill(own, seed + turn++, 80, kind.longestName, true);
        written = Trees.describe(volume.view());
        mounted.unmount();
      }
      for (Program reader : new Program[] {writer == PEER ? OURS : PEER, writer}) {
        try (Mounted mounted = volume.mount(reader, "-ro")) {
          Trees.assertSame(
              written,
              Trees.describe(volume.view()),
              "written by " + writer + ", read by " + reader + ", seed " + seed);
          mounted.unmount();
        }
      }
      checkClean(volume);
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void what_one_writes_the_other_reads(Kind kind) throws ErrnoException {
    long seed = Long.getLong("coffer.test.seed", 20_260_101L);
    Volume byPeer = Volume.in(area, "peer");
    byPeer.init(PEER, kind.words());
    twoWay(byPeer, kind, seed);
    if (!kind.options.contains("=false")) { // Only the peer still makes such old volumes.
      Volume byUs = Volume.in(area, "ours");
      byUs.init(OURS, kind.words());
      twoWay(byUs, kind, seed + 100);
    }
  }

  @Test
  void the_other_program_changes_and_removes_what_one_made() throws ErrnoException, IOException {
    Volume volume = Volume.in(area, "v");
    volume.init(OURS);
    Program[] turns = {OURS, PEER, OURS, PEER};
    for (int turn = 0; turn < turns.length; turn++) {
      try (Mounted mounted = volume.mount(turns[turn])) {
        Path view = volume.view();
        if (turn > 0) {
          Files.writeString(
              view.resolve("d/log"),
              "turn " + turn + "\n",
              java.nio.file.StandardOpenOption.APPEND);
          Files.move(
              view.resolve("n".repeat(200) + (turn - 1)), view.resolve("n".repeat(200) + turn));
          Command.of("rm", "-r", view.resolve("tree")).ok();
        } else {
          Files.createDirectory(view.resolve("d"));
          Files.writeString(view.resolve("d/log"), "turn 0\n");
          Files.writeString(view.resolve("n".repeat(200) + 0), "moved");
        }
        Files.createDirectory(view.resolve("tree"));
        Trees.fill(view.resolve("tree"), turn, 30, 255, false);
        mounted.unmount();
      }
      checkClean(volume);
    }
    try (Mounted mounted = volume.mount(OURS)) {
      assertEquals(
          "turn 0\nturn 1\nturn 2\nturn 3\n",
          Files.readString(volume.view().resolve("d/log")),
          "lines that both appended in turn");
      assertEquals("moved", Files.readString(volume.view().resolve("n".repeat(200) + 3)), "moved");
      mounted.unmount();
    }
  }

  @Test
  void trees_go_in_and_out_without_a_mount() throws ErrnoException {
    Volume volume = Volume.in(area, "v");
    volume.init(PEER);
    Path plain = area.directory("plain");
    Trees.fill(plain, 7, 150, 255, true);
    Map<String, String> expected = Trees.describe(plain);
    Command.coffer("encrypt", "--password-file", volume.password(), plain, volume.stored()).ok();
    checkClean(volume);
    try (Mounted mounted = volume.mount(PEER)) {
      Map<String, String> shown = Trees.describe(volume.view());
      Trees.assertSame(expected, shown, "encrypted without a mount, read by gocryptfs");
      mounted.unmount();
    }
    Path back = area.path().resolve("back");
    Command.coffer("decrypt", "--password-file", volume.password(), volume.stored(), back).ok();
    Trees.assertSame(expected, Trees.describe(back), "decrypted without a mount");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"v0.9", "v1.1-aessiv", "v1.3", "v2.2-xchacha", "v2.2-deterministic-names"})
  void volumes_of_released_versions_open(String name) throws IOException {
    Volume volume = copyOf(name);
    try (Mounted mounted = volume.mount(OURS)) {
      Path view = volume.view();
      assertEquals("It works!\n", Files.readString(view.resolve("status.txt")), "status.txt");
      assertEquals("status.txt", Files.readSymbolicLink(view.resolve("rel")).toString(), "rel");
      assertEquals("/a/b/c/d", Files.readSymbolicLink(view.resolve("abs")).toString(), "abs");
      try (Stream<Path> names = Files.list(view)) {
        for (Path path :
            names.filter(p -> p.getFileName().toString().startsWith("long")).toList()) {
          assertEquals(255, path.getFileName().toString().length(), "length of the long name");
          assertEquals("It works!\n", Files.readString(path), "the file with the long name");
        }
      }
      Files.writeString(view.resolve("new file"), "written today");
      mounted.unmount();
    }
    volume.check(OURS).ok();
    try (Mounted mounted = volume.mount(PEER)) {
      assertEquals(
          "written today",
          Files.readString(volume.view().resolve("new file")),
          "written by us into the old volume, read by gocryptfs");
      mounted.unmount();
    }
  }

  private Volume copyOf(String name) {
    Path source = Tools.needVolumes().resolve(name);
    Path stored = area.path().resolve("copy");
    Command.of("cp", "-a", source, stored).ok();
    Command.of("chmod", "-R", "u+w", stored).ok();
    restoreSymlinks(stored);
    return new Volume(stored, area.directory("copy.view"), area.file("pw", "test\n"));
  }

  /** A copy of the volumes through a store without links holds link targets as files' contents. */
  private static void restoreSymlinks(Path stored) {
    try (Stream<Path> all = Files.list(stored)) {
      for (Path path : all.filter(Files::isRegularFile).toList()) {
        byte[] text = Files.readAllBytes(path);
        boolean target =
            text.length >= 40
                && text.length < 400
                && new String(text, StandardCharsets.ISO_8859_1).matches("[A-Za-z0-9_=-]+");
        if (target && !path.getFileName().toString().endsWith(".name")) {
          Files.delete(path);
          Files.createSymbolicLink(path, Path.of(new String(text, StandardCharsets.US_ASCII)));
        }
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void a_format_too_old_is_refused_with_27() {
    Volume volume = copyOf("v0.6");
    Outcome outcome =
        Command.personality("-passfile", volume.password(), volume.stored(), volume.view())
            .run()
            .expectExit(27);
    assertTrue(outcome.err().length() > 20, "a sentence that says so: " + outcome);
    Command.coffer("mount", "--password-file", volume.password(), volume.stored(), volume.view())
        .run()
        .expectExit(27);
  }

  @Test
  void contents_under_other_keys_are_not_returned() {
    Volume volume = copyOf("broken/broken_content");
    Outcome outcome =
        Command.coffer(
                "mount", "--password-file", volume.password(), volume.stored(), volume.view())
            .run();
    if (outcome.exit() == 0) {
      Outcome cat = Command.of("cat", volume.view().resolve("status.txt")).run();
      assertTrue(cat.exit() != 0, "reading must fail: " + cat);
      assertEquals("", cat.out(), "no data may come out");
    }
  }

  @Test
  void names_in_a_second_spelling_are_found_by_the_check() {
    Volume volume = copyOf("broken/malleable_base64");
    Command.personality("-fsck", "-passfile", volume.password(), volume.stored())
        .run()
        .expectExit(26);
    volume.check(COFFER).expectExit(26);
  }

  /** Relative path to hash, as another program (sha256sum) sees the view. */
  private static String listing(Path directory) {
    return Command.bash(
            "cd "
                + directory
                + " && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum"
                + " && find . -printf '%y %m %s %P %l\\n' | grep -v '^d' | LC_ALL=C sort"
                + " && find . -type d -printf '%m %P\\n' | LC_ALL=C sort")
        .ok()
        .out();
  }

  private Mounted reverse(Program program, Path plain, Path view, Path password) {
    Command command =
        program == PEER
            ? Command.peer("-fg", "-q", "-reverse", "-passfile", password, plain, view)
            : Command.coffer(
                "mount", "--foreground", "--reverse", "--password-file", password, plain, view);
    return Mounted.start(command, view);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "-plaintextnames", "-deterministic-names"})
  void both_show_the_same_ciphertext_of_a_plain_tree(String option) throws ErrnoException {
    Path plain = area.directory("plain");
    Path password = area.file("pw", "reverse\n");
    Trees.fillWithoutLinks(plain, 11, 80);
    Command.peer("-init", "-q", "-reverse", "-scryptn", "10", "-passfile", password)
        .and(option.isEmpty() ? java.util.List.of() : java.util.List.of(option))
        .and(plain)
        .ok();
    Map<String, String> expected = Trees.describe(plain);
    expected.remove("/.gocryptfs.reverse.conf");
    Path peers = area.directory("peers");
    Path ours = area.directory("ours");
    try (Mounted peer = reverse(PEER, plain, peers, password);
        Mounted our = reverse(OURS, plain, ours, password)) {
      assertEquals(listing(peers), listing(ours), "the encrypted views of one tree");
      // A backup of the view is an ordinary volume.
      Path backup = area.directory("backup");
      Command.of("cp", "-a", ours + "/.", backup).ok();
      our.unmount();
      peer.unmount();
      Volume restored = new Volume(backup, area.directory("restored"), password);
      for (Program program : new Program[] {PEER, OURS}) {
        try (Mounted mounted = restored.mount(program, "-ro")) {
          Trees.assertSame(expected, Trees.describe(restored.view()), "restored by " + program);
          mounted.unmount();
        }
      }
    }
  }

  @Test
  void our_own_reverse_volume_is_shown_alike_by_the_other() throws ErrnoException {
    Path plain = area.directory("plain");
    Path password = area.file("pw", "reverse\n");
    Trees.fillWithoutLinks(plain, 12, 60);
    Command.coffer("init", "--reverse", "--scrypt-log-n", "10", "--password-file", password, plain)
        .ok();
    Path peers = area.directory("peers");
    Path ours = area.directory("ours");
    try (Mounted peer = reverse(PEER, plain, peers, password);
        Mounted our = reverse(OURS, plain, ours, password)) {
      assertEquals(listing(peers), listing(ours), "the encrypted views of one tree");
      our.unmount();
      peer.unmount();
    }
  }

  @Test
  void with_one_file_system_both_leave_out_what_is_mounted_in_a_plain_tree() throws Exception {
    Tools.needRoot();
    Path plain = area.directory("plain");
    Path password = area.file("pw", "reverse\n");
    Files.writeString(Files.createDirectory(plain.resolve("below")).resolve("f"), "here");
    Path other = area.tmpfs("plain/other", 1);
    Files.writeString(Files.createDirectory(other.resolve("directory")).resolve("f"), "there");
    Command.peer("-init", "-q", "-reverse", "-scryptn", "10", "-passfile", password, plain).ok();
    Path peers = area.directory("peers");
    Path ours = area.directory("ours");
    Path all = area.directory("all");
    String[] peerWords = {"-fg", "-q", "-reverse", "-one-file-system", "-passfile"};
    try (Mounted peer =
            Mounted.start(Command.peer((Object[]) peerWords).and(password, plain, peers), peers);
        Mounted our =
            Mounted.start(
                Command.coffer("mount", "--foreground", "--reverse", "--one-file-system")
                    .and("--password-file", password, plain, ours),
                ours);
        Mounted everything = reverse(OURS, plain, all, password)) {
      assertEquals(listing(peers), listing(ours), "the encrypted views of one tree");
      // The directory is there, and empty but for its IV.
      assertEquals("8", Command.bash("find " + ours + " | wc -l").ok().out().strip());
      assertEquals("11", Command.bash("find " + all + " | wc -l").ok().out().strip());
      everything.unmount();
      our.unmount();
      peer.unmount();
    }
  }

  @Test
  void the_released_reverse_volume_is_shown_alike() {
    Volume volume = copyOf("v1.1-reverse");
    Path peers = area.directory("peers");
    try (Mounted peer = reverse(PEER, volume.stored(), peers, volume.password());
        Mounted our = reverse(OURS, volume.stored(), volume.view(), volume.password())) {
      assertEquals(listing(peers), listing(volume.view()), "the encrypted views");
      our.unmount();
      peer.unmount();
    }
  }

  @Test
  void the_master_key_alone_opens_a_volume_of_the_other() throws IOException {
    Volume volume = Volume.in(area, "v");
    volume.init(PEER);
    Tools.need("gocryptfs-xray");
    String key =
        Command.of("gocryptfs-xray", "-dumpmasterkey", volume.stored().resolve("gocryptfs.conf"))
            .stdin(Volume.PASSWORD + "\n")
            .ok()
            .out()
            .strip();
    Command.coffer("mount", "--master-key", key, volume.stored(), volume.view()).ok();
    Files.writeString(volume.view().resolve("f"), "text", StandardCharsets.US_ASCII);
    Command.coffer("unmount", volume.view()).ok();
    try (Mounted mounted = volume.mount(PEER)) {
      assertEquals("text", Files.readString(volume.view().resolve("f")), "read by gocryptfs");
      mounted.unmount();
    }
  }
}
