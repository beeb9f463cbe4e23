package io.coffer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The script that starts Coffer, with JDKs that only look like some. */
@DisplayName("The launcher")
class LauncherTest {
  @TempDir Path area = Path.of("");

  private Path installation = Path.of("");

  /** An installation that was built already, whose Java tells how it was called. */
  @BeforeEach
  void install() throws IOException {
    installation = Files.createDirectory(area.resolve("opt"));
    Files.copy(Path.of("..", "coffer"), installation.resolve("coffer"));
    executable(installation.resolve("coffer"));
    Files.createFile(installation.resolve("pom.xml"));
    Path generation = Files.createDirectories(installation.resolve("target/coffer/generation.1"));
    Files.writeString(generation.resolve("java.args"), "");
    Files.writeString(generation.resolve("stamp"), "");
    Files.createSymbolicLink(
        installation.resolve("target/coffer/current"), Path.of("generation.1"));
  }

  private static void executable(Path file) throws IOException {
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private Path jdk(String version) throws IOException {
    Path home = Files.createDirectories(area.resolve("jdk-" + version));
    Files.createDirectory(home.resolve("bin"));
    Path java = home.resolve("bin/java");
    Files.writeString(java, "#!/bin/sh\necho \"java " + version + "\"\nprintf '%s\\n' \"$@\"\n");
    executable(java);
    Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
    return home;
  }

  private Run launch(Path program, Map<String, String> environment, String... args)
      throws Exception {
    var command = new java.util.ArrayList<String>();
    command.add(program.toString());
    command.addAll(java.util.List.of(args));
    ProcessBuilder builder = new ProcessBuilder(command).directory(area.toFile());
    builder
        .environment()
        .keySet()
        .removeIf(name -> name.startsWith("JAVA") || name.startsWith("COFFER"));
    builder.environment().put("COFFER_BUILD", "never");
    builder.environment().put("COFFER_NO_AOT", "1");
    builder.environment().putAll(environment);
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(20, TimeUnit.SECONDS));
    return new Run(process.exitValue(), out, err);
  }

  private Run launchWith(Path jdk, String... args) throws Exception {
    return launch(installation.resolve("coffer"), Map.of("COFFER_JAVA_HOME", jdk.toString()), args);
  }

  @ParameterizedTest
  @ValueSource(strings = {"25.0.3", "25.0.10", "25.1", "26", "26.0.1", "100.0.1-ea"})
  void takesJdksFrom25dot0dot3On(String version) throws Exception {
    Run run = launchWith(jdk(version), "info", "a b");
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(run.out().startsWith("java " + version + "\n"), run.out());
    assertTrue(run.out().endsWith("io.coffer.cli.Main\ninfo\na b\n"), run.out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"25", "25.0.0", "25.0.1", "25.0.2", "25-ea"})
  void refusesJdksThatComputeWrong(String version) throws Exception {
    Run run = launchWith(jdk(version));
    assertEquals(11, run.exitCode());
    assertTrue(run.err().contains("compute wrong AES-GCM"), run.err());
    assertTrue(run.err().contains("JDK-8371864"), run.err());
    assertEquals("", run.out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"17.0.15", "24.0.2", "1.8.0_402"})
  void saysWhichJdksAreTooOld(String version) throws Exception {
    Run run = launchWith(jdk(version));
    assertEquals(11, run.exitCode());
    assertTrue(run.err().contains("too old: " + version), run.err());
  }

  @Test
  void saysThatADirectoryIsNoJdk() throws Exception {
    Run run = launchWith(area.resolve("nothing"));
    assertEquals(11, run.exitCode());
    assertTrue(run.err().contains("which is no JDK"), run.err());
  }

  @Test
  void prefersJavaHomeToThePath() throws Exception {
    Path good = jdk("25.0.4");
    Path other = jdk("26.0.1");
    Run run =
        launch(
            installation.resolve("coffer"),
            Map.of("JAVA_HOME", good.toString(), "PATH", other.resolve("bin") + ":/usr/bin:/bin"));
    assertTrue(run.out().startsWith("java 25.0.4\n"), run.out());
  }

  @Test
  void passesByAJavaHomeThatIsTooOld() throws Exception {
    Run run =
        launch(
            installation.resolve("coffer"),
            Map.of(
                "JAVA_HOME",
                jdk("17.0.1").toString(),
                "PATH",
                jdk("26.0.1").resolve("bin") + ":/usr/bin:/bin"));
    assertTrue(run.out().startsWith("java 26.0.1\n"), run.out());
  }

  @Test
  void findsItselfBehindSymbolicLinksAndTellsTheNameItWasCalledBy() throws Exception {
    Path bin = Files.createDirectory(installation.resolve("bin"));
    Path first = Files.createSymbolicLink(bin.resolve("gocryptfs"), Path.of("../coffer"));
    Path second = Files.createSymbolicLink(area.resolve("gocryptfs"), first);
    Run run = launch(second, Map.of("COFFER_JAVA_HOME", jdk("26").toString()), "-version");
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(run.out().contains("-Dcoffer.program=gocryptfs\n"), run.out());
    assertTrue(
        run.out().contains("-Dcoffer.launcher=" + installation.resolve("coffer").toRealPath()),
        run.out());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"info v", "mount v m", "mount --idle 5m v m", "init v", "unmount m", "--version"})
  void leavesTheOptimisingCompilerOutOfShortCommands(String line) throws Exception {
    Run run = launchWith(jdk("26"), line.split(" ", -1));
    assertTrue(run.out().contains("-XX:TieredStopAtLevel=1\n"), run.out());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "daemon v m",
        "mount --foreground v m",
        "mount v m -f",
        "mount -rf v m",
        "check v",
        "encrypt s v",
        "decrypt v d",
        "speed",
        "bench",
        "anything"
      })
  void keepsTheOptimisingCompilerWhereDataIsMoved(String line) throws Exception {
    Run run = launchWith(jdk("26"), line.split(" ", -1));
    assertEquals(-1, run.out().indexOf("-XX:TieredStopAtLevel"), run.out());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"-fg v m", "v m -f", "-o rw,fg v m", "-fsck v", "-speed", "--fg=true v m"})
  void keepsTheOptimisingCompilerWhereGocryptfsMovesData(String line) throws Exception {
    Path link = Files.createSymbolicLink(area.resolve("gocryptfs"), installation.resolve("coffer"));
    Map<String, String> environment = Map.of("COFFER_JAVA_HOME", jdk("26").toString());
    Run run = launch(link, environment, line.split(" ", -1));
    assertEquals(-1, run.out().indexOf("-XX:TieredStopAtLevel"), run.out());
    Run quick = launch(link, environment, "-q", "v", "m");
    assertTrue(quick.out().contains("-XX:TieredStopAtLevel=1\n"), quick.out());
  }

  @Test
  void keepsOptionsOfTheEnvironmentFromTheVirtualMachine() throws Exception {
    Path home = jdk("26");
    Files.writeString(
        home.resolve("bin/java"), "#!/bin/sh\necho \"${JAVA_TOOL_OPTIONS-none}\"\nulimit -c\n");
    Run run =
        launch(
            installation.resolve("coffer"),
            Map.of("COFFER_JAVA_HOME", home.toString(), "JAVA_TOOL_OPTIONS", "-agentpath:x"));
    assertEquals("none\n0\n", run.out());
  }

  @Test
  void saysThatNothingWasBuiltWhenItMayNotBuild() throws Exception {
    Files.delete(installation.resolve("target/coffer/current"));
    Run run = launchWith(jdk("26"));
    assertEquals(11, run.exitCode());
    assertTrue(run.err().contains("nothing has been built"), run.err());
  }

  /** What build/package lays out: bin, lib and a runtime of its own. */
  private Path unpack() throws IOException {
    Path prefix = Files.createDirectory(area.resolve("a package"));
    Path bin = Files.createDirectory(prefix.resolve("bin"));
    Files.copy(Path.of("..", "coffer"), bin.resolve("coffer"));
    executable(bin.resolve("coffer"));
    Files.createSymbolicLink(bin.resolve("gocryptfs"), Path.of("coffer"));
    Path generation = Files.createDirectories(prefix.resolve("lib/generation.2"));
    Files.writeString(generation.resolve("java.args"), "");
    Files.writeString(generation.resolve("stamp"), "");
    Files.createSymbolicLink(prefix.resolve("lib/current"), Path.of("generation.2"));
    Files.move(jdk("25.0.9"), prefix.resolve("runtime"));
    return prefix;
  }

  @Test
  void usesTheRuntimeOfItsPackageWhateverElseThereIs() throws Exception {
    Path prefix = unpack();
    Path other = jdk("26.0.1");
    Run run =
        launch(
            prefix.resolve("bin/gocryptfs"),
            Map.of("JAVA_HOME", other.toString(), "PATH", other.resolve("bin") + ":/usr/bin:/bin"),
            "-version");
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(run.out().startsWith("java 25.0.9\n"), run.out());
    assertTrue(run.out().contains("-Dcoffer.program=gocryptfs\n"), run.out());
    assertTrue(
        run.out().contains("-cp\n" + prefix + "/lib/generation.2/coffer-core.jar\n"), run.out());
    Run server = launch(prefix.resolve("bin/coffer"), Map.of(), "keyserver", "run");
    assertTrue(
        server.out().contains("/coffer-core.jar:" + prefix + "/lib/generation.2/server/*\n"),
        server.out());
    Run asked =
        launch(prefix.resolve("bin/coffer"), Map.of("COFFER_JAVA_HOME", other.toString()), "info");
    assertTrue(asked.out().startsWith("java 26.0.1\n"), asked.out());
  }

  @Test
  void usesTheCacheOfItsPackageAndMakesItAnewWhenAsked() throws Exception {
    Path prefix = unpack();
    Path cache = prefix.resolve("lib/generation.2/runtime.aot");
    // A Java that can make a cache.
    Files.writeString(
        prefix.resolve("runtime/bin/java"),
        """
        #!/bin/sh
        for word in "$@"; do
          case $word in
            -XX:AOTCacheOutput=*) echo new >"${word#*=}" ;;
            -XX:AOTCache=*) cat "${word#*=}" ;;
          esac
        done
        """);
    Files.writeString(cache, "old\n");
    Path coffer = prefix.resolve("bin/coffer");
    assertEquals("old\n", launch(coffer, Map.of("COFFER_NO_AOT", ""), "info").out());
    Map<String, String> anew = Map.of("COFFER_NO_AOT", "", "COFFER_BUILD", "always");
    assertEquals("new\n", launch(coffer, anew, "info").out());
    assertEquals("new\n", launch(coffer, Map.of("COFFER_NO_AOT", ""), "info").out());
  }
}
