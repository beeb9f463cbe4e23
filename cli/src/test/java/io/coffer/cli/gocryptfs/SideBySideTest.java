package io.coffer.cli.gocryptfs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.cli.Run;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The same command lines given to the installed gocryptfs and to ours: messages and exit codes must
 * be the same, but for what is knowingly different. Nothing is mounted here.
 */
@DisplayName("Beside the installed gocryptfs")
class SideBySideTest {
  private static final Path PEER = Path.of("/usr/bin/gocryptfs");

  @TempDir static Path area = Path.of("");

  @BeforeAll
  static void makeVolumes() throws Exception {
    assumeTrue(Files.isExecutable(PEER), "gocryptfs is not installed: nothing was compared");
    for (String name :
        List.of("empty", "empty2", "empty3", "empty4", "view", "volume", "plain", "full")) {
      Files.createDirectory(area.resolve(name));
    }
    Files.writeString(area.resolve("file"), "x");
    Files.writeString(area.resolve("full/file"), "x");
    Files.writeString(area.resolve("pw"), "test\n");
    Files.writeString(area.resolve("wrong"), "wrong\n");
    Path volume = area.resolve("volume");
    peer("", "-q", "-init", "-scryptn", "10", "-passfile", area.resolve("pw"), volume);
    peer(
        "",
        "-q",
        "-init",
        "-reverse",
        "-scryptn",
        "10",
        "-passfile",
        area.resolve("pw"),
        area.resolve("plain"));
    Files.createDirectory(volume.resolve("inside"));
    String config = Files.readString(volume.resolve("gocryptfs.conf"));
    Files.writeString(area.resolve("flag.conf"), config.replace("\"HKDF\"", "\"Strange\""));
    Files.writeString(area.resolve("old.conf"), config.replace("\"GCMIV128\",", ""));
    Files.writeString(area.resolve("v1.conf"), config.replace("\"Version\": 2", "\"Version\": 1"));
    Files.writeString(area.resolve("weak.conf"), config.replace("\"N\": 1024", "\"N\": 512"));
    Files.writeString(area.resolve("cut.conf"), config.substring(0, 100));
  }

  private static Run peer(String input, Object... args) throws Exception {
    List<String> command =
        Stream.concat(Stream.of(PEER.toString()), Stream.of(args).map(Object::toString)).toList();
    Process process = new ProcessBuilder(command).start();
    try (var in = process.getOutputStream()) {
      in.write(input.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      // It ended without reading.
    }
    String[] err = {""};
    Thread reader = Thread.ofVirtual().start(() -> err[0] = text(process.getErrorStream()));
    String out = text(process.getInputStream());
    reader.join();
    return new Run(process.waitFor(), out, err[0]);
  }

  private static String text(InputStream in) {
    try (in) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      return "";
    }
  }

  private static Arguments line(String line) {
    return Arguments.of(line, "");
  }

  private static Arguments line(String line, String input) {
    return Arguments.of(line, input);
  }

  /** Words with "@" at their beginning are files of the test's directory. */
  static Stream<Arguments> lines() {
    return Stream.of(
        line("@volume"),
        line("@volume @view @x"),
        line("-init"),
        line("-q"),
        line("--init=false"),
        line("-init @empty @view"),
        line("-init @missing"),
        line("-init @file"),
        line("-init @full"),
        line("-bogus @volume"),
        line("-o"),
        line("@volume @view -o"),
        line("@volume @view -o rw,bogus"),
        line("-extpass"),
        line("--=x"),
        line("---x @volume"),
        line("-init -info @volume"),
        line("-init -passwd @volume"),
        line("-fsck -info @volume"),
        line("-info @empty"),
        line("-info @missing"),
        line("-info @volume"),
        line("-info -q @volume"),
        line("-info -reverse @plain"),
        line("-info -config @missing @volume"),
        line("-info -config @v1.conf @missing"),
        line("-passwd @empty"),
        line("-fsck @empty"),
        line("@empty @view"),
        line("@missing @view"),
        line("@volume @missing"),
        line("@volume @file"),
        line("@volume @"),
        line("@volume @volume"),
        line("@volume @volume/inside"),
        line("@volume @full"),
        line("@plain @view"),
        line("-reverse @volume @view"),
        line("-reverse @plain @plain"),
        line("-reverse -fsck -passfile @pw @plain"),
        line("-reverse -init @plain"),
        line("@volume @view", "wrong\n"),
        line("@volume @view", ""),
        line("@volume @view", "\n"),
        line("-q @volume @view", "wrong\n"),
        line("-passfile @wrong @volume @view"),
        line("-passfile @wrong -passfile @pw @volume @view"),
        line("-extpass=echo -extpass=wrong @volume @view"),
        line("-passfile @pw -extpass x @volume @view"),
        line("-passfile @pw -masterkey 1 @volume @view"),
        line("-extpass x -masterkey 1 @volume @view"),
        line("-extpass x -fido2 y @volume @view"),
        line("-fsck -passfile @wrong @volume"),
        line("-fsck -passfile @pw @volume"),
        line("-fsck -q -passfile @pw @volume"),
        line("-passwd @volume", "wrong\nnew\n"),
        line("-passwd @volume", "test\n\n"),
        line("-passwd @volume", "test\ntest\n"),
        line("-passwd -q @volume", "test\ntest\n"),
        line("-init @empty", ""),
        line("-init @empty", "\n"),
        line("-init -aessiv -xchacha -passfile @pw @empty"),
        line("-init -scryptn 9 -passfile @pw @empty"),
        line("-init -scryptn x -passfile @pw @empty"),
        line("-init -longnamemax 61 -passfile @pw @empty"),
        line("-init -longnamemax 300 -passfile @pw @empty"),
        line("-exclude foo @volume @view"),
        line("-idle 5x @volume @view"),
        line("-i=-5s @volume @view"),
        line("-force_owner x @volume @view"),
        line("-force_owner 1:x @volume @view"),
        line("-notifypid x @volume @view"),
        line("-ctlsock @missing/socket @volume @view"),
        line("-ro=maybe @volume @view"),
        line("-openssl maybe -info @volume"),
        line("-openssl true -info @volume"));
  }

  @ParameterizedTest(name = "gocryptfs {0}")
  @MethodSource("lines")
  void messagesAndExitCodeAreTheSame(String line, String input) throws Exception {
    Object[] args =
        Stream.of(line.split(" "))
            .map(word -> word.startsWith("@") ? area.resolve(word.substring(1)).toString() : word)
            .toArray();
    Run theirs = peer(input, args);
    Run ours = Run.as("gocryptfs", input, args);
    assertEquals(theirs.exitCode(), ours.exitCode(), ours.out() + ours.err());
    assertEquals(common(theirs.out()), common(ours.out()));
    assertEquals(common(theirs.err()), common(ours.err()));
  }

  /**
   * Versions after 2.3 name what standard input is, and say when they check. What exactly is wrong
   * with an entry, and how many things, each check words and counts in its own way; theirs also
   * logs what its filesystem meets.
   */
  private static String common(String text) {
    return text.replace("\"/usr/bin/gocryptfs\"", "\"gocryptfs\"")
        .replaceAll("(?m)^(fsck: corrupt|OpenDir |Switch\\w*ToSyslog:).*\n", "")
        .replaceAll("fsck summary: [1-9]\\d* corrupt", "fsck summary: N corrupt")
        .replaceAll(" \\(connected to \"[^\"]*\"\\)", "")
        .replace("Checking filesystem...\n", "");
  }

  static Stream<Arguments> brokenConfigs() {
    return Stream.of("flag", "v1", "old", "weak", "cut").map(name -> Arguments.of(name + ".conf"));
  }

  @ParameterizedTest
  @MethodSource("brokenConfigs")
  void aBrokenConfigurationEndsWithTheSameCode(String config) throws Exception {
    Path volume = area.resolve("volume");
    for (Object[] args :
        List.of(
            new Object[] {"-info", "-config", area.resolve(config), volume},
            new Object[] {"-config", area.resolve(config), volume, area.resolve("view")})) {
      Run theirs = peer("test\n", args);
      Run ours = Run.as("gocryptfs", "test\n", args);
      assertEquals(theirs.exitCode(), ours.exitCode(), ours.out() + ours.err());
    }
  }

  static Stream<Arguments> kinds() {
    return Stream.of(
        Arguments.of("", "HKDF GCMIV128 DirIV EMENames LongNames Raw64"),
        Arguments.of("-aessiv", "HKDF GCMIV128 DirIV EMENames LongNames Raw64 AESSIV"),
        Arguments.of(
            "-xchacha -longnamemax 100",
            "HKDF XChaCha20Poly1305 DirIV LongNameMax EMENames LongNames Raw64"),
        Arguments.of("-plaintextnames -deterministic-names", "HKDF GCMIV128 PlaintextNames"),
        Arguments.of("-deterministic-names", "HKDF GCMIV128 EMENames LongNames Raw64"),
        Arguments.of("-reverse", "HKDF GCMIV128 DirIV EMENames LongNames Raw64 AESSIV"));
  }

  @ParameterizedTest(name = "gocryptfs -init {0}")
  @MethodSource("kinds")
  void volumesThatWeMakeAreTheSameKindAndPassTheirCheck(
      String options, String flags, @TempDir Path volume) throws Exception {
    Object[] args =
        Stream.of("-init", "-scryptn", "10", options, volume)
            .flatMap(word -> Stream.of(word.toString().split(" ")))
            .filter(word -> !word.isEmpty())
            .toArray();
    Run made = Run.as("gocryptfs", "test\n", args);
    assertEquals(0, made.exitCode(), made.err());
    boolean reverse = options.equals("-reverse");
    Run info = reverse ? peer("", "-info", "-reverse", volume) : peer("", "-info", volume);
    assertEquals(
        flags,
        info.out()
            .lines()
            .filter(l -> l.startsWith("FeatureFlags:"))
            .findFirst()
            .orElse("")
            .replaceFirst("FeatureFlags: *", ""));
    if (!reverse) {
      assertEquals(0, peer("test\n", "-fsck", volume).exitCode());
    }
  }
}
