package io.coffer.vfs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.coffer.crypto.SecretBytes;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.store.LocalStore;
import io.coffer.vfs.VirtualFilesystem.AttributeChanges;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Two nodes with a store of their own each, on one directory. */
@DisplayName("A volume with fscrypt policies that two nodes share")
class PolicySharedTest {
  private static final int UNIT = 4096;

  private Path path = Path.of("/");
  private final List<LocalStore> stores = new ArrayList<>();
  private final List<PolicyFilesystem> nodes = new ArrayList<>();

  @BeforeEach
  void mountTwice() throws IOException {
    path = TestVolume.onTmpfs();
    for (int i = 0; i < 2; i++) {
      LocalStore store = LocalStore.open(path);
      stores.add(store);
      var options = EncryptedFilesystem.Options.defaults().withShared(true);
      nodes.add(new PolicyFilesystem(store, options, null));
      unlock(i);
    }
    byte[] identifier = unlock(0);
    nodes.getFirst().makeDirectory(VirtualFilesystem.ROOT, bytes("tree"), 0755);
    nodes.getFirst().setPolicy(0, bytes("tree"), PolicyFilesystemTest.policy(identifier));
  }

  @AfterEach
  void close() throws ErrnoException {
    nodes.forEach(PolicyFilesystem::close);
    for (LocalStore each : stores) {
      each.close();
    }
    TestVolume.delete(path);
  }

  private byte[] unlock(int node) throws ErrnoException {
    try (SecretBytes key = PolicyFilesystemTest.key(1)) {
      return nodes.get(node).unlock(0, key);
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  private static byte[] random(int seed, int length) {
    byte[] bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private long open(int node, String file) throws ErrnoException {
    return nodes.get(node).open(TestVolume.find(nodes.get(node), file).id(), Flags.O_RDWR);
  }

  @Test
  void showsEachWhatTheOtherHasDone() throws ErrnoException {
    PolicyFilesystem one = nodes.get(0);
    PolicyFilesystem two = nodes.get(1);
    TestVolume.put(one, TestVolume.find(one, "tree").id(), "file", random(1, 5000));
    assertArrayEquals(
        random(1, 5000), TestVolume.contents(two, TestVolume.find(two, "tree/file").id()));
    long handle = open(1, "tree/file");
    TestVolume.write(two, handle, 5000, random(2, 9000));
    two.release(handle);
    long file = TestVolume.find(one, "tree/file").id();
    assertEquals(14_000, one.status(file, 0).size());
    one.setAttributes(file, 0, new AttributeChanges(null, null, null, 100L, null, null));
    assertArrayEquals(
        Arrays.copyOf(random(1, 5000), 100),
        TestVolume.contents(two, TestVolume.find(two, "tree/file").id()));
    two.rename(
        TestVolume.find(two, "tree").id(),
        bytes("file"),
        TestVolume.find(two, "tree").id(),
        bytes("moved"),
        0);
    assertEquals(
        List.of("moved"), List.copyOf(TestVolume.names(one, TestVolume.find(one, "tree").id())));
  }

  @Test
  void encryptsWhatTheOtherPutsIntoADirectoryThatHasAPolicyNow() throws ErrnoException {
    PolicyFilesystem one = nodes.get(0);
    PolicyFilesystem two = nodes.get(1);
    one.makeDirectory(VirtualFilesystem.ROOT, bytes("later"), 0755);
    long seen = TestVolume.find(two, "later").id();
    assertEquals(0, TestVolume.names(two, seen).size());
    byte[] identifier = unlock(0);
    one.setPolicy(0, bytes("later"), PolicyFilesystemTest.policy(identifier));
    TestVolume.put(two, seen, "file", random(3, 100));
    assertArrayEquals(
        random(3, 100), TestVolume.contents(one, TestVolume.find(one, "later/file").id()));
    two.lock(0, identifier, false, true);
    assertEquals(
        Errno.ENOENT,
        assertThrows(ErrnoException.class, () -> TestVolume.find(two, "later/file")).errno());
    assertArrayEquals(
        random(3, 100), TestVolume.contents(one, TestVolume.find(one, "later/file").id()));
  }

  @Test
  void losesNothingThatBothWriteIntoOneUnit() throws Exception {
    PolicyFilesystem one = nodes.get(0);
    int units = 8;
    TestVolume.put(one, TestVolume.find(one, "tree").id(), "file", new byte[units * UNIT]);
    var fault = new AtomicReference<@Nullable Throwable>();
    List<Thread> writers = new ArrayList<>();
    for (int node = 0; node < 2; node++) {
      int mine = node;
      writers.add(
          Thread.ofPlatform()
              .start(() -> {
                try {
                  long handle = open(mine, "tree/file");
                  for (int round = 1; round <= 25; round++) {
                    for (int unit = 0; unit < units; unit++) {
                      byte[] half = new byte[UNIT / 2];
                      Arrays.fill(half, (byte) round);
                      long at = (long) unit * UNIT + (long) mine * UNIT / 2;
                      TestVolume.write(nodes.get(mine), handle, at, half);
                    }
                  }
                  nodes.get(mine).release(handle);
                } catch (ErrnoException | RuntimeException e) {
                  fault.set(e);
                }
              }));
    }
    for (Thread each : writers) {
      each.join();
    }
    assertEquals(null, fault.get());
    byte[] expected = new byte[units * UNIT];
    Arrays.fill(expected, (byte) 25);
    for (PolicyFilesystem each : nodes) {
      assertArrayEquals(
          expected, TestVolume.contents(each, TestVolume.find(each, "tree/file").id()));
    }
  }

  @Test
  void growsAFileThatBothAppendToByAllOfIt() throws Exception {
    PolicyFilesystem one = nodes.get(0);
    TestVolume.put(one, TestVolume.find(one, "tree").id(), "file", new byte[0]);
    for (int round = 0; round < 20; round++) {
      int node = round % 2;
      long handle = open(node, "tree/file");
      long id = TestVolume.find(nodes.get(node), "tree/file").id();
      long size = nodes.get(node).status(id, handle).size();
      assertEquals(round * 1000L, size);
      TestVolume.write(nodes.get(node), handle, size, random(round, 1000));
      nodes.get(node).release(handle);
    }
    byte[] all = TestVolume.contents(one, TestVolume.find(one, "tree/file").id());
    for (int round = 0; round < 20; round++) {
      assertArrayEquals(
          random(round, 1000), Arrays.copyOfRange(all, round * 1000, (round + 1) * 1000));
    }
  }
}
