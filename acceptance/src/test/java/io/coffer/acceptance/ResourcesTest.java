package io.coffer.acceptance;

import static io.coffer.acceptance.Volume.Program.COFFER;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Property {@code coffer.test.inodes} sets how many files are made, 100,000 by default. */
@DisplayName("Descriptors and memory")
class ResourcesTest {
  private final Area area = Area.inMemory();
  private final Volume volume = Volume.in(area, "v");

  @BeforeEach
  void rootOnly() {
    Tools.needRoot(); // drop_caches
  }

  @AfterEach
  void cleanUp() {
    area.close();
  }

  @Test
  void a_hundred_thousand_known_files_under_1024_descriptors() {
    int files = Integer.getInteger("coffer.test.inodes", 100_000);
    volume.init(COFFER);
    // Descriptors of the daemon are limited by the shell that starts it.
    Command limited =
        Command.bash(
            "ulimit -n 1024; exec "
                + Reactor.coffer()
                + " mount --foreground --password-file "
                + volume.password()
                + " "
                + volume.stored()
                + " "
                + volume.view());
    try (Mounted mounted = Mounted.start(limited, volume.view())) {
      Command.of("ls", volume.view()).ok();
      Machine.dropCaches();
      int baseline = settled(mounted);
      final long memory = mounted.statusKib("VmRSS");
      int directories = Math.max(1, files / 500);
      Command.bash(
              "cd "
                  + volume.view()
                  + " && for d in $(seq "
                  + directories
                  + "); do mkdir d$d && (cd d$d && seq -f f%.0f 500 | xargs touch); done")
          .timeout(Duration.ofMinutes(20))
          .ok();
      String count =
          Command.bash("ls -lR " + volume.view() + " | grep -c '^-'")
              .timeout(Duration.ofMinutes(20))
              .ok()
              .out()
              .strip();
      assertEquals(directories * 500, Integer.parseInt(count), "files that ls -lR shows");
      int busy = mounted.descriptors();
      long busyMemory = mounted.statusKib("VmRSS");
      assertTrue(busy < 1024, "descriptors with all files known: " + busy);
      Machine.dropCaches();
      boolean back =
          Mounted.waitUntil(
              Duration.ofSeconds(30),
              () -> {
                // Once is not enough: the kernel spares what was used lately.
                Machine.dropCaches();
                return mounted.descriptors() <= baseline + 8;
              });
      System.err.println(
          "RESOURCES "
              + files
              + " files: descriptors "
              + baseline
              + " -> "
              + busy
              + " -> "
              + mounted.descriptors()
              + ", RSS "
              + memory / 1024
              + " -> "
              + busyMemory / 1024
              + " -> "
              + mounted.statusKib("VmRSS") / 1024
              + " MiB (peak "
              + mounted.statusKib("VmHWM") / 1024
              + ")");
      assertTrue(
          back, "descriptors should return to " + baseline + ", but are " + mounted.descriptors());
      mounted.unmount();
    }
  }

  @Test
  void a_mount_namespace_that_keeps_an_unmounted_view_is_named() throws Exception {
    Tools.need("unshare", "nsenter");
    volume.init(COFFER);
    try (Mounted mounted = volume.mount(COFFER)) {
      String here = Files.readSymbolicLink(Path.of("/proc/self/ns/mnt")).toString();
      // It ends with its standard input, at the latest with the test.
      Process other =
          new ProcessBuilder("unshare", "--mount", "--propagation", "private", "cat").start();
      try {
        Path namespace = Path.of("/proc/" + other.pid() + "/ns/mnt");
        assertTrue(
            Mounted.waitUntil(
                Duration.ofSeconds(30),
                () -> {
                  try {
                    return !Files.readSymbolicLink(namespace).toString().equals(here)
                        && Files.readString(Path.of("/proc/" + other.pid() + "/comm"))
                            .equals("cat\n");
                  } catch (IOException e) {
                    return false;
                  }
                }));
        Outcome outcome = Command.coffer("unmount", volume.view()).ok();
        outcome.errHas("process " + other.pid() + " (cat) still shows the view");
        outcome.errHas("nsenter --mount --target " + other.pid() + " umount ");
        assertTrue(mounted.alive(), "its process serves the other namespace");
        Command.of("nsenter", "--mount", "--target", other.pid(), "umount", volume.view()).ok();
        assertTrue(Mounted.waitUntil(Duration.ofSeconds(30), () -> !mounted.alive()));
      } finally {
        other.destroy();
        other.waitFor();
      }
    }
  }

  private static int settled(Mounted mounted) {
    int least = mounted.descriptors();
    for (int i = 0; i < 10; i++) {
      Mounted.sleep(100);
      least = Math.min(least, mounted.descriptors());
    }
    return least;
  }

  @Test
  void many_open_files_are_refused_politely_at_the_limit() throws Exception {
    volume.init(COFFER);
    try (Mounted mounted = volume.mount(COFFER)) {
      Outcome outcome =
          Command.bash(
                  "ulimit -n 2000; cd "
                      + volume.view()
                      + "; for i in $(seq 1500); do exec {fd}> f$i || break; done; ls | wc -l")
              .run();
      int open = Integer.parseInt(outcome.out().strip());
      assertTrue(open >= 1500, "files open at once: " + outcome);
      assertTrue(mounted.alive(), "the mount lives on");
      Command.bash("echo x > " + volume.view() + "/after && rm -r " + volume.view() + "/f1").ok();
      mounted.unmount();
    }
  }
}
