package io.coffer.vfs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A directory mounted by the installed gocryptfs, the peer that this format has to agree with. */
final class GocryptfsMount implements AutoCloseable {
  static final String PASSWORD = "peer password";

  private final Path mountPoint;

  private GocryptfsMount(Path mountPoint) {
    this.mountPoint = mountPoint;
  }

  /** Aborts the test, saying so, where gocryptfs or FUSE is missing. */
  static void assumeInstalled() throws Exception {
    boolean there =
        run(List.of("gocryptfs", "-version")) == 0 && Files.exists(Path.of("/dev/fuse"));
    if (!there) {
      System.err.println("SKIPPED: gocryptfs or /dev/fuse is not there");
    }
    assumeTrue(there, "gocryptfs or /dev/fuse is not there");
  }

  /** Runs gocryptfs with a password file. */
  static void gocryptfs(Path directory, String... options) throws Exception {
    Path passwordFile = Files.createTempFile("coffer-test", ".password");
    try {
      Files.writeString(passwordFile, PASSWORD);
      List<String> command = new ArrayList<>(List.of("gocryptfs", "-q", "-passfile"));
      command.add(passwordFile.toString());
      command.addAll(List.of(options));
      command.add(directory.toString());
      assertEquals(0, run(command), () -> "exit status of " + command);
    } finally {
      Files.delete(passwordFile);
    }
  }

  static GocryptfsMount mount(Path directory, Path mountPoint, String... options) throws Exception {
    return mount(PASSWORD, directory, mountPoint, options);
  }

  static GocryptfsMount mount(String password, Path directory, Path mountPoint, String... options)
      throws Exception {
    Files.createDirectories(mountPoint);
    Path passwordFile = Files.createTempFile("coffer-test", ".password");
    try {
      Files.writeString(passwordFile, password);
      List<String> command = new ArrayList<>(List.of("gocryptfs", "-q", "-passfile"));
      command.add(passwordFile.toString());
      command.addAll(List.of(options));
      command.add(directory.toString());
      command.add(mountPoint.toString());
      assertEquals(0, run(command), () -> "exit status of " + command);
      return new GocryptfsMount(mountPoint);
    } finally {
      Files.delete(passwordFile);
    }
  }

  Path path() {
    return mountPoint;
  }

  @Override
  public void close() throws IOException {
    if (run(List.of("fusermount", "-u", mountPoint.toString())) != 0) {
      run(List.of("fusermount", "-u", "-z", mountPoint.toString()));
    }
  }

  private static int run(List<String> command) throws IOException {
    Process process;
    try {
      // A file, not a pipe: a daemon would keep the pipe open.
      process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
    } catch (IOException e) {
      return 127;
    }
    try {
      if (process.waitFor(60, TimeUnit.SECONDS)) {
        return process.exitValue();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    process.destroyForcibly();
    throw new IOException(command + " did not end");
  }
}
