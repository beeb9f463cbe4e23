package io.coffer.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.posix.Credentials;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A user who is not root mounts through fusermount3. All in a mount namespace of its own, in which
 * everybody may open /dev/fuse, as udev arranges it where that runs.
 */
@Timeout(60)
class OrdinaryUserTest {
  private static final int USER = 65534;

  private static final String OPEN_DEVICE =
      "mount -t tmpfs none /mnt; mknod /mnt/fuse c 10 229; chmod 666 /mnt/fuse;"
          + " mount --bind /mnt/fuse /dev/fuse; echo ready; read x";

  private Path mountPoint;
  private Process namespace;
  private Process daemon;
  private BufferedReader said;

  @BeforeEach
  void mount() throws Exception {
    assumeTrue(
        Credentials.effectiveUid() == 0
            && Files.isWritable(Path.of("/dev/fuse"))
            && Files.isExecutable(Path.of("/usr/bin/fusermount3"))
            && Files.isExecutable(Path.of("/usr/bin/nsenter")),
        "SKIPPED: needs root, /dev/fuse, fusermount3 and nsenter");
    namespace =
        new ProcessBuilder("unshare", "--mount", "sh", "-ec", OPEN_DEVICE)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    assertEquals("ready", namespace.inputReader().readLine());
    mountPoint = Files.createTempDirectory("coffer-fuse-test-");
    Files.setPosixFilePermissions(mountPoint, PosixFilePermissions.fromString("rwxr-xr-x"));
    Files.setAttribute(mountPoint, "unix:uid", USER);
    daemon =
        new ProcessBuilder(
                asUser(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--enable-native-access=ALL-UNNAMED",
                    "-cp",
                    System.getProperty("java.class.path"),
                    MemoryMount.class.getName(),
                    mountPoint.toString()))
            .redirectErrorStream(true)
            .start();
    said = daemon.inputReader();
    assertEquals("mounted", said.readLine());
  }

  @AfterEach
  void end() throws Exception {
    if (daemon != null) {
      daemon.destroyForcibly().waitFor();
      Files.delete(mountPoint);
    }
    if (namespace != null) {
      namespace.destroyForcibly().waitFor();
    }
  }

  private List<String> asUser(String... command) {
    var all = new ArrayList<>(List.of("nsenter", "--mount", "--target=" + namespace.pid()));
    all.addAll(List.of("setpriv", "--reuid=" + USER, "--regid=" + USER, "--clear-groups"));
    all.addAll(List.of(command));
    return all;
  }

  private static String run(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(20, TimeUnit.SECONDS));
    return text.strip() + " " + process.exitValue();
  }

  private String table() throws IOException {
    return Files.readString(Path.of("/proc/" + namespace.pid() + "/mounts"));
  }

  @Test
  void seesTheMountAndNobodyElseDoes() throws Exception {
    assertEquals("yes 0", run(asUser("sh", "-c", "cd " + mountPoint + "; echo yes > f; cat f")));
    String root = run(List.of("nsenter", "-m", "-t", namespace.pid() + "", "ls", mountPoint + "/"));
    assertTrue(root.contains("Permission denied"), root);
    String table = table();
    assertTrue(table.contains("mem_ory " + mountPoint + " fuse.coffertest rw,nosuid,nodev"), table);
  }

  @Test
  void unmountsAgain() throws Exception {
    daemon.outputWriter().close();
    assertEquals("unmounted true", said.readLine());
    assertEquals("closed true", said.readLine());
    assertEquals(0, daemon.waitFor());
    assertNull(said.readLine());
  }

  @Test
  void detachesABusyMount() throws Exception {
    Process reader =
        new ProcessBuilder(
                asUser("sh", "-c", "exec 9>" + mountPoint + "/f; echo open; read x; echo e >&9"))
            .start();
    assertEquals("open", reader.inputReader().readLine());
    daemon.outputWriter().close();
    assertTrue(said.readLine().endsWith("unmounted false"));
    assertFalse(table().contains(mountPoint + " fuse"));
    reader.outputWriter().close();
    assertEquals("closed true", said.readLine());
    assertEquals(0, reader.waitFor());
  }

  @Test
  void getsEnotconnWhenTheProcessIsKilledAndCanCleanUp() throws Exception {
    daemon.destroyForcibly().waitFor();
    String text = run(asUser("ls", mountPoint.toString()));
    assertTrue(text.contains("Transport endpoint is not connected"), text);
    assertNotEquals("", text);
    assertEquals(" 0", run(asUser("fusermount3", "-u", mountPoint.toString())));
  }
}
