package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@DisplayName("FUSE over io_uring")
@Timeout(180)
class IoUringTest {
  private static final Path SWITCH = Path.of("/sys/module/fuse/parameters/enable_uring");

  private final Area area = Area.onDisk();
  private String before = "";

  @BeforeEach
  void rememberTheSwitch() throws IOException {
    assumeTrue(Files.isWritable(SWITCH), "SKIPPED: no FUSE over io_uring here, or not root");
    before = Files.readString(SWITCH).strip();
  }

  @AfterEach
  void switchBack() throws IOException {
    if (!before.isEmpty()) {
      Files.writeString(SWITCH, before);
    }
    area.close();
  }

  @Test
  void whereItIsOnTheViewIsServedByRingsAndHoldsTheSameFiles() throws Exception {
    Files.writeString(SWITCH, "Y");
    Volume volume = Volume.in(area, "ring");
    volume.init(Volume.Program.COFFER);
    String hash;
    ProcessHandle daemon;
    try (Mounted mounted = volume.mount(Volume.Program.COFFER, "--io-uring")) {
      daemon = mounted.daemon();
      Path view = mounted.view();
      // Mounted is before agreed: an answer tells that rings serve.
      assertFalse(Files.exists(view.resolve("missing")));
      assertTrue(threads(daemon).anyMatch(name -> name.startsWith("fuse-ring-")));
      // Small files and large ones by several clients at once, names, links, attributes.
      Command.of("sh", "-ec", FILL, "fill", view).ok();
      hash = hash(view);
      // What dies in the middle of a request holds up nobody.
      Command.of("sh", "-c", "timeout -s KILL 0.3 dd if=/dev/zero of=\"$0/killed\" bs=1M; :", view)
          .run();
      Files.delete(view.resolve("killed"));
      assertEquals(hash, hash(view));
    }
    assertTrue(Mounted.waitUntil(Duration.ofSeconds(20), () -> !daemon.isAlive()));
    try (Mounted mounted = volume.mount(Volume.Program.COFFER)) {
      assertFalse(threads(mounted.daemon()).anyMatch(name -> name.startsWith("fuse-ring-")));
      assertEquals(hash, hash(mounted.view()));
    }
    assertEquals(0, volume.check(Volume.Program.COFFER).exit());
  }

  @Test
  void whereItIsOffTheViewComesWithoutAndSaysHowToSwitchItOn() throws Exception {
    Files.writeString(SWITCH, "N");
    Volume volume = Volume.in(area, "noring");
    volume.init(Volume.Program.COFFER);
    Outcome outcome =
        Command.coffer(
                "mount",
                "--io-uring",
                "--password-file",
                volume.password(),
                volume.stored(),
                volume.view())
            .run();
    try {
      assertEquals(0, outcome.exit(), outcome::toString);
      assertTrue(
          outcome.err().contains("mounting without io_uring")
              && outcome.err().contains("echo Y > " + SWITCH),
          outcome::toString);
      Files.writeString(volume.view().resolve("file"), "there");
    } finally {
      Command.coffer("unmount", volume.view()).run();
    }
  }

  private static final String FILL =
      """
      cd "$1"
      for n in 1 2 3 4; do
        (
          mkdir "d$n"
          for i in $(seq 200); do printf "%s %s" "$n" "$i" >"d$n/file $i"; done
          head -c 9000001 /dev/urandom >"d$n/large"
          ln "d$n/large" "d$n/hard"
          ln -s large "d$n/soft"
          mv "d$n/file 7" "d$n/$(printf 'x%.0s' $(seq 200))"
          truncate -s 12345 "d$n/file 8"
          rm "d$n/file 9"
        ) &
        jobs="$jobs $!"
      done
      for job in $jobs; do wait "$job"; done
      """;

  private static String hash(Path view) {
    return Command.of(
            "sh",
            "-ec",
            "cd \"$0\"; find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum",
            view)
        .ok()
        .out();
  }

  private static Stream<String> threads(ProcessHandle process) throws IOException {
    try (Stream<Path> tasks = Files.list(Path.of("/proc/" + process.pid() + "/task"))) {
      return tasks
          .map(task -> {
            try {
              return Files.readString(task.resolve("comm")).strip();
            } catch (IOException e) {
              // It has ended meanwhile.
              return "";
            }
          })
          .toList()
          .stream();
    }
  }
}
