package io.coffer.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Mounting;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opentest4j.TestAbortedException;

@DisplayName("What earlier jobs left in /tmp")
class JobLeftoversTest {
  private final Instant hourAgo = Instant.now().minus(Duration.ofHours(1));
  private final Instant limit = Instant.now().minus(Duration.ofMinutes(10));

  @TempDir private Path parent = Path.of("");

  private Path place(String name, Instant modified) throws IOException {
    Path made = Files.createDirectory(parent.resolve(name));
    Files.setLastModifiedTime(made, FileTime.from(modified));
    return made;
  }

  private List<String> left() throws IOException {
    try (Stream<Path> files = Files.list(parent)) {
      return files.map(each -> each.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void goes_if_it_is_an_empty_place_of_a_view_that_is_old() throws IOException {
    place("coffer.0123456789abcdef.job.17", hourAgo);
    place("coffer.fedcba9876543210.job.4294967290", hourAgo);
    JobLeftovers.remove(parent, parent.resolve("own"), limit);
    assertEquals(List.of(), left());
  }

  @Test
  void stays_if_it_is_the_jobs_own_or_young_or_not_empty_or_named_otherwise() throws IOException {
    Path own = place("coffer.0000000000000000.job.1", hourAgo);
    place("coffer.0000000000000000.job.2", Instant.now());
    Path full = place("coffer.0000000000000000.job.3", hourAgo);
    Files.writeString(full.resolve("file"), "somebody's");
    Files.setLastModifiedTime(full, FileTime.from(hourAgo));
    place("coffer.0000000000000000", hourAgo);
    place("coffer.0000000000000000.job.4.bak", hourAgo);
    place("coffer.000000000000000G.job.4", hourAgo);
    place("data", hourAgo);
    List<String> all = left();
    JobLeftovers.remove(parent, own, limit);
    assertEquals(all, left());
    assertTrue(Files.exists(full.resolve("file")));
  }

  @Test
  void stays_if_it_is_a_link_or_a_file() throws IOException {
    Path elsewhere = place("elsewhere", hourAgo);
    Files.createSymbolicLink(parent.resolve("coffer.0000000000000000.job.5"), elsewhere);
    Path file = Files.createFile(parent.resolve("coffer.0000000000000000.job.6"));
    Files.setLastModifiedTime(file, FileTime.from(hourAgo));
    List<String> all = left();
    // Also if the link itself were old enough.
    JobLeftovers.remove(parent, parent.resolve("own"), Instant.now().plusSeconds(60));
    assertEquals(all, left());
  }

  @Test
  void goes_if_it_is_a_view_whose_process_is_gone_however_young() throws Exception {
    Path dead = place("coffer.0123456789abcdef.job.18", Instant.now());
    int device = mountNothing(dead);
    try {
      Linux.close(device);
      assertThrows(IOException.class, () -> Files.readAttributes(dead, "unix:mode"));
      JobLeftovers.remove(parent, parent.resolve("own"), limit);
      assertEquals(List.of(), left());
    } finally {
      try {
        Mounting.unmount(dead.toString(), Flags.MNT_DETACH);
      } catch (ErrnoException e) {
        // It is gone, as it should be.
      }
    }
  }

  /** A FUSE mount that nobody serves; it dies with the descriptor that is returned. */
  private static int mountNothing(Path place) throws ErrnoException {
    int device;
    try {
      device =
          Linux.open(Flags.AT_FDCWD, "/dev/fuse".getBytes(StandardCharsets.UTF_8), Flags.O_RDWR, 0);
      String options = "fd=" + device + ",rootmode=40000,user_id=0,group_id=0";
      Mounting.mount("coffer-test", place.toString(), "fuse.coffer", 0, options);
    } catch (ErrnoException e) {
      throw new TestAbortedException("nothing can be mounted here: " + e.getMessage());
    }
    return device;
  }

  @Test
  void is_found_by_the_names_that_new_places_have() throws IOException {
    Path place = JobLeftovers.freshPlace("12");
    assertEquals(Path.of("/tmp"), place.getParent());
    assertTrue(place.toString().endsWith(".job.12"), place::toString);
    assertNotEquals(place, JobLeftovers.freshPlace("12"));
    place(place.getFileName().toString(), hourAgo);
    JobLeftovers.remove(parent, parent.resolve("own"), limit);
    assertEquals(List.of(), left());
  }
}
