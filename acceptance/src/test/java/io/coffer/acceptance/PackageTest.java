package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * What build/package makes, moved elsewhere, on a machine that has no Java as far as it can see.
 */
@DisplayName("The packages for machines without Java")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PackageTest {
  private final Area area = Area.onDisk();
  private Path packages = area.path();
  private Path prefix = area.path();

  /** Makes the packages, once: half a minute. */
  @BeforeAll
  void make() {
    Tools.need("xz");
    if (!Files.exists(Reactor.root().resolve("dist/target/stamp"))) {
      Tools.skip("the jars are not gathered (mvn verify does that)");
    }
    packages = area.directory("packages");
    Outcome made =
        Command.of(Reactor.root().resolve("build/package"), packages)
            .env("COFFER_PACKAGE_LEVEL", 0)
            .timeout(Duration.ofMinutes(10))
            .run();
    if (made.err().contains("jlink")) {
      Tools.skip("this JDK makes no runtimes: " + made.err().strip());
    }
    made.ok();
    Path moved = area.directory("a place with blanks");
    Command.of("tar", "-xJf", file(".tar.xz"), "-C", moved).ok();
    prefix = only(moved);
    withoutJava();
  }

  @AfterAll
  void cleanUp() {
    area.close();
  }

  private static List<Path> all(Path directory) {
    try (Stream<Path> found = Files.list(directory)) {
      return found.toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Path only(Path directory) {
    List<Path> all = all(directory);
    assertEquals(1, all.size(), () -> "one entry in " + directory + ": " + all);
    return all.getFirst();
  }

  private Path file(String ending) {
    return all(packages).stream()
        .filter(each -> each.toString().endsWith(ending))
        .findFirst()
        .orElseThrow();
  }

  /** Fills a directory with every program of the machine but Java. */
  private void withoutJava() {
    Path tools = area.directory("tools");
    Command.bash(
            """
            for each in /bin/* /sbin/* /usr/bin/* /usr/sbin/*; do
              case $each in */java* | */*coffer | */gocryptfs*) ;; *) echo "$each" ;; esac
            done | xargs ln -sft %s
            """
                .formatted(tools))
        .ok();
    assertFalse(Files.exists(tools.resolve("java")));
  }

  /** A program in a clean environment. With {@code aot=on}, Java ends if its cache is no good. */
  private Command clean(Object program, Object... arguments) {
    return Command.of(
            "env",
            "-i",
            "PATH=" + area.path().resolve("tools"),
            "HOME=" + area.path().resolve("nowhere"),
            "LC_ALL=C.UTF-8",
            "COFFER_JAVA_OPTS=-XX:AOTMode=on",
            program)
        .and(arguments);
  }

  private Path bin(String program) {
    return prefix.resolve("bin").resolve(program);
  }

  private String version() {
    return prefix.getFileName().toString().split("-", -1)[1];
  }

  @Test
  void the_tarball_serves_a_volume_from_wherever_it_lies() throws IOException {
    Tools.need("fusermount3");
    Volume volume = Volume.in(area, "first");
    clean(bin("coffer"), "init", "--scrypt-log-n", 10)
        .and("--password-file", volume.password(), volume.stored())
        .ok();
    clean(bin("coffer"), "mount", "--password-file", volume.password())
        .and(volume.stored(), volume.view())
        .ok();
    Files.writeString(volume.view().resolve("file"), "text");
    clean(bin("coffer"), "unmount", volume.view()).ok();
    assertFalse(Mounts.isMounted(volume.view()));
    assertFalse(Files.exists(volume.view().resolve("file")));
    clean(bin("gocryptfs"), "-q", "-ro", "-passfile", volume.password())
        .and(volume.stored(), volume.view())
        .ok();
    assertEquals("text", Files.readString(volume.view().resolve("file")));
    clean("fusermount3", "-u", volume.view()).ok();
    Path stored =
        all(volume.stored()).stream()
            .filter(each -> !each.getFileName().toString().startsWith("gocryptfs."))
            .findFirst()
            .orElseThrow();
    clean(bin("gocryptfs-xray"), stored).ok().outHas("Header");
    clean(bin("coffer"), "check", "--password-file", volume.password(), volume.stored()).ok();
  }

  @Test
  void the_key_service_finds_its_database_and_its_certificates_in_the_package() {
    Path passphrase = area.file("passphrase", "a long enough passphrase\n");
    Path server = area.path().resolve("keys");
    clean(bin("coffer"), "keyserver", "init", "--passphrase-file", passphrase, server).ok();
    assertTrue(Files.isDirectory(server.resolve("ca")));
  }

  @Test
  void the_cache_of_classes_holds_where_the_package_was_moved_with_its_times() {
    clean(bin("coffer"), "--version").ok().outHas("Coffer " + version());
    if (Person.isRoot()) {
      clean(bin("coffer"), "--version").asNobody().ok();
    }
    // A copy that does not keep times works, whether or not Java takes the cache then.
    Path copy = area.directory("copy");
    Command.of("cp", "-r", prefix.resolve("bin"), prefix.resolve("lib"), copy).ok();
    Command.of("ln", "-s", prefix.resolve("runtime"), copy).ok();
    Command.of("env", "-i", "PATH=" + area.path().resolve("tools"), copy.resolve("bin/coffer"))
        .and("--version")
        .ok()
        .outHas("Coffer " + version());
  }

  @Test
  void the_modulefile_of_Environment_Modules_names_the_place_where_it_lies() throws IOException {
    Tools.need("tclsh");
    Path script =
        area.file(
            "modules.tcl",
            """
            proc unknown { args } { puts $args }
            set ModulesCurrentModulefile [lindex $argv 0]
            source $ModulesCurrentModulefile
            """);
    Path modulefile = prefix.resolve("share/modulefiles/coffer").resolve(version());
    Path link = Files.createSymbolicLink(area.path().resolve("linked modulefile"), modulefile);
    for (Path each : List.of(modulefile, link)) {
      Command.of("env", "MANPATH=", "tclsh", script, each)
          .ok()
          .outHas("prepend-path PATH {" + prefix + "/bin}\n")
          .outHas("prepend-path MANPATH {" + prefix + "/share/man}\n");
    }
  }

  @Test
  void the_modulefile_of_Lmod_names_the_place_where_it_lies() {
    Tools.need("lua5.4");
    Path script =
        area.file(
            "lmod.lua",
            """
            function myFileName() return arg[1] end
            function pathJoin(one, other) return one .. "/" .. other end
            function prepend_path(name, value) print(name .. "=" .. value) end
            function help() end
            whatis, conflict = help, help
            dofile(arg[1])
            """);
    Path modulefile = prefix.resolve("share/modulefiles/coffer").resolve(version() + ".lua");
    Command.of("env", "MANPATH=", "lua5.4", script, modulefile)
        .ok()
        .outHas("PATH=" + prefix + "/bin\n")
        .outHas("MANPATH=" + prefix + "/share/man\n");
  }

  @Test
  void the_package_for_Debian_installs_commands_manual_and_the_helper_of_mount() {
    Tools.need("dpkg-deb", "fusermount3");
    Path deb = file(".deb");
    Command.of("dpkg-deb", "-f", deb)
        .ok()
        .outHas("Package: coffer\n")
        .outHas("Version: " + version() + "\n")
        .outHas("Architecture: " + Command.of("dpkg", "--print-architecture").ok().out())
        .outHas("Depends: fuse3");
    Path root = area.directory("root");
    Command.of("dpkg-deb", "-x", deb, root).ok();
    Path usr = root.resolve("usr");
    for (String file :
        List.of("man/man1/coffer-mount.1.gz", "doc/coffer/copyright", "doc/coffer/README.md")) {
      assertTrue(Files.isRegularFile(usr.resolve("share").resolve(file)), file);
    }
    assertFalse(Files.exists(usr.resolve("bin/gocryptfs")), "that is another package's");
    Path completion = usr.resolve("share/bash-completion/completions/coffer");
    Command.bash("source " + completion + "; complete -p coffer").ok().outHas("coffer");

    clean(usr.resolve("bin/coffer"), "--version").ok().outHas("Coffer " + version());
    Volume volume = Volume.in(area, "second");
    clean(usr.resolve("bin/coffer"), "init", "--scrypt-log-n", 10)
        .and("--password-file", volume.password(), volume.stored())
        .ok();
    clean(usr.resolve("sbin/mount.coffer"), volume.stored(), volume.view(), "-o")
        .and("ro,password-file=" + volume.password())
        .ok();
    assertTrue(Mounts.isMounted(volume.view()));
    clean(usr.resolve("bin/coffer"), "unmount", volume.view()).ok();
  }
}
