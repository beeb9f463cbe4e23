package io.coffer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands on a mounted volume of the format fscrypt. */
@DisplayName("With a volume of the format fscrypt")
class PolicyCommandsTest {
  @TempDir private Path temporary = Path.of("");
  private Path volume = Path.of("");
  private Path view = Path.of("");
  private Path password = Path.of("");

  @BeforeEach
  void make() throws IOException {
    volume = Files.createDirectory(temporary.resolve("volume"));
    view = Files.createDirectory(temporary.resolve("view"));
    password = Files.writeString(temporary.resolve("password"), "secret\n");
    Run run =
        ok(
            "init",
            "--format",
            "fscrypt",
            "--argon2-memory",
            8,
            "--argon2-passes",
            1,
            "--password-file",
            password,
            volume);
    assertTrue(run.err().contains("coffer policy set"), run.err());
  }

  @AfterEach
  void unmount() throws IOException {
    if (Files.readString(Path.of("/proc/self/mountinfo")).contains(view.toString())) {
      ok("unmount", view);
    }
  }

  private static Run ok(Object... args) {
    Run run = Run.coffer(args);
    assertEquals(0, run.exitCode(), run.err());
    return run;
  }

  @Test
  void directoriesAreEncryptedLockedAndUnlocked() throws IOException {
    ok("mount", volume, view);
    Path tree = Files.createDirectory(view.resolve("tree"));
    assertEquals(11, Run.coffer("policy", "set", tree).exitCode());
    Run ignored = Run.coffer("policy", "set", "--password-file", password, tree);
    assertEquals(1, ignored.exitCode());
    assertTrue(ignored.err().contains("is for --new-key"), ignored.err());
    ok("unlock", "--password-file", password, view);
    ok("policy", "set", "--names", "aes-256-hctr2", "--padding", 16, tree);
    assertTrue(ok("policy", "show", tree).out().contains("aes-256-hctr2, padded to 16"));
    Files.writeString(tree.resolve("file"), "text");
    assertTrue(
        ok("status", "--json", tree.resolve("file")).out().contains("\"status\":\"present\""));
    assertEquals("is not encrypted", ok("status", view).out().strip().replaceAll(".*view ", ""));
    try (var open = Files.newInputStream(tree.resolve("file"))) {
      Run locked = ok("lock", tree);
      assertTrue(locked.err().contains("tree/file (process "), locked.err());
      assertEquals(-1, firstByte(open));
    }
    assertFalse(Files.exists(tree.resolve("file")));
    assertTrue(ok("status", tree).out().contains("locked"));
    assertTrue(ok("keys", view).out().contains("  absent"));
    assertTrue(ok("keys", "--json", view).out().contains("\"users\":[]"));
    ok("unlock", "--password-file", password, tree);
    assertEquals("text", Files.readString(tree.resolve("file")));
    Path plain = Files.createDirectory(view.resolve("plain"));
    Run both = ok("lock", "--lazy", plain);
    assertTrue(
        both.err().contains("is not encrypted itself; keys of yours that were given up: 1"),
        both.err());
    assertFalse(Files.exists(tree.resolve("file")));
    assertTrue(ok("lock", plain).err().contains("given up: 0"));
    assertTrue(ok("lock", tree).err().contains("tree is locked already"));
    ok("unlock", "--password-file", password, tree);
    assertEquals("", ok("lock", "--lazy", view).err());
    assertFalse(Files.exists(tree.resolve("file")));
  }

  private static int firstByte(java.io.InputStream open) {
    try {
      return open.read();
    } catch (IOException e) {
      return -1;
    }
  }

  @Test
  void aPasswordAtMountUnlocksAndAWrongOneDoesNot() throws IOException {
    Path wrong = Files.writeString(temporary.resolve("wrong"), "other\n");
    assertEquals(12, Run.coffer("mount", "--password-file", wrong, volume, view).exitCode());
    assertFalse(
        Files.readString(Path.of("/proc/self/mountinfo")).contains(view.toString()),
        "a view is left behind");
    ok("mount", "--password-file", password, volume, view);
    assertTrue(ok("keys", view).out().contains("  present"));
    assertEquals(12, Run.coffer("unlock", "--password-file", wrong, view).exitCode());
    Path key = Files.write(temporary.resolve("key"), new byte[40]);
    ok("unlock", "--key-file", key, view);
    assertEquals(2, ok("keys", view).lines().count());
  }

  @Test
  void aKeyHasManyProtectorsAndAProtectorManyKeys() throws IOException {
    Path hers = Files.writeString(temporary.resolve("hers"), "other\n");
    Path raw = Files.write(temporary.resolve("raw"), SecureRandom.getSeed(32));
    ok(
        "protector",
        "add",
        "--password-file",
        password,
        "--name",
        "anna",
        "--new-password-file",
        hers,
        volume);
    ok(
        "protector",
        "add",
        "--password-file",
        password,
        "--kind",
        "key-file",
        "--name",
        "job",
        "--new-key-file",
        raw,
        volume);
    ok(
        "protector",
        "add",
        "--password-file",
        hers,
        "--kind",
        "command",
        "--name",
        "program",
        "--new-password-command",
        "echo from-program",
        volume);
    String words =
        ok(
                "protector",
                "add",
                "--password-file",
                hers,
                "--kind",
                "recovery",
                "--name",
                "paper",
                volume)
            .out()
            .strip();
    assertTrue(ok("protector", "list", volume).out().contains("anna"));
    ok("mount", volume, view);
    Path tree = Files.createDirectory(view.resolve("tree"));
    Path own = Files.createDirectory(view.resolve("own"));
    ok("unlock", "--password-file", hers, view);
    ok("policy", "set", tree);
    Files.writeString(tree.resolve("file"), "text");
    ok("policy", "set", "--new-key", "--protector", "anna", "--password-file", hers, own);
    Files.writeString(own.resolve("file"), "her text");
    ok("lock", view);

    Path paper = Files.writeString(temporary.resolve("paper"), words + "\n");
    for (Object[] opener :
        new Object[][] {
          {"--password-file", password},
          {"--key-file", raw},
          {"--password-command", "echo from-program"},
          {"--password-file", paper},
          {"--protector", "anna", "--password-file", hers}
        }) {
      Object[] args =
          Stream.of(new Object[] {"unlock"}, opener, new Object[] {tree})
              .flatMap(Arrays::stream)
              .toArray();
      ok(args);
      assertEquals("text", Files.readString(tree.resolve("file")));
      assertFalse(Files.exists(own.resolve("file")));
      ok("lock", tree);
    }
    assertEquals(12, Run.coffer("unlock", "--password-file", password, own).exitCode());
    ok("unlock", "--password-file", hers, own);
    assertEquals("her text", Files.readString(own.resolve("file")));

    Run without = Run.coffer("protector", "change", volume, "job");
    assertEquals(1, without.exitCode());
    assertTrue(without.err().contains("--key-file OLD --new-key-file NEW"), without.err());
    Path newRaw = Files.write(temporary.resolve("new-raw"), SecureRandom.getSeed(32));
    ok("protector", "change", "--key-file", raw, "--new-key-file", newRaw, volume, "job");
    Run.coffer("unlock", "--key-file", raw, tree);
    assertFalse(Files.exists(tree.resolve("file")));
    ok("unlock", "--key-file", newRaw, tree);
    assertTrue(Files.exists(tree.resolve("file")));
    ok("lock", tree);

    // Where the view is, too.
    ok(
        "protector",
        "change",
        "--password-file",
        hers,
        "--new-password-file",
        password,
        view,
        "anna");
    ok("lock", view);
    assertEquals(12, Run.coffer("unlock", "--password-file", hers, own).exitCode());
    ok("unlock", "--protector", "anna", "--password-file", password, view);
    ok("protector", "remove", "--protector", "first", "--password-file", password, view, "job");
    Run last =
        Run.coffer(
            "protector",
            "remove",
            "--protector",
            "anna",
            "--password-file",
            password,
            view,
            "anna");
    assertEquals(42, last.exitCode());
    assertTrue(last.err().contains("is the only protector of the key"), last.err());
    assertEquals(4, ok("protector", "list", "--json", view).out().split("\"id\":", -1).length - 1);
  }

  @Test
  void protectorsAreRefusedWithTheReason() {
    assertEquals(1, Run.coffer("protector", "lose", volume).exitCode());
    assertEquals(1, Run.coffer("protector", "add", volume).exitCode());
    assertEquals(1, Run.coffer("protector", "remove", volume).exitCode());
    assertEquals(42, Run.coffer("protector", "remove", volume, "nobody").exitCode());
    assertEquals(1, Run.coffer("protector", "list", temporary).exitCode());
    assertEquals(
        12,
        Run.cofferWithInput("wrong\nnew\n", "protector", "add", "--name", "x", volume).exitCode());
    assertEquals(
        42,
        Run.cofferWithInput("secret\nnew\n", "protector", "add", "--name", "first", volume)
            .exitCode());
    assertEquals(
        14,
        Run.cofferWithInput(
                "secret\n", "protector", "add", "--name", "x", "--new-key-file", password, volume)
            .exitCode());
  }

  @Test
  void itsStoredFormIsShownAndCheckedWithoutTheKey() throws IOException {
    assertTrue(ok("info", volume).out().contains("opened by first"));
    assertTrue(ok("info", "--json", volume).out().contains("\"format\":\"fscrypt\""));
    ok("mount", "--password-file", password, volume, view);
    Path tree = Files.createDirectory(view.resolve("tree"));
    ok("policy", "set", tree);
    Files.writeString(tree.resolve("file"), "text");
    Files.createSymbolicLink(tree.resolve("link"), Path.of("target"));
    ok("unmount", view);
    Path storedTree = volume.resolve("tree");
    assertTrue(ok("inspect", storedTree).out().contains("Names: aes-256-cts, padded to 32"));
    Path file = volume;
    try (Stream<Path> all = Files.list(storedTree)) {
      for (Path each : all.toList()) {
        String shown = ok("inspect", each).out();
        if (Files.isSymbolicLink(each)) {
          assertTrue(shown.contains("Target: 32 bytes, enciphered"), shown);
        } else {
          assertTrue(shown.contains("Plain size: 4 bytes, stored size: 4096"), shown);
          assertTrue(shown.contains("Data: bytes 0 to 4095, units 0 to 0"), shown);
          file = each;
        }
      }
    }
    String json = ok("inspect", "--json", file).out();
    assertTrue(json.contains("\"plainSize\":4,\"storedSize\":4096,\"sound\":true"), json);
    assertTrue(json.contains("\"data\":[{\"from\":0,\"to\":4096}]"), json);
    assertTrue(ok("check", volume).out().contains("No problems"));
    Files.writeString(file, "more", java.nio.file.StandardOpenOption.APPEND);
    Run damaged = Run.coffer("check", "--json", "--password-file", password, volume);
    assertEquals(26, damaged.exitCode());
    assertTrue(damaged.out().contains("\"kind\":\"stray-contents\""), damaged.out());
    assertTrue(damaged.out().contains("\"path\":\"tree/file\""), damaged.out());
    assertTrue(ok("check", "--repair", volume).out().contains("1 repaired"));
    assertTrue(ok("check", volume).out().contains("No problems"));
  }

  @Test
  void aLockedTreeIsExportedAndOpensWhereItIsImported() throws IOException {
    ok("mount", "--password-file", password, volume, view);
    Path tree = Files.createDirectory(view.resolve("tree"));
    ok("policy", "set", tree);
    Files.writeString(tree.resolve("file"), "text");
    Files.createDirectory(tree.resolve("below"));
    ok("lock", view);
    Path archive = temporary.resolve("tree.tar");
    ok("export", tree, archive);
    assertEquals(1, Run.coffer("export", tree, archive).exitCode());
    Path plain = Files.createDirectory(view.resolve("plain"));
    assertEquals(1, Run.coffer("export", plain, temporary.resolve("none.tar")).exitCode());
    assertFalse(Files.exists(temporary.resolve("none.tar")));

    // Into the same volume, through the view; there is one of that name.
    assertEquals(11, Run.coffer("import", archive, view).exitCode());
    assertEquals(1, Run.coffer("import", "--name", "x/y", archive, view).exitCode());
    assertEquals(1, Run.coffer("import", archive, tree).exitCode());
    ok("import", "--name", "again", archive, view);
    ok("unlock", "--password-file", password, view.resolve("again"));
    assertEquals("text", Files.readString(view.resolve("again").resolve("file")));
    ok("unmount", view);

    // Into a new directory, which becomes a volume.
    Path other = temporary.resolve("other");
    ok("import", archive, other);
    ok("mount", "--password-file", password, other, view);
    assertEquals("text", Files.readString(view.resolve("tree").resolve("file")));
    ok("unmount", view);

    // A whole volume, through a pipe; damaged on the way.
    Run piped = ok("export", volume, "-");
    assertTrue(piped.out().contains("volume/"));
    assertEquals(
        11, Run.cofferWithInput(piped.out(), "import", "-", temporary.resolve("new")).exitCode());
    assertFalse(Files.exists(temporary.resolve("new")));
    Path whole = temporary.resolve("whole.tar");
    ok("export", volume, whole);
    Path restored = Files.createDirectory(temporary.resolve("restored"));
    ok("import", "--name", "volume", whole, restored);
    assertTrue(ok("check", restored.resolve("volume")).out().contains("No problems"));
    assertEquals(6, Run.coffer("import", archive, temporary).exitCode());
  }

  @Test
  void aDirectoryOfItIsMountedAloneWithTheSameKeys() throws IOException {
    ok("mount", "--password-file", password, volume, view);
    Path tree = Files.createDirectory(view.resolve("tree"));
    ok("policy", "set", tree);
    Files.writeString(Files.createDirectory(tree.resolve("below")).resolve("file"), "text");
    ok("unmount", view);
    Path below;
    try (Stream<Path> all = Files.list(volume.resolve("tree"))) {
      below = all.findFirst().orElseThrow();
    }
    ok("mount", "--exclusive", below, view);
    assertFalse(Files.exists(view.resolve("file")));
    ok("unlock", "--password-file", password, view);
    assertEquals("text", Files.readString(view.resolve("file")));
    ok("protector", "list", view);
    // Its lease is that of the whole volume.
    Path other = Files.createDirectory(temporary.resolve("other view"));
    assertEquals(6, Run.coffer("mount", volume, other).exitCode());
    Files.createDirectory(view.resolve("new"));
    ok("export", view.resolve("new"), temporary.resolve("new.tar"));
    ok("unmount", view);
    assertTrue(ok("check", volume).out().contains("No problems"));
  }

  @Test
  void everythingIsEncryptedForTestsIfThatIsWanted() throws IOException {
    ok("mount", "--test-dummy-encryption", volume, view);
    Files.writeString(view.resolve("file"), "text");
    assertTrue(ok("status", view).out().contains("unlocked"));
    assertFalse(Files.exists(volume.resolve("file")));
  }

  @Test
  void commandsForOthersSayWhatItIs() throws IOException {
    Run passwd = Run.coffer("passwd", volume);
    assertEquals(8, passwd.exitCode());
    assertTrue(passwd.err().contains("coffer protector change"), passwd.err());
    assertEquals(1, Run.coffer("status", temporary).exitCode());
    assertEquals(1, Run.coffer("unlock", temporary.resolve("none")).exitCode());
    assertEquals(1, Run.coffer("mount", "--reverse", volume, view).exitCode());
    assertEquals(
        7,
        Run.coffer("init", "--format", "fscrypt", "--password-file", password, volume).exitCode());
  }
}
