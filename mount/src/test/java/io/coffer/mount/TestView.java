package io.coffer.mount;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.fuse.MountException;
import io.coffer.fuse.MountRequest;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.vfs.PathTranslator;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A filesystem mounted in a place that every user can reach. */
final class TestView {
  /** How a view is mounted; what a test does not care for is as here. */
  static final class Options {
    boolean readOnly;
    boolean allowOther = true;
    boolean setUserId;
    boolean nonEmpty;
    boolean acl;
    boolean keepCache = true;
    boolean ioUring;
    SharingMode sharing = SharingMode.EXCLUSIVE;
    Duration timeout = Duration.ofSeconds(1);
    MountOptions.@Nullable Owner owner;
    @Nullable Duration idle;
    @Nullable Path controlSocket;
  }

  static final PathTranslator NO_PATHS =
      new PathTranslator() {
        @Override
        public byte[] encryptPath(byte[] plain) throws ErrnoException {
          throw new ErrnoException(Errno.ENOENT);
        }

        @Override
        public byte[] decryptPath(byte[] stored) throws ErrnoException {
          throw new ErrnoException(Errno.ENOENT);
        }
      };

  final Path base;
  final Path store;
  final Path point;
  final Backend backend;
  final Watched watched;
  final MountedView view;

  /** Makes what is mounted in an empty directory. */
  interface Opening {
    Backend open(Path store) throws IOException;
  }

  TestView(Opening opening, Options options)
      throws IOException, MountException, InterruptedException {
    base = Files.createTempDirectory("coffer-mount-test-");
    Files.setPosixFilePermissions(base, PosixFilePermissions.fromString("rwxr-xr-x"));
    store = Files.createDirectory(base.resolve("store"));
    point = Files.createDirectory(base.resolve("view"));
    Files.setPosixFilePermissions(store, PosixFilePermissions.fromString("rwxrwxrwx"));
    backend = opening.open(store);
    watched = new Watched(backend.files());
    view = MountedView.mount(watched.files, NO_PATHS, mountOptions(point, options));
  }

  static MountOptions mountOptions(Path point, Options o) {
    return new MountOptions(
        new MountRequest(
            point,
            "direct",
            "coffertest",
            o.readOnly,
            o.allowOther,
            o.allowOther,
            o.setUserId,
            false,
            true,
            List.of()),
        o.nonEmpty,
        o.acl,
        o.timeout,
        o.timeout,
        Duration.ZERO,
        o.sharing,
        o.keepCache,
        o.sharing == SharingMode.EXCLUSIVE && !o.readOnly,
        true,
        o.ioUring,
        o.owner,
        o.idle,
        o.controlSocket);
  }

  /** Runs a shell script in the view as root; returns what it says, and fails if it fails. */
  String sh(String script) throws IOException, InterruptedException {
    return run(List.of(), script);
  }

  /** The same as another user with a group of the same number and perhaps others. */
  String shAs(int uid, String groups, String script) throws IOException, InterruptedException {
    return run(
        List.of("setpriv", "--reuid=" + uid, "--regid=" + uid, "--groups=" + groups), script);
  }

  private String run(List<String> prefix, String script) throws IOException, InterruptedException {
    var command = new ArrayList<>(prefix);
    command.addAll(List.of("sh", "-ec", script));
    Process process =
        new ProcessBuilder(command).directory(point.toFile()).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(30, TimeUnit.SECONDS), script);
    if (process.exitValue() != 0) {
      throw new AssertionError("exit " + process.exitValue() + " of: " + script + "\n" + said);
    }
    return said.strip();
  }

  void close() throws IOException, MountException, InterruptedException {
    if (!watched.isClosed()) {
      view.unmount();
      view.awaitUnmount();
    }
    assertEquals(1, watched.closed.get());
    backend.close();
    Files.walkFileTree(
        base,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException e)
              throws IOException {
            Files.delete(directory);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
