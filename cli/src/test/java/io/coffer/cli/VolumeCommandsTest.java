package io.coffer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands on volumes that need no mount. */
class VolumeCommandsTest {
  @TempDir Path area = Path.of("");

  private Path volume = Path.of("");

  @BeforeEach
  void makeDirectory() throws IOException {
    volume = Files.createDirectory(area.resolve("volume"));
  }

  private Run init(Object... options) {
    Object[] args =
        Stream.of(Stream.of("init", "--scrypt-log-n", "10"), Stream.of(options), Stream.of(volume))
            .flatMap(words -> words)
            .toArray();
    return Run.cofferWithInput("secret\n", args);
  }

  @Nested
  @DisplayName("coffer init")
  class Init {
    @Test
    void makesAVolumeThatOpensWithItsPassword() {
      assertEquals(0, init().exitCode());
      assertEquals(0, Run.cofferWithInput("secret\n", "check", volume).exitCode());
      assertEquals(12, Run.cofferWithInput("other\n", "check", volume).exitCode());
    }

    @Test
    void givesTheConfigurationAndTheDirectoryIvTheModesOfTheFormat() throws IOException {
      init();
      assertEquals("r--------", mode("gocryptfs.conf"));
      assertEquals("r--r--r--", mode("gocryptfs.diriv"));
      assertEquals(16, Files.size(volume.resolve("gocryptfs.diriv")));
    }

    private String mode(String name) throws IOException {
      return PosixFilePermissions.toString(Files.getPosixFilePermissions(volume.resolve(name)));
    }

    @Test
    void doesNotShowTheMasterKeyElsewhereThanAtATerminal() {
      Run run = init();
      assertEquals("", run.out());
      assertTrue(run.err().contains("the master key is not shown"), run.err());
    }

    @Test
    void namesTheNextCommand() {
      assertTrue(init().err().contains("Open it: coffer mount " + volume + " MOUNTPOINT"));
    }

    @Test
    void refusesADirectoryThatHoldsSomething() throws IOException {
      Files.writeString(volume.resolve("thesis.tex"), "x");
      Run run = init();
      assertEquals(7, run.exitCode());
      assertTrue(run.err().contains("is not empty: it holds thesis.tex"), run.err());
      assertFalse(Files.exists(volume.resolve("gocryptfs.conf")));
    }

    @Test
    void refusesADirectoryThatIsAVolumeAlready() {
      init();
      Run run = init();
      assertEquals(7, run.exitCode());
      assertTrue(run.err().contains("Try: coffer mount"), run.err());
    }

    @Test
    void refusesAnEmptyPasswordAndLeavesNothingBehind() throws IOException {
      Run run = Run.cofferWithInput("\n", "init", volume);
      assertEquals(22, run.exitCode());
      try (Stream<Path> entries = Files.list(volume)) {
        assertEquals(0, entries.count());
      }
    }

    @Test
    void takesAMasterKeyThatIsGiven() throws IOException {
      String key = "00112233-44556677-8899aabb-ccddeeff-00112233-44556677-8899aabb-ccddeeff";
      assertEquals(0, init("--master-key", key).exitCode());
      Run shown =
          Run.cofferWithInput(
              "secret\n", "inspect", "--show-master-key", volume.resolve("gocryptfs.conf"));
      assertEquals(key, shown.out().replace("\n", ""));
    }

    @ParameterizedTest
    @ValueSource(strings = {"9", "29"})
    void refusesAHashingCostOutsideOfTheFormat(String logN) {
      Run run = Run.cofferWithInput("secret\n", "init", "--scrypt-log-n", logN, volume);
      assertEquals(1, run.exitCode());
      assertTrue(run.err().contains("must be 10 to 28, not " + logN), run.err());
    }

    @Test
    void refusesOptionsThatContradictEachOther() {
      assertEquals(1, init("--plaintext-names", "--deterministic-names").exitCode());
      assertEquals(1, init("--plaintext-names", "--long-name-max", "100").exitCode());
      assertEquals(1, init("--reverse", "--content-cipher", "aes-gcm").exitCode());
      assertEquals(1, init("--format", "zip").exitCode());
    }
  }

  @Nested
  @DisplayName("coffer info")
  class Info {
    @ParameterizedTest
    @ValueSource(strings = {"aes-gcm", "aes-siv", "xchacha20-poly1305"})
    void tellsTheCipherInJson(String cipher) {
      init("--content-cipher", cipher);
      Run run = Run.coffer("info", "--json", volume);
      assertEquals(0, run.exitCode());
      assertTrue(run.out().contains("\"contentCipher\":\"" + cipher + "\""), run.out());
      assertTrue(run.out().contains("\"n\":1024"), run.out());
    }

    @Test
    void tellsHowNamesAreKept() {
      init("--deterministic-names", "--long-name-max", "100");
      String out = Run.coffer("info", volume).out();
      assertTrue(
          out.contains("encrypted, deterministically, by hash if longer than 100 bytes"), out);
    }

    @Test
    void suggestsToMakeAVolumeWhereThereIsNone() {
      Run run = Run.coffer("info", volume);
      assertEquals(8, run.exitCode());
      assertEquals(
          "coffer: "
              + volume
              + " is not a volume: it has no gocryptfs.conf\n  Try: coffer init "
              + volume
              + "\n",
          run.err());
    }
  }

  @Nested
  @DisplayName("coffer passwd")
  class Passwd {
    @Test
    void changesThePassword() {
      init();
      assertEquals(0, Run.cofferWithInput("secret\nnew\n", "passwd", volume).exitCode());
      assertEquals(12, Run.cofferWithInput("secret\n", "check", volume).exitCode());
      assertEquals(0, Run.cofferWithInput("new\n", "check", volume).exitCode());
    }

    @Test
    void keepsTheOldConfigurationWhenTheMasterKeyIsGiven() throws IOException {
      String key = "00112233-44556677-8899aabb-ccddeeff-00112233-44556677-8899aabb-ccddeeff";
      init("--master-key", key);
      byte[] before = Files.readAllBytes(volume.resolve("gocryptfs.conf"));
      Run run = Run.cofferWithInput(key + "\nnew\n", "passwd", "--master-key", "stdin", volume);
      assertEquals(0, run.exitCode(), run.err());
      assertEquals(
          -1,
          java.util.Arrays.mismatch(
              before, Files.readAllBytes(volume.resolve("gocryptfs.conf.bak"))));
      assertEquals(0, Run.cofferWithInput("new\n", "check", volume).exitCode());
    }

    @Test
    void keepsTheOldPasswordWhenTheNewOneIsEmpty() {
      init();
      assertEquals(22, Run.cofferWithInput("secret\n\n", "passwd", volume).exitCode());
      assertEquals(0, Run.cofferWithInput("secret\n", "check", volume).exitCode());
    }
  }

  @Nested
  @DisplayName("coffer encrypt and coffer decrypt")
  class WholeTrees {
    @Test
    void bringATreeInAndOutUnchanged() throws IOException {
      init();
      Path plain = Files.createDirectories(area.resolve("plain/sub"));
      Files.writeString(plain.resolve("text"), "words\n".repeat(10_000));
      Files.createSymbolicLink(plain.resolve("link"), Path.of("text"));
      Run in = Run.cofferWithInput("secret\n", "encrypt", area.resolve("plain"), volume);
      assertEquals(0, in.exitCode(), in.err());
      Run out = Run.cofferWithInput("secret\n", "decrypt", volume, area.resolve("again"));
      assertEquals(0, out.exitCode(), out.err());
      Path copy = area.resolve("again/sub");
      assertEquals(-1, Files.mismatch(plain.resolve("text"), copy.resolve("text")));
      assertEquals(Path.of("text"), Files.readSymbolicLink(copy.resolve("link")));
      assertEquals(
          Files.getLastModifiedTime(plain.resolve("text")),
          Files.getLastModifiedTime(copy.resolve("text")));
    }

    @Test
    void copyNothingTwice() throws IOException {
      init();
      Path plain = Files.createDirectory(area.resolve("plain"));
      Files.writeString(plain.resolve("text"), "words");
      Run.cofferWithInput("secret\n", "encrypt", plain, volume);
      Run again = Run.cofferWithInput("secret\n", "encrypt", plain, volume);
      assertTrue(again.err().contains("encrypted 0 files (0 bytes), 1 unchanged"), again.err());
    }

    @Test
    void refuseToCopyAVolumeIntoItself() throws IOException {
      init();
      assertEquals(1, Run.cofferWithInput("secret\n", "encrypt", area, volume).exitCode());
      assertEquals(
          1, Run.cofferWithInput("secret\n", "decrypt", volume, volume.resolve("x")).exitCode());
    }
  }

  @Nested
  @DisplayName("coffer check")
  class Check {
    @Test
    void namesADamagedFileAndExitsWith26() throws IOException {
      init();
      Path plain = Files.createDirectory(area.resolve("plain"));
      Files.writeString(plain.resolve("text"), "words");
      Run.cofferWithInput("secret\n", "encrypt", plain, volume);
      Path stored;
      try (Stream<Path> entries = Files.list(volume)) {
        stored =
            entries
                .filter(entry -> !entry.getFileName().toString().startsWith("gocryptfs."))
                .findFirst()
                .orElseThrow();
      }
      byte[] content = Files.readAllBytes(stored);
      content[40] ^= 1;
      Files.write(stored, content);
      Run run = Run.cofferWithInput("secret\n", "check", volume);
      assertEquals(26, run.exitCode());
      assertTrue(run.out().contains("error: text ("), run.out());
      Run json = Run.cofferWithInput("secret\n", "check", "--json", volume);
      assertTrue(json.out().contains("\"kind\":\"damaged-block\""), json.out());
    }
  }

  @Nested
  @DisplayName("coffer inspect")
  class Inspect {
    @Test
    void showsHeaderAndBlocksWithoutAKey() throws IOException {
      init("--content-cipher", "xchacha20-poly1305");
      Path plain = Files.createDirectory(area.resolve("plain"));
      Files.write(plain.resolve("file"), new byte[5000]);
      Run.cofferWithInput("secret\n", "encrypt", plain, volume);
      Path stored;
      try (Stream<Path> entries = Files.list(volume)) {
        stored = entries.filter(entry -> size(entry) > 5000).findFirst().orElseThrow();
      }
      Run run = Run.coffer("inspect", stored);
      assertEquals(0, run.exitCode());
      assertTrue(run.out().contains("(blocks as XChaCha20-Poly1305)"), run.out());
      assertTrue(run.out().contains("Plain size: 5000 bytes, stored size: 5098"), run.out());
    }

    @Test
    @DisplayName("prints JSON, and nothing else, of everything that a volume holds")
    void printsJsonOfEverything() throws IOException {
      init();
      Path plain = Files.createDirectory(area.resolve("plain"));
      Files.write(plain.resolve("file"), new byte[5000]);
      Files.createFile(plain.resolve("empty"));
      Files.createFile(plain.resolve("n".repeat(230)));
      Files.createSymbolicLink(plain.resolve("link"), Path.of("file"));
      Run.cofferWithInput("secret\n", "encrypt", plain, volume);
      List<Path> stored;
      try (Stream<Path> entries = Files.list(volume)) {
        stored =
            entries
                .filter(each -> !String.valueOf(each.getFileName()).equals("gocryptfs.conf"))
                .toList();
      }
      var all = new StringBuilder();
      for (Path each : stored) {
        Run run = Run.coffer("inspect", "--json", each);
        if (Files.isSymbolicLink(each)) {
          assertEquals(11, run.exitCode());
          assertTrue(run.err().contains("is not a file"), run.err());
        } else {
          assertEquals(0, run.exitCode(), run.err());
          String out = run.out().strip();
          assertTrue(out.startsWith("{\"format\":\"gocryptfs\",") && out.endsWith("}"), out);
          all.append(out);
        }
      }
      for (String each :
          List.of("\"directoryIv\":", "\"fullStoredName\":", "\"plainSize\":0,", ":5000,")) {
        assertTrue(all.toString().contains(each), each + " in " + all);
      }
    }

    private long size(Path file) {
      try {
        return Files.size(file);
      } catch (IOException e) {
        return 0;
      }
    }

    @Test
    void saysWhatIsNoStoredFile() throws IOException {
      Path text = Files.writeString(area.resolve("text"), "this is just some text here");
      assertEquals(11, Run.coffer("inspect", text).exitCode());
      assertEquals(11, Run.coffer("inspect", area).exitCode());
      assertEquals(11, Run.coffer("inspect", area.resolve("missing")).exitCode());
    }
  }

  @Nested
  @DisplayName("A password")
  class Password {
    @Test
    void comesFromTheFirstLinesOfFiles() throws IOException {
      init();
      Path one = Files.writeString(area.resolve("one"), "sec\nrubbish\n");
      Path two = Files.writeString(area.resolve("two"), "ret");
      assertEquals(
          0,
          Run.coffer("check", "--password-file", one, "--password-file", two, volume).exitCode());
    }

    @Test
    void comesFromACommand() {
      init();
      assertEquals(0, Run.coffer("check", "--password-command", "echo secret", volume).exitCode());
      assertEquals(9, Run.coffer("check", "--password-command", "false", volume).exitCode());
      assertEquals(
          9, Run.coffer("check", "--password-command", "/no/such/program", volume).exitCode());
    }

    @Test
    void hasOneSourceOnly() {
      init();
      Run run = Run.coffer("check", "--password-command", "echo x", "--password-file", "y", volume);
      assertEquals(1, run.exitCode());
    }

    @Test
    void mayBeReplacedByTheMasterKeyOnlyIfThatIsOne() {
      init();
      assertEquals(14, Run.coffer("check", "--master-key", "1234", volume).exitCode());
      assertEquals(
          14, Run.cofferWithInput("xyz\n", "check", "--master-key", "-", volume).exitCode());
    }
  }
}
