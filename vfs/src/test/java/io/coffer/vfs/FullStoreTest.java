package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("On a store that is full")
class FullStoreTest {
  @TempDir Path mountPoint;
  private boolean mounted;

  @BeforeEach
  void mount() throws Exception {
    mounted = run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mountPoint.toString()) == 0;
    assumeTrue(mounted, "mounting a small tmpfs needs root");
  }

  @AfterEach
  void unmount() throws Exception {
    if (mounted) {
      assertEquals(0, run("umount", mountPoint.toString()));
    }
  }

  private static int run(String... command) throws Exception {
    return new ProcessBuilder(command).inheritIO().start().waitFor();
  }

  @Test
  @DisplayName("a refused write leaves every block readable, old data and what was taken")
  void aRefusedWriteHarmsNothing() throws Exception {
    long seed = System.nanoTime();
    var random = new Random(seed);
    for (int round = 0; round < 12; round++) {
      String at = "seed " + seed + ", round " + round;
      try (var volume = open(round)) {
        var made = volume.files.create(1, TestVolume.name("f"), Flags.O_RDWR, 0600);
        long handle = made.handle();
        int start = random.nextInt(100_000);
        byte[] model = new byte[4 << 20];
        byte[] first = new byte[start];
        random.nextBytes(first);
        TestVolume.write(volume.files, handle, 0, first);
        System.arraycopy(first, 0, model, 0, start);
        long size = start;
        long offset = Math.max(0, start + random.nextInt(-5000, 5000));
        int refusals = 0;
        while (refusals < 3) {
          byte[] bytes = new byte[1 + random.nextInt(400_000)];
          random.nextBytes(bytes);
          int taken;
          try {
            taken = TestVolume.write(volume.files, handle, offset, bytes);
            assertTrue(taken > 0, at);
            System.arraycopy(bytes, 0, model, (int) offset, taken);
            size = Math.max(size, offset + taken);
            if (taken < bytes.length) {
              refusals++;
            }
            offset += taken - random.nextInt(Math.min(taken, 3000));
          } catch (ErrnoException e) {
            assertEquals(Errno.ENOSPC, e.errno(), at);
            refusals++;
          }
          assertEquals(size, volume.files.status(made.entry().id(), 0).size(), at);
          assertArrayEquals(
              Arrays.copyOf(model, (int) size),
              TestVolume.contents(volume.files, made.entry().id()),
              at);
        }
        volume.files.release(handle);
        volume.files.unlink(1, TestVolume.name("f"));
      }
    }
  }

  private TestVolume open(int round) throws ErrnoException {
    return round == 0
        ? TestVolume.create(mountPoint, TestVolume.OPTIONS)
        : TestVolume.open(mountPoint, TestVolume.OPTIONS);
  }

  @Test
  @DisplayName("a hole written in part stays readable")
  void holesStayReadable() throws Exception {
    try (var volume = TestVolume.create(mountPoint, TestVolume.OPTIONS)) {
      var made = volume.files.create(1, TestVolume.name("f"), Flags.O_RDWR, 0600);
      volume.files.setAttributes(made.entry().id(), made.handle(), ContentsTest.size(3_000_000));
      byte[] bytes = new byte[1_000_000];
      new Random(2).nextBytes(bytes);
      byte[] model = new byte[3_000_000];
      long done = 100;
      try {
        while (true) {
          int taken = TestVolume.write(volume.files, made.handle(), done, bytes);
          System.arraycopy(bytes, 0, model, (int) done, taken);
          done += taken;
        }
      } catch (ErrnoException e) {
        assertEquals(Errno.ENOSPC, e.errno());
      }
      assertTrue(done > 1_500_000);
      assertArrayEquals(model, TestVolume.contents(volume.files, made.entry().id()));
      assertThrows(
          ErrnoException.class, () -> volume.files.makeDirectory(1, TestVolume.name("d"), 0700));
      assertEquals(java.util.Set.of("f"), java.util.Set.copyOf(TestVolume.names(volume.files, 1)));
    }
  }
}
