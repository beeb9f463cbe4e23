package io.coffer.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class SessionTest {
  @Test
  void transfersAsMuchAtOnceAsTheAdministratorAllows() throws Exception {
    Path file = Path.of("/proc/sys/fs/fuse/max_pages_limit");
    assumeTrue(Files.exists(file), "this kernel has no such limit");
    Process cat = new ProcessBuilder("cat", file.toString()).start();
    String said =
        new String(cat.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).strip();
    int most = (1 << 20) / Page.BYTES;
    assertEquals(Math.min(most, Integer.parseInt(said)), Session.maxPages());
  }
}
