package io.coffer.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The directory beneath a view")
class MadePlaceTest {
  @TempDir private Path parent = Path.of("");

  private static String mode(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  private static int sh(String script, String... words) throws IOException, InterruptedException {
    List<String> command = new java.util.ArrayList<>(List.of("sh", "-c", script, "sh"));
    command.addAll(List.of(words));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .start()
        .waitFor();
  }

  @Test
  void is_its_owners_then_shut_then_gone() throws IOException {
    Path path = parent.resolve("deeper/place");
    MadePlace place = MadePlace.make(path);
    assertEquals("rwx------", mode(path));
    place.shut();
    assertEquals("r-x------", mode(path));
    place.shut();
    place.remove();
    assertFalse(Files.exists(path));
    place.remove();
    assertTrue(Files.exists(path.getParent()), "what else it made stays");
  }

  @Test
  void is_shut_itself_and_not_what_is_mounted_on_it() throws Exception {
    Path path = parent.resolve("place");
    MadePlace place = MadePlace.make(path);
    assumeTrue(sh("mount -t tmpfs -o mode=755 none \"$1\"", path.toString()) == 0, "no mounts");
    try {
      place.shut();
      assertEquals("rwxr-xr-x", mode(path));
    } finally {
      sh("umount -l \"$1\"", path.toString());
    }
    assertEquals("r-x------", mode(path));
    place.remove();
    assertFalse(Files.exists(path));
  }

  /** How a view is taken away. */
  private interface Removal {
    void run(MadePlace place) throws Exception;
  }

  @Test
  void takes_nothing_from_those_who_write_on_while_the_watch_of_root_takes_the_view_away()
      throws Exception {
    removeBeneathWriter(place -> sh(LeftoverWatch.TAKE_AWAY, place.path().toString(), "remove"));
  }

  @Test
  void takes_nothing_from_those_who_write_on_while_root_removes_it_with_the_view()
      throws Exception {
    removeBeneathWriter(place -> assertTrue(place.removeWithView()));
  }

  private void removeBeneathWriter(Removal removal) throws Exception {
    assumeTrue(sh("[ $(id -u) = 0 ] && unshare --mount true") == 0, "not allowed to");
    for (int round = 0; round < 10; round++) {
      Path path = parent.resolve("place" + round);
      MadePlace place = MadePlace.make(path);
      assumeTrue(sh("mount -t tmpfs none \"$1\"", path.toString()) == 0, "no mounts");
      place.shut();
      AtomicBoolean end = new AtomicBoolean();
      Thread writer =
          Thread.ofPlatform()
              .start(() -> {
                for (int i = 0; !end.get(); i++) {
                  try {
                    Files.writeString(path.resolve("clear" + i % 100), "text");
                  } catch (IOException e) {
                    // The view is gone.
                  }
                }
              });
      try {
        Path written = path.resolve("clear9");
        while (!Files.exists(written)) {
          Thread.onSpinWait();
        }
        removal.run(place);
      } finally {
        end.set(true);
        writer.join();
        sh("umount -l \"$1\"", path.toString());
      }
      assertFalse(Files.exists(path), "round " + round);
    }
  }
}
