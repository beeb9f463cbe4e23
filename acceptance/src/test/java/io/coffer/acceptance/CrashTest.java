package io.coffer.acceptance;

import static io.coffer.acceptance.Volume.Program.COFFER;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@DisplayName("kill -9 of the daemon")
class CrashTest {
  private static final Volume.Program PROGRAM =
      Boolean.getBoolean("coffer.test.peeronly") ? Volume.Program.PEER : COFFER;

  private final Area area = Area.onDisk();
  private final Volume volume = Volume.in(area, "v");

  @AfterEach
  void cleanUp() {
    area.close();
  }

  static IntStream seeds() {
    return IntStream.range(1, Reactor.longRun() ? 60 : 6);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void loses_no_directory_and_nothing_that_was_synced(int seed) throws Exception {
    Random random = new Random(seed);
    volume.init(PROGRAM);
    Map<String, byte[]> synced = new LinkedHashMap<>();
    try (Mounted mounted = volume.mount(PROGRAM)) {
      Thread killer =
          Thread.ofPlatform()
              .start(() -> {
                Mounted.sleep(200 + random.nextInt(1500));
                mounted.daemon().destroyForcibly();
              });
      int written = extract(volume.view(), seed, synced);
      killer.join();
      mounted.kill();
      assertTrue(written > 0, "the extraction should have begun");
    }
    Outcome check = volume.check(PROGRAM);
    try (Mounted mounted = volume.mount(PROGRAM)) {
      Command.bash("ls -lR " + volume.view() + " > /dev/null").ok();
      verify(synced);
      mounted.unmount();
    }
    if (PROGRAM == COFFER) {
      // What the crash may leave is mended without loss.
      Command.coffer("check", "--repair", "--password-file", volume.password(), volume.stored())
          .run();
      Outcome second = volume.check(PROGRAM);
      assertEquals(0, second.exit(), "after --repair: " + second + "\nbefore it: " + check);
      try (Mounted mounted = volume.mount(PROGRAM)) {
        verify(synced);
        Command.of("rm", "-rf", volume.view().resolve("tree")).ok();
        mounted.unmount();
      }
    }
  }

  /** Extracts as tar would, with an fsync for every third file, until the daemon is gone. */
  private static int extract(Path view, int seed, Map<String, byte[]> synced) {
    Random random = new Random(seed);
    int count = 0;
    try (Person me = Person.self()) {
      String root = Person.path(view) + "/tree";
      me.mkdir(root, 0755);
      for (; count < 200_000; count++) {
        String directory = root + "/d" + count / 10;
        if (count % 10 == 0) {
          me.mkdir(directory, 0755);
        }
        String name =
            "/d" + count / 10 + "/" + (random.nextInt(4) == 0 ? "n".repeat(200) : "f") + count;
        byte[] data = OnSubject.random(random.nextInt(20_000), count);
        int file = me.open(root + name, Flags.O_CREAT | Flags.O_EXCL | Flags.O_WRONLY, 0600);
        me.pwrite(file, data, 0);
        if (count % 3 == 0) {
          me.fsync(file);
          synced.put(name, data);
        }
        me.chmod(root + name, 0644);
        me.close(file);
        if (count % 7 == 0) {
          me.rename(root + name, root + name + "r");
          if (synced.containsKey(name)) {
            // Either name may be found: the rename itself was not synced.
            synced.put(name + "|" + name + "r", synced.remove(name));
          }
        }
        if (count % 50 == 49) {
          me.mkdir(root + "/gone" + count, 0755);
          me.rmdir(root + "/gone" + count);
        }
      }
    } catch (ErrnoException e) {
      return count; // The daemon is gone: ENOTCONN, ECONNABORTED or EIO.
    }
    return count;
  }

  private void verify(Map<String, byte[]> synced) {
    try (Person me = Person.self()) {
      synced.forEach((names, data) -> {
        String found = null;
        for (String name : names.split("\\|", -1)) {
          String path = Person.path(volume.view()) + "/tree" + name;
          if (me.exists(path)) {
            found = path;
          }
        }
        assertTrue(found != null, "the synced file " + names + " should be there");
        try {
          int file = me.open(found, Flags.O_RDONLY);
          byte[] read = me.pread(file, data.length + 1, 0);
          me.close(file);
          assertEquals(Hashes.sha256(data), Hashes.sha256(read), "contents of " + names);
        } catch (ErrnoException e) {
          throw new AssertionError("the synced file " + names + " should be readable", e);
        }
      });
    }
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void in_the_middle_of_overwriting_keeps_every_block_old_or_new(int seed) throws Exception {
    volume.init(PROGRAM);
    int blocks = 64;
    String path = Person.path(volume.view()) + "/f";
    Random random = new Random(seed);
    try (Mounted mounted = volume.mount(PROGRAM);
        Person me = Person.self()) {
      int file = me.open(path, Flags.O_CREAT | Flags.O_RDWR, 0644);
      for (int i = 0; i < blocks; i++) {
        me.pwrite(file, filled(0), i * 4096L);
      }
      me.fsync(file);
      Thread killer =
          Thread.ofPlatform()
              .start(() -> {
                Mounted.sleep(100 + new Random(seed).nextInt(500));
                mounted.daemon().destroyForcibly();
              });
      try {
        for (int generation = 1; ; generation++) {
          me.pwrite(file, filled(generation % 250), random.nextInt(blocks) * 4096L);
          if (generation % 20 == 0) {
            me.fsync(file);
          }
        }
      } catch (ErrnoException e) {
        killer.join(); // The daemon is gone.
      }
      try {
        me.close(file);
      } finally {
        mounted.kill();
      }
    }
    try (Mounted mounted = volume.mount(PROGRAM);
        Person me = Person.self()) {
      int file = me.open(path, Flags.O_RDONLY);
      for (int i = 0; i < blocks; i++) {
        byte[] block = me.pread(file, 4096, i * 4096L);
        assertEquals(
            new String(filled(block[0] & 0xff), StandardCharsets.ISO_8859_1),
            new String(block, StandardCharsets.ISO_8859_1),
            "block " + i + " should be of one generation");
      }
      me.close(file);
      mounted.unmount();
    }
  }

  private static byte[] filled(int value) {
    byte[] block = new byte[4096];
    java.util.Arrays.fill(block, (byte) value);
    return block;
  }
}
