package io.coffer.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever is wrong, a command says it in one sentence, ends as documented and changes nothing. */
class BadInputTest {
  @TempDir Path area = Path.of("");

  private Path volume = Path.of("");
  private Path config = Path.of("");
  private Path view = Path.of("");

  @BeforeEach
  void makeVolume() throws IOException {
    volume = Files.createDirectory(area.resolve("volume"));
    view = Files.createDirectory(area.resolve("view"));
    config = volume.resolve("gocryptfs.conf");
    Run.cofferWithInput("secret\n", "init", "--scrypt-log-n", "10", volume);
  }

  private static Arguments edit(String what, int exitCode, UnaryOperator<String> change) {
    return Arguments.of(what, exitCode, change);
  }

  static Stream<Arguments> edits() {
    return Stream.of(
        edit("truncated", 8, json -> json.substring(0, json.length() / 2)),
        edit("empty", 8, json -> ""),
        edit("not JSON", 8, json -> "volume: secret"),
        edit("unknown feature", 27, json -> json.replace("\"Raw64\"", "\"Quantum\"")),
        edit("other version", 27, json -> json.replace("\"Version\": 2", "\"Version\": 1")),
        edit("too old", 27, json -> json.replace("\"GCMIV128\",", "")),
        edit("contradiction", 27, json -> json.replace("\"DirIV\"", "\"PlaintextNames\"")),
        edit("weak hashing", 13, json -> json.replace("\"N\": 1024", "\"N\": 512")),
        edit("endless hashing", 13, json -> json.replace("\"N\": 1024", "\"N\": 1099511627776")),
        edit("key cut", 8, json -> json.replaceAll("(\"EncryptedKey\": \".{20})[^\"]*", "$1")),
        edit("key changed", 12, json -> json.replaceAll("(\"EncryptedKey\": \")....", "$1AAAA")));
  }

  @ParameterizedTest(name = "configuration {0}")
  @MethodSource("edits")
  void aConfigurationThatIsWrongOpensNothing(
      String what, int exitCode, UnaryOperator<String> change) throws IOException {
    String changed = change.apply(Files.readString(config));
    Files.delete(config);
    Files.writeString(config, changed);
    Run run = Run.cofferWithInput("secret\n", "check", volume);
    assertEquals(exitCode, run.exitCode(), run.err());
    assertSentence(run);
    Run mount = Run.cofferWithInput("secret\n", "mount", "--foreground", volume, view);
    assertEquals(exitCode, mount.exitCode(), mount.err());
    Run passwd = Run.cofferWithInput("secret\nnew\n", "passwd", volume);
    assertEquals(exitCode, passwd.exitCode(), passwd.err());
    assertArrayEquals(
        changed.getBytes(StandardCharsets.UTF_8),
        Files.readAllBytes(config),
        "the configuration must stay what it was");
  }

  private static void assertSentence(Run run) {
    assertTrue(run.err().startsWith("coffer: "), run.err());
    assertFalse(run.err().contains("Exception"), run.err());
    assertFalse(run.err().contains("\tat "), run.err());
  }

  @Test
  void theConfigurationOfAnotherVolumeOpensNothing() throws IOException {
    Path other = Files.createDirectory(area.resolve("other"));
    Run.cofferWithInput("different\n", "init", "--scrypt-log-n", "10", other);
    Run run =
        Run.cofferWithInput(
            "secret\n", "check", "--config", other.resolve("gocryptfs.conf"), volume);
    assertEquals(12, run.exitCode());
  }

  @Test
  void anEmptyOrEndlessPasswordIsRefused() {
    assertEquals(22, Run.cofferWithInput("\n", "check", volume).exitCode());
    assertEquals(22, Run.cofferWithInput("", "check", volume).exitCode());
    assertEquals(9, Run.cofferWithInput("x".repeat(3000) + "\n", "check", volume).exitCode());
  }

  private Run mount(Object directory, Object at) {
    return Run.cofferWithInput("secret\n", "mount", "--foreground", directory, at);
  }

  @Test
  void aMountPointThatIsMissingIsNamedWithTheCommandThatMakesIt() {
    Path missing = area.resolve("missing");
    Run run = mount(volume, missing);
    assertEquals(10, run.exitCode());
    assertEquals(
        "coffer: the mount point " + missing + " does not exist\n  Try: mkdir " + missing + "\n",
        run.err());
  }

  @Test
  void aMountPointThatIsAFileIsRefused() throws IOException {
    assertEquals(10, mount(volume, Files.createFile(area.resolve("file"))).exitCode());
    assertEquals(10, mount(volume, area.resolve("file").resolve("below")).exitCode());
  }

  @Test
  void aMountPointThatHoldsFilesIsRefused() throws IOException {
    Files.createFile(view.resolve("file"));
    Run run = mount(volume, view);
    assertEquals(10, run.exitCode());
    assertTrue(run.err().contains("is not empty"), run.err());
  }

  @Test
  void aMountPointInTheWayOfTheVolumeIsRefused() throws IOException {
    Path inside = Files.createDirectory(volume.resolve("inside"));
    assertEquals(10, mount(volume, inside).exitCode());
    assertEquals(10, mount(volume, volume).exitCode());
    assertEquals(10, mount(volume, area).exitCode());
    Path link = Files.createSymbolicLink(area.resolve("link"), volume);
    assertEquals(10, mount(volume, link.resolve("inside")).exitCode());
  }

  @ParameterizedTest
  @ValueSource(strings = {"gocryptfs", "fscrypt"})
  void aVolumeIsMadeOnlyInADirectoryThatIsThere(String format) {
    Path missing = area.resolve("missing");
    Run run = Run.cofferWithInput("secret\n", "init", "--format", format, missing);
    assertEquals(6, run.exitCode());
    assertEquals(
        "coffer: " + missing + " does not exist\n  Try: mkdir -p " + missing + "\n", run.err());
  }

  @Test
  void aDirectoryThatIsNoVolumeIsRefused() throws IOException {
    assertEquals(8, mount(Files.createDirectory(area.resolve("none")), view).exitCode());
    assertEquals(6, mount(area.resolve("missing"), view).exitCode());
    assertEquals(6, mount(Files.createFile(area.resolve("file")), view).exitCode());
  }

  @Test
  void nothingIsUnmountedThatIsNoView() {
    Run run = Run.coffer("unmount", view);
    assertEquals(10, run.exitCode());
    assertTrue(run.err().contains("nothing is mounted on"), run.err());
    Run proc = Run.coffer("unmount", "/proc");
    assertEquals(10, proc.exitCode());
    assertTrue(proc.err().contains("is no view of a volume but proc"), proc.err());
  }

  static Stream<Arguments> wrongLines() {
    return Stream.of(
        Arguments.of("", "a command is missing"),
        Arguments.of("frobnicate", "unmatched argument at index 0: 'frobnicate'"),
        Arguments.of("mount", "missing required parameters: 'DIR', 'MOUNTPOINT'"),
        Arguments.of("mount VOLUME", "missing required parameter: 'MOUNTPOINT'"),
        Arguments.of("mount --idle soon VOLUME VIEW", "'soon' is no duration"),
        Arguments.of("mount -o frobnicate VOLUME VIEW", "'frobnicate' is not known"),
        Arguments.of("mount -o idle VOLUME VIEW", "'idle' needs a value"),
        Arguments.of("mount --force-owner me VOLUME VIEW", "takes UID:GID in numbers, not 'me'"),
        Arguments.of("mount --plaintext-names VOLUME VIEW", "only together with --init"),
        Arguments.of("init --content-cipher rot13 VIEW", "'rot13' is none of aes-gcm"),
        Arguments.of("init --longnames VIEW", "unknown option: '--longnames'"));
  }

  @ParameterizedTest(name = "coffer {0}")
  @MethodSource("wrongLines")
  void aWrongCommandLineIsExplainedAndEndsWith1(String line, String explanation) {
    Object[] words =
        line.isEmpty()
            ? new Object[0]
            : Stream.of(line.split(" "))
                .map(word -> word.equals("VOLUME") ? volume : word.equals("VIEW") ? view : word)
                .toArray();
    Run run = Run.coffer(words);
    assertEquals(1, run.exitCode(), run.err());
    assertTrue(run.err().contains(explanation), run.err());
    assertTrue(run.err().contains("Try: coffer"), run.err());
    assertEquals("", run.out());
  }

  @Test
  void patternsToLeaveOutNeedTheReverseView() {
    Run run = Run.coffer("mount", "--exclude", "x", volume, view);
    assertEquals(29, run.exitCode(), run.err());
  }
}
