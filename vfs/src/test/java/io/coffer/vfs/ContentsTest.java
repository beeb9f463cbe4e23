package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.vfs.VirtualFilesystem.AttributeChanges;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("Contents of files")
class ContentsTest {
  private static final int LARGEST = 60_000;

  private Path tmpfs;
  private TestVolume volume;

  @BeforeEach
  void create() throws Exception {
    tmpfs = TestVolume.onTmpfs();
    volume = TestVolume.create(tmpfs, TestVolume.OPTIONS);
  }

  @AfterEach
  void remove() throws Exception {
    volume.close();
    TestVolume.delete(tmpfs);
  }

  @Nested
  @DisplayName("are those of an array of bytes, whatever is done to them,")
  class BesideAModel {
    @TempDir Path disk;

    @ParameterizedTest
    @EnumSource(GocryptfsCipher.class)
    void onTmpfs(GocryptfsCipher cipher) throws Exception {
      Path directory = Files.createDirectory(tmpfs.resolve("model"));
      compare(directory, cipher, 4000);
    }

    @ParameterizedTest
    @EnumSource(GocryptfsCipher.class)
    void onDisk(GocryptfsCipher cipher) throws Exception {
      compare(disk, cipher, 1500);
    }

    private void compare(Path directory, GocryptfsCipher cipher, int steps) throws Exception {
      long seed = System.nanoTime();
      var random = new Random(seed);
      byte[] model = new byte[LARGEST * 3];
      int size = 0;
      try (var own = TestVolume.create(directory, TestVolume.OPTIONS.withCipher(cipher))) {
        var files = own.files;
        long[] handles = new long[3];
        var made = files.create(1, TestVolume.name("f"), Flags.O_RDWR | Flags.O_EXCL, 0600);
        long id = made.entry().id();
        handles[0] = made.handle();
        handles[1] = files.open(id, Flags.O_RDWR);
        handles[2] = files.open(id, Flags.O_RDWR);
        for (int step = 0; step < steps; step++) {
          String at = "seed " + seed + ", step " + step;
          long handle = handles[random.nextInt(handles.length)];
          int offset = place(random);
          int length = random.nextInt(4) == 0 ? 4096 * random.nextInt(1, 5) : place(random) / 2 + 1;
          switch (random.nextInt(12)) {
            case 0, 1, 2, 3 -> {
              byte[] bytes = new byte[length];
              random.nextBytes(bytes);
              assertEquals(length, TestVolume.write(files, handle, offset, bytes), at);
              System.arraycopy(bytes, 0, model, offset, length);
              size = Math.max(size, offset + length);
            }
            case 4, 5, 6 -> {
              byte[] expected =
                  Arrays.copyOfRange(
                      model, Math.min(offset, size), Math.min(offset + length, size));
              if (offset >= size) {
                expected = new byte[0];
              }
              assertArrayEquals(expected, TestVolume.read(files, handle, offset, length), at);
            }
            case 7 -> {
              files.setAttributes(id, random.nextBoolean() ? handle : 0, size(offset));
              if (offset < size) {
                Arrays.fill(model, offset, size, (byte) 0);
              }
              size = offset;
            }
            case 8 -> {
              int mode =
                  random.nextBoolean()
                      ? Flags.FALLOC_FL_PUNCH_HOLE | Flags.FALLOC_FL_KEEP_SIZE
                      : Flags.FALLOC_FL_ZERO_RANGE
                          | (random.nextBoolean() ? Flags.FALLOC_FL_KEEP_SIZE : 0);
              files.allocate(handle, mode, offset, length);
              Arrays.fill(model, offset, offset + length, (byte) 0);
              if ((mode & Flags.FALLOC_FL_KEEP_SIZE) == 0) {
                size = Math.max(size, offset + length);
              }
            }
            case 9 -> {
              int mode = random.nextBoolean() ? Flags.FALLOC_FL_KEEP_SIZE : 0;
              files.allocate(handle, mode, offset, length);
              if (mode == 0) {
                size = Math.max(size, offset + length);
              }
            }
            case 10 -> {
              if (random.nextInt(10) == 0) {
                files.release(handles[2]);
                handles[2] = files.open(id, Flags.O_RDWR | Flags.O_TRUNC);
                Arrays.fill(model, 0, size, (byte) 0);
                size = 0;
              } else {
                files.release(handles[1]);
                handles[1] = files.open(id, Flags.O_RDWR);
              }
            }
            default -> checkSeek(own, handle, model, size, offset, at);
          }
          assertEquals(size, files.status(id, handle).size(), at);
        }
        assertArrayEquals(
            Arrays.copyOf(model, size), TestVolume.contents(files, id), "seed " + seed);
      }
      try (var again = TestVolume.open(directory, TestVolume.OPTIONS.withCipher(cipher))) {
        assertArrayEquals(
            Arrays.copyOf(model, size),
            TestVolume.contents(again.files, again.lookup(1, "f").id()),
            "opened again, seed " + seed);
      }
    }

    /** A hole may be called data, data never a hole. */
    private void checkSeek(
        TestVolume own, long handle, byte[] model, int size, int offset, String at)
        throws ErrnoException {
      if (offset >= size) {
        assertEquals(
            Errno.ENXIO,
            assertThrows(
                    ErrnoException.class, () -> own.files.seek(handle, offset, Flags.SEEK_DATA), at)
                .errno());
        return;
      }
      long hole = own.files.seek(handle, offset, Flags.SEEK_HOLE);
      assertTrue(hole >= offset && hole <= size, at);
      long data;
      try {
        data = own.files.seek(handle, offset, Flags.SEEK_DATA);
      } catch (ErrnoException e) {
        assertEquals(Errno.ENXIO, e.errno(), at);
        data = size;
      }
      for (int i = offset; i < data; i++) {
        assertEquals(0, model[i], at + ": data at " + i + " before the first that is told");
      }
      if (hole < size) {
        assertEquals(0, model[(int) hole], at + ": data in a hole");
      }
    }

    private int place(Random random) {
      int near = 4096 * random.nextInt(LARGEST / 4096);
      return switch (random.nextInt(4)) {
        case 0 -> near;
        case 1 -> Math.max(0, near + random.nextInt(-3, 4));
        default -> random.nextInt(LARGEST);
      };
    }
  }

  static AttributeChanges size(long size) {
    return new AttributeChanges(null, null, null, size, null, null);
  }

  @Test
  @DisplayName("of 23 bytes are stored in 73")
  void haveTheDocumentedSize() throws Exception {
    volume.put(1, "f", new byte[23]);
    try (var entries = Files.list(tmpfs)) {
      Path stored =
          entries.filter(each -> !each.endsWith("gocryptfs.diriv")).findFirst().orElseThrow();
      assertEquals(73, Files.size(stored));
    }
  }

  @Test
  @DisplayName("beyond 4 GiB are sparse and come back")
  void mayBeHuge() throws Exception {
    long id = volume.put(1, "f", new byte[] {1, 2, 3});
    long handle = volume.files.open(id, Flags.O_RDWR);
    long far = (5L << 30) + 77;
    TestVolume.write(volume.files, handle, far, new byte[] {9, 8, 7});
    assertEquals(far + 3, volume.files.status(id, 0).size());
    assertArrayEquals(new byte[] {0, 9, 8, 7}, TestVolume.read(volume.files, handle, far - 1, 10));
    assertArrayEquals(new byte[100], TestVolume.read(volume.files, handle, 1L << 32, 100));
    assertTrue(volume.files.status(id, 0).blocks() < 100);
    volume.files.release(handle);
  }

  @Test
  @DisplayName("that were changed in the store are an error for every request that touches them")
  void areAuthenticated() throws Exception {
    byte[] content = new byte[5 * 4096];
    new Random(1).nextBytes(content);
    long id = volume.put(1, "f", content);
    Path stored = volume.stored("f");
    try (var raw = new RandomAccessFile(stored.toFile(), "rw")) {
      raw.seek(18 + 2 * 4128 + 100);
      int old = raw.read();
      raw.seek(18 + 2 * 4128 + 100);
      raw.write(old ^ 1);
    }
    long handle = volume.files.open(id, Flags.O_RDWR);
    for (int i = 0; i < 2; i++) {
      var refused =
          assertThrows(
              ErrnoException.class, () -> TestVolume.read(volume.files, handle, 0, 20_000));
      assertEquals(Errno.EIO, refused.errno());
    }
    assertArrayEquals(Arrays.copyOf(content, 8192), TestVolume.read(volume.files, handle, 0, 8192));
    assertEquals(
        Errno.EIO,
        assertThrows(
                ErrnoException.class,
                () -> TestVolume.write(volume.files, handle, 2 * 4096 + 1, new byte[1]))
            .errno());
    TestVolume.write(volume.files, handle, 2 * 4096, new byte[4096]);
    Arrays.fill(content, 8192, 12288, (byte) 0);
    assertArrayEquals(content, TestVolume.contents(volume.files, id));
    volume.files.release(handle);
  }

  @Test
  @DisplayName("of a file that is a header alone are empty, and it gets a new header")
  void doNotKeepAPlantedHeader() throws Exception {
    long id = volume.put(1, "f", new byte[10]);
    Path stored = volume.stored("f");
    byte[] header = Arrays.copyOf(Files.readAllBytes(stored), 18);
    Files.write(stored, header);
    assertEquals(0, volume.files.status(id, 0).size());
    long handle = volume.files.open(id, Flags.O_RDWR);
    assertEquals(0, TestVolume.read(volume.files, handle, 0, 10).length);
    TestVolume.write(volume.files, handle, 3, new byte[] {5});
    assertArrayEquals(new byte[] {0, 0, 0, 5}, TestVolume.read(volume.files, handle, 0, 10));
    volume.files.release(handle);
    assertTrue(!Arrays.equals(header, Arrays.copyOf(Files.readAllBytes(stored), 18)));
  }

  @Test
  @DisplayName("are copied from file to file with their holes")
  void areCopied() throws Exception {
    long from = volume.put(1, "from", new byte[] {1});
    long source = volume.files.open(from, Flags.O_RDWR);
    byte[] part = new byte[10_000];
    new Random(5).nextBytes(part);
    TestVolume.write(volume.files, source, 3_000_000, part);
    TestVolume.write(volume.files, source, 9_000_000, new byte[0]);
    volume.files.setAttributes(from, source, size(20_000_000));
    long to = volume.put(1, "to", new byte[100_000]);
    long target = volume.files.open(to, Flags.O_RDWR);
    long copied = 0;
    while (true) {
      long now = volume.files.copyRange(source, 10 + copied, target, 50_000 + copied, 30_000_000);
      if (now == 0) {
        break;
      }
      copied += now;
    }
    assertEquals(20_000_000 - 10, copied);
    assertEquals(50_000 + copied, volume.files.status(to, 0).size());
    assertArrayEquals(part, TestVolume.read(volume.files, target, 3_000_000 - 10 + 50_000, 10_000));
    assertTrue(volume.files.status(to, 0).blocks() < 2000, "holes were filled");
    volume.files.release(source);
    volume.files.release(target);
  }
}
