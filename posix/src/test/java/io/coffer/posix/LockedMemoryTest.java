package io.coffer.posix;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class LockedMemoryTest {
  @Test
  void isLockedAndGoneWhenClosed() throws Exception {
    long before = lockedKilobytes();
    byte[] given = "secret".getBytes(US_ASCII);
    LockedMemory memory = LockedMemory.take(given);
    assertArrayEquals("secret".getBytes(US_ASCII), memory.copy());
    assertArrayEquals(new byte[6], given, "what was given is wiped");
    assertTrue(memory.isLocked());
    assertTrue(lockedKilobytes() > before, "the kernel says so");
    memory.close();
    assertEquals(before, lockedKilobytes());
    assertThrows(IllegalStateException.class, memory::copy);
    memory.close();
  }

  private static long lockedKilobytes() throws Exception {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmLck:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
        .findFirst()
        .orElseThrow();
  }
}
