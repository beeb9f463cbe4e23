package io.coffer.mount;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.ErrnoException;
import io.coffer.store.LocalStore;
import io.coffer.vfs.EncryptedFilesystem;
import io.coffer.vfs.PolicyFilesystem;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A mounted volume with a directory {@code tree} that has a policy, unlocked. */
abstract class MountedTree {
  Path base = Path.of("/");
  Path view = Path.of("/");
  Path tree = Path.of("/");
  @Nullable LocalStore store;
  @Nullable PolicyFilesystem files;
  @Nullable MountedView mounted;
  byte[] identifier = {};

  @BeforeEach
  void mount() throws Exception {
    base = Files.createTempDirectory("coffer-trees-test-");
    Files.createDirectory(base.resolve("store"));
    view = Files.createDirectory(base.resolve("view"));
    store = LocalStore.open(base.resolve("store"));
    files = new PolicyFilesystem(store, EncryptedFilesystem.Options.defaults(), null);
    var options = new TestView.Options();
    options.timeout = Duration.ofSeconds(100);
    var trees = new MountedView.Trees(files, base.resolve("store"), base.resolve("metadata"));
    mounted = MountedView.mount(files, files, TestView.mountOptions(view, options), trees);
    identifier = unlock(1);
    tree = Files.createDirectory(view.resolve("tree"));
    setPolicy("tree", identifier);
  }

  @AfterEach
  void unmount() throws Exception {
    if (mounted != null && store != null) {
      mounted.unmount();
      mounted.awaitUnmount();
      store.close();
    }
    try (Stream<Path> all = Files.walk(base)) {
      for (Path each : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  LocalStore store() {
    return java.util.Objects.requireNonNull(store);
  }

  PolicyFilesystem files() {
    return java.util.Objects.requireNonNull(files);
  }

  byte[] unlock(int seed) throws ErrnoException {
    byte[] raw = new byte[64];
    Arrays.fill(raw, (byte) seed);
    return files().unlock(0, raw);
  }

  void lock(boolean strict) throws ErrnoException {
    files().lock(0, identifier, false, strict);
  }

  void setPolicy(String path, byte[] key) throws ErrnoException {
    files().setPolicy(0, path.getBytes(UTF_8), "AES_256_XTS", "AES_256_CTS", 32, key);
  }

  static byte[] random(int length) {
    byte[] bytes = new byte[length];
    new Random(length).nextBytes(bytes);
    return bytes;
  }

  static List<Path> entries(Path directory) throws IOException {
    try (Stream<Path> all = Files.list(directory)) {
      return all.sorted().toList();
    }
  }

  static void assertNoKey(org.junit.jupiter.api.function.Executable operation) {
    String message =
        String.valueOf(assertThrows(FileSystemException.class, operation).getMessage());
    assertTrue(message.contains("Required key not available"), message);
  }

  static List<String> names(Path directory) throws IOException {
    return entries(directory).stream().map(each -> each.getFileName().toString()).toList();
  }
}
